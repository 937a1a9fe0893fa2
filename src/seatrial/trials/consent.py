"""The owner's consent, as the target serves it: fetched before anything else is sent, and again while a run lasts.

It goes through the engine: the same transport, proof of the certificate, proxy and header fields as the trial's own
requests. No redirect is followed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.clock import Clock
from seatrial.engine.errand import Errand
from seatrial.engine.http.target import Target
from seatrial.errors import EnvelopeError, NotAuthorisedError, SeatrialError
from seatrial.evidence.consent import CONSENT_PATH, MAX_CONSENT_BYTES, Consent, parse_consent
from seatrial.model.phase import Phase
from seatrial.model.plan import Deadlines, Plan
from seatrial.model.sample import Outcome
from seatrial.trials.limits import Limits
from seatrial.trials.options import RunOptions
from seatrial.trials.permission import Permission, refuse_beyond, refuse_testers

__all__ = ["ConsentWatch", "fetch_consent"]

_DEADLINES = {"connect": "3s", "response": "5s"}
_LEAVE_SECONDS = 0.5
_MOST_UNANSWERED = 3
_ANSWERED = (Outcome.OK, Outcome.CHECK_FAILED, Outcome.HTTP_ERROR)
_REMEDY = f"Have its owner serve a consent at {CONSENT_PATH}, or give a test order (--order)."
_BUSY = 429
_SERVER_ERROR = 500


class _OverError(Exception):
    """The run does not wait for the answer any more."""


class _Desk:
    """Asks one target for its consent."""

    def __init__(self, plan: Plan, target: Target, base: Path) -> None:
        question = {
            "get": CONSENT_PATH,
            "redirects": 0,
            "expect": {"status": 200, "size": {"at_most": MAX_CONSENT_BYTES}},
            "extract": {"document": {"regex": r"(?s)\A.*\Z"}},
        }
        patient = plan.model_copy(update={"deadlines": Deadlines.model_validate(_DEADLINES)})
        phase = Phase.model_validate({"steps": [question]})
        # The path is well-known: it stands at the root of the host, whatever the plan's target is below it.
        self._errand = Errand(phase, patient, replace(target, base=""), base)

    def ask(self, on_tick: Callable[[], object] = lambda: None) -> tuple[bytes | None, int, str]:
        """Return the document, or None with the answer's status (0 without an answer) and why."""
        done = self._errand.run(on_tick)
        if not done.steps:
            return None, 0, "no answer"
        step = done.steps[-1]
        if step.outcome is Outcome.OK:
            return str(done.variables.get("document", "")).encode(), step.status, ""
        answered = step.outcome in _ANSWERED
        why = step.detail or (f"status {step.status}" if answered else step.outcome.label)
        return None, step.status if answered else 0, why

    def close(self) -> None:
        self._errand.close()


def fetch_consent(plan: Plan, target: Target, base: Path) -> tuple[bytes, Consent]:
    """Return the consent that the target serves: its bytes, and what they say.

    Its addresses are asked one after the other, until one answers.

    Raises:
        NotAuthorisedError: none answers, the answer is no consent, or it can't be asked at all.
    """
    why = "it has no address"
    for address in target.addresses:
        try:
            desk = _Desk(plan, replace(target, addresses=(address,)), base)
            try:
                document, status, why = desk.ask()
            finally:
                desk.close()
        except (SeatrialError, OSError) as error:
            raise NotAuthorisedError(
                f"the target can't be asked for its consent ({str(error).removesuffix('.')})",
                value=target.host_port,
                remedy=_REMEDY,
            ) from error
        if document is not None:
            try:
                return document, parse_consent(document)
            except EnvelopeError as error:
                raise NotAuthorisedError(
                    f"what the target serves is no consent ({str(error).removesuffix('.')})",
                    value=f"{target.host_port}{CONSENT_PATH}",
                    remedy=_REMEDY,
                ) from error
        if status:
            break
    raise NotAuthorisedError(
        f"the target serves no consent ({why})", value=f"{target.host_port}{CONSENT_PATH}", remedy=_REMEDY
    )


class ConsentWatch:
    """Asks again while the ``with`` block is under way; does nothing where the load stands on no consent.

    The run ends when the consent is withdrawn (an answer that is none), when it forbids what is under way, and when no
    answer (or status 429 or 5xx) came three times in a row.

    Args:
        loaded: The plan, for everything that requests have in common.
        target: Where requests go.
        permission: What the load stands on.
        limits: Told of whatever changed.
        clock: Wall-clock time.
        options: For how often it asks.
    """

    def __init__(
        self,
        loaded: LoadedPlan,
        target: Target,
        permission: Permission | None,
        limits: Limits,
        clock: Clock,
        options: RunOptions,
    ) -> None:
        self._plan, self._target, self._base = loaded.plan, target, loaded.base.resolve()
        self._permission, self._limits, self._clock = permission, limits, clock
        self._every = options.consent_every_seconds
        self._is_on = permission is not None and permission.kind == "consent"
        self._unanswered = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="consent", daemon=True)

    def __enter__(self) -> ConsentWatch:
        if self._is_on:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._is_on:
            self._thread.join(_LEAVE_SECONDS)  # it is a daemon: a service that hangs keeps no run alive

    def _watch(self) -> None:
        desk: _Desk | None = None
        try:
            while not self._over.wait(self._every):
                try:
                    desk = desk or _Desk(self._plan, self._target, self._base)
                    self._take(*desk.ask(self._leave_if_over))
                except (SeatrialError, OSError) as error:
                    self._take(None, 0, str(error).removesuffix("."))
        except _OverError:
            return
        finally:
            if desk is not None:
                desk.close()

    def _take(self, document: bytes | None, status: int, why: str) -> None:
        """Take an answer; what it means for the run is the limits' to say."""
        permission = self._permission
        if permission is None:
            return
        if document is None and (not status or status == _BUSY or status >= _SERVER_ERROR):
            self._unanswered += 1
            if self._unanswered >= _MOST_UNANSWERED:
                self._limits.withdraw(f"the target did not show its consent {_MOST_UNANSWERED} times in a row ({why})")
            return
        self._unanswered = 0
        if document is None:
            self._limits.withdraw(f"the owner's consent was withdrawn ({why})")
        elif document != permission.document:
            self._changed(document, permission)

    def _changed(self, document: bytes, permission: Permission) -> None:
        try:
            consent = parse_consent(document)
            refuse_testers(consent.testers, permission.asked)
            refuse_beyond(consent.terms, permission.asked, self._clock.now(), 0)
        except SeatrialError as error:
            self._limits.withdraw(f"the owner's consent was changed, and forbids this ({str(error).removesuffix('.')})")
        else:
            self._limits.tighten(consent.terms)

    def _leave_if_over(self) -> None:
        if self._over.is_set():
            raise _OverError
