"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["DossierConfig"]


class DossierConfig(Room):
    """Dossier."""

    name = "seatrial.portal.dossier"
    label = "dossier"
    default = True
    verbose_name = _("Dossier")
