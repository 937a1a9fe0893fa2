"""Journeys where services, pages and stages end otherwise than hoped: what the records say then, on real sockets."""

from __future__ import annotations

import os
import select
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from time import monotonic_ns, sleep

import pytest
from tests.engine.served import Engine, Peer, Request, Run, Server, always_ok, answering, ok

from seatrial.engine.arrivals import FeedRows
from seatrial.engine.driver import Driver
from seatrial.engine.health import HealthMonitor
from seatrial.engine.python_session import PythonSession
from seatrial.engine.reactor import Reactor
from seatrial.engine.session import Session
from seatrial.model.sample import Outcome
from seatrial.model.users import Users
from seatrial.units import MS, SECOND

HTML = "Content-Type: text/html; charset=utf-8"


def by_step(run: Run) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in run.rows:
        found.setdefault(row.step, []).append(row.outcome.label)
    return {step: sorted(outcomes) for step, outcomes in sorted(found.items())}


def page_of(*names: str) -> bytes:
    return "".join(f'<img src="{name}">' for name in names).encode()


# -- a page's resources ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent", "closed", "nonsense"])
def test_a_resource_that_fails_last_ends_neither_the_session_nor_adds_steps(how: str, engine: Engine) -> None:
    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.path == "/bad" and how == "silent":
                peer.wait_for_close()
            elif request.path == "/bad":
                peer.send(b"" if how == "closed" else b"nonsense\r\n\r\n")
                return
            else:
                peer.send(ok(page_of("/good", "/bad") if request.path == "/" else b"x", HTML))

    with Server(script) as server:
        steps = [{"get": "/", "resources": True}, {"repeat": 2, "steps": [{"get": "/after"}]}]
        run = engine.offer(server, *steps, response_ms=250 if how == "silent" else 2000, once=False)
    failed = "timeout" if how == "silent" else "protocol_error"
    assert by_step(run) == {0: ["ok"], 1: sorted([failed, "ok"]), 2: ["ok", "ok"]}


def test_resources_stand_relative_to_where_a_redirect_led(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.path == "/zh":
            return ok(b"", "Location: /zh/", status=301)
        return ok(page_of("logo.png"), HTML) if request.path == "/zh/" else ok(b"x")

    with Server(answering(answer)) as server:
        engine.offer(server, {"get": "/zh", "resources": True}, hops=5, once=False)
        assert [request.path for request in server.requests] == ["/zh", "/zh/", "/zh/logo.png"]


def test_a_name_in_chinese_is_asked_for_in_utf_8_as_browsers_do(engine: Engine) -> None:
    with Server(
        answering(lambda r: ok(page_of("/圖.png", "/café.png?a=é") if r.path == "/" else b"x", HTML))
    ) as server:
        engine.offer(server, {"get": "/", "resources": True}, once=False)
        assert sorted(r.path for r in server.requests)[1:] == ["/%E5%9C%96.png", "/caf%C3%A9.png?a=%C3%A9"]


def test_a_path_of_two_slashes_on_a_page_does_not_end_the_run(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        page = page_of(f"//127.0.0.1:{server.port}//img/a.png", "/.//b.png")
        return ok(page if request.path == "/" else b"x", HTML)

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, {"get": "/after"}, once=False)
        assert sorted(r.path for r in server.requests) == ["/", "//b.png", "//img/a.png", "/after"]
    assert by_step(run) == {0: ["ok"], 1: ["ok", "ok"], 2: ["ok"]}


def test_resources_are_relative_to_the_pages_base(engine: Engine) -> None:
    head = b'<base href="/app/"><img src="a.png"><img src="../b.png"><img src="/c.png">'
    with Server(answering(lambda r: ok(head if r.path == "/deep/page" else b"x", HTML))) as server:
        engine.offer(server, {"get": "/deep/page", "resources": True}, once=False)
        assert sorted(r.path for r in server.requests)[:3] == ["/app/a.png", "/b.png", "/c.png"]


@pytest.mark.parametrize("base", ["https://cdn.example.org/", "http://[x/", "mailto:a@b"])
def test_a_base_elsewhere_leaves_nothing_relative_to_fetch(base: str, engine: Engine) -> None:
    page = f'<base href="{base}"><img src="a.png">'.encode()
    with Server(answering(lambda r: ok(page, HTML))) as server:
        engine.offer(server, {"get": "/", "resources": True}, once=False)
        assert len(server.requests) == 1


# -- a session that goes on after a failure ----------------------------------------------------------------------


def test_what_was_drawn_is_not_drawn_again_when_the_last_step_failed(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()

    with Server(script) as server:
        first = {"get": "/a", "on_failure": "continue"}
        rest = {"choose": [{"weight": 1}, {"weight": 1, "steps": [{"get": "/b", "on_failure": "continue"}]}]}
        run = engine.offer(server, first, rest, sessions=40, within_ms=100)
        asked = Counter(request.path for request in server.requests)
    assert 5 < asked["/b"] < 35
    assert by_step(run) == {0: ["protocol_error"] * 40, 1: ["protocol_error"] * asked["/b"]}


def test_a_number_beyond_all_fractions_ends_no_run(engine: Engine) -> None:
    steps = [
        {"get": "/", "extract": {"n": {"json": "$.n"}}},
        {"get": "/above", "when": {"value": "n", "above": 5}},
        {"get": "/after"},
    ]
    with Server(answering(lambda _: ok(b'{"n": 1' + b"0" * 400 + b"}"))) as server:
        run = engine.offer(server, *steps)
    assert by_step(run)[2] == ["ok"]


def test_json_at_any_depth_goes_back_or_is_refused(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.method == "POST":
            return ok()
        depth = int(request.path[1:])
        return ok(b'{"v": ' + b"[" * depth + b"]" * depth + b"}")

    steps = [
        {"get": "/${row.id}", "extract": {"v": {"json": "$.v"}}},
        {"post": "/", "json": {"x": "${v}"}},
    ]
    rows = FeedRows(("id",), [(depth,) for depth in range(700, 1030, 3)], "unique")
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps, sessions=110, within_ms=300, feeds={"row": rows})
    assert len(run.rows) == 220


def test_who_has_waited_reloads_without_a_further_pause(engine: Engine) -> None:
    answers = iter([None, ok()])
    with Server(answering(lambda _: next(answers))) as server:
        retry = {"after": "50ms", "on_error": True, "pause": "2s"}
        run = engine.offer(server, {"get": "/", "retry": retry}, once=False)
    assert by_step(run) == {0: ["ok", "retried"]}
    assert max(row.done_ns - row.intended_ns for row in run.rows) < 1 * SECOND


def test_a_step_after_one_that_was_led_elsewhere_is_not_reloaded_in_its_place(engine: Engine) -> None:
    def answer(request: Request) -> bytes | None:
        return ok(b"", "Location: http://example.org/", status=302) if request.path == "/a" else None

    with Server(answering(answer)) as server:
        first = {"get": "/a", "retry": {"after": "1s"}, "on_failure": "continue"}
        run = engine.offer(server, first, {"get": "/b"}, hops=3, response_ms=80)
    assert run.outcomes == [Outcome.CHECK_FAILED, Outcome.TIMEOUT]


def test_a_loop_with_a_condition_begins_no_round_that_nobody_knows_of(engine: Engine) -> None:
    with Server(answering(lambda r: ok(status=500 if r.path == "/a" else 200))) as server:
        loop = {"repeat": 5, "as": "n", "while": {"value": "go"}, "steps": [{"get": "/a"}, {"get": "/b"}]}
        rows = FeedRows(("id",), [(1,)], "unique")
        run = engine.offer(server, loop, {"get": "/end"}, feeds={"go": rows})
    assert run.outcomes == [Outcome.HTTP_ERROR, Outcome.ABORTED, Outcome.ABORTED]


# -- what a record says ------------------------------------------------------------------------------------------


def test_an_attempt_that_nobody_took_has_no_bytes_of_the_one_before(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        server._listener.shutdown(socket.SHUT_RDWR)
        server._listener.close()
        peer.send(ok(b"sorry", status=503))

    retry = {"after": "500ms", "most": 1, "on_error": True, "pause": "30ms"}
    with Server(script) as server:
        step = {"get": "/", "retry": retry, "headers": {"connection": "close"}}
        run = engine.offer(server, step, once=False)
    done = [row for row in run.rows if row.outcome is not Outcome.RETRIED]
    assert [row.bytes_out for row in done if row.outcome is Outcome.CONNECT_FAILED] in ([0], [])
    assert sum(row.bytes_out for row in run.rows) == sum(len(r.head) + 4 for r in server.requests)


def test_a_pause_between_attempts_at_the_end_of_a_stage_counts_no_bytes_twice(engine: Engine) -> None:
    with Server(answering(lambda _: ok(b"sorry", status=503))) as server:
        retry = {"after": "500ms", "most": 1, "on_error": True, "pause": "10s"}
        run = engine.offer(server, {"get": "/", "retry": retry}, drain_ms=60, once=False)
    assert by_step(run) == {0: ["in_flight", "retried"]}
    assert sum(row.bytes_out for row in run.rows) == sum(len(r.head) + 4 for r in server.requests)


@pytest.mark.parametrize("end", ["elsewhere", "too many"])
def test_a_step_that_fails_among_redirects_has_the_bytes_of_all_hops(end: str, engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        to = "http://example.org/" if request.path == "/b" and end == "elsewhere" else "/b"
        return ok(b"moved", f"Location: {to}", status=302)

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/a"}, hops=2)
        sent = sum(len(r.head) + 4 for r in server.requests)
        received = sum(len(answer(r)) for r in server.requests)
    assert run.only.outcome is Outcome.CHECK_FAILED
    assert (run.only.bytes_out, run.only.bytes_in) == (sent, received)


# -- the end of a stage, and what waits for it -------------------------------------------------------------------


class HeldUp:
    """Gives the second session its row late, once no further file can be opened."""

    def row(self, ordinal: int, session: Session) -> str:
        if ordinal:
            setrlimit(RLIMIT_NOFILE, (3, getrlimit(RLIMIT_NOFILE)[1]))  # what is open stays open
            sleep(0.09)
        return "x"


def test_a_reload_that_finds_no_means_as_the_stage_ends_is_one_record(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, close = getrlimit(RLIMIT_NOFILE), Driver.close

    def close_with_means(driver: Driver) -> None:
        setrlimit(RLIMIT_NOFILE, limits)
        close(driver)

    monkeypatch.setattr(Driver, "close", close_with_means)
    with Server(lambda peer: peer.wait_for_close()) as server:
        step = {"get": "/", "retry": {"after": "50ms", "most": 3}}
        feeds = {"row": HeldUp()}
        run = engine.offer(server, step, sessions=2, within_ms=60, drain_ms=40, feeds=feeds, once=False)
    assert [row.outcome for row in run.rows if row.session == 0] == [Outcome.RETRIED, Outcome.UNSENT]
    assert [row.outcome for row in run.rows if row.session == 1] == [Outcome.UNSENT]


def test_who_reloads_does_so_in_time_also_where_nothing_else_happens(engine: Engine) -> None:
    with Server(answering(lambda _: None)) as server:
        retry = {"after": "15ms", "most": 5}
        run = engine.offer(server, {"get": "/", "retry": retry}, response_ms=15, once=False)
    rows = sorted(run.rows, key=lambda row: row.done_ns)
    assert len(rows) == 6
    assert rows[-1].done_ns - rows[0].intended_ns < 350e6


def test_users_are_offered_until_the_instant_of_a_cut_and_not_beyond(engine: Engine) -> None:
    cut_ns: list[int] = []

    async def visit(session: PythonSession) -> None:
        if session._session.number == 0:
            cut_ns.append(monotonic_ns() + 300 * MS)
            session._session.driver.stop(cut_ns[0])
        await session.get("/", name="a")

    with Server(always_ok) as server:
        users = Users(4, ramp_ns=80 * MS, think=20 * MS)
        run = engine.offer(server, python={("a",): visit}, users=users, within_ms=20_000)
    intended = sorted(row.intended_ns for row in run.rows)
    assert cut_ns[0] - 100 * MS < intended[-1] < cut_ns[0]
    assert {row.session % 4 for row in run.rows} == {0, 1, 2, 3}
    assert run.done.drained_ns >= cut_ns[0]


class Late:
    """Holds the last session up until all the others have waited for too long."""

    def row(self, ordinal: int, session: Session) -> str:
        if ordinal == 199:
            sleep(0.15)
        return "x"


def test_a_flood_of_deadlines_is_taken_in_turns(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as frozen:
        port = frozen.getsockname()[1]
        run = engine.offer(port, {"get": "/"}, sessions=200, within_ms=50, response_ms=80, feeds={"row": Late()})
    assert run.outcomes == [Outcome.TIMEOUT] * 200
    at_once = Counter(row.done_ns for row in run.rows)  # the instant at which a turn begins
    assert len(at_once) >= 4
    assert max(at_once.values()) == 64


# -- connections -------------------------------------------------------------------------------------------------


def test_pages_lend_their_connections_to_the_pool_and_no_two_sessions_hold_one(engine: Engine) -> None:
    """Each connection's server would notice a second request before its answer."""
    early: list[bytes] = []

    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            peer.sock.setblocking(False)
            with suppress(BlockingIOError):
                early.append(peer.sock.recv(1, socket.MSG_PEEK))
            peer.sock.setblocking(True)
            kind = request.path[:2]
            body = page_of(*(f"/r{request.path[2:]}-{i}" for i in range(8))) if kind == "/p" else request.path.encode()
            peer.send(ok(body, HTML))

    rows = FeedRows(("id",), [(i,) for i in range(60)], "unique")
    steps = [
        {"get": "/p${row.id}", "resources": True},
        {"pause": "3ms"},
        {"get": "/x${row.id}"},
    ]
    with Server(script) as server:
        run = engine.offer(server, *steps, sessions=60, within_ms=300, shared=True, feeds={"row": rows}, once=False)
        assert server.connections < 120
    assert {row.outcome for row in run.rows} == {Outcome.OK}
    assert Counter(row.step for row in run.rows) == {0: 60, 1: 480, 2: 60}
    assert early == []


def test_a_session_that_is_over_leaves_none_of_its_pages_connections_open(engine: Engine) -> None:
    page = page_of(*(f"/i{i}" for i in range(12)))
    with Server(answering(lambda r: ok(page if r.path == "/" else b"x", HTML))) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, sessions=3, once=False)
        assert server.connections > 3
    assert run.health[-1]["connections"] == 0


@pytest.mark.parametrize("shared", [False, True])
def test_a_connection_whose_answer_may_still_come_is_closed_with_its_stage(shared: bool, engine: Engine) -> None:
    with Server(answering(lambda _: None)) as server:
        run = engine.offer(server, {"get": "/"}, sessions=3, drain_ms=50, shared=shared)
    assert run.outcomes == [Outcome.IN_FLIGHT] * 3
    assert run.health[-1]["connections"] == 0


def test_who_reloads_waits_no_longer_for_a_connection_than_for_an_answer(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port, waiting = full.getsockname()[1], [socket.socket() for _ in range(4)]
        for sock in waiting:  # a queue that is full answers no further SYN
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        step = {"get": "/", "retry": {"after": "60ms", "most": 1}}
        run = engine.offer(port, step, connect_ms=400, once=False)
        for sock in waiting:
            sock.close()
    (attempt,) = [row for row in run.rows if row.outcome is Outcome.RETRIED]
    assert 60e6 <= attempt.done_ns - attempt.intended_ns < 300e6
    assert [row.outcome for row in run.rows if row is not attempt] == [Outcome.CONNECT_FAILED]


@pytest.mark.parametrize("shared", [False, True])
def test_a_post_is_never_sent_twice_whatever_closes_beneath_it(shared: bool, engine: Engine) -> None:
    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.path == "/twice" and peer.number % 2:
                peer.reset()
                return
            peer.send(ok(b"", "Location: /twice", status=307) if request.path == "/" else ok())

    with Server(script) as server:
        step = {"post": "/", "json": {"n": "${row.id}"}}
        rows = FeedRows(("id",), [(i,) for i in range(30)], "unique")
        run = engine.offer(server, step, sessions=30, within_ms=60, hops=3, shared=shared, feeds={"row": rows})
        bodies = Counter(r.body for r in server.requests if r.path == "/twice")
    assert max(bodies.values()) == 1
    assert {row.outcome for row in run.rows} == {Outcome.OK, Outcome.PROTOCOL_ERROR}


class Listening:
    """Takes the events of a socket."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.heard: list[int] = []
        self._then = then

    def on_event(self, mask: int) -> None:
        self.heard.append(mask)
        if self._then is not None:
            self._then()


def test_who_takes_the_number_of_a_closed_descriptor_hears_nothing_that_was_meant_for_it(tmp_path: Path) -> None:
    health = HealthMonitor(tmp_path / "health", 0)
    reactor = Reactor(health)
    pairs = [socket.socketpair() for _ in range(2)]
    (first, tell_first), (second, tell_second) = pairs
    fd, newcomer = second.fileno(), Listening()
    ours, theirs = socket.socketpair()

    def take_over() -> None:
        first.recv(1)
        reactor.forget(fd)
        second.close()
        os.dup2(ours.fileno(), fd)
        reactor.register(fd, newcomer, select.EPOLLIN)

    try:
        reactor.register(first.fileno(), Listening(take_over), select.EPOLLIN)
        reactor.register(fd, Listening(), select.EPOLLIN)
        tell_first.send(b"x")
        tell_second.send(b"x")
        reactor.wait(monotonic_ns(), monotonic_ns() + SECOND, True)
        assert newcomer.heard == []
        theirs.send(b"x")
        reactor.wait(monotonic_ns(), monotonic_ns() + SECOND, True)
        assert newcomer.heard == [select.EPOLLIN]
    finally:
        reactor.close_all()
        health.close()
        os.close(fd)
        for sock in (first, tell_first, tell_second, ours, theirs):
            sock.close()
