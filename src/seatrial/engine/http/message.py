"""HTTP/1.1 messages (RFC 9112): requests are written, responses are read.

A response takes one of two ways. The fast one is for what services under load mostly send: a final status, one
``content-length``, no transfer coding. Its head is looked up whole in a small table, since a service repeats its
heads to the byte within a second. Everything else (1xx, chunked, ended by close) goes to ``httptools``.

What can't be trusted is a :class:`ProtocolError`, never a guess: a head of more than 64 KiB, two lengths that
differ, a length beside a transfer coding (RFC 9112, 6.3), a negative or non-decimal length.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

__all__ = ["MAX_BODY", "MAX_HEAD", "Head", "ProtocolError", "Reader", "Response", "encode_request"]

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 64 * 1024 * 1024
_MAX_REMEMBERED = 2048

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LOOSE_LINE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")
_FIELD_LINE = re.compile(rb"\r\n(?![!#$%&'*+\-.^_`|~0-9A-Za-z]+:)")


class ProtocolError(Exception):
    """What came back is not HTTP/1.1 as the RFC has it. The message says why."""


class Head:
    """What the framing needs of a response's head.

    Attributes:
        status: Three digits.
        length: Bytes of body to come; -1 when only the slow way can tell.
        keep_alive: Whether the connection may serve another exchange.
        sets_cookies: Whether a Set-Cookie field is in it.
    """

    __slots__ = ("keep_alive", "length", "sets_cookies", "status")

    def __init__(self, status: int, length: int, keep_alive: bool, sets_cookies: bool) -> None:
        self.status = status
        self.length = length
        self.keep_alive = keep_alive
        self.sets_cookies = sets_cookies


class Response:
    """A whole response. Header fields are parsed only when asked for.

    Attributes:
        status: Three digits.
        head: Raw head without its empty line.
        body: Decoded from its transfer coding.
        keep_alive: Whether the connection may serve another exchange.
        sets_cookies: Whether the head has a Set-Cookie field.
        size: Bytes on the wire.
    """

    __slots__ = ("_fields", "body", "head", "keep_alive", "sets_cookies", "size", "status")

    def __init__(self, head_info: Head, head: bytes, body: bytes, size: int, keep_alive: bool) -> None:
        self.status = head_info.status
        self.sets_cookies = head_info.sets_cookies
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
            self._fields = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
        return self._fields

    def headers(self, name: str) -> list[str]:
        """Return the values of every field of that name, in order."""
        wanted = name.lower()
        return [value for field, value in self.fields if field == wanted]


_known_heads: dict[bytes, Head] = {}


def parse_head(head: bytes) -> Head:
    """Return the framing facts of a head (status line and fields, without the empty line).

    Raises:
        ProtocolError: it is not a valid head.
    """
    known = _known_heads.get(head)
    if known is None:
        known = _read_head(head)
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
    lengths = set(_LENGTH.findall(whole))
    coding = _CODING.search(whole) is not None
    if len(lengths) > 1 or (lengths and coding):
        raise ProtocolError("two framings in one head (content-length twice, or beside transfer-encoding)")
    status, length = int(line[2]), -1
    if lengths:
        text = lengths.pop()
        if not text.isdigit() or len(text) > 15:
            raise ProtocolError(f"content-length is not a number: {text[:30]!r}")
        length = int(text)
        if length > MAX_BODY:
            raise ProtocolError(f"a body of {length} bytes is more than the limit of {MAX_BODY}")
    if status < 200:
        length = -1
    connection = b",".join(_CONNECTION.findall(whole)).lower()
    keep_alive = b"close" not in connection and (line[1] == b"1" or b"keep-alive" in connection)
    return Head(status, length, keep_alive, b"\r\nset-cookie" in whole.lower())


class Reader:
    """Reads the responses of one connection, one exchange at a time.

    ``feed`` is given bytes as they come and returns the response once it is whole. A HEAD request, and a status of
    204 or 304, has no body whatever its head says (RFC 9112, 6.3).
    """

    __slots__ = ("_buffer", "_facts", "_head", "_missing", "_parts", "_slow", "is_head")

    def __init__(self) -> None:
        self.is_head = False
        self._buffer = b""
        self._slow: _SlowReader | None = None
        # A body that did not come at once is collected in parts: joining as it grows would be quadratic.
        self._facts: Head | None = None
        self._head = b""
        self._parts: list[bytes] = []
        self._missing = 0

    @property
    def started(self) -> bool:
        """Return whether any byte of the current response has come."""
        return bool(self._buffer) or self._facts is not None or self._slow is not None

    def feed(self, data: bytes) -> Response | None:
        """Take bytes; return the response if it is whole now.

        Raises:
            ProtocolError: what came is not HTTP, or more came than one response.
        """
        if self._slow is not None:
            return self._slow.feed(data)
        if self._facts is not None:
            return self._collect(data, self._facts)
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD:
                raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
            if data and not b"HTTP/1.".startswith(data[:7]):
                raise ProtocolError(f"not an HTTP/1.1 status line: {data[:60]!r}")
            self._buffer = data
            return None
        if end > MAX_HEAD:
            raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
        head = data[:end]
        facts = _known_heads.get(head) or parse_head(head)
        length = facts.length
        if self.is_head or facts.status in {204, 304}:
            length = 0
        if length < 0:
            self._slow = _SlowReader()
            self._buffer = b""
            return self._slow.feed(data)
        size = end + 4 + length
        if len(data) != size:
            self._facts, self._head, self._missing, self._buffer = facts, head, length, b""
            return self._collect(data[end + 4 :], facts)
        self._buffer = b""
        return Response(facts, head, data[end + 4 :], size, facts.keep_alive)

    def _collect(self, data: bytes, facts: Head) -> Response | None:
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return None
        if self._missing < 0:
            raise ProtocolError("more bytes than one response")
        body = b"".join(self._parts)
        return Response(facts, self._head, body, len(self._head) + 4 + len(body), facts.keep_alive)

    def end(self) -> Response | None:
        """Take the end of the connection; return a response that only its end could end (RFC 9112, 6.3, rule 8)."""
        return self._slow.end() if self._slow is not None else None

    def reset(self) -> None:
        """Make ready for the next exchange."""
        self._buffer = b""
        self._slow = None
        self.is_head = False
        if self._facts is not None:
            self._facts, self._head, self._parts, self._missing = None, b"", [], 0


class _SlowReader:
    """Reads one response by httptools: interim responses, chunked bodies, bodies ended by close."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._raw_head = b""
        self._head_done = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._size = 0
        self._messages = 0
        self._whole = False
        self._until_close = False
        self._facts: Head | None = None

    # httptools calls these by name.
    def on_body(self, part: bytes) -> None:
        self._body.append(part)
        self._body_size += len(part)

    def on_message_begin(self) -> None:
        self._messages += 1

    def on_message_complete(self) -> None:
        self._whole = True

    def feed(self, data: bytes) -> Response | None:
        self._size += len(data)
        while not self._head_done:
            self._raw_head += data
            end = self._raw_head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._raw_head) > MAX_HEAD:
                    raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
                return None
            head, data = self._raw_head[:end], self._raw_head[end + 4 :]
            facts = parse_head(head)
            self._raw_head = b""
            if facts.status >= 200:
                return self._begin_body(head, facts, data)
            if facts.status == 101:
                raise ProtocolError("switched protocols without being asked")
            if not data:
                return None
        return self._parse(data)

    def _begin_body(self, head: bytes, facts: Head, data: bytes) -> Response | None:
        self._head_done, self._facts, self._raw_head = True, facts, head
        if facts.length >= 0 or facts.status in (204, 304):
            self._until_close = False
        else:
            self._until_close = _CODING.search(head + b"\r\n") is None
        return self._parse(head + b"\r\n\r\n" + data)

    def _parse(self, data: bytes) -> Response | None:
        if self._whole:
            raise ProtocolError("more bytes than one response")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ProtocolError(f"not valid HTTP/1.1: {error}") from error
        if self._messages > 1:
            raise ProtocolError("more bytes than one response")
        if self._body_size > MAX_BODY:
            raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
        return self._response() if self._is_whole() else None

    def _is_whole(self) -> bool:
        return self._whole

    def end(self) -> Response | None:
        return self._response(closed=True) if self._head_done and self._until_close and not self._whole else None

    def _response(self, closed: bool = False) -> Response:
        assert self._facts is not None  # noqa: S101 -- a body is only read after its head
        keep_alive = self._facts.keep_alive and not closed
        return Response(self._facts, self._raw_head, b"".join(self._body), self._size, keep_alive)


def encode_request(method: str, path: str, fields: list[tuple[str, str]], body: bytes | None) -> bytes:
    """Return a request on the wire. ``content-length`` is added; ``fields`` must hold ``host`` already.

    Raises:
        ValueError: a field or the path holds a control character or a space where none may stand: it would let
            data from a feed write header fields of its own.
    """
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body or b'')}")
    if any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line) or " " in path:
        raise ValueError(f"a control character or space in a request head: {lines[0]!r}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")
