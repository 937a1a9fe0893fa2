"""Little's law on every stage: did the generator hold as many sessions as its records say?

N = X · R: the mean number of sessions in progress is the arrival rate times the mean time that a session lasts
(Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9, 1961). The two sides are kept by different
parts of the engine, the left by its health rows, the right by its records, so that a generator that loses or delays
sessions without recording it contradicts itself.

Over a window of length T the law is an identity of the sample path (Stidham, *A Last Word on L = λW*, 1974), with
each session's time counted as far as it lies in the window:

    N = X · R = (1/T) Σ_i |[b_i, e_i) ∩ window|

b_i   first send of session i, less the pauses before that step; send lag is judged by its own rule
e_i   its last ``done_ns``, and the pauses after it where that step ended ok
N_w(t)   sessions of worker w with b_i <= t < e_i, from the records
n_wk  ``sessions`` of the k-th health row of worker w, at t_wk; m_w rows in the window
D_wk  n_wk − N_w(t_wk)

The health rows know N only at their own instants, about once a second. How far a mean over those instants may be
from N is not estimated but computed: the records tell N_w(t_wk) as well. An estimate from the spread of n would be
wrong where it matters: with even arrivals the samples can fall on the same phase each time, and then they are as far
from the mean as can be while they do not spread at all. So the trial is INVALID when

    |Σ_w mean_k D_wk|  >  X · c  +  z · √(Σ_w var_k(D_wk) / m_w)  +  0.05 · N  +  0.5

X · c   clocks: an event and its instant can lie apart by a turn of the event loop. c is the median, over the rows, of
        the longest turn of the second, so one stall does not widen it
z       4: one false alarm in 16,000 trials if the differences were independent, and by Chebyshev's inequality one in
        16 whatever they are; over and above it there must be a difference that matters
0.05 · N + 0.5   what is smaller changes no conclusion about load

In a closed model the sessions in progress are the iterations; what their users do between them is another law's matter
(:mod:`seatrial.verdict.closed`).

Nothing is said of a stage with fewer than 20 rows of each worker or 200 sessions in the judged window, of journeys
in Python (which may pause unseen before their first and after their last step), or of journeys whose every step has
a condition (whose sessions may leave no record). Sessions beyond the cap were never in progress.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.model.journal import StageLog
from seatrial.model.journey import Journey, PauseStep, RequestStep
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Reason
from seatrial.units import SECOND, format_number
from seatrial.verdict.columns import by_session
from seatrial.verdict.inputs import Rows, StageColumns

__all__ = [
    "FEWEST_ROWS",
    "FEWEST_SESSIONS",
    "Balance",
    "balance_of",
    "check_littles_law",
    "pauses_of",
    "shows_itself",
]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

FEWEST_ROWS = 20
"""Health rows that each worker must have in the judged window."""
FEWEST_SESSIONS = 200
"""Sessions that must begin in the judged window."""

_Z = 4.0
_MATTERS = 0.05
_HALF_A_SESSION = 0.5


@dataclass(frozen=True, slots=True)
class Balance:
    """Both sides of the law, in sessions.

    Attributes:
        sampled: N by the health rows: the mean of each worker's, summed.
        recorded: What the records say for the very same instants.
        law: X · R by the records, over the whole window.
        arrivals_per_s: X, sessions begun per second.
        mean_ns: R, the time in the window per session begun in it.
        tolerance: Largest difference between ``sampled`` and ``recorded`` that says nothing.
    """

    sampled: float
    recorded: float
    law: float
    arrivals_per_s: float
    mean_ns: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Return whether the two sides agree as far as sampling can tell."""
        return abs(self.sampled - self.recorded) <= self.tolerance


def check_littles_law(
    plan: Plan, stage: Stage, log: StageLog, columns: Rows, health: pl.DataFrame, workers: int
) -> Iterator[Reason]:
    """Yield a reason when health rows and records disagree on how many sessions were in progress.

    Args:
        plan: For its journeys.
        stage: The stage.
        log: When it ran.
        columns: All of its records, complete: sessions of the warm-up may still be in progress in the window.
        health: Rows of the trial; sound.
        workers: Workers that were started.
    """
    balance = balance_of(plan, stage, log, columns, health, workers)
    if balance is not None and not balance.holds:
        figures = {
            "measured": format_number(balance.sampled),
            "recorded": format_number(balance.recorded),
            "expected": format_number(balance.law),
            "limit": format_number(balance.tolerance),
        }
        yield Reason(code="validity.littles_law", params={"level": stage.name} | figures)


def balance_of(
    plan: Plan, stage: Stage, log: StageLog, columns: Rows, health: pl.DataFrame, workers: int
) -> Balance | None:
    """Return both sides of the law for a stage; None where too little is known (see the module).

    Args as for :func:`check_littles_law`.
    """
    journeys = tuple(plan.journeys.values())
    if workers < 1 or not len(columns) or not all(map(shows_itself, journeys)):
        return None
    from_ns, to_ns = log.started_ns + stage.judged_from_ns, log.started_ns + stage.profile.duration_ns
    rows = health.filter((pl.col("at_ns") >= from_ns) & (pl.col("at_ns") < to_ns) & (pl.col("worker") < workers))
    if rows.is_empty():
        return None
    counts = dict(rows.group_by("worker").len().iter_rows())
    if len(counts) < workers or min(counts.values()) < FEWEST_ROWS:
        return None
    begun = total_ns = 0
    tallies = [_InProgress(rows.filter(pl.col("worker") == worker)) for worker in range(workers)]
    for part in columns.parts():
        if not len(part):
            continue
        session, begin_ns, end_ns = _lifetimes(journeys, part)
        begun += int(((begin_ns >= from_ns) & (begin_ns < to_ns)).sum())
        total_ns += int(np.maximum(np.minimum(end_ns, to_ns) - np.maximum(begin_ns, from_ns), 0).sum())
        owner = stage.worker_of(session, workers)
        for worker, tally in enumerate(tallies):
            mine = owner == worker
            tally.add(begin_ns[mine], end_ns[mine])
    if begun < FEWEST_SESSIONS:
        return None
    seconds = (to_ns - from_ns) / SECOND
    sampled = recorded = variance = 0.0
    for tally in tallies:
        there, told = tally.there, tally.told
        sampled, recorded = sampled + float(told.mean()), recorded + float(there.mean())
        variance += float((told - there).var(ddof=1)) / len(told)
    law = total_ns / (to_ns - from_ns)
    clock_s = float(np.median(rows["stall_ns"].to_numpy())) / SECOND
    tolerance = begun / seconds * clock_s + _Z * variance**0.5 + _MATTERS * law + _HALF_A_SESSION
    return Balance(sampled, recorded, law, begun / seconds, total_ns / begun, tolerance)


def shows_itself(journey: Journey) -> bool:
    """Return whether every session of a journey leaves a record from which its whole time can be told."""
    if journey.is_plain:
        return any(journey.certain)
    # Its pauses can't be told from outside, but lie between two records.
    ends = (journey.steps[0], journey.steps[-1]) if journey.steps else ()
    return bool(ends) and all(isinstance(step, RequestStep) and step.when is None for step in ends)


class _InProgress:
    """How many sessions were in progress at the instants of one worker's health rows.

    Args:
        rows: The worker's rows, in any order.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        at_ns = rows["at_ns"].to_numpy()
        order = np.argsort(at_ns, kind="stable")
        self.told: Float64 = rows["sessions"].to_numpy().astype(np.float64)[order]
        self._at_ns = at_ns[order]
        self._change = np.zeros(len(at_ns) + 1, dtype=np.int64)

    def add(self, begin_ns: Int64, end_ns: Int64) -> None:
        """Take sessions in: an interval ``[begin, end)`` counts at the instants that it holds."""
        for edge_ns, by in ((begin_ns, 1), (end_ns, -1)):
            first = np.searchsorted(self._at_ns, edge_ns, side="left")
            self._change += by * np.bincount(first, minlength=len(self._change))

    @property
    def there(self) -> Float64:
        """Return how many were in progress at each instant, in the order of ``told``."""
        return np.cumsum(self._change)[:-1].astype(np.float64)


def pauses_of(journeys: tuple[Journey, ...]) -> tuple[Int64, Int64]:
    """Return the pauses before and after each request in ns, each of shape (journeys, most requests)."""
    width = max(len(journey.labels) for journey in journeys)
    before, after = (np.zeros((len(journeys), width), dtype=np.int64) for _ in range(2))
    for index, journey in enumerate(journeys):
        if not journey.is_plain:
            continue
        waited, at, total = 0, 0, sum(step.longest_ns for step in journey.steps if isinstance(step, PauseStep))
        for step in journey.steps:
            if isinstance(step, PauseStep):
                waited += step.longest_ns
            else:
                before[index, at], after[index, at] = waited, total - waited
                at += 1
    return before, after


def _lifetimes(journeys: tuple[Journey, ...], columns: StageColumns) -> tuple[Int64, Int64, Int64]:
    """Return session number, beginning and end of every session that was in progress at any time."""
    order = by_session(columns.session, columns.step)
    session = columns.session[order]
    first = np.flatnonzero(np.concatenate([[True], session[1:] != session[:-1]]))
    last = np.concatenate([first[1:], [len(session)]]) - 1
    head, tail = order[first], order[last]
    before, after = pauses_of(journeys)
    journey = columns.journey[head]
    began = np.where(columns.sent[head], columns.sent_ns[head], columns.intended_ns[head])
    begin_ns = began - before[journey, columns.step[head]]
    finished = columns.ok[tail]
    end_ns = np.maximum.reduceat(columns.done_ns[order], first)
    end_ns = end_ns + np.where(finished, after[journey, columns.step[tail]], 0)
    admitted = columns.outcome[head] != Outcome.UNSENT
    return session[first][admitted], begin_ns[admitted], np.maximum(end_ns, begin_ns)[admitted]
