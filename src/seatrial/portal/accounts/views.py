"""One's own page, and the picture of one's authenticator's secret."""

from __future__ import annotations

from typing import cast

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from seatrial.portal.accounts.forms import OwnForm
from seatrial.portal.accounts.models import User

__all__ = ["own", "totp_picture"]


@never_cache
@require_safe
def totp_picture(request: HttpRequest) -> HttpResponse:
    """Draw the secret that the person is about to activate; a file of its own, since pages hold no data images."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(picture, content_type="image/svg+xml")


@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest) -> HttpResponse:
    """Show and change one's own settings."""
    user = cast(User, request.user)
    form = OwnForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("accounts:own")
    context = {
        "form": form,
        "roles": user.held_roles.filter(ended_at=None),
        "keys": user.signing_keys.filter(ended_at=None),
        "tokens": user.tokens.filter(revoked_at=None),
    }
    return render(request, "portal/accounts/own.html", context)
