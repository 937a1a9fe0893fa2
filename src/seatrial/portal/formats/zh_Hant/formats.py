"""Traditional Chinese; dates look as Django shows them."""

from __future__ import annotations

__all__: list[str] = []

FIRST_DAY_OF_WEEK = 0

# The first of each is what a browser's own date field takes; with Django's "2026/12/03" it would show nothing.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日"]
DATETIME_INPUT_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M"]
