"""The list of cases and the first page of a case, for each role."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.portal.people import World

from seatrial.portal.cases.models import CaseEvent
from seatrial.portal.cases.overview import PHASE_OF, Phase, phases
from seatrial.portal.cases.states import TRANSITIONS, Action, Role, State
from seatrial.portal.cases.transitions import move

REASONS = "Because the figures say so."


def as_(client: Client, world: World, role: Role) -> Client:
    client.force_login(world.people[role])
    return client


def test_the_list_shows_what_opens_first_first_and_turns_round_on_demand(client: Client, world: World):
    now = timezone.now()
    late = world.case(State.REGISTERED, opens_at=now + timedelta(days=90))
    soon = world.case(State.REGISTERED, opens_at=now + timedelta(days=3))
    never = world.case(State.REGISTERED, opens_at=None)
    as_(client, world, Role.CASE_OFFICER)
    page = client.get("/cases/").content.decode()
    assert page.index(soon.reference) < page.index(late.reference)
    page = client.get("/cases/?order=-opens").content.decode()
    assert page.index(late.reference) < page.index(soon.reference) < page.index(never.reference)


def test_the_list_is_filtered_by_state_and_by_words_and_says_so_when_nothing_fits(client: Client, world: World):
    one, two = world.case(State.REGISTERED), world.case(State.SCREENING)
    as_(client, world, Role.CASE_OFFICER)
    page = client.get("/cases/?state=screening").content.decode()
    assert two.reference in page
    assert one.reference not in page
    assert one.reference in client.get(f"/cases/?q={one.reference}").content.decode()
    assert one.reference in client.get("/cases/", {"q": "場地預訂"}).content.decode()
    assert "No case fits" in client.get("/cases/?q=nothing+of+that+name").content.decode()


def test_the_list_has_fifty_a_page_and_keeps_the_filter_on_its_way(client: Client, world: World):
    for _ in range(51):
        world.case(State.REGISTERED)
    as_(client, world, Role.CASE_OFFICER)
    page = client.get("/cases/?state=registered")
    assert len(page.context["page_obj"].object_list) == 50
    assert "state=registered&amp;page=2" in page.content.decode()
    assert len(client.get("/cases/?state=registered&page=2").context["page_obj"].object_list) == 1


def test_the_list_costs_as_many_queries_for_thirty_cases_as_for_three(
    client: Client, world: World, django_assert_num_queries: Any
):
    as_(client, world, Role.CASE_OFFICER)
    for _ in range(3):
        world.case(State.REGISTERED)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get("/cases/")  # the session learns that there is a second factor
    with CaptureQueriesContext(connection) as few:
        client.get("/cases/")
    for _ in range(27):
        world.case(State.REGISTERED)
    with django_assert_num_queries(len(few)):
        client.get("/cases/")


@pytest.mark.parametrize("role", [Role.PROJECT_OFFICER, Role.CASE_OFFICER, Role.AUDITOR, Role.TESTER])
@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_a_case_is_shown_in_both_languages_in_every_state(client: Client, world: World, role: Role, language: str):
    as_(client, world, role)
    for state in State:
        case = world.case(state)
        if state is State.DRAFT and role not in (Role.PROJECT_OFFICER, Role.AUDITOR):
            continue
        case.tester = world.tester
        case.save()
        page = client.get(f"/cases/{case.pk}/", HTTP_ACCEPT_LANGUAGE=language)
        assert page.status_code == 200
        text = page.content.decode()
        assert case.reference in text
        assert text.count("<h1>") == 1
        assert text.count('aria-current="step"') == (0 if PHASE_OF[state] is None else 1)


def test_every_state_has_its_place_on_the_way_and_what_lies_behind_is_done(world: World):
    assert set(PHASE_OF) == set(State)
    steps = phases(world.case(State.READY))
    assert [step.is_done for step in steps] == [True] * 4 + [False] * 4
    assert [step.is_current for step in steps].index(True) == list(Phase).index(Phase.TRIAL)
    assert not any(step.is_done or step.is_current for step in phases(world.case(State.WITHDRAWN)))


def test_a_case_of_another_department_is_not_there(client: Client, world: World):
    case = world.case(State.REGISTERED)
    client.force_login(world.foreign[Role.PROJECT_OFFICER])
    for address in (f"/cases/{case.pk}/", f"/cases/{case.pk}/history/", f"/cases/{case.pk}/do/withdraw/"):
        page = client.get(address)
        assert page.status_code == 404
        assert "There is no such page" in page.content.decode()


def test_what_moved_the_case_is_told_with_who_and_why(client: Client, world: World):
    case = world.case(State.REGISTERED)
    move(case.pk, 1, Action.WITHDRAW, by=world.people[Role.PROJECT_OFFICER], reasons=REASONS)
    as_(client, world, Role.CASE_OFFICER)
    for address in (f"/cases/{case.pk}/", f"/cases/{case.pk}/history/"):
        text = client.get(address).content.decode()
        assert REASONS in text
        assert "project_officer one" in text
        assert "Withdraw: Withdrawn" in text


def test_a_move_is_asked_before_it_is_made_and_its_reasons_stay_when_it_is_not_yet_possible(
    client: Client, world: World
):
    case = world.case(State.REGISTERED)
    as_(client, world, Role.PROJECT_OFFICER)
    address = f"/cases/{case.pk}/do/withdraw/"
    page = client.get(address).content.decode()
    assert "Nothing leads on from there" in page
    page = client.post(address, {"version": 1, "reasons": "short"}).content.decode()
    assert "ten characters" in page
    assert "short</textarea>" in page
    assert client.post(address, {"version": 1, "reasons": REASONS}).status_code == 302
    assert CaseEvent.objects.get().action == "withdraw"


def test_who_comes_second_is_shown_that_nothing_was_changed(client: Client, world: World):
    case = world.case(State.REGISTERED)
    move(case.pk, 1, Action.OPEN_SCREENING, by=world.people[Role.CASE_OFFICER])
    as_(client, world, Role.PROJECT_OFFICER)
    page = client.post(f"/cases/{case.pk}/do/withdraw/", {"version": 1, "reasons": REASONS})
    assert page.status_code == 409
    assert "The case has moved since you saw it" in page.content.decode()


def test_who_may_not_is_told_so(client: Client, world: World):
    case = world.case(State.REGISTERED)
    as_(client, world, Role.CASE_OFFICER)
    page = client.post(f"/cases/{case.pk}/do/withdraw/", {"version": 1, "reasons": REASONS})
    assert page.status_code == 403
    assert "You may not do this" in page.content.decode()
    assert client.get(f"/cases/{case.pk}/do/fly/").status_code == 404


def test_every_offer_leads_to_a_page(client: Client, world: World):
    for action, line in TRANSITIONS.items():
        role = sorted(line.roles)[0]
        case = world.case(sorted(line.origins)[0])
        case.tester = world.tester
        case.save()
        as_(client, world, role)
        page = client.get(f"/cases/{case.pk}/")
        offered = [offer.url for offer in page.context["offers"] if offer.action is action]
        assert offered, action
        assert client.get(offered[0]).status_code in (200, 302), action


def test_the_audit_trail_is_shown_to_auditors_alone(client: Client, world: World):
    case = world.case(State.REGISTERED)
    move(case.pk, 1, Action.OPEN_SCREENING, by=world.people[Role.CASE_OFFICER])
    as_(client, world, Role.AUDITOR)
    page = client.get("/audit/").content.decode()
    assert "case.open_screening" in page
    assert "No entry fits" in client.get("/audit/?what=nothing").content.decode()
    as_(client, world, Role.CASE_OFFICER)
    assert client.get("/audit/").status_code == 403
