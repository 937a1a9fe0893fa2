"""A closed stage: what takes the place of a timetable where users begin again when they are through.

Nobody knows beforehand when an iteration begins, or how many there will be: the service decides. What must hold
instead, of users numbered from 0 and of each one's iterations numbered from 0:

1. Every user's iterations are there without a gap, and the workers counted as many as there are. Sessions that may
   rightly leave no record (of journeys whose every step has a condition) may be missing.
2. No iteration begins before the one before it was over: a user is never in two places.
3. Users begin as their ramp says, and each further iteration when its user is ready: ``pacing`` after the last one
   began, but not before it was over; or ``think`` after it was over. To within the limit for send lag.
4. No iteration begins after the stage's end, and no user stops before it.
5. Little's law for closed systems, N = X · (R + Z): the users are those iterations and rests that the records show.

       N   users
       X   iterations begun per second
       R   mean time that one takes
       Z   mean rest after it, as the plan has it

   (Denning, Buzen, *The Operational Analysis of Queueing Network Models*, Computing Surveys 10, 1978, the interactive
   response time formula.) It is computed over the judged time, each iteration and its rest as far as they lie in it,
   and may be off by 0.05 · N + 0.5.

Rules 3 and 5, and the second half of 4, are about iterations whose beginning and end can be told from their records
(:func:`seatrial.verdict.littles_law.shows_itself`): a journey in Python may pause unseen.

An iteration belongs to the warm-up when it began before that was over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from seatrial.model.journal import StageLog
from seatrial.model.journey import Journey
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.users import TURNED_AWAY_NS, UserDraws, Users
from seatrial.model.verdict import Reason
from seatrial.units import format_duration, format_number
from seatrial.verdict.columns import by_session
from seatrial.verdict.inputs import Rows, StageColumns, Timetable, timetable
from seatrial.verdict.littles_law import pauses_of, shows_itself

__all__ = ["Law", "check_users", "law_of", "scheduled"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_MOST_NAMED = 1_000_000
_MATTERS = 0.05
_HALF_A_USER = 0.5


def scheduled(
    plan: Plan, plan_digest: str, stage: Stage, rows: tuple[Rows, Rows], log: StageLog | None
) -> tuple[Rows, Rows, Timetable]:
    """Return the records and the retried attempts of a stage, and when each session was meant to start.

    Of an open stage that is its schedule. Of a closed one it is what the records say, each session with the journey
    that was drawn for it; sessions are numbered anew, in the order in which they began, so that the warm-up is the
    first so many. An attempt of a session without a record has the number -1.

    Args:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal.
        stage: The stage.
        rows: Its records and its retried attempts.
        log: When it began; where it is None, a closed stage began with its first record.
    """
    columns, attempts = rows
    if stage.users is None:
        return columns, attempts, timetable(plan, plan_digest, stage)
    begun = [_beginnings(part) for part in columns.parts()]
    session, begin_ns = (np.concatenate(column) for column in zip(*begun, strict=True))
    first_ns = int(begin_ns.min()) if len(begin_ns) else 0
    started_ns = first_ns if log is None else log.started_ns
    order = np.lexsort((session, begin_ns))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    at_ns = (begin_ns - started_ns)[order]
    journey = _draws(plan, plan_digest, stage, stage.users).journeys(session[order])
    warm = int(np.searchsorted(at_ns, stage.judged_from_ns, side="left"))

    def renumbered(part: StageColumns) -> StageColumns:
        return _renumbered(part, session, rank)

    return columns.changed(renumbered), attempts.changed(renumbered), Timetable(at_ns, journey, warm)


def _draws(plan: Plan, plan_digest: str, stage: Stage, users: Users) -> UserDraws:
    return UserDraws(plan_digest, plan.seed, stage.trial, stage.index, users, plan.weights)


def _beginnings(columns: StageColumns) -> tuple[Int64, Int64]:
    """Return the numbers of all sessions, ascending, and the first intended start of each."""
    order = by_session(columns.session, columns.intended_ns)
    session = columns.session[order]
    first = np.flatnonzero(np.concatenate([[True], session[1:] != session[:-1]])) if len(session) else order
    return session[first], columns.intended_ns[order][first]


def _renumbered(rows: StageColumns, session: Int64, rank: Int64) -> StageColumns:
    if not len(session):
        return rows
    at = np.minimum(np.searchsorted(session, rows.session), len(session) - 1)
    number = np.where(session[at] == rows.session, rank[at], -1)
    return StageColumns(
        rows.journey, rows.step, number, rows.intended_ns, rows.sent_ns, rows.done_ns, rows.outcome, rows.status
    )


@dataclass(frozen=True, slots=True)
class _Iterations:
    """Iterations of a closed stage, those of a whole stage in the order of (user, iteration); columns of shape (n,).

    Attributes:
        user: Whose.
        number: Which of the user's, from 0.
        begin_ns: When it was meant to begin, pauses before its first request counted in.
        end_ns: When it was over, pauses after its last request counted in.
        ready_ns: When its user was ready for the next.
        begins: Whether ``begin_ns`` can be told from its records.
        ends: Whether ``end_ns`` and ``ready_ns`` can be.
    """

    user: Int64
    number: Int64
    begin_ns: Int64
    end_ns: Int64
    ready_ns: Int64
    begins: Bool
    ends: Bool


def _iterations(plan: Plan, draws: UserDraws, rows: Rows) -> _Iterations:
    found = [_iterations_of(plan, draws, part) for part in rows.parts() if len(part)]
    columns = [np.concatenate([getattr(part, one.name) for part in found]) for one in fields(_Iterations)]
    by_user = np.lexsort((columns[1], columns[0]))
    return _Iterations(*(column[by_user] for column in columns))


def _iterations_of(plan: Plan, draws: UserDraws, columns: StageColumns) -> _Iterations:
    journeys, users = tuple(plan.journeys.values()), draws.users
    order = np.lexsort((columns.step, columns.intended_ns, columns.session))
    session = columns.session[order]
    first = np.flatnonzero(np.concatenate([[True], session[1:] != session[:-1]]))
    last = np.concatenate([first[1:], [len(session)]]) - 1
    head, tail = order[first], order[last]
    journey = draws.journeys(session[first])
    shown = np.array([shows_itself(one) for one in journeys])[journey]
    before, after = pauses_of(journeys)
    known = [(columns.step[place] >= 0) & (columns.step[place] < before.shape[1]) for place in (head, tail)]
    lead_ns = np.where(shown & known[0], before[journey, np.where(known[0], columns.step[head], 0)], 0)
    trail_ns = np.where(
        shown & known[1] & columns.ok[tail], after[journey, np.where(known[1], columns.step[tail], 0)], 0
    )
    begin_ns = columns.intended_ns[head] - lead_ns
    end_ns = np.maximum.reduceat(columns.done_ns[order], first) + trail_ns
    number, user = np.divmod(session[first], users.count)
    ready_ns = _ready(draws, user, number, begin_ns, end_ns, columns.outcome[head] == Outcome.UNSENT)
    return _Iterations(user, number, begin_ns, end_ns, ready_ns, shown & known[0], shown & known[1])


def _ready(draws: UserDraws, user: Int64, number: Int64, begin_ns: Int64, end_ns: Int64, turned_away: Bool) -> Int64:
    """Return what :meth:`seatrial.model.users.Users.next_ns` says, of all iterations at once."""
    users = draws.users
    if isinstance(users.think, int):
        rest_ns = np.full(len(user), users.think, dtype=np.int64)
    else:
        drawn = (draws.rest_ns(u, i) for u, i in zip(user.tolist(), number.tolist(), strict=True))
        rest_ns = np.fromiter(drawn, dtype=np.int64, count=len(user))
    rest_ns = np.where(turned_away, np.maximum(rest_ns, TURNED_AWAY_NS), rest_ns)
    paced_ns = begin_ns if users.pacing_ns is None else begin_ns + users.pacing_ns
    return np.asarray(np.maximum(paced_ns, end_ns + rest_ns), dtype=np.int64)


def check_users(
    plan: Plan, plan_digest: str, stage: Stage, log: StageLog, columns: Rows, limit_ns: float
) -> Iterator[Reason]:
    """Yield what is wrong with the records of a finished closed stage (rules 1 to 5); nothing for an open one.

    Args:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal.
        stage: The stage.
        log: When it ran, and how many sessions the workers counted.
        columns: All of its records, by the sessions' own numbers.
        limit_ns: The limit for send lag.
    """
    if stage.users is None:
        return
    draws = _draws(plan, plan_digest, stage, stage.users)
    shown = {"level": stage.name}
    parts = [np.unique(part.session) for part in columns.parts()]  # ascending, and no session in two of them
    seen = np.concatenate(parts)
    missing = _missing(tuple(plan.journeys.values()), draws, seen)
    if missing:
        yield Reason(code="validity.iterations_missing", params=shown | {"measured": f"{missing:,}"})
    counted, leave_records = log.sessions or 0, all(map(_leaves_a_record, plan.journeys.values()))
    if counted < len(seen) or (counted > len(seen) and leave_records):
        figures = {"measured": f"{counted:,}", "recorded": f"{len(seen):,}"}
        yield Reason(code="validity.iterations_miscounted", params=shown | figures)
    if not len(seen):
        return
    found = _iterations(plan, draws, columns)
    yield from _check_order(stage, log, found, limit_ns)
    law = _law(stage, log, found)
    if law is not None and not law.holds:
        names = ("users", "iterations_per_s", "mean_s", "rest_s", "accounted")
        figures = {name: format_number(getattr(law, name)) for name in names}
        yield Reason(code="validity.users_law", params=shown | figures)


def _leaves_a_record(journey: Journey) -> bool:
    return journey.python is not None or any(journey.certain)


def _missing(journeys: tuple[Journey, ...], draws: UserDraws, seen: Int64) -> int:
    """Return how many iterations are missing that must be there, of every user up to the last one that is there."""
    users = draws.users.count
    number, user = np.divmod(seen, users)
    last = np.zeros(users, dtype=np.int64)
    np.maximum.at(last, user, number)
    missing = int(last.sum()) + users - len(seen)
    excused = np.array([not _leaves_a_record(journey) for journey in journeys])
    if not missing or not excused.any() or missing > _MOST_NAMED:
        return missing
    lacking = np.repeat(np.arange(users), last + 1)
    which = np.arange(len(lacking)) - np.repeat(np.cumsum(last + 1) - (last + 1), last + 1)
    names = which * users + lacking
    return int((~excused[draws.journeys(names[~np.isin(names, seen)])]).sum())


def _check_order(stage: Stage, log: StageLog, found: _Iterations, limit_ns: float) -> Iterator[Reason]:
    """Yield what is wrong with when users began (rules 2 to 4)."""
    users = stage.users
    if users is None:
        return
    shown = {"level": stage.name}
    load_end_ns = log.started_ns + stage.profile.duration_ns
    here = np.flatnonzero((found.user[1:] == found.user[:-1]) & (found.number[1:] == found.number[:-1] + 1))
    overlaps = int((found.begin_ns[here + 1] < found.end_ns[here]).sum())
    if overlaps:
        yield Reason(code="validity.iterations_overlap", params=shown | {"measured": f"{overlaps:,}"})
    late = int((found.begin_ns >= load_end_ns + limit_ns).sum())
    if late:
        yield Reason(code="validity.iterations_late", params=shown | {"measured": f"{late:,}"})
    final = np.concatenate([found.user[1:] != found.user[:-1], [True]])
    stopped = final & found.ends & (found.ready_ns < load_end_ns - limit_ns)
    if stopped.any():
        params = shown | {"measured": f"{int(stopped.sum()):,}"}
        yield Reason(code="validity.users_stopped", params=params)
    told = here[found.ends[here] & found.begins[here + 1]]
    off = np.abs(found.begin_ns[told + 1] - found.ready_ns[told])
    first = (found.number == 0) & found.begins
    ramp = found.begin_ns[first] - np.array([users.begins_ns(int(user)) for user in found.user[first]], dtype=np.int64)
    apart = max(int(off.max(initial=0)), int(ramp.max() - ramp.min()) if len(ramp) else 0)
    if apart > limit_ns:
        figures = {"measured": format_duration(apart), "limit": format_duration(limit_ns)}
        yield Reason(code="validity.users_pace", params=shown | figures)


@dataclass(frozen=True, slots=True)
class Law:
    """Both sides of N = X · (R + Z) over a stage's judged time.

    Attributes:
        users: N.
        iterations_per_s: X.
        mean_s: R.
        rest_s: Z.
        accounted: X · (R + Z), the users that the records show.
    """

    users: int
    iterations_per_s: float
    mean_s: float
    rest_s: float
    accounted: float

    @property
    def holds(self) -> bool:
        """Return whether the two sides are as near to each other as they must be."""
        return abs(self.accounted - self.users) <= _MATTERS * self.users + _HALF_A_USER


def law_of(plan: Plan, plan_digest: str, stage: Stage, log: StageLog, columns: Rows) -> Law | None:
    """Return Little's law of a closed stage; None where there are no records, or not all show their time."""
    if stage.users is None or not len(columns):
        return None
    return _law(stage, log, _iterations(plan, _draws(plan, plan_digest, stage, stage.users), columns))


def _law(stage: Stage, log: StageLog, found: _Iterations) -> Law | None:
    users = stage.users
    if users is None or not (found.begins & found.ends).all():
        return None
    from_ns = log.started_ns + stage.judged_from_ns  # after the ramp: all users are there
    to_ns = log.started_ns + stage.profile.duration_ns
    begun = int(((found.begin_ns >= from_ns) & (found.begin_ns < to_ns)).sum())
    if not begun or to_ns <= from_ns:
        return None

    def within(start_ns: Int64, until_ns: Int64) -> float:
        inside = np.minimum(until_ns, to_ns) - np.maximum(start_ns, from_ns)
        return float(np.maximum(inside, 0).sum())

    busy_ns, rest_ns = within(found.begin_ns, found.end_ns), within(found.end_ns, found.ready_ns)
    long_ns = to_ns - from_ns
    return Law(
        users.count, begun / long_ns * 1e9, busy_ns / begun / 1e9, rest_ns / begun / 1e9, (busy_ns + rest_ns) / long_ns
    )
