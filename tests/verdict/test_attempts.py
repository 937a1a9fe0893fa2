"""Attempts that impatient people gave up: they fit their steps, they are counted, and no limit sees them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from tests.verdict.made import DIGEST, LAG_NS, Made, constant, health, load, make, plan_of, stage_log, stress
from tests.verdict.made_closed import make_closed, users

from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Retries, StageResult, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import stage_rows
from seatrial.verdict.judge import judge_trial

RETRY = {"after": "100ms", "most": 2}
STEPS = [{"get": "/look", "name": "look"}, {"get": "/book", "name": "book", "retry": RETRY}]
PLAN = plan_of(load("p95 response time <= 2s", "errors <= 5%", warmup="5s"), journeys={"visit": {"steps": STEPS}})
PLAIN = make(PLAN, constant(400 * MS))


def retried(made: Made, every: int, times: int = 2, step: int = 1, each_ns: int = 100 * MS) -> pl.DataFrame:
    """Return attempts beside each ``every``-th session's step: one after the other from the step's own beginning."""
    steps = made.records.filter((pl.col("step") == step) & (pl.col("session") % every == 0))
    return pl.concat([attempt(steps, number * each_ns, each_ns) for number in range(times)])


def attempt(steps: pl.DataFrame, from_ns: int, long_ns: int) -> pl.DataFrame:
    begin = (pl.col("intended_ns") + from_ns).alias("intended_ns")
    return steps.with_columns(
        begin,
        pl.max_horizontal(begin, pl.col("sent_ns")).alias("sent_ns"),
        pl.lit(None, pl.Int64).alias("first_byte_ns"),
        (begin + long_ns).alias("done_ns"),
        pl.lit(int(Outcome.RETRIED), pl.Int8).alias("outcome"),
        pl.lit(0, pl.Int16).alias("status"),
    )


def added(made: Made, *rows: pl.DataFrame) -> Made:
    return made.but(records=pl.concat([made.records, *rows]))


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def codes(made: Made) -> set[str]:
    verdict = judged(made)
    return {reason.code for reason in verdict.reasons} if verdict.verdict is Verdict.INVALID else set()


def known(result: StageResult | TrialVerdict) -> Retries:
    assert result.retries is not None
    return result.retries


def test_limits_see_one_record_for_each_step_however_often_it_was_tried() -> None:
    before, after = judged(PLAIN), judged(added(PLAIN, retried(PLAIN, 3)))
    assert after.verdict is Verdict.PASS
    assert after.objectives == before.objectives
    same = after.stages[0].model_copy(update={"retries": known(before.stages[0])})
    assert same == before.stages[0]
    assert "retried" not in after.stages[0].outcomes


def test_retries_are_counted_over_the_judged_time_with_what_the_service_met() -> None:
    result = judged(added(PLAIN, retried(PLAIN, 3))).stages[0]
    found = known(result)
    # Every third session tries its second step three times.
    assert found.count == pytest.approx(2 * (result.intended / 2) / 3, abs=4)
    assert found.per_step == found.count / result.intended
    assert found.requests_per_s == pytest.approx((result.sent + found.count) / 60)
    assert found.amplification == pytest.approx((result.sent + found.count) / result.sent)
    assert found.amplification == pytest.approx(4 / 3, abs=0.01)


def test_a_plan_that_retries_nothing_has_no_figure_of_retries_and_one_whose_people_wait_has_nought() -> None:
    shown = judged(PLAIN).stages[0]
    assert known(shown) == Retries(count=0, per_step=0.0, requests_per_s=shown.achieved_per_s, amplification=1.0)
    patient = judged(make(plan_of(load("errors <= 5%")), constant(MS)))
    assert patient.retries is None
    document = patient.model_dump(mode="json")
    assert "retries" not in document
    assert "retries" not in document["stages"][0]


@pytest.mark.parametrize(("every", "said"), [(9, True), (11, False)])
def test_from_one_retry_in_ten_steps_on_the_verdict_says_so_and_stays_what_it_is(every: int, said: bool) -> None:
    # Two attempts in each ``every``-th session of two steps: 1/9 or 1/11 of the steps.
    verdict = judged(added(PLAIN, retried(PLAIN, every)))
    assert verdict.verdict is Verdict.PASS
    reasons = [reason for reason in verdict.reasons if reason.code == "service.retried"]
    assert bool(reasons) is said
    for reason in reasons:
        assert reason.params["count"] == f"{known(verdict).count:,}"
        assert "1.11 ×" in reason.text


def test_of_a_stress_trial_the_worst_level_is_named_and_all_levels_are_added_up() -> None:
    plan = plan_of(stress("errors <= 5%", to="1.5 P"), journeys={"visit": {"steps": STEPS}})
    made = make(plan, constant(400 * MS))
    second = made.records.filter(pl.col("session") >= 2**32)
    verdict = judged(added(made, retried(made.but(records=second), 3)))
    (said,) = (reason for reason in verdict.reasons if reason.code == "service.retried")
    assert said.params["level"] == "1.5 P"
    assert [known(stage).count > 0 for stage in verdict.stages] == [False, True]
    assert known(verdict).count == known(verdict.stages[1]).count
    assert known(verdict).per_step == pytest.approx(known(verdict).count / sum(s.intended for s in verdict.stages))


def test_attempts_of_closed_trials_are_told_by_their_user_s_session_too() -> None:
    plan = plan_of(users(10, pacing="500ms", warmup="5s"), journeys={"visit": {"steps": STEPS}})
    made = make_closed(plan, lambda rng: (400.0 * MS, Outcome.OK))
    shown = added(made, retried(made, 3))
    result = judged(shown)
    assert result.verdict is Verdict.PASS
    warm = made.records.filter(pl.col("step") == 0, pl.col("intended_ns") >= made.stages[0].started_ns + 5 * SECOND)
    assert known(result).count == 2 * warm.filter(pl.col("session") % 3 == 0).height
    stray = retried(made, 3).with_columns(pl.col("session") + 10**6)
    assert codes(added(made, stray)) == {"validity.attempts"}


SPOILT: list[tuple[str, Any]] = [
    ("of a step that is not retried", lambda: retried(PLAIN, 50, step=0)),
    ("of another session", lambda: retried(PLAIN, 50).with_columns(pl.lit(10**6, pl.Int64).alias("session"))),
    (
        "of a step that the plan does not have",
        lambda: retried(PLAIN, 50).with_columns(pl.lit(7, pl.Int16).alias("step")),
    ),
    ("of another journey", lambda: retried(PLAIN, 50).with_columns(pl.lit(1, pl.Int16).alias("journey"))),
    ("more than permitted", lambda: retried(PLAIN, 50, times=3)),
    ("longer than the step", lambda: retried(PLAIN, 50, times=1, each_ns=401 * MS)),
    ("twice", lambda: pl.concat([retried(PLAIN, 50, times=1)] * 2)),
    ("both at once", lambda: pl.concat([retried(PLAIN, 50, times=1), attempt(second_steps(), 50 * MS, 100 * MS)])),
    ("none at the step's beginning", lambda: attempt(second_steps(), 50 * MS, 100 * MS)),
    ("before the step", lambda: attempt(second_steps(), -50 * MS, 100 * MS)),
]


def second_steps() -> pl.DataFrame:
    return PLAIN.records.filter((pl.col("step") == 1) & (pl.col("session") % 50 == 0))


@pytest.mark.parametrize("rows", [rows for _, rows in SPOILT], ids=[name for name, _ in SPOILT])
def test_attempts_that_do_not_fit_their_step_are_invalid(rows: Any) -> None:
    assert codes(added(PLAIN, rows())) == {"validity.attempts"}


FITTING: list[tuple[str, Any]] = [
    ("one", lambda: retried(PLAIN, 50, times=1)),
    ("as many as permitted", lambda: retried(PLAIN, 50, times=2)),
    ("to the step's very end", lambda: retried(PLAIN, 50, times=1, each_ns=400 * MS)),
    ("with a rest between", lambda: pl.concat([retried(PLAIN, 50, times=1), attempt(second_steps(), 150 * MS, MS)])),
    ("of no time at all", lambda: retried(PLAIN, 50, times=2, each_ns=LAG_NS)),
]


@pytest.mark.parametrize("rows", [rows for _, rows in FITTING], ids=[name for name, _ in FITTING])
def test_attempts_that_fit_are_valid(rows: Any) -> None:
    assert codes(added(PLAIN, rows())) == set()


def test_the_step_of_an_attempt_may_not_be_taken_out() -> None:
    rows = retried(PLAIN, 50)
    some = pl.col("session").is_in(rows["session"].unique().implode()) & (pl.col("step") == 1)
    assert {"validity.attempts", "validity.steps_missing"} <= codes(
        PLAIN.but(records=pl.concat([PLAIN.records.filter(~some), rows]))
    )


def test_an_attempt_that_was_never_sent_is_no_attempt() -> None:
    rows = retried(PLAIN, 50).with_columns(pl.lit(None, pl.Int64).alias("sent_ns"))
    assert codes(added(PLAIN, rows)) >= {"validity.records_unreadable"}


def test_attempts_in_a_loop_belong_to_the_round_in_which_they_were_made() -> None:
    rounds = [{"repeat": 3, "steps": [STEPS[1]]}]
    plan = plan_of(load("errors <= 5%"), journeys={"visit": {"steps": rounds}})
    made = looped(plan, 3)
    assert codes(made) == set()
    steps = made.records.filter(pl.col("session") % 50 == 0)
    two_each = pl.concat([attempt(steps, number * 100 * MS, 100 * MS) for number in range(2)])
    assert codes(added(made, two_each)) == set()
    assert codes(added(made, two_each, attempt(steps[:1], 200 * MS, 50 * MS))) == {"validity.attempts"}


def looped(plan: Plan, rounds: int) -> Made:
    """Return a trial of a journey of one step that each session takes ``rounds`` times, one after the other."""
    once = make(plan, constant(400 * MS))
    moved = [
        once.records.with_columns(
            (pl.col(name) + number * 401 * MS).alias(name)
            for name in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
        )
        for number in range(rounds)
    ]
    frame = pl.concat(moved).sort(["session", "intended_ns"])
    log = stage_log(plan, plan.trials[0].stages(0, plan)[0], frame)
    return once.but(records=frame, stages=(log,), health=health((log,), of=frame))


def test_an_attempt_is_of_the_journey_that_its_session_took() -> None:
    both = plan_of(load("errors <= 5%"), journeys={"visit": {"steps": STEPS}, "other": {"steps": STEPS}})
    made = make(both, constant(400 * MS))
    rows = retried(made, 50)
    assert codes(added(made, rows)) == set()
    assert codes(added(made, rows.with_columns((1 - pl.col("journey")).alias("journey")))) == {"validity.attempts"}


def test_reading_a_stage_tells_steps_and_attempts_apart() -> None:
    rows = retried(PLAIN, 3)
    columns, attempts = stage_rows(added(PLAIN, rows).records, 0)
    assert (len(columns), len(attempts)) == (PLAIN.records.height, rows.height)
