"""Records of a stage that are too many to be held: read anew for each pass, a range of sessions at a time.

Chunks of rows are read in the order of the files. A first pass notes which sessions lie in which chunk, and divides the
sessions into ranges of about as many records as a chunk has. From then on a pass reads each range's chunks, hands out
the range when it is complete, and lets it go. A run writes its parts in the order of intention, where the records of a
session lie close together: then each chunk is read once in a pass, and little waits for the rest of its session.

In any other order the result is the same and it only takes longer: what waits is held up to a bound, beyond which it is
dropped and read again when its turn comes. The memory is that of a chunk and of what waits, whatever the number of
records. Only where a single session has millions of records must they all be held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seatrial.model.sample import Outcome
from seatrial.verdict.columns import StageColumns, joined

__all__ = ["CHUNK", "Chunk", "Source", "StageRecords"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Change = Callable[[StageColumns], StageColumns]

CHUNK = 1_000_000
"""Rows that are read at once, and about as many as a range of sessions has."""

_WAITING = 6
"""So many chunks' rows may wait for the rest of their range."""
_BLOCK_BITS = 12
"""Sessions are counted by 4,096 when ranges are made."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of a trial's records.

    Attributes:
        start: The first row.
        rows: How many rows there are at most, of any stage.
    """

    start: int
    rows: int


class Source:
    """Where the records of one stage are read from, chunk by chunk.

    Args:
        read: Returns the stage's records among the rows of a chunk, in their order.
        chunks: Those that may hold some, in order.
        check: Told of every record once; raises where one can't be.

    Attributes:
        count: How many records there are.
        retried: How many of them are attempts that were given up and retried.
    """

    def __init__(
        self, read: Callable[[Chunk], StageColumns], chunks: Sequence[Chunk], check: Callable[[StageColumns], None]
    ) -> None:
        self._read = read
        self._most_waiting = _WAITING * max((chunk.rows for chunk in chunks), default=0)
        self._chunks: list[_Known] = []
        self.count = self.retried = 0
        blocks: Counter[int] = Counter()
        for chunk, columns in _ahead(read, chunks):
            check(columns)
            if len(columns):
                session = columns.session
                self._chunks.append(_Known(chunk, int(session.min()), int(session.max())))
                self.count += len(columns)
                self.retried += int((columns.outcome == Outcome.RETRIED).sum())
                blocks.update(_blocks(session))
        self._edges = _edges(blocks, max((chunk.rows for chunk in chunks), default=0))

    def ranges(self) -> Iterator[StageColumns]:
        """Yield the records of each range of sessions, by ascending sessions, each in the order of the rows."""
        waiting = _Waiting(self._edges, self._most_waiting)
        coming = _ahead(self._read, [known.chunk for known in self._chunks])
        unread = len(self._chunks)
        for place, (low, high) in enumerate(pairwise(self._edges.tolist())):
            for number, known in enumerate(self._chunks):
                if known.highest < low or known.lowest >= high or waiting.has(place, known.chunk):
                    continue
                while unread and number >= len(self._chunks) - unread:  # it comes with those before it
                    unread -= 1
                    waiting.add(place, *next(coming))
                if not waiting.has(place, known.chunk):
                    waiting.add(place, known.chunk, self._read(known.chunk))
            yield waiting.take(place)


@dataclass(frozen=True, slots=True)
class _Known:
    """A chunk, and the lowest and highest session number of the stage in it."""

    chunk: Chunk
    lowest: int
    highest: int


def _ahead(read: Callable[[Chunk], StageColumns], chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, StageColumns]]:
    """Yield chunks with their records; the next one is read while this one is looked at."""
    with ThreadPoolExecutor(1) as reader:
        coming: Future[StageColumns] | None = None
        for place, chunk in enumerate(chunks):
            columns = (coming or reader.submit(read, chunk)).result()
            coming = reader.submit(read, chunks[place + 1]) if place + 1 < len(chunks) else None
            yield chunk, columns
            del columns


def _one_ahead(parts: Iterator[StageColumns]) -> Iterator[StageColumns]:
    """Yield parts; the next one is put together by another core while this one is looked at."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, parts, None)
        while (columns := coming.result()) is not None:
            coming = maker.submit(next, parts, None)
            yield columns
            del columns


def _blocks(session: Int64) -> dict[int, int]:
    """Return how many records each block of sessions has, by the block's number."""
    block = session >> _BLOCK_BITS
    first = int(block.min())
    if int(block.max()) - first < len(block):  # counted where there are few, sorted where they lie far apart
        count = np.bincount(block - first)
        number = np.flatnonzero(count)
        return dict(zip((number + first).tolist(), count[number].tolist(), strict=True))
    number, count = np.unique(block, return_counts=True)
    return dict(zip(number.tolist(), count.tolist(), strict=True))


def _edges(blocks: Counter[int], most: int) -> Int64:
    """Return where ranges of sessions begin and end, so that each has no more than ``most`` records where it can."""
    edges: list[int] = []
    held = most + 1
    for block in sorted(blocks):
        if held + blocks[block] > most:
            edges.append(block << _BLOCK_BITS)
            held = 0
        held += blocks[block]
    if blocks:
        edges.append((max(blocks) + 1) << _BLOCK_BITS)
    return np.array(edges, dtype=np.int64)


def _pieces(columns: StageColumns, mask: Bool) -> list[StageColumns]:
    """Return the records of ``mask`` in up to three pieces: rows without a gap are taken as they are.

    Sessions come nearly in their order, so a range is a long run of a chunk and some rows before or after it among
    those of its neighbours. A run that is less than half of the chunk is copied: it would hold all of it.
    """
    place = np.flatnonzero(mask)
    if not len(place):
        return []
    first, end = int(place[0]), int(place[-1]) + 1
    others = np.flatnonzero(~mask[first:end])
    runs = [(first, end)] if not len(others) else [(first, first + int(others[0])), (first + int(others[-1]) + 1, end)]
    begin, stop = max(runs, key=lambda run: run[1] - run[0])
    if 2 * (stop - begin) < len(columns):
        return [columns.picked(place)]
    low, high = np.searchsorted(place, [begin, stop], side="left").tolist()
    pieces = [columns.picked(place[:low]), columns.rows(begin, stop), columns.picked(place[high:])]
    return [piece for piece in pieces if len(piece)]


class _Waiting:
    """Records that were read and wait for the rest of their range; those of the last ranges are dropped beyond a bound.

    Args:
        edges: Of the ranges.
        most: How many records may wait.
    """

    def __init__(self, edges: Int64, most: int) -> None:
        self._edges, self._most, self._held = edges, most, 0
        self._pieces: dict[int, dict[Chunk, list[StageColumns]]] = {}
        self._seen: dict[int, set[Chunk]] = {}

    def has(self, place: int, chunk: Chunk) -> bool:
        """Return whether what a chunk holds of a range is there."""
        return chunk in self._seen.get(place, ())

    def add(self, current: int, chunk: Chunk, columns: StageColumns) -> None:
        """Take a chunk in: what it holds of the current range and of later ones."""
        session = columns.session
        ends = np.array([session.min(), session.max()])
        first, last = (np.searchsorted(self._edges, ends, side="right") - 1).tolist()
        for place in range(max(first, current), last + 1):
            if self.has(place, chunk):
                continue
            # Two comparisons of whole columns: a chunk lies in two or three ranges, and to look each row up is slower.
            pieces = _pieces(columns, (session >= self._edges[place]) & (session < self._edges[place + 1]))
            self._seen.setdefault(place, set()).add(chunk)
            if pieces:
                self._pieces.setdefault(place, {})[chunk] = pieces
                self._held += sum(map(len, pieces))
        # A chunk that holds nothing between its lowest and its highest range was looked for there as well.
        while self._held > self._most and (later := max(self._pieces, default=current)) > current:
            self._forget(later)

    def _forget(self, place: int) -> list[StageColumns]:
        self._seen.pop(place, None)
        found = self._pieces.pop(place, {})
        pieces = [piece for chunk in sorted(found, key=lambda chunk: chunk.start) for piece in found[chunk]]
        self._held -= sum(map(len, pieces))
        return pieces

    def take(self, place: int) -> StageColumns:
        """Return the records of a range, which must be complete, and let it go."""
        return joined(self._forget(place))


class StageRecords:
    """Records of one stage, read anew for each pass; :class:`seatrial.verdict.columns.Rows`.

    Args:
        source: Where from.
        changes: What is done to each part, one after the other; whole sessions stay whole.
        count: How many records are left then; None where that is not known yet.
    """

    def __init__(self, source: Source, changes: tuple[Change, ...] = (), count: int | None = None) -> None:
        self._source, self._changes, self.count = source, changes, count
        self.remembered: dict[str, object] = {}
        """What was found out in a pass over all of it, by name."""

    def __len__(self) -> int:
        if self.count is None:
            self.count = sum(map(len, self.parts()))
        return self.count

    def parts(self) -> Iterator[StageColumns]:
        """Yield the records of each range of sessions, read again; a part may be empty."""
        return _one_ahead(self._changed())

    def _changed(self) -> Iterator[StageColumns]:
        for columns in self._source.ranges():
            for change in self._changes:
                columns = change(columns)  # noqa: PLW2901 -- a pipeline
            yield columns

    def only(self, wanted: Callable[[StageColumns], Bool]) -> StageRecords:
        """Return the records for which ``wanted`` says so."""
        change = (*self._changes, lambda columns: columns.take(wanted(columns)))
        return StageRecords(self._source, change, 0 if self.count == 0 else None)  # of none there are none

    def changed(self, change: Change) -> StageRecords:
        """Return the records after a change that leaves their number as it is."""
        return StageRecords(self._source, (*self._changes, change), self.count)

    def whole(self) -> StageColumns:
        """Return all of them at once."""
        return joined(list(self.parts()))
