"""HTTP/1.1 responses (RFC 9112), read as they come.

The fast way is for what services under load mostly send: a final status and one ``content-length``. Its head is
looked up whole in a small table, since a service repeats its heads to the byte within a second. Chunked bodies go
to ``httptools``.

What can't be trusted is a :class:`ProtocolError`, never a guess: a head of more than 64 KiB, interim responses of
more than that, two lengths that differ, a length beside a transfer coding (RFC 9112, 6.3), a negative or non-decimal
length, a coding other than ``chunked``. Where this reader is stricter than others: ``docs/design/fuzzing.md``.

How the bytes are cut into segments changes nothing: neither what is read nor what is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import httptools

from seatrial.engine.http.stop_field import asks_to_stop

__all__ = ["MAX_BODY", "MAX_HEAD", "Head", "ProtocolError", "Reader", "Response"]

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 64 * 1024 * 1024
UNTIL_CLOSE: Final = -1
CHUNKED: Final = -2
INTERIM: Final = -3
_MAX_REMEMBERED = 2048
_MOST_PARTS = 4096
_LONGEST_REMEMBERED = 4096  # bytes: a service whose long heads all differ can't fill the memory

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\r\n")
# Values are stripped afterwards: a pattern that also leaves out the spaces at the end is quadratic in them.
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:([^\r\n]*)", re.IGNORECASE)
_LOOSE_LINE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")
_FIELD_LINE = re.compile(rb"\r\n(?![!#$%&'*+\-.^_`|~0-9A-Za-z]+:)")
_MORE: Final = "more bytes than one response"
_END_OF_CHUNKS = re.compile(rb"[^\r\n]\r\n\r\n")


class ProtocolError(Exception):
    """What came back is not HTTP/1.1 as the RFC has it. The message says why."""


class Head:
    """What the framing needs of a response's head.

    Attributes:
        status: Three digits.
        length: Bytes of body to come; or ``UNTIL_CLOSE``, ``CHUNKED``, or ``INTERIM`` for a status below 200.
        keep_alive: Whether the connection may serve another exchange.
        sets_cookies: Whether a Set-Cookie field is in it.
        encoded: Whether a Content-Encoding field is in it.
    """

    __slots__ = ("encoded", "keep_alive", "length", "sets_cookies", "status")

    def __init__(self, status: int, length: int, keep_alive: bool, sets_cookies: bool, encoded: bool) -> None:
        self.status = status
        self.length = length
        self.keep_alive = keep_alive
        self.sets_cookies = sets_cookies
        self.encoded = encoded


class Response:
    """A whole response. Header fields are parsed only when asked for.

    Attributes:
        status: Three digits.
        head: Raw head without its empty line.
        body: Decoded from its transfer coding; whoever reads it undoes its content coding first if ``encoded``.
        keep_alive: Whether the connection may serve another exchange.
        sets_cookies: Whether the head has a Set-Cookie field.
        encoded: Whether the body still has its content coding.
        size: Bytes on the wire.
    """

    __slots__ = ("_fields", "body", "encoded", "head", "keep_alive", "sets_cookies", "size", "status")

    def __init__(self, head_info: Head, head: bytes, body: bytes, size: int, keep_alive: bool) -> None:
        self.status = head_info.status
        self.sets_cookies = head_info.sets_cookies
        self.encoded = head_info.encoded
        self.head = head
        self.body = body
        self.size = size
        self.keep_alive = keep_alive
        self._fields: list[tuple[str, str]] | None = None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return all header fields in order, names in lower case."""
        if self._fields is None:
            lines = self.head.decode("latin-1").split("\r\n")[1:]
            pairs = (line.partition(":") for line in lines)
            # Not strip() alone: in Latin-1 it takes bytes of UTF-8 text, such as the last of "à" or of "加", for space.
            self._fields = [(name.lower(), value.strip(" \t")) for name, _, value in pairs]
        return self._fields

    def headers(self, name: str) -> list[str]:
        """Return the values of every field of that name, in order."""
        wanted = name.lower()
        return [value for field, value in self.fields if field == wanted]


_blank = Response.__new__

_known_heads: dict[bytes, Head] = {}


def parse_head(head: bytes) -> Head:
    """Return the framing facts of a head (status line and fields, without the empty line).

    Raises:
        ProtocolError: it is not a valid head.
    """
    known = _known_heads.get(head)
    if known is None:
        known = _read_head(head)
        # A head that asks for the end is not remembered, so that each of them counts.
        if not asks_to_stop(head) and len(head) <= _LONGEST_REMEMBERED:
            if len(_known_heads) >= _MAX_REMEMBERED:
                _known_heads.clear()
            _known_heads[head] = known
    return known


def _read_head(head: bytes) -> Head:
    whole = head + b"\r\n"
    line = _STATUS_LINE.match(whole)
    if line is None:
        raise ProtocolError(f"not an HTTP/1.1 status line: {head[:60]!r}")
    if _LOOSE_LINE.search(whole):
        raise ProtocolError("a bare CR, LF or NUL in the head")
    if _FIELD_LINE.search(whole[line.end() - 2 : -2]):
        raise ProtocolError("a malformed header field")
    lengths = {value.strip(b" \t") for value in _LENGTH.findall(whole)}
    codings = [value.strip(b" \t") for value in _CODING.findall(whole)]
    if len(lengths) > 1 or (lengths and codings):
        raise ProtocolError("two framings in one head (content-length twice, or beside transfer-encoding)")
    status, length = int(line[2]), UNTIL_CLOSE
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise ProtocolError(f"a transfer coding other than chunked: {b', '.join(codings)[:30]!r}")
        length = CHUNKED
    if lengths:
        text = lengths.pop()
        if not text.isdigit() or len(text) > 15:
            raise ProtocolError(f"content-length is not a number: {text[:30]!r}")
        length = int(text)
    if status == 101:
        raise ProtocolError("switched protocols without being asked")
    if status < 200:
        length = INTERIM
    elif status in {204, 304}:
        length = 0
    connection = {option.strip(b" \t").lower() for option in b",".join(_CONNECTION.findall(whole)).split(b",")}
    # A transfer coding in HTTP/1.0 is read, and the connection not trusted further (RFC 9112, 6.1).
    lasts = (line[1] == b"1" or b"keep-alive" in connection) and not (codings and line[1] == b"0")
    lower = whole.lower()
    keep_alive = lasts and b"close" not in connection
    return Head(status, length, keep_alive, b"\r\nset-cookie" in lower, b"\r\ncontent-encoding" in lower)


class Reader:
    """Reads the responses of one connection, one exchange at a time.

    ``feed`` is given bytes as they come and returns the response once it is whole. Interim responses (1xx) are
    passed over, ``MAX_HEAD`` bytes of them at most. The answer to a HEAD request, and a status of 204 or 304, has
    no body whatever its head says (RFC 9112, 6.3).
    """

    __slots__ = (
        "_before",
        "_buffer",
        "_chunks",
        "_collected",
        "_facts",
        "_head",
        "_is_head",
        "_missing",
        "_parts",
        "clean",
    )

    def __init__(self) -> None:
        self.clean = True
        self._is_head = False
        self._before = 0  # bytes of interim responses
        self._buffer = b""
        # A body that did not come at once is collected in parts: joining as it grows would be quadratic.
        self._facts: Head | None = None
        self._head = b""
        self._parts: list[bytes] = []
        self._collected = 0
        self._missing = 0
        self._chunks: _Chunks | None = None

    @property
    def started(self) -> bool:
        """Return whether any byte of the current response has come."""
        return bool(self._buffer) or self._facts is not None or self._before > 0

    @property
    def received(self) -> int:
        """Return how many bytes of an unfinished response have come."""
        head = len(self._head) + 4 if self._facts is not None else 0
        return self._before + len(self._buffer) + head + self._collected

    def feed(self, data: bytes) -> Response | None:
        """Take bytes; return the response if it is whole now.

        Raises:
            ProtocolError: what came is not HTTP, or more came than one response.
        """
        if self.clean:
            # What services mostly send: a head seen before and its body, whole in one segment.
            end = data.find(b"\r\n\r\n")
            facts = _known_heads.get(data[:end])
            size = len(data)
            if facts is not None and end + 4 + facts.length == size and end > 0:
                response = _blank(Response)  # a call of the class itself costs more than all the rest here
                response.status = facts.status
                response.sets_cookies = facts.sets_cookies
                response.encoded = facts.encoded
                response.keep_alive = facts.keep_alive
                response.head = data[:end]
                response.body = data[end + 4 :]
                response.size = size
                response._fields = None
                return response
            self.clean = False
        return self._feed(data)

    def expect_head(self) -> None:
        """Take note that the answer is to a HEAD request."""
        self.clean = False
        self._is_head = True

    def _feed(self, data: bytes) -> Response | None:
        if self._facts is not None:
            return self._collect(data, self._facts)
        if self._buffer:
            searched = len(self._buffer) - 3  # the empty line may lie across two segments
            self._buffer = data = self._buffer + data
            end = data.find(b"\r\n\r\n", searched if searched > 0 else 0)
        else:
            self._buffer = data
            end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD + 3:
                raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
            if not b"HTTP/1.".startswith(data[:7]):
                raise ProtocolError(f"not an HTTP/1.1 status line: {data[:60]!r}")
            return None
        if end > MAX_HEAD:
            raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
        head = data[:end]
        facts = _known_heads.get(head) or parse_head(head)
        length = facts.length
        if length == INTERIM:
            return self._pass_interim(data, end)
        if self._is_head:
            length = 0
        size = end + 4 + length
        if length < 0 or len(data) != size:
            return self._begin_body(facts, head, length, data[end + 4 :])
        self._buffer = b""
        return Response(facts, head, data[end + 4 :], self._before + size, facts.keep_alive)

    def _pass_interim(self, data: bytes, end: int) -> Response | None:
        start, before = 0, self._before
        while True:
            start = end + 4
            if before + start > MAX_HEAD:
                raise ProtocolError(f"interim responses of more than {MAX_HEAD} bytes")
            end = data.find(b"\r\n\r\n", start)
            if not 0 <= end - start <= MAX_HEAD or parse_head(data[start:end]).length != INTERIM:
                self._before, self._buffer = before + start, b""
                return self._feed(data[start:]) if start < len(data) else None

    def _begin_body(self, facts: Head, head: bytes, length: int, data: bytes) -> Response | None:
        if length > MAX_BODY:
            raise ProtocolError(f"a body of {length} bytes is more than the limit of {MAX_BODY}")
        self._facts, self._head, self._missing, self._buffer = facts, head, length, b""
        if length == CHUNKED:
            self._chunks = _Chunks()
        return self._collect(data, facts)

    def _collect(self, data: bytes, facts: Head) -> Response | None:
        self._collected += len(data)
        if self._chunks is not None:
            return self._whole(facts, self._chunks.body) if self._chunks.feed(data, self._collected) else None
        self._parts.append(data)
        if self._missing == UNTIL_CLOSE:
            if self._collected > MAX_BODY:
                raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
            return None
        self._missing -= len(data)
        if self._missing > 0:
            return None
        if self._missing < 0:
            raise ProtocolError(_MORE)
        return self._whole(facts, b"".join(self._parts))

    def _whole(self, facts: Head, body: bytes, closed: bool = False) -> Response:
        size = self._before + len(self._head) + 4 + self._collected
        return Response(facts, self._head, body, size, facts.keep_alive and not closed)

    def end(self) -> Response | None:
        """Take the end of the connection; return a response that only its end could end (RFC 9112, 6.3, rule 8)."""
        if self._facts is None or self._missing != UNTIL_CLOSE:
            return None
        return self._whole(self._facts, b"".join(self._parts), closed=True)

    def reset(self) -> None:
        """Make ready for the next exchange; needed where ``clean`` says no."""
        self.clean = True
        self._buffer = b""
        self._before = 0
        self._is_head = False
        if self._facts is not None:
            self._facts, self._chunks, self._head = None, None, b""
            self._parts, self._collected, self._missing = [], 0, 0


class _Callbacks:
    """What httptools calls by name. It must not lead back to the parser: workers run without a collector of cycles."""

    __slots__ = ("on_body", "whole")

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        self.on_body = on_body
        self.whole = False

    def on_message_complete(self) -> None:
        self.whole = True


class _Chunks:
    """Reads one chunked body (RFC 9112, 7.1) by httptools, its trailer included.

    The head was read by :func:`parse_head`, so the parser is given one of our own: what a head may hold is then
    decided in one place.
    """

    __slots__ = ("_callbacks", "_feed", "_joined", "_parts", "_tail")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._joined: bytearray | None = None
        self._tail = b""
        self._callbacks = _Callbacks(self._parts.append)
        self._feed = httptools.HttpResponseParser(self._callbacks).feed_data
        self._feed(b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")

    @property
    def body(self) -> bytes:
        """Return what came of the body so far."""
        if self._joined is None:
            return b"".join(self._parts)
        return b"".join([self._joined, *self._parts])

    def feed(self, data: bytes, collected: int) -> bool:
        """Take bytes, which bring those of this body on the wire to ``collected``; return whether it is whole now."""
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            raise ProtocolError(_MORE if self._callbacks.whole else f"not a chunked body: {error}") from error
        if collected > MAX_BODY or len(self._parts) > _MOST_PARTS:
            self._join()
        if self._callbacks.whole:
            # The parser passes over line ends after the last chunk, which are bytes too many like any others.
            end = data[-5:] if len(data) > 4 else (self._tail + data)[-5:]
            if not _END_OF_CHUNKS.match(end):
                raise ProtocolError(_MORE)
            return True
        self._tail = data[-4:] if len(data) > 3 else (self._tail + data)[-4:]
        return False

    def _join(self) -> None:
        # A chunk may be one byte: an object for each would take fifty times its memory.
        if self._joined is None:
            self._joined = bytearray()
        self._joined += b"".join(self._parts)
        self._parts.clear()
        if len(self._joined) > MAX_BODY:
            raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
