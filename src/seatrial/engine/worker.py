"""One worker: takes orders from a run, offers its slice of each stage, and reports once a second."""

from __future__ import annotations

import errno
import gc
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import numpy as np

from seatrial import __version__
from seatrial.engine.arrivals import FeedRows, Given
from seatrial.engine.driver import Driver
from seatrial.engine.health import HealthMonitor, HealthRow
from seatrial.engine.http.sources import family_of
from seatrial.engine.http.stop_field import stop_requests
from seatrial.engine.http.target import Target, tls_context
from seatrial.engine.multipart import Files
from seatrial.engine.python_session import JourneyFunction, start_python
from seatrial.engine.recorder import Recorder
from seatrial.engine.scripted import CompiledJourney, compile_journey
from seatrial.engine.stage import StageDone, StageOrder
from seatrial.engine.synthetic import SyntheticText
from seatrial.engine.tally import Tally
from seatrial.errors import RecordingError, SeatrialError
from seatrial.model.health import lag_counts
from seatrial.model.journey import Journey
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import NEVER, Outcome
from seatrial.model.schedule import Schedule
from seatrial.model.users import UserDraws
from seatrial.samples.codec import Rows
from seatrial.samples.spool import health_file, stage_file

__all__ = [
    "BUCKETS_PER_OCTAVE",
    "Cut",
    "Failed",
    "Ready",
    "RunStage",
    "StageEnded",
    "Stop",
    "Tick",
    "WorkerSpec",
    "compile_journeys",
    "make_driver",
    "work",
]

BUCKETS_PER_OCTAVE = 8
"""Live histograms: bucket b holds response times around 2**(b / 8) microseconds."""

_NO_FILES = (os.strerror(errno.EMFILE), os.strerror(errno.ENFILE))
_NO_PORTS = (os.strerror(errno.EADDRNOTAVAIL),)


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Everything a worker needs for one trial.

    Attributes:
        plan: The plan.
        plan_digest: SHA-256 of its source.
        base: Folder that names in the plan refer to.
        target: Resolved by the run, the same for all workers.
        trial: Index of the trial.
        worker: Index of this worker.
        workers: Number of workers.
        spool: Folder for its rows; exists.
        feeds: For each journey, variable name to rows.
        given: Variables that every session has from its beginning: what the set-up extracted.
    """

    plan: Plan
    plan_digest: str
    base: Path
    target: Target
    trial: int
    worker: int
    workers: int
    spool: Path
    feeds: tuple[Mapping[str, FeedRows], ...]
    given: Mapping[str, Any] = field(default_factory=dict)


# Orders to a worker.
@dataclass(frozen=True, slots=True)
class RunStage:
    """Offer a stage from ``start_ns`` on the monotonic clock."""

    stage: Stage
    start_ns: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Offer nothing more; finish what is under way within a few seconds."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Offer no session that is due at ``at_ns`` on the monotonic clock or later; then as for :class:`Stop`."""

    at_ns: int


# Reports from a worker.
@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has compiled its journeys and waits for orders."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What happened since the last tick.

    Attributes:
        worker: Who reports.
        intended: Sessions of the stage that were due so far.
        active: Sessions in progress.
        outcomes: Outcome to steps ended since the last tick.
        histogram: Bucket to steps, over response times since the last tick (see ``BUCKETS_PER_OCTAVE``).
        lag_p99_ns: 99th percentile of send lag since the last tick; NEVER without a sent step.
        health: The health row written just now.
        diagnostics: (journey, step, outcome, detail, count) since the last tick.
        elapsed_ns: From the instant that the stage's arrivals count from; below zero before it.
        against: For each limit of the trial but capacity, the judged steps since the last tick that speak against it
            (see :mod:`seatrial.engine.tally`); empty where nobody asks.
        stop_asked: Whether an answer of the service asked for the end of the run.
    """

    worker: int
    intended: int
    active: int
    outcomes: dict[int, int] = field(default_factory=dict)
    histogram: dict[int, int] = field(default_factory=dict)
    lag_p99_ns: int = NEVER
    health: HealthRow = field(default_factory=dict)
    diagnostics: list[tuple[int, int, int, str, int]] = field(default_factory=list)
    elapsed_ns: int = 0
    against: tuple[int, ...] = ()
    stop_asked: bool = False


@dataclass(frozen=True, slots=True)
class StageEnded:
    """The stage is over on this worker."""

    worker: int
    stage: int
    done: StageDone


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker can't go on.

    Attributes:
        worker: Who reports.
        recording: Whether writing the records failed.
        detail: The error's own sentence.
    """

    worker: int
    recording: bool
    detail: str


class _Control:
    """Listens to the run's orders while a stage is running."""

    def __init__(self, pipe: Pipe, driver: Driver) -> None:
        self._pipe = pipe
        self._driver = driver
        self.abandoned = False

    def on_event(self, mask: int) -> None:
        try:
            while self._pipe.poll():
                order = self._pipe.recv()
                if isinstance(order, Cut):
                    self._driver.stop(order.at_ns)
                elif isinstance(order, Stop):
                    self._driver.stop()
        except (EOFError, OSError):  # the run itself is gone: stop loading a service that nobody watches
            self.abandoned = True
            self._driver.unregister(self._pipe.fileno())
            self._driver.stop()


def work(spec: WorkerSpec, pipe: Pipe, python_journeys: Mapping[str, JourneyFunction]) -> None:
    """Serve orders until the pipe closes.

    Args:
        spec: What to do.
        pipe: Orders in, reports out.
        python_journeys: Journey name to its coroutine function, for journeys written in Python.
    """
    try:
        _serve(spec, pipe, python_journeys)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except (SeatrialError, MemoryError) as error:
        with suppress(OSError):
            pipe.send(Failed(spec.worker, isinstance(error, RecordingError), str(error) or type(error).__name__))


def _serve(spec: WorkerSpec, pipe: Pipe, python_journeys: Mapping[str, JourneyFunction]) -> None:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    health = HealthMonitor(health_file(spec.spool, spec.worker), spec.worker, _routes(spec))
    driver = make_driver(spec, health, compile_journeys(spec, python_journeys))
    control = _Control(pipe, driver)
    pipe.send(Ready())
    # What exists now lives as long as the worker: keep the collector away from it, and from the hot path, where
    # finished sessions leave no cycles behind.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while not control.abandoned:
            order = pipe.recv()
            if isinstance(order, RunStage):
                _run_stage(spec, pipe, driver, control, order, health)
            elif isinstance(order, Stop):
                return
    finally:
        driver.close()
        health.close()


def _routes(spec: WorkerSpec) -> int:
    """Return the pairs of a source and a target address that connections are spread over.

    Where the plan names no source, the system picks one for each target address.
    """
    families = [family for family, _ in spec.target.addresses]
    return sum(families.count(family_of(source)) for source in spec.target.sources) or len(families)


def _run_stage(
    spec: WorkerSpec, pipe: Pipe, driver: Driver, control: _Control, order: RunStage, health: HealthMonitor
) -> None:
    stage = order.stage
    recorder = Recorder(stage_file(spec.spool, stage.index, spec.worker))
    stage_order = StageOrder(
        schedule=Schedule(spec.plan_digest, spec.plan.seed, stage, spec.plan.weights),
        stage=stage.index,
        start_ns=order.start_ns,
        duration_ns=stage.profile.duration_ns,
        drain_ns=stage.drain_ns,
        worker=spec.worker,
        workers=spec.workers,
        draws=None
        if stage.users is None
        else UserDraws(spec.plan_digest, spec.plan.seed, stage.trial, stage.index, stage.users, spec.plan.weights),
    )

    tally = Tally(spec.plan, stage, order.start_ns) if spec.plan.stop.hopeless else None

    def tick() -> None:
        if gc.get_count()[0] > 200_000:  # journeys in Python may leave cycles; bound what they hold
            gc.collect(0)
        rows = recorder.take()
        against = () if tally is None else tally.count(rows)
        pipe.send(_tick(spec.worker, driver, rows, health, order.start_ns, against))

    driver.register(pipe.fileno(), control, 1)
    try:
        done = driver.run_stage(stage_order, recorder, tick)
        tick()
    finally:
        driver.unregister(pipe.fileno())
        recorder.close()
    pipe.send(StageEnded(spec.worker, stage.index, done))


def _tick(
    worker: int, driver: Driver, rows: Rows, health: HealthMonitor, start_ns: int, against: tuple[int, ...]
) -> Tick:
    outcomes = np.bincount(rows["outcome"], minlength=len(Outcome)) if len(rows) else np.zeros(0, dtype=np.int64)
    if len(rows) and outcomes[Outcome.RETRIED]:  # attempts; the step has a record of its own
        rows = rows[rows["outcome"] != Outcome.RETRIED]
    response_us = np.maximum((rows["done_ns"] - rows["intended_ns"]) / 1000, 1.0)
    buckets, counts = np.unique(np.rint(np.log2(response_us) * BUCKETS_PER_OCTAVE).astype(int), return_counts=True)
    lag = (rows["sent_ns"] - rows["intended_ns"])[rows["sent_ns"] != NEVER]
    diagnostics = driver.diagnostics.take()
    row = health.sample(
        driver.sessions,
        # Where it watches them itself: less the pipe to the run, which a worker that failed has let go of as well.
        max(0, driver.connections - (driver.transport is None)),
        lag_counts(lag),
        _refused(diagnostics, _NO_FILES),
        _refused(diagnostics, _NO_PORTS),
    )
    return Tick(
        worker=worker,
        intended=driver.intended,
        active=driver.sessions,
        outcomes={code: int(count) for code, count in enumerate(outcomes) if count},
        histogram=dict(zip(buckets.tolist(), counts.tolist(), strict=True)),
        lag_p99_ns=int(np.quantile(lag, 0.99)) if len(lag) else NEVER,
        health=row,
        diagnostics=diagnostics,
        elapsed_ns=int(row["at_ns"]) - start_ns,
        against=against,
        stop_asked=stop_requests() > 0,
    )


def _refused(diagnostics: Sequence[tuple[int, int, int, str, int]], errors: Sequence[str]) -> int:
    """Return how many requests could not be sent for one of these errors of the machine."""
    return sum(
        count
        for _, _, outcome, detail, count in diagnostics
        if outcome == Outcome.UNSENT and any(error in detail for error in errors)
    )


def compile_journeys(spec: WorkerSpec, python_journeys: Mapping[str, JourneyFunction]) -> list[CompiledJourney]:
    """Return the plan's journeys ready to run, in its order."""
    plan, fields, files = spec.plan, _fields(spec), Files(spec.base)

    def compiled(name: str, journey: Journey) -> CompiledJourney:
        if journey.python is None:
            return compile_journey(journey, spec.target.prefix, fields, plan.deadlines.response, plan.redirects, files)
        start: Callable[[Any], Any] = start_python(python_journeys[name], journey.step_names, plan.redirects)
        count = len(journey.step_names)
        return CompiledJourney(start, lambda session: iter(range(session.step + 1, count)))

    return [compiled(name, journey) for name, journey in plan.journeys.items()]


def _fields(spec: WorkerSpec) -> dict[str, str]:
    own = {name.lower() for name in spec.plan.headers}
    general = {"host": spec.target.authority, "user-agent": f"seatrial/{__version__}", "accept": "*/*"}
    return {name: value for name, value in general.items() if name not in own} | dict(spec.plan.headers)


def make_driver(spec: WorkerSpec, health: HealthMonitor, journeys: Sequence[CompiledJourney]) -> Driver:
    """Return a driver of these journeys with the plan's transport, header fields and deadlines."""
    plan, target = spec.plan, spec.target
    given = {name: Given(value) for name, value in spec.given.items()}
    made_up = [{name: SyntheticText(kind) for name, kind in j.synthetic.items()} for j in plan.journeys.values()]
    driver = Driver(
        target=target,
        tls=tls_context(target.ca, target.certificate, target.key) if target.tls else None,
        journeys=journeys,
        feeds=[{**given, **rows, **texts} for rows, texts in zip(spec.feeds, made_up, strict=True)],
        health=health,
        fields=_fields(spec),
        connect_wait_ns=plan.deadlines.connect,
        response_wait_ns=plan.deadlines.response,
        # Dealt out like users, so that as many users as sessions are permitted have room on every worker.
        max_sessions=max(1, len(range(spec.worker, plan.max_sessions, spec.workers))),
        shared=plan.connections == "shared",
        first_route=spec.worker,
    )
    if plan.transport != "http/1.1":
        from seatrial.engine.curl.transport import curl_transport

        driver.transport = curl_transport(driver, plan.transport, plan.connections == "shared")
    return driver
