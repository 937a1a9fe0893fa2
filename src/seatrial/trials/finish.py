"""The end of a run: judge what was recorded, write the report, seal the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.clock import Clock
from seatrial.errors import EvidenceError, RecordingError
from seatrial.evidence.bundle import REPORT, VERDICT, bundle_digest
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.chain import ChainWriter
from seatrial.evidence.keys import Signer
from seatrial.evidence.manifest import write_manifest
from seatrial.evidence.seal import seal
from seatrial.model.verdict import RunVerdict

__all__ = ["RunResult", "close_bundle"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run leaves.

    Attributes:
        bundle: The sealed folder.
        digest: The evidence digest: SHA-256 of the bundle's manifest.
        verdict: Recomputed from the bundle itself.
        ending: Why the run ended early; None when it completed.
        signed: Whether a tester signed it.
        unlogged: Why the log of attempts on its seal has no end of this one; empty where it has, and without a seal.
    """

    bundle: Path
    digest: str
    verdict: RunVerdict
    ending: Exception | None
    signed: bool
    unlogged: str = ""


def close_bundle(
    folder: Path, chain: ChainWriter, ending: Exception | None, signers: Sequence[Signer], clock: Clock
) -> RunResult:
    """Judge, report and seal.

    The verdict is computed from the bundle on disk by the function that ``seatrial assess`` uses, so what is sealed
    is by construction what anyone recomputes.

    Args:
        folder: The bundle; nothing is written to it any more but what stands here.
        chain: Of its parts; it is closed.
        ending: Why the run ended early; None when it completed.
        signers: The tester's keys; none leaves the bundle unsigned.
        clock: Wall-clock time, for the seal.

    Raises:
        RecordingError: what was recorded can't be read back, or the disk refuses the last documents.
    """
    # Here and not above: a run sends its first request before it needs to know how to judge and to draw.
    from seatrial.evidence.recompute import recompute
    from seatrial.reports.html import render_html
    from seatrial.reports.view import report_view

    try:
        _drop_empty(folder / "spool")
        chain.close()
        verdict = recompute(folder)
        (folder / VERDICT).write_bytes(canonical_bytes(verdict.as_document()))
        (folder / REPORT).write_text(render_html(report_view(folder, verdict)), encoding="utf-8")
        if signers:
            digest = seal(folder, signers, clock.now())
        else:
            write_manifest(folder)
            digest = bundle_digest(folder)
    except (EvidenceError, OSError) as error:
        raise RecordingError(
            "the bundle can't be finished",
            value=str(error).removesuffix("."),
            remedy="Free some space, then close it with seatrial recover.",
        ) from error
    return RunResult(folder, digest, verdict, ending, bool(signers))


def _drop_empty(spool: Path) -> None:
    """Remove spool folders that hold nothing; rows that could not be merged stay, and are sealed as they are."""
    for folder in sorted(spool.glob("**/"), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
