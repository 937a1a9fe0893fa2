"""What a report shows: everything gathered from the bundle, in numbers, before any language or layout.

The verdict is given, not found: whoever renders the page has recomputed it. This module only collects what the
verdict rests on, and says what it could not find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from seatrial.model.forecast import Forecast
from seatrial.model.journal import Ending, Event, StageLog, TrialLog, trial_log
from seatrial.model.plan import Plan, trial_slug
from seatrial.model.policy import Policy
from seatrial.model.release import Release
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.telemetry import NamedSeries
from seatrial.model.trial import StressTrial, Trial
from seatrial.model.verdict import RunVerdict, TrialVerdict
from seatrial.reports.checks import Check, health_checks
from seatrial.reports.reading import Diagnostic, Missing, Reader
from seatrial.stats.timeline import MAX_BINS, bin_width_ns, timeline

__all__ = ["ReportView", "Span", "TrialView", "report_view"]

_STEPS_PER_BIN = 40
"""With fewer steps in a bin, its p99 is only its slowest step."""


@dataclass(frozen=True, slots=True)
class Span:
    """One stage on the trial's time axis.

    Attributes:
        index: Stage index.
        name: For example ``1.25 P``.
        start_ns: From the trial's start.
        end_ns: When its last arrival was due, from the trial's start; None when it was cut short.
        warmup_ns: How much of its beginning is not judged.
    """

    index: int
    name: str
    start_ns: int
    end_ns: int | None
    warmup_ns: int


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial of the plan.

    Attributes:
        index: In the plan.
        name: Distinct in the run.
        kind: As the plan has it, such as ``load``; empty when nothing tells.
        verdict: None when the run was never judged on it: it did not take place.
        trial: As the plan has it; None when the plan can't be read.
        log: What the journal says.
        spans: Its stages in time.
        bin_ns: Width of a bin of ``timeline``.
        timeline: Columns of :func:`seatrial.stats.timeline.timeline`, ``at_ns`` from the trial's start, one empty
            row between stages; None when there are no records.
        health: Columns of the health record, ``at_ns`` from the trial's start; None when unknown.
        outcomes: Outcome label to count over all records of steps, warm-up included, zeros left out. Attempts that
            were retried are no steps; how many there were stands in the verdict.
        records: How many records of steps there are, warm-up included.
        diagnostics: What went wrong in detail.
        checks: What was checked of the generator.
        telemetry: Each series of the service's own figures that was read, with ``at_ns`` from the trial's start,
            ascending, and ``value``, null where a reading is missing.
    """

    index: int
    name: str
    kind: str
    verdict: TrialVerdict | None
    trial: Trial | None
    log: TrialLog
    spans: tuple[Span, ...]
    bin_ns: int
    timeline: pl.DataFrame | None
    health: pl.DataFrame | None
    outcomes: dict[str, int]
    records: int
    diagnostics: tuple[Diagnostic, ...]
    checks: tuple[Check, ...]
    telemetry: tuple[tuple[NamedSeries, pl.DataFrame], ...] = ()


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything a report shows.

    Attributes:
        verdict: Recomputed from the raw records.
        plan: None when it can't be read.
        policy: None when it can't be read.
        forecast: What P follows from; None when the plan names none or it can't be read.
        release: What was tried; None when the evidence binds no release.
        environment: (dotted name, value) pairs, in the document's order.
        digests: (path in the bundle, SHA-256) pairs of the documents read.
        journal: What happened, in order.
        trials: In the plan's order.
        missing: What could not be shown.
    """

    verdict: RunVerdict
    plan: Plan | None
    policy: Policy | None
    forecast: Forecast | None
    release: Release | None
    environment: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    journal: tuple[Event, ...]
    trials: tuple[TrialView, ...]
    missing: tuple[Missing, ...]


def report_view(bundle_dir: Path, verdict: RunVerdict) -> ReportView:
    """Gather what a report on an opened bundle shows.

    Nothing is verified here, and nothing is judged. Parts that are missing or unreadable are listed in
    ``missing``; this function raises for none of them.
    """
    reader = Reader(bundle_dir)
    plan, policy, release = reader.plan(), reader.policy(), reader.release()
    environment, journal = reader.environment(), reader.journal()
    names = plan.trial_names() if plan else tuple(trial.name for trial in verdict.trials)
    by_name = {trial.name: trial for trial in verdict.trials}
    trials = tuple(
        _trial(reader, index, name, by_name.get(name), plan, policy, journal) for index, name in enumerate(names)
    )
    return ReportView(
        verdict=verdict,
        plan=plan,
        policy=policy,
        forecast=reader.forecast(plan),
        release=release,
        environment=tuple(_flat(environment)),
        digests=tuple(sorted(reader.digests.items())),
        journal=journal,
        trials=trials,
        missing=tuple(reader.missing),
    )


def _trial(
    reader: Reader,
    index: int,
    name: str,
    verdict: TrialVerdict | None,
    plan: Plan | None,
    policy: Policy | None,
    journal: tuple[Event, ...],
) -> TrialView:
    trial = plan.trials[index] if plan else None
    log = _log(reader, journal, index)
    kind = trial.kind if trial else verdict.kind if verdict else ""
    never_begun = bool(journal) and not log.workers
    view = TrialView(index, name, kind, verdict, trial, log, (), 0, None, None, {}, 0, (), ())
    if verdict is None:
        reader.missing.append(Missing("verdict", name))
    if never_begun:
        reader.missing.append(Missing("trial", name))
        return view
    slug = trial_slug(index, name)
    records, health = reader.records(slug), reader.health(slug)
    if records is not None:  # attempts that were retried stand beside the record of their step
        records = records.filter(pl.col("outcome") != int(Outcome.RETRIED))
    start_ns = _start_ns(log, records, health)
    if records is not None:
        counts = records.group_by("outcome").agg(pl.len().alias("count")).sort("outcome").collect()
        labels = {int(outcome): outcome.label for outcome in Outcome}
        outcomes = {labels[code]: int(count) for code, count in counts.iter_rows()}
        bin_ns, frame = _timeline(records, log.stages, start_ns, _stop_ns(journal, log))
        view = replace(view, outcomes=outcomes, records=sum(outcomes.values()), bin_ns=bin_ns, timeline=frame)
    if health is not None:
        health = health.with_columns(pl.col("at_ns") - start_ns)
    return replace(
        view,
        spans=_spans(log, trial, plan, verdict, start_ns),
        health=health,
        diagnostics=reader.diagnostics(slug),
        checks=health_checks(policy, trial, log, records, health),
        telemetry=_telemetry(plan, reader.telemetry(slug) if plan and plan.telemetry else None, start_ns),
    )


def _telemetry(
    plan: Plan | None, readings: pl.DataFrame | None, start_ns: int
) -> tuple[tuple[NamedSeries, pl.DataFrame], ...]:
    if plan is None or plan.telemetry is None or readings is None:
        return ()
    since = readings.with_columns(pl.col("at_ns") - start_ns)
    apart = ((series, since.filter(series=series.number).select("at_ns", "value")) for series in plan.telemetry.series)
    return tuple((series, rows) for series, rows in apart if rows.height)


def _log(reader: Reader, journal: tuple[Event, ...], index: int) -> TrialLog:
    try:
        return trial_log(journal, index)
    except (KeyError, TypeError, ValueError) as error:
        reader.missing.append(Missing("unreadable", "journal.jsonl", repr(error)))
        return trial_log((), index)


def _start_ns(log: TrialLog, records: pl.LazyFrame | None, health: pl.DataFrame | None) -> int:
    if log.stages:
        return log.stages[0].started_ns
    if records is not None:
        return int(records.select(pl.col("intended_ns").min()).collect().item())
    return 0 if health is None else int(health["at_ns"].min() or 0)  # type: ignore[arg-type]


def _stop_ns(journal: tuple[Event, ...], log: TrialLog) -> int | None:
    """Return when a trial that did not complete was last heard of: beyond that nothing more was offered."""
    if log.ending is Ending.COMPLETED:
        return None
    return max((event.at_ns for event in journal if event.trial == log.trial), default=None)


def _timeline(
    records: pl.LazyFrame, stages: tuple[StageLog, ...], start_ns: int, stop_ns: int | None
) -> tuple[int, pl.DataFrame]:
    """Return bins stage by stage, so that a bin never mixes two loads, with an empty row after each stage."""
    last, count = records.select(pl.col("intended_ns").max(), pl.len()).collect().row(0)
    most = max(40, min(MAX_BINS - len(stages), count // _STEPS_PER_BIN))
    bin_ns = bin_width_ns(max(last - start_ns, 1), most)
    stage = pl.col("session") // SESSION_STRIDE
    frames = [
        _without_tail_rates(
            timeline(records.filter(stage == log.index), bin_ns, log.started_ns, log.load_end_ns or stop_ns),
            log.load_end_ns,
        )
        for log in stages
    ] or [timeline(records, bin_ns, start_ns, stop_ns)]
    full = [frame for frame in frames if frame.height]
    parts: list[pl.DataFrame] = []
    for frame in full:
        if parts:
            gap = pl.DataFrame({"at_ns": [frame["at_ns"][0]]}, schema_overrides={"at_ns": pl.Int64})
            parts.append(gap)
        parts.append(frame)
    whole = pl.concat(parts, how="diagonal") if parts else frames[0]
    return bin_ns, whole.with_columns(pl.col("at_ns") - start_ns)


def _without_tail_rates(frame: pl.DataFrame, load_end_ns: int | None) -> pl.DataFrame:
    """Take the rates out of bins after the last arrival: sessions run out there, which is no drop in load."""
    if load_end_ns is None:
        return frame
    rates = ("offered_per_s", "achieved_per_s", "goodput_per_s")
    return frame.with_columns(pl.when(pl.col("at_ns") < load_end_ns).then(pl.col(rate)).alias(rate) for rate in rates)


def _spans(
    log: TrialLog, trial: Trial | None, plan: Plan | None, verdict: TrialVerdict | None, start_ns: int
) -> tuple[Span, ...]:
    """Return the stages in time, named by the verdict; those that it does not know, by the plan as far as that can."""
    names: dict[int, str] = {}
    searches = isinstance(trial, StressTrial) and trial.within is not None
    if trial and plan and not searches:  # which levels a search offers is in no plan
        names = {stage.index: stage.name for stage in trial.stages(log.trial, plan)}
    names |= {stage.index: stage.name for stage in verdict.stages} if verdict else {}
    return tuple(
        Span(
            index=stage.index,
            name=names.get(stage.index, str(stage.index + 1)),
            start_ns=stage.started_ns - start_ns,
            end_ns=None if stage.load_end_ns is None else stage.load_end_ns - start_ns,
            warmup_ns=trial.unjudged_ns if trial else 0,
        )
        for stage in log.stages
    )


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return a JSON document as (dotted name, value) pairs."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        return [pair for i, inner in enumerate(value, start=1) for pair in _flat(inner, f"{name}.{i}")]
    if isinstance(value, list):
        return [(name, ", ".join(str(inner) for inner in value))]
    return [(name, "–" if value is None else str(value))]
