"""Periods of a stage: stretches of it that are looked at apart, while its load goes on from one to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.model.profile import Period, Stage
from seatrial.model.verdict_parts import PeriodResult
from seatrial.units import SECOND
from seatrial.verdict.columns import Rows, StageColumns
from seatrial.verdict.facts import facts_of
from seatrial.verdict.gathering import response_times

__all__ = ["judged_ns", "judged_part", "judged_spans", "period_results", "within"]


def within(rows: Rows, started_ns: int, from_ns: int, to_ns: int) -> Rows:
    """Return the records of steps that were intended from one offset from the stage's start up to another."""
    first_ns, end_ns = started_ns + from_ns, started_ns + to_ns
    return rows.only(lambda part: np.asarray((part.intended_ns >= first_ns) & (part.intended_ns < end_ns)))


def judged_part(stage: Stage, judged: Rows, started_ns: int) -> Rows:
    """Return what of a stage's judged records its limits are about: all of them, or those of its judged periods.

    Args:
        stage: The stage.
        judged: Records of its scheduled sessions after the warm-up.
        started_ns: The stage's start on the records' clock.
    """
    if not stage.periods:
        return judged
    spans = judged_spans(stage, started_ns)

    def wanted(part: StageColumns) -> npt.NDArray[np.bool_]:
        at_ns, found = part.intended_ns, np.zeros(len(part), dtype=np.bool_)
        for first_ns, end_ns in spans:
            found |= (at_ns >= first_ns) & (at_ns < end_ns)
        return found

    return judged.only(wanted)


def judged_ns(stage: Stage) -> int:
    """Return how much of a stage's time its limits are about."""
    if not stage.periods:
        return stage.profile.duration_ns - stage.judged_from_ns
    return sum(period.to_ns - period.from_ns for period in stage.periods if period.judged)


def judged_spans(stage: Stage, started_ns: int) -> tuple[tuple[int, int], ...]:
    """Return the stretches of time that a stage's limits are about, on the records' clock.

    Args:
        stage: The stage.
        started_ns: Its start on that clock.
    """
    if not stage.periods:
        return ((started_ns + stage.judged_from_ns, started_ns + stage.profile.duration_ns),)
    return tuple((started_ns + p.from_ns, started_ns + p.to_ns) for p in stage.periods if p.judged)


def period_results(stage: Stage, judged: Rows, started_ns: int) -> tuple[PeriodResult, ...] | None:
    """Return what each period showed; None for a stage without periods."""
    if not stage.periods:
        return None
    return tuple(_result(period, within(judged, started_ns, period.from_ns, period.to_ns)) for period in stage.periods)


def _result(period: Period, rows: Rows) -> PeriodResult:
    times = response_times(rows)
    seconds = (period.to_ns - period.from_ns) / SECOND
    facts = facts_of(rows)
    return PeriodResult(
        name=period.name,
        role=period.role,
        from_ns=period.from_ns,
        to_ns=period.to_ns,
        intended=facts.count,
        ok=facts.ok,
        refused=facts.refused,
        offered_per_s=facts.count / seconds,
        goodput_per_s=facts.ok / seconds,
        p50_ns=times.estimate(0.5),
        p95_ns=times.estimate(0.95),
        p99_ns=times.estimate(0.99),
    )
