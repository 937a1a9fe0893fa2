"""The few figures that a reader with one minute needs, under the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.verdict import Bounded, Capacity, TrialVerdict, Verdict
from seatrial.reports.texts import Say
from seatrial.reports.view import ReportView
from seatrial.reports.wording import bounds, figure_name, level, period_name, quantity, span_text
from seatrial.units import format_duration, format_number, format_share

__all__ = ["Fact", "facts"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure: what it is, the figure, and what it means."""

    name: str
    value: str
    note: str


def facts(view: ReportView, say: Say) -> tuple[Fact, ...]:
    """Return the forecast, the load trial's response time and errors, the capacity, and what other kinds show.

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
    for trial in valid:
        found += _of_kind(trial, say)
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
    if capacity.method == "fit" and capacity.estimate is not None:
        value = quantity(capacity.estimate, capacity.unit)
        if capacity.unit == "P" and view.plan:
            value += f" = {say('fact.capacity_rate', rate=format_number(capacity.estimate * view.plan.demand.peak))}"
        interval = Bounded(estimate=capacity.estimate, lower=capacity.lower, upper=capacity.upper)
        return Fact(name, value, say("fact.capacity_interval", range=bounds(interval, capacity.unit, say)))
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


_WORST = ("recovered", "undecided", "slow", "metastable")


def _of_kind(trial: TrialVerdict, say: Say) -> list[Fact]:
    """Return the worst recovery, the first drift, and the efficiency of the largest size, as far as there are such."""
    found = []
    if trial.recovery:
        worst = max(trial.recovery, key=lambda one: (_WORST.index(one.state), one.back_ns.upper or 0.0))
        came = worst.back_ns.upper is not None
        time = span_text(worst.back_ns.lower or 0.0, worst.back_ns.upper or 0.0, say)
        value = time if came else say(f"state.{worst.state}")
        name = say("fact.recovery", name=period_name(worst.name, say))
        found.append(Fact(name, value, say("fact.recovery_note")))
    if trial.drift:
        line = trial.drift[0]
        change = line.rise if line.unit == "share" else line.change
        if change.estimate is not None:
            trend = say(f"direction.{line.direction}")
            note = say("fact.drift_note", range=bounds(change, "share", say), trend=trend)
            name = say("fact.drift", name=figure_name(line.objective, say))
            found.append(Fact(name, quantity(change.estimate, "share"), note))
    if trial.sizes and len(trial.sizes) > 1 and trial.sizes[-1].efficiency.estimate is not None:
        size = trial.sizes[-1]
        note = say("fact.efficiency_note", base=str(trial.sizes[0].units), range=bounds(size.efficiency, "share", say))
        name = say("fact.efficiency", units=str(size.units))
        found.append(Fact(name, format_share(size.efficiency.estimate or 0.0), note))
    return found
