"""The comparison of two rounds of trials, as it stands in ``--json``.

Like a verdict it is data: codes and figures. Sentences are made from the codes in :mod:`seatrial.model.reasons`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from seatrial.model.document import Strict
from seatrial.model.verdict import Reason, Verdict
from seatrial.model.verdict_parts import Bounded

__all__ = ["Beside", "ComparedFigure", "ComparedPart", "Comparison", "PlanDifference"]


class ComparedFigure(Strict):
    """One figure of a part in both rounds.

    Attributes:
        what: ``p50``, ``p95``, ``p99`` (response time, ns) or ``errors`` (a share of the steps).
        kind: ``ratio``: ``effect`` is new over old, 1 is no change. ``difference``: new less old, as a fraction of one.
        old: In the old round; None where unanswered requests hide it.
        new: In the new round.
        effect: The change, with its bounds; None in a bound is infinity.
        p_value: Two-sided, of there being no change.
        adjusted: The same after Holm's correction over the whole comparison.
        change: ``worse``: significant, and beyond the smallest change that matters; ``better`` likewise. ``equal``: the
            interval holds no change that matters. ``undecided``: neither.
        ruled_out: Whether a worsening that matters is ruled out: the interval's worse end is within what does not
            matter.
        longer: How many times as long the trials would have to be to decide; None where they do, or where no practical
            length would.
    """

    what: str
    kind: Literal["ratio", "difference"]
    old: float | None
    new: float | None
    effect: Bounded
    p_value: float
    adjusted: float
    change: Literal["worse", "better", "equal", "undecided"]
    ruled_out: bool
    longer: float | None = None


class ComparedPart(Strict):
    """One step of one load level of a trial, or all steps of that level together.

    Attributes:
        trial: Its name.
        level: Of load; several stages at the same load are one level.
        journey: None for all steps together.
        step: Likewise.
        records_old: Steps that were judged in the old round.
        records_new: In the new one.
        goodput_old: Steps per second that ended ok.
        goodput_new: Likewise.
        superiority: The chance that an answer of the new round took longer than one of the old, ties halved; 0.5 is no
            change.
        figures: Response times and errors.
    """

    trial: str
    level: str
    journey: str | None
    step: str | None
    records_old: int
    records_new: int
    goodput_old: float
    goodput_new: float
    superiority: Bounded
    figures: tuple[ComparedFigure, ...]


class Beside(Strict):
    """A figure of a trial of its kind, with the interval that each round's verdict gives.

    Attributes:
        trial: Its name.
        what: ``capacity``, ``recovery`` (time, ns) or ``drift`` (of the beginning, a share).
        name: Of the period after a disturbance, or the limit on a drift; empty for a capacity.
        unit: ``P``, ``/s``, ``ns`` or ``share``.
        old: In the old round.
        new: In the new round.
        change: ``worse`` or ``better`` where the two intervals do not touch, else ``undecided``.
    """

    trial: str
    what: Literal["capacity", "recovery", "drift"]
    name: str
    unit: Literal["P", "/s", "ns", "share"]
    old: Bounded
    new: Bounded
    change: Literal["worse", "better", "undecided"]


class PlanDifference(Strict):
    """Something that the two rounds were not asked alike.

    Attributes:
        where: Dotted path in the plan, or ``policy``.
        old: What the old round has there, as short JSON; empty where it has nothing.
        new: Likewise.
    """

    where: str
    old: str
    new: str


class Comparison(Strict):
    """This round against the last.

    Attributes:
        verdict: FAIL: something got worse. INCONCLUSIVE: a worsening that matters can't be excluded. PASS: it can,
            everywhere. INVALID: the evidence of a round is no basis, or the rounds have nothing in common.
        reasons: Sentences; those that matter most first.
        confidence: Of every interval, and of there being no false claim of a change in the whole comparison.
        smallest_ratio: Of times: the smallest change that matters.
        smallest_points: Of shares of errors: likewise, a fraction of one.
        parts: What was compared, the worst first.
        beside: Capacities, recoveries and drifts.
        differences: What the plans and policies do not ask alike.
        only_old: Trials, levels and steps of the old round that the new one has no records of.
        only_new: The other way round.
        left_out: Levels that are no basis, because the old round broke there.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...] = Field(min_length=1)
    confidence: float | None
    smallest_ratio: float
    smallest_points: float
    parts: tuple[ComparedPart, ...] = ()
    beside: tuple[Beside, ...] = ()
    differences: tuple[PlanDifference, ...] = ()
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready data."""
        return self.model_dump(mode="json")
