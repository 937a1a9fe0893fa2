"""Quantiles and means of times of which some are only known to be at least so long.

A record without an answer has a lower bound and no upper one. Two readings of the data frame the truth: the
*optimistic* one takes each lower bound for the value, the *pessimistic* one takes it for infinite. Whatever the
unanswered requests would have taken, the truth lies between. No distribution is assumed and none is fitted, and
Kaplan-Meier's estimator is not used: it needs censoring that is independent of the value, and a deadline cuts off
exactly the slow ones.

Each reading has its sampling uncertainty besides: order-statistic bounds at an effective sample size. The result's
lower bound is the optimistic reading's lower bound, its upper bound the pessimistic reading's upper bound.

The lower bound takes the clustering of records (see :mod:`seatrial.stats.batches`) at the estimate. The upper bound
inverts a test (Francisco and Fuller, *Annals of Statistics* 19 (1991)): a level x bounds the quantile when enough
records lie within x, given how those beyond it cluster. Of records beyond x there may be few or none to learn that
from, so it is taken at its worst over all levels from x/2 to x: moments in which times came to half of x show how
times beyond x would come. What happened far below x shows nothing of the kind: a hiccup of 40 ms does not make a
limit of 5 s undecided. Beyond the greatest time observed, the same rule gives at most twice that time as a bound.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batches, exact_sum
from seatrial.stats.binomial import quantile_ranks, rank_of, reaches_upper_rank

__all__ = ["CensoredTimes"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_BELOW, _NEAR, _BEYOND = 4, 32, 20

UNKNOWN = Bounded(estimate=None, lower=None, upper=None)


class CensoredTimes:
    """Times of records, some censored.

    Args:
        value_ns: Time, or its lower bound where censored; zero or more; shape (n,), int64.
        censored: Whether only a lower bound is known; shape (n,).
        batches: The same records grouped by time.

    Raises:
        ValueError: the shapes differ.
    """

    def __init__(self, value_ns: Int64, censored: Bool, batches: Batches) -> None:
        if not len(value_ns) == len(censored) == batches.count:
            raise ValueError(f"{len(value_ns)} times, {len(censored)} marks, {batches.count} batched")
        self._value, self._censored, self._batches = value_ns, censored, batches
        self._measured: dict[tuple[float, float], tuple[list[int], list[float]]] = {}

    def __len__(self) -> int:
        return len(self._value)

    @cached_property
    def _optimistic(self) -> Int64:
        return np.sort(self._value)

    @cached_property
    def _known(self) -> Int64:
        """Return the sorted times of what was answered: the pessimistic reading, less its infinite tail."""
        return np.sort(self._value[~self._censored]) if self._censored.any() else self._optimistic

    def readings(self, quantile: float) -> tuple[int | None, int | None]:
        """Return the quantile in the optimistic and in the pessimistic reading, in ns.

        None where there is no record, and in the pessimistic reading where it is infinite.
        """
        if not len(self):
            return None, None
        rank = rank_of(len(self), quantile)
        return int(self._optimistic[rank - 1]), _at(self._known, rank)

    def estimate(self, quantile: float) -> float | None:
        """Return the quantile in ns; None when there is no record or censored records hide it.

        Where both readings are finite and differ, it is the optimistic one: a lower bound that the longest wait of
        the answered ones bounds from above.
        """
        optimistic, pessimistic = self.readings(quantile)
        return None if optimistic is None or pessimistic is None else float(optimistic)

    def quantile(self, quantile: float, confidence: float) -> Bounded:
        """Return a quantile with its bounds, in ns; all None without records, lower 0 where too few bound it.

        Args:
            quantile: In (0, 1). The estimate is the value of rank ceil(n q).
            confidence: Two-sided, in (0, 1).
        """
        n = len(self)
        optimistic, pessimistic = self.readings(quantile)
        if optimistic is None:
            return UNKNOWN
        effective = n / self.effect_at(optimistic, confidence, pessimistic=False)
        low_rank, _ = quantile_ranks(n, effective, quantile, confidence)
        upper = None if pessimistic is None else self._upper(quantile, confidence)
        lower = 0.0 if low_rank is None else float(self._optimistic[low_rank - 1])
        return Bounded(estimate=self.estimate(quantile), lower=lower, upper=upper)

    def _upper(self, quantile: float, confidence: float) -> float | None:
        """Return the smallest level from which on every level is shown to hold the quantile, pessimistic reading."""
        n, levels, effects = len(self), *self._levels(quantile, confidence)
        if not levels:
            return None
        bound: float | None = None
        for level in sorted({*levels, *(2 * value + 1 for value in levels)}, reverse=True):
            effect = _nearby(levels, effects, level)
            within = self.within(level, pessimistic=True)
            if not reaches_upper_rank(within, n, n / effect, quantile, confidence):
                break
            bound = float(level)
        return bound

    def effect_near(self, limit_ns: float, quantile: float, confidence: float) -> float:
        """Return the design effect that the upper bound uses at a level: the largest from half of it up."""
        levels, effects = self._levels(quantile, confidence)
        return _nearby(levels, effects, limit_ns)

    def _levels(self, quantile: float, confidence: float) -> tuple[list[int], list[float]]:
        """Return levels at which clustering is measured, ascending, and the design effect at each.

        They are values in the data: from half the least value that independent records would allow as a bound, up to
        the greatest, closer together where fewer records lie beyond.
        """
        key = (quantile, confidence)
        if key not in self._measured:
            n, known = len(self), len(self._known)
            _, first = quantile_ranks(n, n, quantile, confidence)
            levels: list[int] = []
            if first is not None and first <= known:
                low = self.within(int(self._known[first - 1]) // 2, pessimistic=True) + 1
                below = np.linspace(min(low, first), first, _BELOW).astype(np.int64)
                most = known - first
                # Even steps of a quarter of a standard error near the estimate, then ever fewer towards the end.
                near = most - 0.25 * math.sqrt(n - first + 1) * np.arange(_NEAR)
                beyond = np.concatenate([near[near >= 0], np.geomspace(1, most + 1, _BEYOND) - 1]).astype(np.int64)
                ranks = np.unique(np.concatenate([below, known - beyond]))
                levels = sorted({int(value) for value in self._known[ranks - 1]})
            place = np.searchsorted(np.array(levels, dtype=np.int64), self._value, side="left")
            place[self._censored] = len(levels)
            self._measured[key] = levels, self._batches.design_effects(place, len(levels), confidence)
        return self._measured[key]

    def mean(self, confidence: float) -> Bounded:
        """Return the mean with its bounds, in ns.

        One censored record makes the pessimistic mean infinite, so the mean has an estimate and an upper bound only
        when every record was answered. The lower bound is that of the mean of the lower bounds, by Student's t over
        batch means; a batch is a sum of many records, which is what makes it nearly normal.

        Args:
            confidence: Two-sided, in (0, 1).
        """
        n = len(self)
        if not n:
            return UNKNOWN
        mean = exact_sum(self._value) / n
        variance, freedom = self._batches.variance_of_mean(self._value)
        if math.isinf(variance):
            return Bounded(estimate=None if self._censored.any() else mean, lower=0.0, upper=None)
        half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance)
        lower = max(0.0, round(mean - half, 3))
        if self._censored.any():
            return Bounded(estimate=None, lower=lower, upper=None)
        return Bounded(estimate=mean, lower=lower, upper=round(mean + half, 3))

    def within(self, limit_ns: float, *, pessimistic: bool) -> int:
        """Return how many records took at most ``limit_ns``, in one of the readings."""
        return int(np.searchsorted(self._known if pessimistic else self._optimistic, limit_ns, side="right"))

    def effect_at(self, limit_ns: float, confidence: float, *, pessimistic: bool) -> float:
        """Return the design effect of the share of records within ``limit_ns``, in one of the readings."""
        within = self._value <= limit_ns
        return self._batches.design_effect(within & ~self._censored if pessimistic else within, confidence)


def _nearby(levels: list[int], effects: list[float], level: float) -> float:
    """Return the largest design effect at levels in [level / 2, level], and at the greatest that is not above it."""
    last = bisect_right(levels, level)
    first = min(bisect_left(levels, level / 2), max(last - 1, 0))
    return max(effects[first:last], default=1.0)


def _at(ordered: Int64, rank: int) -> int | None:
    """Return the value of a rank from 1; None (infinity) beyond the last."""
    return int(ordered[rank - 1]) if rank <= len(ordered) else None
