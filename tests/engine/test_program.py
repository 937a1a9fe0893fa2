"""Groups, loops and choices as a session takes them, and what is told of one that breaks off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.served import Engine, Request, Run, Server, always_ok, answering, each, ok

from seatrial.engine.arrivals import FeedRows
from seatrial.engine.program import BRANCH, EXCHANGE, compile_condition, compile_steps, remaining
from seatrial.engine.session import Session
from seatrial.model.journey import Journey
from seatrial.model.request import Condition
from seatrial.model.sample import Outcome
from seatrial.model.steps import RequestStep, Step, most_requests


def asked(server: Server) -> list[str]:
    return [request.path for request in server.requests]


def steps_of(run: Run, outcome: Outcome) -> list[int]:
    return [row.step for row in run.rows if row.outcome is outcome]


def test_loops_in_choices_in_loops_run_each_their_own_rounds(engine: Engine) -> None:
    inner = {"repeat": 2, "as": "j", "steps": [{"get": "/${i}/${j}"}]}
    choice = {"choose": [{"steps": [inner, {"get": "/after/${j}"}]}, {"weight": 1e-6, "steps": []}]}
    with Server(always_ok) as server:
        run = engine.offer(server, {"repeat": 2, "as": "i", "steps": [choice]}, {"get": "/end/${i}"}, once=False)
        assert asked(server) == ["/1/1", "/1/2", "/after/2", "/2/1", "/2/2", "/after/2", "/end/2"]
    assert [row.step for row in run.rows] == [0, 0, 1, 0, 0, 1, 2]


def test_a_loop_is_left_as_soon_as_its_condition_fails(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        page = int(request.path[1:])
        return ok(json.dumps({"next": f"/{page + 1}"} if page < 4 else {}).encode())

    more = {"next": {"json": "$.next", "optional": True}}
    loop = {"repeat": 9, "while": "next", "steps": [{"get": "${next}", "extract": more}]}
    with Server(answering(answer)) as server:
        engine.offer(server, {"get": "/1", "extract": more}, loop, once=False)
        assert asked(server) == ["/1", "/2", "/3", "/4"]


def test_a_group_takes_one_of_its_sides(engine: Engine) -> None:
    rows = FeedRows(("kind",), [("a",), ("b",), (None,)], "unique")
    group = {
        "when": {"value": "who.kind", "equals": "a"},
        "steps": [{"get": "/a"}, {"when": {"value": "who.kind", "equals": "b"}, "steps": [{"get": "/never"}]}],
        "otherwise": [{"get": "/other"}, {"when": "who.kind", "steps": [{"get": "/b"}]}],
    }
    with Server(always_ok) as server:
        run = engine.offer(server, group, {"get": "/end"}, sessions=3, feeds={"who": rows})
    taken = [[row.step for row in sorted(run.rows, key=lambda r: r.intended_ns) if row.session == s] for s in range(3)]
    assert taken == [[0, 4], [2, 3, 4], [2, 4]]


@pytest.mark.parametrize("value", [10**400, "1" * 400, float("inf"), "nan", "x", None, [1], {"a": 1}, True, "", "7"])
@pytest.mark.parametrize("key", ["above", "below"])
def test_a_comparison_with_whatever_a_service_answers_holds_or_does_not(key: str, value: Any) -> None:
    test = compile_condition(Condition.model_validate({"value": "x", key: 5}))
    other = compile_condition(Condition.model_validate({"value": "x", key: 5, "not": True}))
    assert test({"x": value}) is not other({"x": value})
    assert test({"x": value}) is (value in ("7", float("inf"), "1" * 400) if key == "above" else value is True)


def test_an_answer_with_a_number_beyond_all_floats_ends_no_run(engine: Engine) -> None:
    with Server(answering(lambda request: ok(b'{"n": 1' + b"0" * 400 + b"}"))) as server:
        first = {"get": "/1", "extract": {"n": {"json": "$.n"}}}
        run = engine.offer(
            server, first, {"get": "/2", "when": {"value": "n", "above": 1}}, {"post": "/3", "json": ["${n}"]}
        )
        assert json.loads(server.requests[-1].body) == [10**400]
    assert run.outcomes == [Outcome.OK] * 2


def test_a_session_that_breaks_off_leaves_a_record_of_all_that_was_still_intended(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        return ok(b"", status=500 if request.path == "/2" else 200)

    steps = [
        {"repeat": 3, "as": "i", "steps": [{"get": "/${i}", "name": "round"}, {"get": "/x"}]},
        {"choose": [{"steps": [{"get": "/y"}]}, {"weight": 1e-6, "steps": [{"get": "/z"}]}]},
        {"repeat": 5, "while": "i", "steps": [{"get": "/while"}]},
        {"when": {"value": "i", "above": 1}, "steps": [{"get": "/big"}], "otherwise": [{"get": "/small"}]},
        {"get": "/unless", "when": {"value": "i", "not": True}},
        {"get": "/end"},
    ]
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps, once=False)
        assert asked(server) == ["/1", "/x", "/2"]
    assert steps_of(run, Outcome.OK) == [0, 1]
    assert steps_of(run, Outcome.HTTP_ERROR) == [0]
    # The rest of the second round, the third, the choice, no round of the loop with a condition, one side, the end.
    assert steps_of(run, Outcome.ABORTED) == [1, 0, 1, 2, 5, 8]


def test_a_session_that_is_cut_off_while_it_thinks_leaves_records_too(engine: Engine) -> None:
    steps = [{"repeat": 2, "steps": [{"get": "/a"}, {"pause": "10s"}]}, {"get": "/end"}]
    with Server(always_ok) as server:
        run = engine.offer(server, *steps, drain_ms=50, once=False)
    assert [(row.step, row.outcome) for row in run.rows] == [
        (0, Outcome.OK), (0, Outcome.ABORTED), (1, Outcome.ABORTED),
    ]  # fmt: skip


def test_a_session_beyond_the_cap_is_unsent_with_the_steps_that_its_row_would_have_taken(engine: Engine) -> None:
    rows = FeedRows(("kind",), [("a",), ("b",), ("a",)], "unique")
    steps = [
        {"get": "/a", "when": {"value": "who.kind", "equals": "a"}},
        {"repeat": 2, "steps": [{"get": "/b", "when": {"value": "who.kind", "equals": "b"}}]},
        {"get": "/end"},
    ]
    with Server(answering(lambda request: None)) as server:
        run = engine.offer(
            server, *steps, sessions=3, feeds={"who": rows}, max_sessions=1, drain_ms=60, response_ms=500, once=False
        )
    unsent = [(row.session, row.step) for row in run.rows if row.outcome is Outcome.UNSENT]
    assert unsent == [(1, 1), (1, 1), (1, 2), (2, 0), (2, 2)]


def test_what_a_session_beyond_the_cap_would_have_drawn_is_what_it_would_have_taken(engine: Engine) -> None:
    """The choice of an unsent session is that of the same session where there is room for it."""
    option = {"choose": [{"steps": [{"get": "/a"}]}, {"steps": [{"get": "/b"}]}, {"steps": [{"get": "/c"}]}]}
    rows = FeedRows(("id",), [(str(i),) for i in range(5)], "random")
    with Server(always_ok) as server:
        room = engine.offer(server, option, sessions=30, feeds={"who": rows})
        none = engine.offer(server, option, sessions=30, feeds={"who": rows}, max_sessions=0)
    assert {row.outcome for row in none.rows} == {Outcome.UNSENT}
    assert [(r.session, r.step) for r in none.rows] == sorted((r.session, r.step) for r in room.rows)
    assert {row.step for row in room.rows} == {0, 1, 2}
    assert len(list(each(room.rows, 0))) < 30


REQUEST_STEP = st.just({"get": "/"})
STEPS = st.recursive(
    REQUEST_STEP | st.just({"pause": "1ms"}),
    lambda inner: st.one_of(
        st.builds(lambda n, s: {"repeat": n, "steps": s}, st.integers(1, 3), st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda low, more, s: {"repeat": [low, low + more], "steps": s},
            st.integers(0, 2), st.integers(1, 2), st.lists(inner, min_size=1, max_size=2),
        ),
        st.builds(
            lambda a, b: {"choose": [{"steps": a}, {"weight": 2, "steps": b}]},
            st.lists(inner, max_size=2), st.lists(inner, max_size=2),
        ),
        st.builds(
            lambda name, a, b: {"when": name, "steps": a, "otherwise": b},
            st.sampled_from(["yes", "no"]), st.lists(inner, min_size=1, max_size=2), st.lists(inner, max_size=2),
        ),
    ),
    max_leaves=8,
)  # fmt: skip


def walked(steps: tuple[Step, ...], session: Session) -> list[int]:
    """Return the indexes of the requests that a session takes, by going through its program."""
    ops, loops = compile_steps(steps, lambda place, step: step)
    session.rounds = [(0, 0)] * loops
    at, taken = 0, []
    while at < len(ops):
        op = ops[at]
        at += 1
        if op.kind == BRANCH:
            at = op.jump(session)
        elif op.kind == EXCHANGE:
            taken.append(op.index)
    return taken


def plainly(steps: tuple[Step, ...], session: Session, first: int = 0) -> tuple[list[int], int]:
    """Return the same as :func:`walked` by recursion over the steps, and how many requests are written in them."""
    taken: list[int] = []
    for step in steps:
        kind = type(step).__name__
        if kind == "RequestStep":
            taken.append(first)
            first += 1
        elif kind == "RepeatStep":
            spread = step.most - step.fewest + 1
            rounds = step.fewest + (session.draw(spread) if spread > 1 else 0)
            for _ in range(rounds):
                taken += plainly(step.steps, session, first)[0]
            first += written(step.steps)
        elif kind == "ChooseStep":
            total = sum(option.weight for option in step.choose)
            drawn = session.draw(2**53) / 2**53 * total
            for option in step.choose:
                if 0 <= drawn < option.weight:
                    taken += plainly(option.steps, session, first)[0]
                drawn -= option.weight
                first += written(option.steps)
        elif kind == "GroupStep":
            side = step.steps if step.when.value in session.variables else step.otherwise
            begins = first if side is step.steps else first + written(step.steps)
            taken += plainly(side, session, begins)[0]
            first += written(step.steps) + written(step.otherwise)
    return taken, first


def written(steps: tuple[Step, ...]) -> int:
    inner = 0
    for step in steps:
        if isinstance(step, RequestStep):
            inner += 1
        for name in ("steps", "otherwise"):
            inner += written(getattr(step, name, ()))
        inner += sum(written(option.steps) for option in getattr(step, "choose", ()))
    return inner


@settings(deadline=None)
@given(steps=st.lists(STEPS, max_size=4), seed=st.integers(0, 2**32))
def test_the_flat_program_takes_what_the_steps_say(steps: list[dict[str, Any]], seed: int) -> None:
    journey = Journey.model_validate({"steps": [*steps, {"get": "/end"}]})
    sessions = [Session(None, 0, 0, seed, 1) for _ in range(3)]  # type: ignore[arg-type]
    for session in sessions:
        session.variables["yes"] = 1
    taken = walked(journey.steps, sessions[0])
    assert taken == plainly(journey.steps, sessions[1])[0]
    assert len(taken) <= most_requests(journey.steps)
    ops, loops = compile_steps(journey.steps, lambda place, step: step)
    sessions[2].rounds = [(0, 0)] * loops
    assert list(remaining(ops, sessions[2])) == taken  # one that never began
    sure = [index for index, certain in enumerate(journey.certain) if certain]
    again = {index for index, returns in enumerate(journey.returning) if returns}
    assert set(sure) <= set(taken)
    assert {index for index in taken if taken.count(index) > 1} <= again
