"""What limits are judged by, gathered from a stage's records in two passes for all limits together.

The first pass puts times in order, the second counts by batch (:mod:`seatrial.stats.censored`). What was not announced
by :meth:`Gathered.prepare` is gathered in passes of its own when it is asked for: the same figures, at more cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.stats.batches import Batched, Grid
from seatrial.stats.censored import CensoredTimes, Tally
from seatrial.verdict.columns import Rows, StageColumns
from seatrial.verdict.selection import admitted, hits

__all__ = ["EVERYTHING", "Gathered", "Kept", "Scope", "Take", "in_scope", "response_times", "scope_of"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

Scope: TypeAlias = tuple[str | None, str | None, bool]
"""Of a limit: its step, its journey, and whether it is about admitted steps alone."""

Kept: TypeAlias = Literal["response", "service", "from_send"]
"""Which times: from the intended start; from the send, and zero at least where there was none; of sent steps alone."""

Take: TypeAlias = Callable[[StageColumns], None]


EVERYTHING: Scope = (None, None, False)


def in_scope(plan: Plan, step: str | None, journey: str | None) -> Bool:
    """Return which steps a limit is on, shape (journeys, most steps)."""
    labels = [j.labels for j in plan.journeys.values()]
    names = tuple(plan.journeys)
    wanted = np.zeros((len(labels), max(map(len, labels))), dtype=np.bool_)
    for row, steps in enumerate(labels):
        for column, label in enumerate(steps):
            wanted[row, column] = step in (None, label) and journey in (None, names[row])
    return wanted


def scope_of(objective: Objective) -> Scope:
    """Return which records a limit is about."""
    return objective.step, objective.journey, objective.admitted


class _Hits:
    """How many records of each batch a share counts, and how many there are."""

    def __init__(self, metric: Metric, grid: Grid) -> None:
        self._metric, self._grid = metric, grid
        self.hits, self.sizes = (np.zeros(grid.number, dtype=np.int64) for _ in range(2))

    def take(self, columns: StageColumns) -> None:
        place = self._grid.of(columns.intended_ns)
        self.sizes += np.bincount(place, minlength=self._grid.number)
        self.hits += np.bincount(place[hits(self._metric, columns)], minlength=self._grid.number)


class Gathered:
    """Counts over the records of a stage.

    Args:
        plan: For the names of steps and journeys.
        rows: The records.
        confidence: Two-sided, of every bound that the counts are for.
    """

    def __init__(self, plan: Plan, rows: Rows, confidence: float) -> None:
        self._plan, self._rows, self._confidence = plan, rows, confidence
        self._times: dict[tuple[Kept, Scope], CensoredTimes] = {}
        self._hits: dict[tuple[Metric, Scope], _Hits] = {}
        self._wanted: dict[Scope, Bool] = {}

    def prepare(
        self, limits: Sequence[Objective], others: Sequence[tuple[Kept, Scope]] = (), also: Take | None = None
    ) -> None:
        """Gather what will be asked.

        Args:
            limits: On records; those on windows are looked at elsewhere.
            others: Times whose estimates will be asked for besides.
            also: Handed all records in the first pass.
        """
        limits = [limit for limit in limits if limit.window_ns is None]
        keys = dict.fromkeys(others)
        for limit in limits:
            keys[kept_of(limit), scope_of(limit)] = None
            if limit.metric is Metric.RESPONSE_TIME and limit.quantile is not None:
                keys["from_send", scope_of(limit)] = None
        surveys = [(key, self.times(*key).first_pass()) for key in keys]
        first = [(scope, _feeding(kept, tally)) for (kept, scope), tally in surveys if tally is not None]
        self._pass([*first, *([] if also is None else [(EVERYTHING, also)])])
        shares: list[tuple[Scope, Take]] = []
        for limit in limits:
            if limit.is_time:
                self.times(kept_of(limit), scope_of(limit)).want(limit.quantile, self._confidence, limit.limit)
            elif (limit.metric, scope_of(limit)) not in self._hits:
                shares.append((scope_of(limit), self._begin_hits(limit.metric, scope_of(limit)).take))
        measures = [(key, times, times.second_pass()) for key, times in self._times.items()]
        fed = [(scope, _feeding(kept, tally)) for (kept, scope), _, tally in measures if tally is not None]
        self._pass([*fed, *shares])
        for _, times, tally in measures:
            if tally is not None:
                times.measured(tally)

    def count(self, scope: Scope) -> int:
        """Return how many records a scope has."""
        return len(self.times("response", scope))

    def times(self, kept: Kept, scope: Scope) -> CensoredTimes:
        """Return the times of a scope."""
        key = (kept, scope)
        if key not in self._times:
            self._times[key] = CensoredTimes.over(lambda tally: self._pass([(scope, _feeding(kept, tally))]))
        return self._times[key]

    def hits(self, metric: Metric, scope: Scope) -> tuple[Int64, Batched]:
        """Return how many records of each batch a share counts, and the sizes of the batches."""
        if (metric, scope) not in self._hits:
            self._pass([(scope, self._begin_hits(metric, scope).take)])
        found = self._hits[metric, scope]
        return found.hits, Batched(found.sizes)

    def whole(self, scope: Scope) -> StageColumns:
        """Return all records of a scope at once."""
        return self._rows.changed(lambda part: self._in(scope, part)).whole()

    def _begin_hits(self, metric: Metric, scope: Scope) -> _Hits:
        found = _Hits(metric, self.times("response", scope).survey.grid)
        self._hits[metric, scope] = found
        return found

    def _pass(self, takers: Iterable[tuple[Scope, Take]]) -> None:
        """Read all records once, each taker's scope handed to it part by part."""
        by_scope: dict[Scope, list[Take]] = defaultdict(list)
        for scope, take in takers:
            by_scope[scope].append(take)
        if not by_scope:
            return
        for part in self._rows.parts():
            for scope, takes in by_scope.items():
                columns = self._in(scope, part)
                for take in takes:
                    take(columns)

    def _in(self, scope: Scope, columns: StageColumns) -> StageColumns:
        step, journey, of_admitted = scope
        if of_admitted:
            columns = columns.take(admitted(columns))
        if scope not in self._wanted:
            self._wanted[scope] = in_scope(self._plan, step, journey)
        wanted = self._wanted[scope]
        if wanted.all() or not len(columns):
            return columns
        known = (columns.journey >= 0) & (columns.journey < wanted.shape[0])
        known &= (columns.step >= 0) & (columns.step < wanted.shape[1])
        columns = columns.take(known)
        return columns.take(wanted[columns.journey, columns.step]) if len(columns) else columns


def response_times(rows: Rows) -> CensoredTimes:
    """Return the response times of records."""

    def read(tally: Tally) -> None:
        take = _feeding("response", tally)
        for part in rows.parts():
            take(part)

    return CensoredTimes.over(read)


def kept_of(limit: Objective) -> Kept:
    """Return which times a limit is about; of a share, those that its records are counted with."""
    return "service" if limit.metric is Metric.SERVICE_TIME else "response"


def _feeding(kept: Kept, tally: Tally) -> Take:
    def take(columns: StageColumns) -> None:
        if kept == "response":
            tally.add(columns.intended_ns, columns.done_ns - columns.intended_ns, columns.censored)
            return
        sent = columns.sent
        if kept == "from_send":
            took = columns.done_ns - columns.sent_ns
            if sent.all():
                tally.add(columns.intended_ns, took, columns.censored)
            else:
                tally.add(columns.intended_ns[sent], took[sent], columns.censored[sent])
            return
        took = columns.done_ns - columns.sent_ns
        tally.add(columns.intended_ns, took if sent.all() else np.where(sent, took, 0), columns.censored)

    return take
