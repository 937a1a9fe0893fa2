"""The stages of one trial on a backend: each is offered, merged, judged, and leads to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.backends.base import Backend, StageRun
from seatrial.engine.worker import Tick
from seatrial.errors import HappeningError, InterruptedRunError
from seatrial.model.journal import EventKind, StageLog
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.verdict import StageResult
from seatrial.samples.spool import stage_file
from seatrial.trials.happenings import Happenings, StageHappenings
from seatrial.trials.leftovers import stage_log
from seatrial.trials.observer import Observer
from seatrial.trials.stopping import Stops
from seatrial.trials.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from seatrial.trials.prospect import Hopeless, Prospect

__all__ = ["Run", "TrialStages"]


class _Log(Protocol):
    def __call__(
        self,
        kind: EventKind,
        trial: int,
        stage: int,
        data: dict[str, Any] | None = None,
        at_ns: int | None = None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """What the trials of a run have in common.

    Attributes:
        loaded: The plan.
        policy: The rules.
        workers: How many there are.
        workspace: Where everything is written.
        observer: Told of everything.
        epoch_ns: The run's epoch on the monotonic clock.
        stops: What ends the run.
        leave: Raises when the run is to end.
        log: Writes an event into the journal.
        telemetry: Returns the readings of the service's own figures in the trial so far; None where none are taken.
        count: Counts the rows of a stage, before they go into the records.
    """

    loaded: LoadedPlan
    policy: Policy
    workers: int
    workspace: Workspace
    observer: Observer
    epoch_ns: int
    stops: Stops
    leave: Callable[[], object]
    log: _Log
    telemetry: Callable[[], pl.DataFrame] | None = None
    count: Callable[[], object] = lambda: None


class TrialStages:
    """Runs the stages of one trial.

    Args:
        run: The run.
        index: Of the trial.
        name: Of the trial.
        backend: Its workers, started.
        spool: Where these write.
        happenings: What is done to the service.
    """

    def __init__(self, run: Run, index: int, name: str, backend: Backend, spool: Path, happenings: Happenings) -> None:
        self._run, self._index, self._name = run, index, name
        self._backend, self._spool, self._happenings = backend, spool, happenings
        self._plan = run.loaded.plan
        self._trial = self._plan.trials[index]

    def run(self) -> None:
        """Offer every stage that the trial asks for.

        Raises:
            InterruptedRunError: the run is to end.
            EngineError, EvidenceError, HappeningError: it can't go on.
        """
        last: Stage | None = None
        if not self._trial.adapts:  # what judges records is large, and not needed before there are some
            for fixed in self._trial.stages(self._index, self._plan):
                log, _ = self._stage(fixed, last)
                if log.cut is not None:
                    return  # the workers take no further stage
                last = fixed
            return
        from seatrial.verdict.search import search_of

        search = search_of(self._plan, self._run.policy, self._index)
        while (stage := search.next_stage()) is not None:
            log, result = self._stage(stage, last)
            decision = search.feed(result)
            facts = {"held": decision.held, "next": decision.next}
            at_ns = self._run.epoch_ns + (log.drained_ns or 0)
            self._run.log(EventKind.DECISION, self._index, stage.index, facts, at_ns=at_ns)
            if log.cut is not None:
                return
            last = stage

    def _stage(self, stage: Stage, last: Stage | None) -> tuple[StageLog, StageResult]:
        if (wanted := self._trial.beforehand(stage, last)) is not None:
            self._happenings.beforehand(wanted, stage)
        prospect = self._prospect(stage)
        with StageHappenings(self._happenings, stage, self._trial.happenings(stage)) as happenings:
            run = self._offer(stage, prospect, happenings)
            happenings.finish()
        # Here and not above: what reads and judges records is large, and is not needed before there are some.
        from seatrial.samples.merge import merge_stage
        from seatrial.verdict.stage import summarise_stage

        of = self._run
        of.count()
        records = merge_stage(run.spools, of.workspace.records(self._index, self._name), of.epoch_ns)
        of.workspace.bring_in()
        log = stage_log(stage, run, None if prospect is None else prospect.found, of.epoch_ns)
        facts = {"load_end_ns": log.load_end_ns, "drained_ns": log.drained_ns, "sessions": log.sessions}
        of.log(EventKind.STAGE_ENDED, self._index, stage.index, facts, at_ns=run.drained_ns)
        readings = None if of.telemetry is None else of.telemetry()
        result = summarise_stage(self._plan, of.loaded.digest, of.policy, self._index, stage, records, log, readings)
        of.observer.stage_ended(self._index, stage, result)
        return log, result

    def _offer(self, stage: Stage, prospect: Prospect | None, happenings: StageHappenings) -> StageRun:
        index, of = self._index, self._run

        def on_start(start_ns: int) -> None:
            happenings.begin(start_ns)
            of.log(EventKind.STAGE_STARTED, index, stage.index, {"name": stage.name}, at_ns=start_ns)
            of.observer.stage_started(index, stage)
            if prospect is not None:
                prospect.begin(start_ns)

        def on_tick(tick: Tick) -> None:
            of.workspace.diagnose(index, tick)
            of.observer.tick(index, stage, tick)

        def on_report(tick: Tick) -> None:
            on_tick(tick)
            of.stops.note(tick.stop_asked)
            of.leave()  # between two whole reports, at most a second after somebody asked
            happenings.look()
            if prospect is not None and (found := prospect.take(tick)) is not None:
                self._end_early(stage, found)

        of.leave()
        try:
            return self._backend.run_stage(stage, on_start, on_report)
        except (InterruptedRunError, HappeningError):
            self._backend.stop(on_tick)
            raise

    def _prospect(self, stage: Stage) -> Prospect | None:
        if not self._plan.stop.hopeless or not self._trial.may_be_cut:
            return None
        from seatrial.trials.prospect import Prospect

        of = self._run
        files = [stage_file(self._spool, stage.index, worker) for worker in range(of.workers)]
        return Prospect(self._plan, of.loaded.digest, of.policy, stage, files, of.epoch_ns)

    def _end_early(self, stage: Stage, found: Hopeless) -> None:
        limits = [result.objective for result in found.limits]
        facts = {"limits": limits, "seen_ns": found.cut.seen_ns, "cut_ns": found.cut.at_ns}
        self._run.log(EventKind.HOPELESS, self._index, stage.index, facts)
        self._backend.cut(found.end_ns)
        broken = ", ".join(limits)
        self._run.observer.noted(f"{stage.name} is ended early: even in the best case it would break {broken}")
