from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, POLICY, Answers, Law, exponential, load, make, plan_of, queue, stress

from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import Bounded, ObjectiveResult, StageResult, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge
from seatrial.verdict.search import FixedStages, search_of
from seatrial.verdict.stress import Decision, StressSearch, capacity_of, judge_capacity

HELD = st.sampled_from([True, False, None])


def level(index: int, held: bool | None, estimate_keeps: bool = True, longer: float | None = 3.0) -> StageResult:
    verdict = {True: Verdict.PASS, False: Verdict.FAIL, None: Verdict.INCONCLUSIVE}[held]
    estimate = 1e9 if estimate_keeps else 5e9
    result = ObjectiveResult(
        objective="p95 response time <= 2s",
        verdict=verdict,
        value=Bounded(estimate=estimate, lower=5e8, upper=6e9),
        limit=2e9,
        unit="ns",
        samples=100,
        undecided="length" if held is None else None,
        longer=longer if held is None else None,
    )
    return StageResult(
        index=index,
        name=f"{1 + index / 2:g} P",
        rate=40,
        duration_ns=SECOND,
        intended=100,
        sent=100,
        ok=100,
        outcomes={"ok": 100},
        offered_per_s=100,
        achieved_per_s=100,
        goodput_per_s=100,
        p50_ns=estimate,
        p95_ns=estimate,
        p99_ns=estimate,
        held=held,
        objectives=(result,),
    )


def stress_plan(capacity: str = "capacity >= 2.0 P", **more: str) -> tuple[Plan, StressTrial]:
    plan = plan_of(stress("p95 response time <= 2s", capacity, **more))
    trial = plan.trials[0]
    assert isinstance(trial, StressTrial)
    return plan, trial


@given(st.lists(HELD, min_size=5, max_size=5))
def test_the_search_rises_until_the_first_broken_level_or_the_top(held: list[bool | None]) -> None:
    plan, trial = stress_plan()
    search, offered = StressSearch(trial, plan, POLICY), []
    while (stage := search.next_stage()) is not None:
        assert search.next_stage() == stage
        offered.append(stage.index)
        search.feed(level(stage.index, held[stage.index]))
    broken = held.index(False) + 1 if False in held else 5
    assert offered == list(range(broken))


def test_a_decision_names_the_level_it_follows_and_the_next() -> None:
    plan, trial = stress_plan()
    search = StressSearch(trial, plan, POLICY)
    assert search.feed(level(0, True)) == Decision(0, True, 1)
    assert search.feed(level(1, None)) == Decision(1, None, 2)
    assert search.feed(level(2, False)) == Decision(2, False, None)
    assert search.next_stage() is None
    with pytest.raises(ValueError, match="waits for stage None"):
        search.feed(level(3, True))


def test_a_result_of_another_stage_is_refused() -> None:
    plan, trial = stress_plan()
    with pytest.raises(ValueError, match="waits for stage 0, not 1"):
        StressSearch(trial, plan, POLICY).feed(level(1, True))
    with pytest.raises(ValueError, match="stage 0 was to be fed, not 1"):
        FixedStages(trial.stages(0, plan)).feed(level(1, True))


def test_of_two_equal_trials_each_has_its_own_stages() -> None:
    plan = plan_of(stress("p95 response time <= 2s"), stress("p95 response time <= 2s"))
    trial = plan.trials[1]
    assert isinstance(trial, StressTrial)
    stage = StressSearch(trial, plan, POLICY).next_stage()
    assert stage is not None
    assert stage.trial == 1


def test_a_load_trial_has_one_stage_whatever_it_shows() -> None:
    search = search_of(plan_of(load("p95 response time <= 2s")), POLICY, 0)
    assert search.next_stage() is not None
    assert search.feed(level(0, False)) == Decision(0, False, None)
    assert search.next_stage() is None


@pytest.mark.parametrize(
    ("held", "limit", "lower", "upper", "verdict", "code"),
    [
        ([True, True, True], "2 P", 2.0, None, Verdict.PASS, "capacity.kept"),
        ([True, True, True, False], "2 P", 2.0, 2.5, Verdict.PASS, "capacity.kept"),
        ([True, True, False], "2 P", 1.5, 2.0, Verdict.FAIL, "capacity.broken"),
        ([False], "2 P", None, 1.0, Verdict.FAIL, "capacity.broken"),
        ([True, None, True, True, False], "2 P", 1.0, 3.0, Verdict.INCONCLUSIVE, "capacity.longer"),
        ([True, None, False], "2 P", 1.0, 2.0, Verdict.FAIL, "capacity.broken"),
        ([True, True, False], "1.75 P", 1.5, 2.0, Verdict.INCONCLUSIVE, "capacity.between"),
        ([True, True, True, False], "1.75 P", 2.0, 2.5, Verdict.PASS, "capacity.kept"),
        ([False], "0.5 P", None, 1.0, Verdict.INCONCLUSIVE, "capacity.below"),
        ([True, True], "2 P", 1.5, None, Verdict.INCONCLUSIVE, "capacity.not_reached"),
        ([], "2 P", None, None, Verdict.INCONCLUSIVE, "capacity.none"),
    ],
)
def test_capacity_is_judged_by_the_levels_that_held_and_broke(
    held: list[bool | None], limit: str, lower: float | None, upper: float | None, verdict: Verdict, code: str
) -> None:
    _, trial = stress_plan(f"capacity >= {limit}")
    results = [level(index, shown) for index, shown in enumerate(held)]
    result, reason = judge_capacity(trial, trial.objectives[1], results)
    assert (result.value.lower, result.value.upper, result.verdict, reason.code) == (lower, upper, verdict, code)
    assert reason.text


def test_an_undecided_level_counts_for_the_estimate_when_its_figures_kept_the_limits() -> None:
    _, trial = stress_plan()
    kept = capacity_of(trial, [level(0, True), level(1, None, True), level(2, True), level(3, False)])
    assert (kept.estimate, kept.lower, kept.upper) == (2.0, 1.0, 2.5)
    not_kept = capacity_of(trial, [level(0, True), level(1, None, False), level(2, True), level(3, False)])
    assert (not_kept.estimate, not_kept.lower, not_kept.upper) == (1.0, 1.0, 2.5)


def test_a_missing_level_ends_what_can_be_concluded() -> None:
    _, trial = stress_plan()
    found = capacity_of(trial, [level(0, True), level(2, True)])
    assert (found.estimate, found.lower, found.upper) == (1.0, 1.0, None)


def test_a_level_no_length_decides_is_said_to_be_so() -> None:
    _, trial = stress_plan()
    result, reason = judge_capacity(trial, trial.objectives[1], [level(0, None, longer=None)])
    assert (result.undecided, reason.code) == ("levels", "capacity.undecided")


@given(st.lists(HELD, min_size=1, max_size=5))
def test_capacity_bounds_enclose_the_estimate(held: list[bool | None]) -> None:
    _, trial = stress_plan()
    found = capacity_of(trial, [level(index, shown) for index, shown in enumerate(held)])
    assert (found.lower or 0) <= (found.estimate or 0)
    assert found.upper is None or (found.estimate or 0) < found.upper


def trial_of(plan: Plan, law: Law, seed: int = 1) -> TrialVerdict:
    made = make(plan, law, seed=seed)
    return judge(plan, DIGEST, POLICY, [made.data]).trials[0]


def at_rate(ways: dict[str, Law], default: Law) -> Law:
    """Another law per level."""
    return lambda at, stage, rng: ways.get(stage.name, default)(at, stage, rng)


def ending(outcome: Outcome, status: int = 0, wait_ns: float = 50 * MS) -> Law:
    return lambda at, stage, rng: Answers(
        np.full(len(at), wait_ns), np.full(len(at), outcome), np.full(len(at), status)
    )


def test_the_capacity_of_a_queue_lies_between_its_bounds() -> None:
    # One server, 100 a second, P = 40: above 2.5 P nothing holds, at 1.5 P p95 is 75 ms.
    plan = plan_of(stress("p95 response time <= 500ms", "capacity >= 1.5 P"))
    for seed in range(5):
        trial = trial_of(plan, queue(10 * MS), seed)
        assert trial.capacity is not None
        assert trial.capacity.upper is None or trial.capacity.upper >= 2.5
        assert (trial.capacity.lower or 0) <= 2.0
        assert trial.verdict is not Verdict.FAIL


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (exponential(3 * SECOND), "answered too slowly"),
        (ending(Outcome.HTTP_ERROR, 503), "refused 100 % of requests clearly, with status 429 or 503"),
        (ending(Outcome.HTTP_ERROR, 500), "answered 100 % of requests with errors"),
        (ending(Outcome.TIMEOUT, 0, 30 * SECOND), "100 % of requests hung"),
        (ending(Outcome.IN_FLIGHT, 0, 30 * SECOND), "100 % of requests hung"),
        (ending(Outcome.CONNECT_FAILED), "connections failed or broke off for 100 %"),
    ],
)
def test_the_breakpoint_says_where_and_how(law: Law, words: str) -> None:
    plan = plan_of(stress("p95 response time <= 1s", "errors <= 1%", "capacity >= 1.5 P"))
    trial = trial_of(plan, at_rate({"2 P": law}, exponential(100 * MS)))
    assert trial.verdict is Verdict.PASS
    assert trial.capacity is not None
    assert (trial.capacity.estimate, trial.capacity.lower, trial.capacity.upper) == (1.5, 1.5, 2.0)
    told = [reason.text for reason in trial.reasons]
    assert any(text.startswith("Breakpoint 2 P: ") and words in text for text in told)
    assert any("at 2 P was" in text and "is broken" in text for text in told)
    assert [stage.held for stage in trial.stages] == [True, True, False]


def test_a_service_that_holds_every_level_has_no_breakpoint() -> None:
    plan = plan_of(stress("p95 response time <= 1s", "capacity >= 2.0 P"))
    trial = trial_of(plan, exponential(100 * MS))
    assert trial.verdict is Verdict.PASS
    assert trial.capacity is not None
    assert trial.capacity.upper is None
    assert trial.capacity.lower == 3.0
    assert trial.reasons[-1].code == "breakpoint.none"


def test_without_a_capacity_limit_every_level_must_hold() -> None:
    plan = plan_of(stress("p95 response time <= 1s", "errors <= 1%"))
    assert trial_of(plan, exponential(100 * MS)).verdict is Verdict.PASS
    broken = trial_of(plan, at_rate({"2.5 P": exponential(2 * SECOND)}, exponential(100 * MS)))
    assert broken.verdict is Verdict.FAIL
    assert [result.verdict for result in broken.objectives] == [Verdict.FAIL, Verdict.PASS]
    assert "at 2.5 P" in broken.reasons[0].text
    close = trial_of(plan, at_rate({"2 P": exponential(330 * MS)}, exponential(100 * MS)))
    assert close.verdict is Verdict.INCONCLUSIVE
    assert len(close.stages) == 5
