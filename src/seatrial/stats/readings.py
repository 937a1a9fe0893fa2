"""Readings of one figure at even distances: their mean with bounds that respect that each resembles the next.

Batch means as in :mod:`seatrial.stats.batches`, for numbers that may be of any sign and size. With n readings in B
batches of equal length (to one reading), s_b the sum and n_b the number of batch b, and m the mean of all,

    var(m) = B/(B-1) * sum_b (s_b - m n_b)^2 / n^2,     bounds  m -+ t(B-1) sqrt(var(m))

at B = 10, 20, 40, ... as long as a batch has two readings (fewer than 20 readings: half as many batches), and at B = n,
which is independence; the widest interval counts.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from seatrial.model.verdict import Bounded

__all__ = ["LEAST_READINGS", "mean_of", "quantile_of"]

Float64 = npt.NDArray[np.float64]

LEAST_READINGS = 4
"""Fewer give a mean without bounds."""

_COARSEST = 10


def mean_of(value: Float64, confidence: float) -> Bounded:
    """Return the mean with its bounds.

    Args:
        value: In the order of time, shape (n,), finite.
        confidence: Two-sided, in (0, 1).

    Returns:
        All None without readings; bounds of None (infinity) for fewer than four.
    """
    n = len(value)
    if not n:
        return Bounded(estimate=None, lower=None, upper=None)
    mean = math.fsum(value.tolist()) / n
    if n < LEAST_READINGS:
        return Bounded(estimate=_rounded(mean), lower=None, upper=None)
    numbers, batches = [n, n // 2 if n < 2 * _COARSEST else _COARSEST], 2 * _COARSEST
    while n // batches >= 2:
        numbers.append(batches)
        batches *= 2
    half = max(_half_width(value - mean, batches, confidence) for batches in numbers)
    return Bounded(estimate=_rounded(mean), lower=_rounded(mean - half), upper=_rounded(mean + half))


def _rounded(value: float) -> float:
    """Return nine significant digits: more than a reading has, and the same on every machine."""
    return float(f"{value:.9g}")


def _half_width(apart: Float64, batches: int, confidence: float) -> float:
    edges = np.arange(batches + 1) * len(apart) // batches
    sums = [math.fsum(apart[a:b].tolist()) for a, b in pairwise(edges.tolist())]
    variance = batches * math.fsum(s * s for s in sums) / ((batches - 1) * len(apart) ** 2)
    return float(stdtrit(batches - 1, (1 + confidence) / 2)) * math.sqrt(variance)


def quantile_of(value: Float64, quantile: float) -> float | None:
    """Return the value of rank ceil(n q) among readings, 0 < q <= 1; None without any."""
    if not len(value):
        return None
    rank = max(1, math.ceil(round(len(value) * quantile, 9)))
    return float(np.sort(value)[rank - 1])
