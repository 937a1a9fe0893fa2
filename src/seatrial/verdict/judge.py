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

import polars as pl

from seatrial.errors import BundleError
from seatrial.model.journal import Ending, StageLog
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.verdict import Reason, RunVerdict, StageResult, TrialVerdict, Verdict, worst
from seatrial.samples.telemetry import empty_telemetry
from seatrial.verdict.attempts import all_retries
from seatrial.verdict.calibration import Calibrated, load_of, weigh
from seatrial.verdict.closed import scheduled
from seatrial.verdict.contradictions import contradictions
from seatrial.verdict.facts import facts_of
from seatrial.verdict.findings import findings
from seatrial.verdict.found import Found
from seatrial.verdict.generator import check_generator, check_send_lag, stalls_within, unsent_load
from seatrial.verdict.happenings import check_happenings
from seatrial.verdict.hopeless import offered
from seatrial.verdict.inputs import (
    Rows,
    TrialData,
    TrialRecords,
    check_health,
    empty_health,
    empty_records,
)
from seatrial.verdict.kinds.all import KINDS
from seatrial.verdict.kinds.base import Seen
from seatrial.verdict.machine import clock_steps
from seatrial.verdict.search import search_of
from seatrial.verdict.stage import judged_records, summarise
from seatrial.verdict.telemetry import check_telemetry, missing_telemetry
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
    found = Found()
    found.invalid.extend(check_log(data.log, trial.stages(index, plan)))
    found.invalid.extend(data.problems)
    health = _sound_health(data, found)
    records = _sound_records(data, found)
    telemetry = _sound_telemetry(plan, data, found)
    _Examination(plan, plan_digest, policy, data, records, health, telemetry, found).examine()
    concluded = KINDS[trial.kind].conclude(plan, policy, trial, data.log, found)
    verdict, reasons = concluded.verdict, [*concluded.reasons, *found.cut]
    if calibrated is not None:
        against, proven = weigh(plan, policy, calibrated, found.loads)
        found.invalid.extend(against)
        reasons = [*reasons, proven] if proven else reasons
    reasons = [*reasons, *findings(plan, trial, found.results, found.taken)]
    if found.invalid:
        verdict, reasons = Verdict.INVALID, found.invalid
    if stepped := clock_steps(health, data.log.clock_offset_ns):
        reasons = [*reasons, stepped]
    return TrialVerdict(
        name=plan.trial_names()[index],
        kind=trial.kind,
        verdict=verdict,
        reasons=_without_repeats(reasons),
        objectives=concluded.objectives,
        stages=tuple(found.results),
        retries=all_retries(found.results),
        **concluded.parts,
    )


def _without_repeats(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for place, reason in enumerate(reasons) if reason not in reasons[:place])


def _detail(error: BundleError) -> dict[str, str]:
    return {"detail": str(error.value)}


def _sound_health(data: TrialData, found: Found) -> pl.DataFrame:
    """Return the health rows; none where they are malformed."""
    try:
        check_health(data.health)
    except BundleError as error:
        found.invalid.append(Reason(code="validity.health_unreadable", params=_detail(error)))
        return empty_health()
    return data.health


def _sound_telemetry(plan: Plan, data: TrialData, found: Found) -> pl.DataFrame:
    """Return the readings of the service's own figures; none where they are malformed."""
    try:
        check_telemetry(plan, data.telemetry)
    except BundleError as error:
        found.invalid.append(Reason(code="validity.telemetry_unreadable", params=_detail(error)))
        return empty_telemetry()
    return data.telemetry


def _sound_records(data: TrialData, found: Found) -> TrialRecords:
    """Return the records; none where they are malformed. Strays are reported here."""
    try:
        records = TrialRecords(data.records)
    except BundleError as error:
        found.invalid.append(Reason(code="validity.records_unreadable", params=_detail(error)))
        return TrialRecords(empty_records())
    found.invalid.extend(check_strays(records.per_stage, {stage.index for stage in data.log.stages}))
    return records


class _Examination:
    """One trial's finished stages: their records, the generator's health, and what they show of the service.

    The search is replayed as the records lead it: each stage is the one that it asks for after those before.
    """

    def __init__(
        self,
        plan: Plan,
        plan_digest: str,
        policy: Policy,
        data: TrialData,
        records: TrialRecords,
        health: pl.DataFrame,
        telemetry: pl.DataFrame,
        found: Found,
    ) -> None:
        self._plan, self._digest, self._policy, self._data = plan, plan_digest, policy, data
        self._records, self._health, self._found, self._log = records, health, found, data.log
        self._telemetry = telemetry
        self._trial = plan.trials[data.log.trial]
        self._kind = KINDS[self._trial.kind]
        self._lag_limit = send_lag_limit(policy, self._trial)
        self._of_generator: list[Reason] = []
        self._views: list[tuple[Stage, Rows, Rows, bool]] = []
        self._total = self._judged = 0
        self._journeys: set[int] = set()

    def examine(self) -> None:
        """Fill what is found."""
        found, plan, policy, log = self._found, self._plan, self._policy, self._log
        torn = self._replay()
        finished = [begun for begun in log.stages if begun.index in found.stages]
        generator = check_generator(policy, found.stages, log.workers, finished, self._health)
        generator += self._of_generator
        found.invalid.extend(check_samples(policy, self._total, self._judged))
        if self._judged and not (found.cut and not self._kind.breaks):  # a trial that was cut only fails
            found.invalid.extend(check_journeys(plan, self._journeys))
        found.invalid.extend(generator)
        for stage, columns, judged, no_stalls in self._views:
            healthy = no_stalls and not generator
            unsent = unsent_load(plan, policy, self._trial, stage, columns, judged, healthy)
            if unsent is not None:
                (found.by_service if unsent.by_service else found.invalid).append(unsent.reason)
        found.invalid.extend(torn)

    def _replay(self) -> list[Reason]:
        """Go from stage to stage, and compare the journal's decisions with those that the records lead to.

        A trial that did not complete is INVALID already, and its decisions stop somewhere. A trial that does not adapt
        has nothing to decide, and its journal may leave that out.
        """
        found, log = self._found, self._log
        search = search_of(self._plan, self._policy, log.trial)
        last: Stage | None = None
        for begun in log.stages:
            stage = search.next_stage() if begun.finished else None
            if stage is None or stage.index != begun.index:
                found.off = True
                break
            found.stages[stage.index] = stage
            found.invalid.extend(check_happenings(self._trial, stage, last, begun, log))
            last = stage
            result = self._stage(stage, begun)
            if result is None:
                break  # what it showed is not known, so neither is what was to follow
            found.results.append(result)
            decision = search.feed(result)
            found.decisions.append((decision.stage, decision.next))
        if log.ending is not Ending.COMPLETED:
            return []
        recorded = log.decisions if log.decisions or self._trial.adapts else tuple(found.decisions)
        over = search.next_stage() is None or bool(found.cut)
        if not found.off and over and recorded == tuple(found.decisions):
            return []
        shown = {"recorded": _chain(log.decisions), "replayed": _chain(found.decisions)}
        return [Reason(code="validity.decisions", params=shown)]

    def _stage(self, stage: Stage, begun: StageLog) -> StageResult | None:
        """Return what a stage showed; None where its records are not those of a stage."""
        plan, policy, trial, found = self._plan, self._policy, self._trial, self._found
        try:
            rows = self._records.stage(stage.index)
        except BundleError as error:
            found.invalid.append(Reason(code="validity.records_unreadable", params=_detail(error)))
            return None
        if beyond := list(check_size(stage, len(rows[0]))):
            found.invalid.extend(beyond)
            return None
        columns, attempts, table = scheduled(plan, self._digest, stage, rows, begun)
        part = offered(plan, policy, trial, stage, columns, table, begun)
        found.note_cut(stage, part)
        stage, columns, table = part.stage, part.columns, part.table
        found.invalid.extend(
            contradictions(plan, self._digest, part, begun, rows, self._health, self._log.workers, self._lag_limit)
        )
        if load := load_of(stage, columns, table):
            found.loads.append(load)
        judged = judged_records(columns, table)
        self._of_generator.extend(check_send_lag(stage, judged, self._lag_limit))
        again = len(judged_records(attempts, table))
        result = summarise(plan, policy, trial, stage, judged, part.prospects, again, begun.started_ns, self._telemetry)
        found.invalid.extend(missing_telemetry(plan, trial, stage, begun.started_ns, self._telemetry))
        facts = facts_of(judged)
        found.unsent[stage.index] = facts.unsent
        self._total, self._judged = self._total + len(columns), self._judged + facts.count
        self._journeys |= facts.journeys
        found.taken |= facts.taken
        if facts.count and not result.ok:
            found.by_service.append(Reason(code="service.nothing_ok", params={"level": stage.name}))
        if found.unsent[stage.index]:
            self._views.append((stage, columns, judged, stalls_within(self._health, begun, self._lag_limit)))
        if self._kind.observe is not None:
            seen = Seen(plan, policy, trial, stage, begun, judged, self._data)
            found.observed[stage.index] = self._kind.observe(seen)
        return result


def _chain(decisions: Sequence[tuple[int, int | None]]) -> str:
    """Return decisions for people: ``1→2, 2→3, 3→■``, stages counted from 1."""
    return ", ".join(f"{a + 1}→{'■' if b is None else b + 1}" for a, b in decisions) or "–"
