"""Can the evidence be believed? What the journal and the records say about themselves.

Every rule here gives a reason, and any reason makes the trial INVALID. All that are broken are listed.

1. The trial was started, and the journal says that it ran to its end.
2. A stage was finished, and no stage was left unfinished.
3. There are records, and after the warm-up no fewer than the policy asks for.
4. No record belongs to a stage that was not begun.
5. Of each finished stage: every scheduled session is there, none besides, and the workers counted as many. Of a stage
   that was cut because a limit was hopeless, every session that was due before the cut, and the records must show
   that the limit was hopeless (:mod:`seatrial.verdict.hopeless`).
6. No session has a step twice, or lacks one. Steps that a session did not come to are records too (aborted, unsent):
   left out, they would make the share of errors look better. Only a step with a condition (``when``) may be left out.
   A loop goes round as often as the plan says (:mod:`seatrial.verdict.rounds`). A journey in Python may leave steps
   out or come back to them: there every session must have a record, and none the same step at the same instant.
   Attempts that were retried fit their steps (:mod:`seatrial.verdict.attempts`).
7. Sessions took the journeys that the schedule gave them.
8. First steps were intended when the schedule says, to within the limit for send lag. Only differences count: a
   constant offset between the journal's clock reading and the schedule's origin says nothing. Journeys that begin
   with a pause or a condition, or are written in Python, are left out.
9. The journal's times of a stage are those of its records, to within the longest gap allowed in health rows:
   otherwise the generator's health would be judged for another time than that of the load.
   A closed stage has no schedule; what must hold instead stands in :mod:`seatrial.verdict.closed`.
10. Every journey was taken by some judged session of the trial: of one that never ran nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seatrial.model.journal import Ending, StageLog, TrialLog
from seatrial.model.journey import Journey, RequestStep
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import Trial
from seatrial.model.verdict import Reason
from seatrial.units import SECOND, format_duration
from seatrial.verdict.inputs import Rows, StageColumns, Timetable
from seatrial.verdict.rounds import repeated, wrong_rounds

__all__ = [
    "MAX_HEALTH_GAP_NS",
    "check_journeys",
    "check_log",
    "check_samples",
    "check_size",
    "check_stage",
    "check_strays",
    "send_lag_limit",
]

MAX_HEALTH_GAP_NS = 5 * SECOND

_MOST_UNRECORDED = 5_000_000
_SPARSE = 8

_ENDINGS = {
    Ending.INTERRUPTED: "validity.interrupted",
    Ending.WORKER_LOST: "validity.worker_lost",
    Ending.RECORDING_FAILED: "validity.recording_failed",
    Ending.TARGET_FAILED: "validity.target_failed",
    Ending.TARGET_STOPPED: "validity.target_stopped",
    Ending.PERMISSION_ENDED: "validity.permission_ended",
    Ending.SET_UP_FAILED: "validity.set_up_failed",
    Ending.HAPPENING_FAILED: "validity.happening_failed",
}


def send_lag_limit(policy: Policy, trial: Trial) -> float:
    """Return the highest p99 of send lag, in ns: the policy's share of the tightest time limit, or its floor."""
    tightest = min((o.limit for o in trial.objectives if o.is_time), default=0.0)
    return max(float(policy.validity.send_lag_floor), policy.validity.send_lag_share * tightest)


def check_log(log: TrialLog, stages: tuple[Stage, ...]) -> Iterator[Reason]:
    """Yield what the journal itself says against the trial (rules 1 and 2)."""
    if log.ending is Ending.UNKNOWN and not log.workers and not log.stages:
        yield Reason(code="validity.not_started")
        return
    if log.ending is Ending.UNKNOWN:
        yield Reason(code="validity.ending_unknown")
    elif log.ending is not Ending.COMPLETED:
        yield Reason(code=_ENDINGS[log.ending], params={"detail": "; ".join(log.details) or log.ending.value})
        if log.ending is Ending.SET_UP_FAILED and not log.workers and not log.stages:
            return  # nothing was tried, so nothing more is to be said
    if log.workers < 1:
        yield Reason(code="validity.no_workers")
    if not any(stage.finished for stage in log.stages):
        yield Reason(code="validity.no_stage_finished")
    for stage in log.stages:
        if not 0 <= stage.index < len(stages):
            yield Reason(code="validity.stage_unknown", params={"level": f"#{stage.index}"})
        elif not stage.finished:
            yield Reason(code="validity.stage_unfinished", params={"level": stages[stage.index].name})


def check_samples(policy: Policy, records: int, judged: int) -> Iterator[Reason]:
    """Yield a reason when there are no records, or too few (rule 3)."""
    if not records:
        yield Reason(code="validity.no_records")
    elif judged < policy.validity.min_samples:
        limit = policy.validity.min_samples
        yield Reason(code="validity.too_few", params={"measured": f"{judged:,}", "limit": f"{limit:,}"})


def check_journeys(plan: Plan, taken: set[int]) -> Iterator[Reason]:
    """Yield a reason for every journey of the plan that no judged session took (rule 10)."""
    for index, name in enumerate(plan.journeys):
        if index not in taken:
            yield Reason(code="validity.journey_not_taken", params={"name": name})


def check_strays(per_stage: dict[int, int], begun: set[int]) -> Iterator[Reason]:
    """Yield a reason when records belong to no stage that was begun (rule 4)."""
    strays = sum(count for index, count in per_stage.items() if index not in begun)
    if strays:
        yield Reason(code="validity.stray_records", params={"measured": f"{strays:,}"})


def check_size(stage: Stage, records: int) -> Iterator[Reason]:
    """Yield a reason when the schedule is far beyond the records: it is then not computed at all.

    A hostile plan may ask for more sessions than memory holds; of most of them there can be no record.
    """
    expected = stage.profile.expected
    if expected > _MOST_UNRECORDED + 10 * records:
        figures = {"measured": f"{expected - records:,.0f}", "scheduled": f"{expected:,.0f}"}
        yield Reason(code="validity.sessions_missing", params={"level": stage.name} | figures)


def check_stage(
    plan: Plan, stage: Stage, log: StageLog, columns: Rows, table: Timetable, slip_limit_ns: float
) -> Iterator[Reason]:
    """Yield what is wrong with the records of one finished stage (rules 5 to 9)."""

    def reason(code: str, measured: int) -> Reason:
        params = {"level": stage.name, "measured": f"{measured:,}", "scheduled": f"{len(table):,}"}
        return Reason(code=code, params=params)

    counted = log.sessions or 0
    # In the moment that it takes to end a stage early, a worker may have begun sessions that are not judged.
    # In a closed model there is no schedule to count against, but the users' own rules.
    if stage.users is None and counted != len(table) and (log.cut is None or counted < len(table)):
        yield reason("validity.sessions_miscounted", counted)
    seen = _Seen(plan, table)
    for part in columns.parts():
        seen.add(part)
    faults = {
        "validity.sessions_extra": seen.extra,
        "validity.wrong_journey": seen.wrong,
        "validity.records_twice": seen.twice,
        "validity.rounds": seen.uneven,
        "validity.sessions_missing": seen.missing,
        "validity.steps_missing": seen.torn,
    }
    yield from (reason(code, measured) for code, measured in faults.items() if measured)
    if seen.slip > slip_limit_ns:
        figures = {"measured": format_duration(seen.slip), "limit": format_duration(slip_limit_ns)}
        yield Reason(code="validity.schedule_slipped", params={"level": stage.name} | figures)
    if seen.first_ns is not None:
        yield from _check_times(stage, log, seen.first_ns, seen.last_ns)


def _check_times(stage: Stage, log: StageLog, first: int, last: int) -> Iterator[Reason]:
    """Yield a reason when the journal's times are not those of the records (rule 9)."""
    drained_ns = log.started_ns if log.drained_ns is None else log.drained_ns
    early, late = log.started_ns - first, last - drained_ns
    short = stage.profile.duration_ns - (drained_ns - log.started_ns)
    apart = max(early, late, short)
    if apart > MAX_HEALTH_GAP_NS:
        params = {"level": stage.name, "measured": format_duration(apart), "limit": format_duration(MAX_HEALTH_GAP_NS)}
        yield Reason(code="validity.times_disagree", params=params)


class _Seen:
    """What the parts of a stage's records show, added up.

    Attributes:
        extra: Records of sessions that were not scheduled.
        wrong: Of steps that their session's journey does not have.
        twice: One too many.
        uneven: Sessions whose loops went round a wrong number of times.
        torn: Sessions that lack a step that they must have.
        first_ns: The earliest intended start; None without records.
        last_ns: The latest end.
    """

    def __init__(self, plan: Plan, table: Timetable) -> None:
        self._plan, self._table = plan, table
        self._journeys = tuple(plan.journeys.values())
        self._steps = np.array([len(journey.labels) for journey in self._journeys])
        self._prompt = np.array([_begins_at_once(journey) for journey in self._journeys])
        self._present = np.zeros(len(self._journeys), dtype=np.int64)
        self._offsets: list[int] = []
        self.extra = self.wrong = self.twice = self.uneven = self.torn = 0
        self.first_ns: int | None = None
        self.last_ns = 0

    def add(self, columns: StageColumns) -> None:
        """Take some whole sessions in."""
        if not len(columns):
            return
        first, last = int(columns.intended_ns.min()), int(columns.done_ns.max())
        self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
        self.last_ns = max(self.last_ns, last)
        scheduled = columns.session < len(self._table)
        known = columns.take(scheduled)
        given = self._table.journey[known.session]
        fits = (known.journey == given) & (known.step >= 0) & (known.step < self._steps[given])
        self.extra += len(columns) - len(known)
        self.wrong += len(known) - int(fits.sum())
        known = known.take(fits)
        if not len(known):
            return
        self.twice += repeated(self._plan, known)
        self.uneven += wrong_rounds(self._plan, known)
        self._note_presence(known)
        self._note_slip(known)

    @property
    def missing(self) -> int:
        """Return how many sessions have no record at all and must have one.

        A session whose every step has a condition may rightly leave none.
        """
        scheduled = [int(np.count_nonzero(self._table.journey == index)) for index in range(len(self._journeys))]
        certain = np.array([j.python is not None or any(j.certain) for j in self._journeys])
        return int((np.array(scheduled) - self._present)[certain].sum())

    @property
    def slip(self) -> float:
        """Return the widest difference between intended first steps and the schedule, in ns, less a constant offset."""
        return float(max(self._offsets) - min(self._offsets)) if self._offsets else 0.0

    def _note_presence(self, known: StageColumns) -> None:
        lowest, width = int(known.session.min()), int(self._steps.max())
        session = known.session - lowest
        if (int(session.max()) + 1) * width > _SPARSE * len(known):  # few of very many
            number, session = np.unique(known.session, return_inverse=True)
        else:
            number = np.arange(lowest, lowest + int(session.max()) + 1)
        has = np.bincount(session * width + known.step, minlength=len(number) * width).reshape(len(number), width) > 0
        there = has.any(axis=1)
        journey = self._table.journey[number]
        self._present += np.bincount(journey[there], minlength=len(self._journeys))
        for index, one in enumerate(self._journeys):
            mine = there & (journey == index)
            self.torn += int((~has[mine][:, : len(one.certain)][:, list(one.certain)].all(axis=1)).sum())

    def _note_slip(self, known: StageColumns) -> None:
        first = (known.step == 0) & self._prompt[self._table.journey[known.session]]
        if first.any():
            offset = known.intended_ns[first] - self._table.at_ns[known.session[first]]
            self._offsets += [int(offset.min()), int(offset.max())]


def _begins_at_once(journey: Journey) -> bool:
    if journey.python is not None:
        return False
    first = journey.steps[0]
    return isinstance(first, RequestStep) and first.when is None
