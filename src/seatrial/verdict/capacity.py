"""Capacity of a search, as an interval: from the levels offered, in whatever order, the same one more than once.

Each limit that records keep or break has its own capacity, and the service's is the least of them: the least of the
estimates, of the lower bounds and of the upper bounds. A limit's is

*fitted*, where its levels show the load at which it is just met (:mod:`seatrial.stats.crossing`). Records without an
answer lie beyond the limit for the estimate and the lower bound; for the upper bound they count as within as far as
nothing else is known.

*bracketed* elsewhere: the highest level at which it was kept with none below that broke it, and the lowest that broke
it. A limit that no level broke has no upper bound.

A level that broke without any limit being shown to be broken (too much could not be sent, or not one step ended ok)
bounds capacity from above too.

``capacity >= c`` is PASS when the lower bound is c or more, or a level of c or more held and none up to it broke; FAIL
when the upper bound is c or less, or a level of c or less broke and none from c up held; where both are so, the levels
contradict each other, and it is INCONCLUSIVE, as it is where neither is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seatrial.model.objective import Metric, Objective
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import Bounded, Capacity, ObjectiveResult, Reason, StageResult, Verdict
from seatrial.stats.crossing import Crossing, MeanAt, ShareAt, crossing_of_means, crossing_of_shares
from seatrial.stats.longer import longer_for_mean
from seatrial.verdict.phrasing import figure, times
from seatrial.verdict.telemetry import stage_limits

__all__ = ["Level", "capacity_of_search", "fitted_near", "judge_capacity_of_search", "levels_of"]

_TINY = 1e-9
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Level:
    """A level that was offered.

    Attributes:
        load: In the unit of the trial's levels.
        result: What it showed.
    """

    load: float
    result: StageResult


@dataclass(frozen=True, slots=True)
class _Of:
    """The capacity of one limit; infinite in estimate and upper bound where nothing broke it."""

    estimate: float
    lower: float
    upper: float
    near: int | None = None


def levels_of(trial: StressTrial, results: Sequence[StageResult], peak: float) -> tuple[Level, ...]:
    """Return the levels that results are of, in their order; ``peak`` is P in journeys per second."""
    of_one = peak if trial.start.unit == "P" else 1.0
    return tuple(Level(round(result.rate / of_one, 9), result) for result in results)


def capacity_of_search(trial: StressTrial, levels: Sequence[Level], confidence: float) -> Capacity:
    """Return capacity from what the levels showed.

    Args:
        trial: The search.
        levels: In any order.
        confidence: Of the interval, two-sided.
    """
    found = _of_all(trial, levels, confidence)
    method: Literal["fit", "bracket"] = "fit" if found.near is not None else "bracket"
    known = [one.load for one in levels if one.result.held is not False]
    estimate = min(found.estimate, max(known, default=0.0)) if found.estimate == _NEVER else found.estimate
    return Capacity(
        estimate=estimate if estimate > 0 else None,
        lower=found.lower if found.lower > 0 else None,
        upper=None if found.upper == _NEVER else found.upper,
        unit=trial.start.unit,
        method=method,
    )


def fitted_near(trial: StressTrial, levels: Sequence[Level], confidence: float) -> int | None:
    """Return how many levels lie near the fitted capacity; None where it is not fitted."""
    return _of_all(trial, levels, confidence).near


def _of_all(trial: StressTrial, levels: Sequence[Level], confidence: float) -> _Of:
    limits = stage_limits(trial)
    sound = [one for one in levels if len(one.result.objectives) == len(limits)]
    each = [_of_limit(limit, place, sound, confidence) for place, limit in enumerate(limits)]
    each += [_Of(_below(levels, one.load), _NEVER, one.load) for one in levels if _broken_otherwise(one)]
    if not sound:
        return _Of(0.0, 0.0, _NEVER)
    least = min(each, key=lambda one: one.estimate)
    lower, upper = min(one.lower for one in each), min(one.upper for one in each)
    estimate = min(max(least.estimate, lower), upper)
    return _Of(estimate, lower, upper, least.near)


def _broken_otherwise(level: Level) -> bool:
    broken = any(shown.verdict is Verdict.FAIL for shown in level.result.objectives)
    return level.result.held is False and not broken


def _below(levels: Sequence[Level], load: float) -> float:
    return max((one.load for one in levels if one.load < load and one.result.held is not False), default=0.0)


def _of_limit(limit: Objective, place: int, levels: Sequence[Level], confidence: float) -> _Of:
    """Return the capacity of one limit."""
    shown = [(one.load, one.result.objectives[place]) for one in levels]
    broken = min((load for load, result in shown if result.verdict is Verdict.FAIL), default=_NEVER)
    kept = [load for load, result in shown if result.verdict is Verdict.PASS and load < broken]
    likely = 0.0
    for load, result in sorted(shown, key=lambda pair: pair[0]):
        estimate = result.value.estimate
        if load >= broken or estimate is None or not limit.meets(estimate):
            break
        likely = load
    else:
        likely = _NEVER if shown else 0.0
    bracket = _Of(likely, max(kept, default=0.0), broken)
    fits = _crossings(shown, limit, confidence)
    if fits is None:
        return bracket
    worse, better = fits
    return _Of(worse.estimate, worse.lower, better.upper if better is not None else broken, worse.near)


def _crossings(
    shown: Sequence[tuple[float, ObjectiveResult]], limit: Objective, confidence: float
) -> tuple[Crossing, Crossing | None] | None:
    """Return the fit with what is not known taken as beyond the limit, and as within; None without one."""
    means = [
        MeanAt(load, result.value.estimate, result.error)
        for load, result in shown
        if result.error and result.value.estimate
    ]
    if means:
        found = crossing_of_means(means, limit.limit, confidence)
        return None if found is None else (found, found)
    tails = [(load, result.samples, result.tail) for load, result in shown if result.tail is not None]
    allowed = {tail.allowed for _, _, tail in tails}
    if not tails or not all(0 < share < 1 for share in allowed):
        return None
    # Of a percentile the share that may lie beyond depends a little on the number of records: the strictest counts.
    at_most = min(allowed)

    def fit(readings: list[float]) -> Crossing | None:
        pairs = zip(tails, readings, strict=True)
        points = [ShareAt(load, share, float(n), min(tail.effective, n)) for (load, n, tail), share in pairs]
        return crossing_of_shares(points, at_most, confidence)

    worse = fit([tail.share for _, _, tail in tails])
    if worse is None:
        return None
    certain = all(tail.share == tail.least for _, _, tail in tails)
    return worse, worse if certain else fit([tail.least for _, _, tail in tails])


def judge_capacity_of_search(
    trial: StressTrial, objective: Objective, levels: Sequence[Level], confidence: float
) -> tuple[ObjectiveResult, Reason]:
    """Return a capacity limit against the levels of a search, and the sentence on it.

    Args:
        trial: The search.
        objective: One of its limits, on capacity.
        levels: Those offered, in any order.
        confidence: Of the interval, two-sided.

    Raises:
        ValueError: the objective is not on capacity.
    """
    if objective.metric is not Metric.CAPACITY or objective.load is None:
        raise ValueError(f"not a capacity: {objective.text}")
    found, limit = capacity_of_search(trial, levels, confidence), objective.load.value
    held = [one.load for one in levels if one.result.held is True]
    broke = min((one.load for one in levels if one.result.held is False), default=_NEVER)
    top = max((load for load in held if load < broke), default=0.0)
    keeps = max(found.lower or 0.0, top) >= limit - _TINY
    breaks = min(_NEVER if found.upper is None else found.upper, broke) <= limit + _TINY
    verdict, longer = Verdict.INCONCLUSIVE, None
    if keeps and breaks:
        code = "capacity.contradiction"
    elif keeps:
        verdict, code = Verdict.PASS, "capacity.search_kept"
    elif breaks:
        verdict, code = Verdict.FAIL, "capacity.search_broken"
    elif not levels:
        code = "capacity.none"
    else:
        longer = _longer(found, limit)
        code = "capacity.search_open" if longer is None else "capacity.search_longer"
    params = {"limit": str(objective.load), "range": _range(found), "value": _shown(found.estimate, found)}
    params |= {name: _shown(one, found) for name, one in (("lower", found.lower), ("upper", found.upper)) if one}
    if longer is not None:
        params["times"] = times(longer)
    result = ObjectiveResult(
        objective=objective.text,
        verdict=verdict,
        value=Bounded(estimate=found.estimate, lower=found.lower, upper=found.upper),
        limit=limit,
        unit=objective.load.unit,
        samples=sum(one.result.intended for one in levels),
        undecided=None if verdict is not Verdict.INCONCLUSIVE else "levels" if longer is None else "length",
        longer=longer,
    )
    return result, Reason(code=code, params=params)


def _longer(found: Capacity, limit: float) -> float | None:
    """Return how many times as long each level must be held to tell the estimate from the limit."""
    if found.method != "fit" or found.estimate is None or found.lower is None or found.upper is None:
        return None
    keeps = found.estimate >= limit
    half = found.estimate - found.lower if keeps else found.upper - found.estimate
    return longer_for_mean(half, abs(found.estimate - limit))


def _range(found: Capacity) -> str:
    if found.lower is None:
        return "nothing_shown" if found.upper is None else "capacity_at_most"
    return "open" if found.upper is None else "bounded"


def _shown(value: float | None, found: Capacity) -> str:
    return "–" if value is None else figure(float(f"{value:.4g}"), found.unit)
