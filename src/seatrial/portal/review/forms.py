"""What reviewers, advisers and departments write."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from seatrial.portal.cases.models import Case
from seatrial.portal.review.models import Finding

__all__ = ["AdviceForm", "FindingForm", "MessageForm", "RecommendForm", "SettleForm"]

_LONGEST_DUE_DAYS = 366


class FindingForm(forms.ModelForm[Finding]):
    """A new finding."""

    class Meta:
        """What the reviewer says; the rest follows."""

        model = Finding
        fields = ("severity", "title", "detail")


class SettleForm(forms.Form):
    """How a finding was settled."""

    settlement = forms.CharField(
        label=gettext_lazy("How it was settled"), widget=forms.Textarea(attrs={"rows": 4}), max_length=4000
    )


class AdviceForm(forms.Form):
    """New advice, with its first message."""

    title = forms.CharField(label=gettext_lazy("In one sentence"), max_length=300)
    text = forms.CharField(label=gettext_lazy("Advice"), widget=forms.Textarea(attrs={"rows": 6}), max_length=8000)
    due_on = forms.DateField(
        label=gettext_lazy("Answer due on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    finding = forms.ModelChoiceField(
        label=gettext_lazy("About the finding"), queryset=Finding.objects.none(), required=False
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["finding"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 # said four lines above, for the type checker
        field.queryset = Finding.objects.filter(case=case)

    def clean_due_on(self) -> date:
        """Refuse a day that is past or too far off."""
        due: date = self.cleaned_data["due_on"]
        today = timezone.localdate()
        if not today <= due <= today + timedelta(days=_LONGEST_DUE_DAYS):
            raise forms.ValidationError(_("The answer must be due within a year, and not before today."))
        return due


class MessageForm(forms.Form):
    """An answer in a thread."""

    text = forms.CharField(label=gettext_lazy("Message"), widget=forms.Textarea(attrs={"rows": 5}), max_length=8000)
    file = forms.FileField(label=gettext_lazy("File"), required=False)

    field_order = ("text", "file")


class RecommendForm(forms.Form):
    """The signed recommendation, and the reasons that people read."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    envelope = forms.FileField(
        label=gettext_lazy("Signed recommendation"),
        help_text=gettext_lazy("The file that seatrial recommend wrote, signed with your own key."),
    )
    reasons = forms.CharField(
        label=gettext_lazy("Reasons"), widget=forms.Textarea(attrs={"rows": 5}), min_length=10, max_length=8000
    )
