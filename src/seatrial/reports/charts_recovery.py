"""How a service came back from a disturbance: goodput and p95 over time, with what was done and when it was over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.reports.chart import (
    LAYOUTS,
    LINE_HEIGHT,
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
    upright_layer,
)
from seatrial.reports.charts_time import MS_LABEL, at_least_layers, unanswered_layers
from seatrial.reports.time_axis import (
    bin_rows,
    known_values,
    last_value,
    line_layer,
    periods_of,
    shade_layer,
    stage_layers,
    time_channel,
)
from seatrial.reports.view import TrialView
from seatrial.reports.wording import period_name, span_text
from seatrial.units import MS

__all__ = ["Comeback", "comebacks", "goodput_recovery_chart", "response_recovery_chart"]

Say = Callable[..., str]
Documents = dict[str, dict[str, Any]]

_BROAD_LOG_RANGE = 12.0
_COLOURS = {"recovered": "var(--c-held)", "slow": "var(--c-open)", "metastable": "var(--c-broken)"}
_MARKS = {"recovered": "✓", "slow": "…", "metastable": "✗", "undecided": "?"}
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Comeback:
    """One recovery in time; nanoseconds from the trial's start.

    Attributes:
        name: Of the disturbance.
        state: As the verdict has it.
        gone_ns: When the disturbance was over.
        end_ns: Until when the service was watched.
        lower_ns: The earliest instant at which it may have been back.
        upper_ns: The latest; None where it was not seen to be back.
    """

    name: str
    state: str
    gone_ns: float
    end_ns: float
    lower_ns: float
    upper_ns: float | None


def comebacks(view: TrialView) -> tuple[Comeback, ...]:
    """Return the recoveries of a trial in time, one for each period after a disturbance; none where none is judged."""
    found = view.verdict.recovery if view.verdict else None
    after = [(start, period) for start, period in periods_of(view) if period.role == "after"]
    if not found or len(found) != len(after):
        return ()
    ends = [float(start + period.to_ns) for start, period in after]
    return tuple(
        Comeback(
            name=one.name,
            state=one.state,
            gone_ns=end - one.watched_ns,
            end_ns=end,
            lower_ns=end - one.watched_ns + (one.back_ns.lower or 0.0),
            upper_ns=None if one.back_ns.upper is None else end - one.watched_ns + one.back_ns.upper,
        )
        for one, end in zip(found, ends, strict=True)
    )


def goodput_recovery_chart(view: TrialView, say: Say) -> Documents:
    """Return offered load and goodput in steps per second, with the periods, the fault and each recovery."""
    series = (
        ("offered_per_s", "var(--c-offered)", "series.offered", 3.5),
        ("goodput_per_s", "var(--c-goodput)", "series.goodput", 1.8),
    )
    time, size = time_channel(view, say)
    rows = bin_rows(view, size, [field for field, *_ in series])
    axis = linear(known_values(rows, *(field for field, *_ in series)), say("axis.steps_per_s"))
    time = {**time, "axis": {**time["axis"], "title": None}}
    found = {}
    for base in LAYOUTS:
        flags = _flags(view, time, size, base, say)
        many = len(flags) > _MOST_NAMED
        flags = [Flag(flag.px, flag.text[0], flag.colour, flag.dashed) for flag in flags] if many else flags
        tall = LINE_HEIGHT * (1 if many else len(flags))
        layout = Layout(base.name, base.total, base.left, base.right, base.top + tall, 26, 170)
        layers = [*stage_layers(view, time, size, layout, say), *_ranges(view, time, size)]
        groups = [[flag] for flag in flags] if many else [flags]
        layers += [layer for group in groups for layer in flag_layers(group, layout, 23)]
        layers += [line_layer(rows, field, time, axis, colour, width) for field, colour, _, width in series]
        labels = [(say(text), last_value(rows, field), colour) for field, colour, text, _ in series]
        layers.append(side_labels(labels, axis, layout))
        found[base.name] = document(layers, layout, -24 - tall)
    return found


def response_recovery_chart(view: TrialView, limits: Sequence[tuple[str, float]], say: Say) -> Documents:
    """Return p95 of response time with its limits as (label, nanoseconds), and the same marks; empty without figures.

    The axis is logarithmic when figures and limits span more than a factor of twelve.
    """
    time, size = time_channel(view, say)
    rows = bin_rows(view, size, ["p95_ns", "p95_at_least"], 1 / MS)
    lines = [(text, value / MS) for text, value in limits]
    shown = [value for value in [*known_values(rows, "p95_ns"), *(value for _, value in lines)] if value > 0]
    if not shown:
        return {}
    broad = max(shown) / min(shown) > _BROAD_LOG_RANGE
    axis: Axis = logarithmic(shown, "", MS_LABEL) if broad else linear(shown, "", MS_LABEL)
    known = [{**row, "p95_ns": None} if row["p95_at_least"] else row for row in rows]
    found = {}
    for base in LAYOUTS:
        layout = Layout(base.name, base.total, base.left, base.right, 22, base.bottom, 150)
        plain = [layer for layer in stage_layers(view, time, size, layout, say) if layer["mark"]["type"] != "text"]
        layers = [*plain, *_ranges(view, time, size), *unanswered_layers(view, time, size)]
        for flag in _flags(view, time, size, layout, say):
            dash = (6, 4) if flag.dashed else ()
            layers.append(upright_layer([flag.px], 0, layout.height, flag.colour, 1.5, dash))
        layers.append(line_layer(known, "p95_ns", time, axis, "var(--c-p95)", 1.8))
        layers += at_least_layers(rows, "p95", time, axis, "var(--c-p95)")
        layers += limit_layers(lines, axis, layout)
        labels = [("p95", last_value(known, "p95_ns") or last_value(rows, "p95_ns"), "var(--c-p95)")]
        found[base.name] = document([*layers, side_labels(labels, axis, layout)], layout)
    return found


def _ranges(view: TrialView, time: dict[str, Any], size: float) -> list[Layer]:
    """Return the stretch in which each recovery may have come, where its bounds lie apart, shaded."""
    ranges = [
        {"t": back.lower_ns / size, "to": back.upper_ns / size}
        for back in comebacks(view)
        if back.upper_ns is not None and back.upper_ns > back.lower_ns
    ]
    if not ranges:
        return []
    layer = shade_layer(ranges, time, "var(--c-held)")
    layer["mark"]["opacity"] = 0.22
    return [layer]


def _flags(view: TrialView, time: dict[str, Any], size: float, layout: Layout, say: Say) -> list[Flag]:
    """Return the fault, the end of each disturbance and each recovery, as flags."""
    per_unit = layout.width / time["scale"]["domain"][1] / size
    start_ns = view.log.stages[0].started_ns if view.log.stages else 0
    flags = [
        Flag((done.began_ns - start_ns) * per_unit, say("chart.fault_begun"), "var(--c-limit)", dashed=True)
        for done in view.log.happenings
        if done.name == "fault"
    ]
    backs = comebacks(view)
    for back in backs:
        own = f"{period_name(back.name, say)}: " if len(backs) > 1 else ""
        colour = _COLOURS.get(back.state, "var(--c-open)")
        if len(backs) == 1:  # of several the shading shows where each disturbance ends
            flags.append(Flag(back.gone_ns * per_unit, say("chart.gone"), "var(--c-limit)", dashed=True))
        at = back.gone_ns if back.upper_ns is None else (back.lower_ns + back.upper_ns) / 2
        text = f"{_MARKS[back.state]} {own}{_state(back, say)}"
        flags.append(Flag(at * per_unit, text, colour, dashed=back.upper_ns is None))
    return flags


def _state(back: Comeback, say: Say) -> str:
    """Return in a few words how the service came back."""
    if back.state == "recovered" and back.upper_ns is not None:
        low, high = back.lower_ns - back.gone_ns, back.upper_ns - back.gone_ns
        return say("chart.recovered", time=span_text(low, high, say))
    return say(f"state.{back.state}")
