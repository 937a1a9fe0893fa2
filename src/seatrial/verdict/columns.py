"""Records of one stage, column by column; and what records are to those who judge them, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.model.sample import CENSORED, NEVER, Outcome

__all__ = ["NEEDED", "Rows", "StageColumns", "by_session", "joined"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

NEEDED = ("journey", "step", "session", "intended_ns", "sent_ns", "done_ns", "outcome", "status")
"""The columns that a verdict needs."""

_PACKED_BITS = 62


class Rows(Protocol):
    """Records of one stage: all there (:class:`StageColumns`), or read anew for each pass.

    What is computed from parts must add up: then it is the same however they are divided.
    """

    def __len__(self) -> int:
        """Return how many there are."""

    def parts(self) -> Iterator[StageColumns]:
        """Yield them in parts, by ascending session numbers; all records of a session are in one part."""

    def only(self, wanted: Callable[[StageColumns], Bool]) -> Rows:
        """Return those for which ``wanted`` says so; it sees whole sessions."""

    def changed(self, change: Callable[[StageColumns], StageColumns]) -> Rows:
        """Return the same records after a change of their columns that keeps sessions whole."""

    def whole(self) -> StageColumns:
        """Return all of them at once. That takes 40 bytes for each."""


@dataclass(frozen=True, slots=True)
class StageColumns:
    """Records of one stage, column by column, each of shape (n,). ``session`` counts within the stage."""

    journey: Int64
    step: Int64
    session: Int64
    intended_ns: Int64
    sent_ns: Int64
    done_ns: Int64
    outcome: Int64
    status: Int64

    def __len__(self) -> int:
        return len(self.session)

    def take(self, mask: Bool) -> StageColumns:
        """Return the records of ``mask``; itself when that is all of them."""
        if mask.all():
            return self
        place = np.flatnonzero(mask)
        if len(place) and int(place[-1]) - int(place[0]) + 1 == len(
            place
        ):  # without a gap: nothing is picked one by one
            return self.rows(int(place[0]), int(place[-1]) + 1)
        return self.picked(place)

    def picked(self, place: Int64) -> StageColumns:
        """Return the records of some rows, by their numbers."""
        return StageColumns(*(getattr(self, name)[place] for name in NEEDED))

    def rows(self, first: int, end: int) -> StageColumns:
        """Return the records from one row up to another, without copying them."""
        return StageColumns(*(getattr(self, name)[first:end] for name in NEEDED))

    def parts(self) -> Iterator[StageColumns]:
        """Yield itself: all of them are there."""
        yield self

    def only(self, wanted: Callable[[StageColumns], Bool]) -> StageColumns:
        """Return the records for which ``wanted`` says so."""
        return self.take(wanted(self))

    def changed(self, change: Callable[[StageColumns], StageColumns]) -> StageColumns:
        """Return the records after a change."""
        return change(self)

    def whole(self) -> StageColumns:
        """Return itself."""
        return self

    @property
    def sent(self) -> Bool:
        """Return which steps were sent."""
        return np.asarray(self.sent_ns != NEVER)

    @property
    def ok(self) -> Bool:
        """Return which steps ended ok."""
        return np.asarray(self.outcome == Outcome.OK)

    @property
    def censored(self) -> Bool:
        """Return which steps have no answer, so that their times are lower bounds."""
        return np.asarray(_CENSORED[self.outcome])


_CENSORED = np.array([outcome in CENSORED for outcome in Outcome])


def joined(parts: Sequence[StageColumns]) -> StageColumns:
    """Return the records of several parts together, in their order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return StageColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in NEEDED))


def by_session(session: Int64, second: Int64) -> Int64:
    """Return the order of rows by session and then by a second column, equal ones as they came: ``np.lexsort``, faster.

    Both columns and the row's own number are packed into one whole number where they fit, and such are sorted.
    """
    n = len(session)
    if not n:
        return np.empty(0, dtype=np.int64)
    lowest, least = int(session.min()), int(second.min())
    bits = [(int(session.max()) - lowest).bit_length(), (int(second.max()) - least).bit_length(), n.bit_length()]
    if sum(bits) > _PACKED_BITS:
        return np.lexsort((second, session))
    packed = (session.astype(np.int64) - lowest) << (bits[1] + bits[2])
    packed |= (second.astype(np.int64) - least) << bits[2]
    packed |= np.arange(n)
    packed.sort()
    return np.asarray(packed & ((1 << bits[2]) - 1))
