"""Who may do what: the one module that decides it, for pages, for programs and for commands. Deny by default.

Pure: it is given what it must know of a person and of a case, and answers. Whatever is not granted by a line here
is refused. The order of :func:`allowed` is the order of precedence: what is barred is barred whatever roles add.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    "WORKS",
    "CaseFacts",
    "Duty",
    "General",
    "Person",
    "Rule",
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
    VIEW_EVIDENCE = "view_evidence"
    EDIT_REGISTRATION = "edit_registration"
    SCORE_SCREENING = "score_screening"
    CHOOSE_TESTER = "choose_tester"
    DECLARE_INDEPENDENCE = "declare_independence"
    BOOK_WINDOW = "book_window"
    SIGN_TEST_ORDER = "sign_test_order"
    EDIT_DOSSIER = "edit_dossier"
    REVIEW_DOSSIER = "review_dossier"
    EDIT_CONTINGENCY_PLAN = "edit_contingency_plan"
    RUN_DRILL = "run_drill"
    RUN_TRIAL = "run_trial"
    VIEW_DRAFT_FINDINGS = "view_draft_findings"
    WRITE_FINDING = "write_finding"
    RELEASE_FINDINGS = "release_findings"
    GIVE_ADVICE = "give_advice"
    ANSWER_ADVICE = "answer_advice"
    REPORT_ON_CONDITION = "report_on_condition"
    CLOSE_CONDITION = "close_condition"
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


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do a work, and when.

    Attributes:
        roles: Holding one of them is enough.
        states: In which of them.
    """

    roles: frozenset[Role]
    states: frozenset[State]


def _rule(roles: Role | Iterable[Role], *states: State) -> Rule:
    return Rule(frozenset({roles}) if isinstance(roles, Role) else frozenset(roles), frozenset(states or State))


_SELECTED = (State.SELECTED, State.ARRANGING, State.ARRANGED, State.DOSSIER_OPEN, State.READY, State.TESTING)
_JUDGED = (State.SEALED, State.UNDER_REVIEW, State.ADVISED, State.REMEDIATING, State.RECOMMENDED, State.REFUSED)
_CONFIRMED = (State.CONFIRMED, State.CONFIRMED_WITH_CONDITIONS, State.ROLLED_OUT)
_WITH_CONDITIONS = (State.CONFIRMED_WITH_CONDITIONS, State.ROLLED_OUT)
_OFFICERS = frozenset({Role.PROJECT_OFFICER, Role.SYSTEM_OWNER})

WORKS: Mapping[Work, Rule] = MappingProxyType(
    {
        Work.VIEW_CASE: _rule(DEPARTMENT | AUTHORITY | THIRD_PARTY),
        Work.VIEW_EVIDENCE: _rule(DEPARTMENT | AUTHORITY | THIRD_PARTY),
        Work.EDIT_REGISTRATION: _rule(Role.PROJECT_OFFICER, *BEFORE_REGISTRATION),
        Work.SCORE_SCREENING: _rule(Role.CASE_OFFICER, State.SCREENING),
        Work.CHOOSE_TESTER: _rule(Role.TEST_ARRANGER, State.ARRANGING),
        Work.BOOK_WINDOW: _rule(
            *(Role.TEST_ARRANGER, State.ARRANGING, State.ARRANGED, State.DOSSIER_OPEN, State.READY, State.ABORTED),
        ),
        Work.SIGN_TEST_ORDER: _rule(Role.TEST_ARRANGER, State.ARRANGED, State.DOSSIER_OPEN, State.READY),
        Work.EDIT_DOSSIER: _rule(DEPARTMENT, State.DOSSIER_OPEN, State.REMEDIATING),
        Work.REVIEW_DOSSIER: _rule({Role.CASE_OFFICER, Role.REVIEWER}, State.DOSSIER_OPEN, State.REMEDIATING),
        Work.EDIT_CONTINGENCY_PLAN: _rule(Role.CONTINGENCY_OWNER, State.DOSSIER_OPEN, State.REMEDIATING),
        Work.RUN_DRILL: _rule(Role.CONTINGENCY_OWNER, State.DOSSIER_OPEN, State.READY, State.REMEDIATING, *_CONFIRMED),
        Work.RUN_TRIAL: _rule({Role.TEST_LEAD, Role.TESTER}, State.READY, State.TESTING),
        Work.VIEW_DRAFT_FINDINGS: _rule(AUTHORITY),
        Work.WRITE_FINDING: _rule(Role.REVIEWER, State.UNDER_REVIEW),
        Work.RELEASE_FINDINGS: _rule({Role.REVIEWER, Role.CASE_OFFICER}, *_JUDGED[1:]),
        Work.GIVE_ADVICE: _rule(Role.ADVISER, *_SELECTED, State.ABORTED, *_JUDGED),
        Work.ANSWER_ADVICE: _rule(DEPARTMENT, *_SELECTED, State.ABORTED, *_JUDGED),
        Work.REPORT_ON_CONDITION: _rule(_OFFICERS, *_WITH_CONDITIONS),
        Work.CLOSE_CONDITION: _rule(Role.CASE_OFFICER, *_WITH_CONDITIONS),
    }
)
"""Who may do what beside moving the case. The works that are not here have rules of their own in :func:`allowed`."""

_OF_THE_AUDITOR = frozenset({Work.VIEW_CASE, Work.VIEW_RELEASED_FINDINGS, Work.VIEW_DRAFT_FINDINGS, Work.VIEW_EVIDENCE})


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
        candidates: Testing organisations that were asked to declare their independence for it.
    """

    state: State
    department: int
    contractor: int | None = None
    tester: int | None = None
    findings_released: bool = False
    had: frozenset[tuple[Duty, int]] = frozenset()
    candidates: frozenset[int] = frozenset()


def allowed(person: Person, what: InCase, case: CaseFacts) -> bool:
    """Whether the person may do it in the case as it stands.

    The needs of a transition (signatures, a complete dossier, ...) are another question, asked when a case moves.
    """
    if what in (Work.EDIT_SEALED_RESULT, Work.EDIT_CRITERIA):
        return False  # a sealed result is edited by nobody; criteria by the policy owner, outside any case
    if Role.AUDITOR in person.roles:
        return what in _OF_THE_AUDITOR
    if what is Work.DECLARE_INDEPENDENCE:  # by candidates: they have no part in the case yet
        asked = case.state is State.ARRANGING and person.tester is not None and person.tester in case.candidates
        return asked and Role.IMPARTIALITY_OFFICER in person.roles
    roles = _roles_in(person, case)
    if isinstance(what, Action):
        line = TRANSITIONS[what]
        if case.state not in line.origins or not roles & line.roles:
            return False
        return not (what in DECISIONS and _had_a_duty(person, case))
    if what is Work.VIEW_RELEASED_FINDINGS:
        return case.findings_released and bool(roles)
    rule = WORKS.get(what)
    return rule is not None and case.state in rule.states and bool(roles & rule.roles)


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
