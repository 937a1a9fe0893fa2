"""One file for a whole bundle, in exactly one byte form, and a reader that trusts nothing.

The form is an uncompressed POSIX tar: plain files only, ``manifest.json`` first, then ``attestations/``, then the
rest sorted (so that a reader that streams has the digests before the data), time 0, owner 0, mode 0644, two zero
blocks at the end. Any other byte in the archive is refused, padding included: what :func:`pack` would not have
written does not pass, so the archive's own digest is as good as the bundle's.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.canonical import MAX_DOCUMENT_BYTES, open_regular
from seatrial.evidence.manifest import (
    ATTESTATIONS,
    MANIFEST,
    MAX_FILES,
    FileEntry,
    ascii_path,
    changed,
    check_path,
    files_of,
    is_sealed_over,
    parse_manifest,
)

__all__ = ["MAX_MEMBER_BYTES", "MAX_TOTAL_BYTES", "Incoming", "extract", "extract_stream", "pack"]

MAX_MEMBER_BYTES = 16 * 1024**3
MAX_TOTAL_BYTES = 64 * 1024**3
_MAX_PAX_BYTES = 8192
_MAX_OUTSIDE = 1 + 64
"""Members that the manifest does not list: itself, and attestations."""
_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1024 * 1024
_TAIL = b"\0" * (2 * _BLOCK)
_SOURCE = "Take the bundle from its source again, or pack its directory again."
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.DIRTYPE: "a directory entry",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd", b"PK": "zip"}


def _order(path: str) -> tuple[int, str]:
    if path == MANIFEST:
        return (0, path)
    return (1 if path.startswith(f"{ATTESTATIONS}/") else 2, path)


def _header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")


def pack(directory: Path, file: Path) -> None:
    """Write a bundle directory as one deterministic file.

    Args:
        directory: A bundle with its ``manifest.json``.
        file: The archive; written beside itself first and renamed, so that it is whole or absent.

    Raises:
        BundleError: No manifest, a symbolic link or special file, too many or too large files, a file that
            changes while it is read, or the archive can't be written.
    """
    members: dict[str, Path] = {}
    for path, entry in files_of(directory):
        if not entry.is_file(follow_symlinks=False):
            raise BundleError(
                "a symbolic link or special file can't be packed", value=path, remedy="Put the file itself there."
            )
        members[check_path(path)] = Path(entry.path)
        if len(members) > MAX_FILES:
            raise BundleError(f"the bundle has more than {MAX_FILES} files", value=directory, remedy="Split it.")
    if MANIFEST not in members:
        raise BundleError(f"the bundle has no {MANIFEST}", value=directory, remedy="Seal it before packing.")
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("wb") as out:
            for path in sorted(members, key=_order):
                _append(out, path, members[path])
            out.write(_TAIL)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    except OSError as e:
        raise BundleError(
            f"the archive can't be written ({e.strerror})", value=file, remedy="Free space or choose another place."
        ) from e
    finally:
        partial.unlink(missing_ok=True)


def _append(out: BinaryIO, path: str, source: Path) -> None:
    with open_regular(source) as file:
        size = os.fstat(file.fileno()).st_size
        _refuse_size(path, size)
        out.write(_header(path, size))
        left = size
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            out.write(chunk)
            left -= len(chunk)
        if left or file.read(1):
            raise BundleError("a file changed while it was packed", value=path, remedy="Wait until the run has ended.")
        out.write(b"\0" * (-size % _BLOCK))


def _refuse_size(path: str, size: int) -> None:
    if size > MAX_MEMBER_BYTES:
        raise BundleError(
            f"the member {ascii_path(path)} is larger than {MAX_MEMBER_BYTES} bytes", value=size, remedy=_SOURCE
        )


def extract(archive: Path, directory: Path) -> dict[str, FileEntry]:
    """Read an archive of :func:`pack` into an empty directory, trusting nothing in it.

    Args:
        archive: The archive, a plain file.
        directory: Where its members are written.

    Returns:
        Every member, by path, with its size and digest: they are digested while they are written.

    Raises:
        BundleError: The archive is truncated, compressed, too large, holds anything but plain files, a path that
            leads outside, a name twice, or any byte that :func:`pack` would not have written. The message names the
            member. Whether members are what the manifest says is for the verifier to see, all of them at once.
    """
    try:
        with open_regular(archive) as file:
            total = os.fstat(file.fileno()).st_size
            if total > MAX_TOTAL_BYTES:
                raise BundleError(f"the archive is larger than {MAX_TOTAL_BYTES} bytes", value=total, remedy=_SOURCE)
            return _guarded(Incoming(file, total), directory, archive, _Anything())
    except BundleError:
        raise
    except EvidenceError as e:
        raise BundleError(e.what, value=e.value, remedy=e.remedy) from e


def extract_stream(stream: BinaryIO, directory: Path) -> dict[str, FileEntry]:
    """Do as :func:`extract` with what comes from a pipe: read once, from front to back, in pieces of 1 MiB at most.

    The manifest comes first, so that each member's size and digest are known before it is read: a member that is not
    what the manifest says is refused at once, and what is written never exceeds what the manifest says, whatever the
    sender sends. A sender that stalls is waited for.

    Raises:
        BundleError: As :func:`extract`; besides, the manifest is none, or a member is not in it or is not what it says.
            Nothing after that member was read.
    """
    return _guarded(Incoming(stream, None), directory, "standard input", _Promised())


def _guarded(incoming: Incoming, directory: Path, name: object, wanted: _Anything) -> dict[str, FileEntry]:
    try:
        return _extract(incoming, directory, wanted)
    except OSError as e:
        raise BundleError(
            f"the archive can't be unpacked ({e.strerror})", value=name, remedy="Free space for temporary files."
        ) from e


def _extract(incoming: Incoming, directory: Path, wanted: _Anything) -> dict[str, FileEntry]:
    previous = ""
    seen: dict[str, FileEntry] = {}
    for path, size in _members(incoming):
        if path in seen:
            raise BundleError(f"the member {ascii_path(path)} is there twice", remedy=_SOURCE)
        if _order(path) < _order(previous or path):
            raise BundleError(f"the member {ascii_path(path)} is out of order", remedy=_SOURCE)
        if len(seen) >= MAX_FILES:
            raise BundleError(f"the archive has more than {MAX_FILES} members", remedy=_SOURCE)
        wanted.refuse(path, size)
        previous = path
        seen[path] = _written(incoming, directory / path, path, size)
        wanted.compare(seen[path], directory / path)
    if MANIFEST not in seen:
        raise BundleError(f"the archive has no {MANIFEST}", remedy=_SOURCE)
    return seen


class _Anything:
    """What members there may be: any."""

    def refuse(self, path: str, size: int) -> None:
        """Refuse a member before it is read."""

    def compare(self, there: FileEntry, file: Path) -> None:
        """Refuse a member that was read, and lies in ``file``."""


class _Promised(_Anything):
    """What members there may be: those of the manifest, which comes first, and some attestations."""

    def __init__(self) -> None:
        self._manifest: dict[str, FileEntry] | None = None
        self._outside = 0

    def refuse(self, path: str, size: int) -> None:
        if (self._manifest is None) is not (path == MANIFEST):
            raise BundleError(f"{MANIFEST} is not the archive's first member", value=ascii(path), remedy=_SOURCE)
        if is_sealed_over(path):
            self._outside += 1
            if self._outside > _MAX_OUTSIDE:
                raise BundleError(f"the archive has more than {_MAX_OUTSIDE - 1} attestations", remedy=_SOURCE)
            if size > MAX_DOCUMENT_BYTES:
                most = MAX_DOCUMENT_BYTES
                raise BundleError(
                    f"the member {ascii_path(path)} is larger than {most} bytes", value=size, remedy=_SOURCE
                )
            return
        entry = (self._manifest or {}).get(path)
        if entry is None:
            raise BundleError(f"the member {ascii_path(path)} is not in the manifest", remedy=_SOURCE)
        if size != entry.bytes:
            raise BundleError(
                f"the member {ascii_path(path)} has {size} bytes, not the {entry.bytes} of the manifest", remedy=_SOURCE
            )

    def compare(self, there: FileEntry, file: Path) -> None:
        if self._manifest is None:
            self._manifest = {entry.path: entry for entry in parse_manifest(file.read_bytes()).files}
            if (promised := sum(entry.bytes for entry in self._manifest.values())) > MAX_TOTAL_BYTES:
                raise BundleError(f"{MANIFEST} lists more than {MAX_TOTAL_BYTES} bytes", value=promised, remedy=_SOURCE)
        elif (entry := self._manifest.get(there.path)) is not None and there != entry:
            raise BundleError(f"the member {changed(entry, there)}", remedy=_SOURCE)


def _written(incoming: Incoming, target: Path, path: str, size: int) -> FileEntry:
    """Write a member where it belongs and return what was written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        out = target.open("xb")
    except OSError as e:
        raise BundleError(
            f"the member {ascii_path(path)} can't be unpacked ({e.strerror})",
            remedy="A member may not be both file and directory. " + _SOURCE,
        ) from e
    with out:
        return FileEntry(path, size, _copy(incoming, out, path, size))


class Incoming:
    """The bytes of an archive, read once from front to back.

    Args:
        stream: Where from; it need not be able to seek.
        total: How many bytes there are; None where that is not known.

    Attributes:
        place: How many were read.
    """

    def __init__(self, stream: BinaryIO, total: int | None) -> None:
        self._stream, self._total, self.place = stream, total, 0

    def upto(self, count: int) -> bytes:
        """Return the next bytes, fewer than ``count`` only where the archive ends."""
        data = self._stream.read(count)
        while len(data) < count and (more := self._stream.read(count - len(data))):  # a pipe gives what it has
            data += more
        self.place += len(data)
        return data

    def read(self, count: int, what: str) -> bytes:
        """Return the next ``count`` bytes.

        Raises:
            BundleError: The archive ends before; the message says within what.
        """
        data = self.upto(count)
        if len(data) != count:
            raise BundleError(f"the archive ends within {what}", value=f"{self.place} bytes", remedy=_SOURCE)
        return data

    def lacks(self, count: int) -> bool:
        """Return whether it is known that fewer bytes follow."""
        return self._total is not None and count > self._total - self.place


def _members(incoming: Incoming) -> Iterator[tuple[str, int]]:
    """Yield (path, size) of each member with ``incoming`` standing at its data; ends after checking the tail."""
    while True:
        raw = incoming.read(_BLOCK, "a header: it is cut off, or no packed bundle")
        if raw == b"\0" * _BLOCK:
            tail = raw + incoming.upto(_BLOCK + 1)
            if _TAIL.startswith(tail) and tail != _TAIL:
                raise BundleError("the archive is cut off at its end", value=f"{incoming.place} bytes", remedy=_SOURCE)
            if tail != _TAIL:
                raise BundleError("there is something after the last member of the archive", remedy=_SOURCE)
            return
        info, seen = _parse(raw, "the next member"), raw
        path, size = info.name, info.size
        if info.type == tarfile.XHDTYPE:
            if not 0 < info.size <= _MAX_PAX_BYTES:
                raise BundleError("an extended header is empty or too large", value=info.size, remedy=_SOURCE)
            extended = incoming.read(info.size + -info.size % _BLOCK, "an extended header")
            fields = _pax_fields(extended[: info.size])
            raw = incoming.read(_BLOCK, "the next member")
            info, seen = _parse(raw, "the next member"), seen + extended + raw
            path, size = fields.get("path", info.name), _size(fields, info.size)
        if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            kind = _KINDS.get(info.type, f"of type {info.type!r}")
            raise BundleError(f"the member {ascii_path(path)} is {kind}, not a plain file", remedy=_SOURCE)
        check_path(path, "the archive")
        _refuse_size(path, size)
        if incoming.lacks(size):
            raise BundleError(f"the member {ascii_path(path)} is cut off", value=f"{size} bytes", remedy=_SOURCE)
        if seen != _header(path, size):
            raise BundleError(
                f"the header of member {ascii_path(path)} is not as 'pack' writes it "
                "(time, owner, mode, spelling or padding)",
                remedy=_SOURCE,
            )
        yield path, size


def _parse(raw: bytes, what: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(raw, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as e:
        packed = next((name for magic, name in _COMPRESSED.items() if raw.startswith(magic)), None)
        if packed is not None:
            raise BundleError(
                f"the archive is compressed ({packed}); a bundle is not", remedy="Decompress it first."
            ) from e
        raise BundleError(f"the header of {what} is damaged, or this is no bundle: {e}", remedy=_SOURCE) from e


def _pax_fields(data: bytes) -> dict[str, str]:
    """Read records of a length, a key and a value; what is odd here fails the comparison of headers later."""
    fields: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        end = int(length) if length.isdigit() and len(length) < 6 else 0
        record = data[len(length) + 1 : end]
        key, equals, value = record.partition(b"=")
        if not end or end > len(data) or not equals or not value.endswith(b"\n"):
            raise BundleError("an extended header is damaged", remedy=_SOURCE)
        try:
            fields[key.decode()] = value[:-1].decode()
        except UnicodeDecodeError as e:
            raise BundleError("an extended header is not UTF-8", remedy=_SOURCE) from e
        data = data[end:]
    return fields


def _size(fields: dict[str, str], otherwise: int) -> int:
    text = fields.get("size")
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BundleError("an extended header has a bad size", value=text[:40], remedy=_SOURCE)
    return int(text)


def _copy(incoming: Incoming, out: BinaryIO, path: str, size: int) -> str:
    """Copy a member and return its SHA-256."""
    left, digest = size, hashlib.sha256()
    while left:
        chunk = incoming.read(min(left, _CHUNK_BYTES), f"member {ascii_path(path)}")
        out.write(chunk)
        digest.update(chunk)
        left -= len(chunk)
    if incoming.read(-size % _BLOCK, f"member {ascii_path(path)}").strip(b"\0"):
        raise BundleError(f"the padding after member {ascii_path(path)} is not empty", remedy=_SOURCE)
    return digest.hexdigest()
