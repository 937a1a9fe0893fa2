"""The chain of parts: what a run brought into its bundle, in order, each line bound to the line before.

``chain.jsonl`` has one line for every part (a Parquet file of records, health rows or telemetry), appended when the
part has come into the bundle, and a closing line at the run's end::

    {"bytes":812,"number":1,"path":"records/01-load/part-0000.parquet","previous":"000...","sha256":"..."}
    {"end":true,"number":2,"parts":1,"previous":"5ae..."}

Each line is canonical JSON and ends with a line feed. ``previous`` is the SHA-256 of the line before, its line feed
left out; 64 zeros in the first. A line that is changed, removed, added or moved breaks the chain at the line after it;
the last line is bound by its own form: without a closing line the run was killed, or the tail was taken away. A bundle
that was finished after a kill is closed with ``"recovered":true`` beside ``end``.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.canonical import (
    MAX_DOCUMENT_BYTES,
    canonical_bytes,
    is_sha256_hex,
    parse_json,
    read_document,
    sha256_file,
    sha256_hex,
)
from seatrial.evidence.manifest import MAX_FILES, FileEntry, ascii_path, check_path

__all__ = ["CHAIN", "GENESIS", "Chain", "ChainWriter", "chain_problems", "is_part", "parse_chain", "parts_in"]

CHAIN = "chain.jsonl"
GENESIS = "0" * 64
"""What stands for the line before the first."""

_FOLDERS = ("records", "health", "telemetry")
_RECORDS = re.compile(r"records/([^/]+)/part-(\d{4,})\.parquet", re.ASCII)
_AGAIN = "Take the bundle from its source again."
_PART_FIELDS = {"number", "path", "bytes", "sha256", "previous"}
_END_FIELDS = {"number", "end", "parts", "previous"}


@dataclass(frozen=True, slots=True)
class Chain:
    """What a chain says.

    Attributes:
        parts: The parts in the order in which they came into the bundle.
        closed: Whether its closing line is there.
        recovered: Whether it was closed after a kill.
        head: SHA-256 of its last line; :data:`GENESIS` without any.
    """

    parts: tuple[FileEntry, ...]
    closed: bool
    recovered: bool
    head: str


def is_part(path: str) -> bool:
    """Return whether a path inside a bundle is one that a run's rows are read from."""
    return path.split("/", 1)[0] in _FOLDERS and path.endswith(".parquet")


def parts_in(folder: Path) -> list[str]:
    """Return the paths of the parts that lie in a bundle's folder: records, health, telemetry, each sorted."""
    found = [
        path.relative_to(folder).as_posix()
        for name in _FOLDERS
        for path in sorted((folder / name).rglob("*.parquet"))
        if path.is_file() and not path.is_symlink()
    ]
    return [path for path in found if is_part(path)]


def _part_line(number: int, part: FileEntry, previous: str) -> bytes:
    return canonical_bytes(
        {"number": number, "path": part.path, "bytes": part.bytes, "sha256": part.sha256, "previous": previous}
    )


def _end_line(number: int, previous: str, recovered: bool) -> bytes:
    more = {"recovered": True} if recovered else {}
    return canonical_bytes({"number": number, "end": True, "parts": number - 1, "previous": previous, **more})


def parse_chain(data: bytes) -> Chain:
    """Read ``chain.jsonl`` strictly.

    Args:
        data: All of it; empty is a chain without lines, not closed.

    Raises:
        BundleError: A line is no line of a chain, is cut off, has another number or another line before it than it
            says, lists a part twice, or stands after the closing line; the message names the line.
    """
    parts: list[FileEntry] = []
    head, closed, recovered = GENESIS, False, False
    for number, line in enumerate(_lines(data), start=1):
        where = f"line {number} of {CHAIN}"
        if closed:
            raise BundleError(f"{where} stands after the closing line", remedy=_AGAIN)
        fields = _fields(line, where)
        if fields["previous"] != head:
            raise BundleError(
                f"the chain is broken at {where}: the line before is not the one that it was written after",
                value=str(fields["previous"])[:64],
                remedy=_AGAIN,
            )
        if fields["number"] != number:
            raise BundleError(f"{where} has another number", value=fields["number"], remedy=_AGAIN)
        if "end" in fields:
            closed, recovered = True, "recovered" in fields
            expected = _end_line(number, head, recovered)
        else:
            parts.append(_part(fields, where))
            expected = _part_line(number, parts[-1], head)
        if line != expected:
            raise BundleError(f"{where} is not as a run writes it", value=ascii(line[:80]), remedy=_AGAIN)
        head = sha256_hex(line)
    if len({part.path for part in parts}) != len(parts):
        raise BundleError(f"{CHAIN} lists a part twice", remedy=_AGAIN)
    return Chain(tuple(parts), closed, recovered, head)


def _lines(data: bytes) -> Iterator[bytes]:
    if len(data) > MAX_DOCUMENT_BYTES or data.count(b"\n") > MAX_FILES + 1:
        raise BundleError(f"{CHAIN} is longer than that of any bundle", value=f"{len(data)} bytes", remedy=_AGAIN)
    *lines, rest = data.split(b"\n")
    yield from lines
    if rest:
        raise BundleError(f"the last line of {CHAIN} is cut off", value=ascii(rest[:80]), remedy=_AGAIN)


def _fields(line: bytes, where: str) -> dict[str, object]:
    try:
        fields = parse_json(line, where)
    except EvidenceError as e:
        raise BundleError(e.what, value=e.value, remedy=e.remedy) from e
    if not isinstance(fields, dict) or fields.keys() not in (_PART_FIELDS, _END_FIELDS, _END_FIELDS | {"recovered"}):
        raise BundleError(f"{where} has not exactly the fields of a part or of the end", remedy=_AGAIN)
    return fields


def _part(fields: dict[str, object], where: str) -> FileEntry:
    path, size, digest = check_path(fields["path"], where), fields["bytes"], fields["sha256"]
    if not is_part(path) or type(size) is not int or size < 0 or not is_sha256_hex(digest):
        raise BundleError(f"{where} lists no part, or has a bad size or digest", value=ascii(path), remedy=_AGAIN)
    return FileEntry(path, size, str(digest))


def chain_problems(chain: Chain, found: Mapping[str, FileEntry]) -> list[str]:
    """Return a sentence for every way in which a bundle's parts are not what its chain says.

    Args:
        chain: The chain.
        found: What the bundle holds, by path, with the digests of the bytes that are there; a file outside of the
            manifest is no part, and has none.
    """
    problems = []
    for number, part in enumerate(chain.parts, start=1):
        name, there = ascii_path(part.path), found.get(part.path)
        if there is None:
            problems.append(f"{name}, part {number} of the chain, is missing")
        elif there != part:
            problems.append(f"{name} is not the part {number} that the chain lists")
    listed = {part.path for part in chain.parts}
    problems += [
        f"{ascii_path(path)} is in no line of the chain: it was added"
        for path in sorted(found)
        if is_part(path) and path not in listed
    ]
    problems += _out_of_order(chain)
    if not chain.closed:
        problems.append(
            "the chain has no closing line: the run was killed and its bundle not recovered, or the tail was taken away"
        )
    return problems


def _out_of_order(chain: Chain) -> list[str]:
    """Name the records whose number is not the next of their trial: a run writes them 0, 1, 2 and leaves none out."""
    problems, following = [], dict[str, int]()
    for part in chain.parts:
        if (match := _RECORDS.fullmatch(part.path)) is None:
            continue
        trial, number = match[1], int(match[2])
        if number != following.get(trial, 0):
            problems.append(f"{ascii_path(part.path)} stands where part-{following.get(trial, 0):04d} should")
        following[trial] = number + 1
    return problems


class ChainWriter:
    """Appends to the chain of a bundle that is being made.

    It remembers what it wrote: a line that somebody changes meanwhile does not fit the next one.

    Args:
        folder: The bundle's.
        recovered: Go on with the chain that a killed run left, and say so in the closing line. What a kill left of a
            line that was being written is dropped, and so is a closing line, for it is written again.

    Raises:
        BundleError: there is a chain already where none should be, or one that can't be read.
        OSError: the disk refuses.
    """

    def __init__(self, folder: Path, *, recovered: bool = False) -> None:
        self._folder, self._recovered = folder, recovered
        self._path = folder / CHAIN
        self._head, self._lines = GENESIS, 0
        self._listed: set[str] = set()
        if recovered and os.path.lexists(self._path):
            self._take_up()
            return
        try:
            self._path.open("xb").close()
        except FileExistsError as e:
            raise BundleError(f"there is a {CHAIN} already", value=folder, remedy="Every run gets a folder.") from e

    def _take_up(self) -> None:
        try:
            data = read_document(self._path)
        except EvidenceError as e:
            raise BundleError(e.what, value=e.value, remedy=e.remedy) from e
        whole = data[: data.rfind(b"\n") + 1]
        chain = parse_chain(whole)
        if chain.closed:
            whole = whole[: whole.rfind(b"\n", 0, -1) + 1]
            chain = parse_chain(whole)
        if whole != data:
            os.truncate(self._path, len(whole))
        self._head, self._lines = chain.head, len(chain.parts)
        self._listed = {part.path for part in chain.parts}

    def bring_in(self) -> None:
        """Append a line for every part that lies in the bundle and is not in the chain yet.

        Raises:
            EvidenceError: a part can't be read.
            OSError: the disk refuses; the chain ends with a whole line.
        """
        for path in parts_in(self._folder):
            if path not in self._listed:
                digest, size = sha256_file(self._folder / path)
                self._append(_part_line(self._lines + 1, FileEntry(path, size, digest), self._head))
                self._listed.add(path)

    def close(self) -> None:
        """Bring in what is left and write the closing line; nothing may be appended any more."""
        self.bring_in()
        self._append(_end_line(self._lines + 1, self._head, self._recovered))

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, line + b"\n") != len(line) + 1:  # a full disk takes what still fits
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
        self._head, self._lines = sha256_hex(line), self._lines + 1
