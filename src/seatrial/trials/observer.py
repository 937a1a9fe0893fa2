"""What a run tells while it runs: for the live terminal view, and for nobody's verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from seatrial.engine.worker import Tick
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.verdict import RunVerdict, StageResult

__all__ = ["Observer", "Observers", "SilentObserver"]


class Observer(Protocol):
    """Told of everything as it happens, in the run's own thread: be quick, and never raise."""

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Take note that the bundle exists and the target answered."""
        ...

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Take note that a stage's load begins."""
        ...

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Take one worker's report of about a second."""
        ...

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Take what the stage showed."""
        ...

    def stopping(self) -> None:
        """Take note that a person, a file or the service asked for the end; what is under way may finish."""
        ...

    def noted(self, sentence: str) -> None:
        """Take note of something that people want to know while they wait; without its full stop."""
        ...

    def failed(self, sentence: str) -> None:
        """Take note that the run can't go on, and why."""
        ...

    def run_ended(self, verdict: RunVerdict) -> None:
        """Take the verdict."""
        ...


class SilentObserver:
    """An observer that tells nobody."""

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Do nothing."""

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Do nothing."""

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Do nothing."""

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Do nothing."""

    def stopping(self) -> None:
        """Do nothing."""

    def noted(self, sentence: str) -> None:
        """Do nothing."""

    def failed(self, sentence: str) -> None:
        """Do nothing."""

    def run_ended(self, verdict: RunVerdict) -> None:
        """Do nothing."""


class Observers:
    """Several observers that are told of everything, one after the other.

    Args:
        all_of_them: At least one.
    """

    def __init__(self, *all_of_them: Observer) -> None:
        self._all = all_of_them

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.run_started(plan, bundle, workers)

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.stage_started(trial, stage)

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.tick(trial, stage, tick)

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.stage_ended(trial, stage, result)

    def stopping(self) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.stopping()

    def noted(self, sentence: str) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.noted(sentence)

    def failed(self, sentence: str) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.failed(sentence)

    def run_ended(self, verdict: RunVerdict) -> None:
        """Tell all of them."""
        for observer in self._all:
            observer.run_ended(verdict)
