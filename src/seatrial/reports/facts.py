"""The few figures that a reader with one minute needs, under the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.verdict import Capacity, TrialVerdict, Verdict
from seatrial.reports.texts import Say
from seatrial.reports.view import ReportView
from seatrial.reports.wording import level
from seatrial.units import format_duration, format_number, format_share

__all__ = ["Fact", "facts"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure: what it is, the figure, and what it means."""

    name: str
    value: str
    note: str


def facts(view: ReportView, say: Say) -> tuple[Fact, ...]:
    """Return the forecast, the load trial's response time and errors, and the stress trial's capacity.

    A figure whose trial did not take place, has no judged stage or can't be relied on is left out: a good figure
    from an INVALID trial would be read as good news. The page says elsewhere what became of that trial.
    """
    found = []
    if view.plan:
        demand = view.plan.demand
        source = demand.source or demand.forecast
        note = say("fact.peak_source", source=source) if source else say("fact.peak_no_source")
        found.append(Fact(say("fact.peak"), say("fact.peak_value", rate=format_number(demand.peak)), note))
    valid = [trial for trial in view.verdict.trials if trial.verdict is not Verdict.INVALID]
    load = next((trial for trial in valid if trial.kind == "load" and trial.stages), None)
    if load:
        found += _load(load, say)
    stress = next((trial for trial in valid if trial.capacity is not None), None)
    if stress and stress.capacity:
        found.append(_capacity(stress.capacity, stress, view, say))
    return tuple(found)


def _load(trial: TrialVerdict, say: Say) -> list[Fact]:
    stage = trial.stages[-1]
    name = say("fact.p95", level=stage.name)
    if stage.p95_ns is None:
        time = Fact(name, say("fact.p95_hidden"), say("fact.p95_hidden_note"))
    else:
        time = Fact(name, format_duration(stage.p95_ns), say("fact.p95_note"))
    if not stage.intended:
        return [time]
    failed = stage.intended - stage.ok
    note = say("fact.errors_note", failed=f"{failed:,}", intended=f"{stage.intended:,}")
    return [time, Fact(say("fact.errors", level=stage.name), format_share(failed / stage.intended), note)]


def _capacity(capacity: Capacity, trial: TrialVerdict, view: ReportView, say: Say) -> Fact:
    name = say("fact.capacity")
    if capacity.lower is None:
        if capacity.upper is None:
            return Fact(name, say("fact.capacity_none"), say("fact.capacity_none_note"))
        value = say("fact.capacity_below", level=level(capacity.upper, capacity.unit))
        return Fact(name, value, say("fact.capacity_none_note"))
    value = level(capacity.lower, capacity.unit)
    if capacity.unit == "P" and view.plan:
        value += f" = {say('fact.capacity_rate', rate=format_number(capacity.lower * view.plan.demand.peak))}"
    if capacity.upper is None:
        return Fact(name, say("fact.capacity_more", value=value), say("fact.capacity_open"))
    return Fact(name, value, say("fact.capacity_broke", level=level(capacity.upper, capacity.unit)))
