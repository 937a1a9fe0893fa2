"""Why a case doesn't move.

SeatrialError
├── NotPermittedError   the person may not do this here
├── CaseMovedError      somebody else was quicker: the page showed a state that is no more
└── NotYetError         something that must hold does not
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.errors import SeatrialError

__all__ = ["CaseMovedError", "NotPermittedError", "NotYetError"]


class NotPermittedError(SeatrialError):
    """The person has no right to it."""


class CaseMovedError(SeatrialError):
    """The case is no longer as the person saw it; nothing was written."""


class NotYetError(SeatrialError):
    """Needs are not met; nothing was written.

    Attributes:
        needs: What each unmet need waits for, as sentences.
    """

    def __init__(self, what: str, needs: Sequence[str], *, remedy: str) -> None:
        super().__init__(what, value="; ".join(needs), remedy=remedy)
        self.needs = tuple(needs)
