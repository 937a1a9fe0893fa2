"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["AccountsConfig"]


class AccountsConfig(Room):
    """People."""

    name = "seatrial.portal.accounts"
    label = "accounts"
    default = True
    verbose_name = _("People")
