"""People: made, given roles and ended by the platform administrator."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seatrial.errors import SeatrialError
from seatrial.portal import rights
from seatrial.portal.accounts import people, tokens
from seatrial.portal.accounts.forms import KeyForm, PersonForm, RoleForm, TokenForm
from seatrial.portal.accounts.keys import end_key, register_key
from seatrial.portal.accounts.models import HeldRole, MachineToken, SigningKey, User
from seatrial.portal.cases.errors import NotPermittedError
from seatrial.portal.cases.states import Role

__all__ = ["change", "listing", "new", "person"]

_PER_PAGE = 50


def _administrator(request: HttpRequest) -> User:
    user = cast(User, request.user)
    if not rights.allowed_in_general(user.person(), rights.General.MANAGE_PEOPLE):
        raise NotPermittedError(_("People are managed by the platform administrator"))
    return user


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Show people, found by name, address or organisation."""
    _administrator(request)
    found = User.objects.select_related("department", "contractor", "tester").prefetch_related("held_roles")
    words = request.GET.get("q", "").strip()[:200]
    if words:
        by_organisation = Q(department__name_en__icontains=words) | Q(tester__name_en__icontains=words)
        found = found.filter(Q(name__icontains=words) | Q(email__icontains=words) | by_organisation)
    page = Paginator(found.order_by("name", "pk"), _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {"page_obj": page, "query": query.urlencode(), "q": words}
    return render(request, "portal/accounts/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Make an account; the person gets a letter with a link to set a password."""
    by = _administrator(request)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = people.add(by=by, **form.cleaned_data)
        except SeatrialError as error:
            form.add_error(None, str(error))
        else:
            people.invite(made)
            messages.success(request, _("The account is made, and the person was written to."))
            return redirect("accounts:person", pk=made.pk)
    return render(request, "portal/accounts/new_person.html", {"form": form})


@require_safe
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a person with roles, keys and tokens."""
    by = _administrator(request)
    found = get_object_or_404(User, pk=pk)
    return _page(request, by, found)


def _page(request: HttpRequest, by: User, found: User, secret: str = "") -> HttpResponse:
    context = {
        "person": found,
        "roles": found.held_roles.filter(ended_at=None),
        "past_roles": found.held_roles.exclude(ended_at=None),
        "keys": found.signing_keys.all(),
        "tokens": found.tokens.all(),
        "secret": secret,
        "is_self": found.pk == by.pk,
        "role_form": RoleForm(),
        "key_form": KeyForm(),
        "token_form": TokenForm(),
    }
    response = render(request, "portal/accounts/person.html", context)
    response.headers["Cache-Control"] = "no-store"  # a secret may be on it
    return response


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Do one thing to an account: what it is says the button that was pressed."""
    by = _administrator(request)
    found = get_object_or_404(User, pk=pk)
    secret = ""
    try:
        secret = _change(request, by, found)
    except SeatrialError as error:
        messages.error(request, str(error))
    if secret:
        return _page(request, by, found, secret)
    return redirect("accounts:person", pk=found.pk)


def _change(request: HttpRequest, by: User, found: User) -> str:
    """Do it, and return a token's secret if one was made."""
    what, on = request.POST.get("do", ""), request.POST.get("on", "")
    number = int(on) if on.isascii() and on.isdigit() and len(on) < 18 else 0
    if what == "give":
        people.give_role(found, Role(_one_of(RoleForm(request.POST), "role")), by=by)
    elif what == "end":
        people.end_role(get_object_or_404(HeldRole, pk=number, user=found), by=by)
    elif what in ("close", "open"):
        people.set_active(found, active=what == "open", by=by)
    elif what == "key":
        form = KeyForm(request.POST)
        register_key(found, _one_of(form, "fingerprint"), _one_of(form, "name"), by=by)
    elif what == "end_key":
        end_key(get_object_or_404(SigningKey, pk=number, user=found), by=by)
    elif what == "token":
        token_form = TokenForm(request.POST)
        if token_form.is_valid():
            data = token_form.cleaned_data
            return tokens.issue(found, data["name"], data["scopes"], data["expires_at"], by=by)[1]
        messages.error(request, _("A token needs a name, a scope and an end within a year."))
    elif what == "revoke":
        tokens.revoke(get_object_or_404(MachineToken, pk=number, user=found), by=by)
    return ""


def _one_of(form: RoleForm | KeyForm, name: str) -> str:
    form.is_valid()
    if name not in form.cleaned_data:
        raise NotPermittedError(_("Something is missing"), value=name, remedy=_("Fill it in."))
    return str(form.cleaned_data[name])
