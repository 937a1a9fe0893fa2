"""Whether requests came faster than a limit allows, and by how much chance alone would have it.

Arrivals of a Poisson process of mean rate r exceed r in about every other second, so no single second can be held
against a limit. Over a window of w seconds at most ``r w + max(10 %, 5 sqrt(r w))`` requests are let pass: five
standard deviations of the Poisson count (its variance is its mean), which chance alone exceeds in fewer than one window
in 100,000 at the limit itself.
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
_DEVIATIONS: Final = 5.0


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
        return f"{self.count:,} requests in {self.seconds} s, where at most {self.allowed:,.0f} may be"


def allowed(per_second: float, seconds: int) -> float:
    """Return how many requests may be in ``seconds``, for a limit per second."""
    mean = per_second * seconds
    return mean + max(_SHARE * mean, _DEVIATIONS * math.sqrt(mean))


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
