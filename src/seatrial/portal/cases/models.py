"""The case of a system, and everything that happened to it. Nothing of a case is deleted.

Only :func:`seatrial.portal.cases.transitions.move` writes ``state``, ``version``, ``round`` and ``state_since``.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.duties import candidates_of, duties_of
from seatrial.portal.cases.states import Action, State
from seatrial.portal.cases.words import STATES
from seatrial.portal.organisations.models import TestingOrganisation
from seatrial.portal.registry.models import Release, System
from seatrial.portal.rights import DUTY_OF, CaseFacts

__all__ = ["Case", "CaseEvent", "Screening"]


class Case(models.Model):
    """One way of a system through the measure.

    Attributes:
        version: Counts moves; whoever moves a case says which version they saw.
        round: 1, and one more whenever a release comes back for another trial.
        release: What is bound now; earlier releases stay with the system.
        forecast: The demand model, as its document; None until given.
        peak_per_second: P of the forecast's high case.
        tester: Who is assigned to put it to trial.
        valid_until: How long the confirmation in force lasts.
    """

    system = models.ForeignKey(System, models.PROTECT, related_name="cases")
    state = models.CharField(max_length=40, choices=[(s.value, s.value) for s in State], default=State.DRAFT.value)
    version = models.PositiveIntegerField(default=1)
    round = models.PositiveSmallIntegerField(default=1)
    state_since = models.DateTimeField(default=timezone.now)
    opens_at = models.DateTimeField(_("opens to the public"), null=True, blank=True)
    release = models.ForeignKey(Release, models.PROTECT, null=True, blank=True, related_name="cases")
    forecast = models.JSONField(null=True, blank=True)
    peak_per_second = models.FloatField(null=True, blank=True)
    tester = models.ForeignKey(TestingOrganisation, models.PROTECT, null=True, blank=True, related_name="cases")
    findings_released = models.BooleanField(default=False)
    valid_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """What opens first comes first."""

        ordering = ("opens_at", "pk")
        indexes = (
            models.Index(fields=("state", "opens_at"), name="case_state_opens"),
            models.Index(fields=("opens_at", "id"), name="case_opens"),
        )
        constraints = (
            models.CheckConstraint(name="a_state_of_the_table", condition=models.Q(state__in=[s.value for s in State])),
        )

    def __str__(self) -> str:
        return f"{self.reference} {self.system}"

    @property
    def reference(self) -> str:
        """What people call the case in letters."""
        return f"ST-{self.pk:05d}"

    @property
    def state_name(self) -> str:
        """What people call the state, in the reader's language."""
        return str(STATES[State(self.state)])

    @property
    def state_label(self) -> str:
        """What people call the state, in the reader's language."""
        return str(STATES[State(self.state)])

    def facts(self) -> CaseFacts:
        """Return what rights depend on; reads who had which duty."""
        duties = {action.value: duty for action, duty in DUTY_OF.items()}
        acted = self.events.filter(action__in=duties).values_list("action", "by_id")
        return CaseFacts(
            state=State(self.state),
            department=self.system.department_id,
            contractor=self.system.contractor_id,
            tester=self.tester_id,
            findings_released=self.findings_released,
            had=frozenset((duties[action], by) for action, by in acted) | duties_of(self.pk),
            candidates=candidates_of(self.pk),
        )


class CaseEvent(models.Model):
    """One move of a case: who, which action, from where to where, and why."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(max_length=40, choices=[(a.value, a.value) for a in Action])
    from_state = models.CharField(max_length=40)
    to_state = models.CharField(max_length=40)
    round = models.PositiveSmallIntegerField()
    reasons = models.TextField(blank=True)
    particulars = models.JSONField(default=dict)

    class Meta:
        """In the order in which they happened."""

        ordering = ("pk",)
        indexes = (models.Index(fields=("case", "action"), name="event_of_case"),)

    def __str__(self) -> str:
        return f"{self.action} {self.case_id}"


class Screening(models.Model):
    """A score that a case officer gave, by the policy of that day.

    Attributes:
        levels: 0 to 4 by the factor's name.
        policy_sha256: Digest of the policy that the score follows.
        points: 0 to 100.
        outcome: What the policy says follows.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="screenings")
    levels = models.JSONField()
    remarks = models.JSONField(default=dict)
    policy_sha256 = models.CharField(max_length=64)
    points = models.FloatField()
    outcome = models.CharField(max_length=40)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The latest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.points:g} ({self.outcome})"
