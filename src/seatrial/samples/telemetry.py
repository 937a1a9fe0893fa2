"""Readings of the service's own figures: their spool while a trial runs, and the bundle's Parquet file."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import polars as pl

from seatrial.errors import RecordingError
from seatrial.model.telemetry import TELEMETRY_COLUMNS, Missing
from seatrial.samples.codec import Rows, read_frames
from seatrial.samples.merge import write_parquet

__all__ = [
    "TELEMETRY_DTYPE",
    "TELEMETRY_SCHEMA",
    "empty_telemetry",
    "merge_telemetry",
    "pack_reading",
    "readings_frame",
    "telemetry_file",
]

TELEMETRY_DTYPE = np.dtype(list(TELEMETRY_COLUMNS))
TELEMETRY_SCHEMA = pl.Schema({"series": pl.Int16, "at_ns": pl.Int64, "value": pl.Float64, "missing": pl.Int8})
_ROW = struct.Struct("<hqdb")


def telemetry_file(spool: Path) -> Path:
    """Return where the readings of a trial are written while it runs, in its folder of spools."""
    return spool / "telemetry.rows"


def pack_reading(series: int, at_ns: int, value: float | None, missing: Missing) -> bytes:
    """Return one row; ``at_ns`` on the monotonic clock, ``value`` None where it is missing."""
    return _ROW.pack(series, at_ns, math.nan if value is None else value, int(missing))


def empty_telemetry() -> pl.DataFrame:
    """Return no readings, with the right columns."""
    return pl.DataFrame(schema=TELEMETRY_SCHEMA)


def readings_frame(rows: Rows, epoch_ns: int) -> pl.DataFrame:
    """Return packed rows as readings by time and series, times from the epoch, null for what is missing."""
    columns = {name: np.ascontiguousarray(rows[name]) for name, _ in TELEMETRY_COLUMNS}
    value = pl.when(pl.col("missing") == int(Missing.NO)).then(pl.col("value"))
    return (
        pl.DataFrame(columns, schema=TELEMETRY_SCHEMA)
        .with_columns(pl.col("at_ns") - epoch_ns, value)
        .sort("at_ns", "series", maintain_order=True)
    )


def merge_telemetry(spool: Path, target: Path, epoch_ns: int) -> pl.DataFrame:
    """Write the readings of a trial as one Parquet file and return them, by time and series.

    Args:
        spool: As :func:`telemetry_file` gives it; it is removed once its rows are safe. A missing one counts as empty.
        target: The file in the bundle; its folder is made.
        epoch_ns: The run's epoch on the monotonic clock.

    Raises:
        EvidenceError: the spool is damaged.
        RecordingError: the file can't be written; the spool is kept.
    """
    arrays = list(read_frames(spool, TELEMETRY_DTYPE)) if spool.exists() else []
    frame = readings_frame(np.concatenate(arrays) if arrays else np.empty(0, TELEMETRY_DTYPE), epoch_ns)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            "the telemetry can't be written", value=f"{target}: {error}", remedy="Free some space."
        ) from error
    write_parquet(frame, target)
    spool.unlink(missing_ok=True)
    return frame
