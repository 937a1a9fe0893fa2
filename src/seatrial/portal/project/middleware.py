"""What every answer carries, and how a refusal becomes a page."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from seatrial.errors import SeatrialError
from seatrial.portal.cases.errors import CaseMovedError, NotPermittedError, NotYetError

__all__ = ["content_security_policy", "refusals"]

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_Next = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: _Next) -> _Next:
    """Let a page use our own stylesheet, script and images and nothing else."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response

    return middleware


class _Refusals:
    """Turns what a room refuses into a page with the right status."""

    _STATUS = ((NotPermittedError, 403), (CaseMovedError, 409), (NotYetError, 409), (SeatrialError, 400))

    def __init__(self, get_response: _Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page for an error of ours; any other goes its way."""
        for kind, status in self._STATUS:
            if isinstance(exception, kind):
                context = {"error": exception, "status": status}
                return render(request, "portal/refused.html", context, status=status)
        return None


refusals = _Refusals
