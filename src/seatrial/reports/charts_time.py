"""Charts over a trial's time: load, response times, errors, and the generator's health.

Each function returns Vega-Lite documents by layout name, for :func:`seatrial.reports.chart.draw`. All text comes
in through ``say``, the page's catalogue in one language.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from seatrial.model.sample import Outcome
from seatrial.reports.chart import (
    GRID,
    LAYOUTS,
    SOFT,
    Axis,
    Layer,
    Layout,
    axis_time_unit,
    document,
    label_layer,
    limit_layers,
    linear,
    logarithmic,
    side_labels,
)
from seatrial.reports.checks import busiest
from seatrial.reports.view import TrialView
from seatrial.units import MS

__all__ = ["ERROR_KINDS", "cpu_chart", "error_chart", "lag_chart", "load_chart", "response_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]
Row = dict[str, float | bool | None]

MS_LABEL = (
    "datum.value >= 60000 ? format(datum.value/60000, '~g') + ' min' : "
    "datum.value >= 1000 ? format(datum.value/1000, '~g') + ' s' : "
    "datum.value < 1 ? format(datum.value*1000, '~g') + ' µs' : format(datum.value, '~g') + ' ms'"
)
SHARE_LABEL = "format(datum.value*100, '~g') + ' %'"
ERROR_KINDS = tuple(outcome.label for outcome in Outcome if outcome is not Outcome.OK)
_BROAD_LOG_RANGE = 12.0


def _duration_ns(view: TrialView) -> int:
    """Return the length of the trial's time axis."""
    ends = [span.end_ns or span.start_ns for span in view.spans]
    if view.timeline is not None and view.timeline.height:
        last = view.timeline.drop_nulls("width_ns").select((pl.col("at_ns") + pl.col("width_ns")).max()).item()
        ends.append(int(last or 0))
    return max([*ends, 1])


def _time(view: TrialView, say: Say) -> tuple[dict[str, Any], float]:
    """Return the channel of the time axis and the nanoseconds in its unit."""
    duration = _duration_ns(view)
    unit, size = axis_time_unit(duration)
    channel = {
        "field": "t",
        "type": "quantitative",
        "scale": {"domain": [0, duration / size], "nice": False},
        "axis": {"title": say(f"axis.time.{unit}"), "tickCount": 8, "labelExpr": "format(datum.value, ',~g')"},
    }
    return channel, size


def _stage_layers(view: TrialView, time: dict[str, Any], size: float, layout: Layout, say: Say) -> list[Layer]:
    """Return the borders and names of the stages, and the warm-up as a shaded stretch."""
    layers: list[Layer] = []
    per_unit = layout.width / time["scale"]["domain"][1]
    warm = [{"t": s.start_ns / size, "to": (s.start_ns + s.warmup_ns) / size} for s in view.spans if s.warmup_ns]
    if warm:
        layers.append(
            {
                "data": {"values": warm},
                "mark": {"type": "rect", "fill": "var(--shade)", "clip": True},
                "encoding": {"x": time, "x2": {"field": "to"}},
            }
        )
        rows = [{"px": w["t"] * per_unit + 4, "py": -8, "text": say("chart.warmup"), "colour": SOFT} for w in warm]
        layers.append(label_layer(rows, align="left", fontSize=11))
    if len(view.spans) > 1:
        layers.append(
            {
                "data": {"values": [{"t": s.start_ns / size} for s in view.spans]},
                "mark": {"type": "rule", "stroke": GRID, "strokeWidth": 1},
                "encoding": {"x": time},
            }
        )
        shortest = min((b.start_ns - a.start_ns) / size for a, b in itertools.pairwise(view.spans)) * per_unit
        every = max(1, -(-46 // max(1, int(shortest))))
        rows = [
            {"px": round(s.start_ns / size * per_unit + 3, 1), "py": -8, "text": s.name, "colour": SOFT}
            for s in view.spans[::every]
        ]
        layers.append(label_layer(rows, align="left", fontSize=11))
    return layers


def _rows(view: TrialView, size: float, columns: Sequence[str], scale: float = 1.0) -> list[Row]:
    """Return one row per bin, placed at the bin's middle; gaps have nulls."""
    if view.timeline is None:
        return []
    middle = (pl.col("at_ns") + pl.col("width_ns").fill_null(0) / 2) / size
    numbers = [
        (pl.col(c) * scale).cast(pl.Float64).round(4).alias(c) if not c.endswith("at_least") else pl.col(c)
        for c in columns
    ]
    return view.timeline.select(middle.round(4).alias("t"), *numbers).to_dicts()


def _line(rows: list[Row], field: str, time: dict[str, Any], axis: Axis, colour: str, width: float = 2) -> Layer:
    """Return a line that breaks at gaps; few bins are dotted, or a lone one would not be seen."""
    values = [{"t": row["t"], field: row[field]} for row in rows]
    return {
        "data": {"values": values},
        "mark": {
            "type": "line",
            "stroke": colour,
            "strokeWidth": width,
            "strokeJoin": "round",
            "clip": True,
            "point": {"fill": colour, "size": 14} if len(values) <= 30 else False,
        },
        "encoding": {"x": time, "y": axis.encoding(field)},
    }


def _last(rows: list[Row], field: str) -> float:
    return next((float(row[field]) for row in reversed(rows) if row[field] is not None), 0.0)  # type: ignore[arg-type]


def _values(rows: list[Row], *fields: str) -> list[float]:
    return [float(row[f]) for row in rows for f in fields if row[f] is not None]  # type: ignore[arg-type]


def load_chart(view: TrialView, say: Say) -> Documents:
    """Return offered load, achieved load and goodput in steps per second."""
    series = (
        ("offered_per_s", "var(--c-offered)", "series.offered", 5.0),
        ("achieved_per_s", "var(--c-achieved)", "series.achieved", 2.5),
        ("goodput_per_s", "var(--c-goodput)", "series.goodput", 1.5),
    )
    time, size = _time(view, say)
    rows = _rows(view, size, [field for field, *_ in series])
    axis = linear(_values(rows, *(field for field, *_ in series)), say("axis.steps_per_s"))
    found = {}
    for layout in LAYOUTS:
        layers = _stage_layers(view, time, size, layout, say)
        layers += [_line(rows, field, time, axis, colour, width) for field, colour, _, width in series]
        labels = [(say(text), _last(rows, field), colour) for field, colour, text, _ in series]
        found[layout.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def response_chart(view: TrialView, limits: Sequence[tuple[str, float]], say: Say) -> Documents:
    """Return p50, p95 and p99 of response time, with limits as (label, nanoseconds).

    The axis is logarithmic when figures and limits span more than a factor of twelve.
    """
    series = (("p50", "var(--c-p50)"), ("p95", "var(--c-p95)"), ("p99", "var(--c-p99)"))
    time, size = _time(view, say)
    columns = [f"{name}_{end}" for name, _ in series for end in ("ns", "at_least")]
    rows = _rows(view, size, columns, 1 / MS)
    lines = [(text, value / MS) for text, value in limits]
    shown = _values(rows, *(f"{name}_ns" for name, _ in series)) + [value for _, value in lines]
    positive = [value for value in shown if value > 0]
    broad = bool(positive) and max(positive) / min(positive) > _BROAD_LOG_RANGE
    axis = logarithmic(positive, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    found = {}
    for layout in LAYOUTS:
        layers = _stage_layers(view, time, size, layout, say)
        layers += _mostly_unanswered(view, time, size)
        known = [{**row, **{f"{n}_ns": None for n, _ in series if row[f"{n}_at_least"]}} for row in rows]
        layers += [_line(known, f"{name}_ns", time, axis, colour, 1.8) for name, colour in series]
        layers += [layer for name, colour in series for layer in _at_least(rows, name, time, axis, colour)]
        layers += limit_layers(lines, axis, layout)
        labels = [(n, _last(known, f"{n}_ns") or _last(rows, f"{n}_ns"), colour) for n, colour in reversed(series)]
        found[layout.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def _mostly_unanswered(view: TrialView, time: dict[str, Any], size: float) -> list[Layer]:
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


def _at_least(rows: list[Row], name: str, time: dict[str, Any], axis: Axis, colour: str) -> list[Layer]:
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
    time, size = _time(view, say)
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
        stages = _stage_layers(view, time, size, layout, say)
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
    time, size = _time(view, say)
    if view.health is None:
        return {}
    worker: list[Row] = [
        {"t": round(at / size, 4), "cpu": round(share, 4)} for at, share in busiest(view.health).iter_rows()
    ]
    by_time = view.health.group_by("at_ns").agg(pl.col("machine_cpu").mean()).sort("at_ns")
    machine: list[Row] = [{"t": round(at / size, 4), "machine": round(cpu, 4)} for at, cpu in by_time.iter_rows()]
    top = max([1.0, *_values(worker, "cpu"), *_values(machine, "machine")])
    axis = Axis(0, top * 1.06, False, (0, 0.25, 0.5, 0.75, 1.0), "", SHARE_LABEL)
    limits = [] if limit is None else [(say("limit.cpu", limit=f"{limit * 100:g} %"), limit)]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, base.top, base.bottom, 140)
        layers = _stage_layers(view, time, size, layout, say)
        layers += [_line(machine, "machine", time, axis, "var(--c-offered)", 1.5)]
        layers += [_line(worker, "cpu", time, axis, "var(--c-achieved)", 2), *limit_layers(limits, axis, layout)]
        labels = [
            (say("series.machine"), _last(machine, "machine"), "var(--c-offered)"),
            (say("series.worker"), _last(worker, "cpu"), "var(--c-achieved)"),
        ]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def lag_chart(view: TrialView, limit_ns: float | None, say: Say) -> Documents:
    """Return the p99 of send lag over time with the policy's limit; nothing when nothing was sent."""
    time, size = _time(view, say)
    rows = _rows(view, size, ["send_lag_p99_ns"], 1 / MS)
    values = _values(rows, "send_lag_p99_ns")
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
        layers = [*_stage_layers(view, time, size, layout, say), _line(held, "lag", time, axis, "var(--c-achieved)")]
        layers += limit_layers(limits, axis, layout)
        labels = [(say("series.lag"), _last(held, "lag"), "var(--c-achieved)")]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def _ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
