"""Parts of a stress trial's verdict: what its capacity was fitted to, its knee, its pace, and how it scales."""

from __future__ import annotations

from seatrial.model.document import Strict
from seatrial.model.verdict_parts import Bounded

__all__ = ["Collapse", "Knee", "Pace", "ScalingLaw", "Tail"]


class Tail(Strict):
    """How many records lie beyond a limit, against how many it allows: what a capacity is fitted to.

    Attributes:
        allowed: The share of records that may lie beyond it.
        share: The share that does; records without an answer lie beyond.
        least: The same with records without an answer that had not come to the limit counted as within it.
        effective: Independent records that those records are worth.
    """

    allowed: float
    share: float
    least: float
    effective: float


class Knee(Strict):
    """The level with the highest power, goodput over mean response time (Kleinrock 1979).

    Beyond it waiting grows faster than what gets done.

    Attributes:
        level: For example ``1.5 P``.
        goodput_per_s: Steps that ended ok per second.
        mean_ns: Mean response time.
        power: The one divided by the other, per second squared.
        inside: Whether a level on either side has less power; where it is the lowest or the highest that was offered,
            the knee may lie farther out.
    """

    level: str
    goodput_per_s: float
    mean_ns: float
    power: float
    inside: bool


class Collapse(Strict):
    """Goodput that fell as offered load rose.

    Attributes:
        level: The broken level.
        goodput_per_s: Its goodput, with bounds.
        best: The level below it with the highest goodput.
        best_per_s: That goodput, with bounds; its lower one lies above the upper one of the broken level.
    """

    level: str
    goodput_per_s: Bounded
    best: str
    best_per_s: Bounded


class ScalingLaw(Strict):
    """The Universal Scalability Law, fitted to goodput over steps in progress (:mod:`seatrial.stats.usl`).

    Attributes:
        throughput_per_s: lambda: what one step in progress at a time gets done.
        contention: sigma.
        crosstalk: kappa.
        peak: Steps in progress at which goodput is highest; None where none is shown, or not within twice the data.
        peak_per_s: Goodput there.
        farthest: Twice the most steps in progress of the data; nothing is predicted beyond.
        points: Levels that it is fitted to.
    """

    throughput_per_s: Bounded
    contention: Bounded
    crosstalk: Bounded
    peak: Bounded | None
    peak_per_s: Bounded | None
    farthest: float
    points: int


class Pace(Strict):
    """Goodput and mean response time of one level.

    Attributes:
        mean_ns: Mean response time; of steps without an answer, what was waited.
        error_ns: Its standard error; None where too few steps show one.
        goodput_per_s: Steps that ended ok per second, with bounds.
    """

    mean_ns: float
    error_ns: float | None
    goodput_per_s: Bounded
