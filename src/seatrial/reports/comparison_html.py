"""A comparison as one HTML file that needs nothing else, under the same rules as :mod:`seatrial.reports.html`."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seatrial.model.comparison import Comparison
from seatrial.model.reasons import Language, sentence
from seatrial.reports.chart import draw
from seatrial.reports.charts_compare import RatioRow, ratio_chart
from seatrial.reports.comparison_rows import beside_rows, figure_rows, part_name
from seatrial.reports.texts import Say, say_in
from seatrial.verdict.compare_words import effect_text

__all__ = ["render_comparison_html"]

MOST_RATIOS, MOST_FIGURES = 24, 400
_WORSE = {"worse": True, "better": False}


def render_comparison_html(comparison: Comparison, old: str, new: str, language: Language = "en") -> str:
    """Return the page. The same comparison gives the same text.

    Args:
        comparison: What to show.
        old: How the last round is called, for people: its digest.
        new: Likewise this one.
        language: Of every word but the plans' own.
    """
    say = say_in(language)
    rows = figure_rows(comparison, say)
    shown = comparison.confidence
    page: str = _template().render(
        say=say,
        language=language,
        verdict=comparison.verdict.value,
        rounds=say("compare.rounds", old=old, new=new),
        reasons=[sentence(reason.code, reason.params, language) for reason in comparison.reasons],
        confidence="–" if shown is None else f"{shown * 100:g} %",
        chart=_chart(comparison, say),
        rows=rows[:MOST_FIGURES],
        more=max(0, len(rows) - MOST_FIGURES),
        beside=beside_rows(comparison, say),
        differences=comparison.differences,
    )
    return page


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("seatrial.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("comparison.html.j2")


def _chart(comparison: Comparison, say: Say) -> dict[str, Any] | None:
    """Return the picture of the response times; None where there are none."""
    times = [(part, one) for part in comparison.parts for one in part.figures if one.kind == "ratio"]
    times.sort(key=lambda pair: ("worse", "undecided", "better", "equal").index(pair[1].change))
    if not times:
        return None
    trials = {(part.trial, part.level) for part, _ in times}

    def name(place: int) -> str:
        part, one = times[place]
        step = f"{part_name(part, say)}, {one.what}"
        return step if len(trials) == 1 else f"{part.trial}, {part.level}, {step}"

    ratios = [
        RatioRow(name(place), one.effect.estimate, one.effect.lower, one.effect.upper, _WORSE.get(one.change))
        for place, (_, one) in enumerate(times[:MOST_RATIOS])
    ]
    first = times[0][1].effect
    changes = [one.change for _, one in times]
    finding = say(
        "compare.chart_finding",
        worse=str(changes.count("worse")),
        better=str(changes.count("better")),
        count=str(len(changes)),
        name=name(0),
        change=effect_text("ratio", first.estimate if first.estimate is not None else first.lower),
    )
    confidence = f"{(comparison.confidence or 0) * 100:g} %"
    return {
        "finding": finding,
        "note": say("compare.chart_note", confidence=confidence, ratio=f"{comparison.smallest_ratio:g}"),
        # The renderer escaped every text in it.
        "svg": Markup(draw(ratio_chart(ratios, say), "ratios", finding)),  # noqa: S704
    }
