"""Who may do what: the one module that decides it, for pages, for programs and for commands. Deny by default.

Pure: it is given what it must know of a person and of a case, and answers. Whatever is not granted by a line here
is refused. The order of :func:`allowed` is the order of precedence: what is barred is barred whatever roles add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from seatrial.portal.cases.states import BEFORE_REGISTRATION, TRANSITIONS, Action, Role, State

__all__ = [
    "AUTHORITY",
    "DECISIONS",
    "DEPARTMENT",
    "DUTY_OF",
    "GENERAL",
    "THIRD_PARTY",
    "CaseFacts",
    "Duty",
    "General",
    "Person",
    "Work",
    "allowed",
    "allowed_in_general",
]

DEPARTMENT = frozenset({Role.PROJECT_OFFICER, Role.SYSTEM_OWNER, Role.CONTINGENCY_OWNER})
AUTHORITY = frozenset(
    {
        *(Role.CASE_OFFICER, Role.SELECTION_PANEL, Role.TEST_ARRANGER, Role.REVIEWER, Role.ADVISER),
        *(Role.CONFIRMING_OFFICER, Role.POLICY_OWNER),
    }
)
THIRD_PARTY = frozenset({Role.TEST_LEAD, Role.TESTER, Role.IMPARTIALITY_OFFICER})


class Work(StrEnum):
    """What people do in a case beside moving it (:class:`~seatrial.portal.cases.states.Action`)."""

    VIEW_CASE = "view_case"
    VIEW_RELEASED_FINDINGS = "view_released_findings"
    EDIT_REGISTRATION = "edit_registration"
    SCORE_SCREENING = "score_screening"
    EDIT_SEALED_RESULT = "edit_sealed_result"
    EDIT_CRITERIA = "edit_criteria"


class General(StrEnum):
    """What people do outside any case."""

    START_CASE = "start_case"
    VIEW_AUDIT = "view_audit"
    EDIT_POLICY = "edit_policy"
    MANAGE_PEOPLE = "manage_people"
    ASK_GATE = "ask_gate"


class Duty(StrEnum):
    """What a person did in a case that bars them from deciding it."""

    ARRANGER = "arranger"
    REVIEWER = "reviewer"
    ADVISER = "adviser"


InCase: TypeAlias = Action | Work

DUTY_OF: Mapping[Action, Duty] = MappingProxyType(
    {
        Action.BEGIN_ARRANGING: Duty.ARRANGER,
        Action.ARRANGE: Duty.ARRANGER,
        Action.BEGIN_REVIEW: Duty.REVIEWER,
        Action.RECOMMEND: Duty.REVIEWER,
        Action.ADVISE: Duty.ADVISER,
    }
)
"""Who has once done one of these in a case has had the duty in it, for all its rounds."""

DECISIONS = frozenset({Action.CONFIRM, Action.CONFIRM_WITH_CONDITIONS, Action.REFUSE})

GENERAL: Mapping[General, frozenset[Role]] = MappingProxyType(
    {
        General.START_CASE: frozenset({Role.PROJECT_OFFICER}),
        General.VIEW_AUDIT: frozenset({Role.AUDITOR}),
        General.EDIT_POLICY: frozenset({Role.POLICY_OWNER}),
        General.MANAGE_PEOPLE: frozenset({Role.PLATFORM_ADMINISTRATOR}),
        General.ASK_GATE: frozenset({Role.GATE_CLIENT}),
    }
)

_BEFORE_PANEL = frozenset({State.SCREENING})


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever asks.

    Attributes:
        id: Identifies the account.
        roles: All roles held.
        department: The department's id; None for people of none.
        contractor: The contractor's id; None for people of none.
        tester: The testing organisation's id; None for people of none.
    """

    id: int
    roles: frozenset[Role]
    department: int | None = None
    contractor: int | None = None
    tester: int | None = None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What rights depend on in a case.

    Attributes:
        state: Where it stands.
        department: Whose it is.
        contractor: Who supplies the system; None where nobody does.
        tester: Who is assigned to put it to trial; None while nobody is.
        findings_released: Whether the authority has released findings to the contractor.
        had: Who has had which duty in it, in any round: pairs of a duty and an account's id.
    """

    state: State
    department: int
    contractor: int | None = None
    tester: int | None = None
    findings_released: bool = False
    had: frozenset[tuple[Duty, int]] = frozenset()


def allowed(person: Person, what: InCase, case: CaseFacts) -> bool:
    """Whether the person may do it in the case as it stands.

    The needs of a transition (signatures, a complete dossier, ...) are another question, asked when a case moves.
    """
    if what in (Work.EDIT_SEALED_RESULT, Work.EDIT_CRITERIA):
        return False  # a sealed result is edited by nobody; criteria by the policy owner, outside any case
    if Role.AUDITOR in person.roles:
        return what in (Work.VIEW_CASE, Work.VIEW_RELEASED_FINDINGS)
    roles = _roles_in(person, case)
    if isinstance(what, Action):
        line = TRANSITIONS[what]
        if case.state not in line.origins or not roles & line.roles:
            return False
        return not (what in DECISIONS and _had_a_duty(person, case))
    if what is Work.EDIT_REGISTRATION:
        return case.state in BEFORE_REGISTRATION and Role.PROJECT_OFFICER in roles
    if what is Work.SCORE_SCREENING:
        return case.state in _BEFORE_PANEL and Role.CASE_OFFICER in roles
    if what is Work.VIEW_RELEASED_FINDINGS:
        return case.findings_released and bool(roles)
    if what is Work.VIEW_CASE:
        return bool(roles & (DEPARTMENT | AUTHORITY | THIRD_PARTY))
    return False


def allowed_in_general(person: Person, what: General) -> bool:
    """Whether the person may do what belongs to no case."""
    roles = person.roles
    if Role.AUDITOR in roles:
        return what is General.VIEW_AUDIT
    if _belongs_outside(person):
        roles -= AUTHORITY
    if what is General.START_CASE and person.department is None:
        return False
    return bool(roles & GENERAL[what])


def _roles_in(person: Person, case: CaseFacts) -> frozenset[Role]:
    """Return the roles that the person has in this case: those of its own side, if the person is on that side."""
    mine = frozenset[Role]()
    if person.department == case.department:
        mine |= DEPARTMENT
    if case.state in BEFORE_REGISTRATION:
        return person.roles & mine  # a draft is its department's own affair
    if case.tester is not None and person.tester == case.tester:
        mine |= THIRD_PARTY
    if case.contractor is not None and person.contractor == case.contractor:
        mine |= {Role.CONTRACTOR}
    if not _belongs_outside(person):
        mine |= AUTHORITY  # nobody sits on both sides of the table, even by mistake
    return person.roles & mine


def _belongs_outside(person: Person) -> bool:
    return (person.department, person.contractor, person.tester) != (None, None, None)


def _had_a_duty(person: Person, case: CaseFacts) -> bool:
    return any((duty, person.id) in case.had for duty in Duty)
