"""Charts as SVG: Vega-Lite documents rendered by vl-convert, without a browser, a network or a script.

Every colour is a CSS variable of the page, so that one drawing serves light, dark and paper. Every chart is drawn
twice, wide and narrow, because a drawing shrunk to a phone can't be read; the page shows one of the two. Sizes
are fixed and nothing is laid out by measuring text, so the same data gives the same bytes whatever fonts a machine
has.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert

__all__ = [
    "LAYOUTS",
    "LIMIT",
    "LINE_HEIGHT",
    "NARROW",
    "WIDE",
    "Axis",
    "Flag",
    "Layout",
    "axis_time_unit",
    "between",
    "document",
    "draw",
    "flag_layers",
    "label_layer",
    "limit_layers",
    "linear",
    "logarithmic",
    "side_labels",
    "spread",
    "text_width",
    "upright_layer",
]

Layer = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
INK, SOFT, GRID = "var(--ink)", "var(--soft)", "var(--grid)"
LIMIT = "var(--c-limit)"
LINE_HEIGHT = 14


@dataclass(frozen=True, slots=True)
class Layout:
    """The measures of a drawing in pixels: the whole width, and the margins around the plot."""

    name: str
    total: int
    left: int
    right: int
    top: int = 34
    bottom: int = 42
    height: int = 200

    @property
    def width(self) -> int:
        """Return the plot's own width."""
        return self.total - self.left - self.right


WIDE = Layout("wide", 940, 64, 104)
NARROW = Layout("narrow", 360, 48, 88, height=190)
LAYOUTS = (WIDE, NARROW)


@dataclass(frozen=True, slots=True)
class Axis:
    """A vertical scale: where a value stands in the plot, and what is written beside it.

    Attributes:
        low: Smallest value shown.
        high: Largest value shown.
        log: Whether the scale is logarithmic.
        ticks: Values with a line and a label.
        title: With its unit; empty when the labels carry theirs.
        label: Vega expression that writes a tick.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]
    title: str
    label: str = "format(datum.value, ',~g')"

    def pixel(self, value: float, height: int) -> float:
        """Return how far below the plot's top ``value`` stands; values outside are held at the edge."""
        held = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            share = (held - self.low) / (self.high - self.low)
        return height * (1 - share)

    def encoding(self, field: str) -> dict[str, Any]:
        """Return the Vega-Lite channel for ``field`` on this axis."""
        return {
            "field": field,
            "type": "quantitative",
            "scale": {
                "type": "log" if self.log else "linear",
                "domain": [self.low, self.high],
                "nice": False,
                "zero": False,
            },
            "axis": {"title": self.title or None, "values": list(self.ticks), "labelExpr": self.label},
        }


def linear(values: Iterable[float], title: str, label: str | None = None, least: float = 0.0) -> Axis:
    """Return a linear axis from zero to a round number above every value (and ``least``)."""
    top = max([*values, least, 1e-9]) * 1.06
    rough = top / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 2.5, 5, 10) if size * n >= rough)
    count = math.ceil(top / step)
    ticks = tuple(round(step * i, 12) for i in range(count + 1))
    return Axis(0.0, ticks[-1], False, ticks, title, label or "format(datum.value, ',~g')")


def between(values: Iterable[float], title: str, label: str) -> Axis:
    """Return a linear axis just wide enough for every value; from zero where the lowest is not far above it."""
    found = list(values) or [0.0, 1.0]
    low, high = min(found), max(found)
    if low < 0.4 * high and low >= 0:
        return linear(found, title, label)
    room = (high - low or abs(high) or 1.0) * 0.12
    low, high = low - room, high + room
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 2.5, 5, 10) if size * n >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    ticks = tuple(round(step * i, 12) for i in range(first, last + 1))
    return Axis(low, high, False, ticks, title, label)


def logarithmic(values: Iterable[float], title: str, label: str) -> Axis:
    """Return a logarithmic axis that spans every value above zero, with ticks at 1, 2 and 5 or at decades."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 1.2, max(positive) * 1.8
    if high / low < 10:
        low = high / 10
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    span = math.log10(high / low)
    marks = (1, 2, 5) if span < 2.2 else (1, 3) if span < 3.2 else (1,)
    ticks = tuple(float(f"{m}e{d}") for d in decades for m in marks if low <= float(f"{m}e{d}") <= high)
    return Axis(low, high, True, ticks, title, label)


def axis_time_unit(duration_ns: int) -> tuple[str, float]:
    """Return (``s``, ``min`` or ``h``, nanoseconds in it): the unit in which a time axis reads best."""
    if duration_ns < 300e9:
        return "s", 1e9
    return ("min", 60e9) if duration_ns < 4 * 3600e9 else ("h", 3600e9)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions as near as possible to ``wanted``, at least ``gap`` apart and within [low, high].

    Where they do not all fit they are spaced evenly over the whole range.
    """
    if len(wanted) > 1 and gap * (len(wanted) - 1) > high - low:
        gap = (high - low) / (len(wanted) - 1)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    placed: list[float] = []
    for i in order:
        placed.append(max(wanted[i], placed[-1] + gap if placed else low))
    ceiling = high
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - gap
    found = [0.0] * len(wanted)
    for k, i in enumerate(order):
        found[i] = placed[k]
    return found


def text_width(text: str, size: float = 11.0) -> float:
    """Return about how many pixels a text takes: nothing is measured, so that fonts change no drawing."""
    return sum(1.0 if ord(letter) >= 0x2E80 else 0.56 for letter in text) * size


def upright_layer(
    at: Sequence[float], top: float, floor: float, colour: str, width: float = 1.5, dash: Sequence[int] = ()
) -> Layer:
    """Return upright lines at fixed places, from ``top`` to ``floor``, all in pixels of the plot."""
    return {
        "data": {"values": [{"px": round(px, 1), "from": top, "to": floor} for px in at]},
        "mark": {"type": "rule", "stroke": colour, "strokeWidth": width, "strokeDash": list(dash)},
        "encoding": {
            "x": {"field": "px", "type": "quantitative", "scale": None, "axis": None},
            "y": {"field": "from", "type": "quantitative", "scale": None, "axis": None},
            "y2": {"field": "to"},
        },
    }


def label_layer(rows: Sequence[Mapping[str, Any]], **mark: Any) -> Layer:
    """Return text at fixed places: each row has ``px`` and ``py`` in pixels, ``text`` and ``colour``."""
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "text", "baseline": "middle", "fontSize": 11.5, **mark},
        "encoding": {
            "x": {"field": "px", "type": "quantitative", "scale": None, "axis": None},
            "y": {"field": "py", "type": "quantitative", "scale": None, "axis": None},
            "text": {"field": "text", "type": "nominal"},
            "color": {"field": "colour", "type": "nominal", "scale": None},
        },
    }


def side_labels(series: Sequence[tuple[str, float, str]], axis: Axis, layout: Layout) -> Layer:
    """Return direct labels at the right edge, pushed apart: (text, value at the end of the line, colour)."""
    wanted = [axis.pixel(value, layout.height) for _, value, _ in series]
    places = spread(wanted, LINE_HEIGHT, 2, layout.height - 2)
    rows = [
        {"px": layout.width + 8, "py": round(place, 1), "text": text, "colour": colour}
        for (text, _, colour), place in zip(series, places, strict=True)
    ]
    return label_layer(rows, align="left", fontWeight=600)


@dataclass(frozen=True, slots=True)
class Flag:
    """An upright line with its name above the plot.

    Attributes:
        px: Where, in pixels from the plot's left.
        text: Its name.
        colour: Of both.
        dashed: Whether the line is broken, as limits and bounds of time are.
    """

    px: float
    text: str
    colour: str
    dashed: bool = False


def flag_layers(flags: Sequence[Flag], layout: Layout, above: float) -> list[Layer]:
    """Return upright lines, each with its name on a row of its own, the last one ``above`` pixels over the plot."""
    layers: list[Layer] = []
    for row, flag in enumerate(flags):
        py = -above - (len(flags) - 1 - row) * LINE_HEIGHT
        dash = (6, 4) if flag.dashed else ()
        layers.append(upright_layer([flag.px], py - 6, layout.height, flag.colour, 1.5 if flag.dashed else 2, dash))
        late = flag.px + text_width(flag.text, 12) + 6 > layout.width + layout.right
        place = {"px": round(flag.px - 5 if late else flag.px + 5, 1), "py": py}
        row_of = [{**place, "text": flag.text, "colour": flag.colour}]
        ground = [{**place, "text": flag.text, "colour": "var(--page)"}]
        halo = label_layer(ground, align="right" if late else "left", fontWeight=600, stroke="var(--page)")
        halo["mark"]["strokeWidth"] = 4  # another flag's line must not cross a name out
        layers.append(halo)
        layers.append(label_layer(row_of, align="right" if late else "left", fontWeight=600))
    return layers


def limit_layers(limits: Sequence[tuple[str, float]], axis: Axis, layout: Layout) -> list[Layer]:
    """Return each limit as a dashed line with its label on it: (text, value)."""
    if not limits:
        return []
    wanted = [axis.pixel(value, layout.height) - 8 for _, value in limits]
    places = spread(wanted, LINE_HEIGHT, -6, layout.height - 6)
    rows = [
        {"px": 6, "py": round(place, 1), "text": text, "colour": LIMIT}
        for (text, _), place in zip(limits, places, strict=True)
    ]
    lines: Layer = {
        "data": {"values": [{"limit": value} for _, value in limits]},
        "mark": {"type": "rule", "stroke": LIMIT, "strokeWidth": 1.5, "strokeDash": [6, 4]},
        "encoding": {"y": axis.encoding("limit")},
    }
    # The label has a halo of the page's colour, so that a line behind it does not cross it out.
    halo = label_layer([{**row, "colour": "var(--page)"} for row in rows], align="left", stroke="var(--page)")
    halo["mark"]["strokeWidth"] = 4
    return [lines, halo, label_layer(rows, align="left", fontWeight=600)]


def document(layers: Sequence[Layer], layout: Layout, title_y: int = -24) -> dict[str, Any]:
    """Return a whole Vega-Lite document with the house's look; the vertical axis is named ``title_y`` below its top."""
    axis = {"labelFontSize": 11.5, "titleFontSize": 11.5, "titleFontWeight": "normal", "titleColor": SOFT}
    axis |= {"labelColor": SOFT, "gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "labelPadding": 5}
    return {
        "$schema": SCHEMA,
        "width": layout.width,
        "height": layout.height,
        "padding": {"left": layout.left, "right": layout.right, "top": layout.top, "bottom": layout.bottom},
        "autosize": {"type": "none", "contains": "content"},
        "background": "transparent",
        "config": {
            "aria": False,
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": axis,
            "axisX": {"grid": False, "titlePadding": 8},
            "axisY": {
                "domain": False,
                "ticks": False,
                "titleAngle": 0,
                "titleAlign": "left",
                "titleAnchor": "start",
                "titleX": 8 - layout.left,
                "titleY": title_y,
                "titleBaseline": "middle",
            },
        },
        "layer": list(layers),
    }


_ROOT = re.compile(r"<svg [^>]*viewBox=\"([\d .-]+)\"[^>]*>")
_NOISE = re.compile(r" (?:role|aria-[a-z]+|pointer-events)=\"[^\"]*\"")
_EMPTY = re.compile(r"<path class=\"(?:foreground|background)\"[^>]*/>")
_CLIP = re.compile(r"\bclip(\d+)\b")


def draw(documents: Mapping[str, dict[str, Any]], identity: str, finding: str) -> str:
    """Return the SVG of each layout of one chart, as one image each with ``finding`` as its text alternative.

    Args:
        documents: Layout name to Vega-Lite document.
        identity: Unique in the page; becomes part of every id in the drawing.
        finding: What the chart shows, in a sentence.
    """
    return "".join(_svg(doc, name, identity, finding) for name, doc in documents.items())


def _svg(spec: dict[str, Any], layout: str, identity: str, finding: str) -> str:
    raw = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    root = _ROOT.match(raw)
    if root is None:  # vl-convert gives an SVG or raises
        raise ValueError(f"not an SVG: {raw[:80]!r}")
    view_box = root[1]
    width, height = view_box.split()[2:]
    body = _EMPTY.sub("", raw[root.end() :])
    body = re.sub(r"<[^>]*>", lambda tag: _NOISE.sub("", tag[0]), body)
    # Vega numbers its clip paths from a counter of the process: count anew, and apart from other drawings.
    numbers: dict[str, int] = {}
    body = re.sub(
        r"<[^>]*>",
        lambda tag: _CLIP.sub(lambda m: f"{identity}-{layout}-{numbers.setdefault(m[1], len(numbers))}", tag[0]),
        body,
    )
    return (
        f'<svg class="chart {layout}" viewBox="{view_box}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(finding, quote=True)}">{body}'
    )
