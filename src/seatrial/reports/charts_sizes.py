"""Scalability: the capacity of each size of the service and its efficiency, beside what perfect scaling would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seatrial.model.verdict_parts import Bounded, SizeResult
from seatrial.reports.chart import LAYOUTS, SOFT, Axis, Layer, Layout, document, limit_layers, linear, side_labels
from seatrial.reports.charts_time import SHARE_LABEL

__all__ = ["capacity_by_size_chart", "efficiency_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

_COLOUR, _IDEAL = "var(--c-achieved)", "var(--c-offered)"


def capacity_by_size_chart(sizes: Sequence[SizeResult], say: Say) -> Documents:
    """Return the capacity of the whole service at each size with its bounds, and the line of perfect scaling.

    Args:
        sizes: From small to large, at least one.
        say: The page's texts.
    """
    whole = [_times(size.capacity, size.units) for size in sizes]
    each = sizes[0].capacity.estimate
    ideal = (
        [] if not each else [{"units": 0, "figure": 0.0}, {"units": sizes[-1].units, "figure": each * sizes[-1].units}]
    )
    top = [value for one in whole for value in (one.estimate, one.lower, one.upper) if value is not None]
    unit = sizes[0].unit
    label = "format(datum.value, ',~g') + ' P'" if unit == "P" else "format(datum.value, ',~g') + '/s'"
    axis = linear([*top, *(row["figure"] for row in ideal)], say("axis.capacity_whole"), label)
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, base.top, 26, 200)
        layers = [_ideal_layer(ideal, sizes, axis)] if ideal else []
        layers += _bounded_layers(whole, sizes, axis, "")
        labels = [(say("series.ideal"), ideal[-1]["figure"], _IDEAL)] if ideal else []
        last = whole[-1].estimate
        labels += [(say("series.capacity"), last, _COLOUR)] if last is not None else []
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def efficiency_chart(sizes: Sequence[SizeResult], limits: Sequence[tuple[str, float]], say: Say) -> Documents:
    """Return the efficiency of each size with its bounds, 100 % as a line, and limits as (label, share)."""
    shown = [size.efficiency for size in sizes]
    top = [value for one in shown for value in (one.estimate, one.lower, one.upper) if value is not None]
    axis = linear([*(min(value, 1.6) for value in top), *(value for _, value in limits), 1.0], "", SHARE_LABEL)
    level = [{"units": 0, "figure": 1.0}, {"units": sizes[-1].units, "figure": 1.0}]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, 22, 48, 140)
        title = say("axis.units")
        layers = [_ideal_layer(level, sizes, axis, title), *_bounded_layers(shown, sizes, axis, title)]
        layers += limit_layers(limits, axis, layout)
        labels = [(say("series.ideal"), 1.0, _IDEAL)]
        last = shown[-1].estimate
        labels += [(say("series.efficiency"), last, _COLOUR)] if last is not None else []
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def _times(value: Bounded, units: int) -> Bounded:
    def of(one: float | None) -> float | None:
        return None if one is None else one * units

    return Bounded(estimate=of(value.estimate), lower=of(value.lower), upper=of(value.upper))


def _units(sizes: Sequence[SizeResult], title: str) -> dict[str, Any]:
    most = sizes[-1].units
    return {
        "field": "units",
        "type": "quantitative",
        "scale": {"domain": [0, most * 1.06], "nice": False},
        "axis": {"title": title or None, "values": [s.units for s in sizes], "labelOverlap": True, "format": ",d"},
    }


def _ideal_layer(rows: list[dict[str, float]], sizes: Sequence[SizeResult], axis: Axis, title: str = "") -> Layer:
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "stroke": _IDEAL, "strokeWidth": 1.5, "strokeDash": [2, 3], "clip": True},
        "encoding": {"x": _units(sizes, title), "y": axis.encoding("figure")},
    }


def _bounded_layers(values: Sequence[Bounded], sizes: Sequence[SizeResult], axis: Axis, title: str) -> list[Layer]:
    """Return a bar from bound to bound and a dot at each estimate; what has no upper bound ends in a triangle."""
    x = _units(sizes, title)
    bars, dots, open_ended = [], [], []
    for size, value in zip(sizes, values, strict=True):
        high = axis.high if value.upper is None else min(value.upper, axis.high)
        bars.append({"units": size.units, "low": value.lower or 0.0, "high": high})
        if value.estimate is not None:
            dots.append({"units": size.units, "figure": value.estimate})
        if value.upper is None:
            open_ended.append({"units": size.units, "figure": axis.high})
    layers: list[Layer] = [
        {
            "data": {"values": bars},
            "mark": {"type": "rule", "stroke": _COLOUR, "strokeWidth": 5, "opacity": 0.4},
            "encoding": {"x": x, "y": axis.encoding("low"), "y2": {"field": "high"}},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "line", "stroke": _COLOUR, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": axis.encoding("figure")},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": _COLOUR},
            "encoding": {"x": x, "y": axis.encoding("figure")},
        },
    ]
    if open_ended:
        mark = {"type": "point", "shape": "triangle-up", "size": 60, "fill": "var(--page)", "stroke": SOFT}
        layers.append(
            {"data": {"values": open_ended}, "mark": mark, "encoding": {"x": x, "y": axis.encoding("figure")}}
        )
    return layers
