"""The table of transitions: what it allows, and above all what it doesn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.portal.cases.states import (
    CONFIRMED_STATES,
    FINAL_STATES,
    TRANSITIONS,
    Action,
    Need,
    Role,
    State,
    actions_from,
)

ways = st.lists(st.randoms(use_true_random=False), min_size=1, max_size=60)


def reached_from(start: State, without: frozenset[State] = frozenset()) -> set[State]:
    """Return all states that can be reached, without passing through some of them."""
    seen, ahead = set(), [start]
    while ahead:
        state = ahead.pop()
        if state in seen or state in without:
            continue
        seen.add(state)
        ahead += [TRANSITIONS[action].to for action in actions_from(state)]
    return seen


def test_every_action_has_its_line_and_every_line_a_role_and_an_origin():
    assert set(TRANSITIONS) == set(Action)
    assert all(line.roles and line.origins for line in TRANSITIONS.values())
    assert {need for line in TRANSITIONS.values() for need in line.needs} == set(Need)


def test_every_state_is_reached_from_the_draft():
    assert reached_from(State.DRAFT) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_but_the_final_ones_has_a_way_on(state):
    assert bool(actions_from(state)) == (state not in FINAL_STATES)


@pytest.mark.parametrize(
    "state",
    [
        *(State.DRAFT, State.UNDER_REVIEW, State.REFUSED, State.ADVISED, State.READY, State.RECOMMENDED),
        *(State.VOIDED, State.EXPIRED, State.SUSPENDED, State.ROLLED_OUT_WITHOUT_CONFIRMATION, State.WITHDRAWN),
    ],
)
def test_nothing_is_rolled_out_without_a_confirmation_on_its_way(state):
    assert State.ROLLED_OUT not in reached_from(state, CONFIRMED_STATES)


def test_nothing_is_confirmed_without_a_sealed_trial_and_a_recommendation():
    for passed in (State.SEALED, State.UNDER_REVIEW, State.RECOMMENDED):
        assert not reached_from(State.DRAFT, frozenset({passed})) & CONFIRMED_STATES


@pytest.mark.parametrize("state", [State.REFUSED, State.ADVISED, State.VOIDED, State.EXPIRED, State.SUSPENDED])
def test_who_was_refused_advised_or_lapsed_is_confirmed_by_a_new_trial_only(state):
    assert not reached_from(state, frozenset({State.TESTING})) & CONFIRMED_STATES


def test_only_the_confirming_officer_decides():
    for line in TRANSITIONS.values():
        if line.to in CONFIRMED_STATES | {State.REFUSED}:
            assert line.roles == {Role.CONFIRMING_OFFICER}
            assert line.origins == {State.RECOMMENDED}
            assert Need.SIGNATURES_GIVEN in line.needs


def test_no_machine_no_auditor_no_administrator_and_no_contractor_moves_a_case():
    idle = {Role.GATE_CLIENT, Role.AUDITOR, Role.PLATFORM_ADMINISTRATOR, Role.CONTRACTOR}
    assert not any(line.roles & idle for line in TRANSITIONS.values())


@given(ways)
def test_on_every_walk_a_rollout_comes_after_a_confirmation_that_no_lapse_has_ended(steps):
    state, in_force = State.DRAFT, False
    for chance in steps:
        actions = actions_from(state)
        if not actions:
            break
        state = TRANSITIONS[chance.choice(actions)].to
        if state in CONFIRMED_STATES:
            in_force = True
        elif state is State.ROLLED_OUT:
            assert in_force
        else:
            in_force = False
