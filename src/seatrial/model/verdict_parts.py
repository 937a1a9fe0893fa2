"""Parts of a verdict that belong to some kinds of trial only."""

from __future__ import annotations

from typing import Literal

from seatrial.model.document import Strict

__all__ = ["Bounded", "DriftLine", "PeriodResult", "Recovery", "SizeResult"]


class Bounded(Strict):
    """An estimate with its bounds, in one unit. None stands for infinity: the data show no upper bound.

    Attributes:
        estimate: The figure in the data; None when censored records hide it.
        lower: Lower bound at the policy's confidence.
        upper: Upper bound; None when it is unbounded.
    """

    estimate: float | None
    lower: float | None
    upper: float | None


class PeriodResult(Strict):
    """What one period of a stage showed: over the steps that were intended in it.

    Attributes:
        name: For people.
        role: ``base``, ``burst`` or ``after``.
        from_ns: Its first instant, from the stage's start.
        to_ns: Its end, not included.
        intended: Steps intended.
        ok: Steps that ended ok.
        refused: Answers with status 429 or 503: the service refused clearly.
        offered_per_s: Steps intended per second.
        goodput_per_s: Steps that ended ok per second.
        p50_ns: Median response time; None when censored records hide it, or there are none.
        p95_ns: Likewise.
        p99_ns: Likewise.
    """

    name: str
    role: Literal["base", "burst", "after"]
    from_ns: int
    to_ns: int
    intended: int
    ok: int
    refused: int
    offered_per_s: float
    goodput_per_s: float
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None


class Recovery(Strict):
    """How the service came back from one disturbance.

    Attributes:
        name: Of the period after the disturbance.
        state: ``recovered``: every limit is kept again, and stays so. ``slow``: not within the time it was watched,
            and it is getting better. ``metastable``: the disturbance is gone, the load is what the service carried
            before, and it stays down. ``undecided``: the data do not tell.
        back_ns: From the end of the disturbance until the limits are kept for good, with bounds; its estimate and its
            upper bound are None where that did not happen while it was watched.
        watched_ns: How long it was watched.
        hysteresis: p95 of response time after the recovery as a multiple of what it was before, with bounds; None
            where the service did not recover, or too little is known.
    """

    name: str
    state: Literal["recovered", "slow", "metastable", "undecided"]
    back_ns: Bounded
    watched_ns: int
    hysteresis: Bounded | None


class DriftLine(Strict):
    """A figure of each of many windows, and the line through them.

    Attributes:
        objective: The limit that it is for, as the plan writes it.
        from_ns: Beginning of the time that was looked at, on the records' clock.
        to_ns: Its end.
        at_ns: Middle of each window that has records.
        figures: Figure of each; None where unanswered requests hide it.
        unit: Of the figures.
        start: Fitted figure at the beginning; None when hidden.
        rise: From the beginning to the end, in ``unit``; None in a bound is infinity.
        change: The same as a share of ``start``.
        p_value: Two-sided, of there being no trend.
        direction: The trend that is significant at the policy's confidence, or none.
    """

    objective: str
    from_ns: int
    to_ns: int
    at_ns: tuple[int, ...]
    figures: tuple[float | None, ...]
    unit: Literal["ns", "share", "B", "number"]
    start: float | None
    rise: Bounded
    change: Bounded
    p_value: float
    direction: Literal["rising", "falling", "none"]


class SizeResult(Strict):
    """One size of the service in a scalability trial.

    Attributes:
        units: How many.
        capacity: For each unit, in ``unit``, with bounds: the highest level that held and the lowest that broke.
        efficiency: Capacity for each unit against that of the smallest size, a share, with bounds; None in estimate
            or bound where the levels do not tell.
        unit: ``P`` or ``/s`` (journeys).
    """

    units: int
    capacity: Bounded
    efficiency: Bounded
    unit: Literal["P", "/s"]
