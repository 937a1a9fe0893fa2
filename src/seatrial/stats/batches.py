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

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from seatrial.units import SECOND

__all__ = ["COARSEST", "Batches", "exact_sum"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

COARSEST = 10
"""Batches of the longest kind."""

_FINEST = COARSEST * 2**9
_SHORTEST_NS = SECOND
_LEAST_FREEDOM = 4
_LOW_BITS = 20
_LOW = (1 << _LOW_BITS) - 1


class Batches:
    """Records grouped by when they were intended.

    Args:
        at_ns: When each record was intended, shape (n,), int64, in any order.
    """

    def __init__(self, at_ns: Int64) -> None:
        self.count = len(at_ns)
        start = int(at_ns.min()) if self.count else 0
        span_ns = (int(at_ns.max()) - start + 1) if self.count else 1
        number = COARSEST
        while number < _FINEST and span_ns // (number * 2) >= _SHORTEST_NS:
            number *= 2
        width_ns = -(-span_ns // number)
        self._number = number
        self._bin: Int64 = (at_ns - start) // width_ns
        self._sizes = self._per_batch(None)

    def design_effect(self, hit: Bool, confidence: float) -> float:
        """Return d' for the share of ``hit``, at least 1; exactly 1 when all or none are hits, or with one batch.

        Args:
            hit: Shape (n,).
            confidence: Two-sided, of the bounds that it is for.
        """
        return self._effect(self._per_batch(hit), confidence)

    def design_effects(self, level: Int64, levels: int, confidence: float) -> list[float]:
        """Return d' of the share of records at or below each of several levels, in one pass.

        Args:
            level: For each record the lowest level it is within, or ``levels`` where it is within none; shape (n,).
            levels: How many there are.
            confidence: Two-sided.
        """
        width = levels + 1
        table = np.bincount(self._bin * width + level, minlength=self._number * width)
        within = np.cumsum(table.reshape(self._number, width), axis=1)
        return [self._effect([int(hit) for hit in within[:, place]], confidence) for place in range(levels)]

    def _effect(self, hits: list[int], confidence: float) -> float:
        n, k = self.count, sum(hits)
        if k in (0, n):
            return 1.0
        # d = B/(B-1) * sum (k_b n - k n_b)^2 / (n k (n - k)), all in whole numbers
        size, hit = np.array(self._sizes, dtype=np.int64), np.array(hits, dtype=np.int64)
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

    def variance_of_mean(self, value: Int64) -> tuple[float, int]:
        """Return the variance of the mean of ``value`` and the degrees of freedom of its estimate.

        It is never below the variance of independent records.

        Args:
            value: Zero or more, shape (n,), n >= 2.

        Returns:
            Variance in squared units of ``value``, and B - 1 of the batches that gave it (n - 1 where they gave less
            than independence); (infinity, 1) for fewer than two records.
        """
        n = self.count
        if n < 2:
            return math.inf, 1
        high = self._per_batch(value >> _LOW_BITS, weighted=True)
        low = self._per_batch(value & _LOW, weighted=True)
        totals = [(h << _LOW_BITS) + part for h, part in zip(high, low, strict=True)]
        total = sum(totals)
        best = (_independent_variance(value, total) / n, n - 1)
        for batches, squares in self._squares(totals, total):
            if batches > 1:
                best = max(best, (batches * squares / ((batches - 1) * n**4), batches - 1))
        return best

    def _squares(self, sums: list[int], total: int) -> Iterator[tuple[int, int]]:
        """Yield (batches with records, sum over them of (s_b n - s n_b)^2) for each length of batch."""
        sizes, number, n = self._sizes, self._number, self.count
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

    def _per_batch(self, what: Bool | Int64 | None, *, weighted: bool = False) -> list[int]:
        if what is None:
            counts = np.bincount(self._bin, minlength=self._number)
        elif weighted:
            # Sums of whole numbers below 2**53 are exact in doubles, in any order.
            counts = np.bincount(self._bin, weights=what, minlength=self._number)
        else:
            counts = np.bincount(self._bin[what], minlength=self._number)
        return [int(c) for c in counts]


def exact_sum(value: Int64) -> int:
    """Return the exact sum of zero or positive int64 values, beyond 64 bits where need be."""
    return (int((value >> _LOW_BITS).sum()) << _LOW_BITS) + int((value & _LOW).sum())


def _independent_variance(value: Int64, total: int) -> float:
    """Return the variance of one record, from squares that are shortened so that their sum fits 63 bits."""
    n = len(value)
    keep = (62 - n.bit_length()) // 2
    shift = max(0, int(value.max()).bit_length() - keep)
    short = value >> shift
    squares, sums = int((short * short).sum()), int(short.sum()) if shift else total
    return (n * squares - sums * sums) * 4.0**shift / (n * (n - 1))
