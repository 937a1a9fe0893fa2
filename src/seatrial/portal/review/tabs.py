"""The room's pages of a case."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.accounts.models import User
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.pages_of_case import Tab, add_tab, done_at
from seatrial.portal.cases.states import Action

__all__: list[str] = []


def _begun(user: User, case: Case) -> bool:
    return case.findings.exists() or case.advice.exists() or case.events.filter(to_state="sealed").exists()


add_tab(Tab(60, _("Review"), "review:case", _begun))
add_tab(Tab(65, _("Advice"), "review:advice"))
done_at("review:recommend", Action.RECOMMEND)
