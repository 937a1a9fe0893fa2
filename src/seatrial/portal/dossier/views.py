"""The dossier's pages: every item at a glance, one item, its evidence."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seatrial.errors import SeatrialError
from seatrial.model.selection import DossierItem
from seatrial.portal.audit import chain
from seatrial.portal.cases.access import case_context, case_for, must, permitted, record_view, signed_in
from seatrial.portal.cases.errors import CaseMovedError
from seatrial.portal.cases.models import Case
from seatrial.portal.dossier.completeness import IN_THE_CASE, completeness_of, items_of, title_of
from seatrial.portal.dossier.forms import OwnerForm, ReviewForm, SubmitForm
from seatrial.portal.dossier.models import Item, ItemReview, Status, Submission
from seatrial.portal.files.store import attachment, store
from seatrial.portal.rights import Work

__all__ = ["case_dossier", "evidence", "hand_in", "item", "own", "review"]


@require_safe
def case_dossier(request: HttpRequest, pk: int) -> HttpResponse:
    """Show every item: its status, owner, due date, latest evidence and remark."""
    case = case_for(request, pk)
    rows = items_of(case)
    latest = _latest({record.pk for _item, record in rows})
    context = case_context(
        *(request, case, "dossier:case"),
        rows=[
            {"item": wanted, "title": title_of(wanted), "record": record, "latest": latest.get(record.pk)}
            for wanted, record in rows
        ],
        completeness=completeness_of(case),
        today=timezone.localdate(),
    )
    return render(request, "portal/dossier/case.html", context)


def _latest(items: set[int]) -> dict[int, Submission]:
    """Return the latest submission of each item, with its reviews: two queries, however many there are."""
    newest: dict[int, Submission] = {}
    found = Submission.objects.filter(item__in=items).select_related("file", "by").prefetch_related("reviews__by")
    for submission in found.order_by("pk"):
        newest[submission.item_id] = submission
    return newest


def _item_for(case: Case, name: str) -> tuple[DossierItem, Item]:
    for wanted, record in items_of(case):
        if wanted.name == name:
            return wanted, record
    raise Http404


@require_safe
def item(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Show an item with all that was handed in for it."""
    case = case_for(request, pk)
    wanted, record = _item_for(case, name)
    return _page(request, case, wanted, record)


def _page(
    request: HttpRequest, case: Case, wanted: DossierItem, record: Item, *, status: int = 200, **forms: Any
) -> HttpResponse:
    submissions = list(record.submissions.select_related("file", "by").prefetch_related("reviews__by"))
    newest = submissions[0] if submissions else None
    may_edit = permitted(request, Work.EDIT_DOSSIER, case)
    may_review = permitted(request, Work.REVIEW_DOSSIER, case)
    shown: dict[str, Any] = {
        "submit_form": SubmitForm(needs_file=wanted.name not in IN_THE_CASE) if may_edit else None,
        "owner_form": OwnerForm(initial={"owner": record.owner_id, "due_on": record.due_on}, case=case)
        if may_edit or may_review
        else None,
        "review_form": ReviewForm(initial={"submission": newest.pk})
        if newest and may_review and record.status == Status.HANDED_IN
        else None,
    }
    context = case_context(
        *(request, case, "dossier:case"),
        **(shown | forms),
        item=wanted,
        title=title_of(wanted),
        record=record,
        submissions=submissions,
    )
    return render(request, "portal/dossier/item.html", context, status=status)


@require_POST
def hand_in(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Take evidence for an item."""
    case = case_for(request, pk)
    wanted, record = _item_for(case, name)
    must(request, Work.EDIT_DOSSIER, case)
    form = SubmitForm(request.POST, request.FILES, needs_file=name not in IN_THE_CASE)
    if not form.is_valid():
        return _page(request, case, wanted, record, submit_form=form)
    upload, by = cast("UploadedFile[bytes] | None", form.cleaned_data["file"]), signed_in(request)
    try:
        with transaction.atomic():
            file = store(upload, upload.name or "", by=by) if upload else None
            given = Submission.objects.create(
                item=record, file=file, note=form.cleaned_data["note"], round=case.round, by=by
            )
            Item.objects.filter(pk=record.pk).update(status=Status.HANDED_IN)
            said = {"item": name, "submission": given.pk, "sha256": file.sha256 if file else None}
            chain.append("dossier.hand_in", by=by, on=case, particulars=said)
    except SeatrialError as error:
        form.add_error("file", str(error))
        return _page(request, case, wanted, record, submit_form=form)
    messages.success(request, _("Handed in."))
    return redirect("dossier:item", pk=case.pk, name=name)


@require_POST
def review(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Accept the latest evidence of an item, or return it with a remark."""
    case = case_for(request, pk)
    wanted, record = _item_for(case, name)
    must(request, Work.REVIEW_DOSSIER, case)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return _page(request, case, wanted, record, review_form=form)
    accepted, by = form.cleaned_data["accepted"] == "yes", signed_in(request)
    with transaction.atomic():
        locked = Item.objects.select_for_update().get(pk=record.pk)
        newest = locked.submissions.first()
        if newest is None or newest.pk != form.cleaned_data["submission"] or locked.status != Status.HANDED_IN:
            raise CaseMovedError(
                _("Something else was handed in or decided since you saw it; nothing was written"),
                remedy=_("Read it again, then decide."),
            )
        ItemReview.objects.create(submission=newest, accepted=accepted, remark=form.cleaned_data["remark"], by=by)
        Item.objects.filter(pk=locked.pk).update(status=Status.ACCEPTED if accepted else Status.RETURNED)
        said = {"item": name, "submission": newest.pk, "remark": form.cleaned_data["remark"]}
        chain.append("dossier.accept" if accepted else "dossier.return", by=by, on=case, particulars=said)
    messages.success(request, _("Accepted.") if accepted else _("Returned with your remark."))
    return redirect("dossier:case", pk=case.pk)


@require_POST
def own(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Say who brings an item, and by when."""
    case = case_for(request, pk)
    wanted, record = _item_for(case, name)
    if not permitted(request, Work.EDIT_DOSSIER, case):
        must(request, Work.REVIEW_DOSSIER, case)
    form = OwnerForm(request.POST, case=case)
    if not form.is_valid():
        return _page(request, case, wanted, record, owner_form=form)
    owner, due = form.cleaned_data["owner"], form.cleaned_data["due_on"]
    with transaction.atomic():
        Item.objects.filter(pk=record.pk).update(owner=owner, due_on=due)
        said = {"item": name, "owner": owner.pk if owner else None, "due_on": due.isoformat() if due else None}
        chain.append("dossier.own", by=signed_in(request), on=case, particulars=said)
    return redirect("dossier:item", pk=case.pk, name=name)


@require_http_methods(["GET", "HEAD"])
def evidence(request: HttpRequest, pk: int, submission: int) -> FileResponse:
    """Give back a file that was handed in; the view is recorded."""
    case = case_for(request, pk)
    found = get_object_or_404(Submission.objects.select_related("file"), pk=submission, item__case=case)
    if found.file is None:
        raise Http404
    record_view(request, case, "dossier-file")
    return attachment(found.file)
