"""When what is done again and again was last done."""

from __future__ import annotations

from django.db import models

__all__ = ["PeriodicRun"]


class PeriodicRun(models.Model):
    """The last time of one piece of periodic work.

    Attributes:
        name: Which.
        at: When it was last begun; whoever moves this on does the work, so that several workers do it once.
    """

    name = models.CharField(primary_key=True, max_length=100)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
