"""HTTP/2 frames written by hand (RFC 9113), for a server that breaks the rules at will."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from tests.engine.served import Peer

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
CONTINUATION: Final = 9

END_STREAM: Final = 1
ACK: Final = 1
END_HEADERS: Final = 4

NO_ERROR: Final = 0
INTERNAL_ERROR: Final = 2
REFUSED_STREAM: Final = 7
CANCEL: Final = 8

_PREFACE: Final = 24


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(*pairs: tuple[str, str]) -> bytes:
    """Return fields in HPACK's plainest form: literal, never indexed, no Huffman code (RFC 7541, 6.2.2)."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in pairs)


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, size = len(data) - 127, bytearray([127])
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    size.append(rest)
    return bytes(size) + data


def head(stream: int, *pairs: tuple[str, str], status: int = 200, last: bool = False) -> bytes:
    block = fields((":status", str(status)), *pairs)
    return frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, block)


def body(stream: int, data: bytes, last: bool = True) -> bytes:
    return frame(DATA, END_STREAM if last else 0, stream, data)


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last_stream: int, code: int = NO_ERROR) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last_stream, code))


class Framed:
    """The server's side of one HTTP/2 connection. It does not read what requests say: only that they are whole."""

    def __init__(self, peer: Peer, settings: bytes = b"") -> None:
        self.peer = peer
        self._buffer = b""
        self._need(_PREFACE)
        assert self._buffer.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), self._buffer
        self._buffer = self._buffer[_PREFACE:]
        self.send(frame(SETTINGS, 0, 0, settings))

    def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            data = self.peer.sock.recv(65536)
            if not data:
                raise ConnectionError("the client has closed")
            self._buffer += data

    def next(self) -> tuple[int, int, int]:
        """Return the kind, the flags and the stream of the next frame."""
        self._need(9)
        size = int.from_bytes(self._buffer[:3], "big")
        self._need(9 + size)
        kind, flags, stream = self._buffer[3], self._buffer[4], int.from_bytes(self._buffer[5:9], "big")
        self._buffer = self._buffer[9 + size :]
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        return kind, flags, stream

    def request(self) -> int:
        """Return the stream of the next request, once it is whole."""
        while True:
            kind, flags, stream = self.next()
            if kind in {DATA, HEADERS} and flags & END_STREAM:
                return stream

    def send(self, data: bytes) -> None:
        self.peer.send(data)

    def wait_for_close(self) -> None:
        while True:
            self.next()


def framing(script: Callable[[Framed], None], settings: bytes = b"") -> Callable[[Peer], None]:
    """Return a script for :class:`tests.engine.served.Server`."""
    return lambda peer: script(Framed(peer, settings))
