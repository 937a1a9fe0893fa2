"""The search for a capacity: every level that was offered, in the order of load, with the capacity and its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.model.verdict import StageResult, TrialVerdict
from seatrial.reports.chart import (
    LAYOUTS,
    LINE_HEIGHT,
    SOFT,
    Axis,
    Flag,
    Layer,
    Layout,
    document,
    flag_layers,
    limit_layers,
    linear,
    logarithmic,
    side_labels,
)
from seatrial.reports.charts_time import MS_LABEL
from seatrial.reports.wording import level_of
from seatrial.units import MS

__all__ = ["HELD_COLOURS", "HELD_SHAPES", "search_chart", "search_response_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

HELD_COLOURS = {True: "var(--c-held)", False: "var(--c-broken)", None: "var(--c-open)"}
HELD_SHAPES = {True: "circle", False: "cross", None: "diamond"}

_BAND = "var(--c-achieved)"
_APART = 9.0


def search_chart(
    verdict: TrialVerdict, required: Sequence[tuple[str, float]], capacity: tuple[str, float] | None, say: Say
) -> Documents:
    """Return goodput with its bounds and offered load at each level, and the capacity as a line with its interval.

    Args:
        verdict: Of a stress trial whose stages are all named by their level.
        required: Capacities that are asked for, as (label, load).
        capacity: (label, load) of the estimate; None where there is none.
        say: The page's texts.
    """
    rows = _rows(verdict.stages)
    axis = linear((max(row["offered"], row["goodput"], row["high"]) for row in rows), say("axis.steps_per_s"))
    knee = level_of(verdict.knee.level) if verdict.knee and verdict.knee.inside else None
    found = {}
    for base in LAYOUTS:
        low, high = _domain(verdict, required)
        per_unit = base.width / (high - low)
        flags = [Flag((load - low) * per_unit, text, "var(--c-limit)", dashed=True) for text, load in required]
        if knee is not None:
            flags.append(Flag((knee - low) * per_unit, say("chart.knee"), SOFT, dashed=True))
        if capacity is not None:
            flags.append(Flag((capacity[1] - low) * per_unit, capacity[0], _BAND))
        layout = Layout(base.name, base.total, base.left, base.right, 36 + LINE_HEIGHT * len(flags), 26, 230)
        x = _loads(rows, low, high, "")
        layers = [*_band(verdict, x, low, high), _offered(rows, x, axis)]
        layers += _dots(rows, x, axis, per_unit, "goodput")
        layers += flag_layers(flags, layout, 10)
        top = max(rows, key=lambda row: (row["load"], row["place"]))
        labels = [
            (say("series.offered"), top["offered"], "var(--c-offered)"),
            (say("series.goodput"), top["goodput"], top["colour"]),
        ]
        title_y = -22 - LINE_HEIGHT * len(flags)
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout, title_y)
    return found


def search_response_chart(
    verdict: TrialVerdict, limits: Sequence[tuple[str, float]], required: Sequence[tuple[str, float]], say: Say
) -> Documents:
    """Return p95 response time at each level with its limits as (label, nanoseconds), on the same axis of load."""
    rows = _rows(verdict.stages)
    known = [row["p95"] for row in rows if row["p95"]]
    lines = [(text, value / MS) for text, value in limits]
    shown = [*known, *(value for _, value in lines)]
    if not shown:
        return {}
    broad = max(shown) / min(shown) > 12
    axis = logarithmic(shown, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    held = [
        {**row, "p95": row["p95"] or axis.high, "shape": row["shape"] if row["p95"] else "triangle-up"} for row in rows
    ]
    found = {}
    low, high = _domain(verdict, required)
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, 16, 48, 150)
        x = _loads(rows, low, high, say("axis.level"))
        layers = [*_band(verdict, x, low, high), *_dots(held, x, axis, base.width / (high - low), "p95")]
        layers += limit_layers(lines, axis, layout)
        found[base.name] = document(layers, layout)
    return found


def _rows(stages: Sequence[StageResult]) -> list[dict[str, Any]]:
    """Return the levels by load; of one that was offered again, ``place`` counts from 0 and ``of`` is how often."""
    loads = [level_of(stage.name) or 0.0 for stage in stages]
    often, seen = Counter(loads), Counter[float]()
    rows = []
    for load, stage in zip(loads, stages, strict=True):
        bounds = stage.pace.goodput_per_s if stage.pace else None
        rows.append(
            {
                "load": load,
                "place": seen[load],
                "of": often[load],
                "offered": round(stage.offered_per_s, 3),
                "goodput": round(stage.goodput_per_s, 3),
                "low": round(stage.goodput_per_s if bounds is None or bounds.lower is None else bounds.lower, 3),
                "high": round(stage.goodput_per_s if bounds is None or bounds.upper is None else bounds.upper, 3),
                "p95": round(stage.p95_ns / MS, 3) if stage.p95_ns else None,
                "colour": HELD_COLOURS[stage.held],
                "shape": HELD_SHAPES[stage.held],
            }
        )
        seen[load] += 1
    return sorted(rows, key=lambda row: (row["load"], row["place"]))


def _domain(verdict: TrialVerdict, required: Sequence[tuple[str, float]]) -> tuple[float, float]:
    loads = [load for stage in verdict.stages if (load := level_of(stage.name)) is not None]
    loads += [load for _, load in required]
    low, high = min(loads), max(loads)
    room = (high - low or high) * 0.06
    return max(0.0, low - room), high + room


def _loads(rows: Sequence[dict[str, Any]], low: float, high: float, title: str) -> dict[str, Any]:
    axis = {"title": title or None, "tickCount": 7, "labelExpr": "format(datum.value, '~g')"}
    return {
        "field": "load",
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False, "zero": False},
        "axis": axis,
    }


def _band(verdict: TrialVerdict, x: dict[str, Any], low: float, high: float) -> list[Layer]:
    """Return the interval of the capacity, shaded over the whole height; nothing where the levels show no bound."""
    found = verdict.capacity
    if found is None or (found.lower is None and found.upper is None):
        return []
    start = low if found.lower is None else max(low, found.lower)
    end = high if found.upper is None else min(high, found.upper)
    return [
        {
            "data": {"values": [{"load": start, "to": end}]},
            "mark": {"type": "rect", "fill": _BAND, "opacity": 0.18, "clip": True},
            "encoding": {"x": x, "x2": {"field": "to"}},
        }
    ]


def _offered(rows: Sequence[dict[str, Any]], x: dict[str, Any], axis: Axis) -> Layer:
    firsts = [row for row in rows if not row["place"]]
    return {
        "data": {"values": firsts},
        "mark": {"type": "line", "stroke": "var(--c-offered)", "strokeWidth": 2.5},
        "encoding": {"x": x, "y": axis.encoding("offered")},
    }


def _dots(rows: Sequence[dict[str, Any]], x: dict[str, Any], axis: Axis, per_unit: float, field: str) -> list[Layer]:
    """Return a mark for each stage, those of one level side by side, with the bounds of goodput as upright bars."""
    gap = _APART / per_unit
    placed = [{**row, "load": row["load"] + (row["place"] - (row["of"] - 1) / 2) * gap} for row in rows]
    colour = {"field": "colour", "type": "nominal", "scale": None}
    layers: list[Layer] = []
    if field == "goodput":
        layers.append(
            {
                "data": {"values": placed},
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6},
                "encoding": {"x": x, "y": axis.encoding("low"), "y2": {"field": "high"}, "color": colour},
            }
        )
    layers.append(
        {
            "data": {"values": placed},
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "x": x,
                "y": axis.encoding(field),
                "color": colour,
                "shape": {"field": "shape", "type": "nominal", "scale": None},
            },
        }
    )
    return layers
