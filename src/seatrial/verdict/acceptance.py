"""Whether a plan asks enough: its trials against those that the policy makes mandatory.

A PASS says that the service kept the plan's limits. Whether those were worth keeping is the policy's business, and a
confirmation needs both.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy, Required
from seatrial.model.trial import LoadTrial, RecoveryTrial, SpikeTrial, Trial
from seatrial.units import format_duration, format_rate

__all__ = ["shortfalls"]


def shortfalls(plan: Plan, policy: Policy) -> tuple[str, ...]:
    """Return where a plan is weaker than the policy's mandatory trials, as sentences; empty when nowhere.

    A mandatory trial is compared with that trial of its kind which falls short in the fewest ways. Users who wait for
    the service (a closed model) offer less as it slows down, so a trial of users never counts.
    """
    found: list[str] = []
    for required in policy.acceptance.mandatory:
        names = zip(plan.trial_names(), plan.trials, strict=True)
        candidates: list[list[str]] = [
            [f"{name}: {lack}" for lack in _lacks(trial, required, plan)]
            for name, trial in names
            if _is_such(trial, required) and not _is_closed(trial)
        ]
        if candidates:
            candidates.sort(key=len)
            found += candidates[0]
        elif any(_is_such(trial, required) for trial in plan.trials):
            found.append(
                f"no {required.kind} trial whose load does not wait for the service, which the policy requires"
            )
        else:
            cause = {None: "", "overload": " from an overload", "fault": " from a fault"}[required.disturbance]
            found.append(f"no {required.kind} trial{cause}, which the policy requires")
    return tuple(found)


def _is_such(trial: Trial, required: Required) -> bool:
    """Return whether a trial is of the kind that is required and, of a recovery, from what is required."""
    if not isinstance(trial, RecoveryTrial) or required.disturbance is None:
        return trial.kind == required.kind
    return required.kind == "recovery" and getattr(trial, required.disturbance) is not None


def _is_closed(trial: Trial) -> bool:
    return isinstance(trial, LoadTrial) and trial.users is not None


def _lacks(trial: Trial, required: Required, plan: Plan) -> Iterator[str]:
    peak = plan.demand.peak
    shaped = isinstance(trial, LoadTrial) and trial.shape is not None
    yield from _shape_lacks(trial, required, plan) if shaped else _level_lacks(trial, required, peak)
    yield from _form_lacks(trial, required, peak)
    # Where a stress trial limits capacity, that decides, and the levels above it may break: the top is not shown.
    capacity = max((own.load for own in trial.objectives if own.load), key=lambda load: load.value, default=None)
    if capacity is not None and capacity.rate(peak) < required.at_least.rate(peak) * (1 - 1e-9):
        yield f"passes with a capacity of {capacity}, the policy requires that {required.at_least} holds"
    for limit in required.objectives:
        if not any(_as_strict(own, limit, peak) for own in trial.objectives):
            yield f"has no limit as strict as: {limit.text}"


def _level_lacks(trial: Trial, required: Required, peak: float) -> Iterator[str]:
    """Yield what a level that is held lacks in height and length."""
    if trial.held is None:
        raise ValueError("a trial without a level")
    level, held_ns = trial.held
    if level.rate(peak) < required.at_least.rate(peak) * (1 - 1e-9):
        yield f"reaches {level}, the policy requires {required.at_least}"
    if held_ns < required.hold:
        yield f"holds for {format_duration(held_ns)}, the policy requires {format_duration(required.hold)}"


def _form_lacks(trial: Trial, required: Required, peak: float) -> Iterator[str]:
    """Yield what a trial lacks of the form that its kind alone has."""
    if isinstance(trial, LoadTrial) and required.runs is not None and (trial.runs or 1) < required.runs:
        yield f"is offered {_times(trial.runs or 1)}, the policy requires {required.runs} runs"
    if isinstance(trial, SpikeTrial):
        if required.times is not None and trial.times < required.times:
            yield f"bursts {_times(trial.times)}, the policy requires {_times(required.times)}"
        if required.base is not None and trial.base.rate(peak) > required.base.rate(peak) * (1 + 1e-9):
            yield f"bursts from {trial.base}, the policy requires a calm of {required.base} or less"
        if required.rise is not None and trial.rise > required.rise:
            own, most = format_duration(trial.rise), format_duration(required.rise)
            yield f"rises in {own}, the policy requires {most} or less"
    over = trial.overload if isinstance(trial, RecoveryTrial) else None
    wanted = required.overload
    if over is not None and wanted is not None and over.to.rate(peak) < wanted.rate(peak) * (1 - 1e-9):
        yield f"is overloaded with {over.to}, the policy requires {wanted}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _shape_lacks(trial: Trial, required: Required, plan: Plan) -> Iterator[str]:
    """Yield what a load trial with a shape lacks in height and length, within what it judges.

    Only the longest unbroken stretch at or above the required level counts. And because the limits are judged over
    all records together, whatever is judged below that level would thin out what happened at it: an hour at P that
    fails would pass, if a day at half of P were added. So there must be nothing below.
    """
    (stage,) = trial.stages(0, plan)
    judged, wanted = stage.judged, required.at_least
    rate = wanted.rate(plan.demand.peak) * (1 - 1e-9)
    if judged.peak < rate:
        yield f"reaches {format_rate(judged.peak)} where it is judged, the policy requires {wanted}"
        return
    held_ns = judged.longest_at_least(rate)
    if held_ns < required.hold:
        held, needed = (format_duration(ns) for ns in (held_ns, required.hold))
        yield f"stays at {wanted} or above for {held} at a time, the policy requires {needed}"
    if judged.lowest < rate:
        yield f"judges load below {wanted} together with it, the policy's limits are for {wanted} or above alone"


_EACH_IS_AN_ERROR = frozenset(
    {Metric.TIMEOUTS, Metric.REFUSALS, Metric.HTTP_ERRORS, Metric.FAILED_CHECKS, Metric.CONNECTION_ERRORS}
)


def _as_strict(own: Objective, wanted: Objective, peak: float) -> bool:
    """Return whether to keep a limit is to keep another."""
    if not (_same_subject(own, wanted) and _same_records(own, wanted)):
        return False
    if own.load and wanted.load:
        return own.load.rate(peak) >= wanted.load.rate(peak) * (1 - 1e-9)
    if own.quantile is not None and wanted.quantile is not None and own.quantile < wanted.quantile:
        return False  # a limit on a higher percentile implies the same limit on a lower one, not the reverse
    return own.limit <= wanted.limit if wanted.relation == "<=" else own.limit >= wanted.limit


def _same_subject(own: Objective, wanted: Objective) -> bool:
    """Return whether both limit the same figure.

    A limit on all errors is one on each kind of them; but while one kind grows another may fall, so their drift is not.
    """
    metric = own.metric is wanted.metric or (
        own.metric is Metric.ERRORS
        and wanted.metric in _EACH_IS_AN_ERROR
        and not (own.admitted or wanted.admitted or own.drift)
    )
    return metric and all(
        getattr(own, name) == getattr(wanted, name) for name in ("statistic", "drift", "series", "unit", "relation")
    )


def _same_records(own: Objective, wanted: Objective) -> bool:
    """Return whether the records that one limit is about speak for the other.

    Leaving out what was refused raises no share of errors, for as many go from the errors as from the whole; but it
    raises percentiles, if refusals are fast. Windows that each keep a limit keep it together: twenty of 30 s make ten
    minutes. What every window keeps is not shown of the whole, whose bounds allow for chance.
    """
    if (own.step, own.journey) != (wanted.step, wanted.journey):
        return False
    if own.admitted != wanted.admitted and (own.admitted or own.metric is not Metric.ERRORS):
        return False
    if own.window_ns is None or wanted.window_ns is None:
        return own.window_ns == wanted.window_ns
    return wanted.window_ns % own.window_ns == 0
