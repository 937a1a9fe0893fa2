"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["NoticesConfig"]


class NoticesConfig(Room):
    """Notices."""

    name = "seatrial.portal.notices"
    label = "notices"
    default = True
    verbose_name = _("Notices")
