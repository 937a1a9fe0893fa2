"""Who had a duty by what they wrote here."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.portal.cases.duties import duties_from
from seatrial.portal.review.models import Advice, AdviceMessage, Finding, RecommendationRecord
from seatrial.portal.rights import AUTHORITY, Duty

__all__: list[str] = []


@duties_from
def _who_judged_or_advised(case_id: int) -> Iterator[tuple[Duty, int]]:
    for model in (Finding, RecommendationRecord):
        for by in model.objects.filter(case=case_id).values_list("by", flat=True).distinct().order_by("by"):
            yield Duty.REVIEWER, by
    for by in Advice.objects.filter(case=case_id).values_list("by", flat=True).distinct().order_by("by"):
        yield Duty.ADVISER, by
    officers = [role.value for role in AUTHORITY]  # the department's answers are no duty
    answered = AdviceMessage.objects.filter(advice__case=case_id, by__held_roles__role__in=officers)
    for by in answered.filter(by__department=None).values_list("by", flat=True).distinct().order_by("by"):
        yield Duty.ADVISER, by
