"""What the dossier of a case still lacks."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from seatrial.model.selection import DossierItem
from seatrial.portal.cases.models import Case
from seatrial.portal.dossier.drilling import shortcomings
from seatrial.portal.dossier.models import Drill, Item, Status
from seatrial.portal.project.policy import portal_policy

__all__ = ["CONTINGENCY", "DRILL", "IN_THE_CASE", "Completeness", "completeness_of", "items_of", "title_of"]

CONTINGENCY, DRILL = "contingency", "drill"
IN_THE_CASE = frozenset({"release_manifest", "demand_model", CONTINGENCY, DRILL, "authorisation", "independence"})
"""Items whose evidence the case itself holds: a note that says where is enough; all others need a file."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """How far the dossier is.

    Attributes:
        accepted: Items accepted.
        all: Items of the policy.
        lacks: Sentences on what is missing beside, and titles of items not accepted.
    """

    accepted: int
    all: int
    lacks: tuple[str, ...]


def title_of(item: DossierItem) -> str:
    """Return the item's title in the reader's language."""
    return item.title.zh if (get_language() or "").startswith("zh") else item.title.en


def items_of(case: Case) -> list[tuple[DossierItem, Item]]:
    """Return the policy's items with their records in the case, made where they are missing."""
    wanted = portal_policy().policy.dossier or ()
    found = {item.name: item for item in case.dossier.select_related("owner")}
    if missing := [item for item in wanted if item.name not in found]:
        Item.objects.bulk_create([Item(case=case, name=item.name) for item in missing], ignore_conflicts=True)
        found = {item.name: item for item in case.dossier.select_related("owner")}
    return [(item, found[item.name]) for item in wanted]


def completeness_of(case: Case) -> Completeness:
    """Return how far the dossier of a case is."""
    items = items_of(case)
    open_ = [title_of(item) for item, record in items if record.status != Status.ACCEPTED]
    lacks = [_("Not accepted: %(title)s") % {"title": title} for title in open_]
    names = {item.name for item, _record in items}
    if CONTINGENCY in names and not case.contingency_plans.exists():
        lacks.append(_("The contingency plan is not written down step by step."))
    if DRILL in names:
        lacks += _about_the_drill(case)
    return Completeness(len(items) - len(open_), len(items), tuple(lacks))


def _about_the_drill(case: Case) -> list[str]:
    plan = case.contingency_plans.first()
    drills = Drill.objects.filter(plan=plan).select_related("plan") if plan else Drill.objects.none()
    found: list[str] = []
    for drill in drills:
        lacks = shortcomings(drill, timezone.now())
        if not lacks:
            return []
        found = found or [_("The latest drill does not count: %(why)s") % {"why": why} for why in lacks]
    return found or [_("The contingency plan as it stands was not drilled.")]
