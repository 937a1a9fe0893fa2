"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["AuditConfig"]


class AuditConfig(Room):
    """Audit."""

    name = "seatrial.portal.audit"
    label = "audit"
    default = True
    verbose_name = _("Audit")
