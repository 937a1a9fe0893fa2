"""What departments hand in, what officers remark, and the contingency plan step by step."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.forms.formsets import BaseFormSet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from seatrial.portal.accounts.models import User
from seatrial.portal.cases.models import Case
from seatrial.portal.dossier.models import ContingencyPlan, Drill, PlanStep

__all__ = ["EndDrillForm", "OwnerForm", "PlanForm", "ReviewForm", "StartDrillForm", "StepForm", "Steps", "SubmitForm"]

_MOST_STEPS = 60
_SPARE_STEPS = 4
_SHORTEST_NOTE = 10


class SubmitForm(forms.Form):
    """Evidence for an item."""

    file = forms.FileField(label=gettext_lazy("File"), required=False)
    note = forms.CharField(
        label=gettext_lazy("Note"), widget=forms.Textarea(attrs={"rows": 4}), max_length=4000, required=False
    )

    def __init__(self, *args: Any, needs_file: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._needs_file = needs_file
        self.fields["file"].required = needs_file

    def clean(self) -> dict[str, Any]:
        """Refuse a note that says nothing where it is all there is."""
        data = super().clean() or {}
        if not self._needs_file and not data.get("file") and len(data.get("note", "").strip()) < _SHORTEST_NOTE:
            self.add_error("note", _("Say where in the case it is found, or hand in a file."))
        return data


class ReviewForm(forms.Form):
    """An officer's word on a submission."""

    submission = forms.IntegerField(widget=forms.HiddenInput)
    accepted = forms.ChoiceField(
        label=gettext_lazy("Decision"),
        choices=(("yes", gettext_lazy("Accept")), ("no", gettext_lazy("Return"))),
        widget=forms.RadioSelect,
    )
    remark = forms.CharField(
        label=gettext_lazy("Remark"), widget=forms.Textarea(attrs={"rows": 4}), max_length=4000, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Refuse to return something without a word."""
        data = super().clean() or {}
        if data.get("accepted") == "no" and len(data.get("remark", "").strip()) < _SHORTEST_NOTE:
            self.add_error("remark", _("Say what is missing."))
        return data


class OwnerForm(forms.Form):
    """Who brings an item, and by when."""

    owner = forms.ModelChoiceField(label=gettext_lazy("Owner"), queryset=User.objects.none(), required=False)
    due_on = forms.DateField(
        label=gettext_lazy("Due on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        required=False,
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner = cast("forms.ModelChoiceField[User]", self.fields["owner"])
        owner.queryset = User.objects.filter(department=case.system.department_id, is_active=True)


class PlanForm(forms.ModelForm[ContingencyPlan]):
    """The plan without its steps."""

    class Meta:
        """Everything but who and when."""

        model = ContingencyPlan
        fields = ("rto_minutes", "rpo_minutes", "mtd_minutes", "triggers", "decider", "fallback", "notice")

    def clean(self) -> dict[str, Any]:
        """Refuse an objective that comes after what can be borne."""
        data = super().clean() or {}
        recovery, borne = data.get("rto_minutes"), data.get("mtd_minutes")
        if recovery is not None and borne is not None and recovery > borne:
            self.add_error("rto_minutes", _("The objective is later than the maximum tolerable downtime."))
        return data


class StepForm(forms.ModelForm[PlanStep]):
    """One step; a row left empty is none."""

    class Meta:
        """Its order is its place in the form."""

        model = PlanStep
        fields = ("what", "who", "minutes", "shown_by")


class _AtLeastOne(BaseFormSet[StepForm]):
    def clean(self) -> None:
        """Refuse a plan without a step."""
        super().clean()
        if not any(self.errors) and not any(form.has_changed() for form in self.forms):
            raise forms.ValidationError(_("A plan has one step at least."))


Steps = forms.formset_factory(StepForm, formset=_AtLeastOne, extra=_SPARE_STEPS, max_num=_MOST_STEPS, validate_max=True)


class StartDrillForm(forms.ModelForm[Drill]):
    """What kind of drill begins."""

    class Meta:
        """The rest is the server's clock."""

        model = Drill
        fields = ("is_functional",)


class EndDrillForm(forms.ModelForm[Drill]):
    """What remained when the drill was over."""

    class Meta:
        """Counted after the data were reconciled."""

        model = Drill
        fields = ("unexplained", "remarks")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unexplained"].required = True
