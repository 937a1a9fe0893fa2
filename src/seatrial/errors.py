"""Every error that Seatrial raises, and what each one means.

    SeatrialError
    ├── UsageError            the command was called in a way that can't work
    ├── PlanError             the plan (or a file it names) is wrong: all problems at once
    ├── PolicyError           the policy document is wrong: all problems at once
    ├── NotAuthorisedError    the target may not be loaded
    ├── TargetError           the target can't be reached as the plan says
    ├── SetUpError            the steps before a trial failed, so the trial was not tried
    ├── EngineError           the load engine can't go on
    │   ├── WorkerLostError   a worker process died or fell silent
    │   └── RecordingError    a record could not be written (for example, the disk is full)
    ├── EvidenceError         a bundle, statement, key or envelope is not what it should be
    │   ├── BundleError       a bundle is missing a part, has one too many, or one was changed
    │   ├── EnvelopeError     an envelope or statement is malformed or of the wrong type
    │   ├── SignatureError    a signature is missing, wrong, or by a key that may not sign this
    │   └── KeyFileError      a key file or a trust file can't be read or is malformed
    ├── ConfirmationError     a confirmation can't be given on this evidence
    └── InterruptedRunError   a person stopped the run; the evidence so far is kept
        ├── TargetStoppedError    the service itself asked for the end of the run
        └── PermissionEndedError  the load may not go on: its window, its rate, or the consent ended it

Each message says what is wrong, where, the offending value and the remedy. Only the command line turns an
error into an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BundleError",
    "ConfirmationError",
    "EngineError",
    "EnvelopeError",
    "EvidenceError",
    "HappeningError",
    "InterruptedRunError",
    "KeyFileError",
    "NotAuthorisedError",
    "PermissionEndedError",
    "PlanError",
    "PolicyError",
    "Problem",
    "RecordingError",
    "SeatrialError",
    "SetUpError",
    "SignatureError",
    "TargetError",
    "TargetStoppedError",
    "UsageError",
    "WorkerLostError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a document.

    Attributes:
        what: What is wrong, as a sentence without its full stop.
        where: ``file:line`` (or ``file``), as an editor understands it.
        value: The offending value as it was written; None where there is none to show.
        remedy: What to write instead.
    """

    what: str
    where: str
    value: str | None
    remedy: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f": {self.value}"
        return f"{self.where}: {self.what}{shown}. {self.remedy}"


class SeatrialError(Exception):
    """The root of all errors raised on purpose."""

    def __init__(self, what: str, *, value: object = None, remedy: str = "") -> None:
        self.what = what
        self.value = value
        self.remedy = remedy
        shown = "" if value is None else f": {value}"
        super().__init__(f"{what}{shown}." + (f" {remedy}" if remedy else ""))


class UsageError(SeatrialError):
    """The command was called in a way that can't work."""


class _DocumentError(SeatrialError):
    """A document has problems; it carries all of them."""

    noun = "document"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise ValueError(f"a {type(self).__name__} needs at least one problem")
        Exception.__init__(self, "\n".join(str(p) for p in self.problems))
        self.what, self.value, self.remedy = str(self.problems[0]), None, self.problems[0].remedy


class PlanError(_DocumentError):
    """The plan, or a file that it names, is wrong. ``problems`` lists every fault found."""

    noun = "plan"


class PolicyError(_DocumentError):
    """The policy document is wrong. ``problems`` lists every fault found."""

    noun = "policy"


class NotAuthorisedError(SeatrialError):
    """Something is beyond loopback and no test order and no consent permits loading it so."""


class TargetError(SeatrialError):
    """The target does not resolve, refuses connections, or shows a wrong certificate."""


class SetUpError(SeatrialError):
    """A step of the set-up before a trial failed, so the trial was not tried. ``facts`` are for the journal."""

    def __init__(
        self, what: str, *, value: object = None, remedy: str = "", facts: dict[str, Any] | None = None
    ) -> None:
        super().__init__(what, value=value, remedy=remedy)
        self.facts = facts or {}


class HappeningError(SetUpError):
    """What was to be done to the service during a trial failed, so the trial says nothing. ``facts`` likewise."""


class EngineError(SeatrialError):
    """The load engine can't go on."""


class WorkerLostError(EngineError):
    """A worker process died or fell silent before its work was done."""


class RecordingError(EngineError):
    """A record could not be written, for example because the disk is full."""


class EvidenceError(SeatrialError):
    """A bundle, statement, key or envelope is not what it should be."""


class BundleError(EvidenceError):
    """A bundle is missing a part, has one too many, or one was changed."""


class EnvelopeError(EvidenceError):
    """An envelope or the statement in it is malformed or of the wrong type."""


class SignatureError(EvidenceError):
    """A signature is missing, wrong, or by a key that may not sign this."""


class KeyFileError(EvidenceError):
    """A key file or a trust file can't be read or is malformed."""


class ConfirmationError(SeatrialError):
    """A confirmation can't be given on this evidence."""


class InterruptedRunError(SeatrialError):
    """A person stopped the run. The evidence so far is kept and marked."""


class TargetStoppedError(InterruptedRunError):
    """The service itself asked for the end of the run: by its stop address or by a header of an answer."""


class PermissionEndedError(InterruptedRunError):
    """The load may not go on: the window is over, too much was sent, or the owner's consent is gone."""
