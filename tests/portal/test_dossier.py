"""The dossier room: items and their evidence, the contingency plan, its drills, and when a dossier is complete."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from tests.portal.people import World

from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.errors import NotYetError
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import Action, Role, State
from seatrial.portal.cases.transitions import move
from seatrial.portal.dossier.completeness import IN_THE_CASE, completeness_of, items_of
from seatrial.portal.dossier.drilling import shortcomings
from seatrial.portal.dossier.models import ContingencyPlan, Drill, DrillStep, Item, PlanStep, Status, Submission

PDF = b"%PDF-1.7 evidence"


def at(case: Case, rest: str) -> str:
    return f"/cases/{case.pk}/{rest}"


def pdf(content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile("evidence.pdf", content)


@pytest.fixture
def case(world: World) -> Case:
    return world.case(State.DOSSIER_OPEN)


def test_every_item_of_the_policy_is_there_and_missing_at_first(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    shown = client.get(at(case, "dossier/")).content.decode()
    assert Item.objects.count() == 19
    assert set(Item.objects.values_list("status", flat=True)) == {Status.MISSING}
    assert "Privacy impact assessment" in shown
    client.cookies["seatrial_language"] = "zh-hant"
    assert "私隱影響評估" in client.get(at(case, "dossier/")).content.decode()


def test_evidence_is_handed_in_accepted_and_given_back(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    answer = client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf(), "note": "Version 3."})
    assert answer.status_code == 302
    given = Submission.objects.get()
    client.force_login(world.people[Role.CASE_OFFICER])
    assert client.post(
        at(case, "dossier/privacy/review/"), {"submission": given.pk, "accepted": "yes"}
    ).status_code == 302  # fmt: skip
    assert Item.objects.get(name="privacy").status == Status.ACCEPTED
    back = client.get(at(case, f"dossier/evidence/{given.pk}/"))
    assert b"".join(back.streaming_content) == PDF
    what = list(AuditEntry.objects.exclude(what="sign_in").order_by("sequence").values_list("what", flat=True))
    assert what == ["dossier.hand_in", "dossier.accept", "view.dossier-file"]


def test_returning_something_needs_a_word(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf()})
    given = Submission.objects.get()
    client.force_login(world.people[Role.CASE_OFFICER])
    body = {"submission": given.pk, "accepted": "no", "remark": ""}
    assert client.post(at(case, "dossier/privacy/review/"), body).status_code == 200
    assert Item.objects.get(name="privacy").status == Status.HANDED_IN
    body["remark"] = "The annex is missing."
    assert client.post(at(case, "dossier/privacy/review/"), body).status_code == 302
    assert Item.objects.get(name="privacy").status == Status.RETURNED
    assert "The annex is missing." in client.get(at(case, "dossier/")).content.decode()


def test_an_officer_who_saw_an_earlier_submission_decides_nothing(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf()})
    seen = Submission.objects.get().pk
    client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf(b"%PDF-1.7 another")})
    client.force_login(world.people[Role.CASE_OFFICER])
    answer = client.post(at(case, "dossier/privacy/review/"), {"submission": seen, "accepted": "yes"})
    assert answer.status_code == 409
    assert Item.objects.get(name="privacy").status == Status.HANDED_IN


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.pdf", b"", "empty"),
        ("virus.exe", b"MZ\x90\x00", "not taken"),
        ("page.pdf", b"<html><script>alert(1)</script>", None),
    ],
)
def test_a_file_is_what_its_bytes_are(
    world: World, case: Case, client: Client, name: str, content: bytes, told: str | None
):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    answer = client.post(at(case, "dossier/privacy/hand-in/"), {"file": SimpleUploadedFile(name, content), "note": "N"})
    if told:
        assert answer.status_code == 200
        assert told in answer.content.decode()
        assert not Submission.objects.exists()
    else:  # text is kept as text and never shown as a page
        assert Submission.objects.get().file.media_type == "text/plain"


def test_what_the_case_itself_holds_needs_a_note_and_all_else_a_file(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    note = {"note": "See the forecast of the registration."}
    assert client.post(at(case, "dossier/demand_model/hand-in/"), note).status_code == 302
    assert client.post(at(case, "dossier/demand_model/hand-in/"), {"note": "See"}).status_code == 200
    assert client.post(at(case, "dossier/privacy/hand-in/"), note).status_code == 200


@pytest.mark.parametrize("role", [Role.CASE_OFFICER, Role.TEST_LEAD, Role.AUDITOR, Role.CONFIRMING_OFFICER])
def test_only_the_department_hands_in(world: World, case: Case, client: Client, role: Role):
    client.force_login(world.people[role])
    assert client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf()}).status_code == 403
    assert not Submission.objects.exists()


def test_nobody_of_another_department_sees_that_there_is_a_dossier(world: World, case: Case, client: Client):
    client.force_login(world.foreign[Role.PROJECT_OFFICER])
    assert client.get(at(case, "dossier/")).status_code == 404
    assert client.post(at(case, "dossier/privacy/hand-in/"), {"file": pdf()}).status_code == 404


def test_an_owner_is_somebody_of_the_department(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.PROJECT_OFFICER])
    mine, theirs = world.people[Role.SYSTEM_OWNER], world.foreign[Role.SYSTEM_OWNER]
    address = at(case, "dossier/privacy/owner/")
    assert client.post(address, {"owner": theirs.pk, "due_on": ""}).status_code == 200
    assert client.post(address, {"owner": mine.pk, "due_on": "2027-01-31"}).status_code == 302
    assert Item.objects.get(name="privacy").owner == mine


PLAN = {
    "rto_minutes": 30, "rpo_minutes": 5, "mtd_minutes": 240, "triggers": "Errors above 5 % for 5 minutes.",
    "decider": "The system owner; the deputy in their place.", "fallback": "Bookings by telephone.",
    "notice": "On the website and by radio.",
    "steps-TOTAL_FORMS": 2, "steps-INITIAL_FORMS": 0,
    "steps-0-what": "Open the telephone desk", "steps-0-who": "Duty officer", "steps-0-minutes": 10,
    "steps-0-shown_by": "A call is answered",
    "steps-1-what": "", "steps-1-who": "", "steps-1-minutes": "", "steps-1-shown_by": "",
}  # fmt: skip


def test_a_plan_is_written_step_by_step_and_a_change_is_a_new_version(world: World, case: Case, client: Client):
    client.force_login(world.people[Role.CONTINGENCY_OWNER])
    assert client.post(at(case, "plan/edit/"), PLAN).status_code == 302
    assert client.post(at(case, "plan/edit/"), PLAN | {"decider": "Somebody else."}).status_code == 302
    assert list(ContingencyPlan.objects.values_list("number", "decider")) == [
        (2, "Somebody else."), (1, "The system owner; the deputy in their place."),
    ]  # fmt: skip
    assert PlanStep.objects.count() == 2
    assert "Open the telephone desk" in client.get(at(case, "plan/")).content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"rto_minutes": 300},
        {"triggers": ""},
        {"steps-0-what": "", "steps-0-who": "", "steps-0-minutes": "", "steps-0-shown_by": ""},
        {"steps-0-who": ""},
        {"rto_minutes": -1},
    ],
)
def test_a_plan_that_cannot_be_followed_is_not_written(
    world: World, case: Case, client: Client, change: dict[str, object]
):
    client.force_login(world.people[Role.CONTINGENCY_OWNER])
    answer = client.post(at(case, "plan/edit/"), PLAN | change)
    assert answer.status_code == 200
    assert "The system owner; the deputy in their place." in answer.content.decode()
    assert not ContingencyPlan.objects.exists()


@pytest.fixture
def planned(world: World, case: Case, client: Client) -> Iterator[Case]:
    with time_machine.travel(datetime(2026, 11, 24, 2, tzinfo=timezone.get_default_timezone()), tick=False):
        client.force_login(world.people[Role.CONTINGENCY_OWNER])
        client.post(at(case, "plan/edit/"), PLAN)
        yield case


def drill(
    client: Client, case: Case, *, fallback: int = 12, notice: int = 8, left: str = "0", real: str = "on"
) -> Drill:
    """Hold a drill; minutes from its beginning."""
    begun = timezone.now()
    client.post(at(case, "plan/drill/"), {"is_functional": real} if real else {})
    held = Drill.objects.first()
    step = PlanStep.objects.filter(plan=held.plan).get()
    client.post(at(case, f"plan/drill/{held.pk}/step/{step.pk}/"), {"problem": ""})
    for minutes, what in sorted([(fallback, "fallback"), (notice, "notice")]):
        with time_machine.travel(begun + timedelta(minutes=minutes), tick=False):
            client.post(at(case, f"plan/drill/{held.pk}/{what}/"))
    client.post(at(case, f"plan/drill/{held.pk}/end/"), {"unexplained": left, "remarks": ""})
    held.refresh_from_db()
    return held


def test_a_drill_within_the_limits_counts(planned: Case, client: Client):
    held = drill(client, planned)
    assert shortcomings(held, timezone.now()) == []
    assert shortcomings(held, held.started_at + timedelta(days=90)) == []
    assert shortcomings(held, held.started_at + timedelta(days=90, seconds=1)) == ["It is older than 90 days."]
    assert "This drill counts." in client.get(at(planned, f"plan/drill/{held.pk}/")).content.decode()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"fallback": 15}, []),
        ({"fallback": 16}, ["The fallback worked too late."]),
        ({"notice": 10}, []),
        ({"notice": 11}, ["The public was told too late."]),
        ({"left": "1"}, ["1 difference remained unexplained."]),
        ({"real": ""}, ["The fallback was not really brought up."]),
        ({"left": ""}, ["It is not over."]),
    ],
)
def test_a_drill_beyond_a_limit_does_not_count_and_says_why(
    planned: Case, client: Client, how: dict[str, object], why: list[str]
):
    assert shortcomings(drill(client, planned, **how), timezone.now()) == why


def test_the_first_time_that_is_said_counts(planned: Case, client: Client):
    client.post(at(planned, "plan/drill/"), {"is_functional": "on"})
    held = Drill.objects.get()
    with time_machine.travel(timezone.now() + timedelta(minutes=20), tick=False):
        client.post(at(planned, f"plan/drill/{held.pk}/fallback/"))
    client.post(at(planned, f"plan/drill/{held.pk}/fallback/"))
    held.refresh_from_db()
    assert held.fallback_live_at - held.started_at == timedelta(minutes=20)


def test_a_step_of_another_plan_is_not_done_in_this_drill(world: World, planned: Case, client: Client):
    client.post(at(planned, "plan/drill/"), {"is_functional": "on"})
    held = Drill.objects.get()
    client.post(at(planned, "plan/edit/"), PLAN)
    stranger = PlanStep.objects.exclude(plan=held.plan).get()
    assert client.post(at(planned, f"plan/drill/{held.pk}/step/{stranger.pk}/")).status_code == 404
    assert not DrillStep.objects.exists()


def test_a_drill_of_an_earlier_plan_leaves_the_dossier_incomplete(planned: Case, client: Client):
    drill(client, planned)
    assert "The contingency plan as it stands was not drilled." not in completeness_of(planned).lacks
    client.post(at(planned, "plan/edit/"), PLAN)
    assert "The contingency plan as it stands was not drilled." in completeness_of(planned).lacks


def test_nothing_goes_to_ready_incomplete(world: World, planned: Case, client: Client):
    officer = world.people[Role.CASE_OFFICER]
    with pytest.raises(NotYetError) as caught:
        move(planned.pk, 1, Action.COMPLETE_DOSSIER, by=officer)
    assert "Not accepted: Privacy impact assessment" in str(caught.value)
    items_of(planned)
    Item.objects.filter(case=planned).update(status=Status.ACCEPTED)
    with pytest.raises(NotYetError, match="not drilled"):
        move(planned.pk, 1, Action.COMPLETE_DOSSIER, by=officer)
    drill(client, planned)
    move(planned.pk, 1, Action.COMPLETE_DOSSIER, by=officer)
    assert Case.objects.get(pk=planned.pk).state == State.READY


def test_the_dossier_asks_the_database_as_often_for_much_evidence_as_for_little(
    world: World, case: Case, client: Client
):
    client.force_login(world.people[Role.AUDITOR])

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(at(case, "dossier/")).status_code == 200
        return len(found)

    by = world.people[Role.PROJECT_OFFICER]
    records = [record for _item, record in items_of(case)]
    Submission.objects.bulk_create(Submission(item=one, note="x", round=1, by=by) for one in records[:3])
    few = asked()
    Submission.objects.bulk_create(Submission(item=one, note="x", round=1, by=by) for one in records * 3)
    assert asked() <= few


def test_the_items_whose_evidence_the_case_holds_are_items_of_the_policy(world: World, case: Case):
    assert {item.name for item, _record in items_of(case)} >= IN_THE_CASE
