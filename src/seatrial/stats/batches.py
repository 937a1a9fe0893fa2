"""How much a record is worth: the effective number of independent records, from the variance of batch means.

Answers under load are not independent: a queue that was long a moment ago is long now. Bounds that ignore this are
too narrow, and a too narrow bound is a wrong PASS. The choice here is batch means (Conway, *Management Science* 10
(1963); Law, *Simulation Modeling and Analysis*, 5th ed. (2015), section 9.5.3), not a block bootstrap: it has no
random numbers, so that everybody recomputes the same bits; it is one pass over integers; and it has no length to be
tuned, for it is done at several lengths and the most cautious is kept.

The trial's time is cut into B batches of equal length. With n_b records in batch b, k_b of them hits and p the share
of hits in all n,

    var(p) = B/(B-1) * sum_b (k_b - p n_b)^2 / n^2      (ratio estimator: Cochran, *Sampling Techniques* (1977), 6.3)
    d      = var(p) / (p (1-p) / n)                      (design effect: Kish, *Survey Sampling* (1965), 8.2)
    d'     = d (t / z)^2                                 (Student's t against the normal z, for var(p) is itself
                                                          an estimate: Korn and Graubard 1998)
    n_eff  = n / min(max(1, d'), records of the rarer kind)

d' is taken at B = 10, 20, 40, ... as long as a batch lasts a second, and the largest d' counts. Ten batches is the
fewest that Schmeiser (*Operations Research* 30 (1982)) recommends: long enough to hold the correlation of a slow
queue. Student's t has as many degrees of freedom as batches hold a record of the rarer kind (hits or misses), less
one, and four at least: where a high percentile rests on a few crowded moments, those moments are what was observed,
and their spread is known badly. At most all of the rarer kind are one event, which is the last bound. Choosing the
largest of several noisy estimates errs towards wider bounds: it costs time, where the opposite costs a wrong PASS.

n_eff > n is never claimed, even where arrivals are spread so evenly that the batches vary less than chance.

Sums are of integers, so that the result does not depend on order or on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from seatrial.units import SECOND

__all__ = ["COARSEST", "Batched", "Batches", "Grid", "Sums", "exact_sum"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

COARSEST = 10
"""Batches of the longest kind."""

_FINEST = COARSEST * 2**9
_SHORTEST_NS = SECOND
_LEAST_FREEDOM = 4
_LOW_BITS = 20
_LOW = (1 << _LOW_BITS) - 1


@dataclass(frozen=True, slots=True)
class Grid:
    """Batches of equal length, at the finest.

    Attributes:
        start_ns: Where the first begins.
        width_ns: How long each is.
        number: How many there are: ten, doubled as often as a batch lasts a second.
    """

    start_ns: int
    width_ns: int
    number: int

    @classmethod
    def over(cls, first_ns: int, last_ns: int) -> Grid:
        """Return the grid of records that were intended from the first to the last of these instants."""
        span_ns, number = last_ns - first_ns + 1, COARSEST
        while number < _FINEST and span_ns // (number * 2) >= _SHORTEST_NS:
            number *= 2
        return cls(first_ns, -(-span_ns // number), number)

    def of(self, at_ns: Int64) -> Int64:
        """Return the batch of each instant, from 0."""
        return (at_ns - self.start_ns) // self.width_ns

    def counts(self, at_ns: Int64) -> Int64:
        """Return how many of some instants lie in each batch, shape (number,)."""
        return np.bincount(self.of(at_ns), minlength=self.number)


class Batched:
    """How many records each batch holds: whatever is asked of records can be answered from counts alone.

    Args:
        sizes: Records in each of the finest batches, shape (ten times a power of two,).
    """

    def __init__(self, sizes: Int64) -> None:
        self.sizes = sizes
        self.count = int(sizes.sum())

    def effect(self, hits: Int64, confidence: float) -> float:
        """Return d' for a share, at least 1; exactly 1 when all or none are hits, or with one batch.

        Args:
            hits: How many records of each batch are hits, shape (batches,).
            confidence: Two-sided, of the bounds that it is for.
        """
        n, k = self.count, int(hits.sum())
        if k in (0, n):
            return 1.0
        # d = B/(B-1) * sum (k_b n - k n_b)^2 / (n k (n - k)), all in whole numbers
        size, hit = self.sizes, hits
        most, side = 1.0, (1 + confidence) / 2
        while True:
            batches, rare = int((size > 0).sum()), hit if 2 * k <= n else size - hit
            if batches > 1:
                # Whole numbers up to here; each square is rounded alone, and their sum once (fsum): no order matters.
                apart = (hit * n - k * size).astype(np.float64)
                effect = batches * math.fsum((apart * apart).tolist()) / ((batches - 1) * n * k * (n - k))
                freedom = max(int((rare > 0).sum()) - 1, _LEAST_FREEDOM)
                most = max(most, effect * float(stdtrit(freedom, side) / ndtri(side)) ** 2)
            if len(size) == COARSEST:
                break
            size, hit = size.reshape(-1, 2).sum(axis=1), hit.reshape(-1, 2).sum(axis=1)
        # Clustering can't be worse than all records of the rarer kind in one lump: they are one event at least.
        return min(most, float(min(k, n - k)))

    def plain_effect(self, hits: Int64) -> float:
        """Return d over ten batches, at least 1, with nothing added for how badly it is known.

        It is for those who pool it over many samples; a bound of one sample needs :meth:`effect`.

        Args:
            hits: How many records of each batch are hits, shape (batches,).
        """
        n, k = self.count, int(hits.sum())
        size, hit = self.sizes, hits
        while len(size) > COARSEST:
            size, hit = size.reshape(-1, 2).sum(axis=1), hit.reshape(-1, 2).sum(axis=1)
        batches = int((size > 0).sum())
        if k in (0, n) or batches < 2:
            return 1.0
        apart = (hit * n - k * size).astype(np.float64)
        effect = batches * math.fsum((apart * apart).tolist()) / ((batches - 1) * n * k * (n - k))
        return min(max(1.0, effect), float(min(k, n - k)))

    def variance_of_mean(self, sums: Sums) -> tuple[float, int]:
        """Return the variance of the mean of values and the degrees of freedom of its estimate.

        It is never below the variance of independent records.

        Args:
            sums: Of the values of all of these records.

        Returns:
            Variance in squared units of the values, and B - 1 of the batches that gave it (n - 1 where they gave less
            than independence); (infinity, 1) for fewer than two records.
        """
        n = self.count
        if n < 2:
            return math.inf, 1
        totals = sums.totals
        total = sum(totals)
        best = (sums.independent_variance(n) / n, n - 1)
        for batches, squares in self._squares(totals, total):
            if batches > 1:
                best = max(best, (batches * squares / ((batches - 1) * n**4), batches - 1))
        return best

    def _squares(self, sums: list[int], total: int) -> Iterator[tuple[int, int]]:
        """Yield (batches with records, sum over them of (s_b n - s n_b)^2) for each length of batch."""
        sizes, number, n = [int(size) for size in self.sizes], len(self.sizes), self.count
        while True:
            yield (
                sum(1 for size in sizes if size),
                sum((s * n - total * size) ** 2 for s, size in zip(sums, sizes, strict=True)),
            )
            if number == COARSEST:
                return
            number //= 2
            sizes = [a + b for a, b in zip(sizes[::2], sizes[1::2], strict=True)]
            sums = [a + b for a, b in zip(sums[::2], sums[1::2], strict=True)]


class Sums:
    """Sums of values by batch and of their squares, gathered chunk by chunk.

    Args:
        grid: The batches.
        count: How many values there will be.
        greatest: The largest of them.
    """

    def __init__(self, grid: Grid, count: int, greatest: int) -> None:
        self._grid = grid
        self._high = np.zeros(grid.number, dtype=np.int64)
        self._low = np.zeros(grid.number, dtype=np.int64)
        # Squares are shortened so that their sum fits 63 bits.
        self._shift = max(0, greatest.bit_length() - (62 - count.bit_length()) // 2)
        self._squares = self._short = 0

    def add(self, place: Int64, value: Int64) -> None:
        """Take some values in, zero or more, and the batch of each; both of shape (n,)."""
        number = self._grid.number
        # Sums of whole numbers below 2**53 are exact in doubles, in any order.
        self._high += np.bincount(place, weights=value >> _LOW_BITS, minlength=number).astype(np.int64)
        self._low += np.bincount(place, weights=value & _LOW, minlength=number).astype(np.int64)
        short = value >> self._shift
        self._squares += int((short * short).sum())
        self._short += int(short.sum())

    @property
    def totals(self) -> list[int]:
        """Return the exact sum of each batch."""
        return [(h << _LOW_BITS) + part for h, part in zip(self._high.tolist(), self._low.tolist(), strict=True)]

    def independent_variance(self, count: int) -> float:
        """Return the variance of one of ``count`` values, two at least."""
        n = count
        return (n * self._squares - self._short * self._short) * 4.0**self._shift / (n * (n - 1))


class Batches(Batched):
    """Records that are all there, grouped by when they were intended.

    Args:
        at_ns: When each record was intended, shape (n,), int64, in any order.
    """

    def __init__(self, at_ns: Int64) -> None:
        self.at_ns = at_ns
        self.grid = Grid.over(int(at_ns.min()), int(at_ns.max())) if len(at_ns) else Grid.over(0, 0)
        super().__init__(self.grid.counts(at_ns))

    def design_effect(self, hit: Bool, confidence: float) -> float:
        """Return d' for the share of ``hit``, shape (n,), at least 1; as :meth:`effect` of its counts."""
        return self.effect(self.grid.counts(self.at_ns[hit]), confidence)


def exact_sum(value: Int64) -> int:
    """Return the exact sum of zero or positive int64 values, beyond 64 bits where need be."""
    return (int((value >> _LOW_BITS).sum()) << _LOW_BITS) + int((value & _LOW).sum())
