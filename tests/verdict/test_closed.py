"""A closed trial: what must hold of its users, from both sides; and that nothing can rest on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, POLICY, STARTED_NS, Made, load, plan_of
from tests.verdict.made_closed import closed_plan, make_closed, prompt, users

from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.sample import Outcome
from seatrial.model.verdict import StageResult, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.acceptance import shortfalls
from seatrial.verdict.closed import law_of
from seatrial.verdict.inputs import stage_columns
from seatrial.verdict.judge import judge_trial
from seatrial.verdict.littles_law import balance_of
from seatrial.verdict.stage import summarise_stage

PACED = make_closed(closed_plan(20, ramp="4s", warmup="2s", pacing="500ms"), prompt())
THINKING = make_closed(closed_plan(20, ramp="4s", think={"exponential": "300ms"}), prompt())
BUSY = make_closed(closed_plan(5), prompt())
ALL = [PACED, THINKING, BUSY]
LIMIT_NS = 10 * MS  # the policy's floor: these trials limit no time


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def codes(made: Made) -> set[str]:
    verdict = judged(made)
    return {reason.code for reason in verdict.reasons} if verdict.verdict is Verdict.INVALID else set()


def moved(made: Made, session: int, by_ns: int) -> Made:
    times = [
        pl.when(pl.col("session") == session).then(pl.col(name) + by_ns).otherwise(pl.col(name)).alias(name)
        for name in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
    ]
    return made.but(records=made.records.with_columns(times))


def counted(made: Made, more: int) -> Made:
    return made.but(stages=(replace(made.stages[0], sessions=(made.stages[0].sessions or 0) + more),))


def without(made: Made, rows: pl.Expr) -> Made:
    """Take rows out, and let the workers' count agree."""
    kept = made.records.filter(~rows)
    return counted(made.but(records=kept), kept["session"].n_unique() - (made.stages[0].sessions or 0))


@pytest.mark.parametrize("made", ALL, ids=["paced", "thinking", "busy"])
def test_an_honest_closed_trial_is_valid_and_says_in_both_languages_that_its_users_wait(made: Made) -> None:
    verdict = judged(made)
    assert verdict.verdict is Verdict.PASS
    said = next(reason for reason in verdict.reasons if reason.code == "load.closed")
    assert "wait for the service" in said.text
    assert verdict.stages[0].users == int(said.params["users"])


def test_an_open_trial_has_no_users_and_its_document_no_such_figure() -> None:
    document = judged(PACED).model_dump(mode="json")
    assert document["stages"][0]["users"] == 20
    assert "retries" not in document
    plain = StageResult.model_validate(
        document["stages"][0] | {"users": None}  # reads what was written
    ).model_dump(mode="json")
    assert "users" not in plain
    assert StageResult.model_validate(plain).users is None


@pytest.mark.parametrize("workers", [3, 7])
def test_littles_law_of_each_worker_s_own_users_holds(workers: int) -> None:
    made = make_closed(PACED.plan, prompt(), workers=workers)
    assert codes(made) == set()
    stage = made.plan.trials[0].stages(0, made.plan)[0]
    found = balance_of(made.plan, stage, made.stages[0], stage_columns(made.records, 0), made.health, workers)
    assert found is not None
    # Worker by worker the two accounts are the same, so that nothing but the clock and what does not matter is left.
    clock = found.arrivals_per_s * MS / SECOND
    assert found.tolerance == pytest.approx(clock + 0.05 * found.law + 0.5)
    assert codes(made.but(health=made.health.with_columns(pl.col("sessions") + 9))) == {"validity.littles_law"}


def test_users_are_what_iterations_and_rests_add_up_to() -> None:
    for made, users_, rest_s in ((PACED, 20, 0.4), (THINKING, 20, 0.3), (BUSY, 5, 0.0)):
        stage = made.plan.trials[0].stages(0, made.plan)[0]
        law = law_of(made.plan, DIGEST, stage, made.stages[0], stage_columns(made.records, 0))
        assert law is not None
        assert law.holds
        assert law.accounted == pytest.approx(users_, rel=0.02)
        assert law.iterations_per_s * (law.mean_s + law.rest_s) == pytest.approx(law.accounted)
        assert law.mean_s == pytest.approx(0.1, rel=0.1)
        assert law.rest_s == pytest.approx(rest_s, abs=0.02)


def test_records_that_leave_users_idle_break_the_law_for_closed_systems() -> None:
    """Everything after the tenth second happens at half the pace: no rule on a single pair may hide that."""
    stretch = STARTED_NS + 10 * SECOND
    late = [(stretch + (pl.col(n) - stretch) * 2).alias(n) for n in ("intended_ns",)]
    shift = pl.col("intended_ns") * 2 - stretch - pl.col("intended_ns")
    times = [(pl.col(n) + shift).alias(n) for n in ("sent_ns", "first_byte_ns", "done_ns")]
    slow = PACED.records.filter(pl.col("intended_ns") >= stretch).with_columns(*times, *late)
    end_ns = PACED.stages[0].load_end_ns or 0
    kept = pl.concat(
        [PACED.records.filter(pl.col("intended_ns") < stretch), slow.filter(pl.col("intended_ns") < end_ns)]
    )
    assert "validity.users_law" in codes(PACED.but(records=kept))


def test_the_warm_up_is_cut_by_the_time_at_which_an_iteration_began() -> None:
    first = PACED.records.group_by("session").agg(pl.col("intended_ns").min())
    kept = first.filter(pl.col("intended_ns") >= STARTED_NS + 6 * SECOND)["session"]
    result = judged(PACED).stages[0]
    assert result.intended == PACED.records.filter(pl.col("session").is_in(kept.implode())).height
    assert result.duration_ns == 40 * SECOND
    assert result.rate == pytest.approx(len(kept) / 40)
    assert result.offered_per_s == pytest.approx(result.intended / 40)


@pytest.mark.parametrize("shift_ns", [0, 7 * SECOND])
def test_the_runner_and_the_judge_say_the_same_of_a_closed_stage(shift_ns: int) -> None:
    stage = PACED.plan.trials[0].stages(0, PACED.plan)[0]
    times = [pl.col(n) + shift_ns for n in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")]
    shown = summarise_stage(PACED.plan, DIGEST, POLICY, 0, stage, PACED.records.with_columns(times))
    assert shown == judged(PACED).stages[0]


def test_an_iteration_that_is_missing_is_found_although_the_workers_count_agrees() -> None:
    assert "validity.iterations_missing" in codes(without(PACED, pl.col("session") == 205))


def test_a_user_that_is_missing_altogether_is_found() -> None:
    assert "validity.iterations_missing" in codes(without(PACED, pl.col("session") % 20 == 7))


def test_the_last_iterations_of_a_user_can_t_be_left_out() -> None:
    late = pl.col("intended_ns") > STARTED_NS + 30 * SECOND
    assert codes(without(PACED, (pl.col("session") % 20 == 7) & late)) == {"validity.users_stopped"}
    everybody = codes(without(PACED, late))
    assert {"validity.users_stopped", "validity.users_law"} <= everybody


@pytest.mark.parametrize("more", [-1, 1])
def test_workers_that_counted_otherwise_are_invalid(more: int) -> None:
    assert codes(counted(PACED, more)) == {"validity.iterations_miscounted"}


def test_a_journey_or_a_step_that_was_not_drawn_is_invalid() -> None:
    journeys = {"a": {"steps": [{"get": "/a"}]}, "b": {"steps": [{"get": "/b"}]}}
    made = make_closed(plan_of(users(5, think="50ms"), journeys=journeys), prompt())
    assert codes(made) == set()
    other = (1 - pl.col("journey")).cast(pl.Int16).alias("journey")
    swapped = made.records.with_columns(pl.when(pl.col("session") == 12).then(other).otherwise(pl.col("journey")))
    assert "validity.wrong_journey" in codes(made.but(records=swapped))


@pytest.mark.parametrize("made", [PACED, THINKING], ids=["paced", "thinking"])
@pytest.mark.parametrize(("by_ms", "invalid"), [(9, False), (11, True), (-9, False), (-11, True)])
def test_an_iteration_that_begins_early_or_late_is_invalid_beyond_the_limit_for_send_lag(
    made: Made, by_ms: int, invalid: bool
) -> None:
    # Iteration 30 of user 3, and with it all that follow would move; here they do not, so both neighbours feel it.
    found = codes(moved(made, 30 * 20 + 3, by_ms * MS))
    assert ("validity.users_pace" in found) is invalid
    assert found <= {"validity.users_pace"}


@pytest.mark.parametrize(("by_ms", "invalid"), [(9, False), (11, True)])
def test_users_begin_as_their_ramp_says(by_ms: int, invalid: bool) -> None:
    made = make_closed(closed_plan(20, ramp="4s", pacing="500ms"), prompt())
    times = ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
    mine = pl.col("session") % 20 == 13
    later = [pl.when(mine).then(pl.col(name) + by_ms * MS).otherwise(pl.col(name)).alias(name) for name in times]
    assert ("validity.users_pace" in codes(made.but(records=made.records.with_columns(later)))) is invalid


def test_a_user_is_never_in_two_places() -> None:
    assert "validity.iterations_overlap" in codes(moved(BUSY, 50 * 5 + 2, -20 * MS))


def test_no_iteration_begins_after_the_end() -> None:
    last = int(PACED.records.filter(pl.col("session") % 20 == 0)["session"].max() or 0)  # type: ignore[arg-type]
    rows = PACED.records.filter(pl.col("session") == last)
    begin = int(rows["intended_ns"].min() or 0)  # type: ignore[arg-type]
    times = [(pl.col(n) + 510 * MS).alias(n) for n in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")]
    one_more = rows.with_columns(*times, pl.col("session") + 20)
    assert begin + 510 * MS == (PACED.stages[0].load_end_ns or 0) + LIMIT_NS
    late = counted(PACED.but(records=pl.concat([PACED.records, one_more])), 1)
    assert codes(late) == {"validity.iterations_late"}


def test_pauses_around_the_requests_belong_to_the_iteration() -> None:
    steps = [{"pause": "100ms"}, {"get": "/", "name": "a"}, {"pause": "200ms"}]
    for rest in ({"pacing": "500ms"}, {"think": "200ms"}, {}):
        plan = plan_of(users(10, ramp="2s", **rest), journeys={"visit": {"steps": steps}})
        made = make_closed(plan, prompt())
        # The health rows of these records know nothing of the pauses: only the rules on users are asked.
        assert codes(made) <= {"validity.littles_law"}
        failing = make_closed(plan, lambda rng: (5e6, Outcome.TIMEOUT if rng.random() < 0.04 else Outcome.OK))
        assert codes(failing) <= {"validity.littles_law"}


def test_the_warm_up_counts_from_the_stage_s_start_and_not_from_the_first_record() -> None:
    steps = [{"pause": "700ms"}, {"get": "/", "name": "a"}]
    plan = plan_of(users(10, warmup="5s", think="90ms"), journeys={"visit": {"steps": steps}})
    made = make_closed(plan, prompt())
    after = made.records.filter(pl.col("intended_ns") >= STARTED_NS + 5 * SECOND)
    assert after.height < made.records.filter(pl.col("intended_ns") >= STARTED_NS + 4500 * MS).height
    assert judged(made).stages[0].intended == after.height


def test_a_user_who_was_turned_away_comes_back_after_a_second_and_not_before() -> None:
    def seldom(rng: np.random.Generator) -> tuple[float, Outcome]:
        return (0.0, Outcome.UNSENT) if rng.random() < 0.002 else (50.0 * MS, Outcome.OK)

    made = make_closed(closed_plan(5, steps=("book",)), seldom)
    away = made.records.filter(pl.col("outcome") == int(Outcome.UNSENT))
    assert away.height >= 2
    assert codes(made) == set()
    # The user comes back at once, and all that follows is sooner by as much.
    session = int(away["session"][0])
    after = (pl.col("session") % 5 == session % 5) & (pl.col("session") > session)
    times = ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
    sooner = [pl.when(after).then(pl.col(name) - SECOND).otherwise(pl.col(name)).alias(name) for name in times]
    assert "validity.users_pace" in codes(made.but(records=made.records.with_columns(sooner)))


def test_of_a_journey_that_may_pause_unseen_only_the_order_is_known() -> None:
    python = {"visit": {"python": "a.py:b", "step_names": ["look", "book"]}}
    made = PACED.but(plan=plan_of(*_trials(PACED.plan), journeys=python))
    assert codes(made) == set()
    assert codes(moved(made, 30 * 20 + 3, 50 * MS)) == set()
    assert codes(moved(made, 30 * 20 + 3, 600 * MS)) == {"validity.iterations_overlap"}
    assert "validity.iterations_missing" in codes(without(made, pl.col("session") == 205))


def test_a_session_whose_every_step_has_a_condition_may_leave_no_record() -> None:
    steps = [{"get": f"/{name}", "name": name, "when": "x"} for name in ("look", "book")]
    made = PACED.but(plan=plan_of(*_trials(PACED.plan), journeys={"visit": {"steps": steps}}))
    silent = made.but(records=made.records.filter(pl.col("session") != 205))
    assert codes(silent) == set()
    assert codes(counted(silent, -2)) == {"validity.iterations_miscounted"}


def _trials(plan: Plan) -> list[dict[str, Any]]:
    return [trial.model_dump(mode="json", by_alias=True, exclude_none=True) for trial in plan.trials]


def test_no_records_at_all_are_invalid() -> None:
    found = codes(counted(PACED.but(records=PACED.records.clear()), 0))
    assert {"validity.no_records", "validity.iterations_missing"} <= found


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 3))
def test_a_truncated_closed_trial_is_never_a_pass(share: float, seed: int) -> None:
    kept = BUSY.records.sample(n=min(int(share * len(BUSY.records)), len(BUSY.records) - 1), seed=seed)
    assert judged(BUSY.but(records=kept)).verdict is Verdict.INVALID


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(1, 12),
    ramp=st.sampled_from(["0s", "1s", "3s"]),
    rest=st.sampled_from([{}, {"pacing": "300ms"}, {"think": "40ms"}, {"think": {"lognormal": "60ms"}}]),
    mean_ms=st.floats(20, 300),
    workers=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_an_honest_closed_trial_is_never_invalid(
    count: int, ramp: str, rest: dict[str, Any], mean_ms: float, workers: int, seed: int
) -> None:
    plan = plan_of(users(count, "errors <= 50%", hold="12s", ramp=ramp, **rest), steps=("look", "book"))
    policy = POLICY.model_copy(update={"validity": POLICY.validity.model_copy(update={"min_samples": 1})})
    made = make_closed(plan, prompt(mean_ms * MS), seed=seed, workers=workers)
    assert codes(replace(made, policy=policy)) == set()


def test_a_hostile_session_number_is_invalid_and_costs_nothing() -> None:
    far = PACED.records[0].with_columns(pl.lit(2**32 - 1).alias("session"))
    found = codes(PACED.but(records=pl.concat([PACED.records, far])))
    assert {"validity.iterations_missing", "validity.iterations_miscounted"} <= found


def policy_requiring(at_least: str) -> Policy:
    required = {"kind": "load", "at_least": at_least, "hold": "1s", "objectives": ["errors <= 5%"]}
    return POLICY.model_validate(POLICY.as_document() | {"acceptance": {"mandatory": [required]}})


def test_users_never_satisfy_a_policy_and_never_spoil_a_trial_that_does() -> None:
    lacking = shortfalls(PACED.plan, policy_requiring("1 P"))
    assert lacking == ("no load trial whose load does not wait for the service, which the policy requires",)
    both = plan_of(load("errors <= 5%"), users(20))
    assert shortfalls(both, policy_requiring("1 P")) == ()
    (lack,) = shortfalls(both, policy_requiring("2 P"))
    assert "reaches 1 P" in lack


def test_the_schedule_of_a_journey_s_draws_is_that_of_its_weights() -> None:
    journeys = {"a": {"weight": 3, "steps": [{"get": "/a"}]}, "b": {"steps": [{"get": "/b"}]}}
    made = make_closed(plan_of(users(10, think="20ms"), journeys=journeys), prompt(20 * MS))
    share = float(np.mean(made.records["journey"].to_numpy() == 0))
    assert share == pytest.approx(0.75, abs=0.02)
