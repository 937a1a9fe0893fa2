"""Load trials with a shape, in virtual time: what is judged, from when on, and against which schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Int64, Made, constant, make, plan_of

from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge

SHAPES: dict[str, dict[str, Any]] = {
    "steps": {"steps": [{"at": "0.5 P", "for": "20s"}, {"at": "1 P", "for": "40s"}]},
    "spike": {
        "spike": {
            "base": "0.1 P", "peak": "2 P", "rise": "5s", "hold": "20s", "fall": "5s", "before": "10s", "after": "20s",
        },
    },
    "sine": {"sine": {"low": "0.2 P", "high": "1 P", "period": "20s", "for": "50s"}},
    "curve": {"curve": {"points": [["0s", "0/s"], ["20s", "60/s"], ["30s", "0/s"], ["40s", "0/s"], ["60s", "30/s"]]}},
    "burst": {"burst": {"count": 300, "within": "500ms", "then": "1 P", "for": "30s"}},
}  # fmt: skip


def shaped(shape: dict[str, Any], *objectives: str, **more: Any) -> dict[str, Any]:
    return {"kind": "load", "shape": shape, "objectives": list(objectives)} | more


def trial_of(made: Made) -> TrialVerdict:
    return judge(made.plan, DIGEST, made.policy, [made.data]).trials[0]


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
@pytest.mark.parametrize("kind", SHAPES)
def test_the_records_of_a_shape_are_its_schedule_and_pass_on_a_prompt_service(kind: str, arrivals: str) -> None:
    plan = plan_of(shaped(SHAPES[kind], "p95 response time <= 100ms", "errors <= 1%"), arrivals=arrivals)
    (stage,) = plan.trials[0].stages(0, plan)
    found = trial_of(make(plan, constant(10 * MS)))
    assert found.verdict is Verdict.PASS, found.reasons
    (result,) = found.stages
    assert result.intended == round(stage.profile.expected)
    assert result.duration_ns == stage.profile.duration_ns
    assert result.rate == pytest.approx(result.offered_per_s, abs=1 / (result.duration_ns / SECOND))


def failing_until(at_ns: int) -> Any:
    def law(intended_ns: Int64, stage: Stage, random: np.random.Generator) -> Answers:
        outcome = np.where(intended_ns < at_ns, int(Outcome.HTTP_ERROR), int(Outcome.OK))
        return Answers(np.full(len(intended_ns), 10 * MS), outcome, np.where(intended_ns < at_ns, 500, 200))

    return law


@pytest.mark.parametrize(("judge_from", "failed"), [("20s", 0), ("10s", 200), ("0s", 400)])
def test_what_goes_wrong_before_judging_begins_is_no_part_of_the_verdict(judge_from: str, failed: int) -> None:
    plan = plan_of(shaped(SHAPES["steps"], "errors <= 1%", judge_from=judge_from), arrivals="even")
    found = trial_of(make(plan, failing_until(20 * SECOND)))
    assert (found.verdict is Verdict.PASS) is (not failed)
    (result,) = found.stages
    assert (result.intended, result.intended - result.ok) == (1600 + failed, failed)
    assert result.rate == pytest.approx((1600 + failed) / (40 + failed / 20))


def test_a_service_that_gives_way_to_a_spike_fails_its_limit() -> None:
    def law(intended_ns: Int64, stage: Stage, random: np.random.Generator) -> Answers:
        high = (intended_ns >= 12 * SECOND) & (intended_ns < 38 * SECOND)
        outcome = np.where(high, int(Outcome.HTTP_ERROR), int(Outcome.OK))
        return Answers(np.full(len(intended_ns), 10 * MS), outcome, np.where(high, 503, 200))

    plan = plan_of(shaped(SHAPES["spike"], "errors <= 1%"))
    assert trial_of(make(plan, law)).verdict is Verdict.FAIL


def test_records_of_a_held_level_are_not_those_of_a_spike() -> None:
    """A generator that offered the mean of a spike instead of the spike has not offered the spike."""
    spike = plan_of(shaped(SHAPES["spike"], "errors <= 1%"), arrivals="even")
    (stage,) = spike.trials[0].stages(0, spike)
    held = {"kind": "load", "at": f"{stage.rate:f}/s", "for": "60s", "objectives": ["errors <= 1%"]}
    level = make(plan_of(held, arrivals="even"), constant(10 * MS))
    assert trial_of(level).verdict is Verdict.PASS
    assert judge(spike, DIGEST, level.policy, [level.data]).trials[0].verdict is Verdict.INVALID
