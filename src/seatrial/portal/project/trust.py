"""Whose signatures count: the trust file in the data folder, and whose key it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from seatrial.errors import SignatureError
from seatrial.evidence.keys import Trust, TrustedKey, load_trust
from seatrial.portal.accounts.models import User

__all__ = ["portal_trust", "require_own_key"]


def portal_trust() -> Trust:
    """Return the trust file of this portal; read anew each time, since keys come and end.

    Raises:
        KeyFileError: There is none, or it is malformed.
    """
    return load_trust(Path(settings.PORTAL_DATA) / "trust.json")


def require_own_key(user: User, keys: Iterable[TrustedKey]) -> None:
    """Refuse a signature that is not by a key of this person: one hands in what one signed oneself.

    Raises:
        SignatureError: None of the keys is registered as theirs.
    """
    from seatrial.portal.accounts.keys import key_belongs

    if not any(key_belongs(user, key.fingerprint) for key in keys):
        raise SignatureError(
            _("The signature is not by a key of yours"),
            value=", ".join(key.name for key in keys),
            remedy=_("Sign with your own key, or let the administrator register it."),
        )
