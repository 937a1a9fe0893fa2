"""The closed model: a fixed number of users, each of whom begins again when they are through.

Each pass of a user through a journey is an iteration, and a session like any other. It is numbered
``iteration · users + user`` within its stage, so that users never meet whatever their pace. Which journey it takes, its
seed and the rest after it are functions of (plan digest, seed, trial, stage, user, iteration): neither the number of
workers nor the speed of the service changes them.

The numbers are drawn by hashing and not from a stream, because nobody knows beforehand how many iterations a user
comes to: the finaliser of SplitMix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA
2014), once for the user and once for the iteration.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from seatrial.model.steps import ThinkTime
from seatrial.units import SECOND

__all__ = ["MOST_USERS", "TURNED_AWAY_NS", "UserDraws", "Users", "mean_think_ns"]

MOST_USERS = 100_000
TURNED_AWAY_NS = SECOND
"""A user for whom there was no room comes back after so long at the earliest: otherwise they would ask without end."""

_MASK = 2**64 - 1
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_JOURNEY, _SESSION, _REST = 1, 2, 3

UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Users:
    """The users of a stage.

    Attributes:
        count: How many, at least one.
        ramp_ns: User u begins ``u · ramp_ns / count`` after the stage.
        pacing_ns: From the beginning of an iteration to that of the next, at least; None where there is none.
        think: From the end of an iteration to the beginning of the next: nanoseconds, or a distribution.
    """

    count: int
    ramp_ns: int = 0
    pacing_ns: int | None = None
    think: int | ThinkTime = 0

    def begins_ns(self, user: int) -> int:
        """Return when a user begins, as an offset from the stage's start."""
        return user * self.ramp_ns // self.count

    def next_ns(self, begin_ns: int, end_ns: int, rest_ns: int, turned_away: bool = False) -> int:
        """Return when a user is ready for the next iteration.

        Args:
            begin_ns: When this one was meant to begin.
            end_ns: When it was over.
            rest_ns: The rest after it, from :meth:`UserDraws.rest_ns`.
            turned_away: Whether it was not even begun, because too many sessions were in progress.
        """
        paced_ns = begin_ns if self.pacing_ns is None else begin_ns + self.pacing_ns
        return max(paced_ns, end_ns + (max(rest_ns, TURNED_AWAY_NS) if turned_away else rest_ns))

    @property
    def peak(self) -> float:
        """Return the most iterations per second that they can begin, on average over a user's rest; may be infinite.

        Users who all begin at once, or who neither pace themselves nor think, know no highest rate.
        """
        at_first = self.count * SECOND / self.ramp_ns if self.ramp_ns else math.inf
        apart_ns = mean_think_ns(self.think) if self.pacing_ns is None else float(self.pacing_ns)
        return max(at_first, self.count * SECOND / apart_ns if apart_ns else math.inf)


def mean_think_ns(think: int | ThinkTime) -> float:
    """Return the mean of a rest, with what is drawn beyond the longest cut to it.

    Exponential, cut at c: m·(1 − e^(−c/m)). Lognormal with median e^μ: e^(μ+σ²/2)·Φ((ln c − μ)/σ − σ) +
    c·(1 − Φ((ln c − μ)/σ)).
    """
    if isinstance(think, int):
        return float(think)
    longest = think.longest_ns
    if think.uniform is not None:
        return (think.uniform[0] + longest) / 2
    if think.exponential is not None:
        return think.exponential * -math.expm1(-longest / think.exponential)
    if not longest:
        return 0.0
    median, sigma, below = think.lognormal or 0, think.sigma, NormalDist().cdf
    at = math.log(longest / median) / sigma
    return median * math.exp(sigma**2 / 2) * below(at - sigma) + longest * (1 - below(at))


class UserDraws:
    """What is drawn for every iteration of every user of a stage.

    Attributes:
        users: Of the stage.

    Args:
        plan_digest: SHA-256 of the plan, hexadecimal.
        seed: The plan's seed.
        trial: Index of the trial.
        stage: Index of the stage.
        users: Of the stage.
        weights: One positive weight per journey, in the plan's order.

    Raises:
        ValueError: no journeys, or a weight that is not positive.
    """

    def __init__(
        self, plan_digest: str, seed: int, trial: int, stage: int, users: Users, weights: tuple[float, ...]
    ) -> None:
        if not weights or min(weights) <= 0:
            raise ValueError(f"every journey needs a weight above zero: {weights}")
        digest = hashlib.sha256(f"{plan_digest}/{seed}/{trial}/{stage}/users".encode()).digest()
        self._key = int.from_bytes(digest[:8], "little")
        self.users = users
        total = list(accumulate(weights))
        self._bounds = [bound / total[-1] for bound in total]

    def journey(self, user: int, iteration: int) -> int:
        """Return the index of the journey."""
        at = bisect_right(self._bounds, (self._draw(_JOURNEY, user, iteration) >> 11) * 2.0**-53)
        return min(at, len(self._bounds) - 1)

    def seed(self, user: int, iteration: int) -> int:
        """Return the random seed for the session's own choices, below 2**64."""
        return self._draw(_SESSION, user, iteration)

    def rest_ns(self, user: int, iteration: int) -> int:
        """Return the rest after the iteration in nanoseconds."""
        think = self.users.think
        if isinstance(think, int):
            return think
        share = ((self._draw(_REST, user, iteration) >> 11) + 0.5) * 2.0**-53
        longest = think.longest_ns
        if think.uniform is not None:
            return think.uniform[0] + int(share * (longest - think.uniform[0] + 1))
        if think.exponential is not None:
            return min(longest, round(-think.exponential * math.log(share)))
        return min(longest, round((think.lognormal or 0) * math.exp(think.sigma * NormalDist().inv_cdf(share))))

    def journeys(self, session: Int64) -> Int64:
        """Return the journey of each session, by its number in the stage; both of shape (n,), int64."""
        number = session.astype(np.uint64)
        count = np.uint64(self.users.count)
        share = (self._draws(_JOURNEY, number % count, number // count) >> np.uint64(11)) * 2.0**-53
        found = np.searchsorted(np.array(self._bounds), share, side="right")
        return np.minimum(found, len(self._bounds) - 1).astype(np.int64)

    def _draw(self, stream: int, user: int, iteration: int) -> int:
        at = _mixed((self._key + stream * _GOLDEN + user * _FIRST) & _MASK)
        return _mixed((at + (iteration + 1) * _GOLDEN) & _MASK)

    def _draws(self, stream: int, user: UInt64, iteration: UInt64) -> UInt64:
        with np.errstate(over="ignore"):  # modulo 2**64 is what is meant
            key = np.uint64((self._key + stream * _GOLDEN) & _MASK)
            at = _mixed_all(key + user * np.uint64(_FIRST))
            return _mixed_all(at + (iteration + np.uint64(1)) * np.uint64(_GOLDEN))


def _mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * _FIRST) & _MASK
    z = ((z ^ (z >> 27)) * _SECOND) & _MASK
    return z ^ (z >> 31)


def _mixed_all(z: UInt64) -> UInt64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)
