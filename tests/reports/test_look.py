"""The look, as far as it can be computed: contrast of everything that carries text, in light, dark and print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seatrial.reports

CSS = (Path(seatrial.reports.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
)
TEXT = (
    *("ink", "soft", "link", "pass", "fail", "open", "invalid"),
    *("c-offered", "c-achieved", "c-goodput", "c-limit", "c-error", "c-p50", "c-p95", "c-p99", "c-held", "c-broken"),
)


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
@pytest.mark.parametrize("name", TEXT)
def test_text_can_be_read_on_the_page_and_on_a_card(theme: dict[str, str], name: str) -> None:
    for ground in ("page", "card"):
        assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)


@pytest.mark.parametrize("theme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_marks_on_bars_can_be_read(theme: dict[str, str]) -> None:
    for bar in ("c-held", "c-broken", "c-open"):
        assert contrast(theme["on-mark"], theme[bar]) >= 4.5, bar


def test_every_colour_that_is_used_is_defined_in_every_theme() -> None:
    folder = Path(seatrial.reports.__file__).parent
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in [*folder.glob("*.py"), *folder.glob("templates/*")]
    )
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", sources)) - {"v"}
    assert used <= set(LIGHT)
    assert set(DARK) == set(LIGHT) == set(PRINT)
