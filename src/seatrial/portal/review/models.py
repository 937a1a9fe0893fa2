"""What reading the evidence came to: findings, advice and what was answered, the recommendation."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.models import Case
from seatrial.portal.files.models import StoredFile

__all__ = ["Advice", "AdviceMessage", "Finding", "RecommendationRecord", "Severity"]


class Severity(models.TextChoices):
    """How much a finding weighs."""

    CRITICAL = "critical", _("Critical: stands in the way of a confirmation")
    MAJOR = "major", _("Major: to be mended, by a condition at the latest")
    MINOR = "minor", _("Minor: to be mended in time")
    REMARK = "remark", _("Remark")


class Finding(models.Model):
    """What the reviewer found. Not changed once released: a later finding says otherwise.

    Attributes:
        round: The round whose evidence it is about.
        released_at: Since when the department, the tester and the contractor read it; None while it is a draft.
        settled_at: Since when it is no longer open.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="findings")
    round = models.PositiveSmallIntegerField()
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    title = models.CharField(_("in one sentence"), max_length=300)
    detail = models.TextField(_("what was seen, and where"), max_length=8000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    settlement = models.TextField(_("how it was settled"), max_length=4000, blank=True)

    class Meta:
        """The latest round first."""

        ordering = ("-round", "pk")
        indexes = (models.Index(fields=("case", "round"), name="finding_of_case"),)

    def __str__(self) -> str:
        return self.title


class Advice(models.Model):
    """A piece of advice on enhancing the system, and the thread about it.

    Attributes:
        finding: What it answers; None for advice of its own.
        due_on: By when the department answers.
        closed_at: Since when nothing more is expected.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="advice")
    round = models.PositiveSmallIntegerField()
    finding = models.ForeignKey(Finding, models.PROTECT, null=True, blank=True, related_name="advice")
    title = models.CharField(_("in one sentence"), max_length=300)
    due_on = models.DateField(_("answer due on"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        """What is due first comes first."""

        ordering = ("due_on", "pk")
        indexes = (models.Index(fields=("closed_at", "due_on"), name="advice_due"),)

    def __str__(self) -> str:
        return self.title


class AdviceMessage(models.Model):
    """One message of a thread. Never changed."""

    advice = models.ForeignKey(Advice, models.PROTECT, related_name="messages")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    text = models.TextField(_("message"), max_length=8000)
    file = models.ForeignKey(StoredFile, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        """In the order in which they were written."""

        ordering = ("pk",)

    def __str__(self) -> str:
        return self.text[:80]


class RecommendationRecord(models.Model):
    """A signed recommendation that was handed in and verified.

    Attributes:
        digest: SHA-256 of its payload, which a confirmation names.
        recommended: CONFIRM, CONFIRM_WITH_CONDITIONS or REFUSE.
        evidence_sha256: Of the bundle's manifest that it speaks about.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="recommendations")
    round = models.PositiveSmallIntegerField()
    envelope = models.ForeignKey(StoredFile, models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    recommended = models.CharField(max_length=40)
    findings = models.JSONField()
    conditions = models.JSONField()
    evidence_sha256 = models.CharField(max_length=64)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first; one payload once in a case."""

        ordering = ("-pk",)
        constraints = (models.UniqueConstraint(fields=("case", "digest"), name="one_recommendation_once"),)

    def __str__(self) -> str:
        return self.recommended
