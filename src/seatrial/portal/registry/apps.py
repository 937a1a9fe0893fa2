"""The room's name for Django."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.project.room import Room

__all__ = ["RegistryConfig"]


class RegistryConfig(Room):
    """Registry."""

    name = "seatrial.portal.registry"
    label = "registry"
    default = True
    verbose_name = _("Registry")
