"""The case's own pages."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.pages_of_case import Tab, add_tab

__all__: list[str] = []

add_tab(Tab(0, _("Overview"), "cases:detail"))
add_tab(Tab(90, _("History"), "cases:history"))
