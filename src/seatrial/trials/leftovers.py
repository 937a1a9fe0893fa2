"""What stages and trials leave behind, on its way into the bundle.

What merges records is large and is imported where it is used: not before there are records.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.backends.base import StageRun
from seatrial.model.journal import StageLog
from seatrial.model.profile import Stage
from seatrial.samples.spool import health_file, stage_file

if TYPE_CHECKING:
    from seatrial.trials.prospect import Hopeless

__all__ = ["merge_leftovers", "merge_readings", "merge_workers_health", "stage_log"]


def merge_leftovers(records: Path, spool: Path, workers: int, epoch_ns: int) -> None:
    """Merge the rows of stages that were broken off.

    Args:
        records: The trial's records folder.
        spool: Where its workers wrote.
        workers: How many there were.
        epoch_ns: The run's epoch on the monotonic clock.

    Raises:
        EvidenceError: a spool is damaged.
        RecordingError: the records can't be written; the spools are kept.
    """
    from seatrial.samples.merge import merge_stage

    for stage in sorted({int(path.name[6:10]) for path in spool.glob("stage-*.rows")}):
        merge_stage([stage_file(spool, stage, worker) for worker in range(workers)], records, epoch_ns)


def merge_workers_health(file: Path, spool: Path, workers: int, epoch_ns: int) -> None:
    """Write the health rows of all workers of a trial as one file; arguments and errors as above."""
    from seatrial.samples.merge import merge_health

    merge_health([health_file(spool, worker) for worker in range(workers)], file, epoch_ns)


def merge_readings(file: Path, spool: Path, epoch_ns: int) -> None:
    """Write the readings of the service's own figures of a trial as one file; arguments and errors as above."""
    from seatrial.samples.telemetry import merge_telemetry, telemetry_file

    merge_telemetry(telemetry_file(spool), file, epoch_ns)


def stage_log(stage: Stage, run: StageRun, found: Hopeless | None, epoch_ns: int) -> StageLog:
    """Return what the journal will say of a finished stage.

    Args:
        stage: The stage.
        run: What its workers said of it.
        found: Why and when its load was ended early; None where it was not.
        epoch_ns: The run's epoch on the monotonic clock.
    """
    load_end_ns = run.load_end_ns if found is None else found.end_ns
    return StageLog(
        index=stage.index,
        started_ns=run.started_ns - epoch_ns,
        load_end_ns=load_end_ns - epoch_ns,
        drained_ns=run.drained_ns - epoch_ns,
        sessions=run.sessions,
        cut=None if found is None else found.cut,
    )
