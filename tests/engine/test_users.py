"""Users of a closed model: each begins again when they are through, never earlier, and never after the end."""

from __future__ import annotations

import socket
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from tests.engine.served import DIGEST, MS, Engine, Row, Run, Server, always_ok, answering, numbered, ok

from seatrial.engine.health import HealthMonitor
from seatrial.engine.http.target import Target
from seatrial.engine.worker import WorkerSpec, compile_journeys, make_driver
from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.steps import ThinkTime
from seatrial.model.users import TURNED_AWAY_NS, UserDraws, Users

TARGET = Target("127.0.0.1", 1, False, "", ((int(socket.AF_INET), ("127.0.0.1", 1)),), None)
PLAN: dict[str, Any] = {
    "seatrial": 1,
    "title": "made",
    "target": "http://127.0.0.1:1",
    "demand": {"peak": "1/s"},
    "journeys": {"visit": {"steps": [{"get": "/"}]}},
    "trials": [{"kind": "load", "users": 3, "for": "1s", "objectives": ["errors <= 1%"]}],
}
STEP = {"get": "/", "name": "a"}
SECOND_STEP = {"get": "/b", "name": "b"}


def slow(seconds: float) -> Server:
    def answer(request: object) -> bytes:
        time.sleep(seconds)
        return ok(b"hello")

    return Server(answering(answer))


def iterations(run: Run, users: int) -> dict[int, list[list[Row]]]:
    """Return each user's iterations in their order, each as its rows; fails where a number is left out."""
    by_session: dict[int, list[Row]] = {}
    for row in sorted(run.rows, key=lambda row: (row.session, row.step)):
        by_session.setdefault(row.session, []).append(row)
    found: dict[int, list[list[Row]]] = {}
    for session, rows in by_session.items():
        iteration, user = divmod(session, users)
        assert len(found.setdefault(user, [])) == iteration
        found[user].append(rows)
    assert run.done.sessions == len(by_session)
    return found


def test_users_without_a_rest_begin_again_the_moment_they_are_through(engine: Engine) -> None:
    with slow(0.01) as server:
        run = engine.offer(server, STEP, SECOND_STEP, users=Users(3), within_ms=200)
    found = iterations(run, 3)
    assert sorted(found) == [0, 1, 2]
    for own in found.values():
        assert 3 <= len(own) <= 11
        assert own[0][0].intended_ns == run.start_ns
        for before, after in pairwise(own):
            assert after[0].intended_ns == before[-1].done_ns
    assert all(row.intended_ns < run.start_ns + 200 * MS for rows in found.values() for (row, _) in rows)


def test_pacing_counts_from_the_beginning_of_the_iteration_before(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, STEP, users=Users(2, pacing_ns=40 * MS), within_ms=170)
    for own in iterations(run, 2).values():
        assert [rows[0].intended_ns - run.start_ns for rows in own] == [0, 40 * MS, 80 * MS, 120 * MS, 160 * MS]


def test_an_iteration_that_takes_longer_than_the_pacing_is_followed_at_once(engine: Engine) -> None:
    with slow(0.03) as server:
        run = engine.offer(server, STEP, users=Users(1, pacing_ns=20 * MS), within_ms=120)
    (own,) = iterations(run, 1).values()
    assert len(own) >= 3
    for before, after in pairwise(own):
        assert after[0].intended_ns == before[-1].done_ns


def test_think_time_counts_from_the_end_and_a_failed_iteration_is_followed_by_it_too(engine: Engine) -> None:
    with Server(answering(lambda request: ok(status=500))) as server:
        run = engine.offer(server, STEP, SECOND_STEP, users=Users(2, think=25 * MS), within_ms=150)
    for own in iterations(run, 2).values():
        assert [row.outcome for row in own[0]] == [Outcome.HTTP_ERROR, Outcome.ABORTED]
        for before, after in pairwise(own):
            assert after[0].intended_ns == before[-1].done_ns + 25 * MS


def test_think_time_is_drawn_for_each_user_and_iteration(engine: Engine) -> None:
    users = Users(2, think=ThinkTime.model_validate({"exponential": "20ms"}))
    draws = UserDraws(DIGEST, 1, 0, 0, users, (1.0,))
    with Server(always_ok) as server:
        run = engine.offer(server, STEP, users=users, within_ms=200)
    rests = set()
    for user, own in iterations(run, 2).items():
        for number, (before, after) in enumerate(pairwise(own)):
            rests.add(after[0].intended_ns - before[-1].done_ns)
            assert after[0].intended_ns - before[-1].done_ns == draws.rest_ns(user, number)
    assert len(rests) > 4


def test_users_begin_evenly_over_the_ramp(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, STEP, users=Users(5, ramp_ns=100 * MS, think=300 * MS), within_ms=200)
    firsts = [own[0][0].intended_ns - run.start_ns for _, own in sorted(iterations(run, 5).items())]
    assert firsts == [0, 20 * MS, 40 * MS, 60 * MS, 80 * MS]


@pytest.mark.parametrize("workers", [2, 3])
def test_each_user_belongs_to_one_worker_and_draws_the_same_whatever_their_number(engine: Engine, workers: int) -> None:
    users = Users(4, think=15 * MS)
    seen: dict[int, set[int]] = {}
    with Server(always_ok) as server:
        for worker in range(workers):
            run = engine.offer(server, STEP, users=users, within_ms=60, worker=worker, workers=workers)
            seen[worker] = {row.session % 4 for row in run.rows}
    assert seen == {worker: {user for user in range(4) if user % workers == worker} for worker in range(workers)}


def test_a_user_for_whom_there_is_no_room_is_unsent_and_comes_back_after_a_second(engine: Engine) -> None:
    with slow(0.3) as server:
        run = engine.offer(server, STEP, users=Users(2), within_ms=1200, max_sessions=1)
    unsent = [row for row in run.rows if row.outcome is Outcome.UNSENT]
    assert [row.session for row in unsent] == [1, 3]
    assert unsent[1].intended_ns == unsent[0].done_ns + TURNED_AWAY_NS


@pytest.mark.parametrize(("most", "workers"), [(5, 2), (301, 4), (7, 7), (3, 5)])
def test_as_many_users_as_sessions_are_permitted_have_room_on_every_worker(
    engine: Engine, most: int, workers: int
) -> None:
    trial = PLAN["trials"][0] | {"users": most}
    plan = Plan.model_validate(PLAN | {"max_sessions": most, "trials": [trial]})
    (stage,) = plan.trials[0].stages(0, plan)
    rooms = []
    for worker in range(workers):
        spec = WorkerSpec(plan, DIGEST, engine.folder, TARGET, 0, worker, workers, engine.folder, ({},))
        health = HealthMonitor(engine.folder / f"{worker}.health", worker)
        driver = make_driver(spec, health, compile_journeys(spec, {}))
        rooms.append(driver._max_sessions)
        driver.close()
        health.close()
    users = [sum(stage.worker_of(user, workers) == worker for user in range(most)) for worker in range(workers)]
    assert all(room >= own for room, own in zip(rooms, users, strict=True))
    assert sum(rooms) == max(most, workers)


def test_sessions_in_progress_at_the_end_may_finish_and_nobody_begins_again(engine: Engine) -> None:
    with slow(0.08) as server:
        run = engine.offer(server, STEP, users=Users(3), within_ms=50)
    assert sorted(row.session for row in run.rows) == [0, 1, 2]
    assert set(run.outcomes) == {Outcome.OK}


def test_what_is_not_over_when_the_drain_ends_is_in_flight(engine: Engine) -> None:
    with slow(0.5) as server:
        run = engine.offer(server, STEP, SECOND_STEP, users=Users(2), within_ms=40, drain_ms=40)
    assert run.outcomes == [Outcome.IN_FLIGHT, Outcome.ABORTED] * 2


def test_a_stop_ends_users_too(engine: Engine) -> None:
    ours, theirs = socket.socketpair()
    with Server(always_ok) as server, ours, theirs:
        threading.Timer(0.1, theirs.send, (b"x",)).start()
        began = time.monotonic()
        run = engine.offer(server, STEP, users=Users(2, think=10 * MS), within_ms=20_000, stop_when=ours)
    assert time.monotonic() - began < 5
    assert 4 <= run.done.sessions == len(run.rows)


def test_a_cycling_feed_gives_rows_by_the_number_of_the_session(engine: Engine) -> None:
    source = numbered("p", 3)
    rows = type(source)(source.columns, source.rows, "cycle")
    step = {"get": "/${who.id}"}
    with Server(always_ok) as server:
        run = engine.offer(server, step, feeds={"who": rows}, users=Users(2, think=20 * MS), within_ms=90)
        paths = sorted(request.path for request in server.requests)
    assert len(run.rows) >= 6
    assert paths == sorted(f"/p{row.session % 3}" for row in run.rows)


def test_a_page_s_resources_are_part_of_the_iteration_and_end_none(engine: Engine) -> None:
    def answer(request: object) -> bytes:
        page = b"<html><img src=/1.png><img src=/2.png></html>"
        return ok(page, "content-type: text/html") if getattr(request, "path", "") == "/" else ok(b"png")

    step = {"get": "/", "name": "page", "resources": True}
    with Server(answering(answer)) as server:
        run = engine.offer(server, step, users=Users(2, think=30 * MS), within_ms=130, once=False)
    for own in iterations(run, 2).values():
        assert len(own) >= 3
        assert [[row.step for row in rows] for rows in own] == [[0, 1, 1]] * len(own)
        for before, after in pairwise(own):
            assert after[0].intended_ns == max(row.done_ns for row in before) + 30 * MS
