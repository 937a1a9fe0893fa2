"""What the levels of a stress trial show together: the knee, a collapse, and how goodput grows with load.

The knee is the level with the highest power, goodput over mean response time (Kleinrock, *Power and Deterministic Rules
of Thumb for Probabilistic Problems in Computer Communications*, ICC 1979).

Goodput collapses where at the lowest broken level it is shown to be less than at a lower one, with fewer sessions
offered: the upper bound of the one lies below the lower bound of the other. What is refused clearly and at no cost
leaves goodput where it was; what is begun and thrown away does not.

The Universal Scalability Law (:mod:`seatrial.stats.usl`) is fitted to goodput X over steps in progress N, which by
Little's law are offered steps per second times mean response time. What is offered is exact, and N the noisier of the
two, so the error of a point is that of N/X: both relative errors, squared and added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtri

from seatrial.model.verdict import Bounded, Reason, StageResult
from seatrial.model.verdict_capacity import Collapse, Knee, Pace, ScalingLaw
from seatrial.stats.usl import FARTHEST, Parameter, Refused, ThroughputAt, fit_scaling
from seatrial.units import SECOND, format_duration, format_number

__all__ = ["collapse_of", "collapse_reason", "knee_of", "knee_reason", "scaling_of"]


def _paced(results: Sequence[StageResult]) -> list[tuple[StageResult, Pace]]:
    """Return the levels that got something done, by load."""
    known = [(one, one.pace) for one in results if one.pace is not None and one.ok and one.pace.mean_ns > 0]
    return sorted(known, key=lambda pair: pair[0].rate)


def knee_of(results: Sequence[StageResult]) -> Knee | None:
    """Return the level with the highest power; None with fewer than three different levels."""
    known = _paced(results)
    if len({one.rate for one, _ in known}) < 3:
        return None
    power = [one.goodput_per_s / (pace.mean_ns / SECOND) for one, pace in known]
    place = max(range(len(known)), key=lambda i: power[i])
    result, pace = known[place]
    inside = known[0][0].rate < result.rate < known[-1][0].rate
    return Knee(
        level=result.name,
        goodput_per_s=result.goodput_per_s,
        mean_ns=pace.mean_ns,
        power=power[place],
        inside=inside,
    )


def knee_reason(knee: Knee) -> Reason:
    """Return the sentence on a knee that lies inside what was offered."""
    mean, value = format_duration(knee.mean_ns), format_number(knee.goodput_per_s)
    return Reason(code="capacity.knee", params={"level": knee.level, "value": value, "mean": mean})


def collapse_of(results: Sequence[StageResult]) -> Collapse | None:
    """Return that goodput at the lowest broken level is shown to be below a lower level's; None where it is not."""
    by_load = sorted((one for one in results if one.pace is not None), key=lambda one: one.rate)
    broken = next((one for one in by_load if one.held is False), None)
    if broken is None or broken.pace is None:
        return None
    lower = [(one, one.pace) for one in by_load if one.rate < broken.rate and one.pace is not None]
    best = max(lower, key=lambda pair: pair[1].goodput_per_s.lower or 0.0, default=None)
    now = broken.pace.goodput_per_s
    if best is None or now.upper is None or now.upper >= (best[1].goodput_per_s.lower or 0.0):
        return None
    return Collapse(level=broken.name, goodput_per_s=now, best=best[0].name, best_per_s=best[1].goodput_per_s)


def collapse_reason(collapse: Collapse) -> Reason:
    """Return the sentence on a collapse."""
    now, best = collapse.goodput_per_s.estimate or 0.0, collapse.best_per_s.estimate or 0.0
    params = {"level": collapse.level, "value": format_number(now), "best": collapse.best}
    return Reason(code="breakpoint.collapsed", params=params | {"best_value": format_number(best)})


def scaling_of(results: Sequence[StageResult], confidence: float) -> ScalingLaw | None:
    """Return how goodput grows with the steps in progress; None with fewer than four usable levels.

    Args:
        results: Of the levels, in any order.
        confidence: Of every bound, two-sided.
    """
    z = float(ndtri((1 + confidence) / 2))
    points = []
    for result, pace in _paced(results):
        bounds, goodput = pace.goodput_per_s, result.goodput_per_s
        if pace.error_ns is None or bounds.lower is None or bounds.upper is None:
            continue
        of_goodput, of_mean = (bounds.upper - bounds.lower) / (2 * z * goodput), pace.error_ns / pace.mean_ns
        in_progress = result.offered_per_s * pace.mean_ns / SECOND
        points.append(ThroughputAt(in_progress, goodput, goodput * math.hypot(of_goodput, of_mean)))
    found = fit_scaling(points, confidence)
    if found is None:
        return None
    at_peak = None if found.peak is None else found.predict(found.peak.estimate)
    top = None
    if at_peak is not None and not isinstance(at_peak, Refused):
        top = Bounded(estimate=at_peak.estimate, lower=at_peak.lower, upper=at_peak.upper)
    return ScalingLaw(
        throughput_per_s=_bounded(found.throughput),
        contention=_bounded(found.contention),
        crosstalk=_bounded(found.crosstalk),
        peak=None if found.peak is None else _bounded(found.peak),
        peak_per_s=top,
        farthest=FARTHEST * found.largest,
        points=found.points,
    )


def _bounded(value: Parameter) -> Bounded:
    return Bounded(estimate=value.estimate, lower=value.lower, upper=value.upper)
