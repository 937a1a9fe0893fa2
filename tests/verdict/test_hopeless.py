"""A trial may be ended early once a limit is hopeless: the verdict shows it again, or calls the trial INVALID."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import (
    DIGEST,
    POLICY,
    STARTED_NS,
    Answers,
    Int64,
    Law,
    Made,
    constant,
    exponential,
    failing,
    load,
    make,
    plan_of,
    records,
    stress,
)

from seatrial.model.journal import Cut
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.hopeless import most_records, prospects
from seatrial.verdict.inputs import stage_columns, timetable
from seatrial.verdict.judge import judge_trial
from seatrial.verdict.stage import summarise_stage
from seatrial.verdict.stress import StressSearch

FAST = constant(5 * MS)
GRACE_NS = 3 * SECOND


def early(made: Made, seen_s: float, lead_s: float = 0.2) -> Made:
    """Return evidence of a run that was ended early: what had not ended a grace after the cut is given up."""
    last = made.stages[-1]
    cut = Cut(last.started_ns + round(seen_s * SECOND), last.started_ns + round((seen_s + lead_s) * SECOND))
    stage = made.plan.trials[made.trial].stages(made.trial, made.plan)[last.index]
    due = int(np.searchsorted(timetable(made.plan, DIGEST, stage).at_ns, cut.at_ns - last.started_ns, side="left"))
    end_ns = cut.at_ns + GRACE_NS
    here = pl.col("session") // SESSION_STRIDE == last.index
    kept = made.records.filter(~here | (pl.col("session") % SESSION_STRIDE < due))
    over = here & (pl.col("done_ns") > end_ns)
    untried = over & (pl.col("intended_ns") > end_ns)
    kept = kept.with_columns(
        pl.when(untried).then(int(Outcome.ABORTED)).when(over).then(int(Outcome.IN_FLIGHT)).otherwise(pl.col("outcome"))
        .cast(pl.Int8).alias("outcome"),
        pl.when(over).then(0).otherwise(pl.col("status")).cast(pl.Int16).alias("status"),
        pl.when(untried).then(None).otherwise(pl.col("sent_ns")).alias("sent_ns"),
        pl.when(untried).then(end_ns).otherwise(pl.col("intended_ns")).alias("intended_ns"),
        pl.when(over).then(end_ns).otherwise(pl.col("done_ns")).alias("done_ns"),
    )  # fmt: skip
    log = replace(last, load_end_ns=cut.at_ns, drained_ns=end_ns, sessions=due, cut=cut)
    health = made.health.filter(pl.col("at_ns") <= end_ns + SECOND)
    return made.but(stages=(*made.stages[:-1], log), records=kept, health=health)


def verdict_of(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def codes(verdict: TrialVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def hopeless_plan(*objectives: str, hopeless: bool = True, **more: Any) -> Plan:
    return plan_of(load(*objectives, **more), stop={"hopeless": hopeless})


BROKEN = failing(FAST, 1.0, Outcome.HTTP_ERROR, 500)


def test_a_trial_that_was_ended_because_a_limit_was_hopeless_fails():
    made = early(make(hopeless_plan("errors <= 1%", "p95 response time <= 2s"), BROKEN), 30)
    verdict = verdict_of(made)
    assert verdict.verdict is Verdict.FAIL
    errors, p95 = verdict.objectives
    assert (errors.verdict, errors.best_case) == (Verdict.FAIL, True)
    assert errors.samples == len(timetable(made.plan, DIGEST, made.plan.trials[0].stages(0, made.plan)[0]))
    assert errors.value.estimate == pytest.approx(0.5, abs=0.06)  # half of the stage was seen, and all of it failed
    assert (p95.verdict, p95.undecided) == (Verdict.INCONCLUSIVE, "cut")  # never PASS of a part
    assert {"objective.hopeless", "objective.cut", "service.cut"} <= set(codes(verdict))
    cut = next(reason for reason in verdict.reasons if reason.code == "service.cut")
    assert "after 30.2 s of 1 min" in cut.text


def test_a_tester_who_ends_a_trial_that_could_still_pass_gets_invalid():
    verdict = verdict_of(early(make(hopeless_plan("errors <= 1%"), FAST), 30))
    assert verdict.verdict is Verdict.INVALID
    assert "validity.not_hopeless" in codes(verdict)
    assert verdict.objectives[0].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda made: made.but(plan=hopeless_plan("errors <= 1%", hopeless=False)), "validity.not_hopeless"),
        (lambda made: made.but(records=made.records.slice(0, made.records.height - 40)), "validity.sessions_missing"),
        (lambda made: made.but(stages=(replace(made.stages[0], sessions=5),)), "validity.sessions_miscounted"),
    ],
)
def test_the_cut_is_only_believed_with_the_plan_s_leave_and_every_session_before_it(change, code):
    verdict = verdict_of(change(early(make(hopeless_plan("errors <= 1%"), BROKEN), 30)))
    assert verdict.verdict is Verdict.INVALID
    assert code in codes(verdict)


def test_a_cut_that_lies_outside_of_what_is_judged_is_no_excuse_for_missing_sessions():
    made = early(make(hopeless_plan("errors <= 1%", warmup="40s"), BROKEN), 30)
    verdict = verdict_of(made)
    assert verdict.verdict is Verdict.INVALID
    assert {"validity.not_hopeless", "validity.sessions_missing"} <= set(codes(verdict))


def test_sessions_that_a_worker_began_in_the_moment_of_the_cut_are_left_out():
    whole = make(hopeless_plan("errors <= 1%"), BROKEN)
    made = early(whole, 30)
    due = made.stages[0].sessions or 0
    extra = whole.records.filter(pl.col("session").is_between(due, due + 4))
    with_extra = made.but(records=pl.concat([made.records, extra]), stages=(replace(made.stages[0], sessions=due + 5),))
    assert verdict_of(with_extra) == verdict_of(made)


def test_the_load_that_a_rare_journey_never_saw_does_not_save_a_trial_that_fails():
    steps = {"steps": [{"get": "/", "name": "book"}]}
    plan = hopeless_plan("errors <= 1%").model_dump(by_alias=True, exclude_none=True)
    plan = Plan.model_validate(plan | {"journeys": {"visit": steps, "rare": {"weight": 1e-6, **steps}}})
    assert verdict_of(early(make(plan, BROKEN), 30)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("limit", "law"),
    [
        ("goodput >= 99% of offered", BROKEN),
        ("p95 response time <= 500ms", constant(800 * MS)),
        ("p50 service time <= 100ms", exponential(600 * MS)),
        ("mean response time <= 100ms", constant(800 * MS)),
        ("achieved >= 99% of offered", failing(FAST, 1.0, Outcome.CONNECT_FAILED)),
    ],
)
def test_every_kind_of_limit_can_become_hopeless_but_one_that_is_kept(limit, law):
    plan = hopeless_plan(limit, "errors <= 90%", hold="60s")
    verdict = verdict_of(early(make(plan, law), 55))
    kept = limit.startswith("achieved")  # a failed connection was tried, so it counts as sent
    assert verdict.objectives[0].best_case is not kept
    assert (verdict.verdict is Verdict.FAIL) is (not kept or verdict.objectives[1].best_case)


def test_a_limit_on_what_may_come_without_end_is_never_hopeless():
    document = hopeless_plan("errors <= 1%").model_dump(by_alias=True, exclude_none=True)
    document["journeys"]["visit"]["steps"][0]["resources"] = True
    plan = Plan.model_validate(document)
    assert most_records(plan).tolist() == [[1, -1]]
    found = verdict_of(early(make(plan, BROKEN), 55))
    assert "validity.not_hopeless" in codes(found)


def test_what_can_still_come_is_counted_through_loops_groups_and_choices():
    steps = [
        {"get": "/a"},
        {"repeat": [0, 3], "steps": [{"get": "/b"}, {"choose": [{"steps": [{"get": "/c"}]}, {}]}]},
        {"when": "x", "steps": [{"get": "/d"}], "otherwise": [{"get": "/e"}]},
    ]
    document = hopeless_plan("errors <= 1%").model_dump(by_alias=True, exclude_none=True)
    document["journeys"] = {"one": {"steps": steps}, "two": {"python": "x.py:f", "step_names": ["p"]}}
    assert most_records(Plan.model_validate(document)).tolist() == [[1, 3, 3, 1, 1], [-1, 0, 0, 0, 0]]


def test_a_stress_level_that_was_ended_early_is_broken_and_the_search_stops_there():
    plan = plan_of(stress("errors <= 1%", "capacity >= 2 P"), stop={"hopeless": True})

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return (FAST if stage.index < 2 else BROKEN)(at, stage, rng)

    whole = make(plan, law)
    made = early(whole, 20)
    stage = plan.trials[0].stages(0, plan)[2]
    result = summarise_stage(plan, DIGEST, POLICY, 0, stage, made.records, made.stages[2])
    search = StressSearch(plan.trials[0], plan, POLICY, 0)  # type: ignore[arg-type]
    for earlier in (0, 1):
        search.feed(summarise_stage(plan, DIGEST, POLICY, 0, plan.trials[0].stages(0, plan)[earlier], made.records))
    assert search.feed(result).next is None
    verdict = verdict_of(made)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.capacity is not None
    assert (verdict.capacity.lower, verdict.capacity.upper) == (1.5, 2.0)
    assert {"breakpoint.found", "capacity.broken", "service.cut"} <= set(codes(verdict))


@settings(max_examples=60, deadline=None)
@given(
    share=st.floats(0, 1),
    later=st.floats(0, 1),
    seen_s=st.floats(3, 29),
    seed=st.integers(0, 2**16),
    limit=st.sampled_from(
        ["errors <= 5%", "goodput >= 80% of offered", "p90 response time <= 50ms", "mean response time <= 20ms"]
    ),
    two_steps=st.booleans(),
)
def test_hopeless_is_never_said_of_a_trial_that_could_still_pass(share, later, seen_s, seed, limit, two_steps):
    steps = ("list", "book") if two_steps else ("book",)
    slow = failing(exponential(400 * MS), share, Outcome.HTTP_ERROR, 500)
    plan = plan_of(load(limit, hold="30s"), stop={"hopeless": True}, steps=steps)
    stage = plan.trials[0].stages(0, plan)[0]
    table = timetable(plan, DIGEST, stage)
    seen_ns = STARTED_NS + round(seen_s * SECOND)
    before = records(plan, stage, slow, seed)
    columns = stage_columns(before, 0)
    cut = Cut(seen_ns, seen_ns)
    best = prospects(plan, POLICY, plan.trials[0], stage, columns, table, STARTED_NS, cut)[0]
    if best is None or best.verdict is not Verdict.FAIL:
        return
    for law in (FAST, failing(FAST, later, Outcome.HTTP_ERROR, 500), constant(0)):
        whole = _continued(plan, stage, before, law, seen_ns, seed)
        result = summarise_stage(plan, DIGEST, POLICY, 0, stage, whole)
        assert result.objectives[0].verdict is not Verdict.PASS, (best, result.objectives[0])


def _continued(plan: Plan, stage: Stage, before: pl.DataFrame, law: Law, seen_ns: int, seed: int) -> pl.DataFrame:
    """Return a whole stage: what had ended by ``seen_ns``, then what another service makes of all the rest."""
    ended = before.filter(pl.col("done_ns") <= seen_ns)
    after = records(plan, stage, law, seed + 1).join(ended, on=["session", "step"], how="anti")
    late = pl.max_horizontal(pl.lit(seen_ns) - pl.col("intended_ns"), pl.lit(0))
    moved = after.with_columns(
        pl.when(pl.col("sent_ns").is_null()).then(None).otherwise(pl.col("sent_ns") + late).alias("sent_ns"),
        (pl.col("intended_ns") + late).alias("intended_ns"),
        (pl.col("done_ns") + late).alias("done_ns"),
    )
    return pl.concat([ended, moved])


def test_the_best_case_leaves_out_what_the_end_itself_caused():
    """Requests that were under way when the load was ended may have gone well: they don't count against the limit."""
    hanging = constant(20 * SECOND)
    plan = hopeless_plan("errors <= 1%")
    made = early(make(plan, hanging), 15)
    assert (made.records["outcome"] == Outcome.IN_FLIGHT).all()
    found = verdict_of(made)
    assert found.verdict is Verdict.INVALID
    assert "validity.not_hopeless" in codes(found)
