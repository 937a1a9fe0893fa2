"""Whose key it is."""

from __future__ import annotations

import re

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.errors import UsageError
from seatrial.portal.accounts.models import SigningKey, User
from seatrial.portal.audit import chain

__all__ = ["end_key", "key_belongs", "register_key"]

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def key_belongs(user: User, fingerprint: str) -> bool:
    """Whether a key is registered as this person's and has not been ended."""
    return SigningKey.objects.filter(user=user, fingerprint=fingerprint, ended_at=None).exists()


def register_key(user: User, fingerprint: str, name: str, *, by: User | None) -> SigningKey:
    """Register a key as a person's.

    Raises:
        UsageError: It is no fingerprint, has no name, or is somebody's already.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(
            _("This is no fingerprint of a key"), value=fingerprint, remedy=_("seatrial keys list prints it.")
        )
    if not name.strip():
        raise UsageError(_("The key has no name"), remedy=_("Give it one."))
    with transaction.atomic():
        if SigningKey.objects.filter(fingerprint=fingerprint, ended_at=None).exists():
            raise UsageError(
                _("This key is somebody's already"), value=fingerprint, remedy=_("End it there, or use another.")
            )
        key = SigningKey.objects.create(user=user, fingerprint=fingerprint, name=name.strip(), registered_by=by)
        chain.append("key.register", by=by, on=user, particulars={"fingerprint": fingerprint, "name": key.name})
    return key


def end_key(key: SigningKey, *, by: User | None) -> None:
    """Let signatures by a key no longer be this person's; what was handed in stays."""
    with transaction.atomic():
        if SigningKey.objects.filter(pk=key.pk, ended_at=None).update(ended_at=timezone.now()):
            chain.append("key.end", by=by, on=key.user, particulars={"fingerprint": key.fingerprint})
