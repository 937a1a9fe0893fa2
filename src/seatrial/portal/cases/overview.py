"""What the first page of a case shows: where it stands on its way, its facts, and the latest that happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from seatrial.portal.cases.models import Case, CaseEvent
from seatrial.portal.cases.states import FINAL_STATES, TRANSITIONS, Action, State
from seatrial.portal.cases.words import ACTIONS, STATES
from seatrial.portal.look import tone_of
from seatrial.units import write_number

__all__ = [
    "PHASES",
    "PHASE_OF",
    "Happening",
    "Phase",
    "Step",
    "consequences",
    "facts",
    "happening",
    "is_final",
    "phases",
]

_Text: TypeAlias = "str | Promise"


class Phase(StrEnum):
    """A stretch of the way; 25 states are too many for a picture."""

    REGISTER = "register"
    SCREEN = "screen"
    ARRANGE = "arrange"
    DOSSIER = "dossier"
    TRIAL = "trial"
    REVIEW = "review"
    DECIDE = "decide"
    ROLL_OUT = "roll_out"


PHASES: Mapping[Phase, _Text] = MappingProxyType(
    {
        Phase.REGISTER: gettext_lazy("Register"),
        Phase.SCREEN: gettext_lazy("Screen"),
        Phase.ARRANGE: gettext_lazy("Arrange"),
        Phase.DOSSIER: gettext_lazy("Dossier"),
        Phase.TRIAL: gettext_lazy("Trial"),
        Phase.REVIEW: gettext_lazy("Review"),
        Phase.DECIDE: gettext_lazy("Decide"),
        Phase.ROLL_OUT: gettext_lazy("Roll out"),
    }
)

PHASE_OF: Mapping[State, Phase | None] = MappingProxyType(
    {
        State.DRAFT: Phase.REGISTER,
        State.REGISTERED: Phase.SCREEN,
        State.SCREENING: Phase.SCREEN,
        State.NOT_SELECTED: Phase.SCREEN,
        State.SELECTED: Phase.ARRANGE,
        State.ARRANGING: Phase.ARRANGE,
        State.ARRANGED: Phase.DOSSIER,
        State.DOSSIER_OPEN: Phase.DOSSIER,
        State.READY: Phase.TRIAL,
        State.TESTING: Phase.TRIAL,
        State.ABORTED: Phase.TRIAL,
        State.SEALED: Phase.REVIEW,
        State.UNDER_REVIEW: Phase.REVIEW,
        State.ADVISED: Phase.REVIEW,
        State.REMEDIATING: Phase.TRIAL,
        State.RECOMMENDED: Phase.DECIDE,
        State.REFUSED: Phase.DECIDE,
        State.CONFIRMED: Phase.ROLL_OUT,
        State.CONFIRMED_WITH_CONDITIONS: Phase.ROLL_OUT,
        State.ROLLED_OUT: Phase.ROLL_OUT,
        State.EXPIRED: Phase.TRIAL,
        State.SUSPENDED: Phase.TRIAL,
        State.VOIDED: Phase.TRIAL,
        State.ROLLED_OUT_WITHOUT_CONFIRMATION: None,
        State.WITHDRAWN: None,
    }
)
"""Where a case stands, or where it goes on from; None where it is on no way."""


@dataclass(frozen=True, slots=True)
class Step:
    """A phase as one case has it."""

    label: _Text
    is_done: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """An event as the timeline takes it."""

    at: object
    what: str
    who: str
    reasons: str
    tone: str


def phases(case: Case) -> list[Step]:
    """Return all phases in their order; none is current where the case is on no way."""
    order = list(Phase)
    current = PHASE_OF[State(case.state)]
    at = -1 if current is None else order.index(current)
    return [Step(PHASES[phase], index < at, index == at) for index, phase in enumerate(order)]


def facts(case: Case) -> list[tuple[str, object]]:
    """Return what is known of the case, as pairs of label and value; None for what is not given."""
    system = case.system
    peak = case.peak_per_second
    given: list[tuple[str, object]] = [
        (_("Department"), system.department),
        (_("Contractor"), system.contractor),
        (_("What it is for"), system.purpose),
        (_("Opens to the public"), _moment(case.opens_at)),
        (_("Bound release"), case.release),
        (
            _("Peak load of the high case"),
            None if peak is None else _("%(peak)s journeys a second") % {"peak": write_number(peak)},
        ),
        (_("Independent third party"), case.tester),
        (_("Round"), case.round),
        (_("In this state since"), _moment(case.state_since)),
    ]
    if case.valid_until is not None:
        given.append((_("Confirmation valid until"), _moment(case.valid_until)))
    return given


def _moment(at: object) -> str | None:
    return date(timezone.localtime(at), "j M Y, H:i") if at is not None else None  # type: ignore[arg-type]


def happening(event: CaseEvent) -> Happening:
    """Return an event in words; ``by`` must have been read with it."""
    what = _("%(action)s: %(state)s") % {
        "action": ACTIONS[Action(event.action)],
        "state": STATES[State(event.to_state)],
    }
    return Happening(event.at, what, str(event.by), event.reasons, tone_of(event.to_state).value)


def consequences(action: Action) -> list[str]:
    """Return what follows when the case is moved, as sentences."""
    said = [_("The case will be in the state “%(state)s”.") % {"state": STATES[TRANSITIONS[action].to]}]
    if is_final(action):
        said.append(_("Nothing leads on from there; a new case must be started for another attempt."))
    said.append(_("Your name, the time and what you write are recorded and can't be changed afterwards."))
    return said


def is_final(action: Action) -> bool:
    """Whether nothing leads on from where the action leads."""
    return TRANSITIONS[action].to in FINAL_STATES
