"""What a worker is told to offer, and what it says when that is over."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.schedule import Schedule
from seatrial.model.users import UserDraws

__all__ = ["StageDone", "StageOrder"]


@dataclass(frozen=True, slots=True)
class StageOrder:
    """What a worker is told to offer.

    Attributes:
        schedule: The whole stage's arrivals.
        stage: Index of the stage in its trial.
        start_ns: Instant on the monotonic clock that arrivals count from.
        duration_ns: Length of the profile.
        drain_ns: Longest wait for the tail.
        worker: Index of this worker.
        workers: Number of workers.
        draws: Of a closed model, whose schedule is empty; None of an open one.
    """

    schedule: Schedule
    stage: int
    start_ns: int
    duration_ns: int
    drain_ns: int
    worker: int
    workers: int
    draws: UserDraws | None = None


@dataclass(frozen=True, slots=True)
class StageDone:
    """What a worker says at the end of a stage; times on the monotonic clock.

    Attributes:
        sessions: Sessions that it intended, unsent ones included.
        load_end_ns: When the last arrival had been due.
        drained_ns: When its last session was over or given up.
    """

    sessions: int
    load_end_ns: int
    drained_ns: int
