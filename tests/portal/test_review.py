"""The review room: findings, advice, and who has thereby judged or advised."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from tests.portal.people import World

from seatrial.portal import rights
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import Action, Role, State
from seatrial.portal.review.models import Advice, AdviceMessage, Finding
from seatrial.portal.rights import Duty

FINDING = {"severity": "major", "title": "Sign-in slows down", "detail": "p95 4.2 s at 1.5 P."}


def page(case: Case, name: str = "") -> str:
    return f"/cases/{case.pk}/{name}"


@pytest.fixture
def judged(world: World) -> Case:
    case = world.case(State.UNDER_REVIEW)
    Finding.objects.create(case=case, round=1, by=world.people[Role.REVIEWER], **FINDING)
    return case


def test_a_finding_is_written_by_the_reviewer_and_recorded(world: World, client: Client):
    case = world.case(State.UNDER_REVIEW)
    client.force_login(world.people[Role.REVIEWER])
    answer = client.post(page(case, "review/finding/"), FINDING)
    assert (answer.status_code, answer.url) == (302, page(case, "review/"))
    finding = Finding.objects.get()
    assert (finding.round, finding.released_at, finding.by) == (1, None, world.people[Role.REVIEWER])
    assert AuditEntry.objects.filter(what="finding.write").count() == 1
    assert "Sign-in slows down" in client.get(page(case, "review/")).content.decode()


@pytest.mark.parametrize("missing", ["severity", "title", "detail"])
def test_a_finding_without_a_part_is_not_written_and_nothing_typed_is_lost(world: World, client: Client, missing: str):
    case = world.case(State.UNDER_REVIEW)
    client.force_login(world.people[Role.REVIEWER])
    answer = client.post(page(case, "review/finding/"), FINDING | {missing: ""})
    assert answer.status_code == 200
    kept = [value for name, value in FINDING.items() if name not in (missing, "severity")]
    assert all(value in answer.content.decode() for value in kept)
    assert not Finding.objects.exists()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.REVIEWER])
def test_nobody_else_writes_findings(world: World, client: Client, role: Role):
    case = world.case(State.UNDER_REVIEW)
    client.force_login(world.people[role])
    assert client.post(page(case, "review/finding/"), FINDING).status_code in (403, 404)
    assert not Finding.objects.exists()


@pytest.mark.parametrize("state", [State.SEALED, State.ADVISED, State.RECOMMENDED, State.CONFIRMED])
def test_findings_are_written_while_the_evidence_is_under_review_only(world: World, client: Client, state: State):
    case = world.case(state)
    client.force_login(world.people[Role.REVIEWER])
    assert client.post(page(case, "review/finding/"), FINDING).status_code == 403


def test_a_draft_is_read_by_the_authority_and_the_auditor_until_it_is_released(
    world: World, judged: Case, client: Client
):
    for role, status in (
        *((Role.REVIEWER, 200), (Role.CASE_OFFICER, 200), (Role.CONFIRMING_OFFICER, 200), (Role.AUDITOR, 200)),
        *((Role.PROJECT_OFFICER, 403), (Role.TEST_LEAD, 403), (Role.CONTRACTOR, 404)),
    ):
        client.force_login(world.people[role])
        assert client.get(page(judged, "review/")).status_code == status, role
    client.force_login(world.people[Role.REVIEWER])
    assert client.post(page(judged, "review/release/")).status_code == 302
    client.force_login(world.people[Role.PROJECT_OFFICER])
    assert "Sign-in slows down" in client.get(page(judged, "review/")).content.decode()
    assert AuditEntry.objects.filter(what="view.findings").count() == 5
    client.force_login(world.foreign[Role.PROJECT_OFFICER])
    assert client.get(page(judged, "review/")).status_code == 404


def test_a_finding_that_came_later_is_a_draft_again(world: World, judged: Case, client: Client):
    client.force_login(world.people[Role.REVIEWER])
    client.post(page(judged, "review/release/"))
    client.post(page(judged, "review/finding/"), FINDING | {"title": "Later thought"})
    client.force_login(world.people[Role.PROJECT_OFFICER])
    shown = client.get(page(judged, "review/")).content.decode()
    assert "Sign-in slows down" in shown
    assert "Later thought" not in shown


def test_a_finding_is_settled_once_with_words(world: World, judged: Case, client: Client):
    finding = Finding.objects.get()
    client.force_login(world.people[Role.REVIEWER])
    address = page(judged, f"review/finding/{finding.pk}/settle/")
    assert client.post(address, {"settlement": ""}).status_code == 200
    assert client.post(address, {"settlement": "Tried again: 1.1 s."}).status_code == 302
    finding.refresh_from_db()
    assert finding.settled_at is not None
    assert client.post(address, {"settlement": "Again."}).status_code == 404


def advise(client: Client, case: Case, **changes: str) -> object:
    due = (timezone.localdate() + timedelta(days=7)).isoformat()
    return client.post(
        page(case, "advice/new/"), {"title": "Put a queue in front", "text": "Because.", "due_on": due} | changes
    )


def test_advice_is_a_thread_that_the_department_answers_in(world: World, client: Client):
    case = world.case(State.DOSSIER_OPEN)
    client.force_login(world.people[Role.ADVISER])
    assert advise(client, case).status_code == 302
    given = Advice.objects.get()
    client.force_login(world.people[Role.SYSTEM_OWNER])
    file = SimpleUploadedFile("plan.pdf", b"%PDF-1.7 queue")
    answer = client.post(page(case, f"advice/{given.pk}/"), {"text": "Done so.", "file": file})
    assert answer.status_code == 302
    message = AdviceMessage.objects.last()
    assert message.file.media_type == "application/pdf"
    back = client.get(page(case, f"advice/file/{message.pk}/"))
    assert b"".join(back.streaming_content) == b"%PDF-1.7 queue"
    assert back["Content-Disposition"].startswith("attachment")
    client.force_login(world.people[Role.ADVISER])
    assert client.post(page(case, f"advice/{given.pk}/close/")).status_code == 302
    client.force_login(world.people[Role.SYSTEM_OWNER])
    assert client.post(page(case, f"advice/{given.pk}/"), {"text": "One more thing."}).status_code == 403


def test_a_file_that_is_not_taken_loses_nothing_that_was_typed(world: World, client: Client):
    case = world.case(State.DOSSIER_OPEN)
    client.force_login(world.people[Role.ADVISER])
    advise(client, case)
    given = Advice.objects.get()
    file = SimpleUploadedFile("run.exe", b"MZ\x90\x00\x03")
    answer = client.post(page(case, f"advice/{given.pk}/"), {"text": "A long answer.", "file": file})
    assert answer.status_code == 200
    assert "A long answer." in answer.content.decode()
    assert AdviceMessage.objects.count() == 1


@pytest.mark.parametrize("days", [-1, 367])
def test_an_answer_is_due_within_a_year(world: World, client: Client, days: int):
    case = world.case(State.DOSSIER_OPEN)
    client.force_login(world.people[Role.ADVISER])
    due = (timezone.localdate() + timedelta(days=days)).isoformat()
    assert advise(client, case, due_on=due).status_code == 200
    assert not Advice.objects.exists()


@pytest.mark.parametrize("role", [Role.PROJECT_OFFICER, Role.TEST_LEAD, Role.AUDITOR, Role.CONFIRMING_OFFICER])
def test_advice_is_given_by_advisers_only(world: World, client: Client, role: Role):
    case = world.case(State.DOSSIER_OPEN)
    client.force_login(world.people[role])
    assert advise(client, case).status_code == 403


def test_a_thread_of_another_case_is_not_found(world: World, client: Client):
    one, other = world.case(State.DOSSIER_OPEN), world.case(State.DOSSIER_OPEN)
    client.force_login(world.people[Role.ADVISER])
    advise(client, one)
    assert client.get(page(other, f"advice/{Advice.objects.get().pk}/")).status_code == 404


def test_who_wrote_a_finding_or_gave_advice_can_never_decide(world: World, client: Client):
    case = world.case(State.UNDER_REVIEW)
    reviewer, adviser = world.people[Role.REVIEWER], world.people[Role.ADVISER]
    client.force_login(reviewer)
    client.post(page(case, "review/finding/"), FINDING)
    client.force_login(adviser)
    advise(client, case)
    client.force_login(world.people[Role.PROJECT_OFFICER])
    client.post(page(case, f"advice/{Advice.objects.get().pk}/"), {"text": "Thank you."})
    facts = Case.objects.get(pk=case.pk).facts()
    assert facts.had == {(Duty.REVIEWER, reviewer.pk), (Duty.ADVISER, adviser.pk)}
    Case.objects.filter(pk=case.pk).update(state=State.RECOMMENDED.value)
    for user in (reviewer, adviser):
        user.held_roles.create(role=Role.CONFIRMING_OFFICER.value)
        assert not rights.allowed(user.person(), Action.CONFIRM, Case.objects.get(pk=case.pk).facts())


def test_a_recommendation_that_nobody_signed_is_refused_in_the_form(world: World, client: Client):
    case = world.case(State.UNDER_REVIEW)
    client.force_login(world.people[Role.REVIEWER])
    file = SimpleUploadedFile("recommendation.json", b"{}")
    reasons = "Because the figures say so."
    answer = client.post(
        page(case, "review/recommend/"), {"version": case.version, "reasons": reasons, "envelope": file}
    )
    assert answer.status_code == 200
    assert reasons in answer.content.decode()
    case.refresh_from_db()
    assert case.state == State.UNDER_REVIEW


def test_the_list_of_advice_asks_the_database_as_often_for_many_threads_as_for_few(world: World, client: Client):
    case = world.case(State.DOSSIER_OPEN)
    adviser = world.people[Role.ADVISER]
    client.force_login(adviser)

    def asked() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as found:
            assert client.get(page(case, "advice/")).status_code == 200
        return len(found)

    def more(count: int) -> None:
        for number in range(count):
            given = Advice.objects.create(
                case=case, round=1, title=f"Advice {number}", due_on=timezone.localdate(), by=adviser
            )
            AdviceMessage.objects.create(advice=given, by=adviser, text="Because.")

    more(3)
    few = asked()
    more(27)
    assert asked() <= few
