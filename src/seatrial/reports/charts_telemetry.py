"""The service's own figures over a trial's time: each series on its own scale, with the limits on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from seatrial.model.objective import Metric, Objective
from seatrial.model.telemetry import NamedSeries
from seatrial.reports.chart import LAYOUTS, Axis, Layer, Layout, between, document, draw, limit_layers, linear
from seatrial.reports.charts_time import SHARE_LABEL
from seatrial.reports.figure import Figure
from seatrial.reports.time_axis import Row, line_layer, stage_layers, time_channel
from seatrial.reports.view import TrialView
from seatrial.units import format_amount

__all__ = ["MAX_SERIES", "series_limits", "telemetry_chart", "telemetry_figure"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

MAX_SERIES = 8
"""So many series are drawn, those with a limit first."""

_MOST_POINTS = 240
_HEIGHT = 110
_LABEL = {
    "share": SHARE_LABEL,
    "B": "replace(format(datum.value, '~s'), /([a-zA-Zµ]?)$/, ' $1B')",
    "number": "format(datum.value, ',~g')",
}
_LEAST = {"share": 0.1, "B": 1e6, "number": 1.0}
"""Top of the scale of a series that is nothing all the time."""

_LINE = "var(--c-achieved)"
_NEAR = 4.0
"""All there is of something is drawn where it is at most so many times the highest reading."""


def telemetry_figure(view: TrialView, say: Say) -> Figure | None:
    """Return the drawings of a trial's series with what they show; None where nothing was read."""
    objectives = view.trial.objectives if view.trial else ()
    limited = {objective.series for objective in objectives}
    ordered = sorted(view.telemetry, key=lambda one: (one[0].name not in limited, one[0].number))
    if not ordered:
        return None
    identity, findings, drawings = f"t{view.index + 1}-telemetry", [], ""
    for series, readings in ordered[:MAX_SERIES]:
        findings.append(_finding(series, readings, say))
        documents = telemetry_chart(view, series, readings, series_limits(series, readings, objectives, say), say)
        drawings += draw(documents, f"{identity}{series.number}", findings[-1]) if documents else ""
    if len(ordered) > MAX_SERIES:
        findings.append(say("figure.telemetry_more", count=str(len(ordered) - MAX_SERIES)))
    return Figure(
        identity,
        say("figure.telemetry"),
        " ".join(findings),
        say("figure.telemetry_note") if drawings else "",
        drawings,
    )


def _finding(series: NamedSeries, readings: pl.DataFrame, say: Say) -> str:
    """Return the mean and the highest of all readings of the trial, those that are not judged included."""
    there = readings["value"].drop_nulls()
    gone = readings.height - len(there)
    if not len(there):
        return say("figure.telemetry_none", series=series.name)
    mean, highest = (format_amount(float(v), series.unit) for v in (there.mean(), there.max()))  # type: ignore[arg-type]
    found = say("figure.telemetry_one", series=series.name, mean=mean, highest=highest)
    missing = say("figure.telemetry_missing", missing=f"{gone:,}", all=f"{readings.height:,}") if gone else ""
    return f"{found}{missing}"


def series_limits(
    series: NamedSeries, readings: pl.DataFrame, objectives: Sequence[Objective], say: Say
) -> list[tuple[str, float]]:
    """Return the limits on a series' mean and highest reading, and all there is of it, as (label, value).

    All there is is left out where it is far above what was read, and no limit is on its exhaustion: it would press
    the line flat.
    """
    own = [objective for objective in objectives if objective.series == series.name]
    limits = [
        (
            say(
                f"limit.telemetry_{objective.statistic}",
                limit=f"{'≤' if objective.relation == '<=' else '≥'} {format_amount(objective.limit, series.unit)}",
            ),
            objective.limit,
        )
        for objective in own
        if objective.metric is Metric.TELEMETRY and objective.statistic in ("mean", "max")
    ]
    highest = float(readings["value"].max() or 0)  # type: ignore[arg-type]
    if series.limit is not None and (
        any(objective.metric is Metric.EXHAUSTION for objective in own) or series.limit <= _NEAR * highest
    ):
        limits.append((say("limit.exhaustion", limit=format_amount(series.limit, series.unit)), series.limit))
    return limits


def telemetry_chart(
    view: TrialView, series: NamedSeries, readings: pl.DataFrame, limits: Sequence[tuple[str, float]], say: Say
) -> Documents:
    """Return one series over time; nothing where no reading of it is there.

    Args:
        view: The trial.
        series: Which.
        readings: Its ``at_ns`` from the trial's start, ascending, and ``value``, null where it is missing: the line
            breaks there. Where there are more than 240 each point is the mean of several, with a band from the lowest
            to the highest of them.
        limits: As (label, value).
        say: The page's texts.
    """
    there = readings["value"].drop_nulls()
    if not len(there):
        return {}
    time, size = time_channel(view, say)
    rows = _points(readings, size)
    shown = [float(there.min()), float(there.max()), *(value for _, value in limits)]  # type: ignore[arg-type]
    shown += [] if any(shown) else [_LEAST[series.unit]]
    axis = (between if min(shown) < 0 else linear)(shown, series.name, _LABEL[series.unit])
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, base.top, base.bottom, _HEIGHT)
        layers = stage_layers(view, time, size, layout, say)
        layers += [*_band(rows, time, axis), line_layer(rows, "mean", time, axis, _LINE)]
        found[base.name] = document([*layers, *limit_layers(limits, axis, layout)], layout)
    return found


def _points(readings: pl.DataFrame, size: float) -> list[Row]:
    together = -(-readings.height // _MOST_POINTS)
    return (
        readings.with_row_index("place")
        .group_by(pl.col("place") // together, maintain_order=True)
        .agg(
            (pl.col("at_ns").mean() / size).round(4).alias("t"),
            pl.col("value").mean().alias("mean"),
            pl.col("value").min().alias("low"),
            pl.col("value").max().alias("high"),
        )
        .drop("place")
        .to_dicts()
    )


def _band(rows: list[Row], time: dict[str, Any], axis: Axis) -> list[Layer]:
    wide = [row for row in rows if row["low"] != row["high"]]
    if not wide:
        return []
    encoding = {"x": time, "y": axis.encoding("low"), "y2": {"field": "high"}}
    mark = {"type": "rule", "stroke": _LINE, "opacity": 0.3, "strokeWidth": 3, "clip": True}
    return [{"data": {"values": wide}, "mark": mark, "encoding": encoding}]
