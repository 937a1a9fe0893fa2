"""Two runs side by side: what got worse, by how much, and whether chance would do as much.

**Quantiles** are compared by their ratio, new over old. With l and u the bounds of each (order statistics at an
effective sample size: Woodruff 1952, see :mod:`seatrial.stats.binomial`), and all figures as logarithms, the bounds of
the difference d are those of Zou and Donner, *Statistics in Medicine* 27 (2008) (MOVER):

    L = d - sqrt((new - l_new)^2 + (u_old - old)^2)         U = d + sqrt((u_new - new)^2 + (old - l_old)^2)

**Shares** are compared by their difference, in points, with the same L and U of their Clopper-Pearson bounds at an
effective sample size: Newcombe's hybrid interval (*Statistics in Medicine* 17 (1998), method 10) with cautious limits.

**p values** are of the normal deviate that an interval of that width has at the side of zero: d z_a / (d - L), so that
p is below 1 - confidence exactly where the interval leaves no change out. They are two-sided. Many steps times
several figures are many chances to be wrong, so :func:`holm` raises them (Holm, *Scandinavian Journal of Statistics*
6 (1979)): the chance of a single false claim in the whole comparison is at most 1 - confidence.

**Superiority** is the chance that an answer of the new run took longer than one of the old run, ties halved (0.5: no
change; 2 A - 1 is Cliff's delta, *Psychological Bulletin* 114 (1993)). Its variance is that of the placements (DeLong,
DeLong, Clarke-Pearson, *Biometrics* 44 (1988)), by batch means, for neighbours are alike. It is a size of the effect,
not tested besides.

**Unanswered requests** are lower bounds. Every lower bound here has them as short as they may be in the new run and
endless in the old, every upper bound the other way round.

A figure is *worse* when its change is significant after Holm's correction *and* its estimate is beyond the smallest
change that matters (:class:`Smallest`): of a million records everything is significant, and of ten nothing is small.
It is *equal* when the whole interval lies within what does not matter; otherwise the runs do not tell.

The two runs are taken to be independent. Where both offered the same arrivals, the true intervals are narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batches, Sums
from seatrial.stats.binomial import quantile_ranks
from seatrial.stats.censored import CensoredTimes
from seatrial.stats.share import bounded_share

__all__ = [
    "Change",
    "Contrast",
    "Judged",
    "Run",
    "Smallest",
    "contrasts",
    "holm",
    "judge",
    "quantile_ratio",
    "share_difference",
    "superiority",
]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

QUANTILES = (0.5, 0.95, 0.99)

_DIGITS = 12


class Change(StrEnum):
    """What became of a figure from one run to the next."""

    WORSE = "worse"
    BETTER = "better"
    EQUAL = "equal"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Run:
    """The judged records of one step in one run.

    Attributes:
        at_ns: When each was intended, shape (n,), in any order.
        took_ns: Its response time, or what it is at least, zero or more.
        censored: Whether only that is known.
        bad: Whether it ended other than well.

    Raises:
        ValueError: the shapes differ.
    """

    at_ns: Int64
    took_ns: Int64
    censored: Bool
    bad: Bool

    def __post_init__(self) -> None:
        shapes = {part.shape for part in (self.at_ns, self.took_ns, self.censored, self.bad)}
        if shapes != {(len(self.at_ns),)}:
            raise ValueError(f"shapes differ: {sorted(shapes)}")

    def times(self) -> CensoredTimes:
        """Return the response times, grouped by when they were intended."""
        return CensoredTimes(self.took_ns, self.censored, Batches(self.at_ns))


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest change that matters.

    Attributes:
        ratio: Of quantiles, above 1; better is its reciprocal.
        points: Of shares, a fraction of one, above zero.
    """

    ratio: float = 1.05
    points: float = 0.001

    def __post_init__(self) -> None:
        if not (self.ratio > 1 and self.points > 0):
            raise ValueError(f"no smallest change: a ratio of {self.ratio}, {self.points} points")


@dataclass(frozen=True, slots=True)
class Contrast:
    """One figure in two runs. None stands for infinity or, where all three are None, for nothing known.

    Attributes:
        what: ``p50``, ``p95``, ... or ``errors``.
        kind: ``ratio`` (1 is no change) or ``difference`` (0 is no change).
        old: The figure in the old run, ns or a fraction of one; None when hidden or without records.
        new: The same in the new run.
        effect: New over old, or new less old, with its bounds at the confidence asked for.
        p_value: Two-sided, of there being no change; 1 where the data can't say.
    """

    what: str
    kind: Literal["ratio", "difference"]
    old: float | None
    new: float | None
    effect: Bounded
    p_value: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A contrast among all others of a comparison.

    Attributes:
        contrast: The figure.
        adjusted: Its p value after Holm's correction.
        change: What became of it.
    """

    contrast: Contrast
    adjusted: float
    change: Change


def contrasts(old: Run, new: Run, confidence: float, quantiles: Sequence[float] = QUANTILES) -> tuple[Contrast, ...]:
    """Return the quantiles and the share of errors of a step in two runs, side by side.

    Args:
        old: The run before.
        new: This run.
        confidence: Two-sided, in (0, 1).
        quantiles: Each in (0, 1).
    """
    before, after = old.times(), new.times()
    return (
        *(quantile_ratio(before, after, quantile, confidence) for quantile in quantiles),
        share_difference(old.at_ns, old.bad, new.at_ns, new.bad, confidence),
    )


def quantile_ratio(old: CensoredTimes, new: CensoredTimes, quantile: float, confidence: float) -> Contrast:
    """Return the ratio of a quantile in two runs.

    All None where either run has no records or a quantile of zero in the optimistic reading.
    """
    name = f"p{100 * quantile:.10g}"
    before, after = _bounds(old, quantile, confidence), _bounds(new, quantile, confidence)
    if before is None or after is None:
        return Contrast(name, "ratio", old.estimate(quantile), new.estimate(quantile), _NOTHING, 1.0)
    d, lower, upper = _mover(before.logarithms(), after.logarithms())
    hidden = math.isinf(before.highest) or math.isinf(after.highest)
    return Contrast(
        what=name,
        kind="ratio",
        old=old.estimate(quantile),
        new=new.estimate(quantile),
        effect=Bounded(
            estimate=None if hidden else math.exp(d),
            lower=math.exp(lower),
            upper=None if math.isinf(upper) else math.exp(upper),
        ),
        p_value=_p_value(d, lower, upper, confidence),
    )


def share_difference(old_at_ns: Int64, old: Bool, new_at_ns: Int64, new: Bool, confidence: float) -> Contrast:
    """Return the difference of a share in two runs, in points (a fraction of one); all None without records."""
    before, after = (bounded_share(hit, Batches(at), confidence) for hit, at in ((old, old_at_ns), (new, new_at_ns)))
    if before.estimate is None or after.estimate is None:
        return Contrast("errors", "difference", before.estimate, after.estimate, _NOTHING, 1.0)
    d, lower, upper = _mover(_triple(before), _triple(after))
    effect = Bounded(estimate=d, lower=lower, upper=upper)
    return Contrast(
        "errors", "difference", before.estimate, after.estimate, effect, _p_value(d, lower, upper, confidence)
    )


def superiority(old: Run, new: Run, confidence: float) -> Bounded:
    """Return the chance that an answer of the new run took longer than one of the old run, in [0, 1].

    All None with fewer than two records on a side. The estimate takes every unanswered request at its lower bound.
    """
    if min(len(old.at_ns), len(new.at_ns)) < 2:
        return _NOTHING
    endless = np.iinfo(np.int64).max
    before, after = (np.where(run.censored, endless, run.took_ns) for run in (old, new))
    estimate, _ = _placed(old, old.took_ns, new, new.took_ns, confidence)
    least, wide = _placed(old, before, new, new.took_ns, confidence)
    most, broad = _placed(old, old.took_ns, new, after, confidence)
    return Bounded(estimate=estimate, lower=max(0.0, least - wide), upper=min(1.0, most + broad))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values so raised that those at or below a are significant together at level a (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def judge(found: Sequence[Contrast], confidence: float, smallest: Smallest | None = None) -> tuple[Judged, ...]:
    """Return what became of each figure of a comparison; give all of them at once.

    Args:
        found: Every contrast that is looked at, of all steps.
        confidence: Of the whole comparison, in (0, 1).
        smallest: What matters; a ratio of 1.05 and 0.1 points unless said otherwise.
    """
    matters = smallest or Smallest()
    adjusted = holm([one.p_value for one in found])
    return tuple(
        Judged(one, p, _change(one, p <= 1 - confidence, matters)) for one, p in zip(found, adjusted, strict=True)
    )


_NOTHING = Bounded(estimate=None, lower=None, upper=None)
_Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Quantile:
    """A quantile, in both readings, with its bounds; infinity where unbounded."""

    lowest: float
    highest: float
    lower: float
    upper: float

    def logarithms(self) -> tuple[float, float, float, float]:
        return (
            math.log(self.lowest),
            math.log(self.highest) if math.isfinite(self.highest) else math.inf,
            math.log(self.lower) if self.lower > 0 else -math.inf,
            math.log(self.upper) if math.isfinite(self.upper) else math.inf,
        )


def _bounds(times: CensoredTimes, quantile: float, confidence: float) -> _Quantile | None:
    optimistic, pessimistic = times.readings(quantile)
    if not optimistic:
        return None
    n = len(times)
    effect = times.effect_at(optimistic, confidence, pessimistic=False)
    low_rank, high_rank = quantile_ranks(n, n / effect, quantile, confidence)
    lower = 0 if low_rank is None else times.readings(low_rank / n)[0] or 0
    upper = None if high_rank is None else times.readings(high_rank / n)[1]
    endless = math.inf
    return _Quantile(
        optimistic, endless if pessimistic is None else pessimistic, lower, endless if upper is None else upper
    )


def _triple(share: Bounded) -> tuple[float, float, float, float]:
    at = share.estimate or 0.0
    return at, at, share.lower or 0.0, 1.0 if share.upper is None else share.upper


def _mover(
    old: tuple[float, float, float, float], new: tuple[float, float, float, float]
) -> tuple[float, float, float]:
    """Return a difference and its bounds; each figure as (optimistic, pessimistic, lower, upper)."""
    d = new[0] - old[0]
    lower = _side(new[0] - old[1], new[0] - new[2], old[3] - old[1], -1)
    upper = _side(new[1] - old[0], new[3] - new[1], old[0] - old[2], 1)
    return d, lower, upper


def _side(d: float, own: float, other: float, sign: int) -> float:
    # Infinity less infinity: a figure that is hidden has no bound on that side.
    if math.isnan(d) or math.isnan(own) or math.isnan(other) or math.isinf(d):
        return sign * math.inf
    return d + sign * math.hypot(own, other)


def _p_value(d: float, lower: float, upper: float, confidence: float) -> float:
    near = lower if d > 0 else -upper
    if not d or math.isinf(near):
        return 1.0
    wide = abs(d) - near
    # An interval of no width: the order statistics of constants.
    z = abs(d) * float(ndtri((1 + confidence) / 2)) / wide if wide > 0 else math.inf
    return round(min(1.0, 2 * float(ndtr(-z))), _DIGITS)


def _placed(old: Run, before: Int64, new: Run, after: Int64, confidence: float) -> tuple[float, float]:
    """Return the superiority of one reading, and half the width of its interval."""
    sides = []
    for values, others, at_ns in ((after, before, new.at_ns), (before, after, old.at_ns)):
        ordered = np.sort(others)
        # Twice the number of the others below, ties halved: whole numbers.
        place = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
        batches = Batches(at_ns)
        sums = Sums(batches.grid, len(place), 2 * len(others))
        sums.add(batches.grid.of(at_ns), place.astype(np.int64))
        variance, freedom = batches.variance_of_mean(sums)
        sides.append((int(place.sum()), variance / (2 * len(others)) ** 2, freedom))
    (total, first, freedom), (_, second, other) = sides
    half = float(stdtrit(min(freedom, other), (1 + confidence) / 2)) * math.sqrt(first + second)
    return total / (2 * len(before) * len(after)), half


def _change(one: Contrast, significant: bool, smallest: Smallest) -> Change:
    high = smallest.ratio if one.kind == "ratio" else smallest.points
    low = 1 / smallest.ratio if one.kind == "ratio" else -smallest.points
    none, effect = 1.0 if one.kind == "ratio" else 0.0, one.effect
    # A change that is hidden behind unanswered requests is at least what its bound says.
    at = effect.estimate if effect.estimate is not None else effect.lower
    if significant and at is not None and at > none:
        return Change.WORSE if at > high else _within(effect, low, high)
    if significant and at is not None and at < low and effect.estimate is not None:
        return Change.BETTER
    return _within(effect, low, high)


def _within(effect: Bounded, low: float, high: float) -> Change:
    inside = effect.lower is not None and effect.upper is not None and low <= effect.lower <= effect.upper <= high
    return Change.EQUAL if inside else Change.UNDECIDED
