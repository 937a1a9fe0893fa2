"""Executing a plan: stage after stage on a backend, everything kept, then judged and sealed.

However a run ends (completed, stopped by a person, a worker lost, the disk full, the target gone) what was
recorded is merged, the journal says how it ended, and the bundle is judged and sealed all the same: a run that
went wrong is evidence too, and its verdict is never PASS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.authoring.policies import LoadedPolicy
from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.backends.base import Backend
from seatrial.clock import Clock
from seatrial.engine.arrivals import FeedRows
from seatrial.engine.health import clock_offset_ns
from seatrial.engine.http.target import Target
from seatrial.engine.worker import WorkerSpec
from seatrial.errors import (
    EngineError,
    EvidenceError,
    HappeningError,
    InterruptedRunError,
    PermissionEndedError,
    RecordingError,
    SeatrialError,
    SetUpError,
    TargetError,
    TargetStoppedError,
    WorkerLostError,
)
from seatrial.model.journal import Event, EventKind
from seatrial.trials.consent import ConsentWatch
from seatrial.trials.documents import Feeds, read_feeds, write_documents
from seatrial.trials.finish import RunResult, close_bundle
from seatrial.trials.happenings import Happenings
from seatrial.trials.leftovers import merge_leftovers, merge_readings, merge_workers_health
from seatrial.trials.limits import Limits
from seatrial.trials.observer import Observer
from seatrial.trials.options import RunOptions
from seatrial.trials.permission import Permission, permitted_pages, permitted_target, refuse_untrusted, stop_files
from seatrial.trials.phases import Phases
from seatrial.trials.sealed import SealedRun, held_to_seal
from seatrial.trials.stages import Run, TrialStages
from seatrial.trials.stopping import Stops, StopSignals
from seatrial.trials.target_watch import TargetWatch
from seatrial.trials.workspace import Workspace, new_bundle_folder

if TYPE_CHECKING:
    from seatrial.trials.scrape import Page
    from seatrial.trials.telemetry import TelemetryWatch

__all__ = ["RunOptions", "execute"]

_ENDINGS: tuple[tuple[type[Exception], EventKind], ...] = (
    (TargetStoppedError, EventKind.TARGET_STOPPED),
    (PermissionEndedError, EventKind.PERMISSION_ENDED),
    (InterruptedRunError, EventKind.INTERRUPTED),
    (HappeningError, EventKind.HAPPENING_FAILED),
    (SetUpError, EventKind.SET_UP_FAILED),
    (RecordingError, EventKind.RECORDING_FAILED),
    (TargetError, EventKind.TARGET_FAILED),
    (WorkerLostError, EventKind.WORKER_LOST),
    (EngineError, EventKind.WORKER_LOST),
)


def execute(
    loaded: LoadedPlan,
    policy: LoadedPolicy,
    options: RunOptions,
    new_backend: Callable[[], Backend],
    observer: Observer,
    clock: Clock,
    stop_at_once: Callable[[], object] = lambda: None,
) -> RunResult:
    """Run a plan and return its sealed bundle and verdict.

    The first Ctrl-C or SIGTERM ends the load and keeps, judges and seals what was recorded. So do a stop file and the
    service itself (:mod:`seatrial.trials.stopping`).

    Args:
        loaded: The plan.
        policy: The rules it is judged by.
        options: How to run.
        new_backend: Makes the workers of one trial.
        observer: Told of everything.
        clock: Wall-clock time, for provenance.
        stop_at_once: Called at the second Ctrl-C or SIGTERM; KeyboardInterrupt follows where it returns.

    Raises:
        UsageError: journeys in Python without trust, no workers, an unusable output folder, a stop file that is
            there already, or anything else than what was sealed.
        NotAuthorisedError: the target may not be loaded; nothing was sent, and nothing is left behind.
        PlanError: a feeder changed since the plan was checked.
        RecordingError: the disk refused the beginning of the bundle, or its end.
    """
    refuse_untrusted(loaded, options)
    files = stop_files(loaded, options)
    Stops(StopSignals(stop_at_once), files)  # refuses before anything is sent or written
    feeds = read_feeds(loaded)
    sealed = held_to_seal(loaded, policy, options, feeds, clock.now())
    target, permission = permitted_target(loaded, options, clock)
    pages = permitted_pages(loaded, permission)
    folder = new_bundle_folder(options.out, loaded.plan.title, clock.now())
    workspace = Workspace(folder)

    def at_once() -> None:
        workspace.make_room()
        stop_at_once()

    try:
        with StopSignals(at_once) as signals:
            limits = Limits(permission)
            run = _Run(loaded, policy, options, new_backend, observer, workspace, pages, limits)
            if run.begin(feeds, target, clock, permission, sealed) and not isinstance(target, TargetError):
                consent = ConsentWatch(loaded, target, permission, limits, clock, options)
                with consent, TargetWatch(loaded.plan, target, loaded.base.resolve()) as watch:
                    run.all_trials(target, Stops(signals, files, watch.said, limits.ending), watch)
            workspace.close()
            result = close_bundle(folder, workspace.chain, run.ending, options.signers, clock)
            result = sealed.end(result, run.ended_as, clock.now())
            observer.run_ended(result.verdict)
            return result
    finally:
        workspace.close()
        sealed.close()


class _Run:
    """One run under way."""

    def __init__(
        self,
        loaded: LoadedPlan,
        policy: LoadedPolicy,
        options: RunOptions,
        new_backend: Callable[[], Backend],
        observer: Observer,
        workspace: Workspace,
        pages: Mapping[str, Page],
        limits: Limits,
    ) -> None:
        self.workspace = workspace
        self._limits = limits
        self._pages = pages
        self.ending: Exception | None = None
        self.ended_as = "completed"
        self._loaded = loaded
        self._policy = policy
        self._options = options
        self._new_backend = new_backend
        self._observer = observer
        self._epoch_ns = time.monotonic_ns()
        self._clock_offset_ns = clock_offset_ns()
        self._feeds: tuple[Mapping[str, FeedRows], ...] = ()
        self._stops: Stops

    def begin(
        self,
        feeds: Feeds,
        target: Target | TargetError,
        clock: Clock,
        permission: Permission | None,
        sealed: SealedRun,
    ) -> bool:
        """Write what is known before the first request, and make sure that the target can be reached.

        Returns:
            Whether it can; the run has ended where it can't.
        """
        plan, options = self._loaded.plan, self._options
        self._feeds = tuple(feeds)
        sealed.start(self.workspace, clock.now())  # before the first request, and before anything else is known
        write_documents(
            self.workspace,
            self._loaded,
            self._policy,
            release=options.release,
            calibration=options.calibration,
            feeds=feeds,
            target=None if isinstance(target, TargetError) else target,
            command=options.command,
            workers=options.workers,
            started=clock.now(),
            permission=permission,
            attempt=sealed.facts,
        )
        # The epoch lets the rows of a run that was killed be brought onto the journal's clock.
        facts = {"seed": plan.seed, "workers": options.workers, "epoch_ns": self._epoch_ns}
        self._log(EventKind.RUN_STARTED, data=facts)
        try:
            if isinstance(target, TargetError):
                raise target
            self._observer.run_started(plan, self.workspace.folder, options.workers)
            return True
        except TargetError as error:
            self._note(error, trial=0)
            self._log(EventKind.RUN_ENDED)
            return False

    def all_trials(self, target: Target, stops: Stops, watch: TargetWatch) -> None:
        """Run every trial in the plan's order; a failure ends the run."""
        self._stops, base = stops, self._loaded.base.resolve()
        phases = Phases(self._loaded.plan, target, base, self._log, self._observer.noted, stops)
        for index, name in enumerate(self._loaded.plan.trial_names()):
            if self.ending is None:
                self._trial(index, name, target, phases)
        with suppress(RecordingError):
            if watch.is_on:
                facts = {"asked": watch.asked, "unanswered": watch.unanswered}
                self._log(EventKind.STOP_SIGNAL_ASKED, data=facts)
            self._log(EventKind.RUN_ENDED)

    def _trial(self, index: int, name: str, target: Target, phases: Phases) -> None:
        spool = self.workspace.spool(index, name)
        self._limits.watch(spool, self._epoch_ns)
        workers = self._options.workers
        loaded, feeds = self._loaded, self._feeds
        base = loaded.base.resolve()
        begun = False
        try:
            self._leave_if_asked()
            begun = True
            given = phases.set_up(index)
            specs = [
                WorkerSpec(loaded.plan, loaded.digest, base, target, index, worker, workers, spool, feeds, given)
                for worker in range(workers)
            ]
            self._leave_if_asked()
            # The first trial's clock is looked at when the run begins: the dates in the evidence are of then.
            offset_ns = clock_offset_ns() if index else self._clock_offset_ns
            self._log(EventKind.TRIAL_STARTED, index, data={"workers": workers, "clock_offset_ns": offset_ns})
            happenings = Happenings(
                loaded.plan,
                target,
                base,
                given,
                index,
                self._epoch_ns,
                self._log,
                self._observer.noted,
                self._leave_if_asked,
                self._stops.signals,
            )
            with self._new_backend() as backend, self._telemetry(spool) as telemetry:
                backend.start(specs)
                run = Run(
                    loaded,
                    self._policy.policy,
                    workers,
                    self.workspace,
                    self._observer,
                    self._epoch_ns,
                    self._stops,
                    self._leave_if_asked,
                    self._log,
                    None if telemetry is None else telemetry.so_far,
                    self._limits.count,
                )
                TrialStages(run, index, name, backend, spool, happenings).run()
            self._limits.raise_excess()
            if telemetry is not None:
                telemetry.raise_failure()
        except (EngineError, EvidenceError, InterruptedRunError, SetUpError) as error:
            self._note(error, index)
        except KeyboardInterrupt:
            begun = False  # a person who asked twice does not wait for a tear-down
            raise
        finally:
            self._gather(index, name, spool)
            if begun:
                phases.tear_down(index)

    def _telemetry(self, spool: Path) -> AbstractContextManager[TelemetryWatch | None]:
        """Return what reads the service's own figures; nothing where the plan names none."""
        plan = self._loaded.plan
        if plan.telemetry is None:
            return nullcontext()
        from seatrial.trials.telemetry import TelemetryWatch  # it is large, and most plans have none

        return TelemetryWatch(plan, self._loaded.base.resolve(), self._pages, spool, self._epoch_ns)

    def _leave_if_asked(self) -> None:
        if self._stops.reason() is not None:
            self._observer.stopping()
            self._stops.raise_if_asked()

    def _gather(self, index: int, name: str, spool: Path) -> None:
        """Bring everything that a trial left behind into the bundle, however it ended."""
        workers = self._options.workers
        steps: list[Callable[[], object]] = [
            lambda: merge_leftovers(self.workspace.records(index, name), spool, workers, self._epoch_ns),
            lambda: merge_workers_health(self.workspace.health(index, name), spool, workers, self._epoch_ns),
            lambda: self._gather_readings(index, name, spool),
            self.workspace.bring_in,
            lambda: self.workspace.write_diagnostics(self._loaded.plan, index, name),
            lambda: self._log(EventKind.TRIAL_ENDED, index),
        ]
        for step in steps:
            try:
                step()
            except (RecordingError, EvidenceError) as error:
                self._note(error, index)
            except OSError as error:
                self._note(
                    RecordingError("what the workers left can't be gathered", value=error, remedy="Free some space."),
                    index,
                )

    def _gather_readings(self, index: int, name: str, spool: Path) -> None:
        if self._loaded.plan.telemetry is not None:
            merge_readings(self.workspace.telemetry(index, name), spool, self._epoch_ns)

    def _note(self, error: SeatrialError, trial: int) -> None:
        """Write down why the run can't go on; the first reason is the one that counts."""
        first = self.ending is None
        self.ending = self.ending or error
        if isinstance(error, RecordingError):
            self.workspace.make_room()
        kind = next((kind for known, kind in _ENDINGS if isinstance(error, known)), EventKind.RECORDING_FAILED)
        self.ended_as = str(kind) if first else self.ended_as
        with suppress(RecordingError):
            facts = error.facts if isinstance(error, SetUpError) else {}
            self._log(kind, trial, data={"detail": str(error).removesuffix("."), **facts})
        if first:
            self._observer.failed(str(error))

    def _log(
        self,
        kind: EventKind,
        trial: int | None = None,
        stage: int | None = None,
        data: dict[str, Any] | None = None,
        at_ns: int | None = None,
    ) -> None:
        moment = (time.monotonic_ns() if at_ns is None else at_ns) - self._epoch_ns
        self.workspace.log(Event(at_ns=moment, event=kind, trial=trial, stage=stage, data=data or {}))
