"""The dossier of a case: items with their evidence, the contingency plan, and its drills. Nothing is overwritten."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.models import Case
from seatrial.portal.files.models import StoredFile

__all__ = ["ContingencyPlan", "Drill", "DrillStep", "Item", "ItemReview", "PlanStep", "Status", "Submission"]


class Status(models.TextChoices):
    """Where an item stands."""

    MISSING = "missing", _("Missing")
    HANDED_IN = "handed_in", _("Handed in")
    ACCEPTED = "accepted", _("Accepted")
    RETURNED = "returned", _("Returned")


class Item(models.Model):
    """One item of the policy's dossier in one case.

    Attributes:
        name: The item's name in the policy.
        status: Follows the latest submission and review.
        owner: Who in the department brings it.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="dossier")
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.MISSING)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    due_on = models.DateField(_("due on"), null=True, blank=True)

    class Meta:
        """An item is in a case once."""

        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("case", "name"), name="one_item_of_a_name"),)

    def __str__(self) -> str:
        return self.name


class Submission(models.Model):
    """Evidence that was handed in for an item."""

    item = models.ForeignKey(Item, models.PROTECT, related_name="submissions")
    file = models.ForeignKey(StoredFile, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.TextField(_("note"), max_length=4000, blank=True)
    round = models.PositiveSmallIntegerField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        return str(self.file or self.note[:60])


class ItemReview(models.Model):
    """What an officer said of a submission."""

    submission = models.ForeignKey(Submission, models.PROTECT, related_name="reviews")
    accepted = models.BooleanField()
    remark = models.TextField(_("remark"), max_length=4000, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.remark[:60]


class ContingencyPlan(models.Model):
    """What is done when the system fails; a change is a new plan with the next number.

    Attributes:
        rto_minutes: Recovery time objective: by then the service, or its fallback, works.
        rpo_minutes: Recovery point objective: how much of the latest data may be lost.
        mtd_minutes: Maximum tolerable downtime; not shorter than the recovery time objective.
        triggers: What starts it.
        decider: Who decides, and who in their place.
        fallback: What people do by hand meanwhile.
        notice: What the public is told, and where.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="contingency_plans")
    number = models.PositiveIntegerField()
    rto_minutes = models.PositiveIntegerField(_("recovery time objective, minutes"))
    rpo_minutes = models.PositiveIntegerField(_("recovery point objective, minutes"))
    mtd_minutes = models.PositiveIntegerField(_("maximum tolerable downtime, minutes"))
    triggers = models.TextField(_("what starts it"), max_length=4000)
    decider = models.CharField(_("who decides, and who in their place"), max_length=300)
    fallback = models.TextField(_("what people do by hand meanwhile"), max_length=4000)
    notice = models.TextField(_("what the public is told, and where"), max_length=4000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first."""

        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("case", "number"), name="one_plan_of_a_number"),)

    def __str__(self) -> str:
        return f"{self.number}"


class PlanStep(models.Model):
    """One step of a contingency plan, such that somebody woken at night can do it."""

    plan = models.ForeignKey(ContingencyPlan, models.PROTECT, related_name="steps")
    order = models.PositiveSmallIntegerField()
    what = models.CharField(_("what is done"), max_length=500)
    who = models.CharField(_("by whom"), max_length=200)
    minutes = models.PositiveIntegerField(_("within minutes"))
    shown_by = models.CharField(_("how it is seen to be done"), max_length=500)

    class Meta:
        """In their order."""

        ordering = ("order",)
        constraints = (models.UniqueConstraint(fields=("plan", "order"), name="one_step_of_an_order"),)

    def __str__(self) -> str:
        return self.what


class Drill(models.Model):
    """One drill of a plan. Times are the server's, taken when somebody says that a step is done.

    Attributes:
        is_functional: The fallback was really brought up; a talk round a table is not.
        fallback_live_at: When the fallback worked.
        notice_at: When the public notice was out.
        unexplained: Differences that remained after reconciling the data; None until counted.
        ended_at: Since when it is over; None while it runs.
    """

    plan = models.ForeignKey(ContingencyPlan, models.PROTECT, related_name="drills")
    is_functional = models.BooleanField(_("the fallback is really brought up"))
    started_at = models.DateTimeField(default=timezone.now)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    fallback_live_at = models.DateTimeField(null=True, blank=True)
    notice_at = models.DateTimeField(null=True, blank=True)
    unexplained = models.PositiveIntegerField(_("unexplained differences"), null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    remarks = models.TextField(_("remarks"), max_length=4000, blank=True)

    class Meta:
        """The latest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d}"


class DrillStep(models.Model):
    """A step as it was done in a drill."""

    drill = models.ForeignKey(Drill, models.PROTECT, related_name="steps")
    step = models.ForeignKey(PlanStep, models.PROTECT, related_name="+")
    done_at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    problem = models.CharField(_("what went wrong"), max_length=500, blank=True)

    class Meta:
        """A step is done once in a drill."""

        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("drill", "step"), name="a_step_once_in_a_drill"),)

    def __str__(self) -> str:
        return str(self.step)
