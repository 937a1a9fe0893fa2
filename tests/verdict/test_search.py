from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, POLICY, Answers, Law, constant, make, plan_of, queue, stress
from tests.verdict.test_stress import level

from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import StageResult, TrialVerdict, Verdict
from seatrial.model.verdict_capacity import Tail
from seatrial.units import MS
from seatrial.verdict.adaptive import AdaptiveSearch
from seatrial.verdict.capacity import Level, capacity_of_search, judge_capacity_of_search
from seatrial.verdict.judge import judge
from seatrial.verdict.search import search_of

LIMIT = "p95 response time <= 75ms"
TRUE = (100 + math.log(0.05) / 0.075) / 40
"""M/M/1 of 100/s, in P of 40/s: 1.5016 P."""


def search_plan(*objectives: str, **more: Any) -> Plan:
    kind = stress(
        *objectives, first="0.5 P", to="2.5 P", step="0.5 P", hold="60s", within="0.12 P", settle="5s", **more
    )
    return plan_of(kind, arrivals="poisson")


def trial_of(plan: Plan, law: Law, seed: int = 1) -> TrialVerdict:
    return judge(plan, DIGEST, POLICY, [make(plan, law, seed=seed).data]).trials[0]


def shown(stage: Stage, share: float, allowed: float = 0.05) -> StageResult:
    """What a level shows of which this share is known to lie beyond the limit; the verdict by two standard errors."""
    spread = math.sqrt(max(share * (1 - share), 1e-4) / 500)
    held = True if share + 2 * spread <= allowed else False if share - 2 * spread > allowed else None
    made = level(stage.index, held, share <= allowed)
    tail = Tail(allowed=allowed, share=share, least=share, effective=500)
    result = made.objectives[0].model_copy(update={"tail": tail, "samples": 2000})
    return made.model_copy(update={"name": stage.name, "rate": stage.rate, "objectives": (result,)})


def curve(load: float, at: float, slope: float) -> float:
    return 1 / (1 + math.exp(-(math.log(0.05 / 0.95) + slope * (load - at))))


def searched(plan: Plan, at: float, slope: float) -> tuple[list[Stage], list[StageResult]]:
    search, stages, results = search_of(plan, POLICY, 0), list[Stage](), list[StageResult]()
    while (stage := search.next_stage()) is not None:
        assert search.next_stage() == stage
        stages.append(stage)
        results.append(shown(stage, curve(stage.rate / 40, at, slope)))
        decision = search.feed(results[-1])
        following = search.next_stage()
        assert decision.next == (None if following is None else following.index)
    return stages, results


@given(at=st.floats(0.7, 2.3), slope=st.floats(3, 8))
@settings(max_examples=40, deadline=None)
def test_a_search_closes_in_on_the_capacity_and_stays_within_what_the_plan_allows(at: float, slope: float) -> None:
    plan = search_plan(LIMIT, "capacity >= 1 P")
    stages, results = searched(plan, at, slope)
    assert [stage.index for stage in stages] == list(range(len(stages)))
    assert len(stages) <= 16
    assert len({stage.name for stage in stages}) == len(stages)
    assert max(stage.rate for stage in stages) <= 2.5 * 40 + 1e-6
    trial = plan.trials[0]
    assert isinstance(trial, StressTrial)
    found = capacity_of_search(trial, [Level(one.rate / 40, one) for one in results], 0.95)
    assert found.estimate == pytest.approx(at, rel=0.05)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= at <= found.upper
    assert found.method == "fit"


def test_no_stage_of_a_search_is_larger_than_those_that_were_checked() -> None:
    plan = search_plan(LIMIT, "capacity >= 1 P")
    most = plan.trials[0].stages(0, plan)
    stages, _ = searched(plan, 1.6, 4)
    assert len(most) == 16
    assert all(stage.peak <= bound.peak for stage, bound in zip(stages, most, strict=False))
    assert {stage.judged_from_ns for stage in stages} == {5_000_000_000}
    assert {stage.profile.duration_ns for stage in stages} == {65_000_000_000}


def test_where_the_lowest_level_breaks_the_search_goes_below_it() -> None:
    stages, _ = searched(search_plan(LIMIT, "capacity >= 1 P"), 0.3, 20)
    assert [stage.name for stage in stages[:2]] == ["0.5 P", "0.255 P"]


def test_a_service_that_holds_the_top_has_a_capacity_without_an_upper_bound() -> None:
    trial = trial_of(search_plan(LIMIT, "capacity >= 2 P"), constant(10 * MS))
    assert trial.verdict is Verdict.PASS
    assert [stage.name for stage in trial.stages] == ["0.5 P", "1 P", "1.5 P", "2 P", "2.5 P"]
    assert trial.capacity is not None
    assert (trial.capacity.lower, trial.capacity.upper, trial.capacity.method) == (2.5, None, "bracket")


def test_a_search_that_gets_another_stage_than_it_asked_for_refuses_it() -> None:
    plan = search_plan(LIMIT, "capacity >= 1 P")
    search = search_of(plan, POLICY, 0)
    assert isinstance(search, AdaptiveSearch)
    with pytest.raises(ValueError, match="waits for stage 0, not 1"):
        search.feed(level(1, True))


@pytest.mark.parametrize(
    ("asked", "verdict"), [("1.2 P", Verdict.PASS), ("1.8 P", Verdict.FAIL), ("1.5 P", Verdict.INCONCLUSIVE)]
)
def test_a_capacity_is_judged_by_its_interval(asked: str, verdict: Verdict) -> None:
    trial = trial_of(search_plan(LIMIT, f"capacity >= {asked}"), queue(10 * MS), seed=4)
    assert trial.verdict is verdict, trial.reasons[0].text
    assert trial.capacity is not None
    assert trial.capacity.lower is not None
    assert trial.capacity.upper is not None
    assert trial.capacity.lower < TRUE < trial.capacity.upper
    assert trial.capacity.estimate == pytest.approx(TRUE, rel=0.05)
    assert trial.capacity.method == "fit"
    assert trial.reasons[0].text.startswith("The capacity is 1.")


def test_a_search_whose_journal_skips_a_level_is_not_believed() -> None:
    plan = search_plan(LIMIT, "capacity >= 1.2 P")
    made = make(plan, queue(10 * MS), seed=4)
    decisions = (*made.decisions[:-2], (made.decisions[-2][0], None))
    assert judge(plan, DIGEST, POLICY, [made.but(decisions=decisions).data]).verdict is Verdict.INVALID


def test_levels_that_contradict_each_other_decide_nothing() -> None:
    plan = search_plan(LIMIT, "capacity >= 1.5 P")
    trial, search = plan.trials[0], search_of(plan, POLICY, 0)
    first = search.next_stage()
    assert isinstance(trial, StressTrial)
    assert first is not None
    loads = (1.0, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4)
    levels = [Level(x, shown(first, curve(x, 1.2, 6)).model_copy(update={"rate": x * 40, "held": None})) for x in loads]
    below = judge_capacity_of_search(trial, trial.objectives[1], levels, 0.95)
    assert below[0].verdict is Verdict.FAIL
    # All levels together say 1.2 P; but 2 P held, and none below it broke.
    levels.append(Level(2.0, shown(first, 0.01).model_copy(update={"rate": 80.0})))
    result, reason = judge_capacity_of_search(trial, trial.objectives[1], levels, 0.95)
    assert (result.verdict, reason.code) == (Verdict.INCONCLUSIVE, "capacity.contradiction")
    assert "contradict each other" in reason.text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"within": "0.5 P"}, "no narrower than a step"),
        ({"within": "4/s"}, "in another unit than the steps"),
        ({"within": "0.1 P", "most": 8}, "write 9 stages or more"),
        ({"most": 8}, "'most' without 'within'"),
    ],
)
def test_a_search_that_can_not_be_is_an_error_of_the_plan(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan_of(stress(LIMIT, "capacity >= 1 P", first="1 P", to="3 P", step="0.5 P", **more))


def test_a_search_needs_a_limit_on_capacity() -> None:
    with pytest.raises(ValueError, match="without a limit on what it finds"):
        plan_of(stress(LIMIT, within="0.1 P"))


def overloaded(capacity: float) -> Law:
    """Above its capacity the service answers only a few, and the fewer the more ask."""

    def law(at: np.ndarray[Any, Any], stage: Stage, rng: np.random.Generator) -> Answers:
        served = 1.0 if stage.rate <= capacity else 0.3 * capacity / stage.rate
        failed = rng.random(len(at)) >= served
        outcome = np.where(failed, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(rng.exponential(5 * MS, len(at)), outcome, np.where(failed, 500, 200))

    return law


def test_a_service_that_gets_less_done_the_more_is_asked_is_said_to_collapse() -> None:
    trial = trial_of(plan_of(stress("errors <= 5%", "capacity >= 1 P")), overloaded(81))
    assert trial.collapse is not None
    assert (trial.collapse.level, trial.collapse.best) == ("2.5 P", "2 P")
    assert "collapsed: 23.9/s in place of 80/s" in next(
        reason.text for reason in trial.reasons if reason.code == "breakpoint.collapsed"
    )
    assert trial_of(plan_of(stress("errors <= 5%", "capacity >= 1 P")), queue(10 * MS)).collapse is None


def test_the_knee_is_where_power_is_highest_and_the_law_of_a_queue_is_found() -> None:
    # M/M/1: power (goodput over mean response time) is x (mu - x), highest at mu / 2.
    kind = stress("p95 response time <= 2s", "capacity >= 1 P", first="0.25 P", to="2.25 P", step="0.25 P", hold="60s")
    trial = trial_of(plan_of(kind, arrivals="poisson"), queue(10 * MS))
    assert trial.knee is not None
    assert trial.knee.level in ("1 P", "1.25 P", "1.5 P")
    assert trial.knee.inside
    assert any(reason.code == "capacity.knee" for reason in trial.reasons)
    # N = x / (mu - x), so that X = mu N / (1 + N): lambda is mu / 2 and sigma a half.
    assert trial.usl is not None
    assert trial.usl.throughput_per_s.estimate == pytest.approx(50, rel=0.1)
    assert trial.usl.contention.estimate == pytest.approx(0.5, abs=0.1)
