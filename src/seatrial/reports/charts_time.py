"""Charts over a trial's time: load, response times, errors, and the generator's health.

Each function returns Vega-Lite documents by layout name, for :func:`seatrial.reports.chart.draw`. All text comes
in through ``say``, the page's catalogue in one language.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from seatrial.model.sample import Outcome
from seatrial.reports.chart import (
    GRID,
    LAYOUTS,
    Axis,
    Layer,
    Layout,
    document,
    label_layer,
    limit_layers,
    linear,
    logarithmic,
    side_labels,
)
from seatrial.reports.checks import busiest
from seatrial.reports.time_axis import (
    Row,
    bin_rows,
    known_values,
    last_value,
    line_layer,
    stage_layers,
    time_channel,
)
from seatrial.reports.view import TrialView
from seatrial.units import MS

__all__ = [
    "ERROR_KINDS",
    "MS_LABEL",
    "SHARE_LABEL",
    "at_least_layers",
    "cpu_chart",
    "error_chart",
    "lag_chart",
    "load_chart",
    "response_chart",
    "unanswered_layers",
]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

MS_LABEL = (
    "datum.value >= 60000 ? format(datum.value/60000, '~g') + ' min' : "
    "datum.value >= 1000 ? format(datum.value/1000, '~g') + ' s' : "
    "datum.value < 1 ? format(datum.value*1000, '~g') + ' µs' : format(datum.value, '~g') + ' ms'"
)
SHARE_LABEL = "format(datum.value*100, '~g') + ' %'"
ERROR_KINDS = tuple(outcome.label for outcome in Outcome if outcome is not Outcome.OK)
_BROAD_LOG_RANGE = 12.0


def load_chart(view: TrialView, say: Say) -> Documents:
    """Return offered load, achieved load and goodput in steps per second."""
    series = (
        ("offered_per_s", "var(--c-offered)", "series.offered", 5.0),
        ("achieved_per_s", "var(--c-achieved)", "series.achieved", 2.5),
        ("goodput_per_s", "var(--c-goodput)", "series.goodput", 1.5),
    )
    time, size = time_channel(view, say)
    rows = bin_rows(view, size, [field for field, *_ in series])
    axis = linear(known_values(rows, *(field for field, *_ in series)), say("axis.steps_per_s"))
    found = {}
    for layout in LAYOUTS:
        layers = stage_layers(view, time, size, layout, say)
        layers += [line_layer(rows, field, time, axis, colour, width) for field, colour, _, width in series]
        labels = [(say(text), last_value(rows, field), colour) for field, colour, text, _ in series]
        found[layout.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def response_chart(view: TrialView, limits: Sequence[tuple[str, float]], say: Say) -> Documents:
    """Return p50, p95 and p99 of response time, with limits as (label, nanoseconds).

    The axis is logarithmic when figures and limits span more than a factor of twelve.
    """
    series = (("p50", "var(--c-p50)"), ("p95", "var(--c-p95)"), ("p99", "var(--c-p99)"))
    time, size = time_channel(view, say)
    columns = [f"{name}_{end}" for name, _ in series for end in ("ns", "at_least")]
    rows = bin_rows(view, size, columns, 1 / MS)
    lines = [(text, value / MS) for text, value in limits]
    shown = known_values(rows, *(f"{name}_ns" for name, _ in series)) + [value for _, value in lines]
    positive = [value for value in shown if value > 0]
    broad = bool(positive) and max(positive) / min(positive) > _BROAD_LOG_RANGE
    axis = logarithmic(positive, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    found = {}
    for layout in LAYOUTS:
        layers = stage_layers(view, time, size, layout, say)
        layers += unanswered_layers(view, time, size)
        known = [{**row, **{f"{n}_ns": None for n, _ in series if row[f"{n}_at_least"]}} for row in rows]
        layers += [line_layer(known, f"{name}_ns", time, axis, colour, 1.8) for name, colour in series]
        layers += [layer for name, colour in series for layer in at_least_layers(rows, name, time, axis, colour)]
        layers += limit_layers(lines, axis, layout)
        labels = [
            (n, last_value(known, f"{n}_ns") or last_value(rows, f"{n}_ns"), colour) for n, colour in reversed(series)
        ]
        found[layout.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def unanswered_layers(view: TrialView, time: dict[str, Any], size: float) -> list[Layer]:
    """Return the stretches in which most steps were never answered, shaded: no line must look fine there."""
    if view.timeline is None:
        return []
    hidden = view.timeline.filter(pl.col("p50_at_least")).select(
        (pl.col("at_ns") / size).round(4).alias("t"),
        ((pl.col("at_ns") + pl.col("width_ns")) / size).round(4).alias("to"),
    )
    mark = {"type": "rect", "fill": "var(--c-error)", "opacity": 0.16, "clip": True}
    encoding = {"x": time, "x2": {"field": "to"}}
    return [{"data": {"values": hidden.to_dicts()}, "mark": mark, "encoding": encoding}] if hidden.height else []


def at_least_layers(rows: list[Row], name: str, time: dict[str, Any], axis: Axis, colour: str) -> list[Layer]:
    """Return a triangle where a percentile is only known to be at least so long.

    A step that was never tried has waited for nothing; where such steps leave no bound worth drawing there is no
    triangle, and the shading of the stretch speaks alone.
    """
    marked = [(row["t"], row[f"{name}_ns"]) for row in rows if row[f"{name}_at_least"]]
    values = [{"t": t, name: ns} for t, ns in marked if ns is not None and ns > max(axis.low, 1e-3)]
    if not values:
        return []
    values = values[:: -(-len(values) // 40)]  # more would run together into a band
    mark = {"type": "point", "shape": "triangle-up", "size": 34, "fill": "var(--page)", "stroke": colour}
    encoding = {"x": time, "y": axis.encoding(name)}
    return [{"data": {"values": values}, "mark": {**mark, "strokeWidth": 1.4, "clip": True}, "encoding": encoding}]


def error_chart(view: TrialView, say: Say) -> Documents:
    """Return one strip per kind of error that occurred: its rate over time, each to its own scale, with its count."""
    kinds = [kind for kind in ERROR_KINDS if view.outcomes.get(kind)]
    time, size = time_channel(view, say)
    bars: list[dict[str, Any]] = []
    strip, gap = 30, 24
    for index, kind in enumerate(kinds):
        bars += _strip(view, kind, size, floor=(index + 1) * (strip + gap), height=strip)
    found = {}
    for base in LAYOUTS:
        tall = max(1, len(kinds)) * (strip + gap)
        layout = Layout(base.name, base.total, 12, 20, 30, 42, tall)
        rows = [
            {
                "px": 0,
                "py": index * (strip + gap) + gap - 9,
                "text": say(
                    "chart.error_strip",
                    kind=say(f"outcome.{kind}"),
                    count=f"{view.outcomes[kind]:,}",
                    peak=f"{max((bar['rate'] for bar in bars if bar['kind'] == kind), default=0):,.3g}",
                ),
                "colour": "var(--ink)",
            }
            for index, kind in enumerate(kinds)
        ]
        layer: Layer = {
            "data": {"values": bars},
            "mark": {"type": "rect", "fill": "var(--c-error)", "clip": True},
            "encoding": {
                "x": time,
                "x2": {"field": "to"},
                "y": {"field": "top", "type": "quantitative", "scale": None, "axis": None},
                "y2": {"field": "floor"},
            },
        }
        floors = [{"floor": (index + 1) * (strip + gap)} for index in range(len(kinds))]
        ground: Layer = {
            "data": {"values": floors},
            "mark": {"type": "rule", "stroke": GRID},
            "encoding": {"y": {"field": "floor", "type": "quantitative", "scale": None, "axis": None}},
        }
        stages = stage_layers(view, time, size, layout, say)
        found[base.name] = document([*stages, ground, layer, label_layer(rows, align="left")], layout)
    return found


def _strip(view: TrialView, kind: str, size: float, floor: float, height: float) -> list[dict[str, Any]]:
    if view.timeline is None:
        return []
    frame = view.timeline.filter(pl.col(kind) > 0).select(
        (pl.col("at_ns") / size).round(4).alias("t"),
        ((pl.col("at_ns") + pl.col("width_ns")) / size).round(4).alias("to"),
        (pl.col(kind) / (pl.col("width_ns") / 1e9)).alias("rate"),
    )
    peak = float(frame["rate"].max() or 1)  # type: ignore[arg-type]
    return [
        {
            **row,
            "rate": round(row["rate"], 4),
            "kind": kind,
            "floor": floor,
            "top": round(floor - max(1.5, height * row["rate"] / peak), 2),
        }
        for row in frame.to_dicts()
    ]


def cpu_chart(view: TrialView, limit: float | None, say: Say) -> Documents:
    """Return the busiest worker's CPU share, mean over ten seconds, and the machine's, with the policy's limit."""
    time, size = time_channel(view, say)
    if view.health is None:
        return {}
    worker: list[Row] = [
        {"t": round(at / size, 4), "cpu": round(share, 4)} for at, share in busiest(view.health).iter_rows()
    ]
    by_time = view.health.group_by("at_ns").agg(pl.col("machine_cpu").mean()).sort("at_ns")
    machine: list[Row] = [{"t": round(at / size, 4), "machine": round(cpu, 4)} for at, cpu in by_time.iter_rows()]
    top = max([1.0, *known_values(worker, "cpu"), *known_values(machine, "machine")])
    axis = Axis(0, top * 1.06, False, (0, 0.25, 0.5, 0.75, 1.0), "", SHARE_LABEL)
    limits = [] if limit is None else [(say("limit.cpu", limit=f"{limit * 100:g} %"), limit)]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, base.top, base.bottom, 140)
        layers = stage_layers(view, time, size, layout, say)
        layers += [line_layer(machine, "machine", time, axis, "var(--c-offered)", 1.5)]
        layers += [line_layer(worker, "cpu", time, axis, "var(--c-achieved)", 2), *limit_layers(limits, axis, layout)]
        labels = [
            (say("series.machine"), last_value(machine, "machine"), "var(--c-offered)"),
            (say("series.worker"), last_value(worker, "cpu"), "var(--c-achieved)"),
        ]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def lag_chart(view: TrialView, limit_ns: float | None, say: Say) -> Documents:
    """Return the p99 of send lag over time with the policy's limit; nothing when nothing was sent."""
    time, size = time_channel(view, say)
    rows = bin_rows(view, size, ["send_lag_p99_ns"], 1 / MS)
    values = known_values(rows, "send_lag_p99_ns")
    if not values:
        return {}
    limits = [] if limit_ns is None else [(say("limit.lag", limit=_ms(limit_ns / MS)), limit_ns / MS)]
    shown = [value for value in [*values, *(value for _, value in limits)] if value > 0] or [1.0]
    broad = max(shown) / min(shown) > _BROAD_LOG_RANGE
    axis = logarithmic(shown, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    held: list[Row] = [
        {
            "t": row["t"],
            "lag": None if row["send_lag_p99_ns"] is None else max(float(row["send_lag_p99_ns"]), axis.low),
        }
        for row in rows
    ]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, base.top, base.bottom, 140)
        layers = [
            *stage_layers(view, time, size, layout, say),
            line_layer(held, "lag", time, axis, "var(--c-achieved)"),
        ]
        layers += limit_layers(limits, axis, layout)
        labels = [(say("series.lag"), last_value(held, "lag"), "var(--c-achieved)")]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def _ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
