"""Sealing: write the manifest of a finished bundle and put the tester's signature over it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from seatrial.errors import BundleError
from seatrial.evidence.bundle import TEST_RESULT, bundle_digest
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import Signer
from seatrial.evidence.manifest import write_manifest
from seatrial.evidence.statement import statement_by_tester

__all__ = ["seal"]


def seal(directory: Path, signers: Sequence[Signer], now: datetime) -> str:
    """Seal a finished bundle directory and return its evidence digest.

    Args:
        directory: All parts written; nothing may be written to them afterwards.
        signers: The tester's key or keys.
        now: The time of sealing, with a zone.

    Raises:
        BundleError: A part is missing, the bundle is sealed already, or the disk refuses.
        SignatureError: No signer.
    """
    envelope_file = directory / TEST_RESULT
    if envelope_file.exists():
        raise BundleError("the bundle is sealed already", value=directory, remedy="A new attempt gets a new bundle.")
    write_manifest(directory)
    envelope = sign(statement_by_tester(directory, now).to_bytes(), signers)
    try:
        envelope_file.parent.mkdir(exist_ok=True)
        envelope_file.write_bytes(envelope)
    except OSError as e:
        raise BundleError(
            f"the seal can't be written ({e.strerror})", value=envelope_file, remedy="Free space and seal again."
        ) from e
    return bundle_digest(directory)
