"""The room's addresses."""

from __future__ import annotations

from django.urls import path

from seatrial.portal.audit import views

__all__ = ["app_name", "urlpatterns"]

app_name = "audit"
urlpatterns = [path("audit/", views.entries, name="list")]
