"""Where sign-in by allauth differs here: nobody signs up, guessing locks an account, secrets are kept encrypted."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.utils import is_mfa_enabled
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.portal.accounts.models import SignInFailure, User
from seatrial.portal.audit import chain

__all__ = ["LOCKED_FOR", "MOST_FAILURES", "MOST_FAILURES_OF_ADDRESS", "AccountAdapter", "SecondFactorAdapter"]

MOST_FAILURES = 5
MOST_FAILURES_OF_ADDRESS = 30
LOCKED_FOR = timedelta(minutes=15)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no types
    """How people sign in."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by the platform administrator."""
        return False

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Ask for the password again before a second factor is changed, but not before the first is set up."""
        user = getattr(self.request, "user", None)
        if app == "allauth.mfa" and isinstance(user, User) and not is_mfa_enabled(user):
            return False
        return bool(super().is_reauthentication_required(app=app, **more))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse an account or an address from which too much was guessed; an unknown account likewise.

        Raises:
            ValidationError: It is locked for now.
        """
        account, address = _account(credentials), self.get_client_ip(request)
        recent = SignInFailure.objects.filter(at__gt=timezone.now() - LOCKED_FOR)
        if (
            recent.filter(account=account).count() >= MOST_FAILURES
            or recent.filter(address=address).count() >= MOST_FAILURES_OF_ADDRESS
        ):
            with transaction.atomic():
                chain.append("sign_in.locked", by=None, actor_name=account, particulars={"address": address})
            raise ValidationError(_("Too many attempts. Try again in a quarter of an hour."))
        super().pre_authenticate(request, **credentials)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Take down a failure."""
        super().authentication_failed(request, **credentials)
        account, address = _account(credentials), self.get_client_ip(request)
        with transaction.atomic():
            SignInFailure.objects.create(account=account, address=address)
            chain.append("sign_in.failed", by=None, actor_name=account, particulars={"address": address})


def _account(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "").strip().lower()[:254]


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth has no types
    """How authenticators' secrets are kept: encrypted with a key made of the portal's secret key."""

    def get_totp_issuer(self) -> str:
        """Name the entry in people's authenticators."""
        return "Seatrial"

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the text; fails when the portal's secret key is another one."""
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _cipher() -> Fernet:
    key = hashlib.sha256(b"second factor:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
