"""The room's addresses."""

from __future__ import annotations

from django.urls import path, re_path

from seatrial.portal.dossier import plan_views, views

__all__ = ["app_name", "urlpatterns"]

app_name = "dossier"
urlpatterns = [
    path("cases/<int:pk>/dossier/", views.case_dossier, name="case"),
    path("cases/<int:pk>/dossier/evidence/<int:submission>/", views.evidence, name="evidence"),
    path("cases/<int:pk>/dossier/<slug:name>/", views.item, name="item"),
    path("cases/<int:pk>/dossier/<slug:name>/hand-in/", views.hand_in, name="hand_in"),
    path("cases/<int:pk>/dossier/<slug:name>/review/", views.review, name="review"),
    path("cases/<int:pk>/dossier/<slug:name>/owner/", views.own, name="own"),
    path("cases/<int:pk>/plan/", plan_views.plan, name="plan"),
    path("cases/<int:pk>/plan/edit/", plan_views.edit, name="edit_plan"),
    path("cases/<int:pk>/plan/drill/", plan_views.start_drill, name="start_drill"),
    path("cases/<int:pk>/plan/drill/<int:drill>/", plan_views.drill, name="drill"),
    path("cases/<int:pk>/plan/drill/<int:drill>/step/<int:step>/", plan_views.step_done, name="step_done"),
    re_path(r"^cases/(?P<pk>\d+)/plan/drill/(?P<drill>\d+)/(?P<what>fallback|notice)/$", plan_views.mark, name="mark"),
    path("cases/<int:pk>/plan/drill/<int:drill>/end/", plan_views.end_drill, name="end_drill"),
]
