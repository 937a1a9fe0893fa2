"""How a page gets at a case: the one way that asks the rights and keeps the record."""

from __future__ import annotations

from typing import Any, cast

from django.db import transaction
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from seatrial.portal import rights
from seatrial.portal.accounts.models import User
from seatrial.portal.audit import chain
from seatrial.portal.cases.errors import NotPermittedError
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.pages_of_case import offers, tabs
from seatrial.portal.cases.visibility import cases_visible_to
from seatrial.portal.rights import InCase

__all__ = ["case_context", "case_for", "must", "permitted", "record_view", "signed_in"]


def signed_in(request: HttpRequest) -> User:
    """Return who asks; every page but the few marked otherwise requires sign-in."""
    return cast(User, request.user)


def case_for(request: HttpRequest, pk: int) -> Case:
    """Return a case that the person may view.

    Raises:
        Http404: There is none, or none for this person: which of the two is not said.
    """
    case = cases_visible_to(signed_in(request).person()).filter(pk=pk).first()
    if case is None:
        raise Http404
    return case


def permitted(request: HttpRequest, what: InCase, case: Case) -> bool:
    """Whether the person may do it in the case as it stands."""
    return rights.allowed(signed_in(request).person(), what, case.facts())


def must(request: HttpRequest, what: InCase, case: Case) -> None:
    """Refuse whoever may not do it in the case as it stands.

    Raises:
        NotPermittedError: They may not.
    """
    if not permitted(request, what, case):
        raise NotPermittedError(_("You may not do this in this case as it stands"), remedy=_("Ask the case officer."))


def record_view(request: HttpRequest, case: Case, what: str) -> None:
    """Keep the record of a view of restricted matter (evidence, findings, sealed results, audit).

    Args:
        request: Who looked.
        case: At whose matter.
        what: A noun, as ``evidence``.
    """
    with transaction.atomic():
        chain.append(f"view.{what}", by=signed_in(request), on=case)


def case_context(request: HttpRequest, case: Case, current: str, **more: Any) -> dict[str, Any]:
    """Return what every page of a case shows: the case, its tabs, and what the person may do now."""
    user = signed_in(request)
    return {"case": case, "tabs": tabs(user, case, current), "offers": offers(user, case), **more}
