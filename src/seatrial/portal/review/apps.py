"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["ReviewConfig"]


class ReviewConfig(Room):
    """Review."""

    name = "seatrial.portal.review"
    label = "review"
    default = True
    verbose_name = _("Review")
