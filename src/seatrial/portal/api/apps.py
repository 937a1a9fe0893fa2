"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["ApiConfig"]


class ApiConfig(Room):
    """Programs' interface."""

    name = "seatrial.portal.api"
    label = "api"
    default = True
    verbose_name = _("Programs' interface")
