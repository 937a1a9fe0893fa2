"""Stress: capacity limits decide; a trial without any keeps its limits at every level or does not."""

from __future__ import annotations

from seatrial.model.journal import TrialLog
from seatrial.model.objective import Metric
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import Reason, StageResult, Verdict, worst
from seatrial.verdict.capacity import capacity_of_search, judge_capacity_of_search, levels_of
from seatrial.verdict.found import Conclusion, Found, worst_first
from seatrial.verdict.kinds.base import Kind, every_stage
from seatrial.verdict.knee import collapse_of, collapse_reason, knee_of, knee_reason, scaling_of
from seatrial.verdict.phrasing import how_it_broke, objective_reason
from seatrial.verdict.stress import capacity_of, judge_capacity
from seatrial.verdict.telemetry import stage_limits

__all__ = ["STRESS"]


def _conclude(plan: Plan, policy: Policy, trial: StressTrial, log: TrialLog, found: Found) -> Conclusion:
    capacities = [o for o in trial.objectives if o.metric is Metric.CAPACITY]
    confidence = policy.validity.confidence
    if trial.within is None:
        judged = [judge_capacity(trial, objective, found.results) for objective in capacities]
        capacity = capacity_of(trial, found.results)
    else:
        levels = levels_of(trial, found.results, plan.demand.peak)
        judged = [judge_capacity_of_search(trial, objective, levels, confidence) for objective in capacities]
        capacity = capacity_of_search(trial, levels, confidence)
    objectives = tuple(result for result, _ in judged)
    reasons = worst_first([reason for _, reason in judged], objectives)
    if not capacities:
        objectives, reasons = every_stage(trial, found.results, named=True)
    verdict = worst(result.verdict for result in objectives)
    by_load = sorted(found.results, key=lambda result: result.rate)
    broken = next((result for result in by_load if result.held is False), None)
    if broken is not None and not capacities:
        # Too much unsent load breaks a level whose own limits may all be kept.
        verdict = worst([verdict, Verdict.FAIL])
    knee, collapse = knee_of(found.results), collapse_of(found.results)
    reasons += _breakpoint(trial, found, broken)
    reasons += [collapse_reason(collapse)] if collapse is not None else []
    reasons += [knee_reason(knee)] if knee is not None and knee.inside else []
    parts = {"capacity": capacity, "knee": knee, "collapse": collapse, "usl": scaling_of(found.results, confidence)}
    return Conclusion(verdict, reasons, objectives, parts)


def _breakpoint(trial: StressTrial, found: Found, broken: StageResult | None) -> list[Reason]:
    """Return where and how the service broke, or that it did not; and what kept a level from being decided."""
    reasons: list[Reason] = []
    for result in found.results:
        if result.held is None:
            reasons += _limits_that_are(trial, result, Verdict.INCONCLUSIVE)
    if broken is not None:
        how = how_it_broke(broken, found.unsent[broken.index])
        reasons.append(Reason(code="breakpoint.found", params={"level": broken.name} | how))
        reasons += _limits_that_are(trial, broken, Verdict.FAIL)
    elif found.results:
        highest = max(found.results, key=lambda result: result.rate)
        reasons.append(Reason(code="breakpoint.none", params={"level": highest.name}))
    return reasons + found.by_service


def _limits_that_are(trial: StressTrial, result: StageResult, verdict: Verdict) -> list[Reason]:
    pairs = zip(stage_limits(trial), result.objectives, strict=True)
    return [objective_reason(limit, shown, result.name) for limit, shown in pairs if shown.verdict is verdict]


STRESS = Kind(_conclude, breaks=True)
