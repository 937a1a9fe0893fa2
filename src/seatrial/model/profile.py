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
from typing import Literal

__all__ = ["Arrivals", "Profile", "Segment", "Stage", "constant"]

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
    """

    trial: int
    index: int
    name: str
    profile: Profile
    arrivals: Arrivals
    judged_from_ns: int
    drain_ns: int

    @property
    def rate(self) -> float:
        """Return the rate at the end of the profile: what a step of a stress trial holds."""
        return self.profile.segments[-1].rate_to


def constant(rate: float, duration_ns: int) -> Profile:
    """Return a profile of one constant rate."""
    return Profile((Segment(duration_ns, rate, rate),))
