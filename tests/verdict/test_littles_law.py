"""N = X · R: health rows and records are two accounts of one thing, and a generator may not contradict itself."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import (
    DIGEST,
    POLICY,
    Answers,
    Law,
    Made,
    constant,
    exponential,
    failing,
    frozen,
    health,
    load,
    make,
    plan_of,
    queue,
)

from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import stage_columns
from seatrial.verdict.judge import judge_trial
from seatrial.verdict.littles_law import FEWEST_ROWS, FEWEST_SESSIONS, Balance, balance_of

CODE = "validity.littles_law"
PLAN = plan_of(load("errors <= 5%"), steps=("sign in", "book"))


def balance(made: Made) -> Balance | None:
    stage = made.plan.trials[0].stages(0, made.plan)[0]
    return balance_of(made.plan, stage, made.stages[0], stage_columns(made.records, 0), made.health, made.workers)


def known(made: Made) -> Balance:
    found = balance(made)
    assert found is not None
    return found


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, POLICY, made.data)


def sessions(made: Made, told: pl.Expr) -> Made:
    return made.but(health=made.health.with_columns(told.cast(pl.Int32).alias("sessions")))


def test_the_law_is_arrival_rate_times_time_in_session() -> None:
    made = make(PLAN, constant(250 * MS))
    found = known(made)
    # Two steps of 250 ms and the send lag of the second: 40/s x 0.5002 s, less what lies beyond the window's end.
    assert found.arrivals_per_s == pytest.approx(40, rel=0.01)
    assert found.law == pytest.approx(found.arrivals_per_s * found.mean_ns / SECOND)
    assert found.law == pytest.approx(40 * 0.5002, rel=0.01)
    assert found.sampled == found.recorded
    assert found.holds
    assert judged(made).verdict is Verdict.PASS


@pytest.mark.parametrize("law", [exponential(2 * SECOND), queue(23 * MS), frozen(5 * MS, 20 * SECOND, 9 * SECOND)])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_honest_generator_keeps_the_law_whatever_the_service_does(law: Law, workers: int) -> None:
    assert CODE not in {reason.code for reason in judged(make(PLAN, law, workers=workers)).reasons}


def test_health_rows_that_lost_half_of_the_sessions_are_invalid_with_both_figures() -> None:
    made = make(PLAN, constant(500 * MS), workers=2)
    verdict = judged(sessions(made, pl.col("sessions") // 2))
    assert verdict.verdict is Verdict.INVALID
    (reason,) = verdict.reasons
    assert reason.code == CODE
    assert float(reason.params["measured"]) == pytest.approx(20, rel=0.1)
    assert float(reason.params["recorded"]) == pytest.approx(40, rel=0.1)
    assert float(reason.params["expected"]) == pytest.approx(40, rel=0.02)
    assert reason.params["measured"] in reason.text
    assert reason.params["expected"] in reason.text


def test_records_whose_times_are_shortened_contradict_the_health_rows() -> None:
    made = make(PLAN, constant(500 * MS))
    sooner = (pl.col("sent_ns") + (pl.col("done_ns") - pl.col("sent_ns")) // 4).alias("done_ns")
    flattered = made.but(records=made.records.with_columns(sooner))
    assert {reason.code for reason in judged(flattered).reasons} == {CODE}


def test_rows_that_fall_on_the_same_phase_of_even_arrivals_are_no_contradiction() -> None:
    # One arrival every 100 ms and sessions of 50 ms: on average half a session, but rows on whole seconds always see
    # none or always see one. Their spread is nothing, and an error estimated from it would be nothing too.
    plan = plan_of(load("errors <= 5%"), peak="10/s", arrivals="even")
    made = make(plan, constant(50 * MS))
    for phase_ns, seen in ((20 * MS, 0.0), (70 * MS, 1.0)):  # arrivals stand at 50 ms, 150 ms, ...
        rows = made.health.with_columns((pl.col("at_ns") + phase_ns).alias("at_ns"))
        truth = made.but(health=rows.with_columns(pl.lit(int(seen)).cast(pl.Int32).alias("sessions")))
        found = known(truth)
        assert (found.sampled, found.recorded) == (seen, seen)
        assert found.law == pytest.approx(0.5, rel=0.02)
        assert found.holds


def test_pauses_before_and_after_the_requests_count_as_time_in_session() -> None:
    plan = plan_of(load("errors <= 5%"))
    steps = [{"pause": "1s"}, {"get": "/", "name": "book"}, {"pause": "2s"}]
    document = plan.model_dump(mode="json", by_alias=True, exclude_none=True)
    paused = Plan.model_validate(document | {"journeys": {"visit": {"steps": steps}}})
    made = make(plan, constant(500 * MS)).but(plan=paused)
    # Long enough pauses reach beyond both ends of the window: the second before it, and the two after it.
    assert known(made).law == pytest.approx(40 * 3.5, rel=0.05)
    assert not known(made).holds  # the rows of this test know nothing of the pauses
    failed = make(plan, failing(constant(500 * MS), 1.0, Outcome.TIMEOUT)).but(plan=paused)
    assert known(failed).law == pytest.approx(40 * 1.5, rel=0.05)  # whoever fails does not pause afterwards


def test_sessions_beyond_the_cap_were_never_in_progress() -> None:
    made = make(PLAN, failing(constant(500 * MS), 0.3, Outcome.UNSENT))
    assert known(made).arrivals_per_s == pytest.approx(40 * 0.7, rel=0.1)
    assert known(made).holds


def test_the_tolerance_is_a_turn_of_the_loop_a_twentieth_of_the_sessions_and_half_a_session() -> None:
    made = make(PLAN, constant(250 * MS))
    for stall_ns in (0, 40 * MS):
        turned = made.but(health=made.health.with_columns(pl.lit(stall_ns).cast(pl.Int64).alias("stall_ns")))
        found = known(turned)
        turn = found.arrivals_per_s * stall_ns / SECOND
        assert found.tolerance == pytest.approx(turn + 0.05 * found.law + 0.5)


@pytest.mark.parametrize(("seconds", "rate", "said"), [(19, 40, False), (21, 40, True), (60, 3, False), (60, 4, True)])
def test_nothing_is_said_of_a_short_or_sparse_trial(seconds: int, rate: int, said: bool) -> None:
    plan = plan_of(load("errors <= 5%", hold=f"{seconds}s"), peak=f"{rate}/s")
    lie = sessions(make(plan, constant(MS)), pl.lit(1000))
    assert (balance(lie) is not None) is said
    assert (FEWEST_ROWS, FEWEST_SESSIONS) == (20, 200)


def test_nothing_is_said_when_a_worker_has_no_rows_or_a_journey_does_not_show_itself() -> None:
    made = make(PLAN, constant(MS))
    assert balance(made.but(workers=2)) is None
    assert balance(made.but(workers=0)) is None
    scripted = plan_of(load("errors <= 5%"), journeys={"visit": {"python": "a.py:b", "step_names": ["x"]}})
    assert balance(made.but(plan=scripted)) is None
    unsure = {"visit": {"steps": [{"get": "/", "when": "x"}, {"get": "/b", "when": "x"}]}}
    assert balance(made.but(plan=plan_of(load("errors <= 5%"), journeys=unsure))) is None


@settings(max_examples=25, deadline=None)
@given(
    mean_ms=st.floats(1, 3000),
    rate=st.integers(10, 60),
    workers=st.integers(1, 4),
    phase_ns=st.integers(0, SECOND - 1),
    clock_ns=st.integers(-2 * MS, 2 * MS),
    seed=st.integers(0, 2**32),
)
def test_rows_read_anywhere_in_the_second_by_clocks_a_turn_apart_never_raise_a_false_alarm(
    mean_ms: float, rate: int, workers: int, phase_ns: int, clock_ns: int, seed: int
) -> None:
    plan = plan_of(load("errors <= 5%", hold="25s"), peak=f"{rate}/s")

    def law(at: np.ndarray, stage: object, rng: np.random.Generator) -> Answers:
        return Answers(rng.exponential(mean_ms * MS, len(at)))

    made = make(plan, law, seed=seed, workers=workers)
    started = made.stages[0].started_ns
    moved = (made.but(stages=(type(made.stages[0])(0, started + phase_ns, None, started + 26 * SECOND, None),))).stages
    rows = health(moved, workers, stall_ns=3 * MS, of=made.records)
    told = rows.with_columns((pl.col("at_ns") + clock_ns).alias("at_ns"))
    found = balance(made.but(health=told))
    assert found is not None
    assert found.holds
