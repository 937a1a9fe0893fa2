"""One entry of the record. Triggers in the database refuse to change or remove it."""

from __future__ import annotations

from django.db import models

__all__ = ["AuditEntry"]


class AuditEntry(models.Model):
    """What happened.

    Attributes:
        sequence: 1, 2, 3, … without a gap.
        at: UTC, microseconds, ISO 8601: text, since its bytes are hashed.
        actor: The account's id; None for a machine or a stranger.
        actor_name: As it was then.
        what: The action, a dotted name (``case.confirm``, ``sign_in``, ``export.portfolio``).
        object_kind: What it was done to, with ``object_id``; both empty where there is nothing.
        particulars: Canonical JSON.
        previous: Hash of the entry before; 64 zeros for the first.
        hash: SHA-256 of the canonical JSON of all the others.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.CharField(max_length=32)
    actor = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=150)
    what = models.CharField(max_length=80)
    object_kind = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    particulars = models.TextField()
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        """Found by what it was done to, by who did it, and by what."""

        ordering = ("-sequence",)
        indexes = (
            models.Index(fields=("object_kind", "object_id", "sequence"), name="audit_of_object"),
            models.Index(fields=("actor", "sequence"), name="audit_of_actor"),
            models.Index(fields=("what", "sequence"), name="audit_of_action"),
        )

    def __str__(self) -> str:
        return f"{self.sequence} {self.what}"
