"""The axis of a trial's time, and what every chart on it shares: stages, periods, lines that break at gaps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from seatrial.model.verdict_parts import PeriodResult
from seatrial.reports.chart import GRID, SOFT, Axis, Layer, Layout, axis_time_unit, label_layer, text_width
from seatrial.reports.view import TrialView
from seatrial.reports.wording import period_name, stage_name

__all__ = [
    "Row",
    "bin_rows",
    "known_values",
    "last_value",
    "line_layer",
    "periods_of",
    "shade_layer",
    "stage_layers",
    "time_channel",
]

Say = Callable[..., str]
Row = dict[str, float | bool | None]


def _duration_ns(view: TrialView) -> int:
    """Return the length of the trial's time axis."""
    ends = [span.end_ns or span.start_ns for span in view.spans]
    if view.timeline is not None and view.timeline.height:
        last = view.timeline.drop_nulls("width_ns").select((pl.col("at_ns") + pl.col("width_ns")).max()).item()
        ends.append(int(last or 0))
    return max([*ends, 1])


def time_channel(view: TrialView, say: Say) -> tuple[dict[str, Any], float]:
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


def stage_layers(view: TrialView, time: dict[str, Any], size: float, layout: Layout, say: Say) -> list[Layer]:
    """Return the borders and names of the stages and of their periods, and the warm-up as a shaded stretch."""
    layers: list[Layer] = []
    per_unit = layout.width / time["scale"]["domain"][1]
    warm = [{"t": s.start_ns / size, "to": (s.start_ns + s.warmup_ns) / size} for s in view.spans if s.warmup_ns]
    if warm:
        layers.append(shade_layer(warm, time, "var(--shade)"))
    several = len(view.spans) > 1
    if warm and not several:  # of several stages the names stand there, and a note tells of the shading
        rows = [{"px": w["t"] * per_unit + 4, "py": -8, "text": say("chart.warmup"), "colour": SOFT} for w in warm]
        layers.append(label_layer(rows, align="left", fontSize=11))
    if several:
        layers.append(_border_layer([s.start_ns / size for s in view.spans], time))
        shortest = min((b.start_ns - a.start_ns) / size for a, b in itertools.pairwise(view.spans)) * per_unit
        widest = max(text_width(stage_name(s.name, say)) for s in view.spans) + 8
        every = max(1, math.ceil(widest / max(1.0, shortest)))
        rows = [
            {
                "px": round(s.start_ns / size * per_unit + 3, 1),
                "py": -8,
                "text": stage_name(s.name, say),
                "colour": SOFT,
            }
            for s in view.spans[::every]
        ]
        layers.append(label_layer(rows, align="left", fontSize=11))
    return [*layers, *_period_layers(view, time, size, per_unit, say)]


def shade_layer(stretches: Sequence[Mapping[str, float]], time: dict[str, Any], fill: str) -> Layer:
    """Return shaded stretches of time, each from ``t`` to ``to`` in the axis's unit."""
    return {
        "data": {"values": list(stretches)},
        "mark": {"type": "rect", "fill": fill, "clip": True},
        "encoding": {"x": time, "x2": {"field": "to"}},
    }


def _border_layer(at: Sequence[float], time: dict[str, Any]) -> Layer:
    return {
        "data": {"values": [{"t": t} for t in at]},
        "mark": {"type": "rule", "stroke": GRID, "strokeWidth": 1},
        "encoding": {"x": time},
    }


def periods_of(view: TrialView) -> tuple[tuple[int, PeriodResult], ...]:
    """Return the periods of a trial's stages, each with its stage's start on the trial's time axis."""
    if view.verdict is None:
        return ()
    starts = {span.index: span.start_ns for span in view.spans}
    return tuple(
        (starts[stage.index], period)
        for stage in view.verdict.stages
        for period in stage.periods or ()
        if stage.index in starts
    )


def _period_layers(view: TrialView, time: dict[str, Any], size: float, per_unit: float, say: Say) -> list[Layer]:
    """Return the borders of the periods, the bursts shaded, and as many names as there is room for."""
    found = periods_of(view)
    if not found:
        return []
    bursts = [
        {"t": (start + p.from_ns) / size, "to": (start + p.to_ns) / size} for start, p in found if p.role == "burst"
    ]
    layers = [shade_layer(bursts, time, "var(--shade)")] if bursts else []
    layers.append(_border_layer([(start + p.from_ns) / size for start, p in found], time))
    taken: list[tuple[float, float]] = []
    rows = []
    for start, period in sorted(found, key=lambda one: (one[1].role != "burst", one[0] + one[1].from_ns)):
        text = period_name(period.name, say)
        left = (start + period.from_ns) / size * per_unit + 3
        right = left + text_width(text) + 6
        if all(right <= begin or left >= end for begin, end in taken):
            taken.append((left, right))
            rows.append({"px": round(left, 1), "py": -8, "text": text, "colour": SOFT})
    return [*layers, label_layer(rows, align="left", fontSize=11)]


def bin_rows(view: TrialView, size: float, columns: Sequence[str], scale: float = 1.0) -> list[Row]:
    """Return one row per bin, placed at the bin's middle; gaps have nulls."""
    if view.timeline is None:
        return []
    middle = (pl.col("at_ns") + pl.col("width_ns").fill_null(0) / 2) / size
    numbers = [
        (pl.col(c) * scale).cast(pl.Float64).round(4).alias(c) if not c.endswith("at_least") else pl.col(c)
        for c in columns
    ]
    return view.timeline.select(middle.round(4).alias("t"), *numbers).to_dicts()


def line_layer(rows: list[Row], field: str, time: dict[str, Any], axis: Axis, colour: str, width: float = 2) -> Layer:
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


def last_value(rows: list[Row], field: str) -> float:
    """Return where a line ends; zero for one without a point."""
    return next((float(row[field]) for row in reversed(rows) if row[field] is not None), 0.0)  # type: ignore[arg-type]


def known_values(rows: list[Row], *fields: str) -> list[float]:
    """Return every figure that is there."""
    return [float(row[f]) for row in rows for f in fields if row[f] is not None]  # type: ignore[arg-type]
