"""From the workers' spools to the bundle's Parquet parts, one stage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from seatrial.errors import RecordingError
from seatrial.model.health import HEALTH_COLUMNS
from seatrial.model.sample import COLUMNS, NEVER
from seatrial.samples.codec import HEALTH_DTYPE, ROW_DTYPE, Rows, read_frames

__all__ = ["PART_ROWS", "merge_health", "merge_stage", "part_files"]

PART_ROWS = 1_000_000
"""Most rows in a part, so that a reader's memory stays bounded."""

_TIMES = frozenset({"intended_ns", "sent_ns", "first_byte_ns", "done_ns"})
_ORDER = ("intended_ns", "session", "step", "done_ns", "outcome")


def part_files(folder: Path) -> list[Path]:
    """Return the parts of a trial's records in order; empty when there are none."""
    return sorted(folder.glob("part-*.parquet"))


def merge_stage(spools: Sequence[Path], folder: Path, epoch_ns: int) -> pl.DataFrame:
    """Write the rows of one stage as the next parts in ``folder`` and return them.

    Rows are sorted by intended start, then session, step, end and outcome (attempts that were retried begin with their
    step), so that any number of workers gives the same parts.
    The spools are removed once their rows are safe.

    Args:
        spools: One file per worker; a missing one counts as empty (its worker never got to write).
        folder: The trial's records folder; created if needed.
        epoch_ns: The run's epoch on the monotonic clock.

    Returns:
        The stage's records in the columns of :data:`seatrial.model.sample.COLUMNS`; possibly empty.

    Raises:
        EvidenceError: a spool is damaged.
        RecordingError: a part can't be written; the spools are kept.
    """
    arrays = [rows for path in spools if path.exists() for rows in read_frames(path, ROW_DTYPE)]
    frame = _to_frame(np.concatenate(arrays) if arrays else np.empty(0, ROW_DTYPE), epoch_ns).sort(
        *_ORDER, maintain_order=True
    )
    _make_folder(folder)
    first = len(part_files(folder))
    written: list[Path] = []
    try:
        for number, start in enumerate(range(0, len(frame), PART_ROWS), start=first):
            path = folder / f"part-{number:04d}.parquet"
            write_parquet(frame.slice(start, PART_ROWS), path)
            written.append(path)
    except RecordingError:
        for path in written:  # the spools are kept and merged again: no row may stand there twice
            path.unlink(missing_ok=True)
        raise
    for path in spools:
        path.unlink(missing_ok=True)
    return frame


def merge_health(spools: Sequence[Path], target: Path, epoch_ns: int) -> pl.DataFrame:
    """Write the health rows of all workers of a trial as one Parquet file and return them, by time and worker."""
    arrays = [rows for path in spools if path.exists() for rows in read_frames(path, HEALTH_DTYPE)]
    rows = np.concatenate(arrays) if arrays else np.empty(0, HEALTH_DTYPE)
    columns = {name: np.ascontiguousarray(rows[name]) for name, _ in HEALTH_COLUMNS}
    frame = pl.DataFrame(columns).with_columns(pl.col("at_ns") - epoch_ns).sort("at_ns", "worker")
    _make_folder(target.parent)
    write_parquet(frame, target)
    for path in spools:
        path.unlink(missing_ok=True)
    return frame


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file whole or not at all: a name in the bundle never stands for half a part.

    Raises:
        RecordingError: it can't be written.
    """
    draft = path.with_suffix(".draft")
    try:
        frame.write_parquet(draft, compression="zstd", compression_level=3)
        draft.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: Exception) -> RecordingError:
    return RecordingError(
        "a part of the records can't be written",
        value=f"{path}: {error}",
        remedy="Free some space; the rows are still in the spool.",
    )


def _to_frame(rows: Rows, epoch_ns: int) -> pl.DataFrame:
    columns: dict[str, pl.Series] = {}
    for name, _, optional in COLUMNS:
        series = pl.Series(name, np.ascontiguousarray(rows[name]))
        if name in _TIMES:
            moved = series - epoch_ns
            series = pl.select(pl.when(series != NEVER).then(moved)).to_series().alias(name) if optional else moved
        columns[name] = series
    return pl.DataFrame(columns)
