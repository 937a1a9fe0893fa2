"""Ctrl-C and SIGTERM: the first stops the load and keeps the evidence, the second ends the program at once.

The first only leaves a mark, which the run looks at wherever it may leave what it is doing: an exception out of a
signal handler could tear a worker's report in two, or a record half written.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from seatrial.errors import InterruptedRunError

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Listens while a run is under way; a signal that is ignored on entry (``nohup``) stays so.

    Attributes:
        asked: Whether a person asked to stop.

    Args:
        at_once: Called at the second signal. It should not return; where it does, KeyboardInterrupt is raised.
    """

    def __init__(self, at_once: Callable[[], object]) -> None:
        self.asked = False
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
            raise InterruptedRunError("a person stopped the run", remedy="The evidence so far is kept and marked.")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._at_once()
            raise KeyboardInterrupt
        self.asked = True
