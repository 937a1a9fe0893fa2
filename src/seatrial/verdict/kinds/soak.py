"""Soak: the limits over all of a long time, and what drifts in it."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.journal import TrialLog
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.trial import SoakTrial
from seatrial.model.verdict import ObjectiveResult, Verdict, worst
from seatrial.model.verdict_parts import DriftLine
from seatrial.verdict.drifting import drift_reasons, judge_drift
from seatrial.verdict.found import Conclusion, Found
from seatrial.verdict.kinds.base import Kind, Seen, every_stage

__all__ = ["SOAK"]


@dataclass(frozen=True, slots=True)
class _Drifts:
    """Each limit on a drift of records against them, and the lines that show it."""

    results: tuple[tuple[Objective, ObjectiveResult, DriftLine | None], ...]

    @property
    def lines(self) -> tuple[DriftLine, ...]:
        """Return the lines that there are."""
        return tuple(line for _, _, line in self.results if line is not None)


def _of_records(trial: SoakTrial) -> tuple[Objective, ...]:
    return tuple(o for o in trial.objectives if o.drift and o.metric is not Metric.TELEMETRY)


def _observe(seen: Seen) -> _Drifts:
    confidence = seen.policy.validity.confidence
    limits = _of_records(seen.trial)
    start_ns = seen.log.started_ns
    return _Drifts(
        tuple((o, *judge_drift(seen.plan, seen.stage, seen.judged, start_ns, o, confidence)) for o in limits)
    )


def _conclude(plan: Plan, policy: Policy, trial: SoakTrial, log: TrialLog, found: Found) -> Conclusion:
    objectives, reasons = every_stage(trial, found.results, named=False)
    drifts: _Drifts | None = next(iter(found.observed.values()), None)
    shown = drifts.results if drifts is not None else ()
    of_drift = tuple(result for _, result, _ in shown)
    broken = [one for one in shown if one[1].verdict is Verdict.FAIL]
    of_lines = {one[0].text: drift_reasons(*one) for one in shown}
    reasons = [*(r for one in broken for r in of_lines[one[0].text]), *reasons]
    reasons += [r for one in shown if one not in broken for r in of_lines[one[0].text]]
    verdict = worst([*(result.verdict for result in objectives), *(result.verdict for result in of_drift)])
    if found.by_service:
        verdict = worst([verdict, Verdict.FAIL])
    if _of_records(trial) and drifts is None:
        verdict = worst([verdict, Verdict.INVALID])
    parts = {"drift": drifts.lines} if drifts is not None and drifts.lines else {}
    return Conclusion(verdict, [*found.by_service, *reasons], (*objectives, *of_drift), parts)


SOAK = Kind(_conclude, _observe)
