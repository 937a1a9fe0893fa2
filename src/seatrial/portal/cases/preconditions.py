"""What must hold before a case moves, beside the right to move it.

The table names needs (:class:`~seatrial.portal.cases.states.Need`); each room says how one is met, by a function
under :func:`meets` in its ``needs.py``, which its application loads. A need that no function meets is not met: a room
that is missing lets nothing through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from seatrial.portal.accounts.models import User
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import TRANSITIONS, Action, Need

__all__ = ["Attempt", "Check", "meets", "unmet"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody would move a case.

    Attributes:
        case: As it is in the database, locked for the rest of the transaction.
        action: Which way.
        by: Who.
        reasons: What they wrote.
        particulars: What else the action takes, by name; it becomes part of the event.
    """

    case: Case
    action: Action
    by: User
    reasons: str
    particulars: Mapping[str, Any]


Check: TypeAlias = Callable[[Attempt], str | None]
"""Says what the need waits for, as a sentence in the reader's language; None where it is met."""

_CHECKS: dict[Need, Check] = {}


def meets(need: Need) -> Callable[[Check], Check]:
    """Let a function say whether a need is met; one function for each need."""

    def register(check: Check) -> Check:
        if need in _CHECKS and _CHECKS[need] is not check:
            raise ValueError(f"two functions meet {need}")
        _CHECKS[need] = check
        return check

    return register


def unmet(attempt: Attempt) -> list[str]:
    """Return what the move waits for: a sentence for each unmet need, in the order of the table."""
    waits = []
    for need in TRANSITIONS[attempt.action].needs:
        check = _CHECKS.get(need)
        said = _("Not yet possible here: %(need)s.") % {"need": need.value} if check is None else check(attempt)
        if said is not None:
            waits.append(said)
    return waits
