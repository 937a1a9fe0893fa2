"""The step chart of a stress trial: what was offered at each level, what the service delivered, where it broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seatrial.model.verdict import TrialVerdict
from seatrial.reports.chart import (
    LAYOUTS,
    LIMIT,
    SOFT,
    Layer,
    Layout,
    document,
    label_layer,
    limit_layers,
    linear,
    logarithmic,
    side_labels,
    upright_layer,
)
from seatrial.reports.charts_time import MS_LABEL
from seatrial.reports.wording import level
from seatrial.units import MS

__all__ = ["level_response_chart", "step_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

_COLOURS = {True: "var(--c-held)", False: "var(--c-broken)", None: "var(--c-open)"}
_MARKS = {True: "✓", False: "✗", None: "?"}
_SYMBOLS = {True: "circle", False: "cross", None: "diamond"}


def _levels(names: Sequence[str]) -> dict[str, Any]:
    """Return the channel of the levels, in the plan's order."""
    return {
        "field": "level",
        "type": "ordinal",
        "sort": None,
        "scale": {"domain": list(names), "paddingInner": 0.18, "paddingOuter": 0.1},
        "axis": {"title": None, "labelAngle": 0, "labelOverlap": True, "ticks": False},
    }


def step_chart(verdict: TrialVerdict, names: Sequence[str], required: tuple[str, str] | None, say: Say) -> Documents:
    """Return the goodput of each level as a bar below the offered load as a step, with the breakpoint.

    Args:
        verdict: Of a stress trial with at least one stage.
        names: Of the levels to show, those that were run and those that were not, rising.
        required: (label, level name) of the capacity that the plan asks for; None when it asks for none, or when
            it is no level of the plan.
        say: The page's texts.
    """
    stages = verdict.stages
    bars = [
        {
            "level": stage.name,
            "offered": round(stage.offered_per_s, 3),
            "goodput": round(stage.goodput_per_s, 3),
            "colour": _COLOURS[stage.held],
            "mark": _MARKS[stage.held],
        }
        for stage in stages
    ]
    axis = linear((max(s.offered_per_s, s.goodput_per_s) for s in stages), say("axis.steps_per_s"))
    x, last = _levels(names), stages[-1]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, 58, 30, 230)
        layers: list[Layer] = [
            *_between(verdict, names, layout),
            *_knee(verdict, names, layout, say),
            *_required(required, names, layout),
            *_not_offered(len(stages), len(names), layout, say),
            _bars(bars, x, axis.encoding("goodput")),
            _ticks(bars, x, axis.encoding("offered"), layout.width / len(names)),
            _marks(bars, x, axis.encoding("goodput")),
            *_breakpoint(verdict, names, layout, say),
        ]
        labels = [
            (say("series.offered"), last.offered_per_s, "var(--c-offered)"),
            (say("series.goodput"), last.goodput_per_s, _COLOURS[last.held]),
        ]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout, -46)
    return found


def _bars(bars: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any]) -> Layer:
    colour = {"field": "colour", "type": "nominal", "scale": None}
    return {"data": {"values": bars}, "mark": {"type": "bar"}, "encoding": {"x": x, "y": y, "color": colour}}


def _ticks(bars: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], band: float) -> Layer:
    mark = {"type": "tick", "thickness": 3, "size": round(band * 0.92, 1), "color": "var(--c-offered)"}
    return {"data": {"values": bars}, "mark": mark, "encoding": {"x": x, "y": y}}


def _marks(bars: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any]) -> Layer:
    mark = {"type": "text", "baseline": "top", "dy": 6, "fontSize": 14, "fontWeight": 700, "color": "var(--on-mark)"}
    encoding = {"x": x, "y": y, "text": {"field": "mark", "type": "nominal"}}
    return {"data": {"values": bars}, "mark": mark, "encoding": encoding}


def _edge(index: int, count: int, layout: Layout) -> float:
    """Return where a level's own stretch of the axis begins, in pixels: halfway to the level before."""
    # A band scale of n bands takes n - 0.18 + 2 * 0.1 steps; the first band begins after an outer padding of 0.1.
    step = layout.width / (count - 0.18 + 0.2)
    return step * (0.1 + index) - step * 0.09


def _breakpoint(verdict: TrialVerdict, names: Sequence[str], layout: Layout, say: Say) -> list[Layer]:
    broken = next((stage.name for stage in verdict.stages if stage.held is False), None)
    if broken is None or broken not in names:
        return []
    at = round(_edge(list(names).index(broken), len(names), layout), 1)
    line = upright_layer([at], -22, layout.height, "var(--c-broken)", 2)
    text = say("chart.breakpoint", level=broken)
    late = at > layout.width * 0.6
    place = {"px": at - 6 if late else at + 6, "py": -17, "text": text, "colour": "var(--c-broken)"}
    return [line, label_layer([place], align="right" if late else "left", fontWeight=700)]


def _between(verdict: TrialVerdict, names: Sequence[str], layout: Layout) -> list[Layer]:
    """Return where the capacity may lie, shaded, when undecided levels stand between its bounds."""
    found = verdict.capacity
    if found is None or found.lower is None or found.upper is None:
        return []
    ends = [level(bound, found.unit) for bound in (found.lower, found.upper)]
    if any(end not in names for end in ends):
        return []
    first, last = (list(names).index(end) for end in ends)
    if last - first < 2:
        return []
    row = {"px": _edge(first + 1, len(names), layout), "to": _edge(last, len(names), layout)}
    return [
        {
            "data": {"values": [{key: round(px, 1) for key, px in row.items()}]},
            "mark": {"type": "rect", "fill": "var(--c-open)", "opacity": 0.14},
            "encoding": {
                "x": {"field": "px", "type": "quantitative", "scale": None, "axis": None},
                "x2": {"field": "to"},
            },
        }
    ]


def _knee(verdict: TrialVerdict, names: Sequence[str], layout: Layout, say: Say) -> list[Layer]:
    """Return the knee as a line through the middle of its level; none where it may lie beyond what was offered."""
    if verdict.knee is None or not verdict.knee.inside or verdict.knee.level not in names:
        return []
    step = layout.width / (len(names) - 0.18 + 0.2)
    at = step * (0.1 + list(names).index(verdict.knee.level)) + step * 0.41
    line = upright_layer([at], -36, layout.height, SOFT, 1.5, [2, 3])
    place = {"px": round(at + 5, 1), "py": -31, "text": say("chart.knee"), "colour": SOFT}
    return [line, label_layer([place], align="left", fontWeight=600)]


def _required(required: tuple[str, str] | None, names: Sequence[str], layout: Layout) -> list[Layer]:
    """Return the capacity that is asked for, as a labelled dashed line through the middle of its level."""
    if required is None:
        return []
    text, level = required
    index = list(names).index(level)
    step = layout.width / (len(names) - 0.18 + 0.2)
    at = round(step * (0.1 + index) + step * 0.41, 1)
    line = upright_layer([at], -6, layout.height, LIMIT, 1.5, [6, 4])
    left = at > layout.width * 0.4
    place = {"px": at - 5 if left else at + 5, "py": -3, "text": text, "colour": LIMIT}
    return [line, label_layer([place], align="right" if left else "left", fontWeight=600)]


def _not_offered(run: int, count: int, layout: Layout, say: Say) -> list[Layer]:
    """Return words in the empty place of the levels that were not run; nothing when there is no room for them."""
    first = _edge(run, count, layout)
    if run >= count or layout.width - first < 60:
        return []
    middle = (first + layout.width) / 2
    place = {"px": round(middle, 1), "py": layout.height - 14, "text": say("chart.not_offered"), "colour": SOFT}
    return [label_layer([place], align="center", fontSize=11)]


def level_response_chart(
    verdict: TrialVerdict, names: Sequence[str], limits: Sequence[tuple[str, float]], say: Say
) -> Documents:
    """Return p95 response time per level with its limits as (label, nanoseconds); hidden ones are marked as such."""
    stages = verdict.stages
    known = [stage.p95_ns / MS for stage in stages if stage.p95_ns]
    lines = [(text, value / MS) for text, value in limits]
    shown = [*known, *(value for _, value in lines)]
    if not shown:
        return {}
    broad = max(shown) / min(shown) > 12
    axis = logarithmic(shown, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    dots: list[dict[str, Any]] = [
        {
            "level": stage.name,
            "p95": round((stage.p95_ns or 0) / MS, 3) if stage.p95_ns else axis.high,
            "colour": _COLOURS[stage.held],
            "shape": _SYMBOLS[stage.held] if stage.p95_ns else "triangle-up",
        }
        for stage in stages
    ]
    x = _levels(names)
    x["axis"] = {**x["axis"], "title": say("axis.level")}
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, 16, 48, 150)
        line: Layer = {
            "data": {"values": dots},
            "mark": {"type": "line", "stroke": SOFT, "strokeWidth": 1},
            "encoding": {"x": x, "y": axis.encoding("p95")},
        }
        points: Layer = {
            "data": {"values": dots},
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "x": x,
                "y": axis.encoding("p95"),
                "color": {"field": "colour", "type": "nominal", "scale": None},
                "shape": {"field": "shape", "type": "nominal", "scale": None},
            },
        }
        labels = [("p95", dots[-1]["p95"], "var(--ink)")]
        layers = [line, points, *limit_layers(lines, axis, layout), side_labels(labels, axis, layout)]
        found[base.name] = document(layers, layout)
    return found
