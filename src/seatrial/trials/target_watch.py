"""Asking the service once a second whether it wants the run to end.

A thread of the run's own process asks, so that no answer, however late, holds up anything. It goes through the
engine: the same transport, proof of the certificate, proxy and header fields as the trial's own requests.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from seatrial.engine.errand import Errand
from seatrial.engine.http.target import Target
from seatrial.errors import SeatrialError
from seatrial.model.phase import Phase
from seatrial.model.plan import Deadlines, Plan
from seatrial.model.sample import Outcome

__all__ = ["TargetWatch"]

_DEADLINES = {"connect": "1s", "response": "1s"}
_LEAVE_SECONDS = 0.5
_ANSWERED = (Outcome.OK, Outcome.CHECK_FAILED, Outcome.HTTP_ERROR)


class _OverError(Exception):
    """The run does not wait for the answer any more."""


class TargetWatch:
    """Asks while the ``with`` block is under way; does nothing where the plan names no stop address.

    What is unreachable, slow or malformed changes nothing and is counted. So is any other answer than status 200
    with the word ``stop`` in its body.

    Attributes:
        asked: How often it asked.
        unanswered: How often no whole answer came within a second for the connection and a second for the answer.

    Args:
        plan: For the address, and for everything that requests have in common.
        target: Where requests go.
        base: Folder that names in the plan refer to.
        every_seconds: From one question to the next.
    """

    def __init__(self, plan: Plan, target: Target, base: Path, every_seconds: float = 1.0) -> None:
        self.asked = self.unanswered = 0
        self._url = plan.stop.url
        self._plan = plan.model_copy(update={"deadlines": Deadlines.model_validate(_DEADLINES)})
        self._target, self._base, self._every = target, base, every_seconds
        self._over = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stop address", daemon=True)

    def __enter__(self) -> TargetWatch:
        if self._url is not None:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._url is not None:
            self._thread.join(_LEAVE_SECONDS)  # it is a daemon: a service that hangs keeps no run alive

    @property
    def is_on(self) -> bool:
        """Return whether the plan names a stop address."""
        return self._url is not None

    def said(self) -> str | None:
        """Return what the service said, as a sentence without its full stop; None where it did not ask for the end."""
        return f"the service's stop address {self._url} answered stop" if self._stopped.is_set() else None

    def _watch(self) -> None:
        try:
            question = {"get": self._url, "redirects": 0, "expect": {"status": 200, "matches": r"\bstop\b"}}
            with Errand(Phase.model_validate({"steps": [question]}), self._plan, self._target, self._base) as errand:
                while not self._over.is_set():
                    begun = time.monotonic()
                    self._ask(errand)
                    if self._stopped.is_set() or self._over.wait(max(0.0, begun + self._every - time.monotonic())):
                        return
        except (SeatrialError, OSError):  # it can't even be asked: of no consequence for what is asked of the service
            self.asked, self.unanswered = self.asked + 1, self.unanswered + 1

    def _ask(self, errand: Errand) -> None:
        self.asked += 1
        outcome = Outcome.ABORTED
        try:
            done = errand.run(self._leave_if_over)
            outcome = done.steps[-1].outcome if done.steps else outcome
        except (SeatrialError, OSError, _OverError):
            pass
        if outcome is Outcome.OK:
            self._stopped.set()
        elif outcome not in _ANSWERED:
            self.unanswered += 1

    def _leave_if_over(self) -> None:
        if self._over.is_set():
            raise _OverError
