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
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batched, Batches, Grid, Sums
from seatrial.stats.binomial import quantile_ranks, rank_of, reaches_upper_rank
from seatrial.stats.ordered import Ordered, Values, together

__all__ = ["CensoredTimes", "Measure", "Survey", "Tally"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_BELOW, _NEAR, _BEYOND = 4, 32, 20
_FEW = 8

UNKNOWN = Bounded(estimate=None, lower=None, upper=None)


class Tally(Protocol):
    """Takes records in, chunk by chunk."""

    def add(self, at_ns: Int64, value_ns: Int64, censored: Bool) -> None:
        """Take some records in: when they were intended, their times, and which of these are but lower bounds."""


class Survey:
    """What one pass over records tells of their times: how many, from when to when, and their values in order.

    Attributes:
        first_ns: The earliest intended start; 0 without records.
        last_ns: The latest.
    """

    def __init__(self) -> None:
        self.first_ns = self.last_ns = 0
        self.known, self.bounds = Values(), Values()

    def add(self, at_ns: Int64, value_ns: Int64, censored: Bool) -> None:
        """Take some records in; see :class:`CensoredTimes`."""
        if not len(at_ns):
            return
        first_ns, last_ns = int(at_ns.min()), int(at_ns.max())
        self.first_ns = min(self.first_ns, first_ns) if self.count else first_ns
        self.last_ns = max(self.last_ns, last_ns) if self.count else last_ns
        if censored.any():
            self.bounds.add(value_ns[censored])
            value_ns = value_ns[~censored]
        self.known.add(value_ns)

    @property
    def count(self) -> int:
        """Return how many records there are."""
        return self.known.count + self.bounds.count

    @property
    def grid(self) -> Grid:
        """Return the batches that they fall into."""
        return Grid.over(self.first_ns, self.last_ns)


class Measure:
    """What a second pass tells: how many records of each batch are within some cuts, and sums for the mean.

    Args:
        survey: Of the same records.
        cuts: Ascending, in ns.
        sums: Whether the mean is wanted.
    """

    def __init__(self, survey: Survey, cuts: Sequence[int], *, sums: bool) -> None:
        self.cuts = tuple(cuts)
        self.grid = survey.grid
        self._edges = np.array(cuts, dtype=np.int64)
        self._table = np.zeros(self.grid.number * (len(cuts) + 1) * 2, dtype=np.int64)
        greatest = max(survey.known.greatest, survey.bounds.greatest)
        self.sums = Sums(self.grid, survey.count, greatest) if sums else None

    def add(self, at_ns: Int64, value_ns: Int64, censored: Bool) -> None:
        """Take some records in; see :class:`CensoredTimes`."""
        place = self.grid.of(at_ns)
        if self.sums is not None:
            self.sums.add(place, value_ns)
        if len(self._edges) <= _FEW:  # a comparison of the whole column for each cut is faster than looking rows up
            level = np.zeros(len(value_ns), dtype=np.int64)
            for edge in self._edges:
                level += value_ns > edge
        else:
            level = np.searchsorted(self._edges, value_ns, side="left")
        cell = (place * (len(self.cuts) + 1) + level) * 2 + censored
        self._table += np.bincount(cell, minlength=len(self._table))

    @property
    def sizes(self) -> Int64:
        """Return how many records each batch has."""
        return np.asarray(self._table.reshape(self.grid.number, -1).sum(axis=1))

    def within(self) -> tuple[Int64, Int64]:
        """Return how many records of each batch are within each cut, in both readings.

        Returns:
            Optimistic and pessimistic, each of shape (cuts, batches).
        """
        table = self._table.reshape(self.grid.number, len(self.cuts) + 1, 2)[:, :-1].cumsum(axis=1)
        return table.sum(axis=2).T, table[:, :, 0].T


class CensoredTimes:
    """Times of records, some censored.

    Whatever is asked is answered from counts: a first pass over the records puts their times in order, a second one
    counts by batch. Records that are many need not be there all at once (:meth:`over`).

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
        self._begin(lambda tally: tally.add(batches.at_ns, value_ns, censored))

    @classmethod
    def over(cls, read: Callable[[Tally], None]) -> CensoredTimes:
        """Return the times of records that are read anew for each pass.

        Args:
            read: Hands all records to a tally's ``add``, in any order and in chunks of any size.
        """
        times = cls.__new__(cls)
        times._begin(read)  # noqa: SLF001 -- its own class
        return times

    def _begin(self, read: Callable[[Tally], None]) -> None:
        self._read = read
        self._survey: Survey | None = None
        self._wanted: set[int] = set()
        self._mean_wanted = False
        self._hits: dict[int, tuple[Int64, Int64]] = {}
        self._measured: dict[tuple[float, float], tuple[list[int], list[float]]] = {}
        self._batched: Batched | None = None
        self._sums: Sums | None = None

    def __len__(self) -> int:
        return self.survey.count

    @property
    def survey(self) -> Survey:
        """Return what the first pass tells, after that pass where it is still to come."""
        if self._survey is None:
            found = Survey()
            self._read(found)
            self._survey = found
        return self._survey

    def first_pass(self) -> Survey | None:
        """Return a survey to be filled, so that several of these share one pass; None where it is filled already."""
        if self._survey is not None:
            return None
        self._survey = Survey()
        return self._survey

    def want(self, quantile: float | None, confidence: float, limit_ns: float) -> None:
        """Announce what will be asked, after the first pass, so that one second pass answers it all.

        Args:
            quantile: In (0, 1); None for the mean.
            confidence: Of the bounds.
            limit_ns: The limit that it is held against.
        """
        if not len(self):
            return
        if quantile is None:
            self._mean_wanted = True
            return
        optimistic, _ = self.readings(quantile)
        self._wanted |= {optimistic or 0, math.floor(limit_ns), *self._cuts(quantile, confidence)}

    def second_pass(self) -> Measure | None:
        """Return a measure to be filled and given to :meth:`measured`; None where nothing more is wanted."""
        cuts = sorted(self._wanted - self._hits.keys())
        mean = self._mean_wanted and self._sums is None
        return Measure(self.survey, cuts, sums=mean) if cuts or mean else None

    def measured(self, measure: Measure) -> None:
        """Take what a second pass has told."""
        optimistic, pessimistic = measure.within()
        for place, cut in enumerate(measure.cuts):
            self._hits[cut] = optimistic[place], pessimistic[place]
        self._sums = measure.sums or self._sums
        self._batched = Batched(measure.sizes)

    def _settle(self) -> None:
        measure = self.second_pass()
        if measure is not None:
            self._read(measure)
            self.measured(measure)

    def _counts(self, cut: int | None = None) -> tuple[Batched, Int64, Int64]:
        """Return the sizes of the batches, and how many of each are within a cut in both readings."""
        if cut is not None and cut not in self._hits:
            self._wanted.add(cut)
        if self._batched is None or (cut is not None and cut not in self._hits):
            self._settle()
        if self._batched is None:
            self._batched = Batched(np.zeros(self.survey.grid.number, dtype=np.int64))
        nothing = np.empty(0, dtype=np.int64)
        return self._batched, *(self._hits[cut] if cut is not None else (nothing, nothing))

    @cached_property
    def _optimistic(self) -> Ordered:
        return together([self.survey.known, self.survey.bounds], high=False)

    @cached_property
    def _known(self) -> Ordered:
        """Return the times of what was answered: the pessimistic reading, less its infinite tail."""
        return together([self.survey.known], high=True)

    @property
    def _hidden(self) -> bool:
        return self.survey.bounds.count > 0

    def readings(self, quantile: float) -> tuple[int | None, int | None]:
        """Return the quantile in the optimistic and in the pessimistic reading, in ns.

        None where there is no record, and in the pessimistic reading where it is infinite.
        """
        if not len(self):
            return None, None
        rank = rank_of(len(self), quantile)
        return self._optimistic.at(rank), self._known.at(rank)

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
        lower = 0.0 if low_rank is None else float(self._optimistic.at(low_rank) or 0)
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
        """Return levels at which clustering is measured, ascending, and the design effect at each."""
        key = (quantile, confidence)
        if key not in self._measured:
            levels = self._cuts(quantile, confidence)
            self._wanted.update(levels)
            self._settle()
            self._measured[key] = levels, [self.effect_at(level, confidence, pessimistic=True) for level in levels]
        return self._measured[key]

    def _cuts(self, quantile: float, confidence: float) -> list[int]:
        """Return values in the data, ascending, at which clustering is to be measured.

        From half the least value that independent records would allow as a bound, up to the greatest, closer together
        where fewer records lie beyond.
        """
        n, known = len(self), len(self._known)
        _, first = quantile_ranks(n, n, quantile, confidence)
        if first is None or first > known:
            return []
        low = self.within((self._known.at(first) or 0) // 2, pessimistic=True) + 1
        below = np.linspace(min(low, first), first, _BELOW).astype(np.int64)
        most = known - first
        # Even steps of a quarter of a standard error near the estimate, then ever fewer towards the end.
        near = most - 0.25 * math.sqrt(n - first + 1) * np.arange(_NEAR)
        beyond = np.concatenate([near[near >= 0], np.geomspace(1, most + 1, _BEYOND) - 1]).astype(np.int64)
        ranks = np.unique(np.concatenate([below, known - beyond]))
        return sorted(set(self._known.at_ranks(ranks).tolist()))

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
        sums, (batched, _, _) = self._summed(), self._counts()
        mean = sum(sums.totals) / n
        variance, freedom = batched.variance_of_mean(sums)
        if math.isinf(variance):
            return Bounded(estimate=None if self._hidden else mean, lower=0.0, upper=None)
        half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance)
        lower = max(0.0, round(mean - half, 3))
        if self._hidden:
            return Bounded(estimate=None, lower=lower, upper=None)
        return Bounded(estimate=mean, lower=lower, upper=round(mean + half, 3))

    def _summed(self) -> Sums:
        if self._sums is None:
            self._mean_wanted = True
            self._settle()
        return self._sums or Sums(self.survey.grid, len(self), 0)

    def within(self, limit_ns: float, *, pessimistic: bool) -> int:
        """Return how many records took at most ``limit_ns``, in one of the readings."""
        return (self._known if pessimistic else self._optimistic).within(limit_ns)

    def effect_at(self, limit_ns: float, confidence: float, *, pessimistic: bool) -> float:
        """Return the design effect of the share of records within ``limit_ns``, in one of the readings."""
        batched, optimistic, known = self._counts(math.floor(limit_ns))
        return batched.effect(known if pessimistic else optimistic, confidence)

    def plain_effect_at(self, limit_ns: float, *, pessimistic: bool) -> float:
        """Return :meth:`Batched.plain_effect` of the share of records within ``limit_ns``, in one of the readings."""
        batched, optimistic, known = self._counts(math.floor(limit_ns))
        return batched.plain_effect(known if pessimistic else optimistic)

    def waited(self) -> tuple[float, float | None]:
        """Return the mean in ns, of a censored record what is known of it, and its standard error.

        The standard error is None for fewer than two records; there is at least one.
        """
        sums, (batched, _, _) = self._summed(), self._counts()
        variance, _ = batched.variance_of_mean(sums)
        return sum(sums.totals) / len(self), None if math.isinf(variance) else math.sqrt(variance)


def _nearby(levels: list[int], effects: list[float], level: float) -> float:
    """Return the largest design effect at levels in [level / 2, level], and at the greatest that is not above it."""
    last = bisect_right(levels, level)
    first = min(bisect_left(levels, level / 2), max(last - 1, 0))
    return max(effects[first:last], default=1.0)
