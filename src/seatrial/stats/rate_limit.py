"""Whether requests came faster than a limit allows, and by how much chance alone would have it.

Arrivals of a Poisson process of mean rate r exceed r in about every other second, so no single second can be held
against a limit. Over a window of w seconds, m = r w being the mean, ``m + max(m/10, 5 sqrt(m) + 25/6)`` requests are
let pass. By Bernstein's inequality a Poisson count exceeds ``m + sqrt(2 m x) + x/3`` with probability exp(-x) at most
(Boucheron, Lugosi, Massart: Concentration Inequalities, 2013, section 2.8); here x is 12.5, so that chance alone
exceeds it in fewer than four windows of a million at the limit itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["WINDOWS", "Excess", "allowed", "excess"]

WINDOWS: Final = (2, 10, 60)
"""Lengths in seconds; a burst shows in the first, a rate a little too high in the last."""

_SHARE: Final = 0.1
_EXPONENT: Final = 12.5


@dataclass(frozen=True, slots=True)
class Excess:
    """The first window with too many requests.

    Attributes:
        at: Its first second.
        seconds: Its length.
        count: Requests in it.
        allowed: How many may be.
    """

    at: int
    seconds: int
    count: int
    allowed: float

    def __str__(self) -> str:
        return f"{self.count:,} requests in {self.seconds} s, where at most {int(self.allowed):,} may be"


def allowed(per_second: float, seconds: int) -> float:
    """Return how many requests may be in ``seconds``, for a limit per second."""
    mean = per_second * seconds
    return mean + max(_SHARE * mean, math.sqrt(2 * mean * _EXPONENT) + _EXPONENT / 3)


def excess(counts: npt.NDArray[np.int64], per_second: float) -> Excess | None:
    """Return the first window that holds more requests than it may; None where none does.

    Args:
        counts: Requests in each second, one after the other, those without any included; possibly empty.
        per_second: The limit, above 0.
    """
    sums = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    for seconds in WINDOWS:
        most = allowed(per_second, seconds)
        span = min(seconds, len(counts))
        if span == 0:
            return None
        found = np.flatnonzero(sums[span:] - sums[:-span] > most)
        if len(found):
            first = int(found[0])
            return Excess(first, seconds, int(sums[first + span] - sums[first]), most)
    return None
