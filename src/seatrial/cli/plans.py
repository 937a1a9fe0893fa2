"""``seatrial plan``: look at a plan without running it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.demand import demand
from seatrial.cli.from_logs import from_logs
from seatrial.cli.plan_seal import seal

if TYPE_CHECKING:
    from seatrial.authoring.counts import SessionCount
    from seatrial.authoring.yaml_plan import LoadedPlan
    from seatrial.errors import Problem
    from seatrial.model.profile import Stage
    from seatrial.model.shape import Shape
    from seatrial.model.users import Users

__all__ = ["register"]

_BLOCKS = " ▁▂▃▄▅▆▇█"
_COLUMNS = 40
_MOST_STRETCHES = 8


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``: check, schema, curve, demand, from-logs and seal."""
    plan = typer.Typer(help="Look at a plan without running it.", no_args_is_help=True)
    plan.command("check", help=_help(_check))(_check)
    plan.command("schema")(_schema)
    plan.command("curve", help=_help(_curve))(_curve)
    plan.command("demand", help=_help(demand))(demand)
    plan.command("from-logs", help=_help(from_logs))(from_logs)
    plan.command("seal")(seal)
    app.add_typer(plan, name="plan")


def _help(command: Callable[..., None]) -> str:
    """Return what people are told of a command: its docstring up to the part for programmers."""
    return (command.__doc__ or "").partition("\n\n    Raises:")[0]


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
            problems = _documents(error.problems)
            typer.echo(json.dumps({"plan": str(plan), "ok": False, "problems": problems}, ensure_ascii=False))
        raise
    summary = _summary(loaded)
    notes = shortfalls(loaded.plan, measure)
    if as_json:
        shown = {"plan": str(plan), "ok": True, "problems": [], "notes": _documents(loaded.notes), **summary}
        shown |= {"policy": measure.title, "weaker": notes}
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    for line in _lines(summary):
        typer.echo(line)
    if notes:
        typer.echo(f"Weaker than the {measure.title} requires for a confirmation:")
        for note in notes:
            typer.echo(f"  {note}")
    if loaded.notes:
        typer.echo("Worth knowing:")
        for problem in loaded.notes:
            typer.echo(f"  {problem}")


def _documents(problems: Iterable[Problem]) -> list[dict[str, str | None]]:
    return [{"what": p.what, "where": p.where, "value": p.value, "remedy": p.remedy} for p in problems]


def _schema() -> None:
    """Print the JSON Schema of plans."""
    from seatrial.model.plan import plan_json_schema

    typer.echo(json.dumps(plan_json_schema(), ensure_ascii=False, indent=2))


def _curve(
    file: Annotated[Path, typer.Argument(help="A CSV file with the header time,rate.")],
    scale: Annotated[str | None, typer.Option(help="The level of its highest rate, for example '1 P'.")] = None,
) -> None:
    """Print a recorded curve as the shape of a load trial, to be pasted into a plan.

    Raises:
        PlanError: the file holds no curve.
        UsageError: the scale is no load level.
    """
    from seatrial.authoring.curves import curve_block, read_curve
    from seatrial.authoring.problems import split_message
    from seatrial.errors import UsageError
    from seatrial.model.objective import parse_load

    try:
        level = None if scale is None else parse_load(scale)
    except ValueError as error:
        what, remedy = split_message(str(error))
        raise UsageError(what, value=f"--scale {scale}", remedy=remedy) from error
    typer.echo(curve_block(read_curve(file), level), nl=False)


def _summary(loaded: LoadedPlan) -> dict[str, Any]:
    """Return what the plan will do, as JSON-ready data; times in nanoseconds, rates per second."""
    from seatrial.authoring.counts import count_sessions, is_countable
    from seatrial.model.steps import most_requests
    from seatrial.model.trial import LoadTrial

    plan = loaded.plan
    requests = [most_requests(j.steps) if j.python is None else len(j.labels) for j in plan.journeys.values()]
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
                **({"shape": _shape(trial.shape, stages[0])} if isinstance(trial, LoadTrial) and trial.shape else {}),
                **_counts(sessions, requests, stages[0].users),
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


def _counts(sessions: SessionCount, requests: list[int], users: Users | None) -> dict[str, Any]:
    """Return how many sessions and requests there will be; of users nobody knows: as many as the service lets them."""
    if users is not None:
        known = _users(users)
        return {"users": known, "sessions": None, "requests": None, "exact": False}
    total = sum(n * each for n, each in zip(sessions.per_journey, requests, strict=True))
    return {"sessions": sessions.total, "requests": total, "exact": sessions.exact}


def _users(users: Users) -> dict[str, Any]:
    """Return the users of a trial as JSON-ready data."""
    think = users.think if isinstance(users.think, int) else users.think.model_dump(mode="json", exclude_defaults=True)
    return {"count": users.count, "ramp_ns": users.ramp_ns, "pacing_ns": users.pacing_ns, "think": think}


def _shape(shape: Shape, stage: Stage) -> dict[str, Any]:
    """Return what a shape offers: its kind, its highest rate, and its rate at the ends of every segment."""
    at_ns, points = 0, []
    for segment in stage.profile.segments:
        points += [[at_ns, segment.rate_from], [at_ns + segment.duration_ns, segment.rate_to]]
        at_ns += segment.duration_ns
    return {
        "kind": shape.kind,
        "period_ns": shape.sine.period if shape.sine else None,
        "peak_per_s": stage.profile.peak,
        "judged_from_ns": stage.judged_from_ns,
        "points": [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]],
    }


def _shape_lines(shape: dict[str, Any]) -> Iterator[str]:
    """Yield a shape in words, as far as it has few points, and as a picture of its rate over time."""
    from itertools import pairwise

    from seatrial.units import format_duration, format_rate

    points: list[tuple[int, float]] = [(at_ns, rate) for at_ns, rate in shape["points"]]
    stretches = [(end - start, low, high) for (start, low), (end, high) in pairwise(points) if end > start]
    if len(stretches) <= _MOST_STRETCHES:
        for long, low, high in stretches:
            held, moves = f"{format_rate(low)} for", f"from {format_rate(low)} to {format_rate(high)} in"
            yield f"    {held if low == high else moves} {format_duration(long)}"
    else:
        lowest, highest = (format_rate(found(rate for _, rate in points)) for found in (min, max))
        period = shape["period_ns"]
        how = f"{len(stretches)} straight lines" if period is None else f"periods of {format_duration(period)}"
        yield f"    between {lowest} and {highest}, in {how}"
    yield f"    {_picture(stretches)}"
    if shape["judged_from_ns"]:
        yield f"    judged from {format_duration(shape['judged_from_ns'])} on"


def _rest(users: dict[str, Any]) -> str:
    """Return how users rest between iterations, in words."""
    from seatrial.units import format_duration

    if users["pacing_ns"] is not None:
        return f"beginning at least {format_duration(users['pacing_ns'])} apart"
    if not isinstance(users["think"], int):
        return "resting for " + ", ".join(f"{key} {value}" for key, value in users["think"].items())
    return f"resting for {format_duration(users['think'])}" if users["think"] else "without a rest"


def _picture(stretches: list[tuple[int, float, float]]) -> str:
    """Return the highest rate in each of forty equal parts of the time, as a row of blocks."""
    total, peak = sum(long for long, *_ in stretches), max(max(low, high) for _, low, high in stretches)
    columns, start = [0.0] * _COLUMNS, 0
    for long, low, high in stretches:
        first, last = start * _COLUMNS / total, (start + long) * _COLUMNS / total
        for column in range(int(first), min(_COLUMNS, math.ceil(last))):
            ends = (max(first, column), min(last, column + 1))
            rates = (low + (high - low) * (end - first) / (last - first) for end in ends)
            columns[column] = max(columns[column], *rates)
        start += long
    return "".join(_BLOCKS[math.ceil(rate / peak * (len(_BLOCKS) - 1) - 1e-9)] for rate in columns)


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
        many = "as many sessions as the service lets them begin"
        if trial["sessions"] is not None:
            many = f"{about}{trial['sessions']:,} sessions, up to {trial['requests']:,} requests"
        lines.append(f"Trial {trial['name']}: {many}, {format_duration(trial['longest_ns'])} at the longest")
        for stage in trial["stages"]:
            rate = "" if stage["name"].endswith("/s") else f" ({format_rate(stage['rate_per_s'])})"
            rate = f" who wait for the service, {_rest(trial['users'])}," if "users" in trial else rate
            kind = ""
            if "shape" in trial:
                rate = f" ({format_rate(stage['rate_per_s'])} on average where it is judged)"
                kind = f"{trial['shape']['kind']} "
            lines.append(f"  {kind}{stage['name']}{rate} for {format_duration(stage['duration_ns'])}")
        lines += _shape_lines(trial["shape"]) if "shape" in trial else ()
        lines += [f"  limit: {objective}" for objective in trial["objectives"]]
    return [*lines, f"At the longest, {format_duration(summary['longest_ns'])} in all."]
