"""Whether a drill showed that the contingency plan works. Source: the default policy's line on drills."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seatrial.portal.dossier.models import Drill

__all__ = ["FALLBACK_WITHIN", "NOTICE_WITHIN", "OLDEST", "shortcomings"]

FALLBACK_WITHIN = timedelta(minutes=15)
NOTICE_WITHIN = timedelta(minutes=10)
OLDEST = timedelta(days=90)


def shortcomings(drill: Drill, now: datetime) -> list[str]:
    """Return why a drill does not count; empty when it does.

    Args:
        drill: With its plan; its steps are read.
        now: When it is asked, aware.
    """
    if drill.ended_at is None:
        return [_("It is not over.")]
    found = []
    if not drill.is_functional:
        found.append(_("The fallback was not really brought up."))
    if now - drill.started_at > OLDEST:
        found.append(_("It is older than 90 days."))
    found += _too_late(drill)
    if drill.unexplained is None:
        found.append(_("The data were not reconciled."))
    elif drill.unexplained:
        found.append(
            ngettext(
                "%(count)d difference remained unexplained.",
                "%(count)d differences remained unexplained.",
                drill.unexplained,
            )
            % {"count": drill.unexplained}
        )
    missing = drill.plan.steps.count() - drill.steps.count()
    if missing > 0:
        found.append(
            ngettext("%(count)d step was not done.", "%(count)d steps were not done.", missing) % {"count": missing}
        )
    return found


def _too_late(drill: Drill) -> list[str]:
    found = []
    if drill.fallback_live_at is None:
        found.append(_("The fallback never worked."))
    elif drill.fallback_live_at - drill.started_at > min(FALLBACK_WITHIN, timedelta(minutes=drill.plan.rto_minutes)):
        found.append(_("The fallback worked too late."))
    if drill.notice_at is None:
        found.append(_("The public was not told."))
    elif drill.notice_at - drill.started_at > NOTICE_WITHIN:
        found.append(_("The public was told too late."))
    return found
