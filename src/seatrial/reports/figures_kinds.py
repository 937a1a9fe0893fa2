"""The figures of single kinds of trial: how a service came back, what drifts, what units bring, what is carried."""

from __future__ import annotations

from dataclasses import replace

from seatrial.model.objective import Metric, Objective
from seatrial.model.verdict import Capacity, ObjectiveResult, TrialVerdict
from seatrial.model.verdict_parts import DriftLine, Recovery
from seatrial.reports.chart import draw
from seatrial.reports.charts_drift import drift_chart, limit_of
from seatrial.reports.charts_recovery import goodput_recovery_chart, response_recovery_chart
from seatrial.reports.charts_search import search_chart, search_response_chart
from seatrial.reports.charts_sizes import capacity_by_size_chart, efficiency_chart
from seatrial.reports.figure import Figure
from seatrial.reports.texts import Say
from seatrial.reports.view import TrialView
from seatrial.reports.wording import (
    bounds,
    figure_name,
    parsed,
    period_name,
    quantity,
    relied_on,
    span_text,
    time_limits,
)
from seatrial.units import format_duration, format_share

__all__ = ["kind_figures", "search_figure"]

MAX_DRIFTS, MAX_TOLD = 8, 3


def kind_figures(view: TrialView, say: Say) -> tuple[Figure, ...]:
    """Return the figures that only this kind of trial has; none where its verdict has nothing for them."""
    if view.verdict is None:
        return ()
    verdict = relied_on(view.verdict)
    figures: list[Figure] = []
    if any(stage.periods for stage in verdict.stages) and view.timeline is not None and view.timeline.height:
        figures.append(_recovery(view, verdict, say))
    if verdict.drift:
        figures += [_drift(view, verdict, place, say) for place in range(min(len(verdict.drift), MAX_DRIFTS))]
    if verdict.sizes:
        figures.append(_sizes(view, verdict, say))
    return tuple(figures)


def search_figure(view: TrialView, verdict: TrialVerdict, say: Say) -> Figure:
    """Return the levels of a search in the order of load, with the capacity and its interval.

    Args:
        view: The trial.
        verdict: Its verdict as it can be relied on; it is a search.
        say: The page's texts.
    """
    objectives = view.trial.objectives if view.trial else ()
    loads = [o.load for o in objectives if o.metric is Metric.CAPACITY and o.load]
    required = [(say("limit.capacity", level=str(load)), load.value) for load in loads]
    found = verdict.capacity
    capacity = None
    if found is not None and found.estimate is not None:
        capacity = (say("chart.capacity", value=quantity(found.estimate, found.unit)), found.estimate)
    limits = time_limits(objectives, say, quantile=0.95)
    finding = _capacity_finding(found, say)
    identity = f"t{view.index + 1}-steps"
    svg = draw(search_chart(verdict, required, capacity, say), identity, finding)
    svg += draw(search_response_chart(verdict, limits, required, say), f"{identity}-p95", finding)
    return Figure(identity, say("figure.steps"), finding, say("figure.search_note"), svg)


def _capacity_finding(found: Capacity | None, say: Say) -> str:
    if found is None or (found.lower is None and found.upper is None):
        return say("figure.steps_open")
    if found.estimate is None or found.lower is None or found.upper is None:
        shown = _between(found, say)
        return say("figure.search_bracket", range=shown)
    value = quantity(found.estimate, found.unit)
    return say("figure.search_fit", value=value, range=_between(found, say))


def _between(found: Capacity, say: Say) -> str:
    lower = None if found.lower is None else quantity(found.lower, found.unit)
    upper = None if found.upper is None else quantity(found.upper, found.unit)
    if lower is None:
        return say("measure.below", upper=upper or "")
    return say("measure.open", lower=lower) if upper is None else say("measure.bounds", lower=lower, upper=upper)


def _recovery(view: TrialView, verdict: TrialVerdict, say: Say) -> Figure:
    shown = replace(view, verdict=verdict)  # of an INVALID trial no instant of recovery is drawn
    finding = _recovery_finding(verdict.recovery or (), say)
    identity = f"t{view.index + 1}-recovery"
    limits = time_limits(view.trial.objectives, say, quantile=0.95) if view.trial else []
    svg = draw(goodput_recovery_chart(shown, say), identity, finding)
    svg += draw(response_recovery_chart(shown, limits, say), f"{identity}-p95", finding)
    return Figure(identity, say("figure.recovery"), finding, say("figure.recovery_note"), svg)


def _recovery_finding(found: tuple[Recovery, ...], say: Say) -> str:
    """Return a sentence for each recovery; of many how many came back, and those that did not or the slowest."""
    if len(found) <= MAX_TOLD:
        return " ".join(_comeback(one, say) for one in found) or say("figure.recovery_unknown")
    back = [one for one in found if one.state == "recovered" and one.back_ns.upper is not None]
    down = [one for one in found if one not in back]
    worst = down[:1] or [max(back, key=lambda one: one.back_ns.upper or 0.0)]
    many = say("figure.recovery_many", back=str(len(back)), all=str(len(found)))
    return f"{many} {_comeback(worst[0], say)}"


def _comeback(one: Recovery, say: Say) -> str:
    name = period_name(one.name, say)
    if one.state == "recovered" and one.back_ns.upper is not None:
        if not one.back_ns.upper:
            return say("figure.recovery_at_once", name=name)
        time = span_text(one.back_ns.lower or 0.0, one.back_ns.upper, say)
        return say("figure.recovery_back", name=name, time=time)
    return say(f"figure.recovery_{one.state}", name=name, watched=format_duration(one.watched_ns))


def _drift(view: TrialView, verdict: TrialVerdict, place: int, say: Say) -> Figure:
    line = (verdict.drift or ())[place]
    result = next((r for r in verdict.objectives if r.objective == line.objective), None)
    identity = f"t{view.index + 1}-drift{place + 1}"
    objective = parsed(line.objective)
    limit = None
    if result is not None and (end := limit_of(line, result.limit)) is not None:
        limit = (say("limit.drift", limit=_rise(result, objective)), end)
    finding = _drift_finding(line, say)
    title = say("figure.drift", name=figure_name(line.objective, say))
    return Figure(
        identity, title, finding, say("figure.drift_note"), draw(drift_chart(view, line, limit, say), identity, finding)
    )


def _rise(result: ObjectiveResult, objective: Objective | None) -> str:
    sign = "≥" if objective is not None and objective.relation == ">=" else "≤"
    return f"{sign} {format_share(result.limit)}"


def _drift_finding(line: DriftLine, say: Say) -> str:
    value, unit = (line.rise, line.unit) if line.unit == "share" else (line.change, "share")
    trend = say(f"direction.{line.direction}")
    if value.estimate is None:
        return say("figure.drift_hidden", trend=trend)
    change = quantity(value.estimate, unit)
    return say("figure.drift_found", change=change, range=bounds(value, unit, say), trend=trend)


def _sizes(view: TrialView, verdict: TrialVerdict, say: Say) -> Figure:
    sizes = verdict.sizes or ()
    first, last = sizes[0], sizes[-1]
    if len(sizes) > 1 and last.efficiency.estimate is not None:
        finding = say(
            "figure.sizes_found",
            units=str(last.units),
            base=str(first.units),
            efficiency=format_share(last.efficiency.estimate),
            range=bounds(last.efficiency, "share", say),
        )
    else:
        finding = say("figure.sizes_open", units=str(last.units))
    objectives = view.trial.objectives if view.trial else ()
    limits = [
        (say("limit.efficiency", limit=format_share(o.limit)), o.limit)
        for o in objectives
        if o.metric is Metric.EFFICIENCY
    ]
    identity = f"t{view.index + 1}-sizes"
    svg = draw(capacity_by_size_chart(sizes, say), identity, finding)
    svg += draw(efficiency_chart(sizes, limits, say), f"{identity}-efficiency", finding)
    return Figure(identity, say("figure.sizes"), finding, say("figure.sizes_note"), svg)
