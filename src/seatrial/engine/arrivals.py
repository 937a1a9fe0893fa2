"""One worker's arrivals of a stage, and the feeds' rows that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from seatrial.errors import EngineError

if TYPE_CHECKING:
    from seatrial.engine.session import Session
    from seatrial.engine.stage import StageOrder

__all__ = ["Arrival", "FeedRows", "Given", "Source", "arrivals_of"]


class Arrival(NamedTuple):
    """One session that is due.

    Attributes:
        session: Number in the stage.
        journey: Index of its journey.
        seed: For its own choices.
        at_ns: On the monotonic clock.
        ordinal: How many sessions of the same journey were before it in the trial, on all workers: the row of a
            unique feed.
    """

    session: int
    journey: int
    seed: int
    at_ns: int
    ordinal: int


class Source(Protocol):
    """What gives each session the value of one of its variables."""

    def row(self, ordinal: int, session: Session) -> Any:
        """Return the value for a session, the ``ordinal``-th of its journey in the trial."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """A value that every session has from its beginning.

    Attributes:
        value: What the set-up extracted.
    """

    value: Any

    def row(self, ordinal: int, session: Session) -> Any:
        """Return the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class FeedRows:
    """A feed as workers hold it.

    Attributes:
        columns: Names.
        rows: Values, at least one row: texts of a CSV file, JSON values of JSON lines.
        order: How rows are given out.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    order: Literal["unique", "cycle", "random"]

    def row(self, ordinal: int, session: Session) -> dict[str, Any]:
        """Return the row for a session.

        Raises:
            EngineError: a unique feed has no row left. The plan was checked for it, and no row is given out twice.
        """
        if self.order == "random":
            ordinal = session.draw(len(self.rows))
        elif self.order == "cycle":
            ordinal %= len(self.rows)
        try:
            return dict(zip(self.columns, self.rows[ordinal], strict=True))
        except IndexError as error:
            what = f"a feed has no row left for session {ordinal + 1:,} of its journey"
            raise EngineError(what, value=f"{len(self.rows):,} rows", remedy="Give the file more rows.") from error


def arrivals_of(order: StageOrder, ordinals: list[int]) -> Iterator[Arrival]:
    """Yield this worker's arrivals in order.

    Args:
        order: The stage.
        ordinals: Sessions of each journey so far in the trial; moved on as blocks are computed.
    """
    for block in order.schedule.blocks():
        ordinal = np.zeros(len(block), dtype=np.int64)
        for journey in range(len(ordinals)):
            mine = block.journey == journey
            count = int(mine.sum())
            ordinal[mine] = np.arange(ordinals[journey], ordinals[journey] + count)
            ordinals[journey] += count
        chosen = block.session % order.workers == order.worker
        columns = (
            block.session[chosen],
            block.journey[chosen],
            block.seed[chosen],
            block.at_ns[chosen] + order.start_ns,
            ordinal[chosen],
        )
        yield from map(Arrival._make, zip(*(column.tolist() for column in columns), strict=True))
