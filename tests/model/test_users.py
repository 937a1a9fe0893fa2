"""The closed model as data: how a plan writes it, and what is drawn for each iteration of each user."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from seatrial.model.plan import Plan, plan_document, plan_json_schema
from seatrial.model.steps import ThinkTime
from seatrial.model.trial import LoadTrial
from seatrial.model.users import TURNED_AWAY_NS, UserDraws, Users, mean_think_ns
from seatrial.units import MS, SECOND

DIGEST = "ab" * 32
CLOSED = {"kind": "load", "users": 200, "for": "5m", "objectives": ["errors <= 1%"]}
THINKS = [
    {"uniform": ["1s", "3s"]},
    {"exponential": "2s"},
    {"exponential": "2s", "most": "3s"},
    {"lognormal": "2s", "sigma": 0.8},
    {"lognormal": "2s", "sigma": 0.8, "most": "2500ms"},
]


def trial(**more: Any) -> LoadTrial:
    return LoadTrial.model_validate(CLOSED | more)


def plan(*trials: dict[str, Any]) -> Plan:
    document = {"seatrial": 1, "title": "t", "target": "http://127.0.0.1:1", "demand": {"peak": "10/s"}}
    return Plan.model_validate(document | {"journeys": {"v": {"steps": [{"get": "/"}]}}, "trials": list(trials)})


def think(**written: Any) -> ThinkTime:
    return ThinkTime.model_validate(written)


def draws(users: Users, seed: int = 1, weights: tuple[float, ...] = (3.0, 1.0), stage: int = 0) -> UserDraws:
    return UserDraws(DIGEST, seed, 0, stage, users, weights)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ramp": "10s", "warmup": "1m", "pacing": "10s"},
        {"think": "2s"},
        {"think": "0s"},
        *({"think": written} for written in THINKS),
    ],
)
def test_a_closed_trial_reads_back_equal_and_fits_the_published_grammar(more: dict[str, Any]) -> None:
    written = plan(CLOSED | more)
    document = plan_document(written)
    assert Plan.model_validate(document) == written
    Draft202012Validator(plan_json_schema()).validate(document)


@pytest.mark.parametrize(
    "more",
    [
        {"at": "1 P"},
        {"shape": {"steps": [{"at": "1 P", "for": "1m"}]}},
        {"judge_from": "1s"},
        {"arrivals": "even"},
        {"pacing": "1s", "think": "1s"},
        {"users": 0},
        {"users": 100_001},
        {"pacing": "0s"},
        {"for": None},
    ],
)
def test_a_closed_trial_is_written_in_one_form(more: dict[str, Any]) -> None:
    written = {key: value for key, value in (CLOSED | more).items() if value is not None}
    with pytest.raises(ValidationError):
        LoadTrial.model_validate(written)
    if "pacing" not in more and "users" not in more:
        document = plan_document(plan(CLOSED)) | {"trials": [written]}
        assert list(Draft202012Validator(plan_json_schema()).iter_errors(document))


@pytest.mark.parametrize("key", ["pacing", "think"])
def test_an_open_trial_has_no_rest(key: str) -> None:
    held = {"kind": "load", "at": "1 P", "for": "1m", "objectives": ["errors <= 1%"], key: "1s"}
    with pytest.raises(ValidationError, match="without users"):
        LoadTrial.model_validate(held)


def test_a_closed_stage_plans_its_users_and_how_long_they_go_on_and_no_rate() -> None:
    closed = trial(ramp="10s", warmup="20s", pacing="4s")
    (stage,) = closed.stages(0, plan(CLOSED))
    assert (closed.level, trial(users=1).level, trial(users=20_000).level) == ("200 users", "1 user", "20,000 users")
    assert stage.name == "200 users"
    assert stage.users == Users(200, 10 * SECOND, 4 * SECOND, 0)
    assert (stage.rate, stage.profile.expected) == (0.0, 0.0)
    assert (stage.profile.duration_ns, stage.judged_from_ns) == (330 * SECOND, 30 * SECOND)


def test_a_session_belongs_to_its_user_s_worker() -> None:
    (stage,) = trial(users=5).stages(0, plan(CLOSED))
    numbers = np.arange(20)
    assert stage.worker_of(numbers, 2).tolist() == [0, 1, 0, 1, 0] * 4
    assert [stage.worker_of(int(n), 2) for n in numbers] == stage.worker_of(numbers, 2).tolist()
    held = {"kind": "load", "at": "1 P", "for": "1m", "objectives": ["errors <= 1%"]}
    (open_stage,) = LoadTrial.model_validate(held).stages(0, plan(CLOSED))
    assert open_stage.worker_of(7, 2) == 1


@pytest.mark.parametrize(
    ("users", "peak"),
    [
        (Users(100, 10 * SECOND, 2 * SECOND), 50.0),
        (Users(100, SECOND, 2 * SECOND), 100.0),
        (Users(100, 10 * SECOND, None, 5 * SECOND), 20.0),
        (Users(100, 10 * SECOND, None, think(uniform=["1s", "3s"])), 50.0),
        (Users(100, 0, 2 * SECOND), math.inf),
        (Users(100, 10 * SECOND), math.inf),
    ],
)
def test_what_users_offer_at_most_is_known_only_where_they_ramp_and_rest(users: Users, peak: float) -> None:
    assert users.peak == pytest.approx(peak)


@pytest.mark.parametrize("written", THINKS)
def test_the_mean_rest_is_that_of_the_draws(written: dict[str, Any]) -> None:
    users = Users(50, think=think(**written))
    drawn = draws(users)
    rests = [drawn.rest_ns(user, iteration) for user in range(50) for iteration in range(80)]
    assert np.mean(rests) == pytest.approx(mean_think_ns(users.think), rel=0.05)
    assert max(rests) <= think(**written).longest_ns
    assert min(rests) >= 0
    assert len(set(rests)) > len(rests) // 4


def test_a_fixed_rest_is_no_draw() -> None:
    assert {draws(Users(3, think=MS)).rest_ns(u, i) for u in range(3) for i in range(9)} == {MS}
    assert mean_think_ns(MS) == MS
    assert mean_think_ns(think(lognormal="1s", most="0s")) == 0


def test_users_begin_evenly_over_their_ramp() -> None:
    assert [Users(4, ramp_ns=100).begins_ns(user) for user in range(4)] == [0, 25, 50, 75]
    assert {Users(4).begins_ns(user) for user in range(4)} == {0}


def test_the_next_iteration_begins_when_its_user_is_ready() -> None:
    paced, thinking = Users(1, pacing_ns=100), Users(1, think=30)
    assert paced.next_ns(1000, 1040, 0) == 1100
    assert paced.next_ns(1000, 1100, 0) == 1100
    assert paced.next_ns(1000, 1101, 0) == 1101
    assert thinking.next_ns(1000, 1040, 30) == 1070
    assert thinking.next_ns(1000, 1040, 30, turned_away=True) == 1040 + TURNED_AWAY_NS
    assert Users(1).next_ns(1000, 1040, 0) == 1040


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10_000), st.lists(st.integers(0, 2**32 - 1), max_size=50), st.integers(0, 2**63 - 1))
def test_the_journeys_of_many_sessions_are_those_of_each(count: int, numbers: list[int], seed: int) -> None:
    drawn = draws(Users(count), seed=seed, weights=(1.0, 2.0, 4.0))
    each = [drawn.journey(number % count, number // count) for number in numbers]
    assert drawn.journeys(np.array(numbers, dtype=np.int64)).tolist() == each


def test_draws_depend_on_plan_seed_trial_stage_user_and_iteration_and_on_nothing_else() -> None:
    users = Users(7)
    known = draws(users)
    others = [
        UserDraws("cd" * 32, 1, 0, 0, users, (3.0, 1.0)),
        UserDraws(DIGEST, 2, 0, 0, users, (3.0, 1.0)),
        UserDraws(DIGEST, 1, 1, 0, users, (3.0, 1.0)),
        UserDraws(DIGEST, 1, 0, 1, users, (3.0, 1.0)),
    ]
    assert len({made.seed(3, 5) for made in (known, *others)}) == 5
    assert len({known.seed(user, iteration) for user in range(50) for iteration in range(50)}) == 2500
    assert draws(Users(900)).seed(3, 5) == known.seed(3, 5)
    # Written down once: another processor, another version of Python or numpy draws the same.
    assert known.seed(3, 5) == SEED_OF_USER_3_ITERATION_5


SEED_OF_USER_3_ITERATION_5 = 15522773010328651580


def test_journeys_are_drawn_by_their_weights() -> None:
    numbers = np.arange(20_000)
    share = np.mean(draws(Users(100)).journeys(numbers) == 0)
    assert share == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("weights", [(), (1.0, 0.0)])
def test_journeys_without_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weight"):
        draws(Users(1), weights=weights)
