"""What a verdict is made from, and reading it out of frames that may be hostile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.errors import BundleError
from seatrial.model.health import HEALTH_COLUMNS, LAG_COLUMNS
from seatrial.model.journal import TrialLog
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import COLUMNS, NEVER, SESSION_STRIDE, Outcome
from seatrial.model.schedule import Schedule
from seatrial.model.verdict import Reason
from seatrial.samples.telemetry import empty_telemetry
from seatrial.verdict.columns import NEEDED, Rows, StageColumns, joined
from seatrial.verdict.records import CHUNK, Chunk, Source, StageRecords

__all__ = [
    "HEALTH_SCHEMA",
    "RECORD_SCHEMA",
    "WHOLE",
    "Rows",
    "StageColumns",
    "Timetable",
    "TrialData",
    "TrialRecords",
    "check_health",
    "check_records",
    "empty_health",
    "empty_records",
    "guarded",
    "stage_columns",
    "stage_rows",
    "timetable",
]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Anything = TypeVar("Anything")

_POLARS: dict[str, type[pl.DataType]] = {
    "i1": pl.Int8,
    "<i2": pl.Int16,
    "<i4": pl.Int32,
    "<i8": pl.Int64,
    "<f8": pl.Float64,
}
RECORD_SCHEMA = pl.Schema({name: _POLARS[kind]() for name, kind, _ in COLUMNS})
HEALTH_SCHEMA = pl.Schema({name: _POLARS[kind]() for name, kind in HEALTH_COLUMNS})
WHOLE = 2_000_000
"""Records of a stage up to which they are all held at once."""

_MOST_STAGES = 65_536
_MOST_CORES = 10_000
_JUDGED_HEALTH = (
    *("worker", "at_ns", "cpu_share", "busy_share", "stall_ns", "steal_share"),
    *("connections", "ports_refused", "open_files", "files_refused", *LAG_COLUMNS),
)
_ANSWERED = (Outcome.OK, Outcome.CHECK_FAILED, Outcome.HTTP_ERROR)
_ANSWERED_OR_RETRIED = np.array([outcome in {*_ANSWERED, Outcome.RETRIED} for outcome in Outcome])


@dataclass(frozen=True, slots=True)
class TrialData:
    """The evidence of one trial.

    Attributes:
        log: What the journal says of it.
        records: Its records, columns as in :data:`seatrial.model.sample.COLUMNS`, in any order; null for never.
        health: Its health rows, columns as in :data:`seatrial.model.health.HEALTH_COLUMNS`, in any order.
        telemetry: Readings of the service's own figures, columns as in
            :data:`seatrial.model.telemetry.TELEMETRY_COLUMNS`, in any order.
        problems: Why parts of it could not be read at all: each makes the trial INVALID.
    """

    log: TrialLog
    records: pl.DataFrame | pl.LazyFrame
    health: pl.DataFrame
    problems: tuple[Reason, ...] = ()
    telemetry: pl.DataFrame = field(default_factory=empty_telemetry)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When each session of a stage was meant to start.

    Attributes:
        at_ns: Offsets from the stage's start, ascending, shape (sessions,).
        journey: Index of each session's journey, shape (sessions,), int16 or int64.
        warm: Sessions that belong to the warm-up: the first so many.
    """

    at_ns: Int64
    journey: npt.NDArray[np.integer[Any]]
    warm: int

    def __len__(self) -> int:
        return len(self.at_ns)


def timetable(plan: Plan, plan_digest: str, stage: Stage) -> Timetable:
    """Return the whole schedule of a stage."""
    schedule = Schedule(plan_digest, plan.seed, stage, plan.weights)
    at_ns = np.empty(schedule.count(), dtype=np.int64)
    journey = np.empty(len(at_ns), dtype=np.int16)  # as in the records
    for block in schedule.blocks():
        at_ns[block.session], journey[block.session] = block.at_ns, block.journey
    return Timetable(at_ns, journey, int(np.searchsorted(at_ns, stage.judged_from_ns, side="left")))


def empty_records() -> pl.DataFrame:
    """Return no records, with the right columns."""
    return pl.DataFrame(schema=RECORD_SCHEMA)


def empty_health() -> pl.DataFrame:
    """Return no health rows, with the right columns."""
    return pl.DataFrame(schema=HEALTH_SCHEMA)


def guarded(what: str, action: Callable[[], Anything]) -> Anything:
    """Return what ``action`` returns; polars' own errors become a BundleError.

    Polars' panics derive from BaseException: on a hostile file they must not pass for a defect of ours.

    Raises:
        BundleError: reading failed.
    """
    try:
        return action()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, OverflowError, MemoryError) as error:
        first = str(error).strip().split("\n")[0][:160]
        raise BundleError(f"{what} can't be read", value=first, remedy="Take the bundle from its source again.") from (
            error
        )


def _malformed(what: str) -> BundleError:
    return BundleError("a column is not what it should be", value=what, remedy="Take the bundle from its source again.")


def _check_schema(found: pl.Schema, wanted: pl.Schema) -> None:
    for name, kind in wanted.items():
        if found.get(name) != kind:
            raise _malformed(f"{name} ({found.get(name, 'none')}, not {kind})")
    for name in found:
        if name not in wanted:
            raise _malformed(f"{name} (unknown)")


def check_records(records: pl.DataFrame | pl.LazyFrame) -> None:
    """Check that the columns are exactly those of a record.

    Raises:
        BundleError: a column is missing, unknown or of another type; the value names it.
    """
    _check_schema(guarded("the records", records.lazy().collect_schema), RECORD_SCHEMA)


def check_health(health: pl.DataFrame) -> None:
    """Check the columns and values of health rows.

    Raises:
        BundleError: a column is missing, unknown, of another type, or holds a null or a number that can't be.
    """
    _check_schema(health.schema, HEALTH_SCHEMA)
    for name in HEALTH_SCHEMA:
        if health[name].null_count() or not np.isfinite(health[name].to_numpy()).all():
            raise _malformed(f"{name} (null or not finite)")
    for name in _JUDGED_HEALTH:
        if (health[name] < 0).any():
            raise _malformed(f"{name} (negative)")
    for name, most in (("cpu_share", _MOST_CORES), ("busy_share", 1)):
        if (health[name] > most).any():
            raise _malformed(f"{name} (above {most})")


class TrialRecords:
    """The records of a trial, and where those of each stage lie among them.

    Args:
        frame: Columns as in :data:`seatrial.model.sample.COLUMNS`, in any order of rows.
        chunk: How many rows are read at once; :data:`seatrial.verdict.records.CHUNK` where it is left out.

    Attributes:
        per_stage: Stage index to number of records; -1 for a session that is null or can't be.

    Raises:
        BundleError: a column is missing, unknown or of another type, or the records can't be read.
    """

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame, chunk: int | None = None) -> None:
        chunk = chunk or CHUNK
        check_records(frame)
        self._frame = frame.lazy()
        self._chunks: list[tuple[Chunk, dict[int, int]]] = []
        self.per_stage: dict[int, int] = {}
        rows = int(guarded("the records", self._frame.select(pl.len()).collect).item())
        for start in range(0, rows, chunk):
            number = pl.col("session").fill_null(-1) // SESSION_STRIDE
            stage = number.clip(-1, _MOST_STAGES).alias("stage")
            query = self._frame.slice(start, chunk).select(stage).group_by("stage").agg(pl.len())
            found = {int(index): int(count) for index, count in guarded("the records", query.collect).rows()}
            self._chunks.append((Chunk(start, min(chunk, rows - start)), found))
            for index, count in found.items():
                self.per_stage[index] = self.per_stage.get(index, 0) + count
        self.per_stage = dict(sorted(self.per_stage.items()))

    def stage(self, index: int) -> tuple[Rows, Rows]:
        """Return the records of one stage, one for each intended step; and the attempts that were retried.

        Up to :data:`WHOLE` of them are held; more are read anew for each pass.

        Raises:
            BundleError: unreadable, a null where none may be, or values that can't be.
        """
        chunks = [chunk for chunk, found in self._chunks if index in found]
        if self.per_stage.get(index, 0) <= WHOLE:
            columns = joined([self._read(chunk, index) for chunk in chunks or [Chunk(0, 0)]])
            _check_values(columns)
            retried = np.asarray(columns.outcome == Outcome.RETRIED)
            return columns.take(~retried), columns.take(retried)
        source = Source(lambda chunk: self._read(chunk, index), chunks, _check_values)
        steps = StageRecords(source, (lambda columns: columns.take(columns.outcome != Outcome.RETRIED),))
        attempts = StageRecords(source, (lambda columns: columns.take(columns.outcome == Outcome.RETRIED),))
        steps.count, attempts.count = source.count - source.retried, source.retried
        return steps, attempts

    def _read(self, chunk: Chunk, index: int) -> StageColumns:
        query = (
            self._frame.select(NEEDED)
            .slice(chunk.start, chunk.rows)
            .filter(pl.col("session") // SESSION_STRIDE == index)
            .with_columns(pl.col("session") % SESSION_STRIDE, pl.col("sent_ns").fill_null(NEVER))
        )
        frame = guarded("the records", query.collect)
        for name in NEEDED:
            if frame[name].null_count():
                raise _malformed(f"{name} (null)")
        return StageColumns(*(frame[name].to_numpy() for name in NEEDED))


def stage_columns(records: pl.DataFrame | pl.LazyFrame, index: int) -> StageColumns:
    """Return the records of one stage, one for each intended step: :func:`stage_rows` without the attempts."""
    return stage_rows(records, index)[0].whole()


def stage_rows(records: pl.DataFrame | pl.LazyFrame, index: int) -> tuple[Rows, Rows]:
    """Return the records of one stage, one for each intended step; and the attempts that were given up and retried.

    Args:
        records: Of a whole trial, or of this stage alone; in any order.
        index: Of the stage.

    Raises:
        BundleError: unreadable, a column of the wrong type, a null where none may be, or values that can't be.
    """
    return TrialRecords(records).stage(index)


def _check_values(columns: StageColumns) -> None:
    outcome, sent = columns.outcome, columns.sent
    if len(outcome) and not 0 <= int(outcome.min()) <= int(outcome.max()) < len(_ANSWERED_OR_RETRIED):
        raise _malformed("outcome (no such outcome)")
    if (columns.intended_ns < 0).any() or (columns.done_ns < columns.intended_ns).any():
        raise _malformed("done_ns (before the intended start)")
    if (columns.sent_ns < NEVER).any() or (columns.sent_ns > columns.done_ns).any():
        raise _malformed("sent_ns (negative, or after the end)")
    if (_ANSWERED_OR_RETRIED[outcome] & ~sent).any() or ((outcome == Outcome.UNSENT) & sent).any():
        raise _malformed("sent_ns (does not agree with the outcome)")
