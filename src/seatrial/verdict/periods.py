"""Periods of a stage: stretches of it that are looked at apart, while its load goes on from one to the next."""

from __future__ import annotations

import numpy as np

from seatrial.model.profile import Period, Stage
from seatrial.model.verdict_parts import PeriodResult
from seatrial.stats.batches import Batches
from seatrial.stats.censored import CensoredTimes
from seatrial.units import SECOND
from seatrial.verdict.inputs import StageColumns
from seatrial.verdict.selection import refused

__all__ = ["judged_ns", "judged_part", "judged_spans", "period_results", "within"]


def within(columns: StageColumns, started_ns: int, from_ns: int, to_ns: int) -> StageColumns:
    """Return the records of steps that were intended from one offset from the stage's start up to another."""
    at_ns = columns.intended_ns - started_ns
    return columns.take((at_ns >= from_ns) & (at_ns < to_ns))


def judged_part(stage: Stage, judged: StageColumns, started_ns: int) -> StageColumns:
    """Return what of a stage's judged records its limits are about: all of them, or those of its judged periods.

    Args:
        stage: The stage.
        judged: Records of its scheduled sessions after the warm-up.
        started_ns: The stage's start on the records' clock.
    """
    if not stage.periods:
        return judged
    at_ns = judged.intended_ns - started_ns
    wanted = np.zeros(len(judged), dtype=np.bool_)
    for period in stage.periods:
        if period.judged:
            wanted |= (at_ns >= period.from_ns) & (at_ns < period.to_ns)
    return judged.take(wanted)


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


def period_results(stage: Stage, judged: StageColumns, started_ns: int) -> tuple[PeriodResult, ...] | None:
    """Return what each period showed; None for a stage without periods."""
    if not stage.periods:
        return None
    return tuple(_result(period, within(judged, started_ns, period.from_ns, period.to_ns)) for period in stage.periods)


def _result(period: Period, columns: StageColumns) -> PeriodResult:
    times = CensoredTimes(columns.done_ns - columns.intended_ns, columns.censored, Batches(columns.intended_ns))
    seconds = (period.to_ns - period.from_ns) / SECOND
    ok = int(columns.ok.sum())
    refusals = refused(columns)
    return PeriodResult(
        name=period.name,
        role=period.role,
        from_ns=period.from_ns,
        to_ns=period.to_ns,
        intended=len(columns),
        ok=ok,
        refused=int(refusals.sum()),
        offered_per_s=len(columns) / seconds,
        goodput_per_s=ok / seconds,
        p50_ns=times.estimate(0.5),
        p95_ns=times.estimate(0.95),
        p99_ns=times.estimate(0.99),
    )
