"""The verdict on a run: a pure function of (plan, policy, journal, records, health).

Each trial, in this order:

1. INVALID outranks everything: evidence that can't be believed says nothing about the service
   (:mod:`seatrial.verdict.validity`, :mod:`seatrial.verdict.generator`). All such reasons are given; what could be
   computed is still shown, and is not success.
2. Load that was not sent because of the service alone, or not one step that ended ok: FAIL. In a stress trial it
   breaks its level, no more.
3. The worst of the trial's objectives.

The run's verdict is the worst of its trials', and a trial of the plan without evidence is INVALID.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from seatrial.errors import BundleError
from seatrial.model.journal import Ending, TrialLog
from seatrial.model.objective import Metric
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import StressTrial, Trial
from seatrial.model.verdict import (
    Capacity,
    ObjectiveResult,
    Reason,
    RunVerdict,
    StageResult,
    TrialVerdict,
    Verdict,
    worst,
)
from seatrial.units import format_duration
from seatrial.verdict.attempts import all_retries
from seatrial.verdict.calibration import Calibrated, OfferedLoad, load_of, weigh
from seatrial.verdict.closed import scheduled
from seatrial.verdict.contradictions import contradictions
from seatrial.verdict.findings import findings, steps_taken
from seatrial.verdict.generator import check_generator, check_send_lag, stalls_within, unsent_load
from seatrial.verdict.hopeless import Offered, offered
from seatrial.verdict.inputs import (
    StageColumns,
    TrialData,
    check_health,
    check_records,
    empty_health,
    empty_records,
    records_per_stage,
    stage_rows,
)
from seatrial.verdict.limits import limits_of
from seatrial.verdict.machine import clock_steps
from seatrial.verdict.phrasing import how_it_broke, objective_reason
from seatrial.verdict.search import search_of
from seatrial.verdict.stage import judged_records, summarise, unsent_steps
from seatrial.verdict.stress import capacity_of, judge_capacity
from seatrial.verdict.validity import (
    check_journeys,
    check_log,
    check_samples,
    check_size,
    check_strays,
    send_lag_limit,
)

__all__ = ["judge", "judge_trial"]

_RUN_CODES = {
    Verdict.PASS: "run.passed",
    Verdict.FAIL: "run.failed",
    Verdict.INCONCLUSIVE: "run.inconclusive",
    Verdict.INVALID: "run.invalid",
}


def judge(
    plan: Plan,
    plan_digest: str,
    policy: Policy,
    trials: Sequence[TrialData],
    calibrated: Calibrated | None = None,
) -> RunVerdict:
    """Return the verdict on a run.

    Args:
        plan: What was asked.
        plan_digest: SHA-256 of the plan, hexadecimal: the schedule depends on it.
        policy: The rules.
        trials: The evidence, told apart by the trial number in its log; in any order.
        calibrated: The calibration that the run cites; None when it cites none.

    Returns:
        One verdict per trial of the plan, in the plan's order. Evidence is never a reason to raise: what can't be
        read or believed is INVALID.
    """
    names = plan.trial_names()
    known: dict[int, TrialData] = {}
    strangers: list[Reason] = []
    for data in trials:
        if not 0 <= data.log.trial < len(names) or data.log.trial in known:
            strangers.append(Reason(code="validity.other_evidence", params={"trial": str(data.log.trial + 1)}))
        else:
            known[data.log.trial] = data
    verdicts = tuple(
        judge_trial(plan, plan_digest, policy, known[index], calibrated)
        if index in known
        else TrialVerdict(
            name=name,
            kind=plan.trials[index].kind,
            verdict=Verdict.INVALID,
            reasons=(Reason(code="validity.no_evidence"),),
            objectives=(),
        )
        for index, name in enumerate(names)
    )
    if not trials:
        return RunVerdict(verdict=Verdict.INVALID, reasons=(Reason(code="run.no_trials"),), trials=verdicts)
    verdict = worst([*(trial.verdict for trial in verdicts), *(Verdict.INVALID for _ in strangers)])
    named = ", ".join(trial.name for trial in verdicts if trial.verdict is verdict)
    own = (Reason(code=_RUN_CODES[verdict], params={"names": named}),) if named else ()
    return RunVerdict(verdict=verdict, reasons=(*own, *strangers), trials=verdicts)


@dataclass(slots=True)
class _Findings:
    """What is gathered on one trial before its verdict."""

    invalid: list[Reason] = field(default_factory=list)
    by_service: list[Reason] = field(default_factory=list)
    results: list[StageResult] = field(default_factory=list)
    unsent: dict[int, int] = field(default_factory=dict)
    loads: list[OfferedLoad] = field(default_factory=list)
    cut: list[Reason] = field(default_factory=list)
    taken: set[tuple[int, int]] = field(default_factory=set)

    def note_cut(self, planned: Stage, part: Offered) -> None:
        """Take note of a stage that was ended early, rightly or not."""
        if part.prospects is None:
            return
        if not part.rightly:
            self.invalid.append(Reason(code="validity.not_hopeless", params={"level": planned.name}))
            return
        over, whole = (format_duration(s.profile.duration_ns) for s in (part.stage, planned))
        params = {"level": planned.name, "measured": over, "planned": whole}
        self.cut.append(Reason(code="service.cut", params=params))


def judge_trial(
    plan: Plan, plan_digest: str, policy: Policy, data: TrialData, calibrated: Calibrated | None = None
) -> TrialVerdict:
    """Return the verdict on one trial.

    Args:
        plan: What was asked.
        plan_digest: SHA-256 of the plan, hexadecimal.
        policy: The rules.
        data: The evidence; ``data.log.trial`` says which trial it is of.
        calibrated: The calibration that the run cites; None when it cites none.
    """
    index = data.log.trial
    trial = plan.trials[index]
    stages = trial.stages(index, plan)
    found = _Findings()
    found.invalid.extend(check_log(data.log, stages))
    found.invalid.extend(data.problems)
    health = _sound_health(data, found)
    records = _sound_records(data, found)
    _examine(plan, plan_digest, policy, trial, stages, data.log, records, health, found)
    found.invalid.extend(_check_decisions(plan, policy, data.log, found.results))
    verdict, reasons, objectives = _conclude(trial, found)
    reasons = [*reasons, *found.cut]
    if calibrated is not None:
        against, proven = weigh(plan, policy, calibrated, found.loads)
        found.invalid.extend(against)
        reasons = [*reasons, proven] if proven else reasons
    reasons = [*reasons, *findings(plan, trial, found.results, found.taken)]
    if found.invalid:
        verdict, reasons = Verdict.INVALID, found.invalid
    if stepped := clock_steps(health):
        reasons = [*reasons, stepped]
    capacity: Capacity | None = capacity_of(trial, found.results) if isinstance(trial, StressTrial) else None
    return TrialVerdict(
        name=plan.trial_names()[index],
        kind=trial.kind,
        verdict=verdict,
        reasons=_without_repeats(reasons),
        objectives=objectives,
        capacity=capacity,
        stages=tuple(found.results),
        retries=all_retries(found.results),
    )


def _without_repeats(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for place, reason in enumerate(reasons) if reason not in reasons[:place])


def _detail(error: BundleError) -> dict[str, str]:
    return {"detail": str(error.value)}


def _sound_health(data: TrialData, found: _Findings) -> pl.DataFrame:
    """Return the health rows; none where they are malformed."""
    try:
        check_health(data.health)
    except BundleError as error:
        found.invalid.append(Reason(code="validity.health_unreadable", params=_detail(error)))
        return empty_health()
    return data.health


def _sound_records(data: TrialData, found: _Findings) -> pl.DataFrame | pl.LazyFrame:
    """Return the records; none where they are malformed. Strays are reported here."""
    try:
        check_records(data.records)
        per_stage = records_per_stage(data.records)
    except BundleError as error:
        found.invalid.append(Reason(code="validity.records_unreadable", params=_detail(error)))
        return empty_records()
    found.invalid.extend(check_strays(per_stage, {stage.index for stage in data.log.stages}))
    return data.records


def _examine(
    plan: Plan,
    plan_digest: str,
    policy: Policy,
    trial: Trial,
    stages: tuple[Stage, ...],
    log: TrialLog,
    records: pl.DataFrame | pl.LazyFrame,
    health: pl.DataFrame,
    found: _Findings,
) -> None:
    """Go through the finished stages: their records, the generator's health, and what they show of the service."""
    lag_limit = send_lag_limit(policy, trial)
    finished = [s for s in log.stages if s.finished and 0 <= s.index < len(stages)]
    generator = check_generator(policy, stages, log.workers, finished, health)
    views: list[tuple[Stage, StageColumns, StageColumns, bool]] = []
    total = judged_total = 0
    taken: set[int] = set()
    for begun in finished:
        stage = stages[begun.index]
        try:
            rows = stage_rows(records, stage.index)
        except BundleError as error:
            found.invalid.append(Reason(code="validity.records_unreadable", params=_detail(error)))
            continue
        if beyond := list(check_size(stage, len(rows[0]))):
            found.invalid.extend(beyond)
            continue
        columns, attempts, table = scheduled(plan, plan_digest, stage, rows, begun)
        part = offered(plan, policy, trial, stage, columns, table, begun)
        found.note_cut(stage, part)
        stage, columns, table = part.stage, part.columns, part.table
        found.invalid.extend(contradictions(plan, plan_digest, part, begun, rows, health, log.workers, lag_limit))
        if load := load_of(stage, columns, table):
            found.loads.append(load)
        judged = judged_records(columns, table)
        generator.extend(check_send_lag(stage, judged, lag_limit))
        again = len(judged_records(attempts, table))
        found.results.append(summarise(plan, policy, trial, stage, judged, part.prospects, again))
        found.unsent[stage.index] = int(unsent_steps(judged).sum())
        total, judged_total = total + len(columns), judged_total + len(judged)
        taken.update(np.unique(judged.journey).tolist())
        found.taken |= steps_taken(judged)
        if len(judged) and not found.results[-1].ok:
            found.by_service.append(Reason(code="service.nothing_ok", params={"level": stage.name}))
        if found.unsent[stage.index]:
            views.append((stage, columns, judged, stalls_within(health, begun, lag_limit)))
    found.invalid.extend(check_samples(policy, total, judged_total))
    if judged_total and not (found.cut and not isinstance(trial, StressTrial)):  # a load trial that was cut only fails
        found.invalid.extend(check_journeys(plan, taken))
    found.invalid.extend(generator)
    for stage, columns, judged, no_stalls in views:
        unsent = unsent_load(plan, policy, trial, stage, columns, judged, no_stalls and not generator)
        if unsent is not None:
            (found.by_service if unsent.by_service else found.invalid).append(unsent.reason)


def _check_decisions(plan: Plan, policy: Policy, log: TrialLog, results: Sequence[StageResult]) -> list[Reason]:
    """Return a reason when the journal's decisions are not those that the records lead to.

    A load trial has nothing to decide, and its journal may leave that out. A trial that did not complete is INVALID
    already, and its decisions stop somewhere.
    """
    if log.ending is not Ending.COMPLETED:
        return []
    search, known = search_of(plan, policy, log.trial), {result.index: result for result in results}
    replayed: list[tuple[int, int | None]] = []
    while (stage := search.next_stage()) is not None and stage.index in known:
        decision = search.feed(known[stage.index])
        replayed.append((decision.stage, decision.next))
    begun = [stage.index for stage in log.stages]
    recorded = log.decisions
    if not recorded and not isinstance(plan.trials[log.trial], StressTrial):
        recorded = tuple(replayed)
    if recorded == tuple(replayed) and begun == [stage for stage, _ in replayed]:
        return []
    shown = {"recorded": _chain(log.decisions), "replayed": _chain(replayed)}
    return [Reason(code="validity.decisions", params=shown)]


def _chain(decisions: Sequence[tuple[int, int | None]]) -> str:
    """Return decisions for people: ``1→2, 2→3, 3→■``, stages counted from 1."""
    return ", ".join(f"{a + 1}→{'■' if b is None else b + 1}" for a, b in decisions) or "–"


def _conclude(trial: Trial, found: _Findings) -> tuple[Verdict, list[Reason], tuple[ObjectiveResult, ...]]:
    """Return what the trial shows of the service, supposing that the evidence is valid."""
    if isinstance(trial, StressTrial):
        return _conclude_stress(trial, found)
    results = found.results[0].objectives if found.results else ()
    reasons = [objective_reason(o, r, None) for o, r in zip(limits_of(trial), results, strict=bool(results))]
    verdict = worst(result.verdict for result in results)
    if found.by_service:
        verdict = worst([verdict, Verdict.FAIL])
    return verdict, [*found.by_service, *_worst_first(reasons, results)], results


def _worst_first(reasons: Sequence[Reason], results: Sequence[ObjectiveResult]) -> list[Reason]:
    """Return the reasons of what is broken, then of what is undecided, then of what is kept."""
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    pairs = sorted(zip(reasons, results, strict=True), key=lambda pair: order.index(pair[1].verdict))
    return [reason for reason, _ in pairs]


def _conclude_stress(trial: StressTrial, found: _Findings) -> tuple[Verdict, list[Reason], tuple[ObjectiveResult, ...]]:
    """Return what a stress trial shows: its capacity limits decide, or, without any, its limits at every level."""
    capacities = [o for o in trial.objectives if o.metric is Metric.CAPACITY]
    judged = [judge_capacity(trial, objective, found.results) for objective in capacities]
    objectives = tuple(result for result, _ in judged)
    reasons = _worst_first([reason for _, reason in judged], objectives)
    if not capacities:
        objectives, reasons = _every_level(trial, found.results)
    verdict = worst(result.verdict for result in objectives)
    broken = next((result for result in found.results if result.held is False), None)
    if broken is not None and not capacities:
        # Too much unsent load breaks a level whose own limits may all be kept.
        verdict = worst([verdict, Verdict.FAIL])
    reasons += _breakpoint(trial, found, broken)
    return verdict, reasons, objectives


def _every_level(
    trial: StressTrial, results: Sequence[StageResult]
) -> tuple[tuple[ObjectiveResult, ...], list[Reason]]:
    """Return each limit at the level where it did worst, the lowest of these."""
    objectives: list[ObjectiveResult] = []
    reasons: list[Reason] = []
    for place, limit in enumerate(limits_of(trial)):
        shown = [(result.objectives[place], result.name) for result in results]
        if shown:
            verdict = worst(objective.verdict for objective, _ in shown)
            objective, level = next(pair for pair in shown if pair[0].verdict is verdict)
            objectives.append(objective)
            reasons.append(objective_reason(limit, objective, level))
    return tuple(objectives), _worst_first(reasons, objectives)


def _breakpoint(trial: StressTrial, found: _Findings, broken: StageResult | None) -> list[Reason]:
    """Return where and how the service broke, or that it did not; and what kept a level from being decided."""
    reasons: list[Reason] = []
    for result in found.results:
        if result.held is None:
            reasons += _limits_that_are(trial, result, Verdict.INCONCLUSIVE)
    if broken is not None:
        how = how_it_broke(broken, found.unsent[broken.index])
        reasons.append(Reason(code="breakpoint.found", params={"level": broken.name} | how))
        reasons += _limits_that_are(trial, broken, Verdict.FAIL)
    elif found.results:
        reasons.append(Reason(code="breakpoint.none", params={"level": found.results[-1].name}))
    return reasons + found.by_service


def _limits_that_are(trial: StressTrial, result: StageResult, verdict: Verdict) -> list[Reason]:
    pairs = zip(limits_of(trial), result.objectives, strict=True)
    return [objective_reason(limit, shown, result.name) for limit, shown in pairs if shown.verdict is verdict]
