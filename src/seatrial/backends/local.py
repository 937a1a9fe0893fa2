"""Workers as processes of this machine, one per core."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from seatrial.backends.base import OnTick, StageRun
from seatrial.engine.worker import Cut, Failed, Ready, RunStage, StageEnded, Stop, Tick, WorkerSpec
from seatrial.errors import EngineError, RecordingError, WorkerLostError
from seatrial.model.profile import Stage
from seatrial.samples.spool import stage_file
from seatrial.units import MS

__all__ = ["LocalBackend"]

_START_SECONDS = 30.0
_SILENT_SECONDS = 15.0
_STOP_SECONDS = 8.0
_LEAD_NS = 100 * MS
"""From the order to a stage's first possible arrival: every worker has its first block ready by then."""
_LEAD_NS_PER_ARRIVAL = 200
"""Poisson arrivals are drawn once before the first is known, at about 50 ns each on a quiet core."""


class _Worker:
    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "seatrial.backends.worker_main", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.pipe = Connection(ours.detach())
        self.heard = time.monotonic()

    def lost(self) -> WorkerLostError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)
        return self._lost(self.process.returncode)

    def silent(self) -> WorkerLostError:
        code = self.process.poll()
        if code is None:  # stopped or stuck: it would not end when its pipe closes
            self.process.kill()
        return self._lost(code)

    def _lost(self, code: int | None) -> WorkerLostError:
        how = "fell silent" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        return WorkerLostError(
            "a worker of the load generator was lost",
            value=f"worker {self.spec.worker} of {self.spec.workers} {how}",
            remedy="Its share of the load is missing, so this trial can't be judged. Run it again.",
        )


class LocalBackend:
    """See :class:`seatrial.backends.base.Backend`.

    Args:
        silent_seconds: A worker from which nothing is heard for so long, while it runs a stage, is lost.
    """

    def __init__(self, silent_seconds: float = _SILENT_SECONDS) -> None:
        self._workers: list[_Worker] = []
        self._silent_seconds = silent_seconds

    def __enter__(self) -> LocalBackend:
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # a worker whose pipe closes ends by itself
        for worker in self._workers:
            try:
                worker.process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Return the workers' process ids."""
        return tuple(worker.process.pid for worker in self._workers)

    def start(self, specs: list[WorkerSpec]) -> None:
        """See :meth:`seatrial.backends.base.Backend.start`."""
        for spec in specs:
            self._workers.append(_Worker(spec))
        for worker in self._workers:
            try:
                worker.pipe.send(worker.spec)
            except OSError as error:
                raise worker.lost() from error
        waiting = set(self._workers)
        limit = time.monotonic() + _START_SECONDS
        while waiting:
            for worker, report in self._reports(limit - time.monotonic()):
                if isinstance(report, Ready):
                    waiting.discard(worker)
            if waiting and time.monotonic() > limit:
                raise EngineError(
                    "a worker of the load generator does not come up",
                    value=f"{len(waiting)} of {len(specs)} after {_START_SECONDS:g} s",
                    remedy="Look at the machine: is it out of memory, or overloaded?",
                )

    def run_stage(self, stage: Stage, on_start: Callable[[int], None], on_tick: OnTick) -> StageRun:
        """See :meth:`seatrial.backends.base.Backend.run_stage`."""
        start_ns = time.monotonic_ns() + _LEAD_NS + round(stage.profile.expected * _LEAD_NS_PER_ARRIVAL)
        self._tell_all(RunStage(stage, start_ns))
        on_start(start_ns)
        ended: dict[int, StageEnded] = {}
        while len(ended) < len(self._workers):
            for _, report in self._reports(min(1.0, self._silent_seconds)):
                if isinstance(report, Tick):
                    on_tick(report)
                elif isinstance(report, StageEnded):
                    ended[report.worker] = report
            self._check_alive(done=set(ended))
        return StageRun(
            started_ns=start_ns,
            load_end_ns=max(report.done.load_end_ns for report in ended.values()),
            drained_ns=max(report.done.drained_ns for report in ended.values()),
            sessions=sum(report.done.sessions for report in ended.values()),
            spools=tuple(stage_file(w.spec.spool, stage.index, w.spec.worker) for w in self._workers),
        )

    def cut(self, at_ns: int) -> None:
        """See :meth:`seatrial.backends.base.Backend.cut`."""
        for worker in self._workers:
            with suppress(OSError):  # the next report from its pipe says that it is lost
                worker.pipe.send(Cut(at_ns))

    def stop(self, on_tick: OnTick) -> None:
        """See :meth:`seatrial.backends.base.Backend.stop`."""
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.send(Stop())
        ended: set[int] = set()
        limit = time.monotonic() + _STOP_SECONDS
        while len(ended) < len(self._workers) and time.monotonic() < limit:
            alive = [w for w in self._workers if w.spec.worker not in ended and w.process.poll() is None]
            if not alive:
                return
            for ready in wait([w.pipe for w in alive], timeout=0.2):
                worker = next(w for w in alive if w.pipe is ready)
                try:
                    report = worker.pipe.recv()
                except (EOFError, OSError):
                    ended.add(worker.spec.worker)
                    continue
                if isinstance(report, Tick):
                    on_tick(report)
                elif isinstance(report, (StageEnded, Failed)):
                    ended.add(worker.spec.worker)

    def _tell_all(self, order: RunStage) -> None:
        for worker in self._workers:
            worker.heard = time.monotonic()
            try:
                worker.pipe.send(order)
            except OSError as error:
                raise worker.lost() from error

    def _reports(self, seconds: float) -> list[tuple[_Worker, object]]:
        """Return what has come within ``seconds``; raises for a worker that is gone or says that it can't go on."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        reports: list[tuple[_Worker, object]] = []
        for ready in wait(list(by_pipe), timeout=max(0.0, seconds)):
            worker = by_pipe[ready]  # type: ignore[index]
            try:
                report = worker.pipe.recv()
            except (EOFError, OSError) as error:
                raise worker.lost() from error
            worker.heard = time.monotonic()
            if isinstance(report, Failed):
                kind = RecordingError if report.recording else WorkerLostError
                raise kind(f"worker {worker.spec.worker} can't go on", value=report.detail.rstrip("."))
            reports.append((worker, report))
        return reports

    def _check_alive(self, done: set[int]) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.spec.worker not in done and now - worker.heard > self._silent_seconds:
                raise worker.silent()
