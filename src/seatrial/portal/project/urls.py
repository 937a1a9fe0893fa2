"""All addresses of the portal, room by room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from seatrial.portal.project import pages

__all__ = ["handler403", "handler404", "handler500", "urlpatterns"]

_ROOMS = (
    *("organisations", "accounts", "files", "audit", "registry", "cases", "arrangement", "dossier"),
    *("runs", "review", "confirmations", "portfolio", "notices", "api"),
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="home"),
    path("healthy/", pages.healthy, name="healthy"),
    path("language/", include("django.conf.urls.i18n")),
    path("sign-in/", include("allauth.urls")),
    # Each room says where its pages are; addresses of a case begin with cases/<number>/.
    *(path("", include(f"seatrial.portal.{room}.urls")) for room in _ROOMS),
]

handler403 = "seatrial.portal.project.pages.forbidden"
handler404 = "seatrial.portal.project.pages.not_found"
handler500 = "seatrial.portal.project.pages.broken"
