"""Histograms that can be added up, with a bounded relative error: HdrHistogram's buckets, recorded column by column.

A value of k significant digits falls into a bucket no wider than the value times 10**-k. With

    d   significant digits                            s = 2**ceil(log2(2 * 10**d)), sub-buckets of a bucket
    u   floor(log2(lowest))                           h = s / 2
    v   a value                                       b = max(0, floor(log2(v)) + 1 - u - log2(s)), its bucket

v lies at index b * h + (v >> (b + u)), and every value at that index from ``lowest_of`` to ``highest_of`` counts as
the same: they are 2**(b + u) values of at least h * 2**(b + u), so any of them is off by less than 1/h of it. For three
digits that is 1/1024, less than 0.1 %. (G. Tene, HdrHistogram, 2012: https://github.com/HdrHistogram/HdrHistogram; the
index is that of its counts array, so that its files can be written and read: :mod:`seatrial.stats.hdr_log`.)

Histograms with the same layout add up without loss: the sum of two is the histogram of both columns, whichever way they
were divided. Sums of percentiles are no percentiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.stats.binomial import rank_of

__all__ = ["TIMES", "Histogram", "Layout", "histograms"]

Int64 = npt.NDArray[np.int64]

_CHUNK = 1 << 17
_EXPONENT_BITS, _EXPONENT_BIAS = 52, 1023
_MOST_DIGITS, _MOST_BITS = 5, 62


@dataclass(frozen=True, slots=True)
class Layout:
    """Which values count as the same.

    Attributes:
        lowest: The smallest value that is told from zero, at least 1; rounded down to a power of two.
        highest: The largest value that can be recorded, at least ``2 * lowest``, less than 2**62.
        digits: Significant decimal digits, 1 to 5.

    Raises:
        ValueError: one of them is not so.
    """

    lowest: int
    highest: int
    digits: int

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= _MOST_DIGITS:
            raise ValueError(f"{self.digits} significant digits, not 1 to {_MOST_DIGITS}")
        if not 1 <= self.lowest <= self.highest // 2 or self.highest >= 1 << _MOST_BITS:
            raise ValueError(f"no histogram tells values from {self.lowest} to {self.highest}")
        if self.unit_bits + self.half_bits + 1 > _MOST_BITS:
            raise ValueError(f"{self.digits} digits of values from {self.lowest} on are beyond 2**{_MOST_BITS}")

    @property
    def unit_bits(self) -> int:
        """Return u: values are told apart by their bits from this one up."""
        return self.lowest.bit_length() - 1

    @property
    def half_bits(self) -> int:
        """Return log2(h)."""
        return (2 * int(10**self.digits) - 1).bit_length() - 1

    @property
    def size(self) -> int:
        """Return how many indices there are: all of the bucket that holds ``highest`` and of those below it."""
        bucket = max(self.highest.bit_length() - 1 - self.unit_bits - self.half_bits, 0)
        return (bucket + 2) << self.half_bits

    @property
    def relative_error(self) -> float:
        """Return by what share of itself a value of ``lowest * h`` or more can be off; below that, by a unit."""
        return 1 / (1 << self.half_bits)

    def index_of(self, values: Int64) -> Int64:
        """Return the index of each value, shape (n,). Values must be from 0 to 2**62; :class:`Histogram` looks."""
        bits = values.astype(np.float64).view(np.int64) >> _EXPONENT_BITS
        bits -= _EXPONENT_BIAS
        # Rounding up to a power of two does no harm: one bucket more and one bit less come to the same index.
        bucket = np.maximum(bits - (self.unit_bits + self.half_bits), 0)
        return np.asarray((bucket << self.half_bits) + (values >> (bucket + self.unit_bits)))

    def lowest_of(self, index: Int64) -> Int64:
        """Return the smallest value at each index."""
        bucket = np.maximum((index >> self.half_bits) - 1, 0)
        return np.asarray((index - (bucket << self.half_bits)) << (bucket + self.unit_bits))

    def highest_of(self, index: Int64) -> Int64:
        """Return the largest value at each index."""
        bucket = np.maximum((index >> self.half_bits) - 1, 0)
        return np.asarray(self.lowest_of(index) + (np.int64(1) << (bucket + self.unit_bits)) - 1)


TIMES = Layout(1, (1 << 50) - 1, 3)
"""For times in nanoseconds: three digits from 1 ns to 13 days."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How often values occurred; only indices that did are held. Made by :meth:`of`, :meth:`merged` or a reader.

    Attributes:
        layout: Which values count as the same.
        index: Indices of the layout with at least one value, ascending, shape (m,).
        count: How often each, all above zero, shape (m,).
    """

    layout: Layout
    index: Int64
    count: Int64

    @classmethod
    def of(cls, values: Int64, layout: Layout = TIMES) -> Histogram:
        """Return the histogram of a column.

        Args:
            values: Shape (n,), any whole-number type; may be empty.
            layout: Which values count as the same.

        Raises:
            ValueError: a value is negative or above ``layout.highest``.
        """
        _check(values, layout)
        counts = np.zeros(layout.size, dtype=np.int64)
        for start in range(0, len(values), _CHUNK):  # what is in the processor's cache is counted, not all at once
            found = np.bincount(layout.index_of(values[start : start + _CHUNK].astype(np.int64, copy=False)))
            counts[: len(found)] += found
        return cls.from_counts(counts, layout)

    @classmethod
    def from_counts(cls, counts: Int64, layout: Layout) -> Histogram:
        """Return the histogram with these counts from index 0 on; none of them may be negative."""
        index = np.flatnonzero(counts)
        return cls(layout, index, counts[index])

    @classmethod
    def merged(cls, parts: Iterable[Histogram], layout: Layout = TIMES) -> Histogram:
        """Return the sum of histograms of one layout; without any, the empty histogram of ``layout``.

        Raises:
            ValueError: the layouts differ.
        """
        counts: Int64 | None = None
        for part in parts:
            if counts is None:
                layout, counts = part.layout, np.zeros(part.layout.size, dtype=np.int64)
            if part.layout != layout:
                raise ValueError(f"histograms of different layouts do not add up: {layout}, {part.layout}")
            counts[part.index] += part.count
        return cls.from_counts(np.zeros(0, dtype=np.int64) if counts is None else counts, layout)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        alike = np.array_equal(self.index, other.index) and np.array_equal(self.count, other.count)
        return alike and self.layout == other.layout

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    @property
    def total(self) -> int:
        """Return how many values were recorded."""
        return int(self.count.sum())

    @property
    def max(self) -> int | None:
        """Return the largest value, read as high as its index allows; None where there is none."""
        return int(self.layout.highest_of(self.index[-1:])[0]) if len(self.index) else None

    @property
    def mean(self) -> float | None:
        """Return the mean, each value taken at the middle of its index; None where there is none."""
        if not len(self.index):
            return None
        middle = (self.layout.lowest_of(self.index) + self.layout.highest_of(self.index)) / 2
        return float(np.dot(middle, self.count) / self.total)

    def quantile(self, quantile: float) -> int | None:
        """Return the value of rank ceil(n q), read as high as its index allows; None where there is none.

        The value in the column at that rank is at most this, and less by ``layout.relative_error`` of itself at most.

        Args:
            quantile: In (0, 1].
        """
        if not len(self.index):
            return None
        place = int(np.searchsorted(np.cumsum(self.count), rank_of(self.total, quantile), side="left"))
        return int(self.layout.highest_of(self.index[place : place + 1])[0])


def histograms(group: Int64, values: Int64, layout: Layout = TIMES) -> Iterator[tuple[int, Histogram]]:
    """Yield (group, histogram of its values) for each group that occurs, ascending.

    Args:
        group: Of each value, zero or more, shape (n,), int64.
        values: Shape (n,), int64.
        layout: Which values count as the same.

    Raises:
        ValueError: a value is negative or above ``layout.highest``, or there are too many groups.
    """
    _check(values, layout)
    if not len(values):
        return
    size = layout.size
    if int(group.min()) < 0 or int(group.max()) >= (1 << _MOST_BITS) // size:
        raise ValueError(f"groups from {int(group.min())} to {int(group.max())} can't be told apart")
    cell = np.sort(group * size + layout.index_of(values))
    first = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    count = np.diff(first, append=len(cell))
    of, index = np.divmod(cell[first], size)
    edges = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1], [True]]))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield int(of[start]), Histogram(layout, index[start:end], count[start:end])


def _check(values: Int64, layout: Layout) -> None:
    if len(values) and (int(values.min()) < 0 or int(values.max()) > layout.highest):
        raise ValueError(f"values from {int(values.min())} to {int(values.max())}, not from 0 to {layout.highest}")
