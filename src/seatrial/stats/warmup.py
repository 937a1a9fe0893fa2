"""Was the service still warming up? The truncation point of a series by MSER-5, and when it is worth a sentence.

MSER (K. P. White, *An effective truncation heuristic for bias reduction in simulation output*, Simulation 69 (1997))
leaves out as many observations at the beginning as make the confidence interval of the mean of the others narrowest:

    d* = argmin over d of  s(d) / (n - d)^2                 n     batches of the series
                                                            x_i   mean of batch i
    s(d) = sum over i > d of (x_i - m(d))^2                 m(d)  mean of all x_i with i > d

MSER-5 takes batches of five observations (White, Cobb, Spratt, *A comparison of five steady-state truncation
heuristics for simulation*, WSC 2000). A d* in the second half says that the series is too short to tell (Franklin,
White, *Stationarity tests and MSER-5*, WSC 2008). The last five batches are no candidates: a few that happen to agree
would win.

An observation is here the mean response time of what was intended in a fifth of a second, or in more where there are
fewer records: of five such a batch is made, so of a second.

MSER-5 chooses a point; it does not test whether there is anything to leave out, and of stationary series it shortens
a third to two thirds by some batches. So a warm-up is only spoken of when what would be left out

1. differs from the rest by four standard errors. That of a mean is taken over ten batches of the rest, or over single
   ones where that is more: neighbours are alike;
2. moves the mean of the whole by a twentieth or more of the rest's mean;
3. was under way from the beginning: its first half differs, the same way, by half as much as all of it at least. A
   freeze in the middle is no warm-up.

How often that is wrong is measured in ``tests/stats/test_warmup.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.units import SECOND

__all__ = ["BATCH", "Observed", "WarmUp", "mser", "warm_up"]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

BATCH = 5
"""Observations in a batch: the five of MSER-5."""

_OBSERVED_NS = SECOND // BATCH
_MOST, _FEWEST = 5_000, 100
_RECORDS = 5
_CHUNK = 1 << 20
_GROUPS = 10
_ERRORS, _MATTERS, _FROM_THE_FIRST = 4.0, 0.05, 0.5
_US = 1000


@dataclass(frozen=True, slots=True)
class WarmUp:
    """A beginning that is unlike the rest.

    Attributes:
        length_ns: How long it lasted, to within a batch.
        before_ns: Mean response time in it.
        after_ns: Mean response time after it.
    """

    length_ns: int
    before_ns: float
    after_ns: float


def mser(series: Sequence[float] | Float64, batch: int = BATCH) -> int | None:
    """Return how many observations MSER leaves out at the beginning, a multiple of ``batch``; 0 for none.

    None where it can't be told: fewer than ten batches, or a minimum in the second half.

    Args:
        series: Observations in the order of time, shape (n,).
        batch: How many make a batch; those left over at the end are not looked at.
    """
    left_out = _batches_left_out(_batch_means(np.asarray(series, dtype=np.float64), batch))
    return None if left_out is None else left_out * batch


class Observed:
    """Gathers the series in which a warm-up is looked for.

    Args:
        duration_ns: How long is judged.
        count: How many records there will be.
    """

    def __init__(self, duration_ns: int, count: int) -> None:
        number = min(_MOST, duration_ns // _OBSERVED_NS, count // _RECORDS) // BATCH * BATCH
        self._number = number if number >= _FEWEST else 0
        self._width_ns = -(-duration_ns // self._number) if self._number else 1
        self._count, self._total_us = (np.zeros(self._number, dtype=np.int64) for _ in range(2))

    def add(self, at_ns: Int64, took_ns: Int64) -> None:
        """Take some records in; arguments as for :func:`warm_up`.

        Sums of whole numbers below 2**53 are exact in any order; in nanoseconds they might not be.
        """
        number = self._number
        for start in range(0, len(at_ns) if number else 0, _CHUNK):
            place = np.clip(at_ns[start : start + _CHUNK] // self._width_ns, 0, number - 1)
            took_us = took_ns[start : start + _CHUNK] // _US
            self._count += np.bincount(place, minlength=number)
            self._total_us += np.bincount(place, weights=took_us, minlength=number).astype(np.int64)

    def warm_up(self) -> WarmUp | None:
        """Return the warm-up; None where there is none, or records are too few to tell."""
        count, total_us = self._count, self._total_us
        there = np.flatnonzero(count)
        if not len(there):
            return None
        means = _batch_means(total_us[there] / count[there], BATCH)
        left_out = _batches_left_out(means)
        if not left_out or not _is_warm_up(means.tolist(), left_out):
            return None
        first = int(there[left_out * BATCH])
        before_ns, after_ns = (
            int(total_us[part].sum()) * _US / int(count[part].sum()) for part in (slice(0, first), slice(first, None))
        )
        return WarmUp(first * self._width_ns, before_ns, after_ns)


def warm_up(at_ns: Int64, took_ns: Int64, duration_ns: int) -> WarmUp | None:
    """Return the warm-up that records show; None where they show none, or are too few to tell (a hundred times five).

    Args:
        at_ns: When each record was intended, from the beginning of what is judged, shape (n,), in any order.
        took_ns: Its response time, or what was waited where there was no answer.
        duration_ns: How long is judged.
    """
    observed = Observed(duration_ns, len(at_ns))
    observed.add(at_ns, took_ns)
    return observed.warm_up()


def _batch_means(series: Float64, batch: int) -> Float64:
    whole = series[: len(series) // batch * batch].reshape(-1, batch)
    return np.asarray(whole.cumsum(axis=1)[:, -1] / batch)  # added one after the other: everybody gets the same bits


def _batches_left_out(means: Float64) -> int | None:
    """Return d*; None where it can't be told."""
    n = len(means)
    if n < 2 * BATCH:
        return None
    # From the last batch backwards, and from the last one's level: the sums of squares keep their digits.
    level = (means - means[-1])[::-1]
    left = np.arange(1, n + 1)
    spread = np.maximum(np.cumsum(level**2) - np.cumsum(level) ** 2 / left, 0.0)
    statistic = (spread / left.astype(np.float64) ** 2)[::-1]
    best = int(np.argmin(statistic[: n - BATCH]))
    return best if best <= n // 2 else None


def _is_warm_up(means: list[float], left_out: int) -> bool:
    """Return whether what is left out is a warm-up (rules 1 to 3)."""
    before, after = means[:left_out], means[left_out:]
    rest = _mean(after)
    apart = _mean(before) - rest
    size = len(after) // _GROUPS
    groups = [_mean(after[k * size : (k + 1) * size]) for k in range(_GROUPS)] if size else []
    variance = max(_variance(after), size * _variance(groups))
    first = _mean(before[: (left_out + 1) // 2]) - rest
    return (
        abs(apart) > _ERRORS * math.sqrt(variance * (1 / len(before) + 1 / len(after)))
        and abs(_mean(means) - rest) >= _MATTERS * rest
        and first * apart > 0
        and abs(first) >= _FROM_THE_FIRST * abs(apart)
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    """Return the variance of a sample; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
