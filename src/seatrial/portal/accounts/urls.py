"""The room's addresses."""

from __future__ import annotations

from django.urls import path

from seatrial.portal.accounts import people_views, views

__all__ = ["app_name", "urlpatterns"]

app_name = "accounts"
urlpatterns = [
    path("me/", views.own, name="own"),
    path("sign-in/picture.svg", views.totp_picture, name="totp_picture"),
    path("people/", people_views.listing, name="people"),
    path("people/new/", people_views.new, name="new_person"),
    path("people/<int:pk>/", people_views.person, name="person"),
    path("people/<int:pk>/change/", people_views.change, name="change_person"),
]
