"""Figures of a kind of trial, side by side: capacity, time to recover, drift.

Each has an interval of its own, which the trial's verdict gives. Two that do not touch are taken to differ: where both
are 95 % intervals, that happens by chance in about one of 180 pairs that do not differ (Schenker and Gentleman, *The
American Statistician* 55 (2001)). Two that touch say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from seatrial.model.comparison import Beside
from seatrial.model.verdict import Bounded, Capacity, TrialVerdict

__all__ = ["beside"]


def beside(old: TrialVerdict, new: TrialVerdict) -> Iterator[Beside]:
    """Yield what two trials of the same kind have side by side.

    Args:
        old: Of the last round.
        new: Of this one.
    """
    trial = old.name
    before, after = old.capacity, new.capacity
    if before and after and before.unit == after.unit:
        a, b = _of_capacity(before), _of_capacity(after)
        yield Beside(
            trial=trial, what="capacity", name="", unit=before.unit, old=a, new=b, change=_change(a, b, more_is=1)
        )
    recovered = {one.name: one.back_ns for one in new.recovery or ()}
    for one in old.recovery or ():
        if one.name in recovered:
            a, b = one.back_ns, recovered[one.name]
            yield Beside(
                trial=trial, what="recovery", name=one.name, unit="ns", old=a, new=b, change=_change(a, b, more_is=-1)
            )
    drifts = {line.objective: line.change for line in new.drift or ()}
    for line in old.drift or ():
        if line.objective in drifts:
            a, b = line.change, drifts[line.objective]
            yield Beside(
                trial=trial, what="drift", name=line.objective, unit="share", old=a, new=b,
                change=_change(a, b, more_is=-1),
            )  # fmt: skip


def _of_capacity(found: Capacity) -> Bounded:
    """Return a capacity as an interval; without a lower bound it is zero at least."""
    return Bounded(estimate=found.estimate, lower=found.lower or 0.0, upper=found.upper)


def _change(old: Bounded, new: Bounded, more_is: Literal[1, -1]) -> Literal["worse", "better", "undecided"]:
    """Return what became of a figure of which more is better (1) or worse (-1)."""
    if old == new or _unknown(old) or _unknown(new):
        return "undecided"
    if _upper(new) < _lower(old):
        return "worse" if more_is > 0 else "better"
    if _upper(old) < _lower(new):
        return "better" if more_is > 0 else "worse"
    return "undecided"


def _unknown(one: Bounded) -> bool:
    return one.lower is None and one.upper is None


def _lower(one: Bounded) -> float:
    return -math.inf if one.lower is None else one.lower


def _upper(one: Bounded) -> float:
    return math.inf if one.upper is None else one.upper
