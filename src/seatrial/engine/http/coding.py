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
_BLOCK: Final = 64 * 1024
_MOST_CODINGS: Final = 5
_MOST_MEMBERS: Final = 4096
_RAW_DEFLATE: Final = -15
_ZLIB: Final = 15
_GZIP: Final = 31


def decoded(body: bytes, fields: Sequence[str]) -> bytes:
    """Return a body without its content codings.

    Args:
        body: As it came.
        fields: Values of the Content-Encoding fields, in order; the last coding was applied last.

    Raises:
        ProtocolError: an unknown coding, a body that is not of its coding or is cut off, one that grows beyond
            ``MAX_BODY``, more than 5 codings, or more than 4,096 members in one: each bound keeps an answer from
            holding up the whole worker.
    """
    names = [name.strip().lower() for field in fields for name in field.split(",") if name.strip()]
    if len(names) > _MOST_CODINGS:
        raise ProtocolError(f"{len(names)} content codings, of which at most {_MOST_CODINGS} are undone")
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
    at, left = 0, body[:_BLOCK]  # in blocks: each member hands back a copy of what it left over
    for _ in range(_MOST_MEMBERS):  # gzip may have several members
        stream = zlib.decompressobj(window)
        while not stream.eof:
            if not left:
                raise EOFError("it is cut off")
            parts.append(stream.decompress(left, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise _too_large()
            left = stream.unconsumed_tail or stream.unused_data
            if not left:
                at += _BLOCK
                left = body[at : at + _BLOCK]
        if not left:
            return b"".join(parts)
    raise _too_many_members()


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
    content = bytearray()
    at, left = 0, body[:_PIECE]
    for _ in range(_MOST_MEMBERS):
        stream = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
        while not stream.eof:
            if not left:
                raise EOFError("it is cut off")
            # Four bytes can stand for a block of 128 KiB: small pieces keep a small body from filling the memory.
            content += stream.decompress(left)
            if len(content) > MAX_BODY:
                raise _too_large()
            left = stream.unused_data
            if not left:
                at += _PIECE
                left = body[at : at + _PIECE]
        if not left:
            return bytes(content)
    raise _too_many_members()


def _too_large() -> ProtocolError:
    return ProtocolError(f"a body that grows beyond {MAX_BODY} bytes when it is decoded")


def _too_many_members() -> ProtocolError:
    return ProtocolError(f"a body of more than {_MOST_MEMBERS} compressed members")


CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda body: _inflate(body, _GZIP),
    "x-gzip": lambda body: _inflate(body, _GZIP),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda body: body,
}
"""Coding name to what undoes it."""
