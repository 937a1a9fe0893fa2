"""Times in ascending order, each with how often it occurred: gathered chunk by chunk, exact as long as they are few.

Up to :data:`EXACT` values every one is kept. Beyond, they are counted by level (three digits of
:class:`seatrial.stats.histogram.Layout`): all of a level count as the same, and are off by less than 1/1024 of
themselves. Which of a level's edges they are taken at is the reader's to say, so that a bound can stand at the cautious
one; at an edge the counts are exact. The memory is that of the levels, whatever the number of values.

Which of the two it is depends on the number of values alone, and counts add up in any order: however the values were
divided, the result is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.stats.histogram import Layout

__all__ = ["EXACT", "LEVELS", "Ordered", "Values"]

Int64 = npt.NDArray[np.int64]

EXACT = 1 << 22
"""Values up to which every one is kept: 32 MB of them."""

LEVELS = Layout(1, (1 << 62) - 1, 3)
"""Levels of more values than that. What is longer than 2**62 ns, 146 years, counts as that."""

_CHUNK = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Values in ascending order.

    Attributes:
        value: Those that occurred, strictly ascending, shape (m,).
        upto: How many are at or below each, shape (m,).
    """

    value: Int64
    upto: Int64

    def __len__(self) -> int:
        return int(self.upto[-1]) if len(self.upto) else 0

    def at(self, rank: int) -> int | None:
        """Return the value of a rank from 1; None (infinity) beyond the last."""
        return int(self.at_ranks(np.array([rank]))[0]) if rank <= len(self) else None

    def at_ranks(self, ranks: Int64) -> Int64:
        """Return the values of ranks from 1 to ``len(self)``."""
        return np.asarray(self.value[np.searchsorted(self.upto, ranks, side="left")])

    def within(self, limit: float) -> int:
        """Return how many values are at or below a limit."""
        place = int(np.searchsorted(self.value, limit, side="right"))
        return int(self.upto[place - 1]) if place else 0


class Values:
    """Gathers values of zero or more.

    Attributes:
        count: How many there are.
        greatest: The largest, exact; 0 without any.
        kept: They themselves, while they are few.
        counts: How many are in each level, once they are many.
    """

    def __init__(self) -> None:
        self.count = self.greatest = 0
        self.kept: list[Int64] = []
        self.counts: Int64 | None = None

    def add(self, values: Int64) -> None:
        """Take some values in, shape (n,), int64."""
        if not len(values):
            return
        self.count += len(values)
        self.greatest = max(self.greatest, int(values.max()))
        if self.counts is None and self.count <= EXACT:
            self.kept.append(values)
            return
        if self.counts is None:
            self.counts = np.zeros(LEVELS.size, dtype=np.int64)
            for kept in self.kept:
                self.count_into(self.counts, kept)
            self.kept = []
        self.count_into(self.counts, values)

    @staticmethod
    def count_into(counts: Int64, values: Int64) -> None:
        """Count values by level into ``counts``, shape (levels,)."""
        for start in range(0, len(values), _CHUNK):  # what is in the processor's cache is counted, not all at once
            chunk = np.minimum(values[start : start + _CHUNK], LEVELS.highest)
            found = np.bincount(LEVELS.index_of(chunk))
            counts[: len(found)] += found

    def ordered(self, *, high: bool) -> Ordered:
        """Return the values in order; beyond :data:`EXACT` all at the lower or the higher edge of their level."""
        return together([self], high=high)


def together(parts: list[Values], *, high: bool) -> Ordered:
    """Return all values of several gatherings in order, exact where they are together no more than :data:`EXACT`."""
    if sum(part.count for part in parts) <= EXACT:
        kept = [values for part in parts for values in part.kept]
        value, count = np.unique(np.concatenate([np.empty(0, np.int64), *kept]), return_counts=True)
        return Ordered(value, np.cumsum(count))
    counts = np.zeros(LEVELS.size, dtype=np.int64)
    for part in parts:
        if part.counts is not None:
            counts += part.counts
        for values in part.kept:
            Values.count_into(counts, values)
    index = np.flatnonzero(counts)
    edge = LEVELS.highest_of(index) if high else LEVELS.lowest_of(index)
    return Ordered(edge, np.cumsum(counts[index]))
