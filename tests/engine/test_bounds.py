"""No answer, however made, takes more memory or time of the reader than its bounds allow."""

from __future__ import annotations

import gc
import time
import tracemalloc
from contextlib import suppress

import pytest
from tests.engine.test_message import CHUNKED, GO_ON, OK, read, whole

from seatrial.engine.http.message import MAX_BODY, MAX_HEAD, ProtocolError, Reader, parse_head

FINAL = OK + b"content-length: 2\r\n\r\nhi"
MOST_INTERIM = MAX_HEAD // len(GO_ON)


def test_many_interim_responses_are_passed_over_without_deep_calls() -> None:
    response = whole(GO_ON * MOST_INTERIM + FINAL)
    assert (response.status, response.size) == (200, MOST_INTERIM * len(GO_ON) + len(FINAL))


@pytest.mark.parametrize("size", [1, 7, 25, 10_000, 10**6])
def test_interim_responses_without_end_are_refused_however_they_come(size: int) -> None:
    data = GO_ON * (MOST_INTERIM + 1) + FINAL
    reader = Reader()
    with pytest.raises(ProtocolError, match="interim responses of more than"):
        for at in range(0, len(data), size):
            reader.feed(data[at : at + size])
    assert len(GO_ON) * MOST_INTERIM < reader.received <= len(data)


def test_a_head_of_the_longest_length_is_read_and_one_byte_more_is_not() -> None:
    def head(length: int) -> bytes:
        start = OK + b"content-length: 0\r\nx: "
        return start + b"y" * (length - len(start))

    for cut in range(4):  # wherever a segment ends in the empty line
        assert whole(head(MAX_HEAD) + b"\r\n\r\n"[:cut], b"\r\n\r\n"[cut:]).status == 200
    with pytest.raises(ProtocolError, match="head of more than"):
        read(head(MAX_HEAD + 1) + b"\r\n\r\n")


def test_a_body_until_close_is_bounded() -> None:
    reader = Reader()
    reader.feed(OK + b"\r\n")
    with pytest.raises(ProtocolError, match="body of more than"):
        for _ in range(MAX_BODY // 2**20 + 1):
            reader.feed(b"x" * 2**20)


def test_long_heads_are_not_remembered() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: " + b"y" * 5000
    assert parse_head(head) is not parse_head(head)
    assert parse_head(head).length == 3


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"connection", b"x"])
def test_a_value_of_spaces_takes_no_longer_than_any_other(name: bytes) -> None:
    began = time.process_time()
    for value in (b" " * 60_000 + b"1" + b" " * 60, b"1" + b" " * 60_000 + b"1", b"\t" * 60_000):
        with suppress(ProtocolError):
            parse_head(OK + name + b":" + value)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("connection", "kept"),
    [(b"closed", True), (b"x-close, upgrade", True), (b"Upgrade,\tCLOSE ", False), (b"x\r\nconnection: close", False)],
)
def test_only_the_option_close_closes(connection: bytes, kept: bool) -> None:
    assert whole(OK + b"connection: " + connection + b"\r\ncontent-length: 0\r\n\r\n").keep_alive is kept


@pytest.mark.parametrize("cut", [None, -1, -2, -5])
@pytest.mark.parametrize("more", [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\r\n\r\n"])
def test_line_ends_after_chunks_are_bytes_too_many(more: bytes, cut: int | None) -> None:
    data = CHUNKED + b"1\r\na\r\n0\r\n\r\n"
    reader = Reader()
    with pytest.raises(ProtocolError, match="more bytes than one response"):
        reader.feed(data[:cut] if cut else b"")
        reader.feed((data[cut:] if cut else data) + more)


def test_a_body_of_tiny_chunks_takes_no_more_memory_than_its_bytes() -> None:
    reader = Reader()
    reader.feed(CHUNKED)
    chunks = b"2\r\nab\r\n" * 9_000
    tracemalloc.start()
    try:
        for _ in range(50):
            assert reader.feed(chunks) is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4 * 900_000
    response = reader.feed(b"0\r\n\r\n")
    assert response is not None
    assert response.body == b"ab" * 450_000


def test_a_body_in_chunks_is_bounded() -> None:
    reader = Reader()
    reader.feed(CHUNKED)
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    with pytest.raises(ProtocolError, match="body of more than"):
        for _ in range(MAX_BODY // 2**20 + 1):
            assert reader.feed(chunk) is None
    whole_size = MAX_BODY // 2**20
    assert len(whole(CHUNKED, *[chunk] * whole_size, b"0\r\n\r\n").body) == MAX_BODY


def test_a_chunked_answer_leaves_nothing_for_the_collector_of_cycles() -> None:
    """Workers run without it: what is left in a cycle stays until memory is short."""
    reader = Reader()
    gc.collect()
    gc.disable()
    try:
        for piece in (CHUNKED + b"1\r\na\r\n", b"0\r\n\r\n"):
            response = reader.feed(piece)
        assert response is not None
        reader.reset()
        del response
        assert gc.collect() == 0
    finally:
        gc.enable()
