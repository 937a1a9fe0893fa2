"""Signing in, the second factor, lock-out, people and their roles."""

from __future__ import annotations

import base64
import time
from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core import mail
from django.core.cache import cache
from django.test import Client, TestCase
from django.utils import timezone
from tests.portal.people import PASSWORD, World

from seatrial.errors import SeatrialError
from seatrial.portal.accounts import people
from seatrial.portal.accounts.models import HeldRole, MachineToken, SignInFailure, User
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.states import Role


@pytest.fixture(autouse=True)
def _no_counts() -> None:
    cache.clear()


@pytest.fixture
def fresh(world: World) -> World:
    """The world before anybody set up a second factor."""
    Authenticator.objects.all().delete()
    return world


def code(secret: str) -> str:
    maker = TOTP(base64.b32decode(secret), 6, SHA1(), 30, enforce_key_length=False)  # noqa: S303 # what authenticators use
    return maker.generate(int(time.time())).decode()


def sign_in(client: Client, user: User, password: str = PASSWORD) -> object:
    return client.post("/sign-in/login/", {"login": user.email, "password": password})


def set_up(client: Client) -> str:
    """Set the second factor up and return its secret."""
    secret = client.get("/sign-in/2fa/totp/activate/").context["form"].secret
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert client.post("/sign-in/2fa/totp/activate/", {"code": code(secret)}).status_code == 302
    return secret


def test_the_first_page_asks_to_sign_in_and_shows_the_notice_in_both_languages(db: None, client: Client):
    answer = client.get("/cases/")
    assert (answer.status_code, answer.url) == (302, "/sign-in/login/?next=/cases/")
    assert "What you do here is recorded" in client.get(answer.url).content.decode()


def test_nobody_goes_on_without_a_second_factor(fresh: World, client: Client):
    officer = fresh.people[Role.CASE_OFFICER]
    assert sign_in(client, officer).status_code == 302
    for path in ("/cases/", "/me/", "/audit/", "/sign-in/2fa/", "/people/"):
        answer = client.get(path)
        assert (answer.status_code, answer.url) == (302, "/sign-in/2fa/totp/activate/")
    assert client.get("/sign-in/picture.svg").status_code == 404  # there is no secret yet
    client.get("/sign-in/2fa/totp/activate/")
    picture = client.get("/sign-in/picture.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    secret = set_up(client)
    assert client.get("/cases/").status_code == 200
    assert secret not in str(list(Authenticator.objects.values()))  # kept encrypted


def test_the_second_time_the_code_is_asked_for(fresh: World, client: Client):
    officer = fresh.people[Role.CASE_OFFICER]
    sign_in(client, officer)
    secret = set_up(client)
    client.post("/sign-in/logout/")
    answer = sign_in(client, officer)
    assert answer.url == "/sign-in/2fa/authenticate/"
    assert client.get("/cases/").status_code == 302
    wrong = f"{(int(code(secret)) + 1) % 1_000_000:06d}"
    assert client.post(answer.url, {"code": wrong}).status_code == 200
    with time_machine.travel(time.time() + 31):  # a code is good once
        assert client.post(answer.url, {"code": code(secret)}).status_code == 302
    assert client.get("/cases/").status_code == 200
    whats = list(AuditEntry.objects.order_by("sequence").values_list("what", flat=True))
    assert whats == ["sign_in", "second_factor.add", "second_factor.add", "sign_out", "sign_in"]


def test_guessing_locks_an_account_for_a_quarter_of_an_hour_whether_there_is_one_or_not(fresh: World, client: Client):
    officer = fresh.people[Role.CASE_OFFICER]
    nobody = User(email="nobody@example.test")
    said = []
    for user in (officer, nobody):
        for _ in range(5):
            assert "not correct" in sign_in(client, user, "wrong password").content.decode()
        said.append(sign_in(client, user).content.decode().replace(user.email, ""))
    assert all("Too many attempts" in page for page in said)
    with time_machine.travel(timezone.now() + timedelta(minutes=15, seconds=1)):
        cache.clear()
        assert sign_in(client, officer).status_code == 302
    assert AuditEntry.objects.filter(what="sign_in.failed").count() == 10
    assert AuditEntry.objects.filter(what="sign_in.locked").count() == 2


def test_guessing_at_many_accounts_locks_the_address(fresh: World, client: Client):
    SignInFailure.objects.bulk_create(SignInFailure(account=f"a{n}", address="127.0.0.1") for n in range(30))
    assert "Too many attempts" in sign_in(client, fresh.people[Role.CASE_OFFICER]).content.decode()


def test_a_session_ends_after_half_an_hour_idle_and_after_twelve_hours_at_all(fresh: World, client: Client):
    officer = fresh.people[Role.CASE_OFFICER]
    sign_in(client, officer)
    set_up(client)
    begun = timezone.now()
    for minutes in range(20, 12 * 60, 20):
        with time_machine.travel(begun + timedelta(minutes=minutes)):
            assert client.get("/me/").status_code == 200
    with time_machine.travel(begun + timedelta(hours=12, seconds=1)):
        assert client.get("/me/").url == "/sign-in/login/"
    sign_in(client, officer)
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert "/sign-in/login/" in client.get("/me/").url


def test_strangers_make_no_accounts(db: None, client: Client):
    body = {"email": "new@example.test", "password1": PASSWORD, "password2": PASSWORD}
    assert "Accounts are made for people" in client.post("/sign-in/signup/", body).content.decode()
    assert not User.objects.exists()


def test_a_person_who_may_no_longer_sign_in_cannot_and_an_open_session_ends(fresh: World, client: Client):
    officer = fresh.people[Role.CASE_OFFICER]
    sign_in(client, officer)
    set_up(client)
    people.set_active(officer, active=False, by=fresh.people[Role.PLATFORM_ADMINISTRATOR])
    assert client.get("/cases/").status_code == 302
    sign_in(client, officer)
    assert client.get("/cases/").status_code == 302


def test_the_language_is_remembered_for_the_person(world: World, client: Client):
    officer = world.people[Role.CASE_OFFICER]
    client.force_login(officer)
    client.post("/language/setlang/", {"language": "zh-hant", "next": "/cases/"})
    officer.refresh_from_db()
    assert officer.language == "zh-hant"


ROOT = Role.PLATFORM_ADMINISTRATOR


def test_an_administrator_makes_an_account_and_the_person_is_written_to(world: World, client: Client):
    client.force_login(world.people[ROOT])
    body = {"email": "New@Example.test", "name": "New One", "language": "en", "department": world.department.pk}
    answer = client.post("/people/new/", body)
    made = User.objects.get(email="new@example.test")
    assert answer.url == f"/people/{made.pk}/"
    assert made.department == world.department
    assert not made.has_usable_password()
    assert mail.outbox[0].to == ["new@example.test"]
    assert "/sign-in/password/reset/" in mail.outbox[0].body
    assert client.post("/people/new/", body).status_code == 200  # the address is taken: said in the form


@pytest.mark.parametrize("role", [role for role in Role if role is not ROOT])
def test_nobody_else_manages_people(world: World, client: Client, role: Role):
    client.force_login(world.people[role])
    for path in ("/people/", "/people/new/", "/people/1/"):
        assert client.get(path).status_code == 403
    assert client.post("/people/1/change/", {"do": "close"}).status_code == 403


def test_roles_are_given_and_ended_by_another_and_stay_on_record(world: World, client: Client):
    admin, officer = world.people[ROOT], world.people[Role.CASE_OFFICER]
    client.force_login(admin)
    client.post(f"/people/{officer.pk}/change/", {"do": "give", "role": "reviewer"})
    held = HeldRole.objects.get(user=officer, role="reviewer")
    assert held.given_by == admin
    client.post(f"/people/{officer.pk}/change/", {"do": "end", "on": held.pk})
    held.refresh_from_db()
    assert held.ended_at is not None
    client.post(f"/people/{admin.pk}/change/", {"do": "give", "role": "case_officer"})
    assert not HeldRole.objects.filter(user=admin, role="case_officer").exists()


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (Role.PROJECT_OFFICER, Role.REVIEWER),
        (Role.CONTRACTOR, Role.CASE_OFFICER),
        (Role.CASE_OFFICER, Role.PROJECT_OFFICER),
        (Role.CASE_OFFICER, Role.TESTER),
        (Role.CASE_OFFICER, Role.CONTRACTOR),
        (Role.CASE_OFFICER, Role.AUDITOR),
        (Role.AUDITOR, Role.CASE_OFFICER),
        (Role.CASE_OFFICER, Role.CASE_OFFICER),
    ],
)
def test_a_role_that_rights_would_ignore_is_not_given(world: World, who: Role, role: Role):
    before = HeldRole.objects.count()
    with pytest.raises(SeatrialError):
        people.give_role(world.people[who], role, by=world.people[ROOT])
    assert HeldRole.objects.count() == before


def test_a_tokens_secret_is_shown_this_once(world: World, client: Client):
    lead = world.people[Role.TEST_LEAD]
    client.force_login(world.people[ROOT])
    end = (timezone.localtime() + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M")
    body = {"do": "token", "name": "agent", "scopes": ["agent"], "expires_at": end}
    page = client.post(f"/people/{lead.pk}/change/", body)
    assert page.headers["Cache-Control"] == "no-store"
    prefix = MachineToken.objects.get().prefix
    assert page.content.decode().count(prefix) == 2  # the secret, and the list's beginning of it
    assert client.get(f"/people/{lead.pk}/").content.decode().count(prefix) == 1
    client.post(f"/people/{lead.pk}/change/", {"do": "revoke", "on": MachineToken.objects.get().pk})
    assert MachineToken.objects.get().revoked_at is not None
