"""The pages of a case that rooms add, and where an action that takes more than reasons is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from django.urls import reverse
from django.utils.functional import Promise

from seatrial.portal import rights
from seatrial.portal.accounts.models import User
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import TRANSITIONS, Action
from seatrial.portal.cases.words import ACTIONS

__all__ = ["Offer", "Tab", "add_tab", "done_at", "offers", "place_of", "tabs"]

Shown: TypeAlias = Callable[[User, Case], bool]


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of a case.

    Attributes:
        order: Its place among the others; the overview is 0.
        label: What people call it.
        url_name: Takes the case's number.
        shown: Whether this person sees it in this case; whoever views a case does, where None.
    """

    order: int
    label: str | Promise
    url_name: str
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that the person may take now.

    Attributes:
        action: Which.
        label: What people call it.
        url: Where it is done.
    """

    action: Action
    label: str | Promise
    url: str


_TABS: dict[str, Tab] = {}
_PLACES: dict[Action, str] = {}


def add_tab(tab: Tab) -> None:
    """Add a page to every case."""
    _TABS[tab.url_name] = tab


def done_at(url_name: str, *actions: Action) -> None:
    """Let these actions be done at a room's own page (it takes the case's number) instead of the plain form."""
    for action in actions:
        if action in _PLACES and _PLACES[action] != url_name:
            raise ValueError(f"two places for {action}")
        _PLACES[action] = url_name


def tabs(user: User, case: Case, current: str) -> list[dict[str, object]]:
    """Return the tabs of a case for a person, as the template takes them."""
    shown = sorted((tab for tab in _TABS.values() if tab.shown is None or tab.shown(user, case)), key=lambda t: t.order)
    return [
        {"url": reverse(tab.url_name, args=[case.pk]), "label": tab.label, "current": tab.url_name == current}
        for tab in shown
    ]


def offers(user: User, case: Case) -> list[Offer]:
    """Return what the person may do with the case as it stands, in the order of the table."""
    facts, person = case.facts(), user.person()
    return [
        Offer(action, ACTIONS[action], place_of(action, case))
        for action in TRANSITIONS
        if rights.allowed(person, action, facts)
    ]


def place_of(action: Action, case: Case) -> str:
    """Return where the action is done."""
    if action in _PLACES:
        return reverse(_PLACES[action], args=[case.pk])
    return reverse("cases:act", args=[case.pk, action.value])
