"""Steps on the files: the manifest, and the directory against it."""

from __future__ import annotations

from seatrial.errors import BundleError
from seatrial.evidence.bundle import (
    TEST_RESULT,
    read_part,
)
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.checks.base import Check, listed
from seatrial.evidence.manifest import (
    ATTESTATIONS,
    MANIFEST,
    DifferenceKind,
    ascii_path,
    compare_directory,
    files_of,
    parse_manifest,
)

__all__ = ["digests_are_right", "manifest_is_there", "nothing_extra", "nothing_missing"]

_MAX_NAMED = 20


def manifest_is_there(check: Check) -> str:
    """Read the manifest, and compare every file with it in one pass that serves the next three steps."""
    data = read_part(check.directory, MANIFEST)
    check.digest = sha256_hex(data)
    manifest = parse_manifest(data)
    # One pass over the files serves the steps on files and on the chain; what was unpacked was digested on the way.
    check.differences, check.found = compare_directory(check.directory, manifest, check.unpacked)
    check.manifest = manifest
    return f"{len(manifest.files)} files, evidence digest sha256:{check.digest}"


def nothing_missing(check: Check) -> str:
    """Name every file that the manifest lists and the bundle lacks."""
    files = listed(check).files
    _none_of(check, DifferenceKind.MISSING)
    return f"all {len(files)} files are there"


def nothing_extra(check: Check) -> str:
    """Name every file that the manifest does not list, and every unknown attestation."""
    listed(check)
    strangers = tuple(
        f"{ascii_path(path)} is an attestation unknown to this version"
        for path, _ in files_of(check.directory)
        if path.startswith(f"{ATTESTATIONS}/") and path.count("/") == 1 and path != TEST_RESULT
    )
    _none_of(check, DifferenceKind.EXTRA, strangers)
    return "nothing was added"


def digests_are_right(check: Check) -> str:
    """Name every file that has another size or digest than the manifest says."""
    files = listed(check).files
    _none_of(check, DifferenceKind.CHANGED)
    compared = len(files) - sum(d.kind is DifferenceKind.MISSING for d in check.differences)
    if not compared:
        raise BundleError("not one file could be compared", remedy="Take the bundle from its source again.")
    return f"{compared} files, {sum(f.bytes for f in files)} bytes"


def _none_of(check: Check, kind: DifferenceKind, more: tuple[str, ...] = ()) -> None:
    found = [d.sentence for d in check.differences if d.kind is kind] + list(more)
    if found:
        rest = len(found) - _MAX_NAMED
        named = "; ".join(found[:_MAX_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
        raise BundleError(named, remedy="Take the bundle from its source again.")
