"""Limits that can't be judged by the trial that has them, and limits that its size will hardly decide.

What nothing could ever show is wrong with the plan and refused; what is only unlikely to be decided, a note. What a
trial will have recorded is estimated: sessions from the load, and for each of them the requests that it takes, where a
choice is drawn by the weights of its options and a condition counts as fulfilled one time in two. Of journeys in
Python every named step is counted once. Users who wait for the service offer what they please: nothing is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.yaml_source import Node
from seatrial.model.journey import RESOURCES
from seatrial.model.kinds import RecoveryTrial, SpikeTrial
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.request import RequestStep
from seatrial.model.steps import ChooseStep, GroupStep, RepeatStep, Step
from seatrial.model.trial import Trial
from seatrial.units import SECOND, format_duration, format_rate, write_duration

__all__ = ["add_criteria_notes", "add_impossible_criteria", "least_records"]

_CONFIDENCE = 0.95
_FEWEST_WINDOWS = 8
_WINDOW_RECORDS, _WINDOW_NS = 200, 5 * SECOND


def add_impossible_criteria(plan: Plan, root: Node, problems: ProblemList) -> None:
    """Add every limit that its trial can never show to be kept, or never to be broken."""
    for trial, stages, objective, line in _limits(plan, root):
        for what, remedy in _impossible(plan, trial, stages, objective):
            problems.add(line, what, objective.text, remedy)


def add_criteria_notes(plan: Plan, root: Node, notes: ProblemList) -> None:
    """Add a note on every limit that its trial is too small to show kept, or that another one implies."""
    for trial, stages, objective, line in _limits(plan, root):
        records = min((_records(plan, stage, objective) for stage in stages), default=math.inf)
        needed = least_records(objective)
        if needed and records < needed:
            what = f"a limit that about {records:,.0f} records can't show to be kept, even if all are perfect"
            notes.add(line, what, objective.text, f"Judge about {needed:,} records, that is hold it longer.")
        stricter = next((other for other in trial.objectives if _implies(other, objective)), None)
        if stricter is not None:
            notes.add(line, f"a limit that {stricter.text} implies", objective.text, "Leave it out, or leave it be.")


def least_records(objective: Objective) -> int:
    """Return the fewest records, all perfect, that show a limit to be kept; 0 where that is no question of records.

    By the exact binomial bound: no bad one in n shows a share of bad ones below 1 - (a/2)^(1/n), a = 1 - confidence.
    At 95 % that takes 3,688 records for ``errors <= 0.1%`` and 72 for a p95.
    """
    if objective.drift or objective.window_ns is not None:
        return 0
    if objective.quantile is not None:
        bad = 1 - objective.quantile
    elif objective.is_share:
        bad = objective.limit if objective.relation == "<=" else 1 - objective.limit
    else:
        return 0
    return math.ceil(math.log((1 - _CONFIDENCE) / 2) / math.log1p(-bad)) if 0 < bad < 1 else 0


def _limits(plan: Plan, root: Node) -> Iterator[tuple[Trial, tuple[Stage, ...], Objective, int]]:
    for index, trial in enumerate(plan.trials):
        stages = trial.stages(index, plan)
        for place, objective in enumerate(trial.objectives):
            node = root.get("trials", index, "objectives", place)
            yield trial, stages, objective, node.line if node is not None else 0


def _impossible(plan: Plan, trial: Trial, stages: tuple[Stage, ...], objective: Objective) -> Iterator[tuple[str, str]]:
    """Yield (what, remedy) of why a limit can't be judged."""
    # That its kind can show it at all, the trial itself says (seatrial.model.trial_base).
    if objective.metric is Metric.RECOVERY_TIME:
        watched = (
            trial.after if isinstance(trial, RecoveryTrial) else trial.rest if isinstance(trial, SpikeTrial) else 0
        )
        if objective.limit > watched:
            key = "after" if isinstance(trial, RecoveryTrial) else "rest"
            what = f"a recovery that is only watched for {format_duration(watched)}"
            yield what, f"Raise '{key}' to {write_duration(round(objective.limit))} at least."
    if objective.drift:
        yield from _short_drift(plan, stages, objective)
    if objective.is_time:
        yield from _beyond_deadline(plan, objective)
    if objective.metric is Metric.GOODPUT_RATE:
        yield from _more_than_offered(plan, stages, objective)
    if objective.window_ns is not None:
        yield from _windows(plan, stages, objective, objective.window_ns)


def _short_drift(plan: Plan, stages: tuple[Stage, ...], objective: Objective) -> Iterator[tuple[str, str]]:
    """A drift is looked for in windows of 5 s and of 200 records at least, eight of them or more."""
    judged_ns = min(_longest_span(stage) for stage in stages)
    if judged_ns < _FEWEST_WINDOWS * _WINDOW_NS:
        least = format_duration(_FEWEST_WINDOWS * _WINDOW_NS)
        yield (
            f"a drift over {format_duration(judged_ns)}, too short a time",
            f"Judge {least} at the least; hours serve.",
        )
    elif objective.series is None:
        records = min(_records(plan, stage, objective) for stage in stages)
        if records < _FEWEST_WINDOWS * _WINDOW_RECORDS:
            what = f"a drift in about {records:,.0f} records, which are too few"
            yield what, f"Judge {_FEWEST_WINDOWS * _WINDOW_RECORDS:,} records at the least, that is hold it longer."


def _beyond_deadline(plan: Plan, objective: Objective) -> Iterator[tuple[str, str]]:
    """Nobody waits beyond the deadline, so an answer that is later than that is never known."""
    waits = [
        plan.wait_ns(step) if objective.metric is Metric.SERVICE_TIME else plan.step_wait_ns(step)
        for name, journey in plan.journeys.items()
        for step in journey.requests
        if objective.step in (None, step.label) and objective.journey in (None, name)
    ]
    if any(journey.python is not None for journey in plan.journeys.values()) or not waits:
        return
    if objective.limit > max(waits):
        what = f"a limit that no answer can break, for none is waited for longer than {format_duration(max(waits))}"
        yield what, "Lower the limit, or raise deadlines."


def _more_than_offered(plan: Plan, stages: tuple[Stage, ...], objective: Objective) -> Iterator[tuple[str, str]]:
    if any(stage.users is not None for stage in stages):
        yield (
            "a rate of users, who offer what they get through",
            "Write goodput >= 99% of offered, or offer a level in place of users.",
        )
        return
    most = max(_per_second(plan, stage, objective, most=True) for stage in stages)
    if objective.limit > most * (1 + 1e-9):
        yield f"more than the {format_rate(most)} steps that are offered", "Lower the limit, or offer more."


def _windows(plan: Plan, stages: tuple[Stage, ...], objective: Objective, window_ns: int) -> Iterator[tuple[str, str]]:
    longest = min(_longest_span(stage) for stage in stages)
    if window_ns > longest:
        what = f"windows longer than the {format_duration(longest)} that are judged at a time"
        yield what, "Write shorter windows, or hold it longer."
        return
    needed = 1 if objective.quantile is None else math.ceil(round(1 / (1 - objective.quantile), 9))
    rate = min(_per_second(plan, stage, objective, most=True) for stage in stages)
    records = rate * window_ns / SECOND
    if records < needed:
        what = f"windows of about {records:,.1f} records, too few for this limit"
        yield what, f"Write longer windows: {needed:,} records are the fewest."


def _spans(stage: Stage) -> tuple[tuple[int, int], ...]:
    judged = tuple((period.from_ns, period.to_ns) for period in stage.periods if period.judged)
    return judged or ((stage.judged_from_ns, stage.profile.duration_ns),)


def _longest_span(stage: Stage) -> int:
    return max(to_ns - from_ns for from_ns, to_ns in _spans(stage))


def _records(plan: Plan, stage: Stage, objective: Objective) -> float:
    """Return about how many records of a limit's scope a stage has where it is judged; infinite with users."""
    judged_ns = sum(to_ns - from_ns for from_ns, to_ns in _spans(stage))
    return _per_second(plan, stage, objective, most=False) * judged_ns / SECOND


def _per_second(plan: Plan, stage: Stage, objective: Objective, *, most: bool) -> float:
    """Return about how many steps of a limit's scope a stage offers per second, on average or at the most."""
    if stage.users is not None:
        return math.inf
    total = sum(plan.weights)
    taken = 0.0
    for name, journey in plan.journeys.items():
        if objective.journey not in (None, name):
            continue
        counts = _expected(journey.steps, most) if journey.python is None else dict.fromkeys(journey.step_names, 1.0)
        own = (count for label, count in counts.items() if objective.step in (None, label))
        taken += journey.weight / total * sum(own)
    return taken * (stage.judged.peak if most else stage.judged.mean)


def _expected(steps: tuple[Step, ...], most: bool) -> Mapping[str, float]:
    """Return how often one session takes each request, by its label: about, or at the most."""
    found: dict[str, float] = {}

    def add(inner: Mapping[str, float], times: float) -> None:
        for label, count in inner.items():
            found[label] = found.get(label, 0.0) + count * times

    half = 1.0 if most else 0.5
    for step in steps:
        if isinstance(step, RequestStep):
            times = half if step.when is not None else 1.0
            add({step.label: 1.0}, times)
            if step.resources:
                add({step.label + RESOURCES: math.inf if most else 1.0}, times)
        elif isinstance(step, GroupStep):
            add(_expected(step.steps, most), half)
            add(_expected(step.otherwise, most), half)
        elif isinstance(step, RepeatStep):
            add(_expected(step.steps, most), step.most if most else (step.fewest + step.most) / 2)
        elif isinstance(step, ChooseStep):
            total = sum(option.weight for option in step.choose)
            for option in step.choose:
                add(_expected(option.steps, most), 1.0 if most else option.weight / total)
    return found


def _implies(other: Objective, objective: Objective) -> bool:
    """Return whether a limit on a higher percentile is no laxer than one on a lower percentile of the same times."""
    if other is objective or other.quantile is None or objective.quantile is None:
        return False
    names = ("metric", "step", "journey", "admitted", "window_ns", "drift")
    same = all(getattr(other, name) == getattr(objective, name) for name in names)
    return same and not objective.drift and other.quantile > objective.quantile and other.limit <= objective.limit
