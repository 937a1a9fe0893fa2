"""What one stage of a trial showed: counts, percentiles, and each limit against the records.

The runner calls :func:`summarise_stage` while a trial is under way and :mod:`seatrial.verdict.judge` calls it again
from the evidence: one function, so that replaying a search leads to the same decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from seatrial.model.journal import StageLog
from seatrial.model.objective import Metric
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.trial import Trial
from seatrial.model.verdict import ObjectiveResult, StageResult, Verdict
from seatrial.units import SECOND
from seatrial.verdict.attempts import retries_of
from seatrial.verdict.closed import scheduled
from seatrial.verdict.facts import Facts, facts_of
from seatrial.verdict.from_send import with_from_send
from seatrial.verdict.hopeless import offered
from seatrial.verdict.inputs import Rows, Timetable, stage_rows
from seatrial.verdict.limits import Sample, limits_of
from seatrial.verdict.periods import judged_part, judged_spans, period_results
from seatrial.verdict.tails import pace_of, with_tail
from seatrial.verdict.telemetry import ServiceFigures
from seatrial.verdict.warming import Warming

__all__ = ["judged_records", "limits_of", "summarise", "summarise_stage"]


def summarise_stage(
    plan: Plan,
    plan_digest: str,
    policy: Policy,
    trial_index: int,
    stage: Stage,
    records: pl.DataFrame | pl.LazyFrame,
    log: StageLog | None = None,
    telemetry: pl.DataFrame | None = None,
) -> StageResult:
    """Return what a stage showed.

    Args:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal: the schedule depends on it.
        policy: The rules.
        trial_index: Of the trial in the plan.
        stage: One of that trial's stages.
        records: Of the stage, or of the whole trial; in any order.
        log: What the journal says of the stage; needed where it was cut because a limit was hopeless. Of a closed stage
            it says when the warm-up was over; without it, that counts from the first record.

        telemetry: Readings of the service's own figures, of the whole trial or those so far; None for none.

    Raises:
        BundleError: the records are not records.
        ValueError: the stage belongs to another trial.
    """
    if stage.trial != trial_index:
        raise ValueError(f"a stage of trial {stage.trial} in trial {trial_index}")
    trial, rows = plan.trials[trial_index], stage_rows(records, stage.index)
    columns, attempts, table = scheduled(plan, plan_digest, stage, rows, log)
    part = offered(plan, policy, trial, stage, columns, table, log)
    judged, again = judged_records(part.columns, part.table), judged_records(attempts, part.table)
    started_ns = log.started_ns if log is not None else facts_of(columns).first_ns
    return summarise(plan, policy, trial, part.stage, judged, part.prospects, len(again), started_ns, telemetry)


def judged_records(columns: Rows, table: Timetable) -> Rows:
    """Return the records of scheduled sessions after the warm-up."""
    first, beyond = table.warm, len(table)
    return columns.only(lambda part: np.asarray((part.session >= first) & (part.session < beyond)))


def summarise(
    plan: Plan,
    policy: Policy,
    trial: Trial,
    stage: Stage,
    judged: Rows,
    prospects: Sequence[ObjectiveResult | None] | None = None,
    attempts: int = 0,
    started_ns: int = 0,
    telemetry: pl.DataFrame | None = None,
) -> StageResult:
    """Return what a stage showed, from its judged records.

    Args:
        plan: The plan.
        policy: The rules.
        trial: The stage's.
        stage: What of it was offered.
        judged: Its judged records.
        prospects: Of a stage that was cut, each limit in the best case, as far as that is known; None for others.
        attempts: How many attempts of judged sessions were given up and retried.
        started_ns: The stage's start on the records' clock, for limits on windows, periods and telemetry.
        telemetry: Readings of the service's own figures, of the whole trial; None for none.
    """
    part = judged_part(stage, judged, started_ns)
    sample = Sample(plan, part, policy.validity.confidence, judged_spans(stage, started_ns))
    facts, of_part = facts_of(judged), facts_of(part)
    warming = Warming(trial, stage, facts)
    sample.prepare(limits_of(trial), overall=part is judged, also=warming.take if part is judged else None)
    of_service = ServiceFigures(plan, trial, stage, started_ns, telemetry, policy.validity.confidence)
    objectives = _limits(trial, sample, of_service, prospects)
    whole = sample
    if part is not judged:
        whole = Sample(plan, judged, policy.validity.confidence)
        whole.prepare((), overall=True, also=warming.take)
    judged_ns = stage.profile.duration_ns - stage.judged_from_ns
    seconds = judged_ns / SECOND
    return StageResult(
        index=stage.index,
        name=stage.name,
        rate=stage.rate if stage.users is None else facts.sessions / seconds,
        duration_ns=judged_ns,
        intended=facts.count,
        sent=facts.sent,
        ok=facts.ok,
        outcomes={outcome.label: int(facts.outcomes[outcome]) for outcome in Outcome if facts.outcomes[outcome]},
        offered_per_s=facts.count / seconds,
        achieved_per_s=facts.sent / seconds,
        goodput_per_s=facts.ok / seconds,
        **_percentiles(whole),
        held=_held(objectives, of_part, policy),
        objectives=objectives,
        refused=facts.refused,
        users=None if stage.users is None else stage.users.count,
        retries=retries_of(plan, facts, attempts, judged_ns),
        warm_up=warming.found(),
        pace=pace_of(trial, whole, facts.count, seconds, policy.validity.confidence),
        periods=period_results(stage, judged, started_ns),
        telemetry=of_service.shown(),
    )


def _percentiles(whole: Sample) -> dict[str, float | None]:
    """Return p50, p95 and p99 from the intended start and from the actual send, by their names in the result."""
    kinds = (("", whole.times(Metric.RESPONSE_TIME, None, None)), ("service_", whole.from_send(None, None)))
    return {f"{kind}p{p}_ns": times.estimate(p / 100) for kind, times in kinds for p in (50, 95, 99)}


def _limits(
    trial: Trial, sample: Sample, of_service: ServiceFigures, prospects: Sequence[ObjectiveResult | None] | None
) -> tuple[ObjectiveResult, ...]:
    """Return each limit that a stage alone keeps or breaks: those on its records, then those on the service itself."""
    shown = [(limit, with_from_send(sample, limit, sample.judge(limit))) for limit in limits_of(trial)]
    objectives = tuple(with_tail(trial, sample, limit, result) for limit, result in shown) + of_service.judged()
    if prospects is None:
        return objectives
    known = [*prospects, *[None] * len(objectives)]
    return tuple(_of_a_part(result, best) for result, best in zip(objectives, known, strict=False))


def _of_a_part(shown: ObjectiveResult, best: ObjectiveResult | None) -> ObjectiveResult:
    """Return a limit of a stage that was cut: broken even in the best case, or not decided by what was offered."""
    if best is not None and best.verdict is Verdict.FAIL:
        return best
    if shown.undecided == "no_samples":
        return shown
    return shown.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "undecided": "cut", "longer": None})


def _held(objectives: tuple[ObjectiveResult, ...], facts: Facts, policy: Policy) -> bool | None:
    """Return whether a level held.

    Too much unsent load breaks it whatever its limits say: either the service let sessions pile up, or the generator
    is at its end and the trial INVALID. So does a service of which not one step ended ok, however fast it said no. In
    each case there is no point in going higher.
    """
    broken = facts.unsent > policy.validity.unsent * facts.count or (facts.count > 0 and not facts.ok)
    if broken or any(o.verdict is Verdict.FAIL for o in objectives):
        return False
    return True if objectives and all(o.verdict is Verdict.PASS for o in objectives) else None
