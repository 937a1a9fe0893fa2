"""Tokens for programs: hashed, scoped, expiring, revocable.

A secret has 256 random bits, so its plain SHA-256 is enough to keep: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.errors import UsageError
from seatrial.portal.accounts.models import MachineToken, User
from seatrial.portal.audit import chain
from seatrial.portal.cases.errors import NotPermittedError

__all__ = ["LONGEST", "Scope", "bearer", "issue", "revoke"]

LONGEST = timedelta(days=366)
_PREFIX = "st_"
_USED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a token is good for."""

    AGENT = "agent"
    READ = "read"
    WRITE = "write"
    GATE = "gate"


def issue(
    user: User, name: str, scopes: Iterable[Scope], expires_at: datetime, *, by: User
) -> tuple[MachineToken, str]:
    """Make a token.

    Returns:
        Its record, and its secret, which is told this once.

    Raises:
        UsageError: No name, no scope, or it expires in the past or later than in a year.
    """
    wanted = sorted({Scope(scope) for scope in scopes})
    now = timezone.now()
    if not name.strip() or not wanted:
        raise UsageError(_("A token needs a name and a scope"), remedy=_("Give both."))
    if not now < expires_at <= now + LONGEST:
        raise UsageError(
            _("A token expires within a year"), value=expires_at.isoformat(), remedy=_("Choose an earlier date.")
        )
    secret = _PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = MachineToken.objects.create(
            user=user,
            name=name.strip(),
            prefix=secret[:9],
            sha256=_hash(secret),
            scopes=[scope.value for scope in wanted],
            created_by=by,
            expires_at=expires_at,
        )
        said = {"token": token.pk, "name": token.name, "scopes": token.scopes, "expires_at": expires_at.isoformat()}
        chain.append("token.issue", by=by, on=user, particulars=said)
    return token, secret


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def revoke(token: MachineToken, *, by: User) -> None:
    """End a token at once."""
    with transaction.atomic():
        if MachineToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            chain.append("token.revoke", by=by, on=token.user, particulars={"token": token.pk})


def bearer(request: HttpRequest, scope: Scope) -> MachineToken:
    """Return the token that a request shows, and let the request be its person's.

    Raises:
        NotPermittedError: None is shown, or it is unknown, expired, revoked, of another scope, or its person may no
            longer sign in. Which of these is not said, but recorded where the token is known.
    """
    kind, _space, secret = request.headers.get("Authorization", "").partition(" ")
    refused = NotPermittedError(
        _("The token is missing or not valid here"), remedy=_("Show a valid token: Authorization: Bearer st_…")
    )
    if kind.lower() != "bearer" or not secret.strip().startswith(_PREFIX):
        raise refused
    token = MachineToken.objects.select_related("user").filter(sha256=_hash(secret.strip())).first()
    if token is None:
        raise refused
    now = timezone.now()
    if why := _wrong(token, scope, now):
        with transaction.atomic():
            said = {"token": token.pk, "scope": scope.value, "why": why}
            chain.append("token.refused", by=None, on=token.user, particulars=said, actor_name=token.name)
        raise refused
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_EVERY)
    MachineToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    request.user = token.user
    return token


def _wrong(token: MachineToken, scope: Scope, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at <= now:
        return "expired"
    if scope.value not in token.scopes:
        return "scope"
    return "" if token.user.is_active else "person"
