from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.engine.http.message import (
    MAX_BODY,
    ProtocolError,
    Reader,
    Response,
    parse_head,
)
from seatrial.engine.http.request import encode_request

OK = b"HTTP/1.1 200 OK\r\n"
OLD = b"HTTP/1.0 200 OK\r\n"
OFFER = OK + b"upgrade: h2c\r\nconnection: Upgrade\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def read(*pieces: bytes, head: bool = False, ended: bool = False) -> Response | None:
    """Feed the pieces to a new reader; return the response as soon as it is whole, or what the end makes of it."""
    reader = Reader()
    if head:
        reader.expect_head()
    for index, piece in enumerate(pieces):
        response = reader.feed(piece)
        if response is not None:
            assert index == len(pieces) - 1, "bytes are left after the response"
            return response
    return reader.end() if ended else None


def whole(*pieces: bytes, head: bool = False, ended: bool = False) -> Response:
    response = read(*pieces, head=head, ended=ended)
    assert response is not None
    return response


def facts(response: Response) -> tuple[object, ...]:
    return (
        response.status,
        response.body,
        response.fields,
        response.keep_alive,
        response.sets_cookies,
        response.size,
    )


# (what it is, bytes, answer to HEAD, ended by close, status, body, keep-alive)
FRAMINGS = [
    ("length", OK + b"Content-Length: 5\r\n\r\nhello", False, False, 200, b"hello", True),
    ("length of nothing", OK + b"content-length: 0\r\n\r\n", False, False, 200, b"", True),
    ("the same length twice", OK + b"content-length: 2\r\nContent-Length: 2\r\n\r\nhi", False, False, 200, b"hi", True),
    ("asked to close", OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", False, False, 200, b"hi", False),
    ("no reason", b"HTTP/1.1 404\r\ncontent-length: 2\r\n\r\nhi", False, False, 404, b"hi", True),
    ("chunks", CHUNKED + b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", False, False, 200, b"abc0123456789", True),
    ("chunks and a trailer", CHUNKED + b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n", False, False, 200, b"a", True),
    ("no chunk at all", CHUNKED + b"0\r\n\r\n", False, False, 200, b"", True),
    ("spelled otherwise", OK + b"Transfer-Encoding:\t Chunked \r\n\r\n0\r\n\r\n", False, False, 200, b"", True),
    ("until close", OK + b"x: y\r\n\r\nhello", False, True, 200, b"hello", False),
    ("nothing until close", OK + b"\r\n", False, True, 200, b"", False),
    ("HEAD", OK + b"content-length: 5\r\n\r\n", True, False, 200, b"", True),
    ("HEAD of chunks", CHUNKED, True, False, 200, b"", True),
    ("HEAD of what is too long", OK + b"content-length: 99999999999\r\n\r\n", True, False, 200, b"", True),
    ("HEAD after hints", EARLY + OK + b"content-length: 5\r\n\r\n", True, False, 200, b"", True),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", False, False, 204, b"", True),
    ("304", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", False, False, 304, b"", True),
    ("204 after 100", GO_ON + b"HTTP/1.1 204 No Content\r\n\r\n", False, False, 204, b"", True),
    ("100 first", GO_ON + OK + b"content-length: 2\r\n\r\nhi", False, False, 200, b"hi", True),
    ("interim twice", GO_ON + EARLY + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", False, False, 200, b"hi", True),
    ("until close after 100", GO_ON + OK + b"\r\nhi", False, True, 200, b"hi", False),
    ("1.0", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", False, False, 200, b"hi", False),
    (
        "1.0, kept",
        b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n",
        False,
        False,
        200,
        b"",
        True,
    ),
    ("1.0 until close", b"HTTP/1.0 200 OK\r\n\r\nhi", False, True, 200, b"hi", False),
    ("1.0 in chunks", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", False, False, 200, b"", False),
    (
        "an offer to upgrade",
        OK + b"upgrade: h2c\r\nconnection: Upgrade\r\ncontent-length: 0\r\n\r\n",
        False,
        False,
        200,
        b"",
        True,
    ),
]


@pytest.mark.parametrize(
    ("data", "head", "ended", "status", "body", "kept"), [f[1:] for f in FRAMINGS], ids=[f[0] for f in FRAMINGS]
)
def test_every_framing_is_read(data: bytes, head: bool, ended: bool, status: int, body: bytes, kept: bool) -> None:
    response = whole(data, head=head, ended=ended)
    assert (response.status, response.body, response.keep_alive, response.size) == (status, body, kept, len(data))


@pytest.mark.parametrize(("data", "head", "ended"), [f[1:4] for f in FRAMINGS], ids=[f[0] for f in FRAMINGS])
def test_a_response_a_byte_at_a_time_is_the_same_response(data: bytes, head: bool, ended: bool) -> None:
    pieces = [data[i : i + 1] for i in range(len(data))]
    assert facts(whole(*pieces, head=head, ended=ended)) == facts(whole(data, head=head, ended=ended))


@given(framing=st.sampled_from(FRAMINGS), cuts=st.lists(st.integers(0, 200)))
def test_no_split_changes_a_response(framing: tuple[str, bytes, bool, bool, int, bytes, bool], cuts: list[int]) -> None:
    _, data, head, ended, *_ = framing
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert facts(whole(*pieces, head=head, ended=ended)) == facts(whole(data, head=head, ended=ended))


REFUSALS = {
    "two lengths": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\na",
    "two lengths in one field": OK + b"content-length: 1, 2\r\n\r\na",
    "a length beside a coding": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": OK + b"content-length: -1\r\n\r\n",
    "a signed length": OK + b"content-length: +1\r\n\r\na",
    "a length in hexadecimal": OK + b"content-length: 0x1\r\n\r\na",
    "an empty length": OK + b"content-length: \r\n\r\n",
    "a length in other digits": OK + "content-length: \u0661\r\n\r\na".encode(),
    "a huge length": OK + b"content-length: " + b"9" * 30 + b"\r\n\r\n",
    "more than is read": OK + b"content-length: %d\r\n\r\n" % (MAX_BODY + 1),
    "a chunk size that is none": CHUNKED + b"xyz\r\n",
    "a negative chunk": CHUNKED + b"-1\r\n",
    "an endless chunk size": CHUNKED + b"F" * 17 + b"\r\n",
    "a chunk longer than it says": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunks by bare line feeds": CHUNKED + b"3\nabc\n0\n\n",
    "a coding that is not known": OK + b"transfer-encoding: gzip\r\n\r\n",
    "a coding before chunked": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"HTTP/1.1 200 OK\nx: y\r\n\r\n",
    "a bare line feed between fields": OK + b"x: y\nz: 1\r\n\r\n",
    "a bare carriage return": OK + b"x: y\rz: 1\r\n\r\n",
    "NUL": OK + b"x: \x00\r\n\r\n",
    "a folded field": OK + b"x: y\r\n z\r\n\r\n",
    "a space before the colon": OK + b"content-length : 1\r\n\r\na",
    "a field without a name": OK + b": y\r\n\r\n",
    "a field without a colon": OK + b"nonsense\r\n\r\n",
    "a head of a megabyte": OK + b"x: " + b"y" * 2**20 + b"\r\n\r\n",
    "a head of a megabyte that goes on": OK + b"x: " + b"y" * 2**20,
    "garbage": b"\x16\x03\x01\x02\x00 this is not HTTP",
    "garbage with an end": b"what\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of 600": b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
    "garbage after an interim response": GO_ON + b"what is this",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
    "a switch after an interim response": EARLY + b"HTTP/1.1 101 Switching\r\n\r\n",
    "bytes after the response": OK + b"content-length: 1\r\n\r\nab",
    "a second response": (OK + b"content-length: 1\r\n\r\na") * 2,
    "bytes after chunks": CHUNKED + b"0\r\n\r\nx",
    "a second response after chunks": (CHUNKED + b"0\r\n\r\n") * 2,
    "bytes after 204": b"HTTP/1.1 204 No Content\r\n\r\nx",
}


@pytest.mark.parametrize("data", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_trusted_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as raised:
        read(data)
    assert len(str(raised.value)) > 10


@pytest.mark.parametrize("framing", [f for f in FRAMINGS if not f[3]], ids=lambda f: f[0])
def test_a_truncated_response_is_never_a_response(framing: tuple[str, bytes, bool, bool, int, bytes, bool]) -> None:
    _, data, head, *_ = framing
    for length in range(len(data)):
        assert read(data[:length], head=head, ended=True) is None


def test_a_reader_serves_one_exchange_after_the_other() -> None:
    reader = Reader()
    for _, data, head, ended, status, body, _ in FRAMINGS:
        if head:
            reader.expect_head()
        middle = len(data) // 2
        response = reader.feed(data[:middle]) or reader.feed(data[middle:]) or (reader.end() if ended else None)
        assert response is not None
        assert (response.status, response.body, response.size) == (status, body, len(data))
        reader.reset()
        assert not reader.started
        assert reader.received == 0


@given(framing=st.sampled_from(FRAMINGS), part=st.floats(0, 1, exclude_max=True))
def test_the_bytes_of_an_unfinished_response_are_counted(
    framing: tuple[str, bytes, bool, bool, int, bytes, bool], part: float
) -> None:
    _, data, head, *_ = framing
    sent = data[: int(part * len(data))]
    reader = Reader()
    if head:
        reader.expect_head()
    if sent and reader.feed(sent) is None:
        assert reader.received == len(sent)


@pytest.mark.parametrize("data", REFUSALS.values(), ids=REFUSALS.keys())
def test_the_bytes_of_a_refused_response_are_counted_once(data: bytes) -> None:
    reader = Reader()
    with pytest.raises(ProtocolError):
        reader.feed(data)
    assert reader.received == len(data)


@given(pieces=st.lists(st.binary(max_size=40), max_size=8), head=st.booleans())
@example(pieces=[OK + b"x:\xff\r\n\r\n"], head=False)
def test_arbitrary_bytes_raise_nothing_but_a_protocol_error(pieces: list[bytes], head: bool) -> None:
    for start in (b"", b"HTTP/1.1 ", OK, CHUNKED, GO_ON):
        reader = Reader()
        if head:
            reader.expect_head()
        try:
            for piece in (start, *pieces):
                if piece and reader.feed(piece) is not None:
                    reader.reset()
            reader.end()
        except ProtocolError:
            pass


NAMES = st.sampled_from(["x-a", "Set-Cookie", "server", "Date", "x_b", "ETag"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
REASONS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Return a well-formed response and whether it ends by close."""
    interim = draw(st.lists(st.sampled_from([GO_ON, EARLY]), max_size=2))
    status = draw(st.sampled_from([200, 201, 204, 304, 404, 503]))
    fields = "".join(f"{name}: {value}\r\n" for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=4)))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    body = b"" if status in {204, 304} else draw(st.binary(max_size=60))
    wire = body
    if framing == "length":
        fields += f"Content-Length: {len(body)}\r\n"
    elif framing == "chunked" and status not in {204, 304}:
        fields += "Transfer-Encoding: chunked\r\n"
        size = draw(st.integers(1, 20))
        parts = [body[i : i + size] for i in range(0, len(body), size)]
        wire = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = f"HTTP/1.1 {status} {draw(REASONS)}\r\n{fields}\r\n".encode()
    closes = framing == "close" and status not in {204, 304}
    return b"".join(interim) + head + wire, closes


def by_h11(data: bytes, closes: bool) -> tuple[int, list[tuple[str, str]], bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if closes:
        client.receive_data(b"")
    status, fields, body = 0, [], b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            status = event.status_code
            fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            assert isinstance(event, h11.InformationalResponse), event
    return status, fields, body


@given(made=responses(), cut=st.integers(0, 300))
def test_well_formed_responses_are_read_as_h11_reads_them(made: tuple[bytes, bool], cut: int) -> None:
    data, closes = made
    pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
    response = whole(*pieces, ended=closes)
    assert (response.status, response.fields, response.body) == by_h11(data, closes)
    assert response.size == len(data)


def test_fields_are_found_by_name_whatever_their_case() -> None:
    response = whole(OK + b"Set-Cookie: a=1\r\nx: y\r\nSET-COOKIE:  b=2 \r\ncontent-length: 0\r\n\r\n")
    assert response.sets_cookies
    assert response.headers("set-Cookie") == ["a=1", "b=2"]
    assert response.headers("missing") == []


def test_a_head_is_remembered_as_it_was_read_first() -> None:
    head = b"HTTP/1.1 200 OK\r\nx-once: remembered\r\ncontent-length: 3"
    assert parse_head(head) is parse_head(head)


def test_a_head_seen_before_does_not_give_304_a_body() -> None:
    head = b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"
    assert whole(head).body == b""
    with pytest.raises(ProtocolError, match="more bytes than one response"):
        read(head + b"1234567")


def test_a_head_seen_before_is_not_taken_for_whole_before_its_empty_line() -> None:
    for length in range(1, 60):
        head = OK + b"content-length: %d" % length
        assert whole(head + b"\r\n\r\n", b"x" * length).body == b"x" * length
        for end in (b"\r", b"\r\n", b"\r\n\r"):
            assert read(head + end) is None


def test_a_request_is_written_to_the_byte() -> None:
    fields = [("host", "a:1"), ("x", "y")]
    assert encode_request("GET", "/", fields, None) == b"GET / HTTP/1.1\r\nhost: a:1\r\nx: y\r\n\r\n"
    assert encode_request("POST", "/", [], None) == b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
    assert encode_request("PUT", "/", [], b"\r\n") == b"PUT / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "value"), [("/a b", "y"), ("/a\r\nx: y", "y"), ("/", "y\r\nevil: 1"), ("/", "\x00"), ("/", "\x7f")]
)
def test_data_cannot_write_header_fields_of_its_own(path: str, value: str) -> None:
    with pytest.raises(ValueError, match="control character or space"):
        encode_request("GET", path, [("x", value)], None)
