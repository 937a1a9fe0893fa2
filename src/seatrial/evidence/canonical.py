"""One way to write JSON, one way to read it, and SHA-256.

Digests are over bytes, so a document must have one byte form: keys sorted by code point, no spaces, UTF-8, no
NaN or Infinity, text keys only. Reading is as strict: a key that occurs twice, a number that is not finite, a
byte order mark or bytes that are not UTF-8 are refused, because two readers could take them in two ways.

Numbers are written as Python's ``repr`` writes them (the shortest form that reads back as the same double),
which is not always the form of RFC 8785; nothing here claims to be RFC 8785.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from seatrial.errors import EvidenceError

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "canonical_bytes",
    "is_sha256_hex",
    "open_regular",
    "parse_json",
    "parse_rfc3339",
    "read_document",
    "sha256_file",
    "sha256_hex",
]

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest JSON document that is read into memory, in bytes."""

_CHUNK_BYTES = 1024 * 1024
_MAX_DEPTH = 100
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def canonical_bytes(value: object) -> bytes:
    """Return the one byte form of a JSON value.

    Args:
        value: dict (text keys only), list, tuple (written as an array), str, int, float, bool or None, nested
            at most 100 deep.

    Returns:
        UTF-8 without a trailing newline.

    Raises:
        EvidenceError: The value holds NaN, Infinity, a key that is not text, a lone surrogate, or a type that
            JSON does not have; the message says where.
    """
    _refuse_unwritable(value, "$", 0)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as e:
        raise EvidenceError(
            "a text holds half of a surrogate pair, which UTF-8 can't write",
            value=ascii(e.object[e.start : e.end]),
            remedy="Write the character itself.",
        ) from e


def _refuse_unwritable(value: object, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise EvidenceError(f"a JSON value is nested more than {_MAX_DEPTH} deep", remedy="Flatten it.")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise EvidenceError(
                    f"a key at {where} is not text", value=repr(key), remedy="JSON keys are text: use str."
                )
            _refuse_unwritable(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_unwritable(item, f"{where}[{index}]", depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EvidenceError(
                f"the number at {where} is not finite",
                value=value,
                remedy="Write null, and say why beside it.",
            )
    elif value is not None and not isinstance(value, str | int):
        raise EvidenceError(
            f"the value at {where} is of a type that JSON does not have",
            value=type(value).__name__,
            remedy="Use dict, list, str, int, float, bool or None.",
        )


def parse_json(data: bytes, what: str) -> Any:
    """Read one JSON document strictly.

    Args:
        data: The whole document; at most ``MAX_DOCUMENT_BYTES``.
        what: The document's name for messages, for example ``trust.json``.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        EvidenceError: Too large, not UTF-8, not JSON, a key twice, a number that is not finite, or nested too
            deep.
    """

    def refuse(problem: str, value: object = None) -> NoReturn:
        raise EvidenceError(f"{what} {problem}", value=value, remedy="Take the file from its source again.")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in items:
            if key in found:
                refuse("holds a key twice", key)
            found[key] = item
        return found

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            refuse("holds a number beyond a double", text)
        return value

    if len(data) > MAX_DOCUMENT_BYTES:
        refuse(f"has {len(data)} bytes, more than the {MAX_DOCUMENT_BYTES} that are read")
    try:
        text = data.decode("utf-8")
        return json.loads(
            text,
            object_pairs_hook=pairs,
            parse_float=number,
            parse_constant=lambda name: refuse("holds a number that JSON does not have", name),
        )
    except UnicodeDecodeError as e:
        raise EvidenceError(
            f"{what} is not UTF-8 at byte {e.start}", remedy="Take the file from its source again."
        ) from e
    except RecursionError as e:
        raise EvidenceError(f"{what} is nested too deep", remedy="Take the file from its source again.") from e
    except ValueError as e:
        raise EvidenceError(f"{what} is not JSON: {e}", remedy="Take the file from its source again.") from e


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading and nothing else: no symbolic link, no pipe, no device.

    Raises:
        EvidenceError: The path is missing, unreadable, or not a regular file.
    """
    try:
        # O_NONBLOCK: a named pipe in a hostile bundle must not hold the reader for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise EvidenceError(
            f"{path.name} can't be read ({e.strerror})", value=path, remedy="Give a readable regular file."
        ) from e
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise EvidenceError(f"{path.name} is not a regular file", value=path, remedy="Give a readable regular file.")
    with os.fdopen(fd, "rb") as file:
        yield file


def read_document(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return the bytes of a small file, reading at most ``max_bytes``.

    Raises:
        EvidenceError: The file is missing, not regular, or larger than ``max_bytes``.
    """
    with open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise EvidenceError(
            f"{path.name} is larger than the {max_bytes} bytes that are read",
            value=path,
            remedy="A document of this kind is small: take it from its source again.",
        )
    return data


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> tuple[str, int]:
    """Return (SHA-256 as hex, size in bytes) of a regular file, read in pieces of 1 MiB.

    Raises:
        EvidenceError: The path is missing or not a regular file.
    """
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def is_sha256_hex(value: object) -> bool:
    """Return whether ``value`` is text of exactly 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and _SHA256_HEX.fullmatch(value) is not None


def parse_rfc3339(value: object, what: str) -> datetime:
    """Return an RFC 3339 time as an aware datetime in UTC.

    Args:
        value: For example ``2026-01-31T07:00:00Z`` or ``2026-01-31T15:00:00+08:00``.
        what: What the time is, for messages.

    Raises:
        EvidenceError: Not text, not RFC 3339, without a zone, or no such day.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise EvidenceError(
        f"{what} is not an RFC 3339 time", value=repr(value), remedy="Write it like 2026-01-31T07:00:00Z."
    )
