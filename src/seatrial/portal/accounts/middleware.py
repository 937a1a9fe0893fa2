"""What holds for everybody who is signed in: a second factor, an end to the session, their own language."""

from __future__ import annotations

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from seatrial.portal.accounts.models import User
from seatrial.portal.accounts.signals import HAS_SECOND_FACTOR, SINCE

__all__ = ["LONGEST_SESSION_S", "guard"]

LONGEST_SESSION_S = 12 * 3600
_Next = Callable[[HttpRequest], HttpResponse]


def guard(get_response: _Next) -> _Next:
    """Let nobody go on without a second factor, nor in a session that has lasted half a day."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return get_response(request)
        if refused := _too_long(request) or _without_second_factor(request, user):
            return refused
        if "seatrial_language" not in request.COOKIES:
            translation.activate(user.language)
            request.LANGUAGE_CODE = user.language
        response = get_response(request)
        chosen = request.POST.get("language") if request.path == reverse("set_language") else None
        if chosen in ("en", "zh-hant"):
            User.objects.filter(pk=user.pk).update(language=chosen)
        return response

    return middleware


def _too_long(request: HttpRequest) -> HttpResponse | None:
    since = request.session.get(SINCE)
    if since is None or timezone.now().timestamp() - since < LONGEST_SESSION_S:
        return None
    logout(request)
    messages.info(request, _("You were signed in for twelve hours. Sign in again."))
    return redirect("account_login")


def _without_second_factor(request: HttpRequest, user: User) -> HttpResponse | None:
    if request.session.get(HAS_SECOND_FACTOR) == user.pk:
        return None
    if is_mfa_enabled(user, [Authenticator.Type.TOTP]):
        request.session[HAS_SECOND_FACTOR] = user.pk
        return None
    # What is needed to set it up, to sign out, and to read the page in one's own language.
    open_ = ("mfa_activate_totp", "account_logout", "account_reauthenticate", "set_language", "accounts:totp_picture")
    if request.path in {reverse(name) for name in open_}:
        return None
    return redirect("mfa_activate_totp")
