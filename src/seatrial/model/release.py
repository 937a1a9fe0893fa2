"""The release: what exactly was put to trial, and what exactly is to be rolled out.

A release manifest (``release.json``) lists subjects, each a name and a SHA-256. A file is one subject; a
directory is one subject for every file in it, named ``label/relative/path``, so that a comparison names the file
that differs; a container image is bound by its own digest. Modes, owners, times and empty directories are not
bound.

    {"format": "seatrial-release/1", "name": "booking", "version": "2.1",
     "subjects": [{"name": "app/server.py", "digest": {"sha256": "..."}}]}
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from seatrial.errors import EvidenceError

__all__ = [
    "MAX_SUBJECTS",
    "RELEASE_FORMAT",
    "Comparison",
    "Release",
    "Subject",
    "compare_releases",
    "parse_release",
    "release_of",
    "subjects_from",
]

RELEASE_FORMAT = "seatrial-release/1"
MAX_SUBJECTS = 10_000
"""More subjects than this are refused: pack the directory and bind the archive instead."""

_MAX_BYTES = 16 * 1024 * 1024
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Compute it again with 'seatrial release digest'."


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One bound thing.

    Attributes:
        name: Unique in its release; not empty, no control characters.
        sha256: 64 lower-case hexadecimal digits.
    """

    name: str
    sha256: str

    def __post_init__(self) -> None:
        if not _is_plain(self.name):
            raise EvidenceError(
                "a subject's name is empty or holds control characters", value=repr(self.name), remedy=_AGAIN
            )
        if not _SHA256_HEX.fullmatch(self.sha256):
            raise EvidenceError(
                f"the digest of subject {self.name} is not a SHA-256 in lower-case hexadecimal",
                value=repr(self.sha256),
                remedy=_AGAIN,
            )

    def to_object(self) -> dict[str, Any]:
        """Return the subject as in-toto's resource descriptor."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


@dataclass(frozen=True, slots=True)
class Release:
    """A named version of a system, bound by digests.

    Attributes:
        name: The system's name; not empty.
        version: The version as the department calls it; not empty.
        subjects: At least one, sorted by name, no name twice.
    """

    name: str
    version: str
    subjects: tuple[Subject, ...]

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("version", self.version)):
            if not _is_plain(value):
                raise EvidenceError(
                    f"the release's {what} is empty or holds control characters", value=repr(value), remedy=_AGAIN
                )
        _refuse_subject_list(self.subjects)

    def to_object(self) -> dict[str, Any]:
        """Return the manifest as a JSON object."""
        return {
            "format": RELEASE_FORMAT,
            "name": self.name,
            "version": self.version,
            "subjects": [s.to_object() for s in self.subjects],
        }

    def to_bytes(self) -> bytes:
        """Return the manifest in its one byte form: sorted keys, no spaces, UTF-8."""
        text = json.dumps(self.to_object(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8")


def _is_plain(text: str) -> bool:
    """Whether ``text`` can stand in a line: printable, so neither control nor invisible characters."""
    return bool(text.strip()) and text.isprintable()


def _refuse_subject_list(subjects: Sequence[Subject]) -> None:
    if not subjects:
        raise EvidenceError("the release binds nothing: it has no subject", remedy="Name what is rolled out.")
    if len(subjects) > MAX_SUBJECTS:
        raise EvidenceError(
            f"the release has more than {MAX_SUBJECTS} subjects",
            value=len(subjects),
            remedy="Pack large directories into one archive and bind that.",
        )
    names = [s.name for s in subjects]
    if names != sorted(names):
        raise EvidenceError("the release's subjects are not sorted by name", remedy=_AGAIN)
    for before, after in pairwise(names):
        if before == after:
            raise EvidenceError("a subject is named twice", value=after, remedy="Give each its own label.")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a deployed release differs from the bound one; empty fields mean that it does not.

    Attributes:
        missing: Subjects bound but not deployed.
        extra: Subjects deployed but not bound.
        different: (bound, deployed) pairs of one name and two digests.
    """

    missing: tuple[Subject, ...]
    extra: tuple[Subject, ...]
    different: tuple[tuple[Subject, Subject], ...]

    @property
    def same(self) -> bool:
        """Whether both bind exactly the same."""
        return not (self.missing or self.extra or self.different)

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for every difference."""
        return (
            *(f"subject {s.name} is bound but not deployed" for s in self.missing),
            *(f"subject {s.name} is deployed but not bound" for s in self.extra),
            *(
                f"subject {bound.name} differs: bound sha256:{bound.sha256}, deployed sha256:{deployed.sha256}"
                for bound, deployed in self.different
            ),
        )


def compare_releases(bound: Iterable[Subject], deployed: Iterable[Subject]) -> Comparison:
    """Compare two subject lists by name and digest; the order does not matter."""
    left, right = {s.name: s for s in bound}, {s.name: s for s in deployed}
    return Comparison(
        missing=tuple(left[n] for n in sorted(left.keys() - right.keys())),
        extra=tuple(right[n] for n in sorted(right.keys() - left.keys())),
        different=tuple((left[n], right[n]) for n in sorted(left.keys() & right.keys()) if left[n] != right[n]),
    )


def release_of(
    name: str,
    version: str,
    sources: Iterable[tuple[str, Path]],
    digests: Iterable[tuple[str, str]] = (),
) -> Release:
    """Compute a release from what lies on disk and from digests known already.

    Args:
        name: The system's name.
        version: The version as the department calls it.
        sources: (label, path) pairs; a file is one subject, a directory one for every file below it.
        digests: (label, SHA-256 as hex) pairs, for example of container images.

    Raises:
        EvidenceError: A path is missing, empty of files, or holds a symbolic link or special file; a name
            occurs twice; nothing is bound.
    """
    subjects = [Subject(label, digest) for label, digest in digests]
    for label, path in sources:
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise EvidenceError(
                f"{label} is neither a file nor a directory",
                value=path,
                remedy="Give an existing path, no link.",
            )
        found = list(_files_below(path, label)) if path.is_dir() else [(label, path)]
        if not found:
            raise EvidenceError(f"the directory of {label} holds no file", value=path, remedy="Bind what it ships.")
        if len(subjects) + len(found) > MAX_SUBJECTS:
            raise EvidenceError(
                f"the release has more than {MAX_SUBJECTS} subjects",
                value=path,
                remedy="Pack large directories into one archive and bind that.",
            )
        subjects += [Subject(subject, _digest(file)) for subject, file in found]
    return Release(name, version, tuple(sorted(subjects)))


def _files_below(directory: Path, label: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(directory) as entries:
        ordered = sorted(entries, key=lambda e: e.name)
    for entry in ordered:
        subject = f"{label}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path), subject)
        elif entry.is_file(follow_symlinks=False):
            yield subject, Path(entry.path)
        else:
            raise EvidenceError(
                f"{subject} is a symbolic link or special file, which a digest can't bind",
                value=entry.path,
                remedy="Bind the file that it stands for.",
            )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise EvidenceError(f"{path.name} can't be read ({e.strerror})", value=path, remedy="Make it readable.") from e


def parse_release(data: bytes, what: str = "release.json") -> Release:
    """Read a release manifest strictly: no unknown field, no key twice, sorted subjects.

    Raises:
        EvidenceError: The document is not a release manifest; the message says where.
    """
    if len(data) > _MAX_BYTES:
        raise EvidenceError(f"{what} has more than {_MAX_BYTES} bytes", value=len(data), remedy=_AGAIN)
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as e:
        raise EvidenceError(f"{what} is not JSON: {e}", remedy=_AGAIN) from e
    fields = _fields(document, {"format", "name", "version", "subjects"}, what)
    if fields["format"] != RELEASE_FORMAT:
        raise EvidenceError(f"{what} is not of format {RELEASE_FORMAT}", value=repr(fields["format"]), remedy=_AGAIN)
    return Release(_text(fields["name"], what), _text(fields["version"], what), subjects_from(fields["subjects"], what))


def subjects_from(items: object, what: str) -> tuple[Subject, ...]:
    """Read a list of ``{"name", "digest": {"sha256"}}`` strictly; sorted, no name twice, at least one.

    Raises:
        EvidenceError: Anything else.
    """
    if not isinstance(items, list):
        raise EvidenceError(f"the subjects of {what} are not a list", value=type(items).__name__, remedy=_AGAIN)
    subjects = []
    for index, item in enumerate(items):
        where = f"subject {index + 1} of {what}"
        fields = _fields(item, {"name", "digest"}, where)
        digest = _fields(fields["digest"], {"sha256"}, f"the digest of {where}")
        subjects.append(Subject(_text(fields["name"], where), _text(digest["sha256"], where)))
    _refuse_subject_list(subjects)
    return tuple(subjects)


def _fields(value: object, expected: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EvidenceError(f"{what} is not an object", value=type(value).__name__, remedy=_AGAIN)
    if value.keys() != expected:
        odd = sorted(value.keys() ^ expected)
        raise EvidenceError(f"{what} has fields missing or unknown", value=", ".join(odd), remedy=_AGAIN)
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise EvidenceError(f"a field of {what} that must be text is not", value=repr(value), remedy=_AGAIN)
    return value


def _no_key_twice(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in items:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice")
        found[key] = item
    return found
