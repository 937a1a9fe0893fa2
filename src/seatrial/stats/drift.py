"""Does a figure drift over time, how fast, and when would it reach a limit?

The slope is Theil's (1950) and Sen's: the median of the slopes of all pairs of windows. Whether there is any is
Kendall's test of the same pairs (Mann 1945):

    b_ij = (y_j - y_i) / (t_j - t_i),  i < j         S = sum of sign(b_ij)         k    windows
    var(S) = f [k(k-1)(2k+5) - sum over ties g(g-1)(2g+5)] / 18                    g    windows of one tied value
    z = (S - sign(S)) / sqrt(var S)                                                f    correction for correlation
    bounds of the slope: the b_ij of ranks (N -+ z_a sqrt(var S)) / 2              N    pairs, k(k-1)/2

Sources: Sen, *JASA* 63 (1968); Kendall, *Rank Correlation Methods*, 4th ed. (1975); Gilbert, *Statistical Methods for
Environmental Pollution Monitoring* (1987), ch. 16. Neither takes a distribution for granted, and the figures of a queue
are skewed.

**Correlation.** Windows that are alike because they are neighbours imitate a trend. f is that of Hamed and Rao
(*Journal of Hydrology* 204 (1998)), from the autocorrelation r_i of the ranks of what is left without the slope:

    f = 1 + 2 / (k(k-1)(k-2)) sum over i of (k-i)(k-i-1)(k-i-2) r_i,   never below 1

but over other lags. They take those that are significant, which by chance takes far ones and by weakness leaves
near ones out. Here the sum goes on from the first lag as long as two neighbouring ones are positive together (the
initial positive sequence: Geyer, *Statistical Science* 7 (1992)). Upward false alarms of an autoregressive
series of 120 windows, which should be 2.5 % (400 simulations each):

    correlation of neighbours          0      0.3    0.6    0.8
    not corrected                      1.5    6.5    15.2   24.0 %
    significant lags (1998)            1.5    4.8     8.7   12.5 %
    initial positive sequence          1.3    2.0     3.7    5.2 %

A queue answering 50/s at half its capacity has windows of a minute that are as good as independent. Its p95 that
rises by a tenth within two hours is found 96 times of 100 with 120 windows (its mean 99 times); at 0.6 of
the capacity 74 times, and there the same takes four hours. Dividing into fewer, longer windows instead (block means)
loses a tenth of what is found.

**What is hidden.** A window's figure that unanswered requests hide is an interval without an end (see
:mod:`seatrial.stats.window_series`). Then each b_ij is an interval too, and a bound is taken over the ends that are
worse for it: whatever the hidden figures are, the bounds enclose the ones that knowing them would give.

**Means.** A median of slopes is blind to what is rare: of error shares that are mostly zero nearly all slopes are
zero, though errors come only at the end. For shares, and whatever else adds up, :func:`mean_drift` fits the line by
least squares, with Student's t on the residuals and the same correction for correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.window_series import Series

__all__ = ["LEAST_WINDOWS", "Drift", "Exhaustion", "drift", "inflation", "mean_drift", "time_to_limit"]

Float64 = npt.NDArray[np.float64]
Direction = Literal["rising", "falling", "none"]

LEAST_WINDOWS = 8
"""Fewer have no Kendall's S that chance could not give."""

_MOST_WINDOWS = 2000
_STEADY: Direction = "none"
_DIGITS = 12
_GRAIN = 2.0**-40
_NS = 1e9
_UNKNOWN = Bounded(estimate=None, lower=None, upper=None)


@dataclass(frozen=True, slots=True)
class Drift:
    """How a figure changed over the observed time.

    In each bound None stands for infinity.

    Attributes:
        windows: With records, which is how many were looked at.
        slope_per_s: In the figure's unit per second.
        rise: Slope times the whole observed time, in the figure's unit.
        change: The rise as a share of the fitted figure at the beginning, a fraction of one; all None where that
            figure is not above zero.
        start: Fitted figure at the beginning; None when hidden.
        tau: Kendall's S divided by the pairs, in [-1, 1]: that of the readings nearest to no trend; None where there
            are too few windows.
        p_value: Two-sided, of there being no trend: the greatest that the hidden figures allow.
        direction: The trend that is significant at the confidence, or none.
        undecided: Why nothing can be said: ``few_windows`` (fewer than eight) or ``hidden`` (so many figures are
            hidden that the slope has no estimate; its bounds and its direction hold all the same); None otherwise.
    """

    windows: int
    slope_per_s: Bounded
    rise: Bounded
    change: Bounded
    start: float | None
    tau: float | None
    p_value: float
    direction: Direction
    undecided: Literal["few_windows", "hidden"] | None


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """When a figure that drifts would reach a limit, if it went on along its line.

    Attributes:
        after_ns: From the beginning of the observed time; None stands for never, in estimate and bounds alike. The
            lower bound goes with the steepest slope in the bounds.
        reached_ns: The middle of the first window that was at the limit or beyond, from the beginning; then
            ``after_ns`` is that. None for none.
        undecided: As in :class:`Drift`; then ``after_ns`` says nothing.
    """

    after_ns: Bounded
    reached_ns: int | None
    undecided: Literal["few_windows", "hidden"] | None


def drift(series: Series, confidence: float) -> Drift:
    """Return the drift of a series by Theil-Sen and Mann-Kendall.

    Args:
        series: 8 to 2,000 windows; :func:`seatrial.stats.window_series.windows_for` says how many to make.
        confidence: Two-sided, in (0, 1).

    Raises:
        ValueError: more than 2,000 windows (their pairs would not fit), or no such confidence.
    """
    _check(series, confidence)
    there = series.present()
    if len(there) < LEAST_WINDOWS:
        return _nothing(len(there), "few_windows")
    t = (there.at_ns - there.from_ns) / _NS
    low, high = _pair_slopes(t, there.low, there.high)
    hidden = math.isinf(_middle(low)) or math.isinf(_middle(high))
    seen = _middle(_pair_slopes(t, there.low, there.low)[0])
    variance = _variance_of_s(there) * inflation(_left(there.low, seen * t))
    estimate = math.inf if hidden else seen
    away = float(ndtri((1 + confidence) / 2)) * math.sqrt(variance) / 2
    least = max(0, math.floor(round(len(low) / 2 - away, 9)))
    slope = (estimate, float(low[least]), float(high[-1 - least]))
    s = _nearest_to_none(int(np.sign(low).sum()), int(np.sign(high).sum()))
    z = (abs(s) - 1) / math.sqrt(variance) if s and variance else 0.0
    p_value = min(1.0, 2 * float(ndtr(-z)))
    return _drift(there, slope, s / len(low), p_value, confidence)


def mean_drift(series: Series, confidence: float) -> Drift:
    """Return the drift of a series by least squares: for shares, counts and means, where what is rare counts.

    ``tau`` is left out. Where figures are hidden nothing is decided: a mean has no bound then.

    Args:
        series: 8 to 2,000 windows of about equally many records.
        confidence: Two-sided, in (0, 1).

    Raises:
        ValueError: more than 2,000 windows, or no such confidence.
    """
    _check(series, confidence)
    there = series.present()
    k = len(there)
    if k < LEAST_WINDOWS:
        return _nothing(k, "few_windows")
    if np.isinf(there.high).any():
        return _nothing(k, "hidden")
    t = (there.at_ns - there.from_ns) / _NS
    apart = t - math.fsum(t.tolist()) / k
    squares = math.fsum((apart * apart).tolist())
    # Against the first of them: figures that are all the same have a slope of zero, and not of a rounding error.
    slope = math.fsum((apart * (there.low - there.low[0])).tolist()) / squares
    left = _left(there.low, math.fsum(there.low.tolist()) / k + slope * apart)
    variance = math.fsum((left * left).tolist()) / (k - 2) / squares * inflation(left)
    half = float(stdtrit(k - 2, (1 + confidence) / 2)) * math.sqrt(variance)
    if variance:
        p_value = min(1.0, 2 * float(stdtr(k - 2, -abs(slope) / math.sqrt(variance))))
    else:
        p_value = 0.0 if slope else 1.0
    return _drift(there, (slope, slope - half, slope + half), None, p_value, confidence, least_squares=True)


def time_to_limit(series: Series, limit: float, confidence: float) -> Exhaustion:
    """Return when a rising figure would reach a limit, by the line of :func:`drift`.

    A line is all that is assumed, and it is assumed: a leak that grows faster, or a cache that fills and stops, is not
    foreseen. The bounds are those of the slope, each line through the middle of the data.

    Args:
        series: As for :func:`drift`.
        limit: In the figure's unit, reached from below.
        confidence: Two-sided, in (0, 1).

    Raises:
        ValueError: more than 2,000 windows, or no such confidence.
    """
    found = drift(series, confidence)
    there = series.present()
    beyond = np.flatnonzero(there.low >= limit)
    if len(beyond):
        reached = round(float(there.at_ns[beyond[0]]) - there.from_ns)
        return Exhaustion(Bounded(estimate=reached, lower=reached, upper=reached), reached, None)
    if found.undecided is not None:
        return Exhaustion(_UNKNOWN, None, found.undecided)
    slope = found.slope_per_s
    # The steepest line through the highest readings is the soonest; the flattest through the lowest is the latest.
    return Exhaustion(
        Bounded(
            estimate=_reach(there, there.low, slope.estimate, limit),
            lower=_reach(there, there.high, slope.upper, limit, steep=True),
            upper=_reach(there, there.low, slope.lower, limit),
        ),
        None,
        None,
    )


def inflation(left: Float64) -> float:
    """Return f, by how much correlation between neighbours widens the variance of a trend; at least 1.

    Args:
        left: What is left of the figures without their trend, in the order of time, shape (k,), k >= 3.
    """
    k = len(left)
    order = np.sort(left)
    # Twice the mid-rank, less its mean: whole numbers, so that everybody gets the same sums.
    first, last = np.searchsorted(order, left, side="left"), np.searchsorted(order, left, side="right")
    rank = (first + last - k).astype(np.int64)
    own = int((rank * rank).sum())
    if not own:
        return 1.0
    covariance = [int((rank[lag:] * rank[: k - lag]).sum()) for lag in range(1, k - 2)]
    total, lag = 0, 1
    while lag + 1 < k - 2 and covariance[lag - 1] + covariance[lag] > 0:
        for place in (lag, lag + 1):
            total += (k - place) * (k - place - 1) * (k - place - 2) * covariance[place - 1]
        lag += 2
    return max(1.0, 1 + 2 * total / (own * k * (k - 1) * (k - 2)))


def _check(series: Series, confidence: float) -> None:
    if len(series) > _MOST_WINDOWS:
        raise ValueError(f"{len(series)} windows: at most {_MOST_WINDOWS}; take the means of longer ones")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence}")


def _pair_slopes(t: Float64, low: Float64, high: Float64) -> tuple[Float64, Float64]:
    """Return the least and the greatest slope of each pair that its hidden figures allow, each sorted."""
    i, j = np.triu_indices(len(t), 1)
    apart = t[j] - t[i]
    least = (low[j] - high[i]) / apart
    greatest = (high[j] - low[i]) / apart
    return np.sort(least), np.sort(greatest)


def _middle(ordered: Float64) -> float:
    """Return the median of sorted numbers; an infinite one where either of the two in the middle is."""
    lower, upper = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return lower if lower == upper else (lower + upper) / 2


def _left(value: Float64, line: Float64) -> Float64:
    """Return what is left without a line, less the noise of rounding: of a perfect line nothing is left."""
    grain = float(np.abs(value).max()) * _GRAIN
    return np.asarray(np.rint((value - line) / grain) * grain) if grain else value


def _variance_of_s(there: Series) -> float:
    """Return the variance of S for independent figures; hidden ones count as tied with none, which is cautious."""
    k = len(there)
    known = there.low[there.low == there.high]
    ties = np.unique(known, return_counts=True)[1].tolist()
    return float(k * (k - 1) * (2 * k + 5) - sum(g * (g - 1) * (2 * g + 5) for g in ties)) / 18


def _nearest_to_none(least: int, greatest: int) -> int:
    """Return the S in [least, greatest] that is nearest to zero."""
    return least if least > 0 else min(greatest, 0)


def _drift(
    there: Series,
    slope: tuple[float, float, float],
    tau: float | None,
    p_value: float,
    confidence: float,
    *,
    least_squares: bool = False,
) -> Drift:
    estimate, lower, upper = slope
    span = (there.to_ns - there.from_ns) / _NS
    start = None if math.isinf(estimate) else _level(there, there.low, estimate, mean=least_squares)
    least = float(np.abs(there.low).max()) * _GRAIN

    def share(per_s: float, value: Float64) -> float | None:
        if math.isinf(per_s):
            return None
        level = _level(there, value, per_s, mean=least_squares)
        return per_s * span / level if level > least else None

    change = _UNKNOWN
    if start is None or start > least:
        # Of the figures at the beginning that the hidden ones allow, the one that is worse for the bound.
        at_low = share(lower, there.high if lower > 0 else there.low)
        at_high = share(upper, there.low if upper > 0 else there.high)
        change = _bounded(share(estimate, there.low), at_low, at_high)
    sign, direction = estimate if tau is None else tau, _STEADY
    if sign and p_value <= 1 - confidence:
        direction = "rising" if sign > 0 else "falling"
    return Drift(
        windows=len(there),
        slope_per_s=_bounded(estimate, lower, upper),
        rise=_bounded(estimate * span, lower * span, upper * span),
        change=change,
        start=start,
        tau=tau,
        p_value=round(p_value, _DIGITS),
        direction=direction,
        undecided="hidden" if math.isinf(estimate) else None,
    )


def _level(there: Series, value: Float64, slope: float, *, mean: bool = False) -> float:
    """Return where the line of a slope begins, through the middle of the data."""
    heights = value - slope * ((there.at_ns - there.from_ns) / _NS)
    if mean:
        return math.fsum(heights.tolist()) / len(there)
    return _middle(np.sort(heights))


def _reach(there: Series, value: Float64, slope: float | None, limit: float, *, steep: bool = False) -> float | None:
    """Return when a line reaches the limit, in ns from the beginning; None for never."""
    if slope is None:
        return 0.0 if steep else None
    if slope <= 0:
        return None
    height = _level(there, value, slope)
    return 0.0 if math.isinf(height) else max(0.0, float(round((limit - height) / slope * _NS)))


def _bounded(estimate: float | None, lower: float | None, upper: float | None) -> Bounded:
    def finite(value: float | None) -> float | None:
        return None if value is None or math.isinf(value) else value

    return Bounded(estimate=finite(estimate), lower=finite(lower), upper=finite(upper))


def _nothing(windows: int, why: Literal["few_windows", "hidden"]) -> Drift:
    return Drift(windows, _UNKNOWN, _UNKNOWN, _UNKNOWN, None, None, 1.0, "none", why)
