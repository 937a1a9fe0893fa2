"""The shape of offered load over time, as data: segments of linearly changing rate.

For a segment that goes from rate a to rate b (arrivals per second) in T seconds, the expected number of arrivals
up to t seconds into it is

    Λ(t) = a·t + (b − a)·t² / (2T)

A profile is a tuple of segments; its Λ is the running sum. Even arrivals stand where Λ crosses k + ½; Poisson
arrivals stand where Λ crosses a unit-rate Poisson process (time change; Çınlar, *Introduction to Stochastic
Processes*, 1975, ch. 4), given that it has as many arrivals as Λ says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from seatrial.model.users import Users

__all__ = ["Arrivals", "Period", "Profile", "Segment", "Stage", "constant"]

Numbers = TypeVar("Numbers", int, npt.NDArray[np.int64])
Arrivals = Literal["even", "poisson"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the arrival rate changes linearly.

    Attributes:
        duration_ns: Length in nanoseconds, above zero.
        rate_from: Arrivals per second at its start, zero or more.
        rate_to: Arrivals per second at its end, zero or more.
    """

    duration_ns: int
    rate_from: float
    rate_to: float

    def __post_init__(self) -> None:
        if self.duration_ns <= 0:
            raise ValueError(f"a segment needs a duration above zero, not {self.duration_ns} ns")
        if self.rate_from < 0 or self.rate_to < 0:
            raise ValueError(f"a rate below zero: {self.rate_from} to {self.rate_to}")

    @property
    def expected(self) -> float:
        """Return the expected number of arrivals in the whole segment."""
        return (self.rate_from + self.rate_to) / 2 * self.duration_ns / 1e9

    def rate_at(self, offset_ns: int) -> float:
        """Return the rate at an offset, 0 to its duration; where it does not change, exactly that rate."""
        return self.rate_from + (self.rate_to - self.rate_from) * (offset_ns / self.duration_ns)

    def until(self, offset_ns: int) -> Segment:
        """Return its part before an offset above zero; the whole of it where the offset is its end."""
        whole = offset_ns >= self.duration_ns
        return self if whole else Segment(offset_ns, self.rate_from, self.rate_at(offset_ns))

    def after(self, offset_ns: int) -> Segment:
        """Return its part from an offset on, below its end."""
        return Segment(self.duration_ns - offset_ns, self.rate_at(offset_ns), self.rate_to) if offset_ns else self

    def at_least(self, rate: float) -> tuple[int, int]:
        """Return the offsets in nanoseconds between which it has this rate or more; an empty pair, (0, 0), for none.

        A line crosses a level once at most. The crossing is rounded towards less time.
        """
        if min(self.rate_from, self.rate_to) >= rate:
            return 0, self.duration_ns
        if max(self.rate_from, self.rate_to) < rate:
            return 0, 0
        crossing = (rate - self.rate_from) / (self.rate_to - self.rate_from) * self.duration_ns
        if self.rate_to > self.rate_from:
            return min(math.ceil(crossing), self.duration_ns), self.duration_ns
        return 0, max(math.floor(crossing), 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """Segments one after the other; at least one."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a profile needs at least one segment")

    @property
    def duration_ns(self) -> int:
        """Return the length of the whole profile in nanoseconds."""
        return sum(s.duration_ns for s in self.segments)

    @property
    def expected(self) -> float:
        """Return the expected number of arrivals over the whole profile."""
        return math.fsum(s.expected for s in self.segments)  # sum() rounds differently from Python 3.12 on

    @property
    def peak(self) -> float:
        """Return the highest rate anywhere, in arrivals per second."""
        return max(max(s.rate_from, s.rate_to) for s in self.segments)

    @property
    def lowest(self) -> float:
        """Return the lowest rate anywhere, in arrivals per second."""
        return min(min(s.rate_from, s.rate_to) for s in self.segments)

    @property
    def mean(self) -> float:
        """Return the mean rate in arrivals per second; exactly the rate where that never changes."""
        return self.peak if self.peak == self.lowest else self.expected * 1e9 / self.duration_ns

    def after(self, offset_ns: int) -> Profile:
        """Return what is left from an offset on.

        Raises:
            ValueError: the offset is below zero, or nothing is left.
        """
        if not 0 <= offset_ns < self.duration_ns:
            raise ValueError(f"nothing of a profile of {self.duration_ns} ns after {offset_ns} ns")
        start_ns, left = 0, []
        for segment in self.segments:
            if start_ns + segment.duration_ns > offset_ns:
                left.append(segment.after(max(0, offset_ns - start_ns)))
            start_ns += segment.duration_ns
        return Profile(tuple(left))

    def longest_at_least(self, rate: float) -> int:
        """Return the nanoseconds of the longest unbroken stretch at this rate or above; 0 when it is never reached."""
        longest = run = start_ns = run_end = 0
        for segment in self.segments:
            begin, end = segment.at_least(rate)
            if end > begin:
                run = (run if run_end == start_ns + begin else 0) + end - begin
                run_end = start_ns + end
                longest = max(longest, run)
            start_ns += segment.duration_ns
        return longest


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a stage that is looked at apart from the rest of it; the load goes on from one to the next.

    Attributes:
        name: For people.
        role: ``base`` before anything happens, ``burst`` while it does, ``after`` when it is over.
        from_ns: Its first instant, from the stage's start.
        to_ns: Its end, not included.
        judged: Whether the trial's limits are judged over the steps that were intended in it.
    """

    name: str
    role: Literal["base", "burst", "after"]
    from_ns: int
    to_ns: int
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One uninterrupted stretch of a trial: load is offered, then the tail is drained.

    Attributes:
        trial: Index of the trial in the plan.
        index: Index of the stage in its trial, from 0; enters the schedule's random stream.
        name: For people, for example ``1.25 P``.
        profile: What is offered.
        arrivals: How arrivals are spread.
        judged_from_ns: Records intended before this offset are warm-up and stay out of the verdict.
        drain_ns: How long after the last arrival unfinished steps may still finish; then they are in flight.
        users: Who begins again and again, in a closed model: the profile then says no more than how long. None in an
            open one.
        periods: Stretches that are looked at apart, in order, without overlap; those that are judged are what the
            limits are about. None: the limits are about everything after the warm-up.
    """

    trial: int
    index: int
    name: str
    profile: Profile
    arrivals: Arrivals
    judged_from_ns: int
    drain_ns: int
    users: Users | None = None
    periods: tuple[Period, ...] = ()

    @property
    def judged(self) -> Profile:
        """Return what is offered after the warm-up: what the verdict is about."""
        return self.profile.after(self.judged_from_ns)

    @property
    def rate(self) -> float:
        """Return the mean rate that is judged: the level, where one is held; 0 in a closed model, which plans none."""
        return self.judged.mean

    @property
    def peak(self) -> float:
        """Return the most sessions per second that it can begin; infinite for users whom only the service holds up."""
        return self.profile.peak if self.users is None else self.users.peak

    def worker_of(self, session: Numbers, workers: int) -> Numbers:
        """Return the worker that runs each session, by its number in the stage."""
        return (session if self.users is None else session % self.users.count) % workers


def constant(rate: float, duration_ns: int) -> Profile:
    """Return a profile of one constant rate."""
    return Profile((Segment(duration_ns, rate, rate),))
