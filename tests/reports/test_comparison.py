"""A comparison on the terminal and as a page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from seatrial.model.comparison import Beside, ComparedFigure, ComparedPart, Comparison, PlanDifference
from seatrial.model.verdict import Bounded, Reason, Verdict
from seatrial.reports.comparison_html import render_comparison_html
from seatrial.reports.comparison_text import MOST_ROWS, render_comparison

HOSTILE = '<script>alert("1")</script>[red]'


def figure(change: Any, effect: float | None, what: str = "p95", **more: Any) -> ComparedFigure:
    lower, upper = (None, None) if effect is None else (effect / 1.1, effect * 1.1)
    kind: Any = "difference" if what == "errors" else "ratio"
    given = {"old": 0.01, "new": 0.02} if what == "errors" else {"old": 40e6, "new": None if effect is None else 50e6}
    return ComparedFigure(
        what=what,
        kind=kind,
        effect=Bounded(estimate=effect, lower=lower, upper=upper),
        p_value=0.001,
        adjusted=0.02,
        change=change,
        **{"ruled_out": False, **given, **more},
    )


def part(step: str | None, *figures: ComparedFigure) -> ComparedPart:
    return ComparedPart(
        trial="load",
        level="1 P (40/s)",
        journey=None if step is None else "visit",
        step=step,
        records_old=2400,
        records_new=2400,
        goodput_old=40.0,
        goodput_new=38.0,
        superiority=Bounded(estimate=0.61, lower=0.58, upper=0.64),
        figures=figures,
    )


def comparison(*parts: ComparedPart, **more: Any) -> Comparison:
    given: dict[str, Any] = {
        "verdict": Verdict.FAIL,
        "reasons": (Reason(code="comparison.nothing_common"),),
        "confidence": 0.95,
        "smallest_ratio": 1.05,
        "smallest_points": 0.001,
    }
    return Comparison(parts=parts, **given | more)


@pytest.fixture
def worse() -> Comparison:
    return comparison(
        part("pay", figure("undecided", 1.02), figure("undecided", 1.0, "p50", ruled_out=True)),
        part("book", figure("worse", 1.25), figure("worse", 0.01, "errors")),
        part(None, figure("better", 0.8), figure("equal", 1.0)),
        beside=(
            Beside(
                trial="stress",
                what="capacity",
                name="",
                unit="P",
                old=Bounded(estimate=2.0, lower=1.9, upper=2.1),
                new=Bounded(estimate=1.5, lower=1.4, upper=None),
                change="undecided",
            ),
        ),
        differences=(PlanDifference(where="demand.peak", old='"40/s"', new='"50/s"'),),
    )


def test_the_table_has_the_worst_first_with_size_interval_and_corrected_p(worse: Comparison) -> None:
    lines = render_comparison(worse).splitlines()
    rows = [line for line in lines if "visit /" in line or "all steps" in line]
    assert re.search(r"book +p95 +40 ms +50 ms +×1\.250 +×1\.136 – ×1\.375 +0\.02 +worse", rows[0])
    assert "errors" in rows[1] and "+1 " in rows[1]
    assert [row.rsplit("  ", 1)[1].strip() for row in rows[2:4]] == ["undecided", "better"]
    assert any("2 P (1.9 P – 2.1 P)" in line and "1.5 P (1.4 P – ∞)" in line for line in lines)


def test_a_long_table_is_cut_and_says_how_much_is_left_out() -> None:
    many = comparison(*(part(f"step {n}", figure("equal", 1.0)) for n in range(MOST_ROWS + 3)))
    text = render_comparison(many)
    assert text.count("visit / step") == MOST_ROWS
    assert "3 more figures" in text


def test_a_hidden_figure_is_no_number() -> None:
    hidden = comparison(part("pay", figure("undecided", None)))
    assert "pay" in render_comparison(hidden)
    assert "pay" in render_comparison_html(hidden, "a", "b")


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_page_shows_every_figure_the_picture_and_what_the_plans_do_not_share(
    worse: Comparison, language: Any
) -> None:
    page = render_comparison_html(worse, "old round", "new round", language)
    assert page == render_comparison_html(worse, "old round", "new round", language)
    assert page.count('<th scope="row"') == 6 + 1 + 1
    assert 'class="chart wide"' in page and 'class="chart narrow"' in page
    assert "demand.peak" in page and "50/s" in page
    assert page.index("book") < page.index("pay")
    assert len(set(re.findall(r'id="([^"]+)"', page))) == len(re.findall(r' id="([^"]+)"', page))


def test_names_from_a_plan_are_text_and_nothing_else() -> None:
    hostile = comparison(
        part(HOSTILE, figure("worse", 2.0)), differences=(PlanDifference(where=HOSTILE, old=HOSTILE, new=""),)
    )
    page = render_comparison_html(hostile, HOSTILE, HOSTILE)
    assert "<script" not in page
    assert "[red]" in render_comparison(hostile, width=200)


def test_a_comparison_of_nothing_says_so() -> None:
    nothing = comparison(verdict=Verdict.INVALID, confidence=None)
    assert render_comparison(nothing).startswith("INVALID")
    assert "Nothing was compared" in render_comparison_html(nothing, "a", "b")
