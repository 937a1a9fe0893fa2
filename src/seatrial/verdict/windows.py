"""A limit that is to be kept in every window of a length: the worst window decides.

"For every 30s" is about the windows that there were, all of those that lie in the judged time, wherever they begin:
they are the whole population and no sample of one, so the worst has its figure and no interval for chance. What is
not known is what the steps without an answer would have taken: read as early as possible and as late as possible, they
give the figure its bounds. FAIL when a window breaks the limit in the first reading, PASS when all keep it in the
second and hold records enough; else neither is shown. A window holds enough where one of its records may lie beyond
its percentile, 1 / (1 - q) of them; of a share or a mean one record is enough.

Windows begin no earlier than the first record that the limit is about and end no later than the last: before it and
after it no such step was intended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric, Objective
from seatrial.stats.binomial import rank_of
from seatrial.stats.windows import (
    Window,
    Windows,
    beyond_quantile,
    beyond_share,
    least_records,
    window_quantile,
    worst_mean,
    worst_share,
)
from seatrial.verdict.columns import StageColumns
from seatrial.verdict.selection import hits

__all__ = ["Worst", "fewest_for", "worst_window"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst window.

    Attributes:
        lower: Its figure in the limit's own unit, steps without an answer read as early as possible.
        upper: The same, these read as late as possible; None where they hide it.
        begins_ns: Where the worst in the latter reading begins, on the records' clock.
        fewest: Records of the emptiest window.
    """

    lower: float
    upper: float | None
    begins_ns: int
    fewest: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Judged time without a gap, from its first record to its last, and the records in order of time."""

    at_ns: Int64
    took: Int64
    censored: Bool
    hit: Bool
    from_ns: int
    to_ns: int


def fewest_for(objective: Objective) -> int:
    """Return how many records a window must hold to show its figure."""
    return 1 if objective.quantile is None else least_records(1 - objective.quantile)


def worst_window(objective: Objective, columns: StageColumns, spans: Sequence[tuple[int, int]]) -> Worst | None:
    """Return the worst window; None where none fits between the first record and the last of any span.

    Args:
        objective: A limit on windows.
        columns: The records in its scope, in any order.
        spans: The judged time, on the records' clock.

    Raises:
        ValueError: the objective is not on windows.
    """
    if objective.window_ns is None:
        raise ValueError(f"not a limit on windows: {objective.text}")
    found = [
        _worst_of(objective, objective.window_ns, stretch)
        for stretch in _stretches(objective, columns, spans)
        if stretch.to_ns - stretch.from_ns >= objective.window_ns
    ]
    if not found:
        return None
    rising = objective.relation == "<="
    worst = (max if rising else min)(found, key=lambda one: np.inf if one.upper is None else one.upper)
    lower = (max if rising else min)(one.lower for one in found)
    return Worst(lower, worst.upper, worst.begins_ns, min(one.fewest for one in found))


def _stretches(objective: Objective, columns: StageColumns, spans: Sequence[tuple[int, int]]) -> list[_Stretch]:
    order = np.argsort(columns.intended_ns, kind="stable")
    at_ns = columns.intended_ns[order]
    if objective.metric is Metric.SERVICE_TIME:
        took = np.where(columns.sent, columns.done_ns - columns.sent_ns, 0)[order]
    else:
        took = (columns.done_ns - columns.intended_ns)[order]
    censored = columns.censored[order]
    hit = (hits(objective.metric, columns) if objective.is_share else columns.ok)[order]
    found = []
    for from_ns, to_ns in spans:
        low, high = np.searchsorted(at_ns, [from_ns, to_ns], side="left").tolist()
        if high > low:
            inside = slice(low, high)
            first, last = int(at_ns[low]), int(at_ns[high - 1])
            found.append(_Stretch(at_ns[inside], took[inside], censored[inside], hit[inside], first, last + 1))
    return found


def _worst_of(objective: Objective, width_ns: int, stretch: _Stretch) -> Worst:
    if objective.is_share:
        return _of_share(objective, width_ns, stretch)
    if objective.quantile is None:
        return _of_mean(objective, width_ns, stretch)
    return _of_quantile(objective.quantile, width_ns, stretch)


def _of_share(objective: Objective, width_ns: int, stretch: _Stretch) -> Worst:
    rising = objective.relation == "<="
    bad, most = (stretch.hit, objective.limit) if rising else (~stretch.hit, 1 - objective.limit)
    found = worst_share(stretch.at_ns, bad, width_ns, stretch.from_ns, stretch.to_ns, beyond_share(most))
    window = _there(found)
    figure = (window.bad if rising else window.records - window.bad) / window.records
    return Worst(figure, figure, window.at_ns, found.fewest or 0)


def _of_mean(objective: Objective, width_ns: int, stretch: _Stretch) -> Worst:
    place = (width_ns, stretch.from_ns, stretch.to_ns, objective.limit)
    early = worst_mean(stretch.at_ns, stretch.took, None, *place)
    late = worst_mean(stretch.at_ns, stretch.took, stretch.censored, *place)
    window = _there(late)
    upper = None if np.isinf(window.figure) else window.figure
    return Worst(_there(early).figure, upper, window.at_ns, late.fewest or 0)


def _of_quantile(quantile: float, width_ns: int, stretch: _Stretch) -> Worst:
    known = np.zeros_like(stretch.censored)
    early, begins_ns, fewest = _highest(quantile, width_ns, stretch, known)
    late = early
    if stretch.censored.any():
        late, begins_ns, fewest = _highest(quantile, width_ns, stretch, stretch.censored)
    return Worst(early or 0.0, late, begins_ns, fewest)


def _highest(quantile: float, width_ns: int, stretch: _Stretch, hidden: Bool) -> tuple[float | None, int, int]:
    """Return the highest quantile of any window, None where it is hidden; where that window begins; fewest records.

    From a value on to the quantile of the window in which the greatest share of records lies beyond it, until in no
    window too many do. Each is higher than the one before, so this ends, and mostly after a few rounds.
    """
    rank = rank_of(len(stretch.took), quantile)
    reached: float | None = float(np.partition(np.where(hidden, np.inf, stretch.took), rank - 1)[rank - 1])
    begins_ns, first = stretch.from_ns, True
    while True:
        beyond = hidden | (stretch.took > (np.inf if reached is None else reached))
        found = worst_share(stretch.at_ns, beyond, width_ns, stretch.from_ns, stretch.to_ns, beyond_quantile(quantile))
        window, fewest = _there(found), found.fewest or 0
        if not window.breaks and not first:
            return reached, begins_ns, fewest
        early, late = window_quantile(stretch.at_ns, stretch.took, hidden, window.at_ns, width_ns, quantile)
        if window.breaks and late is None:
            return None, window.at_ns, fewest
        reached, begins_ns, first = float(late if late is not None else early or 0), window.at_ns, False


def _there(found: Windows) -> Window:
    """Return the worst window of a stretch that begins and ends with a record and is long enough for one."""
    if found.worst is None:
        raise AssertionError("no window between the first record and the last")
    return found.worst
