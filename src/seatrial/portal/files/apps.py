"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["FilesConfig"]


class FilesConfig(Room):
    """Files."""

    name = "seatrial.portal.files"
    label = "files"
    default = True
    verbose_name = _("Files")
