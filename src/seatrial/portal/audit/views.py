"""The record, for the auditor."""

from __future__ import annotations

from typing import cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from seatrial.portal import rights
from seatrial.portal.accounts.models import User
from seatrial.portal.audit import chain
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.errors import NotPermittedError

__all__ = ["entries"]

_PER_PAGE = 100


@require_safe
def entries(request: HttpRequest) -> HttpResponse:
    """Show the record, the latest first. Pages go by number, so that none grows slower with the record."""
    user = cast(User, request.user)
    if not rights.allowed_in_general(user.person(), rights.General.VIEW_AUDIT):
        raise NotPermittedError(_("The audit trail is for auditors"))
    with transaction.atomic():
        chain.append("view.audit", by=user)
    found = AuditEntry.objects.order_by("-sequence")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 18:
        found = found.filter(sequence__lt=int(before))
    if what := request.GET.get("what", "").strip():
        found = found.filter(what=what)
    page = list(found[: _PER_PAGE + 1])
    context = {
        "entries": page[:_PER_PAGE],
        "older": page[_PER_PAGE - 1].sequence if len(page) > _PER_PAGE else None,
        "what": what,
        "head": chain.head(),
    }
    return render(request, "portal/audit/list.html", context)
