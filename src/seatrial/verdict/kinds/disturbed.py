"""Spike and recovery: the limits in the periods that are judged, and how the service came back after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from seatrial.model.journal import TrialLog
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.trial import RecoveryTrial, SpikeTrial
from seatrial.model.verdict import ObjectiveResult, Reason, Verdict, worst
from seatrial.model.verdict_parts import Bounded, Recovery
from seatrial.units import format_duration
from seatrial.verdict.found import Conclusion, Found
from seatrial.verdict.happenings import disturbance_end_ns
from seatrial.verdict.kinds.base import Kind, Seen, every_stage
from seatrial.verdict.phrasing import times
from seatrial.verdict.recovering import Disturbance, recovery_of

__all__ = ["RECOVERY", "SPIKE"]

_Recovered: TypeAlias = tuple[Recovery, str | None]


def _disturbances(seen: Seen) -> Iterator[Disturbance]:
    """Yield each disturbance of a stage: one for each period after one."""
    stage, start_ns = seen.stage, seen.log.started_ns
    base = next(period for period in stage.periods if period.role == "base")
    names = {period.to_ns: period.name for period in stage.periods if period.role == "burst"}
    for after in stage.periods:
        if after.role == "after":
            gone_ns = disturbance_end_ns(stage, seen.log, seen.data.log, after.from_ns)
            yield Disturbance(
                name=names.get(after.from_ns, "fault"),
                before=(start_ns + base.from_ns, start_ns + base.to_ns),
                gone_ns=start_ns + min(gone_ns, after.to_ns),
                after=after,
                end_ns=start_ns + after.to_ns,
            )


def _observe(seen: Seen) -> tuple[_Recovered, ...]:
    limits, confidence = seen.trial.objectives, seen.policy.validity.confidence
    return tuple(recovery_of(seen.plan, limits, seen.judged, of, confidence) for of in _disturbances(seen))


def _conclude_spike(plan: Plan, policy: Policy, trial: SpikeTrial, log: TrialLog, found: Found) -> Conclusion:
    return _conclude(trial, found, Verdict.FAIL)


def _conclude_recovery(plan: Plan, policy: Policy, trial: RecoveryTrial, log: TrialLog, found: Found) -> Conclusion:
    """Return what a recovery trial shows.

    What the service lets fall while it is disturbed breaks nothing. But it did not go through an overload that was not
    offered, because it held up the sessions before: then the trial shows no recovery from it.
    """
    return _conclude(trial, found, Verdict.PASS if trial.overload is None else Verdict.INCONCLUSIVE)


def _conclude(trial: Any, found: Found, unsent: Verdict) -> Conclusion:
    """Return what a trial with a disturbance shows.

    Args:
        trial: The trial.
        found: What was found.
        unsent: What load that was not sent because of the service alone makes of it at best.
    """
    objectives, reasons = every_stage(trial, found.results, named=False)
    recovered: tuple[_Recovered, ...] = next(iter(found.observed.values()), ())
    limits = [o for o in trial.objectives if o.metric is Metric.RECOVERY_TIME]
    verdicts = [result.verdict for result in objectives]
    if limits and not recovered:
        verdicts.append(Verdict.INVALID)
    shown: list[ObjectiveResult] = []
    broken: list[Reason] = []  # said before what is kept
    for limit in limits if recovered else ():
        results = [_against(limit, recovery) for recovery, _ in recovered]
        shown.append(next(r for r in results if r.verdict is worst(result.verdict for result in results)))
        for result, (recovery, undecided) in zip(results, recovered, strict=True):
            said = _reason(limit, result, recovery, undecided)
            (broken if result.verdict is Verdict.FAIL else reasons).append(said)
    for recovery, undecided in recovered:
        if not limits:
            reasons += _state(recovery, undecided)
        reasons += _hysteresis(recovery)
    verdicts += [result.verdict for result in shown]
    # Whatever the limits are: a service that stays down when the load is gone does not pass, nor does one of which
    # it is not known that it came back.
    states = {recovery.state for recovery, _ in recovered}
    if "metastable" in states:
        verdicts.append(Verdict.FAIL)
    if not limits and states - {"recovered"}:
        verdicts.append(Verdict.INCONCLUSIVE)
    if nothing := _nothing_ok(found):
        verdicts.append(Verdict.FAIL)
        broken = [*nothing, *broken]
    if found.by_service:
        verdicts.append(unsent)
    parts = {"recovery": tuple(recovery for recovery, _ in recovered)} if recovered else {}
    return Conclusion(worst(verdicts), [*found.by_service, *broken, *reasons], (*objectives, *shown), parts)


def _nothing_ok(found: Found) -> list[Reason]:
    """Return the judged periods in which not one step ended ok, of stages in which some did."""
    return [
        Reason(code="service.nothing_ok", params={"level": shown.name})
        for result in found.results
        if result.ok
        for period, shown in zip(found.stages[result.index].periods, result.periods or (), strict=True)
        if period.judged and shown.intended and not shown.ok
    ]


def _against(limit: Objective, recovery: Recovery) -> ObjectiveResult:
    """Return a limit on the time of recovery against one recovery.

    PASS when even with unanswered requests read as late as possible the service was back in time. FAIL when read as
    early as possible it was not, or when it is in a state that it does not leave.
    """
    value = recovery.back_ns
    verdict, undecided = Verdict.INCONCLUSIVE, "hidden"
    if recovery.state == "metastable" or (value.lower is not None and value.lower > limit.limit):
        verdict, undecided = Verdict.FAIL, ""
    elif value.upper is not None and value.upper <= limit.limit:
        verdict, undecided = Verdict.PASS, ""
    elif value.estimate is None and recovery.watched_ns < limit.limit:
        undecided = "length"
    longer = limit.limit / max(recovery.watched_ns, 1) * 1.1 if undecided == "length" else None
    return ObjectiveResult.model_validate(
        {
            "objective": limit.text,
            "verdict": verdict,
            "value": value,
            "limit": limit.limit,
            "unit": "ns",
            "samples": 1,
            "undecided": undecided or None,
            "longer": longer,
        }
    )


def _range(value: Bounded, say: Callable[[float], str]) -> dict[str, str]:
    lower = 0.0 if value.lower is None else value.lower
    if value.upper is None:
        return {"range": "open", "lower": say(lower)}
    return {"range": "bounded", "lower": say(lower), "upper": say(value.upper)}


def _time(ns: float) -> str:
    return format_duration(ns) if ns else "0 s"


def _reason(limit: Objective, result: ObjectiveResult, recovery: Recovery, undecided: str | None) -> Reason:
    params = {
        "name": recovery.name,
        "bound": "at_most",
        "limit": format_duration(limit.limit),
        "watched": format_duration(recovery.watched_ns),
        **_range(recovery.back_ns, _time),
    }
    if recovery.back_ns.estimate is not None:
        params["value"] = _time(recovery.back_ns.estimate)
    if recovery.state == "metastable":
        code = "recovery.metastable"
    elif undecided == "baseline":
        code = "recovery.no_baseline"
    elif recovery.back_ns.estimate is None:
        late = "recovery.too_late" if result.verdict is Verdict.FAIL else "recovery.undecided"
        code = "recovery.slow" if recovery.state == "slow" else late
    else:
        codes = {Verdict.PASS: "recovery.kept", Verdict.FAIL: "recovery.broken"}
        code = codes.get(result.verdict, "recovery.undecided")
    return Reason(code=code, params=params)


def _state(recovery: Recovery, undecided: str | None) -> list[Reason]:
    """Return how the service came back where no limit asks for it."""
    params = {"name": recovery.name, "watched": format_duration(recovery.watched_ns)}
    if recovery.state == "recovered" and recovery.back_ns.estimate is not None:
        return [
            Reason(code="recovery.state", params={"name": recovery.name, "value": _time(recovery.back_ns.estimate)})
        ]
    if recovery.state == "metastable":
        return [Reason(code="recovery.metastable", params=params)]
    if undecided == "baseline":
        return [Reason(code="recovery.no_baseline", params=params)]
    return [Reason(code="recovery.not_seen", params=params)]


def _hysteresis(recovery: Recovery) -> list[Reason]:
    """Return a sentence on response times that did not come back to what they were, where that is shown."""
    ratio = recovery.hysteresis
    if ratio is None or ratio.estimate is None or ratio.lower is None or ratio.upper is None:
        return []
    if ratio.lower <= 1 <= ratio.upper:
        return []
    params = {"name": recovery.name, "value": times(ratio.estimate), **_range(ratio, times)}
    return [Reason(code="recovery.hysteresis", params=params)]


SPIKE = Kind(_conclude_spike, _observe)
RECOVERY = Kind(_conclude_recovery, _observe)
