"""How a service came back from a disturbance, by the limits of its trial.

A service is back to normal when it keeps every limit on percentiles and shares in every window from then on, to the end
of the time for which it is watched (:mod:`seatrial.stats.settling`). A window is so long that at the load before the
disturbance it holds ten records beyond a percentile, or three bad ones of a share that is just kept; no shorter than a
second and no longer than a quarter of the time watched. It breaks a limit when more of its records are bad than one in
a hundred windows of a service that just keeps the limit would hold: otherwise a chance of one error an hour would make
the recovery last an hour. Limits on means take no part: one slow answer is a window's mean.

A service that turns people away is not back to normal because it serves the few that it admits: of a limit "of
admitted" what is refused counts as bad here, and as large a share of the records more may be bad as was refused before
the disturbance (its estimate and three standard errors; nothing where that was more than half).

Each limit gives its own recovery; the slowest counts, and the worst state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.profile import Period
from seatrial.model.verdict_parts import Bounded, Recovery
from seatrial.stats.settling import Aftermath, State, aftermath, ratio_of_means
from seatrial.stats.window_series import quantile_series
from seatrial.stats.windows import beyond_share
from seatrial.units import SECOND
from seatrial.verdict.inputs import StageColumns
from seatrial.verdict.limits import in_scope
from seatrial.verdict.selection import admitted, hits

__all__ = ["Disturbance", "recovery_of"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_BEYOND, _BAD = 10, 3
_HALF, _ERRORS = 0.5, 3
_OF_WATCHED = 4
_CHANCE = 0.99
_WINDOWS = 24
_LEAST_RECORDS = 40
_ORDER = (State.METASTABLE, State.SLOW, State.UNDECIDED, State.RECOVERED)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One disturbance; times on the records' clock.

    Attributes:
        name: For people.
        before: The time that shows what normal is.
        gone_ns: When it was over.
        after: The period after it.
        end_ns: Until when the service was watched.
    """

    name: str
    before: tuple[int, int]
    gone_ns: int
    after: Period
    end_ns: int


def recovery_of(
    plan: Plan, limits: Sequence[Objective], judged: StageColumns, of: Disturbance, confidence: float
) -> tuple[Recovery, str | None]:
    """Return how the service came back from one disturbance, and why that is not known where it is not.

    Args:
        plan: For the names of steps and journeys.
        limits: The trial's; those that tell no normal are left out.
        judged: Records of the whole stage.
        of: The disturbance.
        confidence: Two-sided, of the hysteresis.
    """
    found = [_aftermath(plan, limit, judged, of) for limit in limits if limit.tells_normal]
    if not found:
        raise ValueError("no limit says what normal is")
    state = next(state for state in _ORDER if any(one.state is state for one in found))
    lower, upper = (_slowest([getattr(one.recovery, end) for one in found]) for end in ("lower_ns", "upper_ns"))
    time = Bounded(estimate=lower, lower=_at_least(lower, of), upper=upper)
    hysteresis = _hysteresis(judged, of, upper, confidence) if upper is not None else None
    undecided = next((one.undecided for one in found if one.undecided is not None), None)
    recovery = Recovery(
        name=of.name, state=state.value, back_ns=time, watched_ns=of.end_ns - of.gone_ns, hysteresis=hysteresis
    )
    return recovery, undecided


def _slowest(times: Sequence[int | None]) -> int | None:
    return None if any(time is None for time in times) else max(time for time in times if time is not None)


def _at_least(lower: int | None, of: Disturbance) -> float:
    """Return the lower bound of the time: of what did not come back, the time watched less the longest window."""
    return (of.end_ns - of.gone_ns) * (1 - 1 / _OF_WATCHED) if lower is None else float(lower)


def _aftermath(plan: Plan, limit: Objective, judged: StageColumns, of: Disturbance) -> Aftermath:
    wanted = _in_scope(plan, judged, limit)
    turned_away = ~admitted(judged)[wanted] if limit.admitted else np.zeros(int(wanted.sum()), dtype=np.bool_)
    columns = judged.take(wanted)
    order = np.argsort(columns.intended_ns, kind="stable")
    at_ns = columns.intended_ns[order]
    first, last = np.searchsorted(at_ns, of.before).tolist()
    share = min(1.0, _bad_share(limit) + _usually(turned_away[order][first:last]))
    rate = (last - first) / (of.before[1] - of.before[0])
    width_ns = _width(limit, rate, of.end_ns - of.gone_ns)
    took, censored = (columns.done_ns - columns.intended_ns)[order], columns.censored[order]
    bad = _bad(limit, columns)
    optimistic, pessimistic = ((one | turned_away)[order] for one in bad)
    return aftermath(
        at_ns, took, censored, (optimistic, pessimistic), width_ns, _allowed(share), of.before, of.gone_ns, of.end_ns
    )


def _in_scope(plan: Plan, columns: StageColumns, limit: Objective) -> Bool:
    if limit.step is None and limit.journey is None:
        return np.ones(len(columns), dtype=np.bool_)
    wanted = in_scope(plan, limit.step, limit.journey)
    known = (columns.journey >= 0) & (columns.journey < wanted.shape[0])
    known &= (columns.step >= 0) & (columns.step < wanted.shape[1])
    known[known] = wanted[columns.journey[known], columns.step[known]]
    return np.asarray(known)


def _usually(turned_away: Bool) -> float:
    """Return what share a service refuses at its best, at most; none where it refuses more than half."""
    share = float(turned_away.mean()) if len(turned_away) else 0.0
    return 0.0 if share > _HALF else share + _ERRORS * math.sqrt(share * (1 - share) / max(len(turned_away), 1))


def _bad_share(limit: Objective) -> float:
    """Return how many of all records may speak against a limit, as a share."""
    if limit.quantile is not None:
        return 1 - limit.quantile
    return limit.limit if limit.relation == "<=" else 1 - limit.limit


def _bad(limit: Objective, columns: StageColumns) -> tuple[Bool, Bool]:
    """Return which records speak against a limit, in the optimistic and in the pessimistic reading."""
    if limit.quantile is None:
        hit = hits(limit.metric, columns)
        bad = hit if limit.relation == "<=" else ~hit
        return bad, bad
    if limit.metric is Metric.RESPONSE_TIME:
        took = columns.done_ns - columns.intended_ns
    else:
        took = np.where(columns.sent, columns.done_ns - columns.sent_ns, 0)
    beyond = np.asarray(took > limit.limit)
    return beyond, np.asarray(beyond | columns.censored)


def _width(limit: Objective, rate_per_ns: float, watched_ns: int) -> int:
    wanted = (_BAD if limit.quantile is None else _BEYOND) / max(_bad_share(limit), 1e-9)
    width = wanted / rate_per_ns if rate_per_ns else watched_ns
    return max(1, round(min(max(width, SECOND), watched_ns / _OF_WATCHED)))


def _allowed(share: float) -> Callable[[int], int]:
    least = beyond_share(share)

    @cache
    def allowed(count: int) -> int:
        if not count:
            return 0
        # A window of one or two records of which all are bad shows nothing that is well.
        return min(max(least(count), _quantile_of_binomial(_CHANCE, count, share)), count - 1)

    return allowed


def _quantile_of_binomial(chance: float, count: int, share: float) -> int:
    """Return the least k with P(Bin(count, share) <= k) >= chance; ``scipy.stats`` has it too, and loads for long."""
    if not 0 < share < 1:
        return count if share else 0
    place = math.ceil(float(bdtrik(chance, count, share)))
    return place - 1 if place > 0 and bool(bdtr(place - 1, count, share) >= chance) else place


def _hysteresis(judged: StageColumns, of: Disturbance, after_ns: float, confidence: float) -> Bounded | None:
    """Return p95 of response time after the recovery as a multiple of that before; None where too little is known."""
    series: list[npt.NDArray[np.float64]] = []
    for from_ns, to_ns in (of.before, (of.gone_ns + round(after_ns), of.end_ns)):
        inside = judged.take((judged.intended_ns >= from_ns) & (judged.intended_ns < to_ns))
        windows = min(_WINDOWS, len(inside) // _LEAST_RECORDS)
        if windows < 1 or to_ns <= from_ns:
            return None
        took = inside.done_ns - inside.intended_ns
        figures = quantile_series(inside.intended_ns, took, inside.censored, 0.95, from_ns, to_ns, windows).present()
        if not np.isfinite(figures.high).all():
            return None
        series.append(figures.low)
    ratio = ratio_of_means(series[0], series[1], confidence)
    return None if ratio.estimate is None else ratio
