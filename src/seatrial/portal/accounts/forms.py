"""What administrators and people fill in about accounts."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from seatrial.portal.accounts.models import User
from seatrial.portal.accounts.tokens import Scope
from seatrial.portal.cases.states import Role
from seatrial.portal.cases.words import ROLES
from seatrial.portal.organisations.models import Contractor, Department, TestingOrganisation

__all__ = ["KeyForm", "OwnForm", "PersonForm", "RoleForm", "TokenForm"]


class OwnForm(forms.ModelForm[User]):
    """One's own settings."""

    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)

    class Meta:
        """Nothing that rights depend on."""

        model = User
        fields = ("name", "language", "wants_notices", "wants_digest")


class PersonForm(forms.Form):
    """A new account."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    name = forms.CharField(label=_("Name"), max_length=150)
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    department = forms.ModelChoiceField(
        label=_("Department"), queryset=Department.objects.filter(is_closed=False), required=False
    )
    contractor = forms.ModelChoiceField(
        label=_("Contractor"), queryset=Contractor.objects.filter(is_closed=False), required=False
    )
    tester = forms.ModelChoiceField(
        label=_("Testing organisation"), queryset=TestingOrganisation.objects.filter(is_closed=False), required=False
    )


class RoleForm(forms.Form):
    """A role to give."""

    role = forms.ChoiceField(label=_("Role"), choices=[(role.value, ROLES[role]) for role in Role])


class KeyForm(forms.Form):
    """A signing key to register."""

    name = forms.CharField(label=_("Name of the key"), max_length=150)
    fingerprint = forms.CharField(
        label=_("Fingerprint"), help_text=_("64 characters, as seatrial keys list prints it."), max_length=64
    )


class TokenForm(forms.Form):
    """A token to issue."""

    name = forms.CharField(label=_("What it is for"), max_length=100)
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        widget=forms.CheckboxSelectMultiple,
        choices=(
            (Scope.AGENT.value, _("Run trials as the tester's agent")),
            (Scope.READ.value, _("Read by the programs' interface")),
            (Scope.WRITE.value, _("Write by the programs' interface")),
            (Scope.GATE.value, _("Ask the gate")),
        ),
    )
    expires_at = forms.DateTimeField(
        label=_("Expires"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
