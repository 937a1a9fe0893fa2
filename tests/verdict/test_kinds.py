"""Spike, soak, recovery and scalability: what each concludes of services in virtual time whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Law, Made, exponential, load, make, plan_of, queue

from seatrial.model.journal import HappeningLog
from seatrial.model.profile import Stage
from seatrial.model.reasons import Language, sentence
from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge

LANGUAGES: tuple[Language, ...] = ("en", "zh-Hant")
NORMAL = ("p95 response time <= 500ms", "errors <= 5%")


def judged(made: Made, happenings: tuple[HappeningLog, ...] = ()) -> TrialVerdict:
    data = made.data
    data = replace(data, log=replace(data.log, happenings=happenings))
    return judge(made.plan, DIGEST, made.policy, [data]).trials[0]


def codes(verdict: TrialVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def spike(*objectives: str, **more: Any) -> dict[str, Any]:
    shape = {"base": "0.25 P", "to": "2 P", "rise": "2s", "hold": "20s", "rest": "60s"}
    return {"kind": "spike", **shape, "objectives": [*NORMAL, *objectives], **more}


def recovery(*objectives: str, **more: Any) -> dict[str, Any]:
    how = {"at": "1 P", "before": "60s", "after": "120s", "overload": {"to": "4 P", "for": "20s"}}
    return {"kind": "recovery", **how, "objectives": [*NORMAL, *objectives], **more}


def from_then_on(when_ns: int, before: Law, after: Law, until_ns: int = 2**62) -> Law:
    """One service, and another one from an instant on (and the first again in the end)."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        first, second = before(at, stage, rng), after(at, stage, rng)
        turned = (at >= when_ns) & (at < until_ns)
        outcome = [np.full(len(at), Outcome.OK) if a.outcome is None else a.outcome for a in (first, second)]
        status = [np.where(o == Outcome.OK, 200, 0) for o in outcome]
        return Answers(
            np.where(turned, second.wait_ns, first.wait_ns),
            np.where(turned, outcome[1], outcome[0]),
            np.where(turned, status[1], status[0]),
        )

    return law


def down(wait_ns: int = 5 * SECOND) -> Law:
    """Nobody is answered before a deadline."""
    return lambda at, stage, rng: Answers(np.full(len(at), wait_ns), np.full(len(at), Outcome.TIMEOUT))


def refusing(above: float, mean_ns: float) -> Law:
    """What is beyond a rate per second is refused clearly, the rest is answered."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        window = at // SECOND
        place = np.arange(len(at)) - np.searchsorted(window, window, side="left")
        no = place >= above
        outcome = np.where(no, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(rng.exponential(mean_ns, len(at)), outcome, np.where(no, 503, 200))

    return law


def test_a_service_that_carries_the_burst_passes_its_spike() -> None:
    verdict = judged(make(plan_of(spike("recovery time <= 10s")), exponential(50 * MS)))
    assert verdict.verdict is Verdict.PASS
    assert verdict.recovery is not None
    assert [(r.name, r.state) for r in verdict.recovery] == [("burst", "recovered")]
    assert verdict.recovery[0].back_ns.upper == 0
    periods = verdict.stages[0].periods
    assert periods is not None
    assert [p.role for p in periods] == ["base", "burst", "after"]
    assert periods[1].offered_per_s == pytest.approx((80 * 20 + 45 * 4) / 24, rel=0.1)


def test_the_limits_of_a_spike_hold_in_the_burst_and_not_in_the_calm() -> None:
    slow_when_calm = from_then_on(60 * SECOND, exponential(2000 * MS), exponential(50 * MS))
    verdict = judged(make(plan_of(spike()), slow_when_calm))
    assert verdict.objectives[0].verdict is Verdict.PASS
    slow_in_burst = from_then_on(60 * SECOND, exponential(50 * MS), exponential(2000 * MS), 84 * SECOND)
    assert judged(make(plan_of(spike()), slow_in_burst)).objectives[0].verdict is Verdict.FAIL


def test_a_backlog_that_is_worked_off_is_a_recovery_with_its_time() -> None:
    # 50/s are served; 24 s of burst leave a backlog of about 600 that takes 600 / (50 - 10) = 15 s to work off.
    made = make(plan_of(spike("recovery time <= 40s")), queue(20 * MS))
    verdict = judged(made)
    assert verdict.recovery is not None
    (found,) = verdict.recovery
    assert found.state == "recovered"
    assert found.back_ns.lower is not None
    assert 10 * SECOND < found.back_ns.lower < 20 * SECOND
    assert "recovery.kept" in codes(verdict)
    assert verdict.verdict is Verdict.FAIL, "its limits were broken in the burst"
    assert "recovery.broken" in codes(judged(make(plan_of(spike("recovery time <= 5s")), queue(20 * MS))))


def test_a_burst_of_which_a_part_is_refused_clearly_passes_by_limits_on_the_admitted() -> None:
    admitted = ["p95 response time <= 500ms of admitted", "errors <= 1% of admitted"]
    plan = plan_of({**spike(), "objectives": admitted})
    assert judged(make(plan, refusing(60, 50 * MS))).verdict is Verdict.PASS
    assert judged(make(plan_of(spike()), refusing(60, 50 * MS))).verdict is Verdict.FAIL


def test_every_burst_is_looked_at_apart() -> None:
    # The second burst of two breaks the service for half a minute.
    hurt = from_then_on(168 * SECOND, exponential(50 * MS), down(), 198 * SECOND)
    verdict = judged(make(plan_of(spike("recovery time <= 10s", times=2)), hurt))
    assert verdict.recovery is not None
    assert [r.name for r in verdict.recovery] == ["burst 1", "burst 2"]
    first, second = (r.back_ns.upper for r in verdict.recovery)
    assert (first, verdict.verdict) == (0, Verdict.FAIL)
    assert second is not None
    assert second > 20 * SECOND


def test_a_service_that_comes_back_from_an_overload_passes() -> None:
    # 100/s served: 160/s for 20 s leave 1,200, and 60/s are free for them: 20 s.
    verdict = judged(make(plan_of(recovery("recovery time <= 60s")), queue(10 * MS)))
    assert verdict.verdict is Verdict.PASS, [reason.text for reason in verdict.reasons]
    assert verdict.recovery is not None
    lower = verdict.recovery[0].back_ns.lower
    assert lower is not None
    assert 14 * SECOND < lower < 26 * SECOND


@pytest.mark.parametrize("limit", ["10s", "90s"])
def test_a_service_that_stays_down_when_the_load_is_gone_is_metastable_and_fails(limit: str) -> None:
    stuck = from_then_on(62 * SECOND, exponential(50 * MS), down())
    verdict = judged(make(plan_of(recovery(f"recovery time <= {limit}")), stuck))
    assert verdict.verdict is Verdict.FAIL
    assert verdict.recovery is not None
    assert verdict.recovery[0].state == "metastable"
    assert "recovery.metastable" in codes(verdict)


def test_a_metastable_spike_fails_even_where_no_limit_asks_for_its_recovery() -> None:
    stuck = from_then_on(84 * SECOND, exponential(50 * MS), down())
    verdict = judged(make(plan_of(spike()), stuck))
    assert verdict.objectives[0].verdict is Verdict.PASS
    assert verdict.verdict is Verdict.FAIL
    assert codes(verdict)[-1] == "recovery.metastable"


def test_a_service_that_is_late_is_not_said_to_get_better_where_nothing_shows_that_it_does() -> None:
    stuck = from_then_on(62 * SECOND, exponential(50 * MS), down())
    made = make(plan_of(recovery("recovery time <= 1s", after="2s")), stuck)  # too few records for a trend
    verdict = judged(made)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.recovery is not None
    assert verdict.recovery[0].state == "undecided"
    assert "recovery.too_late" in codes(verdict)
    assert "recovery.slow" not in codes(verdict)


def test_a_recovery_without_a_sound_beginning_shows_nothing() -> None:
    verdict = judged(make(plan_of(recovery("recovery time <= 60s")), down()))
    assert verdict.verdict is Verdict.FAIL
    assert "recovery.no_baseline" in codes(verdict)


def test_response_times_that_do_not_come_back_are_said() -> None:
    slower = from_then_on(62 * SECOND, exponential(50 * MS), exponential(120 * MS))
    verdict = judged(make(plan_of(recovery("recovery time <= 60s")), slower))
    assert verdict.verdict is Verdict.PASS
    (sentence,) = [reason.text for reason in verdict.reasons if reason.code == "recovery.hysteresis"]
    assert "2.4 times" in sentence or "2.3 times" in sentence or "2.5 times" in sentence


FAULT = {"begin": {"steps": [{"post": "/faults"}]}, "end": {"steps": [{"delete": "/faults"}]}, "for": "20s"}


def faulty(*objectives: str) -> dict[str, Any]:
    trial = recovery("recovery time <= 30s", *objectives)
    return {key: value for key, value in trial.items() if key != "overload"} | {"fault": FAULT}


def made_at(made: Made, begin_s: float, end_s: float) -> tuple[HappeningLog, ...]:
    start_ns = made.stages[0].started_ns
    span = [start_ns + round(at * SECOND) for at in (begin_s, begin_s + 0.01, end_s, end_s + 0.01)]
    return HappeningLog("fault", 0, span[0], span[1]), HappeningLog("end of fault", 0, span[2], span[3])


def test_a_fault_counts_from_the_moment_when_it_was_mended() -> None:
    hurt = from_then_on(60 * SECOND, exponential(50 * MS), down(), 88 * SECOND)
    made = make(plan_of(faulty()), hurt)
    verdict = judged(made, made_at(made, 60.1, 80.5))
    assert verdict.verdict is Verdict.PASS, [reason.text for reason in verdict.reasons]
    assert verdict.recovery is not None
    lower = verdict.recovery[0].back_ns.lower
    assert lower is not None
    assert 6 * SECOND < lower < 7.6 * SECOND


@pytest.mark.parametrize(
    ("happenings", "code"),
    [
        (lambda made: (), "validity.not_done"),
        (lambda made: made_at(made, 60, 80)[:1], "validity.not_done"),
        (lambda made: made_at(made, 61.5, 80), "validity.done_late"),
        (lambda made: made_at(made, 50, 80), "validity.done_late"),
        (lambda made: tuple(replace(h, stage=1) for h in made_at(made, 60, 80)), "validity.not_done"),
    ],
)
def test_a_fault_that_was_not_made_in_time_makes_the_trial_invalid(
    happenings: Callable[[Made], tuple[HappeningLog, ...]], code: str
) -> None:
    made = make(plan_of(faulty()), exponential(50 * MS))
    verdict = judged(made, happenings(made))
    assert verdict.verdict is Verdict.INVALID
    assert code in codes(verdict)


def soak(*objectives: str, **more: Any) -> dict[str, Any]:
    held = {"kind": "soak", "at": "1 P", "for": "60m"}
    return {**held, "objectives": ["errors <= 5%", *objectives], **more}


def growing(mean_ns: float, share: float) -> Law:
    """Response times that grow by a share of their beginning over the stage."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        grown = mean_ns * (1 + share * at / stage.profile.duration_ns)
        return Answers(rng.exponential(1.0, len(at)) * grown)

    return law


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.0, Verdict.PASS), (0.05, Verdict.PASS), (0.5, Verdict.FAIL), (1.0, Verdict.FAIL)]
)
def test_a_soak_tells_what_drifts_from_what_stays(share: float, verdict: Verdict) -> None:
    found = judged(make(plan_of(soak("mean response time drift <= 20%")), growing(100 * MS, share)))
    assert found.verdict is verdict
    assert found.drift is not None
    (line,) = found.drift
    assert line.change.estimate == pytest.approx(share, abs=0.04)
    assert line.direction == ("none" if not share else "rising")
    assert ("drift.found" in codes(found)) is bool(share)


def test_a_percentile_and_a_share_drift_as_well() -> None:
    limits = ["p95 response time drift <= 20%", "errors drift <= 1%"]

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        wrong = rng.random(len(at)) < 0.04 * at / stage.profile.duration_ns
        outcome = np.where(wrong, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(rng.exponential(100 * MS, len(at)), outcome, np.where(wrong, 500, 200))

    found = judged(make(plan_of(soak(*limits)), law))
    percentile, errors = found.objectives[1:]
    assert (percentile.verdict, errors.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert errors.value.estimate == pytest.approx(0.04, abs=0.01)
    sentences = [sentence(reason.code, reason.params, language) for reason in found.reasons for language in LANGUAGES]
    assert any("p95 response time" in said for said in sentences)


def test_a_soak_that_is_too_short_is_undecided_and_says_so() -> None:
    plan = plan_of(soak("p95 response time drift <= 10%", **{"for": "30s"}))
    found = judged(make(plan, exponential(100 * MS)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "drift.few" in codes(found)
    assert all(reason.text for reason in found.reasons)  # a run ends with the sentences of its verdict


def scalability(*objectives: str, **more: Any) -> dict[str, Any]:
    levels = {"from": "0.5 P", "to": "1.5 P", "step": "0.125 P", "hold": "60s"}
    sizes = [{"units": 1}, {"units": 2}, {"units": 4}]
    return {"kind": "scalability", "sizes": sizes, **levels, "objectives": [*NORMAL, *objectives], **more}


def of_size(capacity: Callable[[int], float]) -> Law:
    """Below its capacity, by its size, a service is prompt; above it, it times out."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        units = int(stage.name.split(" ")[0])
        over = stage.rate > capacity(units)
        outcome = np.full(len(at), Outcome.TIMEOUT if over else Outcome.OK)
        return Answers(rng.exponential(50 * MS, len(at)), outcome)

    return law


def test_a_service_that_grows_with_its_units_is_efficient() -> None:
    verdict = judged(make(plan_of(scalability("efficiency >= 80%")), of_size(lambda units: 50.0 * units)))
    assert verdict.verdict is Verdict.PASS, [reason.text for reason in verdict.reasons]
    assert verdict.sizes is not None
    assert [size.units for size in verdict.sizes] == [1, 2, 4]
    assert [size.capacity.lower for size in verdict.sizes] == [1.25, 1.25, 1.25]
    assert [size.capacity.upper for size in verdict.sizes] == [1.375, 1.375, 1.375]


def test_units_that_bring_less_and_less_fail_a_limit_on_efficiency() -> None:
    verdict = judged(make(plan_of(scalability("efficiency >= 80%")), of_size(lambda units: 50.0 * units**0.6)))
    assert verdict.verdict is Verdict.FAIL
    assert "efficiency.broken" in codes(verdict)


def test_a_size_that_does_not_carry_the_lowest_level_fails() -> None:
    verdict = judged(make(plan_of(scalability()), of_size(lambda units: 50.0 if units == 1 else 10.0)))
    assert verdict.verdict is Verdict.FAIL
    assert "size.none" in codes(verdict)


def test_of_a_size_that_carries_no_level_offered_the_efficiency_is_broken_and_said_to_be_less_than_it_could_be() -> (
    None
):
    verdict = judged(
        make(plan_of(scalability("efficiency >= 80%")), of_size(lambda units: 50.0 if units == 1 else 10.0))
    )
    assert verdict.verdict is Verdict.FAIL
    assert {"efficiency.broken_below", "size.none"} <= set(codes(verdict))
    assert "efficiency.undecided" not in codes(verdict)
    (text, *_) = [reason.text for reason in verdict.reasons if reason.code == "efficiency.broken_below"]
    assert "less than 40 %" in text  # the lowest level, 0.5 P, against 1.25 P


def test_a_size_whose_lowest_level_is_undecided_is_not_said_to_have_broken() -> None:
    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        small = stage.name.startswith("1 ") or stage.name.endswith(" 0.5 P")
        share = 0.05 if stage.name.startswith("4 ") and small else 0.0 if small else 1.0
        bad = rng.random(len(at)) < share  # five per cent of errors against a limit of five per cent
        return Answers(rng.exponential(50 * MS, len(at)), np.where(bad, Outcome.HTTP_ERROR, Outcome.OK))

    verdict = judged(make(plan_of(scalability(step="0.5 P")), law))
    assert "size.undecided" in codes(verdict)
    assert "size.none" not in codes(verdict)
    assert verdict.verdict is Verdict.INCONCLUSIVE


def test_levels_that_do_not_reach_the_break_leave_the_efficiency_open() -> None:
    verdict = judged(make(plan_of(scalability("efficiency >= 80%")), of_size(lambda units: 1e9)))
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "efficiency.undecided" in codes(verdict)


def test_every_run_of_a_load_trial_must_pass() -> None:
    plan = plan_of(load("p95 response time <= 500ms", hold="60s", runs=3))
    assert judged(make(plan, exponential(50 * MS))).verdict is Verdict.PASS

    def third_is_slow(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        return Answers(rng.exponential((2000 if stage.index == 2 else 50) * MS, len(at)))

    verdict = judged(make(plan, third_is_slow))
    assert verdict.verdict is Verdict.FAIL
    assert "run 3" in verdict.reasons[0].text


def test_a_load_trial_that_lacks_a_run_is_invalid() -> None:
    made = make(plan_of(load("p95 response time <= 500ms", hold="60s", runs=3)), exponential(50 * MS))
    last = made.stages[-1].started_ns
    short = made.but(
        stages=made.stages[:2],
        records=made.records.filter(made.records["intended_ns"] < last),
        health=made.health.filter(made.health["at_ns"] < last),
    )
    verdict = judged(short)
    assert verdict.verdict is Verdict.INVALID
    assert codes(verdict) == ["validity.decisions"]


def test_a_mending_that_is_answered_once_all_is_well_hides_no_downtime() -> None:
    hurt = from_then_on(60 * SECOND, exponential(50 * MS), down(), 110 * SECOND)
    made = make(plan_of(faulty()), hurt)
    fault, end = made_at(made, 60, 80)
    verdict = judged(made, (fault, replace(end, ended_ns=end.began_ns + 30 * SECOND)))
    assert verdict.recovery is not None
    lower = verdict.recovery[0].back_ns.lower
    assert lower is not None
    assert 28 * SECOND < lower < 31 * SECOND
