"""Two bundles side by side: each figure of the new one as a multiple of the old one's, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.reports.chart import (
    INK,
    LAYOUTS,
    LIMIT,
    SOFT,
    Layer,
    Layout,
    document,
    label_layer,
    text_width,
    upright_layer,
)

__all__ = ["RatioRow", "ratio_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

_COLOURS = {True: "var(--c-broken)", False: "var(--c-held)", None: SOFT}
_SHAPES = {True: "cross", False: "circle", None: "diamond"}
_WORDS = {True: "chart.worse", False: "chart.better", None: "chart.open"}
_ROW = {"wide": 30, "narrow": 46}
_TICKS = (1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100)
_NEAREST, _FARTHEST = 1.2, 100.0
_NAME_WIDTH = 300
_BETWEEN_TICKS = 46


@dataclass(frozen=True, slots=True)
class RatioRow:
    """One figure of both bundles.

    Attributes:
        name: What it is.
        ratio: New by old; None where one of them is not known.
        lower: Lower bound at the policy's confidence; None where there is none.
        upper: Likewise.
        worse: Whether it is shown to be worse (True) or better (False); None where neither is.
    """

    name: str
    ratio: float | None
    lower: float | None
    upper: float | None
    worse: bool | None


def ratio_chart(rows: Sequence[RatioRow], say: Say) -> Documents:
    """Return a dot with its interval for each row on a logarithmic axis of ratios, on which 1 is marked.

    A bound that is not there, or beyond a hundredth or a hundred times, runs to the edge. Worse and better differ in
    colour, in shape and in words.

    Args:
        rows: In the order in which they are shown.
        say: The page's texts.

    Raises:
        ValueError: no rows: a comparison of nothing is no picture.
    """
    if not rows:
        raise ValueError("a comparison without rows; give at least one figure of both bundles")
    most = _reach(rows)
    found = {}
    for base in LAYOUTS:
        step = _ROW[base.name]
        wide = base.name == "wide"
        left = _NAME_WIDTH if wide else 12
        layout = Layout(base.name, base.total, left, 150 if wide else 20, 16, 44, step * len(rows))
        spots = [{**spot, "py": step * (i + (0.5 if wide else 0.72))} for i, spot in enumerate(_spots(rows, most))]
        layers = [_one(layout), *_intervals(spots, _x(most, layout.width, say))]
        layers += _names(rows, spots, layout, step, wide=wide, say=say)
        found[base.name] = document(layers, layout)
    return found


def _reach(rows: Sequence[RatioRow]) -> float:
    """Return the multiple at the right edge; its reciprocal stands at the left, so that 1 is in the middle."""
    shown = [value for row in rows for value in (row.ratio, row.lower, row.upper) if value is not None and value > 0]
    far = max([_NEAREST, *(max(value, 1 / value) for value in shown if math.isfinite(value))])
    return min(far * 1.1, _FARTHEST)


def _x(most: float, width: float, say: Say) -> dict[str, Any]:
    above: list[float] = [1.0]
    for tick in _TICKS[1:]:  # as many as can be read, from 1 outwards
        if tick <= most and width / 2 * math.log(tick / above[-1]) / math.log(most) >= _BETWEEN_TICKS:
            above.append(tick)
    values = sorted({*above, *(1 / tick for tick in above)})
    return {
        "field": "ratio",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [1 / most, most], "nice": False},
        "axis": {"title": say("axis.ratio"), "values": values, "labelExpr": "format(datum.value, '.3~g') + ' ×'"},
    }


def _spots(rows: Sequence[RatioRow], most: float) -> list[dict[str, Any]]:
    def held(value: float | None, edge: float) -> float:
        return edge if value is None or not math.isfinite(value) else min(max(value, 1 / most), most)

    return [
        {
            "known": row.ratio is not None,
            "ratio": held(row.ratio, 1.0),
            "lower": held(row.lower, 1 / most),
            "upper": held(row.upper, most),
            "colour": _COLOURS[row.worse],
            "shape": _SHAPES[row.worse],
        }
        for row in rows
    ]


def _one(layout: Layout) -> Layer:
    return upright_layer([layout.width / 2], -6, layout.height, LIMIT, 1.5, (6, 4))


def _intervals(spots: Sequence[dict[str, Any]], x: dict[str, Any]) -> list[Layer]:
    y = {"field": "py", "type": "quantitative", "scale": None, "axis": None}
    colour = {"field": "colour", "type": "nominal", "scale": None}
    known = [spot for spot in spots if spot["known"]]
    return [
        {
            "data": {"values": [{**spot, "ratio": spot["lower"]} for spot in spots]},
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.45},
            "encoding": {"x": x, "x2": {"field": "upper"}, "y": y, "color": colour},
        },
        {
            "data": {"values": known},
            "mark": {"type": "point", "filled": True, "size": 100, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "shape": {"field": "shape", "type": "nominal", "scale": None},
            },
        },
    ]


def _names(
    rows: Sequence[RatioRow], spots: Sequence[dict[str, Any]], layout: Layout, step: int, *, wide: bool, say: Say
) -> list[Layer]:
    """Return each row's name and what it means: beside the interval, or on a phone above it."""
    names, words = [], []
    for index, (row, spot) in enumerate(zip(rows, spots, strict=True)):
        py = spot["py"] if wide else step * index + 12
        names.append({"px": 12 - layout.left if wide else 0, "py": py, "text": _cut(row.name, layout, wide)})
        figure = say("chart.unknown") if row.ratio is None else f"{row.ratio:.3g} ×"
        words.append({"px": layout.width + 10, "py": py, "text": f"{figure}  {say(_WORDS[row.worse])}"})
    if not wide:  # the words end at the right edge
        words = [{**word, "px": layout.width} for word in words]
    colours = [_COLOURS[row.worse] for row in rows]
    halo = label_layer([{**name, "colour": "var(--page)"} for name in names], align="left", stroke="var(--page)")
    halo["mark"]["strokeWidth"] = 4  # the line at 1 must not cross a name out
    said = [{**word, "colour": colour} for word, colour in zip(words, colours, strict=True)]
    return [
        halo,
        label_layer([{**name, "colour": INK} for name in names], align="left"),
        label_layer(said, align="left" if wide else "right", fontWeight=600),
    ]


def _cut(name: str, layout: Layout, wide: bool) -> str:
    """Return as much of a name as there is room for."""
    room = _NAME_WIDTH - 24 if wide else layout.width - 120
    if text_width(name, 11.5) <= room:
        return name
    while name and text_width(name + "…", 11.5) > room:
        name = name[:-1]
    return name.rstrip() + "…"
