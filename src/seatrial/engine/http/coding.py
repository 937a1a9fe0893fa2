"""Content codings (RFC 9110, 8.4): gzip, deflate, br, zstd. What a service compresses is undone, within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Final

import brotli
import zstandard

from seatrial.engine.http.message import MAX_BODY, ProtocolError

__all__ = ["CODINGS", "decoded"]

_LARGEST_WINDOW: Final = 1 << 27
_PIECE: Final = 256
_RAW_DEFLATE: Final = -15
_ZLIB: Final = 15
_GZIP: Final = 31


def decoded(body: bytes, fields: Sequence[str]) -> bytes:
    """Return a body without its content codings.

    Args:
        body: As it came.
        fields: Values of the Content-Encoding fields, in order; the last coding was applied last.

    Raises:
        ProtocolError: an unknown coding, a body that is not of its coding or is cut off, or one that grows beyond
            ``MAX_BODY``.
    """
    names = [name.strip().lower() for field in fields for name in field.split(",") if name.strip()]
    for name in reversed(names):
        undo = CODINGS.get(name)
        if undo is None:
            raise ProtocolError(f"an unknown content coding: {name[:30]!r}")
        if body:  # an answer without content, for example to HEAD, may still name a coding
            try:
                body = undo(body)
            except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
                raise ProtocolError(f"the body is not valid {name}: {error}") from error
    return body


def _inflate(body: bytes, window: int) -> bytes:
    parts, room = [], MAX_BODY
    while body:
        stream = zlib.decompressobj(window)
        parts.append(stream.decompress(body, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise _too_large()
        if not stream.eof:
            raise EOFError("it is cut off")
        body = stream.unused_data  # gzip may have several members
    return b"".join(parts)


def _deflate(body: bytes) -> bytes:
    """Undo deflate: in the zlib format, as the RFC has it, or bare, as some servers send it."""
    try:
        return _inflate(body, _ZLIB)
    except zlib.error:
        return _inflate(body, _RAW_DEFLATE)


def _brotli(body: bytes) -> bytes:
    stream = brotli.Decompressor()
    content = bytes(stream.process(body, output_buffer_limit=MAX_BODY))
    while not stream.is_finished():
        more = bytes(stream.process(b"", output_buffer_limit=MAX_BODY))
        content += more
        if len(content) > MAX_BODY:
            raise _too_large()
        if not more:
            raise EOFError("it is cut off")
    return content


def _zstd(body: bytes) -> bytes:
    content, rest = bytearray(), body
    while rest:
        stream = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
        start = 0
        while start < len(rest) and not stream.eof:
            # Four bytes can stand for a block of 128 KiB: small pieces keep a small body from filling the memory.
            content += stream.decompress(rest[start : start + _PIECE])
            start += _PIECE
            if len(content) > MAX_BODY:
                raise _too_large()
        if not stream.eof:
            raise EOFError("it is cut off")
        rest = stream.unused_data + rest[start:]
    return bytes(content)


def _too_large() -> ProtocolError:
    return ProtocolError(f"a body that grows beyond {MAX_BODY} bytes when it is decoded")


CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda body: _inflate(body, _GZIP),
    "x-gzip": lambda body: _inflate(body, _GZIP),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda body: body,
}
"""Coding name to what undoes it."""
