"""Which colour a state has on the pages. The words beside it say what the state is; the colour only repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from seatrial.portal.cases.states import State

__all__ = ["TONES", "Tone", "tone_of"]


class Tone(StrEnum):
    """What a colour tells: nothing to do, somebody works, somebody must act next, well, badly, heed it."""

    NEUTRAL = "neutral"
    ACTIVE = "active"
    WAITING = "waiting"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"


TONES: Mapping[State, Tone] = MappingProxyType(
    {
        State.DRAFT: Tone.NEUTRAL,
        State.REGISTERED: Tone.WAITING,
        State.SCREENING: Tone.ACTIVE,
        State.NOT_SELECTED: Tone.NEUTRAL,
        State.SELECTED: Tone.WAITING,
        State.ARRANGING: Tone.ACTIVE,
        State.ARRANGED: Tone.WAITING,
        State.DOSSIER_OPEN: Tone.ACTIVE,
        State.READY: Tone.WAITING,
        State.TESTING: Tone.ACTIVE,
        State.ABORTED: Tone.WARNING,
        State.SEALED: Tone.WAITING,
        State.UNDER_REVIEW: Tone.ACTIVE,
        State.ADVISED: Tone.WARNING,
        State.REMEDIATING: Tone.ACTIVE,
        State.RECOMMENDED: Tone.WAITING,
        State.CONFIRMED: Tone.GOOD,
        State.CONFIRMED_WITH_CONDITIONS: Tone.GOOD,
        State.REFUSED: Tone.BAD,
        State.ROLLED_OUT: Tone.GOOD,
        State.ROLLED_OUT_WITHOUT_CONFIRMATION: Tone.BAD,
        State.EXPIRED: Tone.WARNING,
        State.SUSPENDED: Tone.WARNING,
        State.VOIDED: Tone.BAD,
        State.WITHDRAWN: Tone.NEUTRAL,
    }
)
"""Every state's tone. The stylesheet holds the same table, as classes ``state-…``; a test compares the two."""


def tone_of(state: State | str) -> Tone:
    """Return the tone of a state of a case.

    Args:
        state: The state, or its value as the database keeps it.

    Raises:
        ValueError: There is no such state.
    """
    return TONES[State(state)]
