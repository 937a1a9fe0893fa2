"""The figures of one trial: a title, what the drawing shows in a sentence, and the drawing."""

from __future__ import annotations

from seatrial.model.objective import Load, Metric
from seatrial.model.sample import Outcome
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import StageResult, TrialVerdict
from seatrial.reports.chart import draw
from seatrial.reports.charts_steps import level_response_chart, step_chart
from seatrial.reports.charts_telemetry import telemetry_figure
from seatrial.reports.charts_time import cpu_chart, error_chart, lag_chart, load_chart, response_chart
from seatrial.reports.figure import Figure
from seatrial.reports.figures_kinds import kind_figures, search_figure
from seatrial.reports.texts import Say
from seatrial.reports.view import TrialView
from seatrial.reports.wording import is_search, relied_on, stage_name, time_limits, time_or_unknown
from seatrial.units import format_duration, format_number, format_share

__all__ = ["Figure", "health_figures", "trial_figures"]

MAX_LEVELS = 24


def trial_figures(view: TrialView, say: Say) -> tuple[Figure, ...]:
    """Return the figures of a trial, the most telling first."""
    figures: list[Figure] = []
    if view.kind == "stress" and view.verdict and view.verdict.stages:
        verdict = relied_on(view.verdict)
        steps = search_figure if is_search(view.verdict) else _steps
        figures.append(steps(view, verdict, say))
    figures += kind_figures(view, say)
    if view.timeline is None or not view.timeline.height:
        return tuple(figures)
    stages = view.verdict.stages if view.verdict else ()
    limits = time_limits(view.trial.objectives, say) if view.trial else []
    figures += [
        _figure(view, "load", _load_finding(view, stages, say), _load_note(view, say), load_chart(view, say), say),
        _figure(
            view,
            "response",
            _response_finding(stages, say),
            say("figure.response_note"),
            response_chart(view, limits, say),
            say,
        ),
        _errors(view, say),
    ]
    if own := telemetry_figure(view, say):
        figures.append(own)
    return tuple(figures)


def health_figures(view: TrialView, say: Say) -> tuple[Figure, ...]:
    """Return the figures of the generator's health; those without data are left out."""
    checks = {check.code: check for check in view.checks}
    figures = []
    cpu, lag = checks.get("cpu"), checks.get("lag")
    if cpu and cpu.seen is not None:
        finding = say("figure.cpu_some", seen=format_share(cpu.seen))
        figures.append(_figure(view, "cpu", finding, "", cpu_chart(view, cpu.limit, say), say))
    if lag and lag.seen is not None and view.timeline is not None:
        finding = say("figure.lag_some", seen=format_duration(lag.seen))
        figures.append(_figure(view, "lag", finding, "", lag_chart(view, lag.limit, say), say))
    return tuple(figures)


def _figure(
    view: TrialView, kind: str, finding: str, note: str, documents: dict[str, dict[str, object]], say: Say
) -> Figure:
    identity = f"t{view.index + 1}-{kind}"
    return Figure(identity, say(f"figure.{kind}"), finding, note, draw(documents, identity, finding))


def _steps(view: TrialView, verdict: TrialVerdict, say: Say) -> Figure:
    held = [stage for stage in verdict.stages if stage.held]
    broke = next((stage for stage in verdict.stages if stage.held is False), None)
    below = [stage for stage in held if broke is None or stage.index < broke.index]
    between = bool(broke and below) and any(stage.held is None for stage in verdict.stages)
    if broke and below and between:
        finding = say("figure.steps_between", held=below[-1].name, broke=broke.name)
    elif broke and below:
        finding = say("figure.steps_broke", held=below[-1].name, broke=broke.name)
    elif broke:
        finding = say("figure.steps_never", broke=broke.name)
    elif held and len(held) == len(verdict.stages):
        finding = say("figure.steps_held", top=held[-1].name)
    else:
        finding = say("figure.steps_open")
    objectives = view.trial.objectives if view.trial else ()
    loads = [o.load for o in objectives if o.metric is Metric.CAPACITY and o.load]
    limits = time_limits(objectives, say, quantile=0.95)
    names = _level_names(view, verdict)
    identity = f"t{view.index + 1}-steps"
    svg = draw(step_chart(verdict, names, _required(loads, names, say), say), identity, finding)
    svg += draw(level_response_chart(verdict, names, limits, say), f"{identity}-p95", finding)
    return Figure(identity, say("figure.steps"), finding, say("figure.steps_note"), svg)


def _level_names(view: TrialView, verdict: TrialVerdict) -> list[str]:
    """Return the levels to show: all of the plan, as far as they are few enough to be seen, and all that were run."""
    run = [stage.name for stage in verdict.stages]
    planned = [str(level) for level in view.trial.levels] if isinstance(view.trial, StressTrial) else []
    return planned[: max(len(run), MAX_LEVELS)] if planned[: len(run)] == run else run


def _required(loads: list[Load], names: list[str], say: Say) -> tuple[str, str] | None:
    return next(((say("limit.capacity", level=str(load)), str(load)) for load in loads if str(load) in names), None)


def _load_finding(view: TrialView, stages: tuple[StageResult, ...], say: Say) -> str:
    if not stages:
        return say("figure.load_raw", count=f"{view.records:,}")
    if len(stages) == 1:
        (stage,) = stages
        rates = (stage.offered_per_s, stage.achieved_per_s, stage.goodput_per_s)
        offered, achieved, goodput = (format_number(rate) for rate in rates)
        return say(
            "figure.load_one", level=stage_name(stage.name, say), offered=offered, achieved=achieved, goodput=goodput
        )
    best = max(stage.goodput_per_s for stage in stages)
    return say(
        "figure.load_many",
        first=format_number(stages[0].offered_per_s),
        last=format_number(stages[-1].offered_per_s),
        best=format_number(best),
    )


def _load_note(view: TrialView, say: Say) -> str:
    """Return what the shading of several stages means: their names stand where the word for it would."""
    return say("figure.load_note") if len(view.spans) > 1 and any(span.warmup_ns for span in view.spans) else ""


def _response_finding(stages: tuple[StageResult, ...], say: Say) -> str:
    if not stages:
        return say("figure.response_raw")
    if len(stages) == 1:
        (stage,) = stages
        if stage.p50_ns is None:
            return say("figure.response_none")
        p50 = format_duration(stage.p50_ns)
        if stage.p95_ns is None or stage.p99_ns is None:
            p95 = "" if stage.p95_ns is None else say("figure.response_p95", p95=format_duration(stage.p95_ns))
            return say("figure.response_some", p50=p50, p95=p95)
        p95, p99 = format_duration(stage.p95_ns), format_duration(stage.p99_ns)
        return say("figure.response_one", p50=p50, p95=p95, p99=p99)
    first, last = stages[0], stages[-1]
    if last.p95_ns is None:
        return say("figure.response_lost", first=time_or_unknown(first.p95_ns, say), level=stage_name(last.name, say))
    return say(
        "figure.response_many",
        first=time_or_unknown(first.p95_ns, say),
        first_level=stage_name(first.name, say),
        last=time_or_unknown(last.p95_ns, say),
        last_level=stage_name(last.name, say),
    )


def _errors(view: TrialView, say: Say) -> Figure:
    failed = {kind: count for kind, count in view.outcomes.items() if kind != Outcome.OK.label}
    total = f"{view.records:,}"
    if not failed:
        finding = say("figure.errors_none", all=total)
        return Figure(f"t{view.index + 1}-errors", say("figure.errors"), finding, "", "")
    count = sum(failed.values())
    most = max(failed, key=lambda kind: (failed[kind], kind))
    finding = say(
        "figure.errors_some",
        failed=f"{count:,}",
        all=total,
        share=format_share(count / view.records),
        kind=say(f"outcome.{most}"),
    )
    return _figure(view, "errors", finding, say("figure.errors_note"), error_chart(view, say), say)
