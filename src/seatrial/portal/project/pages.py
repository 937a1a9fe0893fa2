"""Pages that belong to no room."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import redirect, render

__all__ = ["broken", "forbidden", "healthy", "home", "not_found"]


def home(request: HttpRequest) -> HttpResponse:
    """Go where work begins."""
    return redirect("cases:list")


@login_not_required
def healthy(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers, for whoever watches the service."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Refuse."""
    return render(request, "portal/forbidden.html", status=403)


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that there is no such page."""
    return render(request, "portal/not_found.html", status=404)


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    """Say that the fault is ours. Without the database, without the person's name."""
    return HttpResponseServerError(
        "This page failed. It has been recorded. 此頁發生錯誤,已記錄在案。\n", content_type="text/plain; charset=utf-8"
    )
