"""A figure of each of many equal windows of time, in order: what drift is looked for in.

A window's figure is an interval [low, high]: where its value is known, both are the same; where unanswered requests
hide it, ``high`` is infinite; a window without records has none (NaN in both). So neither a missing answer nor a
missing window is ever taken for a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seatrial.stats.binomial import rank_of
from seatrial.units import SECOND

__all__ = ["Series", "mean_series", "quantile_series", "share_series", "windows_for"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

_MOST_WINDOWS = 120
_LEAST_RECORDS = 200
_SHORTEST_NS = 5 * SECOND
_BEYOND = 10


@dataclass(frozen=True, slots=True)
class Series:
    """Figures of windows.

    Attributes:
        at_ns: Middle of each window, ascending, shape (k,).
        low: Figure, or what it is at least; NaN for a window without records; shape (k,).
        high: Figure, or infinity where it is hidden; NaN for a window without records; shape (k,).
        from_ns: Where the observed time begins.
        to_ns: Where it ends, after ``from_ns``.

    Raises:
        ValueError: shapes differ, times do not ascend within [from_ns, to_ns], or a low figure is above the high one.
    """

    at_ns: Float64
    low: Float64
    high: Float64
    from_ns: int
    to_ns: int

    def __post_init__(self) -> None:
        if not self.at_ns.shape == self.low.shape == self.high.shape == (len(self.at_ns),):
            raise ValueError(f"shapes differ: {self.at_ns.shape}, {self.low.shape}, {self.high.shape}")
        if self.to_ns <= self.from_ns:
            raise ValueError(f"no time between {self.from_ns} and {self.to_ns} ns")
        edges = np.concatenate([[self.from_ns], self.at_ns, [self.to_ns]])
        if (np.diff(self.at_ns) <= 0).any() or (np.diff(edges) < 0).any():
            raise ValueError("times do not ascend, or lie beyond the observed time")
        if (self.low > self.high).any() or (np.isnan(self.low) != np.isnan(self.high)).any():
            raise ValueError("a figure is at least more than it is")

    @classmethod
    def exact(cls, at_ns: npt.ArrayLike, value: npt.ArrayLike, from_ns: int, to_ns: int) -> Series:
        """Return a series of known figures; NaN where there is none."""
        figures = np.asarray(value, dtype=np.float64)
        return cls(np.asarray(at_ns, dtype=np.float64), figures, figures, from_ns, to_ns)

    def __len__(self) -> int:
        return len(self.at_ns)

    def present(self) -> Series:
        """Return the windows that have records."""
        there = ~np.isnan(self.low)
        return (
            self
            if there.all()
            else Series(self.at_ns[there], self.low[there], self.high[there], self.from_ns, self.to_ns)
        )


def windows_for(records: int, duration_ns: int, quantile: float | None = None) -> int:
    """Return how many windows to divide a time into to look for drift; 0 where there are no records.

    As many as 120, each of 5 s at least and of 200 records at least, and so many that ten lie beyond the quantile.
    Short windows serve better than long ones, for the figures of a queue are skewed to the right and a test on ranks
    gains where there are many; 240 or 480 found no more in simulations than 120.

    Args:
        records: In the whole time.
        duration_ns: The time.
        quantile: Where the figure is one, in (0, 1).
    """
    least = _LEAST_RECORDS
    if quantile is not None:
        least = max(least, round(_BEYOND / min(quantile, 1 - quantile)))
    return max(0, min(_MOST_WINDOWS, records // least, duration_ns // _SHORTEST_NS))


def quantile_series(
    at_ns: Int64, value_ns: Int64, censored: Bool, quantile: float, from_ns: int, to_ns: int, windows: int
) -> Series:
    """Return a quantile of each window, in ns.

    Args:
        at_ns: When each record was intended, shape (n,), in any order; those beyond [from_ns, to_ns) are left out.
        value_ns: Its time, or what it is at least.
        censored: Whether only that is known.
        quantile: In (0, 1); the value of rank ceil(n q).
        from_ns: Beginning.
        to_ns: End.
        windows: How many, at least one.

    Raises:
        ValueError: shapes or times that do not fit.
    """
    order, edges, middles = _cut(at_ns, from_ns, to_ns, windows, value_ns, censored)
    value, hidden = value_ns[order], censored[order]
    low, high = np.full(windows, np.nan), np.full(windows, np.nan)
    for k, (first, last) in enumerate(pairwise(edges.tolist())):
        if last > first:
            rank = rank_of(last - first, quantile)
            low[k] = np.partition(value[first:last], rank - 1)[rank - 1]
            known = value[first:last][~hidden[first:last]]
            high[k] = np.partition(known, rank - 1)[rank - 1] if rank <= len(known) else np.inf
    return Series(middles, low, high, from_ns, to_ns)


def mean_series(
    at_ns: Int64, value: Int64 | Float64, from_ns: int, to_ns: int, windows: int, censored: Bool | None = None
) -> Series:
    """Return the mean of each window, in the unit of ``value``: of times, or of readings of the service itself.

    Args:
        at_ns: When, shape (n,), in any order; those beyond [from_ns, to_ns) are left out.
        value: What; NaN is a reading that is missing.
        from_ns: Beginning.
        to_ns: End.
        windows: How many, at least one.
        censored: Whether a value is only a lower bound; None for none.

    Raises:
        ValueError: shapes or times that do not fit.
    """
    hidden = np.zeros(len(at_ns), dtype=np.bool_) if censored is None else censored
    order, edges, middles = _cut(at_ns, from_ns, to_ns, windows, value, hidden)
    figures, unknown = np.asarray(value, dtype=np.float64)[order], hidden[order]
    low, high = np.full(windows, np.nan), np.full(windows, np.nan)
    for k, (first, last) in enumerate(pairwise(edges.tolist())):
        there = ~np.isnan(figures[first:last])
        if there.any():
            low[k] = np.sort(figures[first:last][there]).cumsum()[-1] / int(there.sum())
            high[k] = np.inf if unknown[first:last][there].any() else low[k]
    return Series(middles, low, high, from_ns, to_ns)


def share_series(at_ns: Int64, hit: Bool, from_ns: int, to_ns: int, windows: int) -> Series:
    """Return the share of hits among the records of each window, a fraction of one.

    Args:
        at_ns: When each record was intended, shape (n,), in any order; those beyond [from_ns, to_ns) are left out.
        hit: Which are hits.
        from_ns: Beginning.
        to_ns: End.
        windows: How many, at least one.

    Raises:
        ValueError: shapes or times that do not fit.
    """
    return mean_series(at_ns, hit.astype(np.int64), from_ns, to_ns, windows)


def _cut(
    at_ns: Int64, from_ns: int, to_ns: int, windows: int, *columns: npt.NDArray[np.generic]
) -> tuple[Int64, Int64, Float64]:
    """Return records in the order of time, where each window begins among them (and the last ends), and middles."""
    if windows < 1 or to_ns <= from_ns:
        raise ValueError(f"{windows} windows between {from_ns} and {to_ns} ns")
    if any(column.shape != at_ns.shape for column in columns):
        raise ValueError(f"shapes differ: {[at_ns.shape, *[column.shape for column in columns]]}")
    order = np.argsort(at_ns, kind="stable")
    # Whole nanoseconds; the windows differ by one at most.
    bounds = np.array([from_ns + (to_ns - from_ns) * k // windows for k in range(windows + 1)], dtype=np.int64)
    edges = np.searchsorted(at_ns[order], bounds, side="left").astype(np.int64)
    return order, edges, (bounds[:-1] + bounds[1:]) / 2
