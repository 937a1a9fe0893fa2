"""The states of a case and the allow-list of what leads from one to another.

Pure: no database, no web, no clock. :data:`TRANSITIONS` is the whole truth: an action that is not in it from the
state of the case can't be done by anyone. Source: the measure's policy, "People and states".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "BEFORE_REGISTRATION",
    "CONFIRMED_STATES",
    "FINAL_STATES",
    "TRANSITIONS",
    "Action",
    "Need",
    "Role",
    "State",
    "Transition",
    "actions_from",
]


class State(StrEnum):
    """Where a case stands."""

    DRAFT = "draft"
    REGISTERED = "registered"
    SCREENING = "screening"
    NOT_SELECTED = "not_selected"
    SELECTED = "selected"
    ARRANGING = "arranging"
    ARRANGED = "arranged"
    DOSSIER_OPEN = "dossier_open"
    READY = "ready"
    TESTING = "testing"
    ABORTED = "aborted"
    SEALED = "sealed"
    UNDER_REVIEW = "under_review"
    ADVISED = "advised"
    REMEDIATING = "remediating"
    RECOMMENDED = "recommended"
    CONFIRMED = "confirmed"
    CONFIRMED_WITH_CONDITIONS = "confirmed_with_conditions"
    REFUSED = "refused"
    ROLLED_OUT = "rolled_out"
    ROLLED_OUT_WITHOUT_CONFIRMATION = "rolled_out_without_confirmation"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"


class Role(StrEnum):
    """What a person, or a machine, is in the measure."""

    PROJECT_OFFICER = "project_officer"
    SYSTEM_OWNER = "system_owner"
    CONTINGENCY_OWNER = "contingency_owner"
    CASE_OFFICER = "case_officer"
    SELECTION_PANEL = "selection_panel"
    TEST_ARRANGER = "test_arranger"
    REVIEWER = "reviewer"
    ADVISER = "adviser"
    CONFIRMING_OFFICER = "confirming_officer"
    POLICY_OWNER = "policy_owner"
    TEST_LEAD = "test_lead"
    TESTER = "tester"
    IMPARTIALITY_OFFICER = "impartiality_officer"
    CONTRACTOR = "contractor"
    AUDITOR = "auditor"
    PLATFORM_ADMINISTRATOR = "platform_administrator"
    GATE_CLIENT = "gate_client"


class Action(StrEnum):
    """What moves a case."""

    REGISTER = "register"
    OPEN_SCREENING = "open_screening"
    SELECT = "select"
    DO_NOT_SELECT = "do_not_select"
    SCREEN_AGAIN = "screen_again"
    BEGIN_ARRANGING = "begin_arranging"
    ARRANGE = "arrange"
    OPEN_DOSSIER = "open_dossier"
    COMPLETE_DOSSIER = "complete_dossier"
    START_TRIAL = "start_trial"
    ABORT_TRIAL = "abort_trial"
    RESUME = "resume"
    SEAL = "seal"
    BEGIN_REVIEW = "begin_review"
    ADVISE = "advise"
    REMEDIATE = "remediate"
    RESUBMIT = "resubmit"
    RECOMMEND = "recommend"
    CONFIRM = "confirm"
    CONFIRM_WITH_CONDITIONS = "confirm_with_conditions"
    REFUSE = "refuse"
    ROLL_OUT = "roll_out"
    EXPIRE = "expire"
    SUSPEND = "suspend"
    VOID = "void"
    RETURN_TO_TRIAL = "return_to_trial"
    WITHDRAW = "withdraw"
    RECORD_ROLLOUT = "record_rollout"


class Need(StrEnum):
    """What must hold before an action, beside the right to it. One that nothing meets is not met."""

    RELEASE_BOUND = "release_bound"
    FORECAST_GIVEN = "forecast_given"
    SCORE_GIVEN = "score_given"
    SCORE_ALLOWS_IT = "score_allows_it"
    REASONS_GIVEN = "reasons_given"
    EXPIRY_GIVEN = "expiry_given"
    TESTER_NAMED = "tester_named"
    INDEPENDENCE_DECLARED = "independence_declared"
    WINDOW_BOOKED = "window_booked"
    DOSSIER_COMPLETE = "dossier_complete"
    TEST_ORDER_SIGNED = "test_order_signed"
    BUNDLE_VERIFIED = "bundle_verified"
    NEW_DIGEST = "new_digest"
    VERDICT_PASSED = "verdict_passed"
    CONDITIONS_GIVEN = "conditions_given"
    SIGNATURES_GIVEN = "signatures_given"
    GATE_ALLOWS = "gate_allows"
    VALIDITY_OVER = "validity_over"


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table.

    Attributes:
        origins: States from which the action leads.
        to: The state it leads to, one for all origins.
        roles: Who may; holding one of them is enough.
        needs: What must hold, all of it.
    """

    origins: frozenset[State]
    to: State
    roles: frozenset[Role]
    needs: tuple[Need, ...] = ()


def _line(origins: State | frozenset[State], to: State, roles: Role | set[Role], *needs: Need) -> Transition:
    return Transition(
        frozenset({origins}) if isinstance(origins, State) else origins,
        to,
        frozenset({roles}) if isinstance(roles, Role) else frozenset(roles),
        needs,
    )


BEFORE_REGISTRATION = frozenset({State.DRAFT})
"""States in which a case is the department's own affair."""

FINAL_STATES = frozenset({State.WITHDRAWN})
"""States with no way on."""

CONFIRMED_STATES = frozenset({State.CONFIRMED, State.CONFIRMED_WITH_CONDITIONS})

_IN_FORCE = CONFIRMED_STATES | {State.ROLLED_OUT}
_LAPSED = frozenset({State.EXPIRED, State.SUSPENDED, State.VOIDED})
_ROLLED_OUT_ANYHOW = frozenset({State.ROLLED_OUT_WITHOUT_CONFIRMATION})
_BEFORE_CONFIRMATION = frozenset(State) - _IN_FORCE - _LAPSED - _ROLLED_OUT_ANYHOW - FINAL_STATES
_BEFORE_SELECTION = frozenset({State.DRAFT, State.REGISTERED, State.SCREENING, State.NOT_SELECTED})
_SELECTED_UNCONFIRMED = (_BEFORE_CONFIRMATION - _BEFORE_SELECTION) | _LAPSED
_TO_BE_MENDED = frozenset({State.ADVISED, State.REFUSED}) | _ROLLED_OUT_ANYHOW
_WHO_STOPS_A_TRIAL = {Role.TEST_LEAD, Role.TESTER, Role.CONTINGENCY_OWNER, Role.CASE_OFFICER}
_WHO_CONFIRMS = Role.CONFIRMING_OFFICER

TRANSITIONS: Mapping[Action, Transition] = MappingProxyType(
    {
        Action.REGISTER: _line(
            State.DRAFT, State.REGISTERED, Role.PROJECT_OFFICER, Need.RELEASE_BOUND, Need.FORECAST_GIVEN
        ),
        Action.OPEN_SCREENING: _line(State.REGISTERED, State.SCREENING, Role.CASE_OFFICER),
        Action.SELECT: _line(
            State.SCREENING, State.SELECTED, Role.SELECTION_PANEL, Need.SCORE_GIVEN, Need.REASONS_GIVEN
        ),
        Action.DO_NOT_SELECT: _line(
            *(State.SCREENING, State.NOT_SELECTED, Role.SELECTION_PANEL),
            *(Need.SCORE_GIVEN, Need.SCORE_ALLOWS_IT, Need.REASONS_GIVEN, Need.EXPIRY_GIVEN),
        ),
        Action.SCREEN_AGAIN: _line(State.NOT_SELECTED, State.SCREENING, Role.CASE_OFFICER, Need.REASONS_GIVEN),
        Action.BEGIN_ARRANGING: _line(State.SELECTED, State.ARRANGING, Role.TEST_ARRANGER),
        Action.ARRANGE: _line(
            *(State.ARRANGING, State.ARRANGED, Role.TEST_ARRANGER),
            *(Need.TESTER_NAMED, Need.INDEPENDENCE_DECLARED, Need.WINDOW_BOOKED),
        ),
        Action.OPEN_DOSSIER: _line(State.ARRANGED, State.DOSSIER_OPEN, Role.CASE_OFFICER),
        Action.COMPLETE_DOSSIER: _line(State.DOSSIER_OPEN, State.READY, Role.CASE_OFFICER, Need.DOSSIER_COMPLETE),
        Action.START_TRIAL: _line(State.READY, State.TESTING, Role.TEST_LEAD, Need.TEST_ORDER_SIGNED),
        Action.ABORT_TRIAL: _line(State.TESTING, State.ABORTED, _WHO_STOPS_A_TRIAL, Need.REASONS_GIVEN),
        Action.RESUME: _line(State.ABORTED, State.READY, Role.CASE_OFFICER, Need.REASONS_GIVEN),
        Action.SEAL: _line(State.TESTING, State.SEALED, Role.TEST_LEAD, Need.BUNDLE_VERIFIED),
        Action.BEGIN_REVIEW: _line(State.SEALED, State.UNDER_REVIEW, Role.REVIEWER),
        Action.ADVISE: _line(State.UNDER_REVIEW, State.ADVISED, Role.ADVISER, Need.REASONS_GIVEN),
        Action.REMEDIATE: _line(_TO_BE_MENDED, State.REMEDIATING, Role.SYSTEM_OWNER),
        Action.RESUBMIT: _line(State.REMEDIATING, State.READY, Role.PROJECT_OFFICER, Need.NEW_DIGEST),
        Action.RECOMMEND: _line(State.UNDER_REVIEW, State.RECOMMENDED, Role.REVIEWER, Need.REASONS_GIVEN),
        Action.CONFIRM: _line(
            State.RECOMMENDED, State.CONFIRMED, _WHO_CONFIRMS, Need.VERDICT_PASSED, Need.SIGNATURES_GIVEN
        ),
        Action.CONFIRM_WITH_CONDITIONS: _line(
            *(State.RECOMMENDED, State.CONFIRMED_WITH_CONDITIONS, _WHO_CONFIRMS),
            *(Need.VERDICT_PASSED, Need.CONDITIONS_GIVEN, Need.SIGNATURES_GIVEN),
        ),
        Action.REFUSE: _line(
            State.RECOMMENDED, State.REFUSED, _WHO_CONFIRMS, Need.REASONS_GIVEN, Need.SIGNATURES_GIVEN
        ),
        Action.ROLL_OUT: _line(CONFIRMED_STATES, State.ROLLED_OUT, Role.SYSTEM_OWNER, Need.GATE_ALLOWS),
        Action.EXPIRE: _line(_IN_FORCE, State.EXPIRED, Role.CASE_OFFICER, Need.VALIDITY_OVER),
        Action.SUSPEND: _line(_IN_FORCE, State.SUSPENDED, _WHO_CONFIRMS, Need.REASONS_GIVEN),
        Action.VOID: _line(_IN_FORCE, State.VOIDED, _WHO_CONFIRMS, Need.REASONS_GIVEN),
        Action.RETURN_TO_TRIAL: _line(_LAPSED, State.READY, Role.CASE_OFFICER, Need.REASONS_GIVEN),
        Action.WITHDRAW: _line(_BEFORE_CONFIRMATION, State.WITHDRAWN, Role.PROJECT_OFFICER, Need.REASONS_GIVEN),
        # A record of what a department did, never a permission: nothing leads from there to ROLLED_OUT but a trial
        # and a confirmation.
        Action.RECORD_ROLLOUT: _line(
            *(_SELECTED_UNCONFIRMED, State.ROLLED_OUT_WITHOUT_CONFIRMATION, Role.CASE_OFFICER, Need.REASONS_GIVEN),
        ),
    }
)
"""Every way from one state to another, by the action that takes it."""


def actions_from(state: State) -> tuple[Action, ...]:
    """Return the actions that lead on from a state, in the order of the table; none from a final one."""
    return tuple(action for action, line in TRANSITIONS.items() if state in line.origins)
