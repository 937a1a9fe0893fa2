"""Quantiles and means of times of which some are only known to be at least so long.

A record without an answer has a lower bound and no upper one. Two readings of the data frame the truth: the
*optimistic* one takes each lower bound for the value, the *pessimistic* one takes it for infinite. Whatever the
unanswered requests would have taken, the truth lies between. No distribution is assumed and none is fitted, and
Kaplan-Meier's estimator is not used: it needs censoring that is independent of the value, and a deadline cuts off
exactly the slow ones.

Each reading has its sampling uncertainty besides: order-statistic bounds at an effective sample size. The result's
lower bound is the optimistic reading's lower bound, its upper bound the pessimistic reading's upper bound.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batches, exact_sum
from seatrial.stats.binomial import quantile_ranks, rank_of

__all__ = ["CensoredTimes"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

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
        upper: float | None = None
        if pessimistic is not None:
            effective = n / self.effect_at(pessimistic, confidence, pessimistic=True)
            _, high_rank = quantile_ranks(n, effective, quantile, confidence)
            found = None if high_rank is None else _at(self._known, high_rank)
            upper = None if found is None else float(found)
        lower = 0.0 if low_rank is None else float(self._optimistic[low_rank - 1])
        return Bounded(estimate=self.estimate(quantile), lower=lower, upper=upper)

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


def _at(ordered: Int64, rank: int) -> int | None:
    """Return the value of a rank from 1; None (infinity) beyond the last."""
    return int(ordered[rank - 1]) if rank <= len(ordered) else None
