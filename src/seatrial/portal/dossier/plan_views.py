"""The contingency plan's pages, and its drills."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seatrial.portal.audit import chain
from seatrial.portal.cases.access import case_context, case_for, must, permitted, signed_in
from seatrial.portal.cases.errors import CaseMovedError
from seatrial.portal.cases.models import Case
from seatrial.portal.dossier.drilling import shortcomings
from seatrial.portal.dossier.forms import EndDrillForm, PlanForm, StartDrillForm, Steps
from seatrial.portal.dossier.models import ContingencyPlan, Drill, DrillStep, PlanStep
from seatrial.portal.rights import Work

__all__ = ["drill", "edit", "end_drill", "mark", "plan", "start_drill", "step_done"]

_MARKS = {"fallback": "fallback_live_at", "notice": "notice_at"}


@require_safe
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the plan as it stands, its drills, and its earlier versions."""
    case = case_for(request, pk)
    plans = list(case.contingency_plans.select_related("by").prefetch_related("steps"))
    drills = Drill.objects.filter(plan__case=case).select_related("plan", "started_by").prefetch_related("steps")
    now = timezone.now()
    context = case_context(
        *(request, case, "dossier:plan"),
        plan=plans[0] if plans else None,
        earlier=plans[1:],
        drills=[{"drill": one, "lacks": shortcomings(one, now)} for one in drills],
        may_edit=permitted(request, Work.EDIT_CONTINGENCY_PLAN, case),
        may_drill=bool(plans) and permitted(request, Work.RUN_DRILL, case),
        start_form=StartDrillForm(),
    )
    return render(request, "portal/dossier/plan.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a new version of the plan, beginning with the one that stands."""
    case = case_for(request, pk)
    must(request, Work.EDIT_CONTINGENCY_PLAN, case)
    standing = case.contingency_plans.first()
    fields = ("what", "who", "minutes", "shown_by")
    initial = list(standing.steps.values(*fields)) if standing else []
    form = PlanForm(request.POST or None, instance=standing)
    steps = _posted_steps(request) if request.method == "POST" else Steps(initial=initial, prefix="steps")
    if request.method == "POST" and form.is_valid() and steps.is_valid():
        written = [step.cleaned_data for step in steps.forms if step.cleaned_data.get("what")]
        if not written:
            form.add_error(None, _("A plan has one step at least."))
        else:
            _write(request, case, form, written)
            messages.success(request, _("The plan is written. Drill it: an earlier drill was of the earlier plan."))
            return redirect("dossier:plan", pk=case.pk)
    context = case_context(request, case, "dossier:plan", form=form, steps=steps)
    return render(request, "portal/dossier/edit_plan.html", context)


def _posted_steps(request: HttpRequest) -> Any:
    """Return the rows as they were sent: each is new, whatever stood there, so an emptied one is left out."""
    data = request.POST.copy()
    data["steps-INITIAL_FORMS"] = "0"
    return Steps(data, prefix="steps")


def _write(request: HttpRequest, case: Case, form: PlanForm, steps: list[dict[str, object]]) -> None:
    by = signed_in(request)
    try:
        with transaction.atomic():
            latest = case.contingency_plans.aggregate(Max("number"))["number__max"] or 0
            new = ContingencyPlan.objects.create(case=case, number=latest + 1, by=by, **form.cleaned_data)
            PlanStep.objects.bulk_create(
                PlanStep(plan=new, order=order, **step) for order, step in enumerate(steps, start=1)
            )
            said = {"number": new.number, "steps": len(steps), "rto_minutes": new.rto_minutes}
            chain.append("contingency.write", by=by, on=case, particulars=said)
    except IntegrityError as e:
        raise CaseMovedError(_("Somebody else wrote the plan at the same time; nothing was written")) from e


@require_POST
def start_drill(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a drill of the plan as it stands; the clock runs from here."""
    case = case_for(request, pk)
    must(request, Work.RUN_DRILL, case)
    standing = get_object_or_404(case.contingency_plans.order_by("-number")[:1])
    form = StartDrillForm(request.POST)
    form.is_valid()
    with transaction.atomic():
        by = signed_in(request)
        begun = Drill.objects.create(
            plan=standing, started_by=by, is_functional=form.cleaned_data.get("is_functional", False)
        )
        said = {"drill": begun.pk, "plan": standing.number, "functional": begun.is_functional}
        chain.append("drill.start", by=by, on=case, particulars=said)
    return redirect("dossier:drill", pk=case.pk, drill=begun.pk)


def _drill_for(case: Case, drill: int, *, running: bool = False) -> Drill:
    found = get_object_or_404(Drill.objects.select_related("plan", "started_by"), pk=drill, plan__case=case)
    if running and found.ended_at is not None:
        raise CaseMovedError(_("The drill is over"), remedy=_("Begin another."))
    return found


@require_safe
def drill(request: HttpRequest, pk: int, drill: int) -> HttpResponse:
    """Show a drill as it runs, or what it came to."""
    case = case_for(request, pk)
    found = _drill_for(case, drill)
    return _drill_page(request, case, found, EndDrillForm())


def _drill_page(request: HttpRequest, case: Case, found: Drill, form: EndDrillForm) -> HttpResponse:
    done = {one.step_id: one for one in found.steps.select_related("by")}
    context = case_context(
        *(request, case, "dossier:plan"),
        drill=found,
        rows=[{"step": step, "done": done.get(step.pk)} for step in found.plan.steps.all()],
        lacks=shortcomings(found, timezone.now()) if found.ended_at else [],
        may_drill=found.ended_at is None and permitted(request, Work.RUN_DRILL, case),
        form=form,
    )
    return render(request, "portal/dossier/drill.html", context)


@require_POST
def step_done(request: HttpRequest, pk: int, drill: int, step: int) -> HttpResponse:
    """Take down that a step is done, by the server's clock."""
    case = case_for(request, pk)
    must(request, Work.RUN_DRILL, case)
    found = _drill_for(case, drill, running=True)
    wanted = get_object_or_404(found.plan.steps, pk=step)
    with transaction.atomic():
        by, problem = signed_in(request), request.POST.get("problem", "").strip()[:500]
        _one, first = DrillStep.objects.get_or_create(drill=found, step=wanted, defaults={"by": by, "problem": problem})
        if first:
            said = {"drill": found.pk, "step": wanted.order, "problem": problem}
            chain.append("drill.step", by=by, on=case, particulars=said)
    return redirect("dossier:drill", pk=case.pk, drill=found.pk)


@require_POST
def mark(request: HttpRequest, pk: int, drill: int, what: str) -> HttpResponse:
    """Take down when the fallback worked, or when the public was told; the first time counts."""
    case = case_for(request, pk)
    must(request, Work.RUN_DRILL, case)
    found = _drill_for(case, drill, running=True)
    with transaction.atomic():
        if Drill.objects.filter(pk=found.pk, ended_at=None, **{_MARKS[what]: None}).update(
            **{_MARKS[what]: timezone.now()}
        ):
            chain.append(f"drill.{what}", by=signed_in(request), on=case, particulars={"drill": found.pk})
    return redirect("dossier:drill", pk=case.pk, drill=found.pk)


@require_POST
def end_drill(request: HttpRequest, pk: int, drill: int) -> HttpResponse:
    """End a drill, after the data were reconciled."""
    case = case_for(request, pk)
    must(request, Work.RUN_DRILL, case)
    found = _drill_for(case, drill, running=True)
    form = EndDrillForm(request.POST)
    if not form.is_valid():
        return _drill_page(request, case, found, form)
    with transaction.atomic():
        ended = Drill.objects.filter(pk=found.pk, ended_at=None).update(ended_at=timezone.now(), **form.cleaned_data)
        if ended:
            said = {"drill": found.pk, "unexplained": form.cleaned_data["unexplained"]}
            chain.append("drill.end", by=signed_in(request), on=case, particulars=said)
    return redirect("dossier:drill", pk=case.pk, drill=found.pk)
