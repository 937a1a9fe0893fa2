"""``seatrial plan``: look at a plan without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seatrial.authoring.yaml_plan import LoadedPlan

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``plan check`` and ``plan schema`` to ``app``."""
    plan = typer.Typer(help="Look at a plan without running it.", no_args_is_help=True)
    plan.command("check")(_check)
    plan.command("schema")(_schema)
    app.add_typer(plan, name="plan")


def _check(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    policy: Annotated[str, typer.Option(help="default, demo, or the path of a policy.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print every problem of a plan, or what the plan will do.

    Raises:
        PlanError: the plan is wrong; with ``--json`` its problems have then been printed as well.
        PolicyError: the policy is wrong.
    """
    from seatrial.authoring.policies import load_policy
    from seatrial.authoring.yaml_plan import load_plan
    from seatrial.errors import PlanError
    from seatrial.verdict.acceptance import shortfalls

    measure = load_policy(policy).policy
    try:
        loaded = load_plan(plan)
    except PlanError as error:
        if as_json:
            problems = [
                {"what": p.what, "where": p.where, "value": p.value, "remedy": p.remedy} for p in error.problems
            ]
            typer.echo(json.dumps({"plan": str(plan), "ok": False, "problems": problems}, ensure_ascii=False))
        raise
    summary = _summary(loaded)
    notes = shortfalls(loaded.plan, measure)
    if as_json:
        shown = {"plan": str(plan), "ok": True, "problems": [], **summary, "policy": measure.title, "weaker": notes}
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    for line in _lines(summary):
        typer.echo(line)
    if notes:
        typer.echo(f"Weaker than the {measure.title} requires for a confirmation:")
        for note in notes:
            typer.echo(f"  {note}")


def _schema() -> None:
    """Print the JSON Schema of plans."""
    from seatrial.model.plan import plan_json_schema

    typer.echo(json.dumps(plan_json_schema(), ensure_ascii=False, indent=2))


def _summary(loaded: LoadedPlan) -> dict[str, Any]:
    """Return what the plan will do, as JSON-ready data; times in nanoseconds, rates per second."""
    from seatrial.authoring.counts import count_sessions, is_countable

    plan = loaded.plan
    requests = [len(journey.labels) for journey in plan.journeys.values()]
    staged = [trial.stages(index, plan) for index, trial in enumerate(plan.trials)]
    exactly = is_countable([stage for stages in staged for stage in stages])
    trials = []
    for name, trial, stages in zip(plan.trial_names(), plan.trials, staged, strict=True):
        sessions = count_sessions(loaded.digest, plan.seed, stages, plan.weights, exactly=exactly)
        trials.append(
            {
                "name": name,
                "kind": trial.kind,
                "stages": [
                    {"name": s.name, "rate_per_s": s.rate, "duration_ns": s.profile.duration_ns} for s in stages
                ],
                "sessions": sessions.total,
                "requests": sum(n * each for n, each in zip(sessions.per_journey, requests, strict=True)),
                "exact": sessions.exact,
                "longest_ns": sum(s.profile.duration_ns + s.drain_ns for s in stages),
                "objectives": [objective.text for objective in trial.objectives],
            }
        )
    return {
        "digest": loaded.digest,
        "title": plan.title,
        "target": plan.target,
        "peak_per_s": plan.demand.peak,
        "journeys": [
            {"name": name, "weight": journey.weight, "steps": list(journey.labels)}
            for name, journey in plan.journeys.items()
        ],
        "trials": trials,
        "longest_ns": sum(int(str(trial["longest_ns"])) for trial in trials),
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    from seatrial.units import format_duration, format_rate

    lines = [f"{summary['title']}: nothing wrong was found.", f"Target {summary['target']}, peak P = "]
    lines[1] += f"{format_rate(summary['peak_per_s'])} (journeys)."
    total = sum(journey["weight"] for journey in summary["journeys"])
    for journey in summary["journeys"]:
        share = f"{100 * journey['weight'] / total:.3g} %"
        lines.append(f"Journey {journey['name']} ({share} of sessions): {', '.join(journey['steps'])}")
    for trial in summary["trials"]:
        about = "" if trial["exact"] else "at most about "
        lines.append(
            f"Trial {trial['name']}: {about}{trial['sessions']:,} sessions, up to {trial['requests']:,} requests, "
            f"{format_duration(trial['longest_ns'])} at the longest"
        )
        for stage in trial["stages"]:
            rate = "" if stage["name"].endswith("/s") else f" ({format_rate(stage['rate_per_s'])})"
            lines.append(f"  {stage['name']}{rate} for {format_duration(stage['duration_ns'])}")
        lines += [f"  limit: {objective}" for objective in trial["objectives"]]
    return [*lines, f"At the longest, {format_duration(summary['longest_ns'])} in all."]
