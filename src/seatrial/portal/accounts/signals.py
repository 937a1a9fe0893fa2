"""Sign-in and sign-out go into the record."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from seatrial.portal.accounts.models import User
from seatrial.portal.audit import chain

__all__ = ["HAS_SECOND_FACTOR", "SINCE"]

HAS_SECOND_FACTOR = "has_second_factor"
"""Key of the session: number of the person whose second factor was seen to be set up."""

SINCE = "signed_in_at"
"""Key of the session: seconds since 1970 at which the person signed in."""


@receiver(user_logged_in)
def _signed_in(sender: object, request: HttpRequest, user: User, **more: Any) -> None:
    request.session[SINCE] = timezone.now().timestamp()
    with transaction.atomic():
        chain.append("sign_in", by=user, particulars={"address": request.META.get("REMOTE_ADDR", "")})


@receiver(user_logged_out)
def _signed_out(sender: object, request: HttpRequest, user: User | None, **more: Any) -> None:
    if user is not None:
        with transaction.atomic():
            chain.append("sign_out", by=user)


@receiver(authenticator_added)
def _second_factor_added(
    sender: object, request: HttpRequest, user: User, authenticator: Authenticator, **more: Any
) -> None:
    # Who has just shown a code need not show it again to read their recovery codes.
    record_authentication(request, user, method="mfa", type=authenticator.type, reauthenticated=True)
    with transaction.atomic():
        chain.append("second_factor.add", by=user, on=user, particulars={"type": str(authenticator.type)})


@receiver(authenticator_removed)
def _second_factor_removed(
    sender: object, request: HttpRequest, user: User, authenticator: Authenticator, **more: Any
) -> None:
    request.session.pop(HAS_SECOND_FACTOR, None)
    with transaction.atomic():
        chain.append("second_factor.remove", by=user, on=user, particulars={"type": str(authenticator.type)})
