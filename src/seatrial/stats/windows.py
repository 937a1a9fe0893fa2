"""The worst of all windows of a length: exact, over every position that a window can have.

A limit "for every 30 s" is on every interval [s, s + w) that lies within the judged time, not on the 30 s that a clock
happens to cut. As s moves by whole nanoseconds, what the window holds changes only where a record t leaves it, at
s = t + 1, or enters it, at s = t - w + 1; so those positions, and the first one, show every content that there is.
Records before a position are counted by bisection, sums of them are differences of running sums: whole numbers, exact.

A quantile keeps a limit in a window when the value of rank ceil(n q) does, so when no more than n - ceil(n q) of its n
records lie beyond the limit (:func:`beyond_quantile`). A share keeps it when no more than floor(n p) are bad
(:func:`beyond_share`). Of windows the one with the greatest bad share is the worst: if any window breaks a limit,
that one does, but for one whose records are so few that a single bad one is no breach.

What is said is of the windows that were, not of a service's long run: all of them are known, so there is nothing to
be estimated and no interval. What is not known are answers that never came: ask once with the optimistic reading of
what is bad and once with the pessimistic one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seatrial.stats.binomial import rank_of

__all__ = [
    "Window",
    "Windows",
    "beyond_quantile",
    "beyond_share",
    "broken_spans",
    "least_records",
    "window_quantile",
    "worst_mean",
    "worst_share",
]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Allowed = Callable[[int], int]

_PIECE = 1 << 19
_LOW_BITS = 20
_LOW = (1 << _LOW_BITS) - 1
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Window:
    """One window.

    Attributes:
        at_ns: Where it begins.
        records: How many are in it.
        bad: How many of them are bad; of a mean, how many are hidden.
        figure: Share of bad ones, or the mean; infinity for a mean that a hidden record hides.
        breaks: Whether it breaks the limit.
    """

    at_ns: int
    records: int
    bad: int
    figure: float
    breaks: bool


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of a length.

    Attributes:
        worst: The one that breaks the limit and has the greatest figure; where none breaks, the one with the
            greatest figure; the first of several. None where no window has a record, or none fits into the time.
        broken: The most windows without a common instant that all break the limit.
        fewest: Records in the emptiest window, 0 for an empty one; None where none fits.
        fewest_at_ns: Where the first of those begins.
    """

    worst: Window | None
    broken: int
    fewest: int | None
    fewest_at_ns: int | None


def beyond_quantile(quantile: float) -> Allowed:
    """Return how many of n records may lie beyond a limit that a quantile keeps.

    Args:
        quantile: In (0, 1).
    """
    return lambda count: count - rank_of(count, quantile) if count else 0


def beyond_share(share: float) -> Allowed:
    """Return how many of n records may be bad where a share of them may be.

    The product is rounded at the ninth decimal first: a tenth of 30 is 3.

    Args:
        share: In [0, 1].
    """
    return lambda count: min(count, math.floor(round(count * share, _DIGITS)))


def least_records(share: float) -> int:
    """Return how many records it takes for a single bad one to be within an allowed share: 1/(1-q) of a quantile q.

    A window with fewer can break a limit, but that it keeps it says nothing of the share: it can't be passed.

    Args:
        share: What may be bad, in (0, 1]; 1 - q of a quantile.

    Raises:
        ValueError: a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share}")
    return math.ceil(round(1 / share, _DIGITS))


def worst_share(at_ns: Int64, bad: Bool, width_ns: int, from_ns: int, to_ns: int, allowed: Allowed) -> Windows:
    """Return the worst of all windows by the share of bad records.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        bad: Which are bad, in one reading, shape (n,).
        width_ns: Length of a window, above zero.
        from_ns: No window begins before it.
        to_ns: No window ends after it.
        allowed: How many of a number of records may be bad; never falls as the number grows.

    Raises:
        ValueError: shapes that differ, times that do not ascend, a length of zero.
    """
    _check(at_ns, bad, width_ns)
    before = _running(bad)
    found = _Found(width_ns)
    for starts, first, last in _positions(at_ns, width_ns, from_ns, to_ns):
        records, hits = last - first, before[last] - before[first]
        figure = np.divide(hits, records, out=np.full(len(starts), -1.0), where=records > 0)
        found.add(starts, records, hits, figure, _breaking(records, hits, allowed))
    return found.all(from_ns, to_ns)


def worst_mean(
    at_ns: Int64, value: Int64, hidden: Bool | None, width_ns: int, from_ns: int, to_ns: int, limit: float
) -> Windows:
    """Return the worst of all windows by the mean.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        value: Zero or more, shape (n,).
        hidden: In the pessimistic reading, which values are only lower bounds: one makes its window's mean infinite.
            None for the optimistic reading, or where all are known.
        width_ns: Length of a window, above zero.
        from_ns: No window begins before it.
        to_ns: No window ends after it.
        limit: A mean above it breaks.

    Raises:
        ValueError: shapes that differ, times that do not ascend, a length of zero.
    """
    unknown = np.zeros(len(at_ns), dtype=np.bool_) if hidden is None else hidden
    _check(at_ns, unknown, width_ns)
    _check(at_ns, value, width_ns)
    high, low, hidden_before = _running(value >> _LOW_BITS), _running(value & _LOW), _running(unknown)
    found = _Found(width_ns)
    for starts, first, last in _positions(at_ns, width_ns, from_ns, to_ns):
        records, out = last - first, hidden_before[last] - hidden_before[first]
        total = (high[last] - high[first]).astype(np.float64) * (1 << _LOW_BITS) + (low[last] - low[first])
        figure = np.divide(total, records, out=np.full(len(starts), -1.0), where=records > 0)
        figure[out > 0] = np.inf
        found.add(starts, records, out, figure, (records > 0) & (figure > limit))
    return found.all(from_ns, to_ns)


def broken_spans(
    at_ns: Int64, bad: Bool, width_ns: int, from_ns: int, to_ns: int, allowed: Allowed, *, empty_breaks: bool = False
) -> Int64:
    """Return the spans of positions at which a window breaks, ascending, shape (m, 2): the first and the last of each.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        bad: Which are bad, in one reading, shape (n,).
        width_ns: Length of a window, above zero.
        from_ns: No window begins before it.
        to_ns: No window ends after it.
        allowed: How many of a number of records may be bad.
        empty_breaks: Whether a window without records breaks: nothing shows that it was well.

    Raises:
        ValueError: shapes that differ, times that do not ascend, a length of zero.
    """
    _check(at_ns, bad, width_ns)
    before, found = _running(bad), _Found(width_ns)
    for starts, first, last in _positions(at_ns, width_ns, from_ns, to_ns):
        records, hits = last - first, before[last] - before[first]
        breaks = _breaking(records, hits, allowed)
        if empty_breaks:
            breaks |= records == 0
        found.note(starts, breaks)
    return found.spans(to_ns - width_ns)


def window_quantile(
    at_ns: Int64, value_ns: Int64, censored: Bool, start_ns: int, width_ns: int, quantile: float
) -> tuple[int | None, int | None]:
    """Return a quantile of one window in the optimistic and in the pessimistic reading, in ns.

    None where there is no record, and in the pessimistic reading where it is infinite.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        value_ns: Its time, or what it is at least.
        censored: Whether only that is known.
        start_ns: Where the window begins.
        width_ns: Its length.
        quantile: In (0, 1).
    """
    first, last = np.searchsorted(at_ns, [start_ns, start_ns + width_ns], side="left").tolist()
    if first == last:
        return None, None
    rank, value = rank_of(last - first, quantile), value_ns[first:last]
    known = value[~censored[first:last]]
    optimistic = int(np.partition(value, rank - 1)[rank - 1])
    return optimistic, int(np.partition(known, rank - 1)[rank - 1]) if rank <= len(known) else None


class _Found:
    """What pieces of all positions showed, put together in their order."""

    def __init__(self, width_ns: int) -> None:
        self._width_ns = width_ns
        self._worst: Window | None = None
        self._fewest: tuple[int, int] | None = None
        self._changes: list[tuple[int, bool]] = []

    def add(self, starts: Int64, records: Int64, bad: Int64, figure: Float64, breaks: Bool) -> None:
        """Take positions in, with what their windows hold; a figure below zero is of an empty window."""
        self.note(starts, breaks)
        least = int(np.argmin(records))
        if self._fewest is None or records[least] < self._fewest[0]:
            self._fewest = int(records[least]), int(starts[least])
        # Those that break go before those that do not: a limit's verdict is what its worst window says.
        ranked = np.where(breaks, figure, figure - 2) if breaks.any() else figure
        top = int(np.argmax(ranked))
        if records[top]:
            window = Window(int(starts[top]), int(records[top]), int(bad[top]), float(figure[top]), bool(breaks[top]))
            if self._worst is None or (window.breaks, window.figure) > (self._worst.breaks, self._worst.figure):
                self._worst = window

    def note(self, starts: Int64, breaks: Bool) -> None:
        """Take in which positions break."""
        state = self._changes[-1][1] if self._changes else False
        turns = np.flatnonzero(np.diff(breaks, prepend=state))
        self._changes += [(int(starts[k]), bool(breaks[k])) for k in turns]

    def spans(self, last_ns: int) -> Int64:
        """Return the first and last position of each stretch that breaks."""
        edges = [at for at, _ in self._changes]
        if len(edges) % 2:
            edges.append(last_ns + 1)
        spans = np.array(edges, dtype=np.int64).reshape(-1, 2)
        return np.asarray(spans - np.array([0, 1]))

    def all(self, from_ns: int, to_ns: int) -> Windows:
        """Return the sum of it."""
        broken, free = 0, from_ns
        for first, last in self.spans(to_ns - self._width_ns).tolist():
            start = max(first, free)
            if start <= last:
                more = 1 + (last - start) // self._width_ns
                broken, free = broken + more, start + more * self._width_ns
        fewest, at_ns = self._fewest or (None, None)
        return Windows(self._worst, broken, fewest, at_ns)


def _positions(at_ns: Int64, width_ns: int, from_ns: int, to_ns: int) -> Iterator[tuple[Int64, Int64, Int64]]:
    """Yield, ascending and in pieces, positions that show every content, and the records before begin and end."""
    last_ns = to_ns - width_ns
    if last_ns < from_ns:
        return
    leave = at_ns[np.searchsorted(at_ns, from_ns, side="left") : np.searchsorted(at_ns, last_ns, side="left")] + 1
    low, high = np.searchsorted(at_ns, [from_ns + width_ns, to_ns], side="left").tolist()
    enter = at_ns[low:high] - (width_ns - 1)
    cuts = np.concatenate([leave[_PIECE::_PIECE], enter[_PIECE::_PIECE]])
    bounds = [from_ns, *np.unique(cuts).tolist(), last_ns + 1]
    for begin, end in pairwise(bounds):
        inside = [part[slice(*np.searchsorted(part, [begin, end], side="left"))] for part in (leave, enter)]
        starts = np.unique(np.concatenate([np.array([begin], dtype=np.int64), *inside]))
        first = np.searchsorted(at_ns, starts, side="left").astype(np.int64)
        last = np.searchsorted(at_ns, starts + width_ns, side="left").astype(np.int64)
        yield starts, first, last


def _breaking(records: Int64, bad: Int64, allowed: Allowed) -> Bool:
    """Return which windows break: each number of records is asked about once."""
    numbers, place = np.unique(records, return_inverse=True)
    most = np.array([allowed(number) for number in numbers.tolist()], dtype=np.int64)
    return np.asarray(bad > most[place])


def _running(part: Bool | Int64) -> Int64:
    """Return the sum of the first k, for k from 0 to n."""
    sums = np.zeros(len(part) + 1, dtype=np.int64)
    np.cumsum(part, out=sums[1:])
    return sums


def _check(at_ns: Int64, part: Bool | Int64, width_ns: int) -> None:
    if at_ns.shape != part.shape or at_ns.ndim != 1:
        raise ValueError(f"shapes differ: {at_ns.shape}, {part.shape}")
    if width_ns <= 0:
        raise ValueError(f"a window of {width_ns} ns")
    if (at_ns[1:] < at_ns[:-1]).any():
        raise ValueError("times do not ascend")
