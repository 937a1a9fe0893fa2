"""Reading the evidence: findings, advice and what was answered, the recommendation."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seatrial.errors import SeatrialError
from seatrial.portal.audit import chain
from seatrial.portal.cases.access import case_context, case_for, must, permitted, record_view, signed_in
from seatrial.portal.cases.errors import NotPermittedError
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import Action
from seatrial.portal.files.store import attachment, store
from seatrial.portal.review.forms import AdviceForm, FindingForm, MessageForm, RecommendForm, SettleForm
from seatrial.portal.review.models import Advice, AdviceMessage, Finding
from seatrial.portal.review.recommending import hand_in
from seatrial.portal.rights import Work

__all__ = [
    "advice",
    "advice_file",
    "case_review",
    "close_advice",
    "new_advice",
    "new_finding",
    "recommend",
    "release",
    "settle",
    "thread",
]

_BOTH = ["GET", "HEAD", "POST"]


@require_safe
def case_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Show findings, round by round; drafts to the authority alone. Each view is recorded."""
    case = case_for(request, pk)
    drafts = permitted(request, Work.VIEW_DRAFT_FINDINGS, case)
    if not drafts and not permitted(request, Work.VIEW_RELEASED_FINDINGS, case):
        raise NotPermittedError(_("The findings are not released yet"), remedy=_("Ask the case officer."))
    found = case.findings.select_related("by", "settled_by")
    if not drafts:
        found = found.exclude(released_at=None)
    record_view(request, case, "findings")
    rounds: dict[int, list[Finding]] = {}
    for finding in found:
        rounds.setdefault(finding.round, []).append(finding)
    context = case_context(
        request,
        case,
        "review:case",
        rounds=rounds,
        recommendations=case.recommendations.select_related("by", "envelope"),
        may_write=permitted(request, Work.WRITE_FINDING, case),
        may_release=permitted(request, Work.RELEASE_FINDINGS, case) and case.findings.filter(released_at=None).exists(),
    )
    return render(request, "portal/review/case.html", context)


@require_http_methods(_BOTH)
def new_finding(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a finding; a draft until findings are released."""
    case = case_for(request, pk)
    must(request, Work.WRITE_FINDING, case)
    form = FindingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        finding = form.save(commit=False)
        finding.case, finding.round, finding.by = case, case.round, signed_in(request)
        with transaction.atomic():
            finding.save()
            chain.append("finding.write", by=finding.by, on=case, particulars=_said(finding))
        messages.success(request, _("The finding is written; it is a draft until findings are released."))
        return redirect("review:case", pk=case.pk)
    return render(request, "portal/review/finding.html", case_context(request, case, "review:case", form=form))


def _said(finding: Finding) -> dict[str, object]:
    return {"finding": finding.pk, "severity": finding.severity, "title": finding.title, "round": finding.round}


@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the department, the tester and the contractor read all findings written so far."""
    case = case_for(request, pk)
    must(request, Work.RELEASE_FINDINGS, case)
    with transaction.atomic():
        count = case.findings.filter(released_at=None).update(released_at=timezone.now())
        Case.objects.filter(pk=case.pk).update(findings_released=True)
        chain.append("finding.release", by=signed_in(request), on=case, particulars={"count": count})
    messages.success(request, _("The findings are released."))
    return redirect("review:case", pk=case.pk)


@require_http_methods(_BOTH)
def settle(request: HttpRequest, pk: int, finding: int) -> HttpResponse:
    """Say how a finding was settled."""
    case = case_for(request, pk)
    must(request, Work.WRITE_FINDING, case)
    found = get_object_or_404(case.findings, pk=finding, settled_at=None)
    form = SettleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            said = form.cleaned_data["settlement"]
            now, by = timezone.now(), signed_in(request)
            if case.findings.filter(pk=found.pk, settled_at=None).update(
                settled_at=now, settled_by=by, settlement=said
            ):
                chain.append("finding.settle", by=by, on=case, particulars={"finding": found.pk, "how": said})
        return redirect("review:case", pk=case.pk)
    context = case_context(request, case, "review:case", form=form, finding=found)
    return render(request, "portal/review/settle.html", context)


@require_safe
def advice(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the threads of advice."""
    case = case_for(request, pk)
    threads = case.advice.select_related("by", "finding").prefetch_related("messages__by")
    context = case_context(
        *(request, case, "review:advice"),
        threads=threads,
        today=timezone.localdate(),
        may_give=permitted(request, Work.GIVE_ADVICE, case),
    )
    return render(request, "portal/review/advice.html", context)


@require_http_methods(_BOTH)
def new_advice(request: HttpRequest, pk: int) -> HttpResponse:
    """Give advice, with a day by which it is to be answered."""
    case = case_for(request, pk)
    must(request, Work.GIVE_ADVICE, case)
    form = AdviceForm(request.POST or None, case=case)
    if request.method == "POST" and form.is_valid():
        data, by = form.cleaned_data, signed_in(request)
        with transaction.atomic():
            given = Advice.objects.create(
                case=case, round=case.round, title=data["title"], due_on=data["due_on"], finding=data["finding"], by=by
            )
            AdviceMessage.objects.create(advice=given, by=by, text=data["text"])
            said = {"advice": given.pk, "title": given.title, "due_on": given.due_on.isoformat()}
            chain.append("advice.give", by=by, on=case, particulars=said)
        messages.success(request, _("The advice is given."))
        return redirect("review:thread", pk=case.pk, advice=given.pk)
    return render(request, "portal/review/new_advice.html", case_context(request, case, "review:advice", form=form))


@require_http_methods(_BOTH)
def thread(request: HttpRequest, pk: int, advice: int) -> HttpResponse:
    """Show a thread, and take an answer."""
    case = case_for(request, pk)
    given = get_object_or_404(case.advice.select_related("by", "finding", "closed_by"), pk=advice)
    gives = permitted(request, Work.GIVE_ADVICE, case)
    may_write = given.closed_at is None and (gives or permitted(request, Work.ANSWER_ADVICE, case))
    form = MessageForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        if not may_write:
            raise NotPermittedError(_("You may not write in this thread"))
        if form.is_valid() and _answered(request, case, given, form):
            return redirect("review:thread", pk=case.pk, advice=given.pk)
    context = case_context(
        *(request, case, "review:advice"),
        advice=given,
        thread=given.messages.select_related("by", "file"),
        form=form if may_write else None,
        may_close=gives and given.closed_at is None,
    )
    return render(request, "portal/review/thread.html", context)


def _answered(request: HttpRequest, case: Case, given: Advice, form: MessageForm) -> bool:
    """Write the answer; False when the file is not taken, which the form then says."""
    by, upload = signed_in(request), cast("UploadedFile[bytes] | None", form.cleaned_data["file"])
    try:
        with transaction.atomic():
            file = store(upload, upload.name or "", by=by) if upload else None
            written = AdviceMessage.objects.create(advice=given, by=by, text=form.cleaned_data["text"], file=file)
            said = {"advice": given.pk, "message": written.pk, "file": file.sha256 if file else None}
            chain.append("advice.answer", by=by, on=case, particulars=said)
    except SeatrialError as error:
        form.add_error("file", str(error))
        return False
    return True


@require_POST
def close_advice(request: HttpRequest, pk: int, advice: int) -> HttpResponse:
    """Close a thread: nothing more is expected."""
    case = case_for(request, pk)
    must(request, Work.GIVE_ADVICE, case)
    with transaction.atomic():
        by = signed_in(request)
        if case.advice.filter(pk=advice, closed_at=None).update(closed_at=timezone.now(), closed_by=by):
            chain.append("advice.close", by=by, on=case, particulars={"advice": advice})
    return redirect("review:advice", pk=case.pk)


@require_safe
def advice_file(request: HttpRequest, pk: int, message: int) -> FileResponse:
    """Give back a file of a thread."""
    case = case_for(request, pk)
    found = get_object_or_404(AdviceMessage, pk=message, advice__case=case, file__isnull=False)
    record_view(request, case, "advice-file")
    assert found.file is not None  # noqa: S101 # asked for in the query
    return attachment(found.file)


@require_http_methods(_BOTH)
def recommend(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the signed recommendation and move the case."""
    case = case_for(request, pk)
    must(request, Action.RECOMMEND, case)
    form = RecommendForm(request.POST or None, request.FILES or None, initial={"version": case.version})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            hand_in(case, data["version"], data["envelope"], data["reasons"], by=signed_in(request))
        except SeatrialError as error:
            form.add_error("envelope", str(error))
        else:
            messages.success(request, _("The recommendation is on record."))
            return redirect("cases:detail", pk=case.pk)
    return render(request, "portal/review/recommend.html", case_context(request, case, "review:case", form=form))
