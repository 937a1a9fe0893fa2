"""Real worker processes of this machine."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest
from tests.engine.served import DIGEST, Row, Server, always_ok, answering, check_rows, numbered, ok, read_rows

from seatrial.backends.base import StageRun
from seatrial.backends.local import LocalBackend
from seatrial.engine.arrivals import FeedRows
from seatrial.engine.http.target import Target
from seatrial.engine.worker import Failed, Ready, RunStage, Tick, WorkerSpec, work
from seatrial.errors import EngineError, RecordingError, WorkerLostError
from seatrial.model.health import LAG_COLUMNS
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage, constant
from seatrial.model.sample import NEVER, SESSION_STRIDE, Outcome
from seatrial.model.schedule import Schedule
from seatrial.samples.codec import HEALTH_DTYPE, read_frames
from seatrial.samples.spool import health_file, stage_file
from seatrial.units import MS

VISIT = {"weight": 2, "steps": [{"get": "/a/${p.id}"}, {"get": "/b"}]}
LOOK = {"steps": [{"get": "/c"}]}


def plan_of(port: int, journeys: dict[str, Any], **more: Any) -> Plan:
    limits = {"deadlines": {"connect": "1s", "response": "1s"}}
    trial = {"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}
    document = {"seatrial": 1, "title": "made", "target": f"http://127.0.0.1:{port}", "demand": {"peak": "40/s"}}
    return Plan.model_validate(document | limits | {"journeys": journeys, "trials": [trial]} | more)


def specs_of(
    plan: Plan, spool: Path, workers: int = 1, feeds: Mapping[str, FeedRows] | None = None, base: Path | None = None
) -> list[WorkerSpec]:
    spool.mkdir(exist_ok=True)
    port = int(plan.target.rpartition(":")[2])
    target = Target("127.0.0.1", port, False, "", ((int(socket.AF_INET), ("127.0.0.1", port)),))
    rows = tuple({} if journey.feed == {} else dict(feeds or {}) for journey in plan.journeys.values())
    return [
        WorkerSpec(plan, DIGEST, base or spool, target, 0, worker, workers, spool, rows) for worker in range(workers)
    ]


def stage(rate: float, seconds: float, index: int = 0, drain_ms: int = 2000) -> Stage:
    return Stage(0, index, "made", constant(rate, round(seconds * 1e9)), "poisson", 0, drain_ms * MS)


def nothing(what: object) -> None:
    """Take a report that this test does not look at."""


def rows_of(run: StageRun) -> list[Row]:
    rows = [row for path in run.spools for row in read_rows(path)]
    check_rows(rows)
    return rows


def gone(process_id: int) -> bool:
    """Return whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(true: Callable[[], bool], seconds: float = 8) -> bool:
    limit = time.monotonic() + seconds
    while not true() and time.monotonic() < limit:
        threading.Event().wait(0.01)
    return true()


def test_any_number_of_workers_offers_the_same(tmp_path: Path) -> None:
    unions: list[dict[tuple[int, int], tuple[int, int]]] = []
    drawn: list[list[str]] = []
    stages = [stage(150, 0.3), stage(150, 0.2, index=1)]
    with Server(always_ok) as server:
        plan = plan_of(server.port, {"visit": VISIT | {"feed": {"p": "p.csv"}}, "look": LOOK})
        for workers in (1, 2, 3):
            server.requests.clear()
            ticks: list[Tick] = []
            starts: list[int] = []
            offered: dict[tuple[int, int], tuple[int, int]] = {}
            with LocalBackend() as backend:
                backend.start(specs_of(plan, tmp_path / str(workers), workers, {"p": numbered("n", 500)}))
                process_ids = backend.process_ids
                for each_stage in stages:
                    run = backend.run_stage(each_stage, starts.append, ticks.append)
                    rows = rows_of(run)
                    assert {row.outcome for row in rows} == {Outcome.OK}
                    assert run.started_ns == starts[-1]
                    assert run.drained_ns >= max(row.done_ns for row in rows)
                    assert run.load_end_ns == run.started_ns + each_stage.profile.duration_ns
                    assert run.sessions == Schedule(DIGEST, 1, each_stage, plan.weights).count()
                    assert run.sessions == len({row.session for row in rows})
                    offered |= {
                        (row.session, row.journey): (row.intended_ns - run.started_ns, row.session // SESSION_STRIDE)
                        for row in rows
                        if row.step == 0
                    }
            assert len(process_ids) == workers
            assert all(gone(process_id) for process_id in process_ids)
            assert {tick.worker for tick in ticks} == set(range(workers))
            assert sum(sum(tick.outcomes.values()) for tick in ticks) == len(server.requests)
            assert sum(sum(tick.histogram.values()) for tick in ticks) == len(server.requests)
            lags = 0
            for worker in range(workers):
                health = list(read_frames(health_file(tmp_path / str(workers), worker), HEALTH_DTYPE))
                lags += sum(int(row[name]) for frame in health for row in frame for name in LAG_COLUMNS)
                assert len(health) == sum(tick.worker == worker for tick in ticks)
                assert all(0 <= row["cpu_share"] <= 1.2 for frame in health for row in frame)
            assert lags == len(server.requests)  # the histogram of send lag holds every step that was sent
            unions.append(offered)
            drawn.append(sorted(request.path for request in server.requests))
    assert len(unions[0]) > 50
    assert unions[0] == unions[1] == unions[2]
    assert drawn[0] == drawn[1] == drawn[2]
    assert max(Counter(path for path in drawn[0] if path.startswith("/a/")).values()) == 1
    assert {stage_index for _, stage_index in unions[0].values()} == {0, 1}


def test_a_killed_worker_is_named_and_the_others_rows_are_kept(tmp_path: Path) -> None:
    with Server(always_ok) as server:
        backend = LocalBackend()

        def kill(start_ns: int) -> None:
            wait_until(lambda: len(server.requests) > 30)
            os.kill(backend.process_ids[1], signal.SIGKILL)

        with backend:
            backend.start(specs_of(plan_of(server.port, {"look": LOOK}), tmp_path, 2))
            process_ids = backend.process_ids
            with pytest.raises(WorkerLostError, match="worker 1 of 2 was killed by signal 9") as raised:
                backend.run_stage(stage(100, 20), kill, nothing)
    assert "Run it again" in raised.value.remedy
    assert all(gone(process_id) for process_id in process_ids)
    rows = read_rows(stage_file(tmp_path, 0, 0))
    check_rows(rows)
    assert len(rows) > 5
    assert {row.session % 2 for row in rows} == {0}


def test_a_stopped_worker_counts_as_silent(tmp_path: Path) -> None:
    with Server(always_ok) as server:
        backend = LocalBackend(silent_seconds=0.4)
        with backend:
            backend.start(specs_of(plan_of(server.port, {"look": LOOK}), tmp_path))
            process_ids = backend.process_ids
            began = time.monotonic()
            with pytest.raises(WorkerLostError, match="worker 0 of 1 fell silent"):
                backend.run_stage(stage(50, 20), lambda _: os.kill(process_ids[0], signal.SIGSTOP), nothing)
            assert 0.4 < time.monotonic() - began < 4
    assert time.monotonic() - began < 6
    assert all(gone(process_id) for process_id in process_ids)


PARENT = """
import pickle, sys
from seatrial.backends.local import LocalBackend
specs, stage = pickle.load(sys.stdin.buffer)
with LocalBackend() as backend:
    backend.start(specs)
    print(*backend.process_ids, flush=True)
    backend.run_stage(stage, lambda start: None, lambda tick: None)
"""


def test_workers_end_by_themselves_when_their_parent_is_killed(tmp_path: Path) -> None:
    import pickle

    with Server(answering(lambda request: ok() if request.path == "/c" else None)) as server:
        specs = specs_of(plan_of(server.port, {"look": LOOK}), tmp_path, 2)
        parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert parent.stdin is not None
        assert parent.stdout is not None
        with parent:
            parent.stdin.write(pickle.dumps((specs, stage(100, 30))))
            parent.stdin.close()
            workers = [int(word) for word in parent.stdout.readline().split()]
            assert wait_until(lambda: len(server.requests) > 20)
            parent.kill()
        assert len(workers) == 2
        assert wait_until(lambda: all(map(gone, workers)))
        asked = len(server.requests)
    assert sum(len(read_rows(stage_file(tmp_path, 0, worker))) for worker in range(2)) == asked


def test_a_stop_ends_all_workers_and_keeps_what_they_did(tmp_path: Path) -> None:
    ticks: list[Tick] = []

    with Server(always_ok) as server, LocalBackend() as backend:

        def interrupt(start_ns: int) -> None:
            wait_until(lambda: len(server.requests) > 20)
            raise KeyboardInterrupt

        backend.start(specs_of(plan_of(server.port, {"look": LOOK}), tmp_path, 2))
        with pytest.raises(KeyboardInterrupt):
            backend.run_stage(stage(100, 30), interrupt, nothing)
        began = time.monotonic()
        backend.stop(ticks.append)
        assert time.monotonic() - began < 3
        rows = [row for worker in range(2) for row in read_rows(stage_file(tmp_path, 0, worker))]
        assert len(rows) == len(server.requests) > 20
        assert {row.outcome for row in rows} == {Outcome.OK}
    assert sum(sum(tick.outcomes.values()) for tick in ticks) > 0


def test_too_many_open_files_are_unsent_and_no_crash(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    with Server(answering(lambda _: None)) as server, LocalBackend() as backend:
        backend.start(specs_of(plan_of(server.port, {"look": LOOK}), tmp_path))
        (process_id,) = backend.process_ids
        most = len(os.listdir(f"/proc/{process_id}/fd")) + 21  # one for the spool of the stage
        resource.prlimit(process_id, resource.RLIMIT_NOFILE, (most, most))
        run = backend.run_stage(stage(100, 1.2, drain_ms=100), nothing, ticks.append)
        rows = rows_of(run)
    outcomes = Counter(row.outcome for row in rows)
    assert outcomes[Outcome.UNSENT] > 20
    assert outcomes.total() == run.sessions
    assert outcomes[Outcome.TIMEOUT] + outcomes[Outcome.IN_FLIGHT] >= 20
    assert all(row.sent_ns == NEVER for row in rows if row.outcome is Outcome.UNSENT)
    assert "Too many open files" in " ".join(detail for tick in ticks for *_, detail, _ in tick.diagnostics)
    assert len(ticks) >= 2


JOURNEYS = """
async def book(session):
    await session.get("/a", name="a")
    await session.get("/b", name="b")

async def break_down(session):
    await session.get("/a", name="a")
    raise LookupError("no slot is left")

async def never_wait(session):
    while True:
        pass

async def await_nothing(session):
    pass
"""


def python_plan(port: int, function: str) -> Plan:
    return plan_of(port, {"own": {"python": f"journeys.py:{function}", "step_names": ["a", "b"]}})


def test_journeys_in_python_run_in_workers(tmp_path: Path) -> None:
    (tmp_path / "journeys.py").write_text(JOURNEYS)
    with Server(always_ok) as server, LocalBackend() as backend:
        backend.start(specs_of(python_plan(server.port, "book"), tmp_path / "spool", 1, base=tmp_path))
        run = backend.run_stage(stage(100, 0.2), nothing, nothing)
        assert Counter(row.step for row in rows_of(run)) == {0: run.sessions, 1: run.sessions}
    assert {request.header("user-agent") is not None for request in server.requests} == {True}


def test_a_journey_that_breaks_down_ends_the_run_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "journeys.py").write_text(JOURNEYS)
    with Server(always_ok) as server, LocalBackend() as backend:
        backend.start(specs_of(python_plan(server.port, "break_down"), tmp_path / "spool", 1, base=tmp_path))
        with pytest.raises(EngineError, match=r"LookupError: no slot is left \(in break_down, journeys.py line 8\)"):
            backend.run_stage(stage(100, 5), nothing, nothing)
        assert len(read_rows(stage_file(tmp_path / "spool", 0, 0))) >= 1


def test_a_journey_that_never_gives_control_back_is_ended(tmp_path: Path) -> None:
    (tmp_path / "journeys.py").write_text(JOURNEYS)
    with LocalBackend(silent_seconds=0.7) as backend:
        backend.start(specs_of(python_plan(1, "never_wait"), tmp_path / "spool", 1, base=tmp_path))
        process_ids = backend.process_ids
        with pytest.raises(WorkerLostError, match="fell silent"):
            backend.run_stage(stage(100, 5), nothing, nothing)
    assert all(map(gone, process_ids))


def test_a_journeys_file_that_is_gone_is_told_by_the_worker(tmp_path: Path) -> None:
    with LocalBackend() as backend, pytest.raises(EngineError, match=r"journeys\.py.*Put it beside the plan"):
        backend.start(specs_of(python_plan(1, "book"), tmp_path / "spool", 1, base=tmp_path))


def test_a_worker_that_cannot_record_says_so(tmp_path: Path) -> None:
    with Server(always_ok) as server, LocalBackend() as backend:
        specs = specs_of(plan_of(server.port, {"look": LOOK}), tmp_path)
        backend.start(specs)
        stage_file(tmp_path, 0, 0).write_text("in the way")
        with pytest.raises(RecordingError, match=r"File exists.*stage-0000-worker-000\.rows"):
            backend.run_stage(stage(100, 0.2), nothing, nothing)


def served_in_a_thread(spec: WorkerSpec) -> tuple[Pipe, threading.Thread]:
    """Run a worker in this process; return the run's end of its pipe."""
    ours, theirs = socket.socketpair()
    pipe = Pipe(theirs.detach())

    def serve() -> None:
        with pipe:
            work(spec, pipe, {})

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return Pipe(ours.detach()), thread


@pytest.fixture
def _collector() -> Any:
    """Give the garbage collector back as it was: a worker turns it off."""
    import gc

    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("_collector")
@pytest.mark.parametrize("when", ["before its orders", "in a stage"])
def test_a_pipe_that_closes_ends_the_worker(tmp_path: Path, when: str) -> None:
    with Server(always_ok) as server:
        (spec,) = specs_of(plan_of(server.port, {"look": LOOK}), tmp_path)
        pipe, thread = served_in_a_thread(spec)
        assert pipe.recv() == Ready()
        if when == "in a stage":
            pipe.send(RunStage(stage(100, 30), time.monotonic_ns()))
            assert wait_until(lambda: len(server.requests) > 5)
        pipe.close()
        thread.join(5)
        assert not thread.is_alive()
        with suppress(FileNotFoundError):
            assert len(read_rows(stage_file(tmp_path, 0, 0))) == len(server.requests)


@pytest.mark.usefixtures("_collector")
def test_a_ca_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (spec,) = specs_of(plan_of(1, {"look": LOOK}), tmp_path)
    target = Target("127.0.0.1", 1, True, "", spec.target.addresses, str(tmp_path / "none.pem"))
    broken = WorkerSpec(spec.plan, DIGEST, tmp_path, target, 0, 0, 1, tmp_path, spec.feeds)
    pipe, thread = served_in_a_thread(broken)
    report = pipe.recv()
    thread.join(5)
    pipe.close()
    assert isinstance(report, Failed)
    assert "CA file can't be used" in report.detail
    assert not report.recording


def test_what_is_no_order_is_refused_by_a_worker() -> None:
    from seatrial.backends.worker_main import main

    ours, theirs = socket.socketpair()
    before = signal.getsignal(signal.SIGINT)
    with Pipe(ours.detach()) as pipe:
        pipe.send("not orders")
        try:
            main(theirs.detach())
        finally:
            signal.signal(signal.SIGINT, before)
        report = pipe.recv()
    assert isinstance(report, Failed)
    assert "not a worker's orders: str" in report.detail
