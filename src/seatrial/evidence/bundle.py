"""The evidence bundle: its layout, its digest, and opening it from a directory or a packed file.

plan.json            the normalised plan            plan.yaml | plan.py   the plan as it was read
policy.json          the policy in force            release.json          what was tried (optional)
forecast.json        the normalised forecast        forecast.yaml         the same as it was read (both optional)
environment.json     where it ran                   journal.jsonl         what happened, in order
calibration.json     what the generator was shown to be able to offer (optional)
verdict.json         the verdict                    report.html           for people
records/<trial>/part-NNNN.parquet                   health/<trial>.parquet
telemetry/<trial>.parquet                           the service's own figures (where the plan reads some)
diagnostics/<trial>.jsonl                           code/NN-name.py       journeys in Python
manifest.json        every file above, digested     attestations/test-result.dsse.json
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.archive import extract, pack
from seatrial.evidence.canonical import MAX_DOCUMENT_BYTES, read_document, sha256_hex
from seatrial.evidence.manifest import MANIFEST

__all__ = [
    "CALIBRATION",
    "ENVIRONMENT",
    "FORECAST",
    "FORECAST_SOURCE",
    "JOURNAL",
    "MAX_JOURNAL_BYTES",
    "PLAN",
    "PLAN_SOURCES",
    "POLICY",
    "RELEASE",
    "REPORT",
    "REQUIRED_DOCUMENTS",
    "TEST_RESULT",
    "VERDICT",
    "bundle_digest",
    "open_bundle",
    "pack",
    "plan_source",
    "read_part",
]

PLAN = "plan.json"
PLAN_SOURCES = ("plan.yaml", "plan.py")
POLICY = "policy.json"
RELEASE = "release.json"
FORECAST = "forecast.json"
FORECAST_SOURCE = "forecast.yaml"
ENVIRONMENT = "environment.json"
CALIBRATION = "calibration.json"
JOURNAL = "journal.jsonl"
VERDICT = "verdict.json"
REPORT = "report.html"
TEST_RESULT = "attestations/test-result.dsse.json"
REQUIRED_DOCUMENTS = (PLAN, POLICY, ENVIRONMENT, VERDICT)
MAX_JOURNAL_BYTES = 256 * 1024 * 1024


def read_part(directory: Path, path: str, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return the bytes of one small document of an opened bundle.

    Raises:
        BundleError: Missing, not a plain file, or larger than ``max_bytes``.
    """
    try:
        return read_document(directory / path, max_bytes)
    except EvidenceError as e:
        raise BundleError(f"in the bundle, {e.what}", value=e.value, remedy=e.remedy) from e


def plan_source(directory: Path) -> str:
    """Return which of ``plan.yaml`` and ``plan.py`` the bundle holds.

    Raises:
        BundleError: Neither, or both.
    """
    found = [name for name in PLAN_SOURCES if (directory / name).is_file()]
    if len(found) != 1:
        raise BundleError(
            "a bundle holds exactly one of plan.yaml and plan.py",
            value=" and ".join(found) or "neither",
            remedy="Keep the plan as it was read.",
        )
    return found[0]


def bundle_digest(directory: Path) -> str:
    """Return the evidence digest: the SHA-256 of ``manifest.json`` as hex.

    Raises:
        BundleError: There is no manifest.
    """
    return sha256_hex(read_part(directory, MANIFEST))


@contextmanager
def open_bundle(path: Path) -> Iterator[Path]:
    """Give a bundle as a directory, whichever form it has.

    A directory is given as it is. A packed file is unpacked into a temporary directory, which is gone after the
    block. Nothing is verified here beyond the archive's own form; see ``evidence.verifier``.

    Raises:
        BundleError: The path is missing, a symbolic link, or not a well-formed archive.
    """
    if path.is_dir() and not path.is_symlink():
        yield path
        return
    if path.is_symlink() or not path.is_file():
        raise BundleError(
            "there is no bundle here", value=path, remedy="Give a bundle directory or a packed bundle, no link."
        )
    with tempfile.TemporaryDirectory(prefix="seatrial-bundle-") as temporary:
        extract(path, Path(temporary))
        yield Path(temporary)
