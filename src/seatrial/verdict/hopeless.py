"""A stage that was ended early because a limit was hopeless: was it, and what is then said of the stage?

A limit is hopeless at an instant when it is shown to be broken over the *whole* stage in the best case: every step
that had ended by then is taken as it was recorded, and all that was still to come as perfect, each step of each
scheduled session, answered ok in no time. FAIL in that sense is what it always is: even the bound that is better for
the service breaks the limit (:mod:`seatrial.verdict.limits`). Then no way in which the stage could have gone on would
have led to PASS, for

    share of bad steps  >=  bad so far / (ended so far + most that could still come)  >  limit

whatever came, and a PASS needs a share within the limit. The same holds for percentiles, with the steps beyond the
limit as the bad ones, and for means, with the times so far as the numerator.

The most that could still come is counted from the plan: each request once in each session, in a loop as often as the
loop goes round at most, of every branch. Of journeys in Python and of a page's resources nobody knows how many there
will be: a limit on these is never hopeless. Nor is one on windows, which is judged when all is over, one in a closed
stage, whose sessions nobody knows beforehand, in one of more than ``MOST_STEPS`` steps, whose best case would not fit
into memory, or before there are as many judged records as the policy asks of a trial.

The run and the verdict come to the same answer, since both ask this module about the same records: those that had
ended by ``seen_ns``, which the journal keeps. Were it left to the journal alone, a tester could end a trial when it
suits. A cut stage never passes: a limit is shown broken in the best case, or nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seatrial.model.journal import Cut, StageLog
from seatrial.model.journey import Journey
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Profile, Stage
from seatrial.model.request import RequestStep
from seatrial.model.sample import Outcome
from seatrial.model.steps import ChooseStep, GroupStep, RepeatStep, Step
from seatrial.model.trial import Trial
from seatrial.model.verdict import ObjectiveResult, Verdict
from seatrial.verdict.inputs import Rows, StageColumns, Timetable
from seatrial.verdict.limits import Sample, in_scope, limits_of
from seatrial.verdict.periods import judged_spans

__all__ = ["MOST_STEPS", "Offered", "most_records", "offered", "prospects"]

MOST_STEPS = 5_000_000
"""Steps of a stage up to which its best case is worked out."""

_UNBOUNDED = -1

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Offered:
    """What of a stage was offered: all of it, or the part before it was cut.

    Attributes:
        stage: The stage; its profile ends where the load was ended.
        columns: Records, without those of sessions that were due after the end.
        table: The sessions that were due.
        prospects: For each limit but capacity its result in the best case, where that is known; None for a stage
            that was not cut.
    """

    stage: Stage
    columns: Rows
    table: Timetable
    prospects: tuple[ObjectiveResult | None, ...] | None = None

    @property
    def rightly(self) -> bool:
        """Return whether the stage was not cut, or a limit was hopeless."""
        return self.prospects is None or any(p is not None and p.verdict is Verdict.FAIL for p in self.prospects)


def offered(
    plan: Plan,
    policy: Policy,
    trial: Trial,
    stage: Stage,
    columns: Rows,
    table: Timetable,
    log: StageLog | None,
) -> Offered:
    """Return what of a stage was offered.

    Args:
        plan: The plan.
        policy: The rules.
        trial: The stage's.
        stage: As planned.
        columns: All of its records.
        table: Its whole schedule.
        log: What the journal says of it; None when it was not cut.
    """
    if log is None or log.cut is None:
        return Offered(stage, columns, table)
    seen_ns, end_ns = log.cut.seen_ns - log.started_ns, log.cut.at_ns - log.started_ns
    if not stage.judged_from_ns < seen_ns <= end_ns < stage.profile.duration_ns:
        return Offered(stage, columns, table, ())
    may = plan.stop.hopeless and trial.may_be_cut
    best = prospects(plan, policy, trial, stage, columns, table, log.started_ns, log.cut) if may else ()
    due = int(np.searchsorted(table.at_ns, end_ns, side="left"))
    scheduled = len(table)
    return Offered(
        replace(stage, profile=_until(stage.profile, end_ns)),
        columns.only(lambda part: np.asarray((part.session < due) | (part.session >= scheduled))),
        Timetable(table.at_ns[:due], table.journey[:due], min(table.warm, due)),
        best,
    )


def _until(profile: Profile, offset_ns: int) -> Profile:
    """Return a profile's part before an offset above zero."""
    start_ns, kept = 0, []
    for segment in profile.segments:
        if start_ns < offset_ns:
            kept.append(segment.until(offset_ns - start_ns))
        start_ns += segment.duration_ns
    return Profile(tuple(kept))


def prospects(
    plan: Plan,
    policy: Policy,
    trial: Trial,
    stage: Stage,
    columns: Rows,
    table: Timetable,
    started_ns: int,
    cut: Cut,
) -> tuple[ObjectiveResult | None, ...]:
    """Return each limit but capacity over the whole stage in the best case; None where that is not known.

    Args:
        plan: The plan.
        policy: The rules.
        trial: The stage's.
        stage: As planned.
        columns: Its records so far, in any order; those that ended after ``cut.seen_ns`` are left out.
        table: Its whole schedule.
        started_ns: When its arrivals began, on the records' clock.
        cut: Until when its records are known.
    """
    limits = limits_of(trial)
    nothing = (None,) * len(limits)
    most = most_records(plan)
    if stage.users is not None or stage.profile.expected * int(np.maximum(most, 1).sum(axis=1).max()) > MOST_STEPS:
        return nothing
    if len(columns) > 2 * MOST_STEPS:  # more than there can be
        return nothing
    known = _known(columns, table, most, cut.seen_ns)
    if len(known) < policy.validity.min_samples:
        return nothing
    whole = _completed(known, table, most, started_ns, cut.seen_ns)
    sample = Sample(plan, whole, policy.validity.confidence, judged_spans(stage, started_ns))
    found: list[ObjectiveResult | None] = []
    for limit in limits:
        scope = in_scope(plan, limit.step, limit.journey)
        if limit.window_ns is not None or not scope.any() or (most[scope] == _UNBOUNDED).any():
            found.append(None)
        else:
            found.append(sample.judge(limit).model_copy(update={"best_case": True}))
    return tuple(found)


def most_records(plan: Plan) -> Int64:
    """Return how many records of each step a session has at most, -1 where that is not known.

    Returns:
        Shape (journeys, most steps of one); 0 for steps that a journey does not have.
    """
    rows = [_most_of(journey) for journey in plan.journeys.values()]
    most = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for place, row in enumerate(rows):
        most[place, : len(row)] = row
    return most


def _most_of(journey: Journey) -> list[int]:
    if journey.python is not None:
        return [_UNBOUNDED] * len(journey.step_names)
    row: list[int] = []
    for step, times in _times(journey.steps, 1):
        row += [times, _UNBOUNDED] if step.resources else [times]
    return row


def _times(steps: tuple[Step, ...], times: int) -> Iterator[tuple[RequestStep, int]]:
    """Yield every request in the order of ``Journey.labels`` and how often one session takes it at most."""
    for step in steps:
        if isinstance(step, RequestStep):
            yield step, times
        elif isinstance(step, GroupStep):
            yield from _times(step.steps, times)
            yield from _times(step.otherwise, times)
        elif isinstance(step, RepeatStep):
            yield from _times(step.steps, times * step.most)
        elif isinstance(step, ChooseStep):
            for option in step.choose:
                yield from _times(option.steps, times)


def _known(columns: Rows, table: Timetable, most: Int64, seen_ns: int) -> StageColumns:
    """Return the judged records that had ended by ``seen_ns``; those that belong to no step of the plan left out."""

    def is_known(part: StageColumns) -> Bool:
        known = (part.session >= table.warm) & (part.session < len(table)) & (part.done_ns <= seen_ns)
        known &= (part.step >= 0) & (part.step < most.shape[1])
        known[known] &= part.journey[known] == table.journey[part.session[known]]
        return np.asarray(known)

    return columns.only(is_known).whole()


def _completed(known: StageColumns, table: Timetable, most: Int64, started_ns: int, seen_ns: int) -> StageColumns:
    """Return the judged records of the whole stage: the known ones, and perfect ones for all that could still come."""
    journey = table.journey[table.warm :]
    wanted = np.maximum(most, 0)[journey]
    there = np.zeros_like(wanted)
    np.add.at(there, (known.session - table.warm, known.step), 1)
    lacking = np.maximum(wanted - there, 0)
    session, step = np.nonzero(lacking)
    times = lacking[session, step]
    session, step = np.repeat(session, times), np.repeat(step, times)
    at_ns = np.maximum(started_ns + table.at_ns[table.warm :][session], seen_ns)
    status = np.full(len(session), 200, dtype=np.int64)
    ok = np.full(len(session), int(Outcome.OK), dtype=np.int64)
    rest = (journey[session], step, session + table.warm, at_ns, at_ns, at_ns, ok, status)
    names = ("journey", "step", "session", "intended_ns", "sent_ns", "done_ns", "outcome", "status")
    return StageColumns(
        *(
            np.concatenate([getattr(known, name).astype(np.int64), column])
            for name, column in zip(names, rest, strict=True)
        )
    )
