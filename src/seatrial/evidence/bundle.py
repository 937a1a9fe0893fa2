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
chain.jsonl          every Parquet file above, in the order in which the run wrote them, each line bound to the last
seal.json            the criteria, sealed first     attempts.jsonl        the log of attempts on them (both optional)
order.json | consent.json                           what permitted the load (optional)
manifest.json        every file above, digested     attestations/test-result.dsse.json
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.archive import extract, extract_stream, pack
from seatrial.evidence.canonical import MAX_DOCUMENT_BYTES, read_document, sha256_hex
from seatrial.evidence.manifest import MANIFEST, FileEntry

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
    "Opened",
    "bundle_digest",
    "open_bundle",
    "opened_bundle",
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


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that can be read as a directory.

    Attributes:
        directory: Where it is.
        unpacked: What was unpacked, by path, digested on the way; None where a directory was given.
    """

    directory: Path
    unpacked: dict[str, FileEntry] | None


@contextmanager
def open_bundle(path: Path) -> Iterator[Path]:
    """Give a bundle as a directory, whichever form it has: :func:`opened_bundle` without the digests."""
    with opened_bundle(path) as opened:
        yield opened.directory


@contextmanager
def opened_bundle(source: Path | BinaryIO) -> Iterator[Opened]:
    """Open a bundle, whichever form it has.

    A directory is given as it is. A packed file is unpacked into a temporary directory, which is gone after the block;
    of what comes from a stream, a member that is not what the manifest says is refused at once. Nothing is verified
    here beyond that and the archive's own form; see ``evidence.verifier``.

    Args:
        source: A directory, a packed file, or a stream to read a packed file from, which need not be able to seek.

    Raises:
        BundleError: The path is missing or a symbolic link, or the archive is not well-formed.
    """
    if isinstance(source, Path) and source.is_dir() and not source.is_symlink():
        yield Opened(source, None)
        return
    if isinstance(source, Path) and (source.is_symlink() or not source.is_file()):
        raise BundleError(
            "there is no bundle here", value=source, remedy="Give a bundle directory or a packed bundle, no link."
        )
    with tempfile.TemporaryDirectory(prefix="seatrial-bundle-") as temporary:
        directory = Path(temporary)
        if isinstance(source, Path):
            yield Opened(directory, extract(source, directory))
        else:
            yield Opened(directory, extract_stream(source, directory))
