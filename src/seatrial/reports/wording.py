"""Figures as people read them: measured values with their bounds, limits, outcomes and endings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.errors import SeatrialError
from seatrial.model.journal import TrialLog
from seatrial.model.objective import Metric, Objective, parse_objective
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Bounded, ObjectiveResult, Retries, StageResult, TrialVerdict, Verdict
from seatrial.reports.checks import Check
from seatrial.reports.texts import Say
from seatrial.units import format_amount, format_duration, format_number, format_share

__all__ = [
    "Gauge",
    "bounds",
    "check_limit",
    "check_seen",
    "figure_name",
    "gauge",
    "is_search",
    "level",
    "level_of",
    "measured",
    "measured_of",
    "objective_text",
    "parsed",
    "period_name",
    "phase_lines",
    "quantity",
    "relied_on",
    "retries_line",
    "span_text",
    "stage_name",
    "stages_in_order",
    "time_limits",
    "time_or_unknown",
]

_LIMIT_AT = 60.0
"""Where the limit stands in a gauge, in percent of its width: the same in every row, so that rows compare."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure drawn against its limit. Positions are percent of the width, from the left.

    Attributes:
        low: Where the bar of the bounds begins.
        high: Where it ends.
        dot: Where the estimate stands; None when it is hidden.
        limit: Where the limit stands.
        breaks_right: Whether the right side of the limit is the one that breaks it.
        text: What the drawing shows, in words.
    """

    low: float
    high: float
    dot: float | None
    limit: float
    breaks_right: bool
    text: str


def relied_on(trial: TrialVerdict) -> TrialVerdict:
    """Return a trial's verdict with nothing in it that could be taken as good news from an INVALID trial.

    There no limit was kept, no level held or broke, no capacity was found, nothing came back, drifted or grew, and
    nobody was patient, whatever the figures look like.
    """
    if trial.verdict is not Verdict.INVALID:
        return trial
    objectives = tuple(result.model_copy(update={"verdict": Verdict.INVALID}) for result in trial.objectives)
    stages = tuple(stage.model_copy(update={"held": None}) for stage in trial.stages)
    return trial.model_copy(update={"objectives": objectives, "stages": stages, **dict.fromkeys(_NOT_RELIED_ON)})


_NOT_RELIED_ON = ("capacity", "retries", "knee", "collapse", "usl", "recovery", "drift", "sizes")


def quantity(value: float, unit: str) -> str:
    """Return a figure of an objective with its unit: ``1.52 s``, ``0.12 %``, ``2.25 P``, ``60/s``, ``1.5 GB``."""
    if unit == "ns":
        return format_duration(value)
    if unit == "share":
        return format_share(value)
    if unit in ("B", "number"):
        return format_amount(value, "B" if unit == "B" else "number")
    return f"{round(value, 3):g} P" if unit == "P" else f"{format_number(value)}/s"


def level(value: float, unit: str) -> str:
    """Return a load level as the stages are named."""
    return f"{value:g} P" if unit == "P" else f"{value:g}/s"


def measured(value: Bounded, unit: str, say: Say) -> str:
    """Return the estimate; where it is hidden, what is known instead."""
    if value.estimate is not None:
        return quantity(value.estimate, unit)
    if value.lower is not None:
        return say("measure.at_least", value=quantity(value.lower, unit))
    if value.upper is not None:
        return say("fact.capacity_below", level=quantity(value.upper, unit))
    return say("measure.hidden") if unit == "ns" else say("measure.none")


def measured_of(result: ObjectiveResult, say: Say) -> str:
    """Return what a limit was measured by: of a stage that ended early, the best that could still have come."""
    shown = measured(result.value, result.unit, say)
    return say("measure.at_best", value=shown) if result.best_case else shown


def bounds(value: Bounded, unit: str, say: Say) -> str:
    """Return the bounds; a dash when there are none."""
    if value.lower is None and value.upper is None:
        return say("page.dash")
    if value.upper is None:
        return say("measure.open", lower=quantity(value.lower or 0.0, unit))
    if value.lower is None:
        return say("measure.below", upper=quantity(value.upper, unit))
    return say("measure.bounds", lower=quantity(value.lower, unit), upper=quantity(value.upper, unit))


def gauge(result: ObjectiveResult, say: Say) -> Gauge | None:
    """Return a result drawn against its limit; None when nothing was measured.

    Limits from above are drawn as figure / limit. Limits from below on a share, such as ``goodput >= 99%``, are
    drawn by their shortfall, (1 - figure) / (1 - limit): 98 % is twice the permitted loss, and looks like it.
    """
    objective = parsed(result.objective)
    value = result.value
    if objective is None or (value.estimate is None and value.lower is None and value.upper is None):
        return None
    shortfall = objective.relation == ">=" and result.unit == "share"
    breaks_right = objective.relation == "<=" or shortfall

    def place(figure: float) -> float:
        a, b = (1 - figure, 1 - result.limit) if shortfall else (figure, result.limit)
        ratio = a / b if b > 1e-12 else (0.0 if a <= 1e-12 else 2.0)
        return round(min(max(ratio * _LIMIT_AT, 0.0), 100.0), 1)

    ends = sorted(
        [
            place(value.lower) if value.lower is not None else (100.0 if shortfall else 0.0),
            place(value.upper) if value.upper is not None else (0.0 if shortfall else 100.0),
        ]
    )
    text = {Verdict.PASS: "gauge.keeps", Verdict.FAIL: "gauge.breaks"}.get(result.verdict, "gauge.crosses")
    dot = None if value.estimate is None else place(value.estimate)
    low = min(ends[0], 94.0) if dot is None else ends[0]  # bounds beyond the edge still show, at the edge
    return Gauge(low, ends[1], dot, _LIMIT_AT, breaks_right, say(text))


def objective_text(objective: str, say: Say) -> str:
    """Return an objective in the page's language; one of another grammar stays as it was written."""
    limit = parsed(objective)
    if limit is None:
        return objective
    sign = "≤" if limit.relation == "<=" else "≥"
    text = f"{_name(limit, say)} {sign} {quantity(limit.limit, limit.unit)}"
    if limit.window_ns is not None:
        text = say("metric.window", text=text, length=format_duration(limit.window_ns))
    if limit.step is not None:
        return say("metric.for_step", text=text, name=limit.step)
    return text if limit.journey is None else say("metric.for_journey", text=text, name=limit.journey)


def figure_name(objective: str, say: Say) -> str:
    """Return the figure that a limit is on, in the page's language; of another grammar the limit as it was written."""
    limit = parsed(objective)
    return objective if limit is None else _name(limit, say)


def _name(objective: Objective, say: Say) -> str:
    key = f"metric.{objective.metric.value.replace(' ', '_')}"
    name = say(key) if objective.series is None else say(key, series=objective.series)
    if objective.quantile is not None:
        name = say("metric.quantile", name=name, quantile=f"p{objective.quantile * 100:g}")
    elif objective.statistic is not None:
        name = say(f"metric.{objective.statistic}", name=name)
    if objective.drift:
        name = say("metric.drift", name=name)
    return say("metric.admitted", name=name) if objective.admitted else name


def parsed(objective: str) -> Objective | None:
    """Return a limit as it is understood; None for one of another grammar."""
    try:
        return parse_objective(objective)
    except (ValueError, SeatrialError):
        return None


def time_limits(results: tuple[Objective, ...], say: Say, *, quantile: float | None = None) -> list[tuple[str, float]]:
    """Return (label, nanoseconds) of the limits that a chart of all response times can carry.

    Limits on one step or journey, on admitted steps, on windows, on service time or on a mean are left out: they
    limit other figures than the chart shows. ``quantile`` keeps only limits on that percentile.
    """
    return [
        (say("limit.time", name=f"p{o.quantile * 100:g}", limit=format_duration(o.limit)), o.limit)
        for o in results
        if o.metric is Metric.RESPONSE_TIME
        and o.quantile is not None
        and o.is_time
        and not o.admitted
        and o.window_ns is None
        and o.step is None
        and o.journey is None
        and (quantile is None or abs(o.quantile - quantile) < 1e-9)
    ]


_LEVEL = re.compile(r"([\d.]+(?:e[+-]?\d+)?) ?(?:P|/s)(?: \(\d+\))?")
_RUN = re.compile(r"(.+), run (\d+)")


def level_of(name: str) -> float | None:
    """Return the load in the name of a level, such as ``1.25 P`` or, offered again, ``1.25 P (2)``; None for others."""
    found = _LEVEL.fullmatch(name)
    return None if found is None else float(found[1])


def is_search(verdict: TrialVerdict) -> bool:
    """Return whether a stress trial's levels were chosen by a search, each named by its load."""
    loads = [level_of(stage.name) for stage in verdict.stages]
    known = [load for load in loads if load is not None]
    if verdict.kind != "stress" or not known or len(known) < len(loads):
        return False
    return known != sorted(set(known)) or bool(verdict.capacity and verdict.capacity.method)


def stages_in_order(verdict: TrialVerdict) -> tuple[StageResult, ...]:
    """Return the stages as they are listed: those of a search by load, others as they were offered."""
    if not is_search(verdict):
        return verdict.stages
    return tuple(sorted(verdict.stages, key=lambda stage: (level_of(stage.name) or 0.0, stage.index)))


def stage_name(name: str, say: Say) -> str:
    """Return the name of a stage in the page's language: of a run its number."""
    run = _RUN.fullmatch(name)
    return name if run is None else say("table.run_number", level=run[1], number=run[2])


_PERIOD = re.compile(r"(calm|burst|after burst|before|overload|fault|after)( \d+)?")


def period_name(name: str, say: Say) -> str:
    """Return the name of a period, or of the disturbance that it is, in the page's language."""
    known = _PERIOD.fullmatch(name)
    return name if known is None else say(f"period.{known[1].replace(' ', '_')}") + (known[2] or "")


def time_or_unknown(ns: float | None, say: Say) -> str:
    """Return a response time; where unanswered steps hide it, words that say so."""
    return say("figure.response_unknown") if ns is None else format_duration(ns)


def span_text(low_ns: float, high_ns: float, say: Say) -> str:
    """Return a time by its bounds: one figure where both read the same, ``at once`` where both are nothing."""
    if not high_ns:
        return say("measure.at_once")
    low, high = (format_duration(ns) if ns else "0 s" for ns in (low_ns, high_ns))
    return low if low == high else say("measure.bounds", lower=low, upper=high)


def retries_line(retries: Retries | None, say: Say) -> str:
    """Return what retries made of a trial, in a sentence or two; empty where its plan retries nothing."""
    if retries is None:
        return ""
    if not retries.count:
        return say("retries.none")
    return say(
        "retries.line",
        count=f"{retries.count:,}",
        share=format_share(retries.per_step),
        requests=format_number(retries.requests_per_s),
        times=format_number(retries.amplification),
    )


def check_seen(check: Check, say: Say) -> str:
    """Return what was seen in a check."""
    if check.seen is None:
        return say("kept.none")
    return f"{check.seen:,.0f}" if check.unit == "count" else quantity(check.seen, check.unit)


def check_limit(check: Check, say: Say) -> str:
    """Return what the policy asks for in a check."""
    if check.code == "ending":
        return say("policy.complete")
    if check.limit is None:
        return say("kept.none")
    if check.unit == "count":
        return say("policy.at_least", limit=f"{check.limit:,.0f}")
    word = "policy.below" if check.code in ("files", "ports") else "policy.at_most"
    return say(word, limit=quantity(check.limit, check.unit))


def phase_lines(log: TrialLog, say: Say) -> list[str]:
    """Return what became of a trial's set-up and tear-down, one line each; what they call their steps is hostile."""
    known = {outcome.label for outcome in Outcome}
    lines = []
    for phase in log.phases:
        names = {"phase": say(f"phase.{phase.name}"), "state": say(f"phase.{phase.state}")}
        told = [
            say("phase.step", step=step, outcome=say(f"outcome.{outcome}") if outcome in known else outcome)
            for step, outcome, _ in phase.steps
        ]
        lines.append(say("phase.steps", steps=", ".join(told), **names) if told else say("phase.line", **names))
    return lines
