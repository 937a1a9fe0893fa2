"""Moving a case: rights, needs, compare-and-set, and what is written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from tests.portal.people import World

from seatrial.portal import rights
from seatrial.portal.audit import chain
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases import preconditions
from seatrial.portal.cases.errors import CaseMovedError, NotPermittedError, NotYetError
from seatrial.portal.cases.models import Case, CaseEvent, Screening
from seatrial.portal.cases.states import TRANSITIONS, Action, Need, Role, State
from seatrial.portal.cases.transitions import move
from seatrial.portal.cases.visibility import cases_visible_to

REASONS = "Because the figures say so."


def test_a_move_writes_the_state_the_event_and_the_record(world: World):
    case = world.case(State.REGISTERED)
    officer = world.people[Role.CASE_OFFICER]
    event = move(case.pk, case.version, Action.OPEN_SCREENING, by=officer)
    case.refresh_from_db()
    assert (case.state, case.version, case.round) == ("screening", 2, 1)
    assert (event.from_state, event.to_state, event.by) == ("registered", "screening", officer)
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.object_kind, entry.object_id, entry.actor) == (
        "case.open_screening", "Case", str(case.pk), officer.pk,
    )  # fmt: skip
    assert chain.verify() == chain.head()


def test_who_comes_second_finds_that_the_case_has_moved_and_writes_nothing(world: World):
    case = world.case(State.REGISTERED)
    officer = world.people[Role.CASE_OFFICER]
    move(case.pk, 1, Action.OPEN_SCREENING, by=officer)
    with pytest.raises(CaseMovedError, match="nothing was written"):
        move(case.pk, 1, Action.OPEN_SCREENING, by=officer)
    assert CaseEvent.objects.count() == AuditEntry.objects.count() == 1


def test_a_move_from_another_state_is_refused_even_with_the_right_version(world: World):
    case = world.case(State.DRAFT)
    with pytest.raises(NotPermittedError):
        move(case.pk, 1, Action.OPEN_SCREENING, by=world.people[Role.CASE_OFFICER])
    case = world.case(State.SELECTED)
    with pytest.raises(NotPermittedError):
        move(case.pk, 1, Action.OPEN_SCREENING, by=world.people[Role.CASE_OFFICER])
    assert not CaseEvent.objects.exists()


def test_a_stranger_is_not_told_whether_there_is_such_a_case(world: World):
    case = world.case(State.DRAFT)
    stranger = world.foreign[Role.PROJECT_OFFICER]
    said = []
    for number in (case.pk, 999_999):
        with pytest.raises(NotPermittedError) as caught:
            move(number, 1, Action.REGISTER, by=stranger)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_every_unmet_need_is_named_and_nothing_is_written(world: World):
    case = world.case(State.SCREENING)
    with pytest.raises(NotYetError) as caught:
        move(case.pk, 1, Action.DO_NOT_SELECT, by=world.people[Role.SELECTION_PANEL], reasons="short")
    assert len(caught.value.needs) == 4
    assert not CaseEvent.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_need_that_no_room_meets_is_not_met(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(preconditions._CHECKS, Need.REASONS_GIVEN)
    case = world.case(State.ABORTED)
    with pytest.raises(NotYetError, match="reasons_given"):
        move(case.pk, 1, Action.RESUME, by=world.people[Role.CASE_OFFICER], reasons=REASONS)


@pytest.mark.parametrize("days", [0, 367, -1])
def test_leaving_a_system_out_needs_an_expiry_within_a_year(world: World, days: int):
    case = world.case(State.SCREENING)
    Screening.objects.create(
        case=case, levels={}, policy_sha256="0" * 64, points=30, outcome="self_declaration",
        by=world.people[Role.CASE_OFFICER],
    )  # fmt: skip
    panel = world.people[Role.SELECTION_PANEL]
    on = timezone.localdate() + timedelta(days=days)
    with pytest.raises(NotYetError, match="within a year"):
        move(case.pk, 1, Action.DO_NOT_SELECT, by=panel, reasons=REASONS, particulars={"expires_on": on.isoformat()})
    on = timezone.localdate() + timedelta(days=366)
    move(case.pk, 1, Action.DO_NOT_SELECT, by=panel, reasons=REASONS, particulars={"expires_on": on.isoformat()})
    assert Case.objects.get().state == "not_selected"


def test_a_score_that_selects_cannot_be_left_out(world: World):
    case = world.case(State.SCREENING)
    Screening.objects.create(
        case=case, levels={}, policy_sha256="0" * 64, points=90, outcome="selected", by=world.people[Role.CASE_OFFICER]
    )
    with pytest.raises(NotYetError, match="can't leave it out"):
        move(
            case.pk, 1, Action.DO_NOT_SELECT, by=world.people[Role.SELECTION_PANEL], reasons=REASONS,
            particulars={"expires_on": (timezone.localdate() + timedelta(days=30)).isoformat()},
        )  # fmt: skip


def test_coming_back_for_another_trial_begins_a_round(world: World):
    case = world.case(State.SUSPENDED)
    event = move(case.pk, 1, Action.RETURN_TO_TRIAL, by=world.people[Role.CASE_OFFICER], reasons=REASONS)
    assert (event.round, Case.objects.get().round) == (2, 2)


def test_who_recommended_in_an_earlier_round_can_never_decide(world: World):
    case = world.case(State.UNDER_REVIEW)
    both = world.people[Role.REVIEWER]
    both.held_roles.create(role=Role.CONFIRMING_OFFICER.value)
    move(case.pk, 1, Action.RECOMMEND, by=both, reasons=REASONS)
    with pytest.raises(NotPermittedError):
        move(case.pk, 2, Action.REFUSE, by=both, reasons=REASONS)


def test_what_is_rolled_back_was_never_recorded(world: World):
    case = world.case(State.REGISTERED)
    with pytest.raises(RuntimeError), transaction.atomic():
        move(case.pk, 1, Action.OPEN_SCREENING, by=world.people[Role.CASE_OFFICER])
        raise RuntimeError
    assert not AuditEntry.objects.exists()
    assert Case.objects.get().version == 1


def test_the_list_shows_what_rights_let_view_for_every_role_side_and_state(world: World):
    for state in State:
        world.case(state)
        world.case(state, tester=world.other_tester, department=world.other_department)
    for people in (world.people, world.foreign):
        for role, user in people.items():
            shown = set(cases_visible_to(user.person()).values_list("pk", flat=True))
            may = {
                case.pk
                for case in Case.objects.select_related("system")
                if rights.allowed(user.person(), rights.Work.VIEW_CASE, case.facts())
            }
            assert shown == may, role
    assert cases_visible_to(world.people[Role.AUDITOR].person()).count() == 2 * len(State)


def test_every_need_of_the_table_is_a_need_that_some_room_meets():
    named = {need for line in TRANSITIONS.values() for need in line.needs}
    missing = {need.value for need in named - set(preconditions._CHECKS)}
    assert missing <= {
        "tester_named", "independence_declared", "window_booked", "dossier_complete", "test_order_signed",
        "bundle_verified", "new_digest", "verdict_passed", "conditions_given", "signatures_given", "gate_allows",
    }  # fmt: skip
