"""A room of the portal, as Django knows it."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import module_has_submodule

__all__ = ["Room"]


class Room(AppConfig):
    """An application that adds to cases.

    A room may have ``needs`` (functions under :func:`~seatrial.portal.cases.preconditions.meets`), ``tabs`` (its pages
    of a case) and ``signals``; they are loaded when Django is ready.
    """

    default = False  # Django takes the one class of an apps module that says True

    def ready(self) -> None:
        """Load what the room adds."""
        if self.module is None:
            return
        for name in ("needs", "tabs", "signals"):
            if module_has_submodule(self.module, name):
                import_module(f"{self.name}.{name}")
