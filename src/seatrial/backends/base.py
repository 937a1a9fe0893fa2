"""What a backend is: it starts a trial's workers, has them run stages, and tells when one is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seatrial.engine.worker import Tick, WorkerSpec
from seatrial.model.profile import Stage

__all__ = ["Backend", "OnTick", "StageRun"]

OnTick = Callable[[Tick], None]


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage that every worker ran to its end; times on the monotonic clock.

    Attributes:
        started_ns: The instant that its arrivals count from.
        load_end_ns: When its last arrival had been due.
        drained_ns: When the last session of the slowest worker was over or given up.
        sessions: Sessions intended, over all workers.
        spools: Their rows, one file per worker.
    """

    started_ns: int
    load_end_ns: int
    drained_ns: int
    sessions: int
    spools: tuple[Path, ...]


class Backend(Protocol):
    """Workers for one trial. Use as a context manager: leaving it ends every worker."""

    def __enter__(self) -> Backend: ...

    def __exit__(self, *exc: object) -> None: ...

    def start(self, specs: list[WorkerSpec]) -> None:
        """Start one worker per spec and wait until all are ready.

        Raises:
            EngineError: one does not come up.
        """
        ...

    def run_stage(self, stage: Stage, on_start: Callable[[int], None], on_tick: OnTick) -> StageRun:
        """Run a stage on all workers.

        Args:
            stage: What to offer.
            on_start: Told the instant that arrivals count from.
            on_tick: Told each worker's report.

        Raises:
            WorkerLostError: a worker died, fell silent, or its journeys failed.
            RecordingError: a worker can't write its records.
            KeyboardInterrupt: a person wants to stop; call :meth:`stop`.
        """
        ...

    def cut(self, at_ns: int) -> None:
        """Have all workers offer no session of the current stage that is due at ``at_ns`` or later.

        Asked from within ``on_tick``; the stage then ends on every worker within a few seconds, and :meth:`run_stage`
        returns as ever.

        Args:
            at_ns: On the monotonic clock, a moment ahead.
        """
        ...

    def stop(self, on_tick: OnTick) -> None:
        """Have all workers offer nothing more, and wait a few seconds until they have finished."""
        ...
