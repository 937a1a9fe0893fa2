"""What one pass over a stage's judged records tells beside its limits: counts, send lag, and what was taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.model.sample import Outcome
from seatrial.stats.binomial import rank_of
from seatrial.stats.ordered import Values
from seatrial.verdict.columns import Rows, StageColumns
from seatrial.verdict.records import StageRecords
from seatrial.verdict.selection import refused

__all__ = ["Facts", "facts_of", "unsent_steps"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_IS_NOT_TRIED = np.array([outcome in {Outcome.ABORTED, Outcome.UNSENT} for outcome in Outcome])


@dataclass(slots=True)
class Facts:
    """Counts over records of whole sessions.

    Attributes:
        count: Records.
        sent: Of them, steps that were sent.
        outcomes: Records of each outcome, shape (outcomes,).
        refused: Clear refusals.
        unsent: Steps that the generator failed to send (:func:`unsent_steps`).
        sessions: Sessions with a record.
        first_ns: The earliest intended start; 0 without records.
        journeys: Of which there is a record.
        taken: (journey, step) pairs of which some record is of a step that was tried.
        lag: Send lag of the steps that were sent, in ns; sends before their time count as in time.
    """

    count: int = 0
    sent: int = 0
    outcomes: Int64 = field(default_factory=lambda: np.zeros(len(Outcome), dtype=np.int64))
    refused: int = 0
    unsent: int = 0
    sessions: int = 0
    first_ns: int = 0
    journeys: set[int] = field(default_factory=set)
    taken: set[tuple[int, int]] = field(default_factory=set)
    lag: Values = field(default_factory=Values)

    @property
    def ok(self) -> int:
        """Return how many steps ended ok."""
        return int(self.outcomes[Outcome.OK])

    def add(self, columns: StageColumns) -> None:
        """Take some whole sessions in."""
        if not len(columns):
            return
        first_ns = int(columns.intended_ns.min())
        self.first_ns = min(self.first_ns, first_ns) if self.count else first_ns
        self.count += len(columns)
        outcomes = np.bincount(columns.outcome.astype(np.uint8), minlength=len(Outcome))
        self.outcomes += outcomes
        if outcomes[Outcome.HTTP_ERROR]:
            self.refused += int(refused(columns).sum())
        self.unsent += int(unsent_steps(columns).sum())
        self.sessions += _distinct(columns.session)
        journeys, tried = columns.journey, ~_IS_NOT_TRIED[columns.outcome]
        self.journeys |= set(_kinds(journeys))
        for journey in _kinds(journeys[tried]):
            steps = columns.step[tried & (journeys == journey)]
            self.taken |= {(journey, step) for step in _kinds(steps)}
        lag_ns = np.maximum(columns.sent_ns - columns.intended_ns, 0)
        sent = columns.sent
        self.sent += int(sent.sum())
        self.lag.add(lag_ns if sent.all() else lag_ns[sent])

    def send_lag(self, quantile: float) -> int | None:
        """Return a quantile of send lag in ns, of many at the higher edge of its level; None where nothing was sent."""
        lag = self.lag.ordered(high=True)
        return lag.at(rank_of(len(lag), quantile)) if len(lag) else None


def facts_of(rows: Rows) -> Facts:
    """Return the facts of records, which are read for it once at most."""
    known = rows.remembered.get("facts") if isinstance(rows, StageRecords) else None
    if isinstance(known, Facts):
        return known
    found = Facts()
    for part in rows.parts():
        found.add(part)
    if isinstance(rows, StageRecords):
        rows.remembered["facts"], rows.count = found, found.count
    return found


def unsent_steps(columns: StageColumns) -> Bool:
    """Return which steps the generator failed to send: unsent, and given up because their session was unsent.

    Args:
        columns: Whole sessions.
    """
    unsent = columns.outcome == Outcome.UNSENT
    if not unsent.any():
        return np.asarray(unsent)
    given_up = columns.outcome == Outcome.ABORTED
    return np.asarray(unsent | (given_up & np.isin(columns.session, np.unique(columns.session[unsent]))))


def _kinds(values: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Return which values there are, ascending: counted, for few of many thousands need not be sorted."""
    if values.dtype != np.int16:
        return [int(value) for value in np.unique(values)]
    there = np.flatnonzero(np.bincount(values.view(np.uint16), minlength=1))
    return sorted(int(value) for value in there.astype(np.uint16).view(np.int16))


def _distinct(values: Int64) -> int:
    lowest, highest = int(values.min()), int(values.max())
    if highest - lowest < 4 * len(values):
        return int(np.count_nonzero(np.bincount(values - lowest)))
    return len(np.unique(values))
