"""Every outcome arises from its cause, on real sockets."""

from __future__ import annotations

import socket
import time

import pytest
from tests.engine.served import (
    Engine,
    Peer,
    Request,
    Script,
    Server,
    always_ok,
    answering,
    each,
    ok,
    refusing_port,
)

from seatrial.model.sample import NEVER, Outcome
from seatrial.units import MS

GET = {"get": "/"}
POST = {"post": "/", "json": {"a": 1}}
CRLF = b"\r\n"


def after_a_request(*pieces: bytes, reset: bool = False) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        for piece in pieces:
            peer.send(piece)
        if reset:
            peer.reset()

    return script


def test_an_answer_is_ok_and_its_bytes_are_counted(engine: Engine) -> None:
    with Server(always_ok) as server:
        row = engine.offer(server, GET).only
    assert (row.outcome, row.status) == (Outcome.OK, 200)
    assert row.bytes_in == len(ok(b"hello"))
    assert row.bytes_out == len(server.requests[0].head) + 4


def test_a_body_that_is_sent_is_counted(engine: Engine) -> None:
    with Server(always_ok) as server:
        row = engine.offer(server, POST).only
    assert row.bytes_out == len(server.requests[0].head) + 4 + len(server.requests[0].body)


def test_an_answer_a_byte_at_a_time_is_ok(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        for byte in ok(b"slowly"):
            peer.send(bytes([byte]))

    with Server(script) as server:
        row = engine.offer(server, GET, {"get": "/again"}).rows[0]
    assert (row.outcome, row.bytes_in) == (Outcome.OK, len(ok(b"slowly")))
    assert row.first_byte_ns < row.done_ns


def test_an_answer_of_many_reads_is_ok(engine: Engine) -> None:
    body = b"x" * 3_000_000
    with Server(answering(lambda _: ok(body))) as server:
        row = engine.offer(server, GET).only
    assert (row.outcome, row.bytes_in) == (Outcome.OK, len(ok(body)))


def test_a_request_of_many_writes_is_ok(engine: Engine) -> None:
    text = "x" * 8_000_000
    with Server(always_ok) as server:
        row = engine.offer(server, {"post": "/", "body": text}).only
    assert row.outcome is Outcome.OK
    assert len(server.requests[0].body) == len(text)


def test_an_unexpected_status_is_an_http_error_or_a_failed_check(engine: Engine) -> None:
    for status, expected, outcome in (
        (503, {}, Outcome.HTTP_ERROR),
        (404, {"status": 200}, Outcome.HTTP_ERROR),
        (409, {"status": [201, 409]}, Outcome.OK),
        (302, {}, Outcome.OK),
        (200, {"status": 201}, Outcome.CHECK_FAILED),
    ):
        with Server(answering(lambda _, s=status: ok(b"", status=s))) as server:
            row = engine.offer(server, GET | {"expect": expected}).only
        assert (row.outcome, row.status) == (outcome, status)


def test_a_step_that_fails_leaves_the_rest_of_its_session_aborted(engine: Engine) -> None:
    steps = [GET, {"get": "/b"}, {"pause": "1s"}, {"get": "/c"}, {"get": "/d", "when": "never_set"}]
    with Server(answering(lambda request: ok(b"", status=500 if request.path == "/b" else 200))) as server:
        run = engine.offer(server, *steps)
    assert run.outcomes == [Outcome.OK, Outcome.HTTP_ERROR, Outcome.ABORTED]
    assert [row.step for row in run.rows] == [0, 1, 2]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("script", "detail", "received"),
    [
        (after_a_request(), "closed before any response", 0),
        (after_a_request(b"HTTP/1.1 200 OK\r\ncontent-le"), "closed in the middle", 27),
        (after_a_request(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"), "closed in the middle", 41),
        (after_a_request(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"), "in the middle", 53),
        (after_a_request(b"\x16\x03\x01 nothing that is HTTP"), "not an HTTP/1.1 status line", 24),
        (after_a_request(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "not a number", 39),
        (after_a_request(ok(b"hello") + b"more"), "more bytes than one response", len(ok(b"hello")) + 4),
        (after_a_request(reset=True), "connection lost: Connection reset by peer", 0),
    ],
    ids=["close", "close in head", "close in body", "close in chunk", "garbage", "length", "too much", "reset"],
)
def test_what_is_not_a_whole_answer_is_a_protocol_error(
    engine: Engine, script: Script, detail: str, received: int
) -> None:
    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/next"})
    assert run.outcomes == [Outcome.PROTOCOL_ERROR, Outcome.ABORTED]
    assert detail in run.details
    assert run.rows[0].bytes_in == received
    assert run.rows[0].sent_ns != NEVER


def test_a_connection_closed_before_the_request_is_a_protocol_error(engine: Engine) -> None:
    with Server(lambda peer: None) as server:
        run = engine.offer(server, GET)
    assert run.only.outcome is Outcome.PROTOCOL_ERROR


def test_a_close_after_the_answer_harms_nobody(engine: Engine) -> None:
    with Server(after_a_request(ok(b"hello"))) as server:
        run = engine.offer(server, GET, {"pause": "20ms"}, {"get": "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert server.connections == 2


def test_no_answer_is_a_timeout_at_the_deadline(engine: Engine) -> None:
    with Server(answering(lambda _: None)) as server:
        run = engine.offer(server, GET, {"get": "/next"}, response_ms=150)
    first = run.rows[0]
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.ABORTED]
    assert 150 * MS <= first.done_ns - first.sent_ns < 400 * MS
    assert first.first_byte_ns == NEVER
    assert "0.15 s" in run.details


def test_half_an_answer_is_a_timeout_and_its_bytes_are_counted(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"hello")[:-2])
        peer.wait_for_close()

    with Server(script) as server:
        row = engine.offer(server, GET, response_ms=150).only
    assert (row.outcome, row.status, row.bytes_in) == (Outcome.TIMEOUT, 0, len(ok(b"hello")) - 2)


def test_a_step_has_a_deadline_of_its_own(engine: Engine) -> None:
    with Server(answering(lambda _: None)) as server:
        row = engine.offer(server, GET | {"deadline": "60ms"}, response_ms=5000).only
    assert row.outcome is Outcome.TIMEOUT
    assert 60 * MS <= row.done_ns - row.sent_ns < 300 * MS


def test_a_refused_connection_is_connect_failed(engine: Engine) -> None:
    run = engine.offer(refusing_port(), GET, {"get": "/next"})
    assert run.outcomes == [Outcome.CONNECT_FAILED, Outcome.ABORTED]
    assert "Connection refused" in run.details
    assert run.rows[0].bytes_out == 0


def test_a_connection_that_is_not_accepted_in_time_is_connect_failed(engine: Engine) -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for sock in (first, second):  # fill the queue, so that the next SYN is dropped
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        run = engine.offer(port, GET, connect_ms=120)
    assert run.only.outcome is Outcome.CONNECT_FAILED
    assert "no connection in 0.12 s" in run.details


def test_an_early_answer_to_a_long_upload_is_taken(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(ok(b"too large", "connection: close", status=413))

    with Server(script) as server:
        run = engine.offer(server, {"post": "/", "body": "x" * 8_000_000})
    assert (run.only.outcome, run.only.status) == (Outcome.HTTP_ERROR, 413)


def test_sessions_beyond_the_cap_are_unsent_in_all_their_steps(engine: Engine) -> None:
    steps = [GET, {"get": "/b"}, {"get": "/c", "when": "x"}]
    with Server(answering(lambda _: None)) as server:
        run = engine.offer(server, *steps, sessions=5, max_sessions=2, response_ms=120)
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.ABORTED] * 2 + [Outcome.UNSENT] * 6
    assert "2 sessions in progress" in run.details
    assert len(server.requests) == 2
    assert run.done.sessions == 5


def test_what_is_under_way_when_the_drain_ends_is_in_flight(engine: Engine) -> None:
    def answer(request: Request) -> bytes | None:
        return None if request.path == "/b" else ok()

    steps = [GET, {"get": "/b"}, {"get": "/c"}]
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps, sessions=2, drain_ms=120, response_ms=60_000)
    assert run.outcomes == [Outcome.OK, Outcome.IN_FLIGHT, Outcome.ABORTED] * 2
    assert all(row.done_ns - run.start_ns >= 130 * MS for row in each(run.rows, 1))


def test_a_pause_that_the_drain_ends_leaves_the_rest_aborted(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, GET, {"pause": "1h"}, {"get": "/b"}, drain_ms=100)
    assert run.outcomes == [Outcome.OK, Outcome.ABORTED]


def test_a_stop_order_offers_nothing_more_and_finishes_what_is_under_way(engine: Engine) -> None:
    told, tell = socket.socketpair()

    def answer(request: Request) -> bytes:
        if len(server.requests) == 3:
            tell.send(b"x")
        return ok()

    with told, tell, Server(answering(answer)) as server:
        began = time.monotonic()
        run = engine.offer(server, GET, {"get": "/b"}, sessions=400, within_ms=20_000, stop_when=told)
    assert time.monotonic() - began < 2
    assert set(run.outcomes) == {Outcome.OK}
    assert len(run.rows) == 2 * run.done.sessions < 40


def test_a_stop_order_does_not_wait_when_no_session_is_left(engine: Engine) -> None:
    told, tell = socket.socketpair()
    tell.send(b"x")
    with told, tell, Server(always_ok) as server:
        began = time.monotonic()
        run = engine.offer(server, GET, sessions=1, within_ms=30_000, stop_when=told)
    assert run.rows == []
    assert time.monotonic() - began < 1


def test_requests_end_with_an_empty_line(engine: Engine) -> None:
    with Server(always_ok) as server:
        engine.offer(server, GET)
    assert server.requests[0].head.count(CRLF) == 1
