"""What people fill in to find a case and to move it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.states import TRANSITIONS, Action, Need, State
from seatrial.portal.cases.words import STATES

__all__ = ["FilterForm", "MoveForm"]


class FilterForm(forms.Form):
    """The filter of the list; it lives in the address."""

    q = forms.CharField(label=_("Search"), max_length=200, required=False)
    state = forms.MultipleChoiceField(
        label=_("State"), choices=[(s.value, label) for s, label in STATES.items()], required=False
    )

    def states(self) -> list[State]:
        """Return the chosen states."""
        return [State(value) for value in self.cleaned_data.get("state", [])]


class MoveForm(forms.Form):
    """Asks what an action needs of a person: the version that they saw, reasons, an expiry."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    reasons = forms.CharField(
        label=_("Reasons"), widget=forms.Textarea(attrs={"rows": 5}), max_length=8000, required=False
    )
    expires_on = forms.DateField(label=_("Expires on"), widget=forms.DateInput(attrs={"type": "date"}), required=False)

    def __init__(self, *args: Any, action: Action, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        needs = TRANSITIONS[action].needs
        self.fields["reasons"].required = Need.REASONS_GIVEN in needs
        if Need.EXPIRY_GIVEN in needs:
            self.fields["expires_on"].required = True
        else:
            del self.fields["expires_on"]

    def particulars(self) -> dict[str, Any]:
        """Return what the action takes beside reasons."""
        expires = self.cleaned_data.get("expires_on")
        return {"expires_on": expires.isoformat()} if expires else {}
