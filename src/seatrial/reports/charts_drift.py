"""The drift of one figure over a long time: the windows, the line through them with its bounds, and the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seatrial.model.verdict_parts import DriftLine
from seatrial.reports.chart import LAYOUTS, SOFT, Layer, between, document, limit_layers, side_labels
from seatrial.reports.charts_time import MS_LABEL, SHARE_LABEL
from seatrial.reports.time_axis import time_channel
from seatrial.reports.view import TrialView
from seatrial.units import MS

__all__ = ["drift_chart", "limit_of"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

_SCALE = {"ns": 1 / MS, "share": 1.0, "B": 1.0, "number": 1.0}
_LABEL = {
    "ns": MS_LABEL,
    "share": SHARE_LABEL,
    "B": "format(datum.value, '~s') + 'B'",
    "number": "format(datum.value, ',~g')",
}
_LINE = "var(--c-achieved)"
_AXIS_BEYOND = 1.5


def limit_of(line: DriftLine, limit: float) -> float | None:
    """Return the figure at the end that just keeps a limit on a drift: in points of shares, else a share of the start.

    Args:
        line: The line.
        limit: As the verdict has it, a fraction of one.

    Returns:
        None where the beginning is hidden.
    """
    if line.start is None:
        return None
    return line.start + limit if line.unit == "share" else line.start * (1 + limit)


def drift_chart(view: TrialView, line: DriftLine, limit: tuple[str, float] | None, say: Say) -> Documents:
    """Return the figure of each window, the fitted line and its bounds, with the limit as (label, figure at the end).

    A window whose figure is hidden by steps without an answer is a triangle at the top. Where the line itself is
    hidden there are only the windows.
    """
    time, size = time_channel(view, say)
    scale = _SCALE[line.unit]
    start_ns = view.log.stages[0].started_ns if view.log.stages else 0
    ends = [(line.from_ns - start_ns) / size, (line.to_ns - start_ns) / size]
    known = [figure * scale for figure in line.figures if figure is not None]
    fitted = _ends(line, scale)
    limits = [] if limit is None else [(limit[0], limit[1] * scale)]
    highest = max([*known, *(value for _, value in limits)], default=1.0)
    shown = [*known, *(value for _, value in limits), *(v for v in fitted[1:] if v <= highest * _AXIS_BEYOND)]
    axis = between([value for value in [*shown, *fitted[:1]] if value >= 0], "", _LABEL[line.unit])
    dots = [
        {
            "t": round((at - start_ns) / size, 5),
            "figure": axis.high if figure is None else round(figure * scale, 6),
            "shape": "triangle-up" if figure is None else "circle",
        }
        for at, figure in zip(line.at_ns, line.figures, strict=True)
    ]
    found = {}
    for layout in LAYOUTS:
        layers = _fit_layers(fitted, ends, time, axis.encoding("figure"))
        layers.append(
            {
                "data": {"values": dots},
                "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.85, "color": SOFT, "clip": False},
                "encoding": {
                    "x": time,
                    "y": axis.encoding("figure"),
                    "shape": {"field": "shape", "type": "nominal", "scale": None},
                },
            }
        )
        layers += limit_layers(limits, axis, layout)
        if fitted:
            layers.append(side_labels([(say("series.trend"), fitted[1], _LINE)], axis, layout))
        found[layout.name] = document(layers, layout)
    return found


def _ends(line: DriftLine, scale: float) -> list[float]:
    """Return the line at the beginning and at the end, then the bounds at the end; empty where it is hidden.

    A bound that is infinite is left out, and the other stands in for the line itself.
    """
    if line.start is None or line.rise.estimate is None:
        return []
    start = line.start * scale
    end = start + line.rise.estimate * scale
    lower, upper = (
        (start + bound * scale) if bound is not None else end for bound in (line.rise.lower, line.rise.upper)
    )
    return [start, end, lower, upper]


def _fit_layers(fitted: list[float], ends: list[float], time: dict[str, Any], y: dict[str, Any]) -> list[Layer]:
    if not fitted:
        return []
    start, end, lower, upper = (round(value, 6) for value in fitted)
    band = [{"t": ends[0], "figure": start, "top": start}, {"t": ends[1], "figure": lower, "top": upper}]
    line = [{"t": ends[0], "figure": start}, {"t": ends[1], "figure": end}]
    return [
        {
            "data": {"values": band},
            "mark": {"type": "area", "fill": _LINE, "opacity": 0.2, "clip": True},
            "encoding": {"x": time, "y": y, "y2": {"field": "top"}},
        },
        {
            "data": {"values": line},
            "mark": {"type": "line", "stroke": _LINE, "strokeWidth": 2.5, "clip": True},
            "encoding": {"x": time, "y": y},
        },
    ]
