"""Whom people belong to. Nothing here is deleted: an organisation that is gone is closed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

__all__ = ["Contractor", "Department", "Organisation", "TestingOrganisation"]


class Organisation(models.Model):
    """A name in both languages, and whether it is still there."""

    name_en = models.CharField(_("name in English"), max_length=200, unique=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=200, blank=True)
    is_closed = models.BooleanField(_("closed"), default=False)

    class Meta:
        """Each kind of organisation has a table of its own."""

        abstract = True
        ordering = ("name_en",)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the reader's language, or the one there is."""
        chinese = (get_language() or "").startswith("zh")
        return self.name_zh if chinese and self.name_zh else self.name_en


class Department(Organisation):
    """A department that rolls out systems."""

    short_name = models.CharField(_("short name"), max_length=20, unique=True)


class Contractor(Organisation):
    """Who supplies or runs a department's system."""

    registration_number = models.CharField(_("registration number"), max_length=60, blank=True)
    parent = models.CharField(_("owner"), max_length=200, blank=True)


class TestingOrganisation(Organisation):
    """Who puts systems to trial: the testers' register."""

    __test__ = False  # not a test, whatever its name begins with

    registration_number = models.CharField(_("registration number"), max_length=60, blank=True)
    parent = models.CharField(_("owner"), max_length=200, blank=True)
    capacity = models.PositiveSmallIntegerField(_("trials at once"), default=1)
    is_suspended = models.BooleanField(_("suspended"), default=False)
