"""Attempts on one seal: how many times sealed criteria were tried, and what became of the earlier ones.

Criteria are sealed before the trial, and every attempt on them is kept, aborted and invalid ones too: who tries until
it is green is seen to have done so.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from seatrial.model.document import Strict
from seatrial.model.journal import Ending

__all__ = ["ENDINGS", "KILLED", "NOT_ENDED", "Attempt", "EarlierAttempt", "numbers", "outcome"]

NOT_ENDED = "not ended"
KILLED = "killed"
"""How an attempt ended whose run was killed, and whose bundle was closed later."""
ENDINGS = (*(str(ending) for ending in Ending if ending is not Ending.UNKNOWN), KILLED)


class EarlierAttempt(Strict):
    """An attempt on the same seal before this one.

    Attributes:
        number: From 1.
        bundle: The name of its bundle's folder.
        verdict: Its verdict; None where no end was written: the run was killed, or its end was not kept.
        ending: How it ended, one of :data:`ENDINGS`; None likewise.
        evidence: The digest of its evidence; None likewise.
    """

    number: int = Field(ge=1)
    bundle: str
    verdict: str | None
    ending: str | None
    evidence: str | None


class Attempt(Strict):
    """Which attempt on its seal a run was.

    Attributes:
        number: From 1.
        earlier: Every attempt before it.
    """

    number: int = Field(ge=1)
    earlier: tuple[EarlierAttempt, ...] = ()

    @property
    def not_passed(self) -> tuple[EarlierAttempt, ...]:
        """The earlier attempts that did not come to a PASS, those without an end among them."""
        return tuple(attempt for attempt in self.earlier if attempt.verdict != "PASS")


def outcome(attempt: EarlierAttempt) -> str:
    """Return what became of an attempt: ``FAIL``, ``INVALID (interrupted)`` or ``not ended``."""
    if attempt.verdict is None:
        return NOT_ENDED
    return attempt.verdict if attempt.ending in ("completed", None) else f"{attempt.verdict} ({attempt.ending})"


def numbers(found: Iterable[int]) -> str:
    """Return numbers as a person lists them: ``1``, ``1 and 2``, ``1, 2 and 5``."""
    *first, last = [str(number) for number in found]
    return f"{', '.join(first)} and {last}" if first else last
