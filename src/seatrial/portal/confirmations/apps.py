"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["ConfirmationsConfig"]


class ConfirmationsConfig(Room):
    """Confirmations."""

    name = "seatrial.portal.confirmations"
    label = "confirmations"
    default = True
    verbose_name = _("Confirmations")
