"""Exact binomial bounds: for a share, and for the rank at which a quantile can lie.

Both take an *effective* number of trials m that need not be whole (see :mod:`seatrial.stats.batches`): the
regularised incomplete beta function I continues the binomial distribution between whole numbers,
P(Bin(m, p) >= k) = I_p(k, m - k + 1).

Sources: Clopper and Pearson, *Biometrika* 26 (1934); Conover, *Practical Nonparametric Statistics*, 3rd ed. (1999),
section 3.2 (quantiles by order statistics); Korn and Graubard, *Survey Methodology* 24 (1998) (Clopper-Pearson with
an effective sample size); Woodruff, *JASA* 47 (1952) (quantiles of clustered data through their ranks).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import betainc, betaincinv

__all__ = ["clopper_pearson", "quantile_ranks", "rank_of", "reaches_upper_rank"]

_HALVINGS = 80
_WHOLE = 1e-9


def clopper_pearson(hits: float, trials: float, confidence: float) -> tuple[float, float]:
    """Return the exact bounds of a share, two-sided.

    Args:
        hits: Successes, in [0, trials]; need not be whole.
        trials: Effective trials, above zero.
        confidence: Of both sides together, in (0, 1).

    Returns:
        Lower and upper bound in [0, 1], rounded to twelve decimals: what is left of the last bits differs from one
        build of the special functions to the next, and evidence must not.

    Raises:
        ValueError: arguments outside their ranges.
    """
    if not (trials > 0 and 0 <= hits <= trials and 0 < confidence < 1):
        raise ValueError(f"no share: {hits} of {trials} at {confidence}")
    tail = (1 - confidence) / 2
    lower = float(betaincinv(hits, trials - hits + 1, tail)) if hits > 0 else 0.0
    upper = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return round(lower, 12), round(upper, 12)


def rank_of(count: int, quantile: float) -> int:
    """Return the rank, from 1, of a quantile among ``count`` sorted values: the inverse of the empirical distribution.

    The product is rounded at the ninth decimal first: 0.95 x 100 is 95, not 95.00000000000001.
    """
    return min(count, max(1, math.ceil(round(count * quantile, 9))))


def quantile_ranks(count: int, effective: float, quantile: float, confidence: float) -> tuple[int | None, int | None]:
    """Return the ranks, from 1, of the order statistics that bound a quantile.

    With m effective observations, l and u solve P(Bin(m, q) >= l) = 1 - a/2 and P(Bin(m, q) >= u) = a/2. One
    effective observation stands for count/m records, so the bounds are the first record of the l-th such group and
    the last of the u-th. For m = count these are the textbook ranks. For a fixed ratio count/m the upper rank never
    falls as count grows, which is why one more unanswered request can't improve a bound.

    Args:
        count: Records, at least one.
        effective: m, in (0, count].
        quantile: q in (0, 1).
        confidence: 1 - a.

    Returns:
        Lower and upper rank; None where the data are too few to bound that side.

    Raises:
        ValueError: arguments outside their ranges.
    """
    if not (count >= 1 and 0 < effective <= count and 0 < quantile < 1 and 0 < confidence < 1):
        raise ValueError(f"no quantile: {quantile} of {count} ({effective} effective) at {confidence}")
    tail, m = (1 - confidence) / 2, effective
    lower: int | None = None
    upper: int | None = None
    if _at_least(1.0, m, quantile) >= 1 - tail:
        place = _solve(lambda k: _at_least(k, m, quantile) - (1 - tail), 1.0, m + 1)
        lower = max(1, math.floor((place + _WHOLE - 1) * count / m) + 1)
    if _at_least(m, m, quantile) <= tail:
        place = _solve(lambda k: _at_least(k, m, quantile) - tail, 0.0, m)
        upper = min(count, math.ceil((place - _WHOLE) * count / m))
    return lower, upper


def reaches_upper_rank(within: int, count: int, effective: float, quantile: float, confidence: float) -> bool:
    """Return whether ``within`` of ``count`` records are at least the upper rank of :func:`quantile_ranks`.

    The same question without solving for the rank: P(Bin(m, q) >= within m / count) <= a/2.
    """
    m = effective
    return _at_least(min(m, within * m / count + _WHOLE), m, quantile) <= (1 - confidence) / 2


def _at_least(k: float, m: float, p: float) -> float:
    """Return P(Bin(m, p) >= k), continued to real k and m."""
    if k <= 0:
        return 1.0
    return float(betainc(k, m - k + 1, p)) if k < m + 1 else 0.0


def _solve(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses zero between ``low`` and ``high``, by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
