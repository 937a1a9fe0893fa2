"""Rights: the whole matrix against the committed table, and the separation of duties."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.portal.cases.states import TRANSITIONS, Action, Role, State
from seatrial.portal.rights import (
    AUTHORITY,
    DECISIONS,
    DEPARTMENT,
    DUTY_OF,
    THIRD_PARTY,
    CaseFacts,
    Duty,
    General,
    Person,
    Work,
    allowed,
    allowed_in_general,
)

TABLE = Path(__file__).with_name("rights.txt")
DOING = [*Action, *Work]
OWN, FOREIGN = 1, 2


def someone(role: Role, side: int) -> Person:
    """Return a person of a role, who belongs where such people belong."""
    return Person(
        id=7,
        roles=frozenset({role}),
        department=side if role in DEPARTMENT else None,
        contractor=side if role is Role.CONTRACTOR else None,
        tester=side if role in THIRD_PARTY else None,
    )


def case_in(state: State, **facts: object) -> CaseFacts:
    return CaseFacts(
        state, department=OWN, contractor=OWN, tester=OWN, findings_released=True, candidates=frozenset({OWN}), **facts
    )


def rows() -> Iterator[str]:
    """Give one row for each role, action and side on which something is allowed, with the states in which it is."""
    for role, what, side in product(Role, DOING, (OWN, FOREIGN)):
        states = [state for state in State if allowed(someone(role, side), what, case_in(state))]
        shown = "every state" if len(states) == len(State) else " ".join(states)
        if len(states) > len(State) / 2 and len(states) < len(State):
            shown = "all but " + " ".join(state for state in State if state not in states)
        if states:
            yield f"{role} | {'own' if side == OWN else 'foreign'} | {what} | {shown}"
    for role, what in product(Role, General):
        if allowed_in_general(someone(role, OWN), what):
            yield f"{role} | - | {what} | -"


def test_the_whole_matrix_is_the_committed_table():
    assert list(rows()) == TABLE.read_text(encoding="utf-8").splitlines()


def test_whoever_has_no_role_may_do_nothing():
    nobody = Person(7, frozenset(), department=OWN, contractor=OWN, tester=OWN)
    assert not any(allowed(nobody, what, case_in(state)) for what, state in product(DOING, State))
    assert not any(allowed_in_general(nobody, what) for what in General)


@pytest.mark.parametrize("role", [Role.PLATFORM_ADMINISTRATOR, Role.GATE_CLIENT])
def test_administrators_and_machines_have_no_right_in_any_case(role):
    assert not any(allowed(someone(role, OWN), what, case_in(state)) for what, state in product(DOING, State))


everyone = st.builds(
    Person,
    id=st.integers(1, 3),
    roles=st.frozensets(st.sampled_from(Role)),
    department=st.sampled_from([None, OWN, FOREIGN]),
    contractor=st.sampled_from([None, OWN, FOREIGN]),
    tester=st.sampled_from([None, OWN, FOREIGN]),
)
cases = st.builds(
    CaseFacts,
    state=st.sampled_from(State),
    department=st.just(OWN),
    contractor=st.sampled_from([None, OWN]),
    tester=st.sampled_from([None, OWN]),
    findings_released=st.booleans(),
    had=st.frozensets(st.tuples(st.sampled_from(Duty), st.integers(1, 3))),
)
doing = st.sampled_from(DOING)


@given(everyone, cases, doing)
def test_nothing_outside_the_table_of_transitions_is_allowed_to_anyone(person, case, what):
    if isinstance(what, Action) and allowed(person, what, case):
        assert case.state in TRANSITIONS[what].origins
        assert person.roles & TRANSITIONS[what].roles


@given(everyone, cases, doing)
def test_an_auditor_reads_everything_and_changes_nothing_whatever_else_they_are(person, case, what):
    auditor = Person(person.id, person.roles | {Role.AUDITOR}, person.department, person.contractor, person.tester)
    assert allowed(auditor, what, case) is (
        what in {Work.VIEW_CASE, Work.VIEW_RELEASED_FINDINGS, Work.VIEW_DRAFT_FINDINGS, Work.VIEW_EVIDENCE}
    )


@given(everyone, cases, st.sampled_from(sorted(DECISIONS)))
def test_who_arranged_reviewed_or_advised_never_decides(person, case, what):
    if allowed(person, what, case):
        assert person.id not in {who for _, who in case.had}
        assert (person.department, person.contractor, person.tester) == (None, None, None)


def test_the_confirming_officer_decides_when_nothing_bars_them():
    officer = someone(Role.CONFIRMING_OFFICER, OWN)
    others = frozenset({(duty, 8) for duty in Duty})
    for what in DECISIONS:
        assert allowed(officer, what, case_in(State.RECOMMENDED, had=others))
        for duty in Duty:
            assert not allowed(officer, what, case_in(State.RECOMMENDED, had=others | {(duty, 7)}))
    assert set(DUTY_OF.values()) == set(Duty)


@given(everyone, cases)
def test_nobody_edits_a_sealed_result_and_nobody_edits_criteria_in_a_case(person, case):
    assert not allowed(person, Work.EDIT_SEALED_RESULT, case)
    assert not allowed(person, Work.EDIT_CRITERIA, case)


@given(everyone, cases, doing)
def test_who_belongs_to_an_organisation_never_acts_for_the_authority(person, case, what):
    only = Person(person.id, person.roles & AUTHORITY, person.department, person.contractor, person.tester)
    if (person.department, person.contractor, person.tester) != (None, None, None):
        assert not allowed(only, what, case)
        assert not any(allowed_in_general(only, general) for general in General)


@given(everyone, cases, doing)
def test_a_contractor_sees_released_findings_of_its_own_systems_and_nothing_else(person, case, what):
    contractor = Person(person.id, frozenset({Role.CONTRACTOR}), contractor=person.contractor)
    seen = case.findings_released and case.contractor is not None and person.contractor == case.contractor
    seen = seen and case.state is not State.DRAFT
    assert allowed(contractor, what, case) is (what is Work.VIEW_RELEASED_FINDINGS and seen)


@given(everyone, doing)
def test_a_draft_is_its_departments_alone_and_the_auditors(person, what):
    if allowed(person, what, CaseFacts(State.DRAFT, department=OWN, contractor=OWN, tester=OWN)):
        assert Role.AUDITOR in person.roles or (person.department == OWN and person.roles & DEPARTMENT)


def test_what_decides_is_pure():
    code = (
        "import seatrial.portal.rights, seatrial.portal.screening, sys, json;"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(json.loads(done.stdout))
    assert "seatrial" in loaded
    assert not loaded & {"django", "psycopg", "sqlite3", "starlette", "uvicorn"}
