"""Who may end a run before its plan is through: a person, a file that appears, the service itself, its permission.

The first Ctrl-C or SIGTERM stops the load and keeps the evidence, the second ends the program at once. While a fault is
being mended or a tear-down is under way the next only ends that, and the one after it the program.

A wish only leaves a mark, which the run looks at wherever it may leave what it is doing: an exception out of a
signal handler could tear a worker's report in two, or a record half written.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from seatrial.engine.http.stop_field import stop_requests
from seatrial.errors import InterruptedRunError, TargetStoppedError, UsageError

__all__ = ["StopSignals", "Stops"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KEPT = "The evidence so far is kept and marked."


class StopSignals:
    """Listens while a run is under way; a signal that is ignored on entry (``nohup``) stays so.

    Attributes:
        asked: Whether a person asked to stop.
        skipped: Whether a person asked to leave the tear-down, or the end of a fault that is sent before it.

    Args:
        at_once: Called at the second signal. It should not return; where it does, KeyboardInterrupt is raised.
    """

    def __init__(self, at_once: Callable[[], object]) -> None:
        self.asked = False
        self.skipped = False
        self._skippable = False
        self._at_once = at_once
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        with suppress(ValueError):  # not the main thread: whoever runs us there stops us in their own way
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def raise_if_asked(self) -> None:
        """Leave the run where it may be left.

        Raises:
            InterruptedRunError: a person asked to stop.
        """
        if self.asked:
            raise InterruptedRunError("a person stopped the run", remedy=_KEPT)

    @contextmanager
    def skippable(self) -> Iterator[None]:
        """Let the next signal after the first mark ``skipped`` while the block is under way."""
        self._skippable, self.skipped = True, False
        try:
            yield
        finally:
            self._skippable = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked and self._skippable and not self.skipped:
            self.skipped = True
            return
        if self.asked:
            self._at_once()
            raise KeyboardInterrupt
        self.asked = True


class Stops:
    """Everything that ends a run early, looked at about once a second.

    Args:
        signals: A person's wish.
        files: The run ends when one of them appears.
        said_by_service: What the service's stop address said, or None; never waits.
        ended_by_permission: Why the load may not go on, or None; never waits.

    Raises:
        UsageError: one of the files is there already.
    """

    def __init__(
        self,
        signals: StopSignals,
        files: Sequence[Path],
        said_by_service: Callable[[], str | None] = lambda: None,
        ended_by_permission: Callable[[], InterruptedRunError | None] = lambda: None,
    ) -> None:
        self.signals = signals
        self._files = tuple(files)
        self._said_by_service = said_by_service
        self._ended_by_permission = ended_by_permission
        self._heads = stop_requests()
        self._reason: InterruptedRunError | None = None
        present = self._present()
        if present is not None:
            raise UsageError(
                "the file that would stop the run is there already", value=present, remedy="Remove it, then run again."
            )

    def note(self, stop_asked: bool) -> None:
        """Take what a worker heard: whether an answer of the service had a ``seatrial-stop`` field."""
        if stop_asked and self._reason is None:
            self._reason = TargetStoppedError("an answer of the service has the field seatrial-stop", remedy=_KEPT)

    def reason(self) -> InterruptedRunError | None:
        """Return why the run is to end; None where it is to go on. The first reason stays."""
        if self._reason is None:
            self._reason = self._look()
        return self._reason

    def raise_if_asked(self) -> None:
        """Leave the run where it may be left.

        Raises:
            InterruptedRunError: a person, a file, (TargetStoppedError) the service or (PermissionEndedError) the end of
                its permission ends it.
        """
        reason = self.reason()
        if reason is not None:
            raise reason

    def _look(self) -> InterruptedRunError | None:
        if self.signals.asked:
            return InterruptedRunError("a person stopped the run", remedy=_KEPT)
        said = self._said_by_service()
        if said is not None:
            return TargetStoppedError(said, remedy=_KEPT)
        self.note(stop_requests() > self._heads)
        if self._reason is not None:
            return self._reason
        ended = self._ended_by_permission()
        if ended is not None:
            return ended
        present = self._present()
        return None if present is None else InterruptedRunError("a stop file appeared", value=present, remedy=_KEPT)

    def _present(self) -> Path | None:
        for path in self._files:
            with suppress(OSError):  # a folder that can't be looked into holds no file that anyone could put there
                if path.exists():
                    return path
        return None
