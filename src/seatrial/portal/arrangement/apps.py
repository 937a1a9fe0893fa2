"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["ArrangementConfig"]


class ArrangementConfig(Room):
    """Arrangement."""

    name = "seatrial.portal.arrangement"
    label = "arrangement"
    default = True
    verbose_name = _("Arrangement")
