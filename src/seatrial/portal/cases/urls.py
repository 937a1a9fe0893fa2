"""The room's addresses."""

from __future__ import annotations

from django.urls import path

from seatrial.portal.cases import views

__all__ = ["app_name", "urlpatterns"]

app_name = "cases"
urlpatterns = [
    path("cases/", views.case_list, name="list"),
    path("cases/<int:pk>/", views.detail, name="detail"),
    path("cases/<int:pk>/history/", views.history, name="history"),
    path("cases/<int:pk>/do/<slug:action>/", views.act, name="act"),
]
