"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["OrganisationsConfig"]


class OrganisationsConfig(Room):
    """Organisations."""

    name = "seatrial.portal.organisations"
    label = "organisations"
    default = True
    verbose_name = _("Organisations")
