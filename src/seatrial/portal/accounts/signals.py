"""Sign-in and sign-out go into the record."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from seatrial.portal.accounts.models import User
from seatrial.portal.audit import chain

__all__ = ["SINCE"]

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
