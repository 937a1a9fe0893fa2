"""What the runner does to the service at a given moment of a trial: a fault, its end, another size.

A thread sends the requests, through the engine and outside the results, so that nothing of the load waits for them.
When each began and ended stands in the journal: the verdict counts from there, and a trial whose fault was not made
in time says nothing.

What mends the service is owed to it once the fault was begun, even half-way: however the run is broken off, it is sent
before anything else. Only a person may leave it out, who does not want to wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from seatrial.engine.errand import Errand, ErrandDone
from seatrial.engine.http.target import Target
from seatrial.errors import HappeningError, RecordingError, SeatrialError
from seatrial.model.journal import EventKind
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.trial_base import Happening
from seatrial.trials.stopping import StopSignals

__all__ = ["Happenings", "StageHappenings"]

_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.1


class _Log(Protocol):
    def __call__(self, kind: EventKind, trial: int, stage: int, data: dict[str, Any]) -> None: ...


class _OverError(Exception):
    """The stage does not wait for it any more."""


class Happenings:
    """What is done to the service in one trial.

    Args:
        plan: The plan.
        target: Where requests go.
        base: Folder that names in the plan refer to.
        given: Variables that the trial's set-up left behind.
        trial: Index of the trial.
        epoch_ns: The run's epoch on the monotonic clock.
        log: Writes an event into the journal.
        say: Told what people want to know, as a sentence.
        leave: Raises when the run is to end.
        signals: Whether a person does not want to wait.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        base: Path,
        given: Mapping[str, Any],
        trial: int,
        epoch_ns: int,
        log: _Log,
        say: Callable[[str], object],
        leave: Callable[[], object],
        signals: StopSignals,
    ) -> None:
        self.signals = signals
        self._plan, self._target, self._base, self._given = plan, target, base, given
        self._trial, self._epoch_ns, self._log, self._say, self._leave = trial, epoch_ns, log, say, leave

    def beforehand(self, happening: Happening, stage: Stage) -> None:
        """Do something before a stage begins, and wait for its end.

        Raises:
            HappeningError: it could not be done.
            InterruptedRunError: the run is to end.
        """
        with self.errand(happening) as errand:
            self.tell(happening, stage, *_timed(errand, self._leave))

    def errand(self, happening: Happening) -> Errand:
        """Return what will send the requests, ready to go.

        Raises:
            HappeningError: it can't be made ready.
        """
        try:
            return Errand(happening.phase, self._plan, self._target, self._base, self._given)
        except (OSError, SeatrialError) as error:
            raise _failed(happening, str(error)) from error

    def tell(
        self,
        happening: Happening,
        stage: Stage,
        began_ns: int,
        ended_ns: int,
        done: ErrandDone | SeatrialError | OSError,
    ) -> None:
        """Write down what was done, and when.

        Raises:
            HappeningError: it failed.
        """
        steps = [] if not isinstance(done, ErrandDone) else [step.as_document() for step in done.steps]
        span = {"began_ns": began_ns - self._epoch_ns, "ended_ns": ended_ns - self._epoch_ns}
        facts = {"name": happening.name, **span, "steps": steps}
        if not isinstance(done, ErrandDone):
            raise _failed(happening, str(done), facts)
        if (failure := done.failure) is not None:
            raise _failed(happening, f"step {failure.step!r} ended as {failure.outcome.label}", facts)
        if not any(step.outcome is Outcome.OK for step in done.steps):
            raise _failed(happening, "none of its steps was taken and ended ok", facts)
        self._log(EventKind.HAPPENED, self._trial, stage.index, facts)
        self._say(happening.name)

    def mend(self, happening: Happening, stage: Stage, errand: Errand) -> None:
        """Do what is owed to the service when its stage was broken off; where that fails it is told, and no more."""
        self._say(f"{happening.name}, since the run is broken off")
        try:
            self.tell(happening, stage, *_timed(errand, self.leave_if_skipped))
        except _OverError:
            self._not_mended(happening, stage, "a person skipped it", {})
        except HappeningError as error:
            self._not_mended(happening, stage, str(error).removesuffix("."), error.facts)
        except SeatrialError as error:
            self._not_mended(happening, stage, str(error).removesuffix("."), {})

    def _not_mended(self, happening: Happening, stage: Stage, why: str, facts: dict[str, Any]) -> None:
        self._say(f"{happening.name} failed, so the fault may still be there: {why}")
        known = {"name": happening.name, "steps": [], "detail": f"{happening.name}: {why}"}
        with suppress(RecordingError):  # the disk may be why the run ended
            self._log(EventKind.HAPPENING_FAILED, self._trial, stage.index, facts | known)

    def leave_if_skipped(self) -> None:
        """Leave a request that mends where a person does not want to wait for it."""
        if self.signals.skipped:
            raise _OverError


def _timed(errand: Errand, leave: Callable[[], object]) -> tuple[int, int, ErrandDone | SeatrialError | OSError]:
    began_ns = time.monotonic_ns()
    try:
        done: ErrandDone | SeatrialError | OSError = errand.run(leave)
    except OSError as error:
        done = error
    return began_ns, time.monotonic_ns(), done


def _failed(happening: Happening, why: str, facts: dict[str, Any] | None = None) -> HappeningError:
    facts = facts or {"name": happening.name, "steps": []}
    return HappeningError(f"{happening.name} could not be made", value=why.removesuffix("."), facts=facts)


class StageHappenings:
    """What is done to the service while one stage runs. Use as a context manager.

    Args:
        of_trial: Makes and writes down what is done.
        stage: The stage.
        wanted: What is to be done, by time; possibly nothing.

    Raises:
        HappeningError: something can't be made ready.
    """

    def __init__(self, of_trial: Happenings, stage: Stage, wanted: tuple[Happening, ...]) -> None:
        self._of_trial, self._stage = of_trial, stage
        self._ready = [(happening, of_trial.errand(happening)) for happening in wanted]
        self._done: list[tuple[Happening, tuple[int, int, ErrandDone | SeatrialError | OSError]]] = []
        self._told = self._begun = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, start_ns: int) -> None:
        """Take the instant on the monotonic clock that the stage's arrivals count from."""
        if self._ready:
            self._thread = threading.Thread(target=self._work, args=(start_ns,), name="happenings", daemon=True)
            self._thread.start()

    def look(self) -> None:
        """Write down what was done since the last look.

        Raises:
            HappeningError: something could not be done.
        """
        while self._told < len(self._done):
            happening, told = self._done[self._told]
            self._told += 1
            self._of_trial.tell(happening, self._stage, *told)

    def finish(self) -> None:
        """Write down the rest, when the stage is over.

        Raises:
            HappeningError: something could not be done, or was not done by then.
        """
        if self._thread is not None:
            self._thread.join(_LEAVE_SECONDS)
        self.look()
        if self._told < len(self._ready):
            raise _failed(self._ready[self._told][0], "it had not ended when the stage was over")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if error is not None and isinstance(error, Exception):
            with self._of_trial.signals.skippable():
                self._mend()
        if self._thread is not None:
            self._thread.join(_LEAVE_SECONDS)  # it is a daemon: a service that hangs keeps no run alive
        if self._thread is None or not self._thread.is_alive():
            for _, errand in self._ready:
                errand.close()

    def _mend(self) -> None:
        """Send what is owed to the service: what mends a thing that was begun, and was not tried yet."""
        while self._thread is not None and self._thread.is_alive() and not self._of_trial.signals.skipped:
            self._thread.join(_LOOK_SECONDS)  # it leaves what it makes, and completes what it mends
        with suppress(HappeningError, RecordingError):
            self.look()
        for place, (happening, errand) in enumerate(self._ready):
            if happening.mends and self._begun == place:
                self._of_trial.mend(happening, self._stage, errand)

    def _work(self, start_ns: int) -> None:
        for place, (happening, errand) in enumerate(self._ready):
            wait_ns = start_ns + happening.at_ns - time.monotonic_ns()
            if self._over.wait(max(0.0, wait_ns / 1e9)):
                return
            self._begun = place + 1
            leave = self._of_trial.leave_if_skipped if happening.mends else self._leave_if_over
            try:
                self._done.append((happening, _timed(errand, leave)))
            except SeatrialError as error:
                now_ns = time.monotonic_ns()
                self._done.append((happening, (now_ns, now_ns, error)))
            except _OverError:
                return

    def _leave_if_over(self) -> None:
        if self._over.is_set():
            raise _OverError
