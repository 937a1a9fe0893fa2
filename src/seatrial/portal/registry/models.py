"""Systems and their releases. A release is never changed: a new one is bound."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from seatrial.portal.files.models import StoredFile
from seatrial.portal.organisations.models import Contractor, Department

__all__ = ["Release", "System"]


class System(models.Model):
    """What a department will roll out."""

    department = models.ForeignKey(Department, models.PROTECT, related_name="systems", verbose_name=_("department"))
    contractor = models.ForeignKey(
        Contractor, models.PROTECT, null=True, blank=True, related_name="systems", verbose_name=_("contractor")
    )
    name_en = models.CharField(_("name in English"), max_length=200)
    name_zh = models.CharField(_("name in Chinese"), max_length=200, blank=True)
    purpose = models.TextField(_("what it is for"), max_length=4000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """A department names each of its systems once."""

        ordering = ("name_en",)
        constraints = (models.UniqueConstraint(fields=("department", "name_en"), name="one_name_in_a_department"),)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the reader's language, or the one there is."""
        chinese = (get_language() or "").startswith("zh")
        return self.name_zh if chinese and self.name_zh else self.name_en


class Release(models.Model):
    """A version of a system, bound by the digests in its manifest.

    Attributes:
        sha256: Of the manifest's bytes, as they were handed in.
        version: As the manifest says.
        subjects: How many things it binds.
    """

    system = models.ForeignKey(System, models.PROTECT, related_name="releases")
    version = models.CharField(_("version"), max_length=200)
    manifest = models.ForeignKey(StoredFile, models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64)
    subjects = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first; the same manifest once."""

        ordering = ("-uploaded_at", "-pk")
        constraints = (models.UniqueConstraint(fields=("system", "sha256"), name="one_manifest_once"),)

    def __str__(self) -> str:
        return self.version
