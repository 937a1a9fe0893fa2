"""How the needs are met that a case can answer by itself."""

from __future__ import annotations

from datetime import date

from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.portal.cases.preconditions import Attempt, meets
from seatrial.portal.cases.states import Need
from seatrial.portal.screening import Outcome

__all__ = ["LONGEST_NON_SELECTION_DAYS"]

LONGEST_NON_SELECTION_DAYS = 366
_SHORTEST_REASONS = 10


@meets(Need.RELEASE_BOUND)
def _release_bound(attempt: Attempt) -> str | None:
    return None if attempt.case.release_id else _("A release manifest must be handed in.")


@meets(Need.FORECAST_GIVEN)
def _forecast_given(attempt: Attempt) -> str | None:
    given = attempt.case.forecast is not None and attempt.case.peak_per_second is not None
    return None if given and attempt.case.opens_at else _("The forecast and the opening date must be given.")


@meets(Need.REASONS_GIVEN)
def _reasons_given(attempt: Attempt) -> str | None:
    if len(attempt.reasons.strip()) >= _SHORTEST_REASONS:
        return None
    return _("Reasons must be written, in ten characters at least.")


@meets(Need.SCORE_GIVEN)
def _score_given(attempt: Attempt) -> str | None:
    return None if attempt.case.screenings.exists() else _("The score must be given.")


@meets(Need.SCORE_ALLOWS_IT)
def _score_allows_it(attempt: Attempt) -> str | None:
    latest = attempt.case.screenings.first()
    if latest is not None and latest.outcome in (Outcome.PANEL, Outcome.SELF_DECLARATION):
        return None
    return _("By the policy this score selects the system; the panel can't leave it out.")


@meets(Need.EXPIRY_GIVEN)
def _expiry_given(attempt: Attempt) -> str | None:
    try:
        expires = date.fromisoformat(str(attempt.particulars.get("expires_on", "")))
    except ValueError:
        return _("A date must be given on which the decision expires.")
    days = (expires - timezone.localdate()).days
    if not 1 <= days <= LONGEST_NON_SELECTION_DAYS:
        return _("The decision must expire within a year, and not today.")
    return None


@meets(Need.VALIDITY_OVER)
def _validity_over(attempt: Attempt) -> str | None:
    until = attempt.case.valid_until
    return None if until is not None and until <= timezone.now() else _("The confirmation is still in force.")
