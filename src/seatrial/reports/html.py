"""The report as one HTML file that needs nothing else: no network, no script, no font, no picture beside it.

Everything that comes from a plan, a service or a bundle is hostile text. The template escapes every value; the
only markup that is passed through is the drawings of :mod:`seatrial.reports.chart`, whose text the renderer
escaped. A content security policy in the page forbids the rest.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seatrial.model.journal import Ending, Event, EventKind
from seatrial.model.reasons import Language, sentence
from seatrial.model.release import Subject
from seatrial.model.verdict import Reason, StageResult
from seatrial.reports.attempts import attempt_line, attempt_rows
from seatrial.reports.facts import facts
from seatrial.reports.figure import Figure
from seatrial.reports.figures import health_figures, trial_figures
from seatrial.reports.forecast import shown_forecast
from seatrial.reports.reading import Diagnostic
from seatrial.reports.strain import strain_rows
from seatrial.reports.tables import part_tables
from seatrial.reports.texts import Say, say_in
from seatrial.reports.view import ReportView, TrialView
from seatrial.reports.wording import (
    bounds,
    check_limit,
    check_seen,
    gauge,
    measured_of,
    objective_text,
    phase_lines,
    relied_on,
    retries_line,
    stage_name,
    stages_in_order,
    time_or_unknown,
)
from seatrial.units import format_number, format_share

__all__ = ["render_html"]

MAX_DIAGNOSTICS, MAX_ENVIRONMENT, MAX_SUBJECTS, MAX_EVENTS = 30, 120, 12, 80
FIRST_REASONS = 3
KINDS = ("load", "stress", "spike", "soak", "recovery", "scalability")
_KEPT = {True: "true", False: "false", None: "none"}


def render_html(view: ReportView, language: Language = "en") -> str:
    """Return the page. The same view gives the same text: no clock, no random number, no order of a set."""
    say = say_in(language)
    trials = [_trial(trial, view, language, say) for trial in view.trials]
    run = view.verdict
    page: str = _template().render(
        say=say,
        language=language,
        title=view.plan.title if view.plan else say("page.kind"),
        system=_system(view, say),
        target=say("page.target", target=view.plan.target) if view.plan else "",
        verdict=run.verdict.value,
        run_reasons=_sentences(run.reasons, language),
        missing=[say(f"missing.{m.code}", part=m.part, detail=m.detail) for m in view.missing],
        facts=facts(view, say),
        forecast=shown_forecast(view, language, say),
        attempt=attempt_line(run.attempt, say),
        attempts=attempt_rows(run.attempt, say),
        rows=_objective_rows(view, say),
        confidence=f"{view.policy.validity.confidence * 100:g} %" if view.policy else "–",
        trials=trials,
        checks_of=[trial for trial in trials if trial["checks"]],
        documents=_documents(view, say),
        environment=view.environment[:MAX_ENVIRONMENT],
        environment_more=max(0, len(view.environment) - MAX_ENVIRONMENT),
        events=[_event(event, view, say) for event in view.journal[:MAX_EVENTS]],
        events_more=max(0, len(view.journal) - MAX_EVENTS),
        terms=("p", "step", "offered", "response", "capacity", "lag"),
    )
    return page


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("seatrial.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _system(view: ReportView, say: Say) -> str:
    if view.release is None:
        return say("page.no_release")
    return say("page.release", name=view.release.name, version=view.release.version)


def _sentences(reasons: tuple[Reason, ...], language: Language) -> list[str]:
    """Return the reasons' sentences, each once."""
    return list(dict.fromkeys(sentence(reason.code, reason.params, language) for reason in reasons))


def _rank(reason: Reason) -> int:
    """Return 0 for what a reader with one minute must see first, such as validity and capacity; 1 for the rest."""
    return 0 if reason.code.split(".")[0] in ("validity", "capacity", "breakpoint", "service", "load") else 1


def _objective_rows(view: ReportView, say: Say) -> list[dict[str, Any]]:
    return [
        {
            "trial": trial.name,
            "objective": objective_text(result.objective, say),
            "measured": measured_of(result, say),
            "bounds": bounds(result.value, result.unit, say),
            "gauge": gauge(result, say),
            "samples": f"{result.samples:,}",
            "verdict": result.verdict.value,
        }
        for trial in map(relied_on, view.verdict.trials)
        for result in trial.objectives
    ]


def _trial(trial: TrialView, view: ReportView, language: Language, say: Say) -> dict[str, Any]:
    kind = say(f"kind.{trial.kind if trial.kind in KINDS else 'other'}")
    run_says = set(_sentences(view.verdict.reasons, language))
    verdict = relied_on(trial.verdict) if trial.verdict else None
    reasons = _sentences(verdict.reasons, language) if verdict else []
    telling = _sentences(tuple(sorted(verdict.reasons, key=_rank)), language) if verdict else []
    return {
        "id": f"t{trial.index + 1}",
        "heading": kind if trial.name == trial.kind else say("section.trial", kind=kind, name=trial.name),
        "kind": trial.kind,
        "verdict": verdict.verdict.value if verdict else "NONE",
        "first_reasons": [reason for reason in telling if reason not in run_says][:FIRST_REASONS],
        "reasons": reasons if len(reasons) > FIRST_REASONS else [],
        "ending": _ending(trial, say),
        "details": trial.log.details,
        "phases": phase_lines(trial.log, say),
        "figures": [_safe(figure) for figure in trial_figures(trial, say)],
        "retries": retries_line(verdict.retries, say) if verdict else "",
        "retried": bool(verdict and verdict.retries and verdict.retries.count),
        "tables": part_tables(verdict, say) if verdict else (),
        "stages": [_stage(stage, say) for stage in stages_in_order(verdict)] if verdict else [],
        "diagnostics": [_diagnostic(d, say) for d in trial.diagnostics[:MAX_DIAGNOSTICS]],
        "diagnostics_more": max(0, len(trial.diagnostics) - MAX_DIAGNOSTICS),
        "has_errors": any(label != "ok" for label in trial.outcomes),
        "checks": [
            {
                "text": say(f"check.{check.code}"),
                "seen": _ending(trial, say) if check.code == "ending" else check_seen(check, say),
                "limit": check_limit(check, say),
                "kept": _KEPT[check.kept],
            }
            for check in trial.checks
        ],
        "strain": strain_rows(trial.health, say),
        "health_figures": [_safe(figure) for figure in health_figures(trial, say)],
    }


def _ending(trial: TrialView, say: Say) -> str:
    if trial.log.ending is Ending.COMPLETED and any(stage.cut for stage in trial.log.stages):
        return say("ending.cut")
    never = trial.log.ending is Ending.UNKNOWN and not trial.log.workers
    return say("ending.never" if never else f"ending.{trial.log.ending.value.replace(' ', '_')}")


def _safe(figure: Figure) -> dict[str, Any]:
    return {
        "id": figure.identity,
        "title": figure.title,
        "finding": figure.finding,
        "note": figure.note,
        "svg": Markup(figure.svg),  # noqa: S704 -- drawn by vl-convert, which escapes its text; see chart.py
    }


def _stage(stage: StageResult, say: Say) -> dict[str, str]:
    rate, retries = format_number(stage.rate), stage.retries
    return {
        "name": stage_name(stage.name, say),
        "planned": rate if stage.users is None else say("table.users", rate=rate, users=f"{stage.users:,}"),
        "retried": format_share(retries.per_step) if retries else say("page.dash"),
        "requests": format_number(retries.requests_per_s) if retries else say("page.dash"),
        "offered": format_number(stage.offered_per_s),
        "achieved": format_number(stage.achieved_per_s),
        "goodput": format_number(stage.goodput_per_s),
        "errors": format_share(1 - stage.ok / stage.intended) if stage.intended else say("page.dash"),
        "p50": _time(stage.p50_ns, say),
        "p95": _time(stage.p95_ns, say),
        "p99": _time(stage.p99_ns, say),
        "sent_p50": _time(stage.service_p50_ns, say),
        "sent_p95": _time(stage.service_p95_ns, say),
        "sent_p99": _time(stage.service_p99_ns, say),
        "held": _KEPT[stage.held],
    }


def _time(ns: float | None, say: Say) -> str:
    return say("kept.none") if ns is None else time_or_unknown(ns, say)


def _diagnostic(found: Diagnostic, say: Say) -> dict[str, str]:
    key = f"outcome.{found.outcome}"
    known = found.outcome.isidentifier()
    try:
        outcome = say(key) if known else found.outcome
    except KeyError:
        outcome = found.outcome
    return {
        "journey": found.journey,
        "step": found.step,
        "outcome": outcome,
        "detail": found.detail,
        "count": f"{found.count:,}",
    }


def _documents(view: ReportView, say: Say) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if view.release:
        rows.append((say("provenance.release"), f"{view.release.name} {view.release.version}"))
        rows += [_subject(subject, say) for subject in view.release.subjects[:MAX_SUBJECTS]]
        more = len(view.release.subjects) - MAX_SUBJECTS
        if more > 0:
            rows.append((say("provenance.subjects_more"), say("provenance.subjects_count", count=f"{more:,}")))
    else:
        rows.append((say("provenance.release"), say("provenance.unbound")))
    if view.plan:
        plan = view.plan
        rows += [(say("provenance.plan"), plan.title), (say("provenance.target"), plan.target)]
        rows += [(say("provenance.arrivals"), plan.arrivals), (say("provenance.seed"), str(plan.seed))]
    reference = dict(view.environment).get("permission.reference")
    if reference is not None:
        rows.append((say("provenance.authorisation"), reference))
    if view.policy:
        rows.append((say("provenance.policy"), view.policy.title))
        if view.policy.note:
            rows.append((say("provenance.policy_note"), view.policy.note))
    rows += [(say("provenance.digest", part=part), digest) for part, digest in view.digests]
    return rows


def _subject(subject: Subject, say: Say) -> tuple[str, str]:
    return say("provenance.subject", name=subject.name), f"sha256:{subject.sha256}"


def _event(event: Event, view: ReportView, say: Say) -> dict[str, str]:
    where = ""
    if event.trial is not None:
        names = {trial.index: trial for trial in view.trials}
        trial = names.get(event.trial)
        where = trial.name if trial else str(event.trial + 1)
        spans = {span.index: span.name for span in trial.spans} if trial else {}
        if event.stage is not None:
            where += f", {spans.get(event.stage, str(event.stage + 1))}"
    facts_of = {key: value for key, value in event.data.items() if not key.endswith("_ns")}
    for key in ("steps", "limits"):
        if isinstance(facts_of.get(key), list):
            facts_of[key] = ", ".join(_short(item) for item in facts_of[key])
    if event.worker is not None:
        facts_of["worker"] = event.worker
    loss = event.event in (
        EventKind.WORKER_LOST,
        EventKind.RECORDING_FAILED,
        EventKind.TARGET_FAILED,
        EventKind.INTERRUPTED,
        EventKind.TARGET_STOPPED,
        EventKind.PERMISSION_ENDED,
        EventKind.SET_UP_FAILED,
        EventKind.HAPPENING_FAILED,
        EventKind.TEAR_DOWN_FAILED,
    )
    return {
        "at": f"{event.at_ns / 1e9:,.1f} s",
        "event": say(f"event.{event.event.value.replace(' ', '_')}"),
        "where": where,
        "data": "; ".join(f"{key}: {value}" for key, value in facts_of.items()),
        "loss": "loss" if loss else "",
    }


def _short(item: object) -> str:
    """Return a step of a set-up or tear-down, or a limit, in a few words."""
    return f"{item.get('step')}: {item.get('outcome')}" if isinstance(item, dict) else str(item)
