"""Scalability: the capacity of each size of the service, and what each unit brings against the smallest size.

The capacity of a size lies between the highest level that held with every level below it and the lowest that broke,
both for each unit. Efficiency is that of a size divided by that of the smallest, so its lower bound is the one's lower
bound by the other's upper bound, and its upper bound the reverse. A limit on efficiency is about every size but the
smallest.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.model.journal import TrialLog
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.trial import ScalabilityTrial
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult, Verdict, worst
from seatrial.model.verdict_parts import Bounded, SizeResult
from seatrial.units import format_share
from seatrial.verdict.found import Conclusion, Found
from seatrial.verdict.kinds.base import Kind
from seatrial.verdict.phrasing import figure

__all__ = ["SCALABILITY", "sizes_of"]


def sizes_of(trial: ScalabilityTrial, results: Sequence[StageResult]) -> tuple[SizeResult, ...]:
    """Return the capacity and the efficiency of each size that was offered load.

    Args:
        trial: The trial.
        results: Of its stages, in the order in which they were offered.
    """
    levels = trial.levels
    found: list[SizeResult] = []
    for place, size in enumerate(trial.sizes):
        own = [result for result in results if trial.place(result.index)[0] == place]
        if not own:
            continue
        held = broke = None
        holds = True
        for result in own:
            level = levels[trial.place(result.index)[1]].value
            holds = holds and result.held is True
            held = level if holds else held
            broke = level if result.held is False else broke
        capacity = Bounded(estimate=held, lower=held or 0.0, upper=broke)
        base = found[0].capacity if found else capacity
        efficiency = _efficiency(capacity, base) if found else Bounded(estimate=1.0, lower=1.0, upper=1.0)
        found.append(SizeResult(units=size.units, capacity=capacity, efficiency=efficiency, unit=trial.start.unit))
    return tuple(found)


def _efficiency(own: Bounded, base: Bounded) -> Bounded:
    return Bounded(
        estimate=None if own.estimate is None or not base.estimate else own.estimate / base.estimate,
        lower=0.0 if base.upper is None or own.lower is None else own.lower / base.upper,
        upper=None if own.upper is None or not base.lower else own.upper / base.lower,
    )


def _conclude(plan: Plan, policy: Policy, trial: ScalabilityTrial, log: TrialLog, found: Found) -> Conclusion:
    sizes = sizes_of(trial, found.results)
    reasons: list[Reason] = []
    shown: list[ObjectiveResult] = []
    for limit in trial.objectives:
        if limit.metric is Metric.EFFICIENCY:
            results = [_against(limit, size) for size in sizes[1:]]
            reasons += [_reason(limit, r, size, sizes[0]) for r, size in zip(results, sizes[1:], strict=True)]
            verdict = worst(result.verdict for result in results)
            if results:
                shown.append(next(result for result in results if result.verdict is verdict))
    verdicts = [result.verdict for result in shown]
    for size in sizes:
        reasons.append(_capacity(trial, size))
        if not size.capacity.lower:  # a size that does not carry the lowest level
            verdicts.append(Verdict.FAIL if _breaks_at_once(trial, size) else Verdict.INCONCLUSIVE)
    if len(sizes) < len(trial.sizes):
        verdicts.append(Verdict.INVALID)
    if not shown and not verdicts:
        verdicts.append(Verdict.PASS)  # every size carries the lowest level, and nothing more is asked
    return Conclusion(worst(verdicts), reasons, tuple(shown), {"sizes": sizes} if sizes else {})


def _against(limit: Objective, size: SizeResult) -> ObjectiveResult:
    value = size.efficiency
    if value.lower is not None and value.lower >= limit.limit:
        verdict = Verdict.PASS
    elif value.upper is not None and value.upper < limit.limit:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE
    return ObjectiveResult(
        objective=limit.text,
        verdict=verdict,
        value=value,
        limit=limit.limit,
        unit="share",
        samples=size.units,
        undecided="levels" if verdict is Verdict.INCONCLUSIVE else None,
    )


def _range(value: Bounded, unit: str) -> dict[str, str]:
    lower = figure(value.lower or 0.0, unit)
    if value.upper is None:
        return {"range": "open", "lower": lower}
    return {"range": "bounded", "lower": lower, "upper": figure(value.upper, unit)}


def _reason(limit: Objective, result: ObjectiveResult, size: SizeResult, base: SizeResult) -> Reason:
    codes = {Verdict.PASS: "efficiency.kept", Verdict.FAIL: "efficiency.broken"}
    params = {
        "units": str(size.units),
        "base": str(base.units),
        "bound": "at_least",
        "limit": format_share(limit.limit),
        **_range(result.value, "share"),
    }
    if result.value.estimate is None:
        if result.verdict is not Verdict.FAIL or result.value.upper is None:
            return Reason(code="efficiency.undecided", params=params)
        return Reason(code="efficiency.broken_below", params=params | {"value": format_share(result.value.upper)})
    params["value"] = format_share(result.value.estimate)
    return Reason(code=codes.get(result.verdict, "efficiency.undecided"), params=params)


def _breaks_at_once(trial: ScalabilityTrial, size: SizeResult) -> bool:
    """Return whether it is the lowest level that broke; that one may be undecided where a higher one broke."""
    return size.capacity.upper is not None and size.capacity.upper <= trial.levels[0].value


def _capacity(trial: ScalabilityTrial, size: SizeResult) -> Reason:
    if size.capacity.estimate is None:
        code = "size.none" if _breaks_at_once(trial, size) else "size.undecided"
        return Reason(code=code, params={"units": str(size.units), "level": str(trial.levels[0])})
    shown = {"units": str(size.units), "value": figure(size.capacity.estimate, size.unit)}
    return Reason(code="size.capacity", params=shown | _range(size.capacity, size.unit))


SCALABILITY = Kind(_conclude, breaks=True)
