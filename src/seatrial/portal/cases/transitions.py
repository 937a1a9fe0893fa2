"""The one function that moves a case.

In one transaction it asks the rights, asks the needs, writes the new state on the condition that the version is
still the one that the person saw, and writes the event and the audit entry. Whoever is second finds another version
and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.portal import rights
from seatrial.portal.accounts.models import User
from seatrial.portal.audit import chain
from seatrial.portal.cases.errors import CaseMovedError, NotPermittedError, NotYetError
from seatrial.portal.cases.models import Case, CaseEvent
from seatrial.portal.cases.preconditions import Attempt, unmet
from seatrial.portal.cases.states import TRANSITIONS, Action

__all__ = ["BEGINS_A_ROUND", "move"]

BEGINS_A_ROUND = frozenset({Action.RESUBMIT, Action.RETURN_TO_TRIAL})


def move(
    case_id: int,
    version: int,
    action: Action,
    *,
    by: User,
    reasons: str = "",
    particulars: Mapping[str, Any] | None = None,
) -> CaseEvent:
    """Move a case, or leave it exactly as it was.

    Args:
        case_id: Which.
        version: As it was on the page that the person saw.
        action: Which way.
        by: Who.
        reasons: Why, as far as the action asks.
        particulars: What else it takes, by name; JSON.

    Returns:
        The event that was written.

    Raises:
        NotPermittedError: The person may not do this in this case as it stands.
        CaseMovedError: Somebody else moved it first.
        NotYetError: Something that must hold does not.
    """
    line = TRANSITIONS[action]
    with transaction.atomic():
        # The row is locked (on SQLite the whole database is), so that needs are asked of what will be moved.
        case = Case.objects.select_for_update(of=("self",)).select_related("system").filter(pk=case_id).first()
        if case is None or not rights.allowed(by.person(), rights.Work.VIEW_CASE, case.facts()):
            raise NotPermittedError(_("There is no such case for you"), remedy=_("Ask the case officer."))
        if case.version != version:
            raise _moved(case)
        if not rights.allowed(by.person(), action, case.facts()):
            raise NotPermittedError(
                _("You may not do this in this case as it stands"),
                value=action.value,
                remedy=_("Ask the case officer."),
            )
        attempt = Attempt(case, action, by, reasons, particulars or {})
        if waits := unmet(attempt):
            raise NotYetError(_("This is not yet possible"), waits, remedy=_("Complete it and try again."))
        now = timezone.now()
        round_ = case.round + (action in BEGINS_A_ROUND)
        changed = Case.objects.filter(pk=case.pk, version=version, state=case.state).update(
            state=line.to.value, version=version + 1, state_since=now, round=round_
        )
        if changed != 1:
            raise _moved(case)
        return _record(attempt, line.to.value, round_)


def _record(attempt: Attempt, to: str, round_: int) -> CaseEvent:
    event = CaseEvent.objects.create(
        case=attempt.case,
        by=attempt.by,
        action=attempt.action.value,
        from_state=attempt.case.state,
        to_state=to,
        round=round_,
        reasons=attempt.reasons.strip(),
        particulars=dict(attempt.particulars),
    )
    said = {"from": event.from_state, "to": to, "reasons": event.reasons, "particulars": event.particulars}
    chain.append(f"case.{attempt.action.value}", by=attempt.by, on=attempt.case, particulars=said)
    return event


def _moved(case: Case) -> CaseMovedError:
    return CaseMovedError(
        _("The case has moved since you saw it; nothing was written"),
        value=case.state,
        remedy=_("Read it again, then decide."),
    )
