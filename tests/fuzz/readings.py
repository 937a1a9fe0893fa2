"""One stream of bytes, read by the engine's reader and by two parsers that others wrote: h11 and httptools (llhttp).

They need not agree: this reader refuses what can be understood in two ways. Every way in which it is stricter, or
they are, has a name in ``DIFFERENCES``; a disagreement without a name is a defect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import h11
import httptools

from seatrial.engine.http.message import ProtocolError, Reader, Response

__all__ = ["DIFFERENCES", "Reading", "by_h11", "by_httptools", "by_ours", "check", "pieces_of"]

WHOLE: Final = "whole"
REFUSED: Final = "refused"
UNFINISHED: Final = "unfinished"

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reading:
    """What a parser makes of the bytes on a connection, up to its end where ``ended``.

    Bytes after a whole response are counted as refused: nothing was asked for that they could answer.
    """

    kind: str
    status: int = 0
    fields: Fields = ()
    body: bytes = b""
    keep_alive: bool = False
    reason: str = field(default="", compare=False)


def by_ours(pieces: Sequence[bytes], is_head: bool, ended: bool) -> Reading:
    """Read by the engine, in these pieces; holds the reader to its own accounts on the way."""
    reader = Reader()
    if is_head:
        reader.expect_head()
    fed = 0
    response: Response | None = None
    for piece in pieces:
        if response is not None:
            return Reading(REFUSED, reason="more bytes than one response")
        fed += len(piece)
        try:
            response = reader.feed(piece)
        except ProtocolError as error:
            assert reader.received == fed, "bytes of a refused response miscounted"
            return Reading(REFUSED, reason=str(error))
        if response is None:
            assert reader.started
            assert reader.received == fed, "bytes of an unfinished response miscounted"
    closed = response is None and ended
    if closed:
        response = reader.end()
    if response is None:
        return Reading(UNFINISHED)
    assert response.size == fed, "bytes of a whole response miscounted"
    assert not (closed and response.keep_alive)
    reader.reset()
    assert (reader.started, reader.received) == (False, 0)
    return Reading(WHOLE, response.status, tuple(response.fields), response.body, response.keep_alive)


def by_h11(data: bytes, is_head: bool, ended: bool) -> Reading:
    """Read by h11."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    client.send(h11.Request(method="HEAD" if is_head else "GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    status, fields, body = 0, (), bytearray()
    try:
        if data:
            client.receive_data(data)
        if ended:
            client.receive_data(b"")
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return Reading(UNFINISHED)
            if isinstance(event, h11.Response):
                status = event.status_code
                fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
    except h11.RemoteProtocolError as error:
        return Reading(REFUSED, reason=str(error))
    if client.trailing_data[0]:
        return Reading(REFUSED, reason="trailing data")
    return Reading(WHOLE, status, fields, bytes(body), client.their_state is h11.DONE)


class _Messages:
    """Collects what httptools calls back with, message by message."""

    def __init__(self) -> None:
        self.final = False  # the head of a final response has been read
        self.whole = False
        self.status = 0
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.keep_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.final:
            self.fields.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.final = self.status >= 200

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.whole = self.final
        self.keep_alive = self.parser.should_keep_alive()


def by_httptools(data: bytes, ended: bool) -> Reading:
    """Read by httptools, which knows no answer to HEAD, byte by byte so that bytes after the end are noticed."""
    found = _Messages()
    for at in range(len(data)):
        if found.whole:
            return Reading(REFUSED, reason="bytes after the end")
        try:
            found.parser.feed_data(data[at : at + 1])
        except httptools.HttpParserUpgrade:
            return Reading(REFUSED, reason="upgrade")
        except httptools.HttpParserError as error:
            return Reading(REFUSED, reason=str(error))
    framed = any(name in {"content-length", "transfer-encoding"} for name, _ in found.fields)
    if found.whole or (ended and found.final and not framed):
        return Reading(WHOLE, found.status, tuple(found.fields), found.body, found.whole and found.keep_alive)
    return Reading(UNFINISHED)


def pieces_of(data: bytes, size: int) -> list[bytes]:
    """Return ``data`` in pieces of ``size`` bytes; whole where ``size`` is 0."""
    return [data[at : at + size] for at in range(0, len(data), size)] if size else [data] if data else []


def check(data: bytes, is_head: bool = False, ended: bool = False, size: int = 1) -> str:
    """Hold the reader to its laws for one stream of bytes.

    Returns:
        The names of the differences to the other parsers that this stream shows, joined by commas.

    Raises:
        AssertionError: a split changed the reading, the reader's accounts are wrong, or the parsers disagree and no
            known difference explains it.
    """
    ours = by_ours(pieces_of(data, 0), is_head, ended)
    split = by_ours(pieces_of(data, size), is_head, ended)
    assert split == ours, f"in pieces of {size}: {split}, whole: {ours}"
    again = by_ours(pieces_of(data, 0), is_head, ended)
    assert again == ours, f"with heads remembered: {again}, before: {ours}"
    shown = [_compare("h11", ours, by_h11(data, is_head, ended), data)]
    if not is_head:
        shown.append(_compare("httptools", ours, by_httptools(data, ended), data))
    return ", ".join(name for name in shown if name)


def _compare(parser: str, ours: Reading, theirs: Reading, data: bytes) -> str:
    # To refuse now, or to wait for what can only be refused, is one thing: the step ends as a protocol error.
    if WHOLE not in {ours.kind, theirs.kind}:
        return ""
    if _plain(ours) == _plain(theirs):
        return ""
    for name, who, explains in DIFFERENCES:
        if parser in who and explains(data, ours, theirs):
            return name
    raise AssertionError(f"{parser} disagrees without a known reason: ours {ours} {ours.reason!r}, {theirs}")


def _plain(reading: Reading) -> Reading:
    """Return a reading with the framing fields in the form that h11 brings them into: once, in lower case."""
    framing = {"content-length", "transfer-encoding"}
    fields = [(name, value.lower() if name in framing else value) for name, value in reading.fields]
    once = tuple(pair for i, pair in enumerate(fields) if pair[0] not in framing or pair not in fields[:i])
    return replace(reading, fields=once)


Explains = Callable[[bytes, Reading, Reading], bool]


def _refused(reason: str, pattern: bytes = b"") -> Explains:
    """Ours refuses, for this reason, what they take for whole, and the bytes hold the pattern."""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda data, ours, theirs: theirs.kind == WHOLE and reason in ours.reason and bool(found.search(data))


def _taken(pattern: bytes) -> Explains:
    """Ours takes for whole what they do not, and the bytes hold the pattern."""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda data, ours, theirs: ours.kind == WHOLE != theirs.kind and bool(found.search(data))


def _bare_line_feeds(data: bytes, ours: Reading, theirs: Reading) -> bool:
    return ours.kind != WHOLE == theirs.kind and bool(re.search(rb"(?<!\r)\n", data))


def _keep_alive(pattern: bytes) -> Explains:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda data, ours, theirs: (
        _plain(ours) == _plain(replace(theirs, keep_alive=ours.keep_alive)) and bool(found.search(data))
    )


def _until_close(_: bytes, ours: Reading, theirs: Reading) -> bool:
    return _plain(ours) == _plain(replace(theirs, keep_alive=False)) and not ours.keep_alive


H11, HTTPTOOLS = ("h11",), ("httptools",)
_STATUS_LINE = "not an HTTP/1.1 status line"

DIFFERENCES: Final[tuple[tuple[str, tuple[str, ...], Explains], ...]] = (
    # Ours is stricter.
    ("a line ends with a bare line feed", H11, _bare_line_feeds),
    ("line ends before the status line", HTTPTOOLS, _refused(_STATUS_LINE, rb"(^|\r\n\r\n)[\r\n]+HTTP/")),
    ("a status below 100 or above 599", (*H11, *HTTPTOOLS), _refused(_STATUS_LINE, rb"HTTP/\d\.\d [06-9]\d\d")),
    ("a version other than 1.0 and 1.1", (*H11, *HTTPTOOLS), _refused(_STATUS_LINE, rb"HTTP/(?!1\.[01])\d\.\d")),
    ("NUL in the reason phrase", HTTPTOOLS, _refused("a bare CR, LF or NUL", rb"HTTP/[^\r\n]*\0")),
    ("a folded field", H11, _refused("a malformed header field", rb"\r\n[ \t]")),
    ("a length beside chunked", H11, _refused("two framings", rb"transfer-encoding:")),
    ("a list of lengths", H11, _refused("content-length is not a number", rb"content-length:[^\r\n]*,")),
    ("a list of lengths", H11, _refused("two framings", rb"content-length:[^\r\n]*,")),
    (
        "a length of 16 to 20 digits",
        (*H11, *HTTPTOOLS),
        _refused("content-length is not a number", rb"content-length:\s*\d{16}"),
    ),
    ("a coding other than chunked", HTTPTOOLS, _refused("a transfer coding other than chunked")),
    ("a chunk or trailer not of the RFC's form", H11, _refused("not a chunked body")),
    # They are stricter.
    ("a vertical tab or form feed", H11, _taken(rb"[\x0b\x0c]")),
    ("a control character in a field", HTTPTOOLS, _taken(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")),
    ("a chunk size with many zeros", H11, _taken(rb"\n0{5,}[0-9a-f]*")),
    ("the same length twice", HTTPTOOLS, _taken(rb"(content-length:[^\0]*){2}")),
    ("an interim response that closes", HTTPTOOLS, _taken(rb"HTTP/1\.(0 1\d\d|1 1\d\d[^\0]*connection:)")),
    ("a tab beside chunked", HTTPTOOLS, _taken(rb"transfer-encoding:[^\r\n]*\t")),
    # What is said of the next exchange.
    ("HTTP/1.0 with keep-alive", H11, _keep_alive(rb"HTTP/1\.0[^\0]*keep-alive")),
    ("chunked in HTTP/1.0", HTTPTOOLS, _keep_alive(rb"HTTP/1\.0[^\0]*chunked")),
    ("a body until close", H11, _until_close),
)
"""Name of the difference, the parsers it holds for, and whether it explains a disagreement about some bytes."""
