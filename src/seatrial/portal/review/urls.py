"""The room's addresses."""

from __future__ import annotations

from django.urls import path

from seatrial.portal.review import views

__all__ = ["app_name", "urlpatterns"]

app_name = "review"
urlpatterns = [
    path("cases/<int:pk>/review/", views.case_review, name="case"),
    path("cases/<int:pk>/review/finding/", views.new_finding, name="finding"),
    path("cases/<int:pk>/review/release/", views.release, name="release"),
    path("cases/<int:pk>/review/finding/<int:finding>/settle/", views.settle, name="settle"),
    path("cases/<int:pk>/review/recommend/", views.recommend, name="recommend"),
    path("cases/<int:pk>/advice/", views.advice, name="advice"),
    path("cases/<int:pk>/advice/new/", views.new_advice, name="new_advice"),
    path("cases/<int:pk>/advice/<int:advice>/", views.thread, name="thread"),
    path("cases/<int:pk>/advice/<int:advice>/close/", views.close_advice, name="close_advice"),
    path("cases/<int:pk>/advice/file/<int:message>/", views.advice_file, name="advice_file"),
]
