"""Set-up before each trial's clock starts, tear-down after its last session: outside the results, told in the journal.

What a set-up extracts goes to the sessions and the tear-down, and nowhere else: it may be a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from seatrial.engine.errand import Errand
from seatrial.engine.http.target import Target
from seatrial.errors import RecordingError, SeatrialError, SetUpError
from seatrial.model.journal import EventKind
from seatrial.model.plan import Plan
from seatrial.trials.stopping import Stops

__all__ = ["Phases"]


class _Log(Protocol):
    def __call__(self, kind: EventKind, trial: int, *, data: dict[str, Any]) -> None: ...


class _SkippedError(Exception):
    """A person does not want to wait for the tear-down."""


class Phases:
    """The set-up and tear-down of a run's trials.

    Args:
        plan: The plan.
        target: Where requests go.
        base: Folder that names in the plan refer to.
        log: Writes an event into the journal.
        say: Told what people want to know, as a sentence.
        stops: What ends the run.
    """

    def __init__(
        self, plan: Plan, target: Target, base: Path, log: _Log, say: Callable[[str], object], stops: Stops
    ) -> None:
        self._plan, self._target, self._base = plan, target, base
        self._log, self._say, self._stops = log, say, stops
        self._given: dict[str, Any] = {}

    def set_up(self, trial: int) -> Mapping[str, Any]:
        """Take the set-up's steps and return what they extracted; nothing where the plan has none.

        Raises:
            SetUpError: a step failed, or could not be taken at all.
            InterruptedRunError: the run is to end.
            RecordingError: the journal can't be written.
        """
        self._given = {}
        if self._plan.set_up is None:
            return self._given
        self._log(EventKind.SET_UP_STARTED, trial, data={})
        self._say("set-up")
        try:
            with Errand(self._plan.set_up, self._plan, self._target, self._base) as errand:
                try:
                    done = errand.run(self._stops.raise_if_asked)
                finally:
                    self._given = errand.variables  # also of one that is broken off: what was made is cleared away
        except (OSError, SeatrialError) as error:
            if isinstance(error, SeatrialError) and error is self._stops.reason():
                raise
            raise SetUpError("the set-up can't be taken", value=str(error).removesuffix(".")) from error
        steps = [step.as_document() for step in done.steps]
        if (failure := done.failure) is not None:
            raise SetUpError(
                f"step {failure.step!r} of the set-up ended as {failure.outcome.label}",
                value=failure.detail or None,
                facts={"step": failure.step, "outcome": failure.outcome.label, "steps": steps},
            )
        self._log(EventKind.SET_UP_ENDED, trial, data={"steps": steps})
        return self._given

    def tear_down(self, trial: int) -> None:
        """Take the tear-down's steps, with what the set-up extracted. Its failure is told and changes nothing else."""
        if self._plan.tear_down is None:
            return
        self._tell(EventKind.TEAR_DOWN_STARTED, trial, {})
        self._say("tear-down")
        steps: list[dict[str, Any]] = []
        detail = ""
        try:
            with (
                self._stops.signals.skippable(),
                Errand(self._plan.tear_down, self._plan, self._target, self._base, self._given) as errand,
            ):
                done = errand.run(self._leave_if_skipped)
            steps = [step.as_document() for step in done.steps]
            if (failure := done.failure) is not None:
                detail = f"step {failure.step!r} ended as {failure.outcome.label}"
        except _SkippedError:
            detail = "a person skipped it"
        except (OSError, SeatrialError) as error:
            detail = f"it can't be taken: {error}".removesuffix(".")
        if detail:
            self._say(f"tear-down failed: {detail}")
            self._tell(EventKind.TEAR_DOWN_FAILED, trial, {"detail": detail, "steps": steps})
        else:
            self._tell(EventKind.TEAR_DOWN_ENDED, trial, {"steps": steps})

    def _leave_if_skipped(self) -> None:
        if self._stops.signals.skipped:
            raise _SkippedError

    def _tell(self, kind: EventKind, trial: int, data: dict[str, Any]) -> None:
        with suppress(RecordingError):  # the disk may be why the trial ended
            self._log(kind, trial, data=data)
