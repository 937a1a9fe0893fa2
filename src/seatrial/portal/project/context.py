"""What every page shows around its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from seatrial.portal import rights
from seatrial.portal.accounts.models import User

__all__ = ["NavigationItem", "portal"]


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """One entry of the main navigation."""

    url: str
    label: str
    current: bool


def portal(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the frame: the navigation of who is signed in."""
    user = getattr(request, "user", None)
    return {"navigation": _navigation(request, user) if isinstance(user, User) else []}


def _navigation(request: HttpRequest, user: User) -> list[NavigationItem]:
    """Return the entries that the person may follow, by right; rooms are in the order of the work."""
    person = user.person()
    entries = [("cases:list", _("Cases"), True)]
    manages = rights.allowed_in_general(person, rights.General.MANAGE_PEOPLE)
    entries.append(("accounts:people", _("People"), manages))
    entries.append(("audit:list", _("Audit trail"), rights.allowed_in_general(person, rights.General.VIEW_AUDIT)))
    return [
        NavigationItem(url, label, request.path.startswith(url))
        for url, label in ((reverse(name), label) for name, label, shown in entries if shown)
    ]
