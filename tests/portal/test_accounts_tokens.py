"""Tokens for programs, and whose key it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import RequestFactory
from django.utils import timezone
from tests.portal.people import World

from seatrial.errors import UsageError
from seatrial.portal.accounts.keys import end_key, key_belongs, register_key
from seatrial.portal.accounts.models import MachineToken, SigningKey
from seatrial.portal.accounts.tokens import Scope, bearer, issue, revoke
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.errors import NotPermittedError
from seatrial.portal.cases.states import Role


def shown(secret: str) -> object:
    return RequestFactory().get("/", headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def issued(world: World) -> tuple[MachineToken, str]:
    lead = world.people[Role.TEST_LEAD]
    return issue(lead, "agent one", [Scope.AGENT], timezone.now() + timedelta(days=30), by=lead)


def test_a_request_with_a_token_is_its_persons(world: World, issued: tuple[MachineToken, str]):
    token, secret = issued
    request = shown(secret)
    assert bearer(request, Scope.AGENT) == token
    assert request.user == world.people[Role.TEST_LEAD]
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_the_secret_is_kept_nowhere(issued: tuple[MachineToken, str]):
    token, secret = issued
    kept = str(MachineToken.objects.values().get()) + str(list(AuditEntry.objects.values()))
    assert secret not in kept
    assert secret[12:] not in kept
    assert len(secret) >= 43
    assert secret.startswith(token.prefix)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic st_x", "Bearer st_", "Bearer st_unknown", "st_x"])
def test_what_is_no_token_is_refused(db: None, header: str):
    with pytest.raises(NotPermittedError):
        bearer(RequestFactory().get("/", headers={"Authorization": header}), Scope.AGENT)


def test_a_token_of_another_scope_is_refused_and_recorded(issued: tuple[MachineToken, str]):
    with pytest.raises(NotPermittedError):
        bearer(shown(issued[1]), Scope.WRITE)
    assert '"why":"scope"' in AuditEntry.objects.get(what="token.refused").particulars


def test_an_expired_token_is_refused_from_its_very_moment(issued: tuple[MachineToken, str]):
    token, secret = issued
    with time_machine.travel(token.expires_at - timedelta(seconds=1), tick=False):
        bearer(shown(secret), Scope.AGENT)
    with time_machine.travel(token.expires_at, tick=False), pytest.raises(NotPermittedError):
        bearer(shown(secret), Scope.AGENT)


def test_a_revoked_token_is_refused_at_once(world: World, issued: tuple[MachineToken, str]):
    revoke(issued[0], by=world.people[Role.PLATFORM_ADMINISTRATOR])
    with pytest.raises(NotPermittedError):
        bearer(shown(issued[1]), Scope.AGENT)
    assert AuditEntry.objects.filter(what="token.revoke").count() == 1


def test_a_token_ends_with_its_person(world: World, issued: tuple[MachineToken, str]):
    world.people[Role.TEST_LEAD].__class__.objects.filter(pk=issued[0].user_id).update(is_active=False)
    with pytest.raises(NotPermittedError):
        bearer(shown(issued[1]), Scope.AGENT)


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", [Scope.READ], 1), (" ", [Scope.READ], 1), ("x", [], 1), ("x", [Scope.READ], 0), ("x", [Scope.READ], 367)],
)
def test_a_token_has_a_name_a_scope_and_an_end_within_a_year(world: World, name: str, scopes: list[Scope], days: int):
    lead = world.people[Role.TEST_LEAD]
    with pytest.raises(UsageError):
        issue(lead, name, scopes, timezone.now() + timedelta(days=days), by=lead)
    assert not MachineToken.objects.exists()


def test_a_key_is_one_persons_until_it_is_ended(world: World):
    one, other = world.people[Role.REVIEWER], world.people[Role.CONFIRMING_OFFICER]
    key = register_key(one, "a" * 64, "Reviewer's key", by=None)
    assert key_belongs(one, "a" * 64)
    assert not key_belongs(other, "a" * 64)
    with pytest.raises(UsageError, match="somebody's already"):
        register_key(other, "a" * 64, "The same", by=None)
    end_key(key, by=None)
    assert not key_belongs(one, "a" * 64)
    register_key(other, "a" * 64, "The same", by=None)
    assert AuditEntry.objects.filter(what__startswith="key.").count() == 3


@pytest.mark.parametrize("fingerprint", ["", "a" * 63, "A" * 64, "a" * 65, "g" * 64])
def test_what_is_no_fingerprint_is_not_registered(world: World, fingerprint: str):
    with pytest.raises(UsageError, match="no fingerprint"):
        register_key(world.people[Role.REVIEWER], fingerprint, "x", by=None)
    assert not SigningKey.objects.exists()
