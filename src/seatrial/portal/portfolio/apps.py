"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["PortfolioConfig"]


class PortfolioConfig(Room):
    """Portfolio."""

    name = "seatrial.portal.portfolio"
    label = "portfolio"
    default = True
    verbose_name = _("Portfolio")
