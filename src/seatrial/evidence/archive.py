"""One file for a whole bundle, in exactly one byte form, and a reader that trusts nothing.

The form is an uncompressed POSIX tar: plain files only, ``manifest.json`` first, then ``attestations/``, then the
rest sorted (so that a reader that streams has the digests before the data), time 0, owner 0, mode 0644, two zero
blocks at the end. Any other byte in the archive is refused, padding included: what :func:`pack` would not have
written does not pass, so the archive's own digest is as good as the bundle's.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.canonical import open_regular
from seatrial.evidence.manifest import ATTESTATIONS, MANIFEST, MAX_FILES, ascii_path, check_path, files_of

__all__ = ["MAX_MEMBER_BYTES", "MAX_TOTAL_BYTES", "extract", "pack"]

MAX_MEMBER_BYTES = 16 * 1024**3
MAX_TOTAL_BYTES = 64 * 1024**3
_MAX_PAX_BYTES = 8192
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


def extract(archive: Path, directory: Path) -> None:
    """Read an archive of :func:`pack` into an empty directory, trusting nothing in it.

    Raises:
        BundleError: The archive is truncated, compressed, too large, holds anything but plain files, a path that
            leads outside, a name twice, or any byte that :func:`pack` would not have written. The message names
            the member.
    """
    try:
        with open_regular(archive) as file:
            _extract(file, os.fstat(file.fileno()).st_size, directory)
    except BundleError:
        raise
    except EvidenceError as e:
        raise BundleError(e.what, value=e.value, remedy=e.remedy) from e
    except OSError as e:
        raise BundleError(
            f"the archive can't be unpacked ({e.strerror})", value=archive, remedy="Free space for temporary files."
        ) from e


def _extract(file: BinaryIO, total: int, directory: Path) -> None:
    if total > MAX_TOTAL_BYTES:
        raise BundleError(f"the archive is larger than {MAX_TOTAL_BYTES} bytes", value=total, remedy=_SOURCE)
    previous = ""
    seen: set[str] = set()
    for path, size in _members(file, total):
        if path in seen:
            raise BundleError(f"the member {ascii_path(path)} is there twice", remedy=_SOURCE)
        if previous and _order(path) < _order(previous):
            raise BundleError(f"the member {ascii_path(path)} is out of order", remedy=_SOURCE)
        if len(seen) >= MAX_FILES:
            raise BundleError(f"the archive has more than {MAX_FILES} members", remedy=_SOURCE)
        seen.add(path)
        previous = path
        target = directory / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            out = target.open("xb")
        except OSError as e:
            raise BundleError(
                f"the member {ascii_path(path)} can't be unpacked ({e.strerror})",
                remedy="A member may not be both file and directory. " + _SOURCE,
            ) from e
        with out:
            _copy(file, out, path, size)
    if MANIFEST not in seen:
        raise BundleError(f"the archive has no {MANIFEST}", remedy=_SOURCE)


def _members(file: BinaryIO, total: int) -> Iterator[tuple[str, int]]:
    """Yield (path, size) of each member with ``file`` standing at its data; ends after checking the tail."""
    while True:
        raw = _read(file, _BLOCK, "a header: it is cut off, or no packed bundle")
        if raw == b"\0" * _BLOCK:
            tail = raw + file.read(_BLOCK + 1)
            if _TAIL.startswith(tail) and tail != _TAIL:
                raise BundleError("the archive is cut off at its end", value=f"{total} bytes", remedy=_SOURCE)
            if tail != _TAIL:
                raise BundleError("there is something after the last member of the archive", remedy=_SOURCE)
            return
        info, seen = _parse(raw, "the next member"), raw
        path, size = info.name, info.size
        if info.type == tarfile.XHDTYPE:
            if not 0 < info.size <= _MAX_PAX_BYTES:
                raise BundleError("an extended header is empty or too large", value=info.size, remedy=_SOURCE)
            extended = _read(file, info.size + -info.size % _BLOCK, "an extended header")
            fields = _pax_fields(extended[: info.size])
            raw = _read(file, _BLOCK, "the next member")
            info, seen = _parse(raw, "the next member"), seen + extended + raw
            path, size = fields.get("path", info.name), _size(fields, info.size)
        if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            kind = _KINDS.get(info.type, f"of type {info.type!r}")
            raise BundleError(f"the member {ascii_path(path)} is {kind}, not a plain file", remedy=_SOURCE)
        check_path(path, "the archive")
        _refuse_size(path, size)
        if size > total - file.tell():
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


def _read(file: BinaryIO, count: int, what: str) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise BundleError(f"the archive ends within {what}", remedy=_SOURCE)
    return data


def _copy(file: BinaryIO, out: BinaryIO, path: str, size: int) -> None:
    left = size
    while left:
        chunk = _read(file, min(left, _CHUNK_BYTES), f"member {ascii_path(path)}")
        out.write(chunk)
        left -= len(chunk)
    if _read(file, -size % _BLOCK, f"member {ascii_path(path)}").strip(b"\0"):
        raise BundleError(f"the padding after member {ascii_path(path)} is not empty", remedy=_SOURCE)
