"""How many sessions a trial intends, per journey, before it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.model.profile import Stage
from seatrial.model.schedule import Schedule

__all__ = ["SessionCount", "count_sessions", "is_countable"]

_MOST_COUNTED = 5_000_000.0  # arrivals: about a second of work
_MOST_STAGES = 2_000


@dataclass(frozen=True, slots=True)
class SessionCount:
    """Sessions of some stages.

    Attributes:
        per_journey: In the plan's order of journeys.
        exact: Whether they were counted on the schedule itself; otherwise each is the expected number plus six
            standard deviations, which is exceeded less than once in a thousand million plans.
    """

    per_journey: tuple[int, ...]
    exact: bool

    @property
    def total(self) -> int:
        """Return the sessions of all journeys."""
        return sum(self.per_journey)


def is_countable(stages: Sequence[Stage]) -> bool:
    """Return whether the arrivals of ``stages`` can be counted one by one in a few seconds."""
    return len(stages) <= _MOST_STAGES and sum(stage.profile.expected for stage in stages) <= _MOST_COUNTED


def count_sessions(
    digest: str, seed: int, stages: Sequence[Stage], weights: tuple[float, ...], *, exactly: bool
) -> SessionCount:
    """Return the most sessions that ``stages`` intend, warm-up included.

    Args:
        digest: Of the plan's source, hexadecimal; keys the schedule.
        seed: The plan's.
        stages: Of one trial or several.
        weights: Of the journeys, each above zero.
        exactly: Whether to count on the schedule itself; :func:`is_countable` says whether that is quick.
    """
    if not exactly:
        expected = sum(stage.profile.expected for stage in stages)
        # Thinned Poisson arrivals are Poisson, with a variance equal to the mean; even arrivals vary less.
        means = [expected * weight / sum(weights) for weight in weights]
        return SessionCount(tuple(math.ceil(mean + 6 * math.sqrt(mean)) for mean in means), exact=False)
    totals = np.zeros(len(weights), dtype=np.int64)
    for stage in stages:
        for block in Schedule(digest, seed, stage, weights).blocks():
            totals += np.bincount(block.journey, minlength=len(weights))
    return SessionCount(tuple(int(total) for total in totals), exact=True)
