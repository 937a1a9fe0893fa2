"""How a complete dossier is known."""

from __future__ import annotations

from django.utils.translation import gettext as _

from seatrial.portal.cases.preconditions import Attempt, meets
from seatrial.portal.cases.states import Need
from seatrial.portal.dossier.completeness import completeness_of

__all__: list[str] = []


@meets(Need.DOSSIER_COMPLETE)
def _complete(attempt: Attempt) -> str | None:
    found = completeness_of(attempt.case)
    if not found.all:
        return _("The policy names no item of the dossier.")
    return " · ".join(found.lacks) if found.lacks else None
