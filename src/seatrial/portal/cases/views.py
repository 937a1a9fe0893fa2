"""The list of cases, a case, its history, and moving it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seatrial.portal import rights
from seatrial.portal.cases.access import case_context, case_for, permitted, signed_in
from seatrial.portal.cases.errors import NotPermittedError, NotYetError
from seatrial.portal.cases.forms import FilterForm, MoveForm
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.overview import consequences, facts, happening, is_final, phases
from seatrial.portal.cases.states import Action
from seatrial.portal.cases.transitions import move
from seatrial.portal.cases.visibility import cases_visible_to
from seatrial.portal.cases.words import ACTIONS

__all__ = ["act", "case_list", "detail", "history"]

_PER_PAGE = 50
_LATEST_EVENTS = 5


@require_safe
def case_list(request: HttpRequest) -> HttpResponse:
    """Show the cases that the person may see, filtered as the address says."""
    form = FilterForm(request.GET)
    person = signed_in(request).person()
    cases = cases_visible_to(person)
    if form.is_valid():
        cases = _filtered(cases, form)
    descending = request.GET.get("order") == "-opens"
    if descending:
        cases = cases.order_by(F("opens_at").desc(nulls_last=True), "-pk")
    page = Paginator(cases, _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    other = query.copy()
    other["order"] = "opens" if descending else "-opens"
    context = {
        "form": form,
        "page_obj": page,
        "query": query.urlencode(),
        "descending": descending,
        "other_order": other.urlencode(),
        "may_start": rights.allowed_in_general(person, rights.General.START_CASE),
    }
    return render(request, "portal/cases/list.html", context)


def _filtered(cases: QuerySet[Case], form: FilterForm) -> QuerySet[Case]:
    if states := form.states():
        cases = cases.filter(state__in=[state.value for state in states])
    if words := form.cleaned_data["q"].strip():
        number = words.upper().removeprefix("ST-").lstrip("0")
        found = Q(system__name_en__icontains=words) | Q(system__name_zh__icontains=words)
        found |= Q(system__department__name_en__icontains=words) | Q(system__department__name_zh__icontains=words)
        if number.isascii() and number.isdigit() and len(number) < 18:
            found |= Q(pk=int(number))
        cases = cases.filter(found)
    return cases


@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a case."""
    case = case_for(request, pk)
    events = case.events.select_related("by").order_by("-pk")[:_LATEST_EVENTS]
    more = {"phases": phases(case), "facts": facts(case), "events": [happening(event) for event in events]}
    return render(request, "portal/cases/detail.html", case_context(request, case, "cases:detail", **more))


@require_safe
def history(request: HttpRequest, pk: int) -> HttpResponse:
    """Show everything that moved the case."""
    case = case_for(request, pk)
    page = Paginator(case.events.select_related("by").order_by("-pk"), _PER_PAGE).get_page(request.GET.get("page"))
    more = {"page_obj": page, "query": "", "events": [happening(event) for event in page]}
    return render(request, "portal/cases/history.html", case_context(request, case, "cases:history", **more))


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Ask before moving a case, then move it."""
    case = case_for(request, pk)
    try:
        wanted = Action(action)
    except ValueError as e:
        raise Http404 from e
    if not permitted(request, wanted, case):
        raise NotPermittedError(_("You may not do this in this case as it stands"), value=str(ACTIONS[wanted]))
    form = MoveForm(request.POST or None, action=wanted, initial={"version": case.version})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            move(
                *(case.pk, data["version"], wanted),
                by=signed_in(request),
                reasons=data["reasons"],
                particulars=form.particulars(),
            )
        except NotYetError as refused:
            for sentence in refused.needs:
                form.add_error(None, sentence)
        else:
            messages.success(request, _("Done: %(action)s.") % {"action": ACTIONS[wanted]})
            return redirect("cases:detail", pk=case.pk)
    more = {"form": form, "action": ACTIONS[wanted], "consequences": consequences(wanted), "danger": is_final(wanted)}
    context = case_context(request, case, "", **more)
    return render(request, "portal/cases/act.html", context)
