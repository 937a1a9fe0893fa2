"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["CasesConfig"]


class CasesConfig(Room):
    """Cases."""

    name = "seatrial.portal.cases"
    label = "cases"
    default = True
    verbose_name = _("Cases")
