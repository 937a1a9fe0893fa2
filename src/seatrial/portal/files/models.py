"""What was handed in, by the SHA-256 of its bytes."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

__all__ = ["StoredFile"]


class StoredFile(models.Model):
    """One handing-in of a file: the same bytes handed in twice are two rows and one file in the folder.

    Attributes:
        name: The last part of the name it came with, for people; never used as a path.
        sha256: 64 lower-case hexadecimal digits.
        size: Bytes.
        media_type: From the list of allowed types, by what the bytes are, not by what was claimed.
    """

    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=100)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first."""

        ordering = ("-uploaded_at",)

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return Path(settings.PORTAL_DATA) / "files" / self.sha256[:2] / self.sha256
