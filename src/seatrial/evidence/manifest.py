"""The manifest of a bundle: every file of it with size and SHA-256.

    {"format": "seatrial-bundle/1", "files": [{"path": "plan.json", "bytes": 812, "sha256": "..."}]}

Sorted by path, in the canonical byte form. Left out are ``manifest.json`` itself and ``attestations/*``,
which are signed over it. The SHA-256 of ``manifest.json`` is the evidence digest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.canonical import canonical_bytes, is_sha256_hex, parse_json, sha256_file

__all__ = [
    "ATTESTATIONS",
    "BUNDLE_FORMAT",
    "MANIFEST",
    "MAX_FILES",
    "Difference",
    "DifferenceKind",
    "FileEntry",
    "Manifest",
    "ascii_path",
    "build_manifest",
    "changed",
    "check_directory",
    "check_path",
    "compare_directory",
    "files_of",
    "is_sealed_over",
    "parse_manifest",
    "write_manifest",
]

BUNDLE_FORMAT = "seatrial-bundle/1"
MANIFEST = "manifest.json"
ATTESTATIONS = "attestations"
MAX_FILES = 20_000
_MAX_PATH_CHARS = 512
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


def check_path(path: object, what: str = "the bundle") -> str:
    """Return ``path`` when it is a plain relative POSIX path.

    Raises:
        BundleError: Empty, absolute, longer than 512 characters, with ``.``, ``..`` or empty segments,
            backslashes or control characters.
    """
    if (
        isinstance(path, str)
        and 0 < len(path) <= _MAX_PATH_CHARS
        and not _UNSAFE.search(path)
        and path.isprintable()
        and all(segment not in {"", ".", ".."} for segment in path.split("/"))
    ):
        return path
    raise BundleError(
        f"{what} names a path that could lead outside of it",
        value=ascii(path),
        remedy="Do not use this bundle.",
    )


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle: path inside it, size in bytes, SHA-256 as hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a bundle, sorted by path; at least one."""

    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """Return ``manifest.json``."""
        files = [{"path": f.path, "bytes": f.bytes, "sha256": f.sha256} for f in self.files]
        return canonical_bytes({"format": BUNDLE_FORMAT, "files": files})

    def entry(self, path: str) -> FileEntry | None:
        """Return the entry of ``path``, or None where the manifest does not list it."""
        return next((f for f in self.files if f.path == path), None)


class DifferenceKind(StrEnum):
    """How a directory departs from its manifest."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One departure of a directory from its manifest, with a sentence that names the file."""

    kind: DifferenceKind
    path: str
    sentence: str


def files_of(directory: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (POSIX path, entry) of all below ``directory`` that is no directory; links are not followed.

    Raises:
        BundleError: The directory can't be listed.
    """
    pending = [(directory, "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError as e:
            raise BundleError(
                f"the directory {prefix or '.'} can't be listed ({e.strerror})",
                value=folder,
                remedy="Make it readable.",
            ) from e
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), f"{prefix}{entry.name}/"))
            else:
                yield f"{prefix}{entry.name}", entry


def is_sealed_over(path: str) -> bool:
    """Return whether ``path`` stands outside the manifest because it speaks about the manifest."""
    parts = path.split("/")
    return path == MANIFEST or (len(parts) == 2 and parts[0] == ATTESTATIONS)


def build_manifest(directory: Path) -> Manifest:
    """Digest every file of a bundle directory.

    Raises:
        BundleError: The directory is empty or too full, holds a symbolic link or special file, or a file
            whose name can't stand in a bundle.
    """
    entries = []
    for path, entry in files_of(directory):
        if not entry.is_file(follow_symlinks=False):
            raise BundleError(
                "a bundle holds plain files only, and this is a symbolic link or special file",
                value=path,
                remedy="Put the file itself there.",
            )
        check_path(path)
        if not is_sealed_over(path):
            digest, size = sha256_file(Path(entry.path))
            entries.append(FileEntry(path, size, digest))
        if len(entries) > MAX_FILES:
            raise BundleError(f"the bundle has more than {MAX_FILES} files", value=directory, remedy="Split the trial.")
    if not entries:
        raise BundleError("the bundle is empty", value=directory, remedy="Run the plan first.")
    return Manifest(tuple(sorted(entries, key=lambda e: e.path)))


def write_manifest(directory: Path) -> Manifest:
    """Build the manifest of ``directory`` and write it there as ``manifest.json``.

    Raises:
        BundleError: As :func:`build_manifest`, or the file can't be written.
    """
    manifest = build_manifest(directory)
    try:
        (directory / MANIFEST).write_bytes(manifest.to_bytes())
    except OSError as e:
        raise BundleError(f"{MANIFEST} can't be written ({e.strerror})", value=directory, remedy="Free space.") from e
    return manifest


def parse_manifest(data: bytes) -> Manifest:
    """Read ``manifest.json`` strictly; only the canonical byte form is accepted.

    Raises:
        BundleError: Malformed, unsorted, a path twice, an unsafe path, empty, or not in canonical form.
    """
    try:
        document = parse_json(data, MANIFEST)
    except EvidenceError as e:
        raise BundleError(e.what, value=e.value, remedy=e.remedy) from e
    remedy = "Take the bundle from its source again."
    if not isinstance(document, dict) or document.keys() != {"format", "files"}:
        raise BundleError(f"{MANIFEST} has not exactly the fields format and files", remedy=remedy)
    if document["format"] != BUNDLE_FORMAT:
        raise BundleError(f"{MANIFEST} is not of format {BUNDLE_FORMAT}", value=repr(document["format"]), remedy=remedy)
    files = document["files"]
    if not isinstance(files, list) or not 0 < len(files) <= MAX_FILES:
        raise BundleError(f"{MANIFEST} lists no file, or more than {MAX_FILES}", remedy=remedy)
    manifest = Manifest(tuple(_entry(item) for item in files))
    paths = [f.path for f in manifest.files]
    if any(a >= b for a, b in pairwise(paths)):
        raise BundleError(f"{MANIFEST} is not sorted or names a file twice", remedy=remedy)
    if manifest.to_bytes() != data:
        raise BundleError(f"{MANIFEST} is not in its canonical byte form", remedy=remedy)
    return manifest


def _entry(item: object) -> FileEntry:
    remedy = "Take the bundle from its source again."
    if not isinstance(item, dict) or item.keys() != {"path", "bytes", "sha256"}:
        raise BundleError(f"an entry of {MANIFEST} has not exactly path, bytes and sha256", remedy=remedy)
    path, size, digest = check_path(item["path"], MANIFEST), item["bytes"], item["sha256"]
    if is_sealed_over(path):
        raise BundleError(f"{MANIFEST} lists what stands outside of it", value=path, remedy=remedy)
    if type(size) is not int or size < 0 or not is_sha256_hex(digest):
        raise BundleError(f"the entry of {path} in {MANIFEST} has a bad size or digest", remedy=remedy)
    return FileEntry(path, size, digest)


def check_directory(directory: Path, manifest: Manifest) -> tuple[Difference, ...]:
    """Name every file that is missing, extra or changed, links and special files included.

    Returns:
        One :class:`Difference` for every file at fault, sorted by path; empty when the directory is exactly
        what the manifest says.

    Raises:
        BundleError: The directory can't be listed.
    """
    return compare_directory(directory, manifest)[0]


def compare_directory(
    directory: Path, manifest: Manifest, known: Mapping[str, FileEntry] | None = None
) -> tuple[tuple[Difference, ...], dict[str, FileEntry]]:
    """Compare a directory with its manifest, and return what lies there besides.

    Args:
        directory: The bundle.
        manifest: Its manifest.
        known: Files that were digested while they were written here, by path: they are not read again. Only for a
            directory that nobody else can write to.

    Returns:
        The differences, as :func:`check_directory`; and what lies there, by path: files of the manifest with the size
        and digest that they have, extra plain files with their size and no digest, for they are not read.

    Raises:
        BundleError: The directory can't be listed.
    """
    expected = {f.path: f for f in manifest.files}
    found: dict[str, FileEntry] = {}
    differences = []
    unseen = set(expected)
    for path, dir_entry in files_of(directory):
        plain = dir_entry.is_file(follow_symlinks=False)
        entry = expected.get(path)
        unseen.discard(path)
        if entry is None and plain and is_sealed_over(path):
            continue
        if entry is None:
            if plain:
                found[path] = FileEntry(path, dir_entry.stat(follow_symlinks=False).st_size, "")
            what = "is not in the manifest" if plain else "is a symbolic link or special file"
            differences.append(Difference(DifferenceKind.EXTRA, path, f"{ascii_path(path)} {what}"))
            continue
        there = (known or {}).get(path) or _digested(Path(dir_entry.path), path)
        if isinstance(there, FileEntry):
            found[path] = there
        if there != entry:
            sentence = there if isinstance(there, str) else changed(entry, there)
            differences.append(Difference(DifferenceKind.CHANGED, path, sentence))
    differences += [Difference(DifferenceKind.MISSING, path, f"{ascii_path(path)} is missing") for path in unseen]
    return tuple(sorted(differences, key=lambda d: (d.path, d.kind))), found


def _digested(file: Path, path: str) -> FileEntry | str:
    """Return what a file is, or why it can't be read."""
    try:
        digest, size = sha256_file(file)
    except EvidenceError as e:
        return e.what
    return FileEntry(path, size, digest)


def changed(entry: FileEntry, there: FileEntry) -> str:
    """Return the sentence on a file that is not what the manifest says."""
    return (
        f"{ascii_path(entry.path)} was changed: expected {entry.bytes} bytes, sha256:{entry.sha256}; "
        f"found {there.bytes} bytes, sha256:{there.sha256}"
    )


def ascii_path(path: str) -> str:
    """Return ``path`` fit for a line of text: as it is when printable, else escaped."""
    return path if path.isprintable() else ascii(path)
