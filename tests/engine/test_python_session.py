"""Journeys in Python: the same exchange and the same records as the same journey in a plan."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import socket
from contextlib import suppress
from typing import Any

import pytest
from tests.engine.served import Engine, Request, Row, Run, Server, always_ok, answering, numbered, ok, refusing_port

from seatrial.engine import recorder
from seatrial.engine.python_session import PythonSession
from seatrial.engine.session import StepFailedError
from seatrial.errors import EngineError, RecordingError
from seatrial.model.sample import Outcome
from seatrial.units import MS


def service(request: Request) -> bytes:
    if request.path.startswith("/sessions"):
        return ok(b'{"free": [{"id": 7}]}', "set-cookie: s=1")
    return ok(b"{}", status=201 if json.loads(request.body)["patron"] != "n2" else 503)


def shape(run: Run) -> list[tuple[Any, ...]]:
    rows: list[Row] = sorted(run.rows, key=lambda row: (row.session, row.step))
    return [
        (row.session, row.step, row.outcome, row.status, row.bytes_out, row.bytes_in, row.sent_ns >= row.intended_ns)
        for row in rows
    ]


def test_a_journey_in_python_makes_the_records_of_the_same_journey_in_yaml(engine: Engine) -> None:
    async def book(session: PythonSession) -> None:
        home = await session.get("/sessions?day=3", name="list")
        await session.pause(0.02)
        body = {"slot": home.json()["free"][0]["id"], "patron": session.variables["p"]["id"]}
        await session.post("/bookings", name="book", json=body, status=(201, 409))
        await session.get("/sessions", name="look", headers={"X-Own": "1"})

    steps = [
        {"get": "/sessions?day=3", "extract": {"slot": {"json": "$.free[*].id"}}},
        {"pause": "20ms"},
        {"post": "/bookings", "json": {"slot": "${slot}", "patron": "${p.id}"}, "expect": {"status": [201, 409]}},
        {"get": "/sessions", "headers": {"X-Own": "1"}},
    ]
    feeds = {"p": numbered("n", 4)}
    with Server(answering(service)) as server:
        scripted = engine.offer(server, *steps, sessions=4, feeds=feeds, fields={"user-agent": "seatrial/1"})
        asked = list(server.requests)
        server.requests.clear()
        coded = engine.offer(
            server,
            python={("list", "book", "look"): book},
            sessions=4,
            feeds=feeds,
            fields={"user-agent": "seatrial/1"},
        )
    expected = shape(scripted)
    assert len(expected) == 12
    assert [row[2] for row in expected if row[0] == 2] == [Outcome.OK, Outcome.HTTP_ERROR, Outcome.ABORTED]

    def without_sizes(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [row[:4] + row[5:] for row in rows]  # JSON is written with other spaces

    assert without_sizes(shape(coded)) == without_sizes(expected)
    assert sorted(r.path for r in asked) == sorted(r.path for r in server.requests)
    assert {r.header("cookie") for r in server.requests} == {None, "s=1"} == {r.header("cookie") for r in asked}
    for row, next_row in zip(coded.rows, coded.rows[1:], strict=False):
        if row.session == next_row.session and next_row.step == 1:
            assert next_row.intended_ns == row.done_ns + 20 * MS


def test_every_field_is_sent_once_and_the_steps_own_wins(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        await session.put("/", name="a", json=[1], headers={"Content-Type": "application/x", "User-Agent": "me"})
        await session.post("/", name="b", form={"x": "1 2", "y": "&"}, deadline=1.0)
        await session.delete("/", name="c", status=200)

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a", "b", "c"): visit}, fields={"user-agent": "plan"})
    first, second, third = server.requests
    assert (first.header("content-type"), first.header("user-agent"), first.body) == ("application/x", "me", b"[1]")
    assert second.header("content-type") == "application/x-www-form-urlencoded"
    assert (second.body, second.header("user-agent")) == (b"x=1+2&y=%26", "plan")
    assert third.method == "DELETE"
    assert run.outcomes == [Outcome.OK] * 3


def test_a_caught_failure_lets_the_journey_go_on(engine: Engine) -> None:
    seen: list[StepFailedError] = []

    async def visit(session: PythonSession) -> None:
        for name in ("a", "b"):
            try:
                await session.get(f"/{name}", name=name)
            except StepFailedError as error:
                seen.append(error)
        answer = await session.get("/c", name="c", check=lambda answer: answer.text == "fine")
        assert (answer.status, answer.body, answer.header("X-A"), answer.header("x-b")) == (200, b"fine", "1", None)

    def answer(request: Request) -> bytes:
        return {"/a": ok(status=500), "/b": b"garbage", "/c": ok(b"fine", "x-a: 1")}[request.path]

    with Server(answering(answer)) as server:
        run = engine.offer(server, python={("a", "b", "c"): visit})
    assert run.outcomes == [Outcome.HTTP_ERROR, Outcome.PROTOCOL_ERROR, Outcome.OK]
    assert [error.outcome for error in seen] == [Outcome.HTTP_ERROR, Outcome.PROTOCOL_ERROR]


def test_a_failure_that_is_not_caught_ends_the_session(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        await session.get("/", name="a", check=lambda answer: False)
        await session.get("/", name="b")

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a", "b"): visit})
    assert run.outcomes == [Outcome.CHECK_FAILED, Outcome.ABORTED]
    assert "own check" in run.details


def test_a_journeys_own_error_ends_the_run_and_is_named(engine: Engine) -> None:
    async def broken_journey(session: PythonSession) -> None:
        await session.get("/", name="a")
        raise KeyError("slot")

    with Server(always_ok) as server, pytest.raises(EngineError) as raised:
        engine.offer(server, python={("a",): broken_journey})
    assert "KeyError: 'slot'" in str(raised.value)
    assert "broken_journey, test_python_session.py line " in str(raised.value)


def test_an_error_before_the_first_request_ends_the_run_too(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        raise ValueError("no good")

    with pytest.raises(EngineError, match="ValueError: no good"):
        engine.offer(refusing_port(), python={("a",): visit})


def test_an_error_while_a_failure_is_handled_ends_the_run(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        try:
            await session.get("/", name="a")
        except StepFailedError:
            raise TypeError("while handling") from None

    with pytest.raises(EngineError, match="TypeError: while handling"):
        engine.offer(refusing_port(), python={("a",): visit})


def test_a_step_that_the_plan_does_not_list_is_refused(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        await session.get("/", name="other")

    with pytest.raises(EngineError, match="a step that the plan does not list: other"):
        engine.offer(refusing_port(), python={("a",): visit})


def test_awaiting_what_is_not_the_sessions_is_refused(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        await asyncio.sleep(0)

    with pytest.raises(EngineError, match="awaits something that is not the session's"):
        engine.offer(refusing_port(), python={("a",): visit})


def test_control_characters_from_data_end_the_session_and_not_the_run(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        await session.get("/", name="a", headers={"x-id": "1\r\nx-evil: 1"})
        await session.get("/", name="b")

    with Server(always_ok) as server:
        run = engine.offer(server, python={("a", "b"): visit})
    assert run.outcomes == [Outcome.ABORTED, Outcome.ABORTED]
    assert "control character" in run.details
    assert server.connections == 0


def test_a_journey_without_a_request_ends_at_once(engine: Engine) -> None:
    async def visit(session: PythonSession) -> None:
        return

    run = engine.offer(refusing_port(), python={("a",): visit}, sessions=5)
    assert (run.rows, run.done.sessions) == ([], 5)


def test_a_loop_on_failures_neither_recurses_nor_outlives_the_drain(engine: Engine) -> None:
    names = tuple(f"try {i}" for i in range(20_000))

    async def stubborn(session: PythonSession) -> None:
        for name in names:
            try:
                await session.get("/", name=name)
            except StepFailedError as error:
                assert error.outcome is Outcome.CONNECT_FAILED

    run = engine.offer(refusing_port(), python={names: stubborn}, drain_ms=200)
    tried = sum(outcome is Outcome.CONNECT_FAILED for outcome in run.outcomes)
    assert tried > 20
    assert len(run.rows) == len(names)
    assert run.done.drained_ns - run.start_ns < 2000 * MS


def test_a_loop_on_failures_that_come_at_once_lets_others_go_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses every connection on the spot, as it does when there are no more file descriptors."""
    names = tuple(f"try {i}" for i in range(2_000))
    ended: list[str] = []

    def refuse(*args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", refuse)

    async def stubborn(session: PythonSession) -> None:
        for name in names:
            try:
                await session.get("/", name=name)
            except StepFailedError as error:
                assert error.outcome is Outcome.UNSENT
        ended.append("stubborn")

    async def patient(session: PythonSession) -> None:
        ended.append("patient")

    run = engine.offer(1, python={names: stubborn, ("a",): patient}, sessions=8, within_ms=8, seed=3)
    assert {journey for _, journey, _ in run.scheduled} == {0, 1}
    assert set(run.outcomes) == {Outcome.UNSENT}
    assert ended.index("patient") < ended.index("stubborn")


def test_a_journey_that_pauses_for_no_time_for_ever_does_not_hang_the_reactor(engine: Engine) -> None:
    async def restless(session: PythonSession) -> None:
        while True:
            await session.pause(0)

    run = engine.offer(refusing_port(), python={("a",): restless}, drain_ms=100)
    assert run.outcomes == [Outcome.ABORTED]
    assert run.done.drained_ns - run.start_ns < 1000 * MS


@pytest.mark.parametrize("tries", [1, 10])
def test_a_journey_that_cleans_up_is_ended_with_the_drain(engine: Engine, tries: int) -> None:
    async def tidy(session: PythonSession) -> None:
        try:
            await session.get("/", name="a")
        finally:
            for _ in range(tries):
                with suppress(GeneratorExit):
                    await session.get("/logout", name="b")

    with Server(answering(lambda _: None)) as server:
        run = engine.offer(server, python={("a", "b"): tidy}, drain_ms=60, response_ms=60_000)
        gc.collect()
    assert run.outcomes == [Outcome.IN_FLIGHT, Outcome.ABORTED]
    assert [request.path for request in server.requests] == ["/"]


def test_a_journey_that_fails_while_it_is_ended_is_named(engine: Engine) -> None:
    async def untidy(session: PythonSession) -> None:
        try:
            await session.pause(60)
        finally:
            raise RuntimeError("not tidy")

    with pytest.raises(EngineError, match="RuntimeError: not tidy"):
        engine.offer(refusing_port(), python={("a",): untidy}, drain_ms=30)


def test_a_sessions_randomness_is_its_own_and_repeats(engine: Engine) -> None:
    def drawn() -> dict[int, float]:
        found: dict[int, float] = {}

        async def visit(session: PythonSession) -> None:
            found[session._session.number] = session.random.random()

        engine.offer(refusing_port(), python={("a",): visit}, sessions=5)
        return found

    first = drawn()
    assert drawn() == first
    assert len(set(first.values())) == 5


def test_a_swallowed_recording_error_comes_back(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_ROWS", 1)

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def careless(session: PythonSession) -> None:
        monkeypatch.setattr(os, "write", full)
        try:
            await session.get("/", name="a")
        except Exception:
            monkeypatch.undo()

    with Server(always_ok) as server, pytest.raises(RecordingError, match="No space left"):
        engine.offer(server, python={("a",): careless})
