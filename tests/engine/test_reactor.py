"""The load is open: what the service does never slows what is offered. And how connections are used."""

from __future__ import annotations

import gc
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.certified import Authority
from tests.engine.served import (
    Engine,
    Peer,
    Server,
    always_ok,
    answering,
    each,
    ok,
    refusing_port,
)

from seatrial.engine.health import HealthMonitor
from seatrial.engine.python_session import PythonSession
from seatrial.engine.recorder import Diagnostics
from seatrial.engine.timer import Alarm
from seatrial.model.sample import NEVER, Outcome
from seatrial.samples.codec import HEALTH_DTYPE, read_frames
from seatrial.units import MS, SECOND

GET = {"get": "/"}


@contextmanager
def machine_watched() -> Iterator[list[int]]:
    """Yield how much later than it wished a thread with nothing to do was woken, in ns, each millisecond."""
    late: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            due_ns = time.monotonic_ns() + MS
            over.wait(0.001)
            late.append(max(0, time.monotonic_ns() - due_ns))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield late
    finally:
        over.set()
        thread.join()


def test_a_frozen_server_does_not_slow_the_arrivals(engine: Engine) -> None:
    with Server(answering(lambda _: None)) as server, machine_watched() as late:
        run = engine.offer(server, GET, sessions=100, within_ms=300, drain_ms=30, response_ms=60_000)
    assert run.outcomes == [Outcome.IN_FLIGHT] * 100
    assert {row.session: row.intended_ns for row in run.rows} == {s: at for s, _, at in run.scheduled}
    lag = np.array([row.sent_ns - row.intended_ns for row in run.rows])
    # What the machine itself kept a thread with nothing to do waiting is not the engine's doing.
    assert np.median(lag) < 5 * MS + 2 * np.quantile(late, 0.9)
    assert lag.max() < 150 * MS + 2 * max(late)
    assert len(server.requests) == 100
    assert len({row.done_ns for row in run.rows}) == 1


def test_response_time_counts_from_the_intended_start(engine: Engine) -> None:
    """The generator itself is held up for 80 ms: what was due meanwhile is late, and its record says so."""

    async def visit(session: PythonSession) -> None:
        if session._session.number == 0:
            time.sleep(0.08)
        await session.get("/", name="a")

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a",): visit}, sessions=10, within_ms=50)
    assert run.outcomes == [Outcome.OK] * 10
    assert [(row.session, row.intended_ns) for row in sorted(run.rows, key=lambda row: row.session)] == [
        (session, at) for session, _, at in run.scheduled
    ]
    for row in run.rows:
        held_up = 80 * MS - (row.intended_ns - run.scheduled[0][2])
        assert row.sent_ns - row.intended_ns >= held_up
        assert row.done_ns - row.intended_ns >= held_up


def test_the_send_lag_of_an_idle_generator_is_small(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, GET, sessions=50, within_ms=250)
    lag = [row.sent_ns - row.intended_ns for row in run.rows]
    assert min(lag) >= 0
    assert np.median(lag) < 5 * MS


def test_a_flood_of_answers_and_pauses_does_not_delay_what_is_due(engine: Engine) -> None:
    steps = [GET, {"pause": "1ms"}, GET, {"pause": "1ms"}, GET]
    with Server(always_ok) as server:
        run = engine.offer(server, *steps, sessions=120, within_ms=200, shared=True)
    assert run.outcomes == [Outcome.OK] * 360
    first = [row.sent_ns - row.intended_ns for row in each(run.rows, 0)]
    assert np.median(first) < 20 * MS


def test_a_session_has_one_connection_of_its_own(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, GET, {"get": "/b"}, {"get": "/c"}, sessions=5, within_ms=20)
    assert run.outcomes == [Outcome.OK] * 15
    assert server.connections == 5
    by_connection: dict[int, list[str]] = {}
    for request in server.requests:
        by_connection.setdefault(request.connection, []).append(request.path)
    assert list(by_connection.values()) == [["/", "/b", "/c"]] * 5


def test_shared_connections_are_used_again(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, GET, {"get": "/b"}, sessions=20, within_ms=200, shared=True)
    assert run.outcomes == [Outcome.OK] * 40
    assert server.connections <= 5


def test_a_shared_connection_that_the_server_closed_is_not_taken(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())

    with Server(script) as server:
        run = engine.offer(server, {"post": "/"}, {"pause": "30ms"}, {"post": "/b"}, shared=True)
    assert run.outcomes == [Outcome.OK] * 2
    assert server.connections == 2


def test_a_server_that_asks_to_close_gets_a_new_connection(engine: Engine) -> None:
    with Server(answering(lambda _: ok(b"x", "connection: close"))) as server:
        run = engine.offer(server, GET, {"post": "/b"})
    assert run.outcomes == [Outcome.OK] * 2
    assert server.connections == 2


def test_shared_tls_connections_are_used_again(engine: Engine, authority: Authority) -> None:
    with Server(always_ok, authority.context()) as server:
        run = engine.offer(server, GET, {"post": "/b"}, sessions=5, within_ms=100, shared=True, ca=authority.ca)
    assert run.outcomes == [Outcome.OK] * 10
    assert server.connections < 5


def test_what_an_idle_server_says_unasked_ends_its_connection(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(ok())
            time.sleep(0.005)
            peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    with Server(script) as server:
        run = engine.offer(server, GET, {"pause": "30ms"}, {"post": "/b"})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert server.connections == 2


def test_ipv6_works(engine: Engine) -> None:
    with Server(always_ok, host="::1") as server:
        run = engine.offer(server, GET, host="::1")
    assert run.outcomes == [Outcome.OK]
    assert server.requests[0].header("host") == f"[::1]:{server.port}"


def test_the_base_path_and_the_plans_fields_are_sent(engine: Engine) -> None:
    with Server(always_ok) as server:
        engine.offer(server, {"get": "/x"}, base="/app", fields={"x-plan": "p"})
    assert server.requests[0].path == "/app/x"
    assert server.requests[0].header("x-plan") == "p"


def test_journeys_are_taken_by_the_schedule(engine: Engine) -> None:
    async def one(session: PythonSession) -> None:
        await session.get("/one", name="a")

    async def two(session: PythonSession) -> None:
        await session.get("/two", name="b")

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a",): one, ("b",): two}, sessions=30, within_ms=60)
    assert {row.session: row.journey for row in run.rows} == {s: j for s, j, _ in run.scheduled}
    assert {row.journey for row in run.rows} == {0, 1}


def test_health_rows_are_plausible(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, GET, sessions=10, within_ms=1100)
    assert len(run.health) == 2
    for row in run.health:
        assert 0 <= row["cpu_share"] <= 2.2  # the server's threads are of this process too
        assert 0 <= row["machine_cpu"] <= 1
        assert 0 <= row["steal_share"] <= 1
        assert 1e6 < row["rss_bytes"] < 1e11
        assert 0 <= row["stall_ns"] < SECOND
    assert run.health[0]["at_ns"] < run.health[1]["at_ns"]
    assert run.health[-1]["sessions"] == 0


def block() -> None:
    until = time.monotonic() + 0.06
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize("where", ["at the arrival", "after an answer", "after a pause", "after a failure"])
def test_a_journey_that_blocks_the_loop_is_seen_as_a_stall(engine: Engine, where: str) -> None:
    async def visit(session: PythonSession) -> None:
        if where == "at the arrival":
            block()
        try:
            await session.get("/", name="a", status=200 if where != "after a failure" else 500)
        except Exception:
            block()
        if where == "after an answer":
            block()
        await session.pause(0.001)
        if where == "after a pause":
            block()

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a",): visit})
    assert 60 * MS <= max(row["stall_ns"] for row in run.health) < SECOND
    assert max(row["cpu_share"] for row in run.health) > 0.2


def test_an_idle_loop_is_no_stall(engine: Engine) -> None:
    run = engine.offer(refusing_port(), GET, sessions=1, within_ms=300)
    assert run.health[0]["stall_ns"] < 100 * MS


def test_the_collectors_time_is_counted(tmp_path: Path) -> None:
    health = HealthMonitor(tmp_path / "health.rows", 3)
    try:
        gc.collect()
        first, second = health.sample(5, 7), health.sample(0, 0)
    finally:
        health.close()
    assert 0 < first["gc_ns"] < SECOND
    assert second["gc_ns"] == 0
    assert (first["worker"], first["sessions"], first["connections"]) == (3, 5, 7)
    written = [row for frame in read_frames(tmp_path / "health.rows", HEALTH_DTYPE) for row in frame.tolist()]
    assert written == [tuple(first.values()), tuple(second.values())]


def test_closing_gives_every_descriptor_back(engine: Engine) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Server(always_ok) as server:
        engine.offer(server, GET, sessions=3)
        before = open_files()
        for _ in range(3):
            engine.offer(server, GET, sessions=3, shared=True)
        deadline = time.monotonic() + 2
        while open_files() > before and time.monotonic() < deadline:
            threading.Event().wait(0.01)  # the server's side closes a moment later
    assert open_files() <= before


def test_details_of_failures_are_counted_and_bounded() -> None:
    diagnostics = Diagnostics()
    for i in range(2000):
        diagnostics.add(0, 1, Outcome.TIMEOUT, f"detail {i}")
        diagnostics.add(0, 2, Outcome.HTTP_ERROR, "x" * 500)
    rows = diagnostics.take()
    assert len(rows) <= 502
    assert sum(count for *_, count in rows) == 4000
    assert (0, 2, int(Outcome.HTTP_ERROR), "x" * 200, 2000) in rows
    assert diagnostics.take() == []


def test_the_alarm_rings_at_its_instant_and_not_before() -> None:
    alarm = Alarm()
    poll = select.epoll()
    try:
        poll.register(alarm.fd, select.EPOLLIN | select.EPOLLET)
        for wait_ns in (3 * MS, 1 * MS, 0, -SECOND):
            at_ns = time.monotonic_ns() + wait_ns
            alarm.set(at_ns)
            events: list[Any] = poll.poll(1.0)
            assert [fd for fd, _ in events] == [alarm.fd]
            assert time.monotonic_ns() >= at_ns
        assert poll.poll(0) == []
    finally:
        poll.close()
        alarm.close()


def test_no_time_that_never_came_is_zero(engine: Engine) -> None:
    row = engine.offer(refusing_port(), GET).only
    assert row.first_byte_ns == NEVER
    assert row.sent_ns > 0
