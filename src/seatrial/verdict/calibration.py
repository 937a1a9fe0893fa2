"""What a cited calibration says of a trial: was the generator shown to offer as much on this machine?

The load of a stage is its busiest ten seconds (all of it where it is shorter), as in the rule on the generator's CPU:
scheduled sessions per second, and steps per second at the mean number of steps that a session has in the records. A
case of the calibration proves that load when it has the plan's kind of connections and offered at least as many
sessions per second and as many steps per second at once. How often the load fits into it is the smaller of the two
ratios; the best case counts, and of a trial the stage with the smallest.

A calibration proves nothing (the trial is INVALID) when it is malformed, of another machine, of another number of
cores or workers or another version than the environment of the run, or kept looser rules than the policy's. A run
without a calibration is judged as it always was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from seatrial.model.calibration import Calibration
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.verdict import Reason
from seatrial.units import SECOND, format_number
from seatrial.verdict.generator import CPU_WINDOW_NS
from seatrial.verdict.inputs import Rows, Timetable

__all__ = ["Calibrated", "OfferedLoad", "load_of", "read_calibration", "unreadable", "weigh"]

_AT_ONCE = 1 << 20
_SAME = ("host", "processor", "cores", "workers", "seatrial")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration that a run cites.

    Attributes:
        document: The calibration; None when it can't be used at all.
        problems: Why not: each makes every trial INVALID.
    """

    document: Calibration | None
    problems: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedLoad:
    """The load of a stage in its busiest ten seconds."""

    level: str
    sessions_per_s: float
    steps_per_s: float


def read_calibration(document: object, environment: object) -> Calibrated:
    """Return a calibration, held against where the run took place.

    Args:
        document: Parsed JSON.
        environment: The bundle's environment, parsed; what it does not say is not the same.
    """
    try:
        found = Calibration.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        return unreadable(where)
    facts = environment if isinstance(environment, Mapping) else {}
    problems = tuple(
        Reason(
            code="validity.calibration_other",
            params={"name": name, "measured": _shown(getattr(found, name)), "recorded": _shown(facts.get(name))},
        )
        for name in _SAME
        if facts.get(name) != getattr(found, name)
    )
    return Calibrated(None if problems else found, problems)


def unreadable(where: str) -> Calibrated:
    """Return a calibration that can't be read, and where.

    A library's own words stay out of the verdict: another version of it words them otherwise, and the verdict must be
    the same wherever it is recomputed.
    """
    return Calibrated(None, (Reason(code="validity.calibration_unreadable", params={"part": _shown(where)}),))


def _shown(value: object) -> str:
    text = "–" if value is None else str(value)
    return "".join(character if character.isprintable() else "�" for character in text)[:120]


def load_of(stage: Stage, columns: Rows, table: Timetable) -> OfferedLoad | None:
    """Return the load of a stage from its schedule and its records; None when nothing was scheduled."""
    if not len(table):
        return None
    window_ns = min(CPU_WINDOW_NS, stage.profile.duration_ns)
    most = 0
    for first in range(0, len(table), _AT_ONCE):
        begins_ns = table.at_ns[first : first + _AT_ONCE]
        until = np.searchsorted(table.at_ns, begins_ns + window_ns, side="left")
        most = max(most, int((until - np.arange(first, first + len(until))).max()))
    sessions_per_s = most * SECOND / window_ns
    return OfferedLoad(stage.name, sessions_per_s, sessions_per_s * len(columns) / len(table))


def weigh(
    plan: Plan, policy: Policy, calibrated: Calibrated, loads: Sequence[OfferedLoad]
) -> tuple[list[Reason], Reason | None]:
    """Return why a trial is INVALID by its calibration, and the sentence that says what was proven.

    Args:
        plan: For its kind of connections.
        policy: Whose rules the calibration must have kept.
        calibrated: The calibration.
        loads: Of the trial's finished stages; nothing is said without any.
    """
    found, rules = calibrated.document, policy.validity
    if found is None:
        return list(calibrated.problems), None
    limits = found.limits
    if (
        limits.generator_cpu > rules.generator_cpu
        or limits.send_lag_p99_ns > rules.send_lag_floor
        or limits.unsent > rules.unsent
    ):
        return [Reason(code="validity.calibration_rules")], None
    cases = [case for case in found.cases if case.connections == plan.connections]
    if not cases:
        return [Reason(code="validity.calibration_lacks", params={"connections": plan.connections})], None
    fits: list[tuple[float, Reason, Reason]] = []
    for load in loads:
        times, case = max(((_times(load, c.sessions_per_s, c.steps_per_s), c) for c in cases), key=lambda pair: pair[0])
        params = {
            "level": load.level,
            "times": format_number(_rounded_down(times)),
            "sessions": format_number(load.sessions_per_s),
            "steps": format_number(load.steps_per_s),
            "proven_sessions": format_number(case.sessions_per_s),
            "proven_steps": format_number(case.steps_per_s),
        }
        proven, low = (Reason(code=c, params=params) for c in ("generator.proven", "validity.calibration_low"))
        fits.append((times, proven, low))
    if not fits:
        return [], None
    times, proven, low = min(fits, key=lambda fit: fit[0])
    return ([low], None) if times < 1 else ([], proven)


def _rounded_down(times: float) -> float:
    """Return a figure in the three digits that are shown, never more than was proven."""
    if times < 1e-9:  # no figure that anybody would be shown, and too small to be taken apart
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(times)) - 2)
    return math.floor(times / unit * (1 + 1e-12)) * unit


def _times(load: OfferedLoad, sessions_per_s: float, steps_per_s: float) -> float:
    """Return how often a load fits into a proven one; a stage without a record asks for its sessions alone."""
    times = sessions_per_s / load.sessions_per_s
    return min(times, steps_per_s / load.steps_per_s) if load.steps_per_s else times
