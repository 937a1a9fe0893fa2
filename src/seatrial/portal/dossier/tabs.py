"""The room's pages of a case."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.accounts.models import User
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.pages_of_case import Tab, add_tab
from seatrial.portal.cases.states import State

__all__: list[str] = []

_BEFORE = {
    *(State.DRAFT, State.REGISTERED, State.SCREENING, State.NOT_SELECTED, State.SELECTED, State.ARRANGING),
    *(State.ARRANGED, State.WITHDRAWN),
}


def _opened(user: User, case: Case) -> bool:
    return State(case.state) not in _BEFORE


add_tab(Tab(40, _("Dossier"), "dossier:case", _opened))
add_tab(Tab(45, _("Contingency plan"), "dossier:plan", _opened))
