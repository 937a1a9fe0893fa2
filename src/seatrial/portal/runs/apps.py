"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["RunsConfig"]


class RunsConfig(Room):
    """Trials."""

    name = "seatrial.portal.runs"
    label = "runs"
    default = True
    verbose_name = _("Trials")
