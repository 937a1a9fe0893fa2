"""Tables of what only some kinds of trial show, for the page and the terminal alike: text in cells, no layout."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.verdict import ObjectiveResult, TrialVerdict
from seatrial.model.verdict_capacity import Knee, ScalingLaw
from seatrial.model.verdict_parts import Bounded, DriftLine, PeriodResult, Recovery, SizeResult
from seatrial.reports.texts import Say
from seatrial.reports.wording import (
    Gauge,
    bounds,
    gauge,
    measured,
    measured_of,
    objective_text,
    period_name,
    quantity,
    span_text,
    stage_name,
)
from seatrial.units import format_duration, format_number, format_share

__all__ = ["PartTable", "part_tables"]


@dataclass(frozen=True, slots=True)
class PartTable:
    """One table.

    Attributes:
        title: What it shows.
        caption: How to read it; may be empty.
        head: For each column its name and whether it holds figures.
        rows: For each row its cells; the first names it.
        gauges: For each row the figure drawn against its limit; empty where nothing is drawn.
    """

    title: str
    caption: str
    head: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    gauges: tuple[Gauge | None, ...] = ()


def part_tables(verdict: TrialVerdict, say: Say) -> tuple[PartTable, ...]:
    """Return the tables of a trial's parts; none of parts that it has not.

    Args:
        verdict: As it can be relied on.
        say: Texts in one language.
    """
    tables: list[PartTable] = []
    if verdict.kind == "load" and len(verdict.stages) > 1:
        tables.append(_runs(verdict, say))
    tables += [_periods(stage.periods, say) for stage in verdict.stages if stage.periods]
    if verdict.recovery:
        tables.append(_recoveries(verdict.recovery, say))
    if verdict.drift:
        tables.append(_drifts(verdict.drift, say))
    if verdict.sizes:
        tables.append(_sizes(verdict.sizes, say))
    if verdict.knee or verdict.collapse or verdict.usl:
        tables.append(_beyond(verdict, say))
    return tuple(tables)


def _head(say: Say, *names: str) -> tuple[tuple[str, bool], ...]:
    """Return columns by the end of their key in the catalogue; one that begins with ``#`` holds figures."""
    return tuple(
        (name[1:] if name[1:] in ("p50", "p95", "p99") else say(f"table.{name.lstrip('#')}"), name.startswith("#"))
        for name in names
    )


def _runs(verdict: TrialVerdict, say: Say) -> PartTable:
    shown: list[tuple[str, ObjectiveResult]] = [
        (stage_name(stage.name, say), result) for stage in verdict.stages for result in stage.objectives
    ]
    rows = tuple(
        (
            name,
            objective_text(result.objective, say),
            measured_of(result, say),
            bounds(result.value, result.unit, say),
            say(f"verdict.{result.verdict}"),
        )
        for name, result in shown
    )
    head = _head(say, "run", "objective", "measured", "bounds", "verdict")
    gauges = tuple(gauge(result, say) for _, result in shown)
    return PartTable(say("section.runs"), say("table.runs_caption"), head, rows, gauges)


def _periods(periods: tuple[PeriodResult, ...], say: Say) -> PartTable:
    def time(ns: float | None) -> str:
        return say("kept.none") if ns is None else format_duration(ns)

    rows = tuple(
        (
            period_name(p.name, say),
            format_duration(p.to_ns - p.from_ns),
            f"{format_number(p.offered_per_s)}/s",
            f"{format_number(p.goodput_per_s)}/s",
            f"{p.refused:,}",
            format_share(1 - p.ok / p.intended) if p.intended else say("page.dash"),
            *(time(ns) if p.intended else say("page.dash") for ns in (p.p50_ns, p.p95_ns, p.p99_ns)),
        )
        for p in periods
    )
    names = ("period", "#length", "#offered", "#goodput", "#refused", "#errors", "#p50", "#p95", "#p99")
    return PartTable(say("section.periods"), say("table.periods_caption"), _head(say, *names), rows)


def _recoveries(found: tuple[Recovery, ...], say: Say) -> PartTable:
    def time(one: Recovery) -> str:
        if one.back_ns.upper is not None:
            return span_text(one.back_ns.lower or 0.0, one.back_ns.upper, say)
        return say("measure.at_least", value=format_duration(one.back_ns.lower or 0.0))

    rows = tuple(
        (
            period_name(one.name, say),
            say(f"state.{one.state}"),
            time(one),
            format_duration(one.watched_ns),
            _multiple(one.hysteresis, say),
        )
        for one in found
    )
    head = _head(say, "disturbance", "state", "#recovery_time", "#watched", "#hysteresis")
    return PartTable(say("section.recoveries"), say("table.recoveries_caption"), head, rows)


def _multiple(value: Bounded | None, say: Say) -> str:
    if value is None or value.estimate is None:
        return say("page.dash")
    shown = f"{value.estimate:.3g} ×"
    if value.lower is None or value.upper is None:
        return shown
    return f"{shown} ({say('measure.bounds', lower=f'{value.lower:.3g}', upper=f'{value.upper:.3g}')})"


def _drifts(lines: tuple[DriftLine, ...], say: Say) -> PartTable:
    rows = []
    for line in lines:
        value = line.rise if line.unit == "share" else line.change
        start = say("kept.none") if line.start is None else quantity(line.start, line.unit)
        rows.append(
            (
                objective_text(line.objective, say),
                start,
                measured(value, "share", say) if value.estimate is not None else say("kept.none"),
                bounds(value, "share", say),
                say(f"direction.{line.direction}"),
                "< 0.001" if line.p_value < 0.001 else f"{line.p_value:.3f}",
            )
        )
    head = _head(say, "objective", "#at_first", "#change", "bounds", "trend", "#p_value")
    return PartTable(say("section.drifts"), say("table.drifts_caption"), head, tuple(rows))


def _sizes(sizes: tuple[SizeResult, ...], say: Say) -> PartTable:
    def whole(size: SizeResult) -> str:
        each = size.capacity.estimate
        return say("page.dash") if each is None else quantity(each * size.units, size.unit)

    rows = tuple(
        (
            f"{size.units:,}",
            say("kept.none") if size.capacity.estimate is None else quantity(size.capacity.estimate, size.unit),
            bounds(size.capacity, size.unit, say),
            whole(size),
            say("kept.none") if size.efficiency.estimate is None else format_share(size.efficiency.estimate),
            bounds(size.efficiency, "share", say),
        )
        for size in sizes
    )
    head = _head(say, "units", "#capacity_each", "bounds", "#capacity_whole", "#efficiency", "bounds")
    return PartTable(say("section.sizes"), say("table.sizes_caption"), head, rows)


def _beyond(verdict: TrialVerdict, say: Say) -> PartTable:
    rows: list[tuple[str, ...]] = []
    if verdict.knee:
        rows.append(_knee(verdict.knee, say))
    if verdict.collapse:
        fall = verdict.collapse
        value = say("beyond.collapse_value", level=fall.level, best=fall.best)
        best, now = (bounds(side, "/s", say) for side in (fall.best_per_s, fall.goodput_per_s))
        rows.append((say("beyond.collapse"), value, say("beyond.collapse_bounds", best=best, now=now)))
    if verdict.usl:
        rows += _usl(verdict.usl, say)
    return PartTable(
        say("section.beyond"), say("table.beyond_caption"), _head(say, "name", "value", "bounds"), tuple(rows)
    )


def _knee(knee: Knee, say: Say) -> tuple[str, ...]:
    value = say(
        "beyond.knee_value" if knee.inside else "beyond.knee_edge",
        level=knee.level,
        goodput=f"{format_number(knee.goodput_per_s)}/s",
        mean=format_duration(knee.mean_ns),
    )
    return say("beyond.knee"), value, say("page.dash")


def _usl(law: ScalingLaw, say: Say) -> list[tuple[str, ...]]:
    def row(name: str, value: Bounded, unit: str) -> tuple[str, ...]:
        if unit == "/s":
            return say(name), measured(value, "/s", say), bounds(value, "/s", say)
        if value.estimate is None:
            return say(name), say("kept.none"), say("page.dash")
        low, high = (say("page.dash") if v is None else f"{v:.3g}" for v in (value.lower, value.upper))
        return say(name), f"{value.estimate:.3g}", say("measure.bounds", lower=low, upper=high)

    rows = [
        row("beyond.lambda", law.throughput_per_s, "/s"),
        row("beyond.sigma", law.contention, ""),
        row("beyond.kappa", law.crosstalk, ""),
    ]
    if law.peak is not None:
        rows.append(row("beyond.peak", law.peak, ""))
    if law.peak_per_s is not None:
        rows.append(row("beyond.peak_rate", law.peak_per_s, "/s"))
    return rows
