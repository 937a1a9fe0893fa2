"""HTTP/2 and HTTP/3: who opens connections, who shares them, and that load goes on in time whatever a service does."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Literal

import pytest
from tests.engine.certified import Authority
from tests.engine.framed import Framed, body, framing, head
from tests.engine.fronted import fronted
from tests.engine.quic import Asked, QuicServer, saying
from tests.engine.served import Engine, Run, Server, always_ok, answering, ok

from seatrial.engine.curl.request import head_of
from seatrial.model.sample import Outcome

Transport = Literal["http/2", "http/3"]
BOTH: tuple[Transport, ...] = ("http/2", "http/3")

GET = {"get": "/"}
SESSIONS = 12
STEPS = (GET, GET, {"post": "/", "json": {}})


def numbers(server: Server | QuicServer) -> set[str | int | None]:
    """Return the connections that requests came on, as the server numbers them."""
    if isinstance(server, QuicServer):
        return {request.connection for request in server.requests}
    return {request.header("x-connection") for request in server.requests}


def visits(engine: Engine, port: int, ca: Path, transport: Transport, shared: bool) -> Run:
    run = engine.offer(port, *STEPS, sessions=SESSIONS, within_ms=120, ca=ca, transport=transport, shared=shared)
    assert (run.outcomes, run.details) == ([Outcome.OK] * SESSIONS * len(STEPS), "")
    return run


@pytest.mark.parametrize("transport", BOTH)
def test_every_session_has_a_fresh_connection_and_keeps_it(
    engine: Engine, authority: Authority, tmp_path: Path, transport: Transport
) -> None:
    if transport == "http/2":
        with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem()) as front:
            visits(engine, front.secure, authority.ca, transport, shared=False)
            assert len(numbers(server)) == SESSIONS
    else:
        with QuicServer(saying(), authority.pem()) as quic:
            visits(engine, quic.port, authority.ca, transport, shared=False)
        assert (quic.connections, len(numbers(quic))) == (SESSIONS, SESSIONS)
        per_connection = [request.connection for request in quic.requests]
        assert all(per_connection.count(number) == len(STEPS) for number in range(1, SESSIONS + 1))


@pytest.mark.parametrize("transport", BOTH)
def test_shared_connections_carry_the_streams_of_all_sessions(
    engine: Engine, authority: Authority, tmp_path: Path, transport: Transport
) -> None:
    if transport == "http/2":
        with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem()) as front:
            visits(engine, front.secure, authority.ca, transport, shared=True)
            assert len(numbers(server)) == 1
    else:
        with QuicServer(saying(), authority.pem()) as quic:
            visits(engine, quic.port, authority.ca, transport, shared=True)
        assert (quic.connections, len(numbers(quic))) == (1, 1)


def test_streams_are_open_at_the_same_time_and_answered_in_any_order(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        streams = [framed.request() for _ in range(20)]  # the last one has come before the first one is answered
        for stream in reversed(streams):
            framed.send(head(stream) + body(stream, b"hello"))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET, sessions=20, within_ms=20, transport="http/2", shared=True)
    assert (run.outcomes, run.details) == ([Outcome.OK] * 20, "")
    assert server.connections == 1


def test_beyond_the_streams_that_a_server_permits_a_further_connection_is_opened(engine: Engine) -> None:
    permitted = 4
    most = b"\x00\x03" + permitted.to_bytes(4, "big")  # SETTINGS_MAX_CONCURRENT_STREAMS
    at_once: dict[int, int] = {}
    everybody = threading.Barrier(3, timeout=5)

    def script(framed: Framed) -> None:
        streams = [framed.request() for _ in range(permitted)]
        at_once[framed.peer.number] = len(streams)
        everybody.wait()
        for stream in streams:
            framed.send(head(stream, last=True))
        framed.wait_for_close()

    with Server(framing(script, most)) as server:
        run = engine.offer(server, GET, sessions=3 * permitted, within_ms=60, transport="http/2", shared=True)
    assert (run.outcomes, run.details) == ([Outcome.OK] * 3 * permitted, "")
    assert at_once == {1: permitted, 2: permitted, 3: permitted}


def test_a_server_that_ends_its_connections_in_order_costs_no_request(
    engine: Engine, authority: Authority, tmp_path: Path
) -> None:
    with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem(), requests=7) as front:
        run = engine.offer(
            front.secure, *STEPS, sessions=40, within_ms=200, ca=authority.ca, transport="http/2", shared=True
        )
        assert (run.outcomes, run.details) == ([Outcome.OK] * 40 * len(STEPS), "")
        assert len(server.requests) == 40 * len(STEPS)
        assert len(numbers(server)) >= 40 * len(STEPS) / 7


@pytest.mark.parametrize("shared", [False, True])
def test_connections_are_closed_with_their_sessions_or_with_the_run(
    engine: Engine, authority: Authority, shared: bool
) -> None:
    closed: list[int] = []

    def script(framed: Framed) -> None:
        try:
            while True:
                framed.send(head(framed.request(), last=True))
        finally:
            closed.append(framed.peer.number)

    with Server(framing(script)) as server:
        before = len(list(Path("/proc/self/fd").iterdir()))
        run = engine.offer(
            server, GET, {"pause": "50ms"}, GET, sessions=5, within_ms=20, transport="http/2", shared=shared
        )
        give_up = time.monotonic() + 2
        while len(closed) < server.connections and time.monotonic() < give_up:
            time.sleep(0.005)
        assert len(closed) == server.connections == (1 if shared else 5)
        assert run.outcomes == [Outcome.OK] * 10
    after = len(list(Path("/proc/self/fd").iterdir()))
    assert after <= before


def test_the_health_row_counts_the_connections_that_thinking_citizens_hold(
    engine: Engine, authority: Authority
) -> None:
    with QuicServer(saying(), authority.pem()) as quic:
        run = engine.offer(
            quic.port,
            GET,
            {"pause": "2500ms"},
            sessions=6,
            within_ms=10,
            ca=authority.ca,
            transport="http/3",
            connect_ms=5000,
            drain_ms=9000,
        )
    assert max(row["connections"] for row in run.health) == 6, (run.health, run.details)


def test_every_address_is_connected_to_in_turn(engine: Engine) -> None:
    seen: list[str] = []

    def script(framed: Framed) -> None:
        seen.append(framed.peer.sock.getsockname()[0])
        while True:
            framed.send(head(framed.request(), last=True))

    with Server(framing(script), host="127.0.0.1") as first, socket.socket() as second:
        second.bind(("127.0.0.2", first.port))
        second.listen()
        stop = threading.Thread(target=lambda: _accept_one_by_one(second, seen), daemon=True)
        stop.start()
        run = engine.offer(
            first, GET, sessions=6, within_ms=60, transport="http/2", also_at=("127.0.0.2", first.port), response_ms=100
        )
    assert run.outcomes.count(Outcome.OK) == 3
    assert sorted(seen) == ["127.0.0.1"] * 3 + ["127.0.0.2"] * 3


def _accept_one_by_one(listener: socket.socket, seen: list[str]) -> None:
    held = []
    for _ in range(3):
        sock, _ = listener.accept()
        held.append(sock)
        seen.append(sock.getsockname()[0])
    for sock in held:
        sock.recv(1)
        sock.close()


@pytest.mark.parametrize("shared", [False, True])
def test_the_open_loop_keeps_time_while_an_http2_service_is_slow(engine: Engine, shared: bool) -> None:
    def script(framed: Framed) -> None:
        streams: list[int] = []
        framed.peer.sock.settimeout(0.3)
        try:
            while True:
                streams.append(framed.request())
        except TimeoutError:
            for stream in streams:
                framed.send(head(stream, last=True))
        framed.peer.sock.settimeout(None)
        framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET, sessions=60, within_ms=300, transport="http/2", shared=shared, response_ms=3000)
    assert (run.outcomes, run.details) == ([Outcome.OK] * 60, "")
    assert min(row.done_ns - row.sent_ns for row in run.rows) > 250e6
    lags = sorted(row.sent_ns - row.intended_ns for row in run.rows)
    assert lags[len(lags) // 2] < 20e6, lags  # answers take 300 ms: a loop that waited for them would be as late
    assert lags[-3] < 100e6, lags
    assert [row.intended_ns for row in sorted(run.rows, key=lambda r: r.session)] == [at for *_, at in run.scheduled]


def test_a_page_and_its_resources_share_the_sessions_one_connection(engine: Engine, authority: Authority) -> None:
    page = b"<img src=/a.png><img src=/b.png><script src=/c.js></script>"

    def answer(asked: Asked) -> None:
        asked.head(200, ("content-type", "text/html"))
        asked.body(page if asked.request.path == "/" else b"x")

    with QuicServer(answer, authority.pem()) as quic:
        run = engine.offer(
            quic.port, GET | {"resources": True}, GET, ca=authority.ca, transport="http/3", sessions=3, once=False
        )
    assert {row.outcome for row in run.rows} == {Outcome.OK}
    assert len(run.rows) == len(quic.requests) == 3 * 5
    assert quic.connections == 3


def test_a_request_is_taken_apart_as_libcurl_wants_it() -> None:
    known = head_of(b"GET /a?b HTTP/1.1\r\nhost: h:1\r\nX-Empty: \r\nkeep-alive: 5\r\naccept: */*", b"h:1")
    assert (known.method, known.target) == ("GET", b"/a?b")
    assert known.fields == [b"X-Empty;", b"accept: */*", b"content-type:", b"expect:", b"user-agent:"]
    other = head_of(b"POST http://h:1/a HTTP/1.1\r\nhost: other\r\ncontent-length: 3", b"h:1")
    assert (other.method, other.target, other.fields[0]) == ("POST", b"/a", b"host: other")
    assert head_of(b"GET /a?b HTTP/1.1\r\nhost: h:1\r\nX-Empty: \r\nkeep-alive: 5\r\naccept: */*", b"h:1") is known


def test_large_answers_on_one_connection_do_not_hold_each_other_up(
    engine: Engine, authority: Authority, tmp_path: Path
) -> None:
    large = b"x" * 2_000_000
    with Server(answering(lambda _: ok(large))) as server, fronted(tmp_path, server.port, authority.pem()) as front:
        run = engine.offer(
            front.secure, GET, sessions=5, within_ms=10, ca=authority.ca, transport="http/2", shared=True
        )
    assert (run.outcomes, run.details) == ([Outcome.OK] * 5, "")
    assert {row.bytes_in > len(large) for row in run.rows} == {True}
