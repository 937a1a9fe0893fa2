"""However a run ends, its bundle is whole, marked, and never PASS: told with backends that fail as they are told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.running import Service, service, write_plan

from seatrial.authoring.policies import load_policy
from seatrial.authoring.yaml_plan import load_plan
from seatrial.backends.base import OnTick, StageRun
from seatrial.clock import SystemClock
from seatrial.engine.http.target import Target
from seatrial.engine.recorder import Recorder
from seatrial.engine.worker import Tick, WorkerSpec
from seatrial.errors import (
    BundleError,
    EngineError,
    InterruptedRunError,
    NotAuthorisedError,
    RecordingError,
    UsageError,
    WorkerLostError,
)
from seatrial.evidence.chain import CHAIN, Chain, chain_problems, parse_chain
from seatrial.evidence.manifest import build_manifest
from seatrial.evidence.recompute import recompute_verdict
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.samples.spool import stage_file
from seatrial.trials.execute import RunOptions, execute
from seatrial.trials.finish import RunResult
from seatrial.trials.observer import SilentObserver
from seatrial.trials.recheck import recover, rows_left

Act = Callable[["Backend", OnTick], None]


class Backend:
    """One worker that records three steps of a stage and then does what the test says."""

    def __init__(self, act: Act, at_start: Exception | None = None) -> None:
        self.act, self.at_start = act, at_start
        self.stages: list[str] = []
        self.stopped = self.left = False

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *exc: object) -> None:
        self.left = True

    def start(self, specs: list[WorkerSpec]) -> None:
        self.spec = specs[0]
        if self.at_start:
            raise self.at_start

    def run_stage(self, stage: Stage, on_start: Callable[[int], None], on_tick: OnTick) -> StageRun:
        now = time.monotonic_ns()
        self.stages.append(stage.name)
        self.file = stage_file(self.spec.spool, stage.index, 0)
        recorder = Recorder(self.file)
        for session in range(3):
            recorder.add(0, 0, session, now, now, now + 1, now + 2, Outcome.OK, 200, 10, 20)
        recorder.close()
        on_start(now)
        self.act(self, on_tick)
        return StageRun(now, now + stage.profile.duration_ns, now + stage.profile.duration_ns, 3, (self.file,))

    def stop(self, on_tick: OnTick) -> None:
        self.stopped = True


def raising(error: Exception) -> Act:
    def act(backend: Backend, on_tick: OnTick) -> None:
        raise error

    return act


def asked_to_stop(backend: Backend, on_tick: OnTick) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    on_tick(Tick(0, 3, 0, diagnostics=[(0, 0, int(Outcome.HTTP_ERROR), "status 500", 2)]))
    pytest.fail("the run went on")


@pytest.fixture(scope="module")
def target() -> Iterator[Service]:
    with service() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, target: Service) -> Callable[..., RunResult]:
    def execute_with(backend: Backend, *changes: tuple[str, str], **options: Any) -> RunResult:
        plan = write_plan(tmp_path, target.url, *changes)
        chosen = RunOptions(tmp_path / "bundle", 1, None, (), False, ["seatrial"])
        policy = load_policy(str(tmp_path / "policy.yaml"))
        return execute(load_plan(plan), policy, chosen, lambda: backend, SilentObserver(), SystemClock(), **options)

    return execute_with


def events(bundle: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bundle / "journal.jsonl").read_text().splitlines()]


def rows(bundle: Path) -> int:
    return sum(pl.read_parquet(path).height for path in bundle.glob("records/*/part-*.parquet"))


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (WorkerLostError("a worker was lost", value="worker 0"), "worker lost"),
        (EngineError("a journey broke"), "worker lost"),
        (RecordingError("the disk is full"), "recording failed"),
    ],
)
def test_a_stage_that_breaks_off_leaves_a_sealed_bundle_with_its_rows_and_its_reason(run, error, event):
    result = run(Backend(raising(error)))
    assert result.ending is error
    assert result.verdict.verdict == "INVALID"
    told = [e for e in events(result.bundle) if e["event"] == event]
    assert [e["data"]["detail"] for e in told] == [str(error).removesuffix(".")]
    assert [e["event"] for e in events(result.bundle)][-2:] == ["trial ended", "run ended"]
    assert rows(result.bundle) == 3
    assert recompute_verdict(result.bundle) == (result.bundle / "verdict.json").read_bytes()
    assert {path.name for path in result.bundle.iterdir()} >= {"manifest.json", "report.html", "records", "health"}
    assert not (result.bundle / "spool").exists()


def test_workers_that_do_not_come_up_are_an_ending_too(run):
    result = run(Backend(raising(AssertionError()), at_start=EngineError("a worker does not come up")))
    assert result.verdict.verdict == "INVALID"
    assert "a worker does not come up" in str(result.verdict.trials[0].reasons[0].text)


def test_a_person_who_stops_the_run_ends_it_between_two_reports_and_keeps_what_they_told(run):
    backend = Backend(asked_to_stop)
    result = run(backend)
    assert isinstance(result.ending, InterruptedRunError)
    assert backend.stopped
    assert backend.left
    assert result.verdict.verdict == "INVALID"
    assert rows(result.bundle) == 3
    diagnostics = json.loads((result.bundle / "diagnostics" / "01-load.jsonl").read_text())
    assert (diagnostics["detail"], diagnostics["count"]) == ("status 500", 2)


def test_after_a_failure_no_further_trial_is_begun(run):
    second = "  - {kind: load, name: again, at: 1 P, for: 1s, objectives: [errors <= 20%]}\n"
    backend = Backend(raising(WorkerLostError("a worker was lost")))
    result = run(backend, ("errors <= 20%]\n", "errors <= 20%]\n" + second))
    assert backend.stages == ["1 P"]
    assert [trial.verdict for trial in result.verdict.trials] == ["INVALID", "INVALID"]
    assert result.verdict.trials[1].reasons[0].code == "validity.not_started"


def test_a_second_wish_to_stop_gives_the_room_back_and_leaves_at_once(run, tmp_path):
    class LeftError(Exception):
        pass

    def leave() -> None:
        raise LeftError

    def twice(backend: Backend, on_tick: OnTick) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(LeftError):
        run(Backend(twice), stop_at_once=leave)
    assert not (tmp_path / "bundle" / ".ballast").exists()
    assert not (tmp_path / "bundle" / "manifest.json").exists()


def test_a_run_works_outside_of_the_main_thread(run):
    found: list[RunResult] = []
    thread = threading.Thread(target=lambda: found.append(run(Backend(lambda backend, on_tick: None))))
    thread.start()
    thread.join()
    assert found[0].ending is None
    assert found[0].verdict.verdict == "INVALID"  # three rows of forty


def test_a_target_that_may_not_be_loaded_leaves_no_folder(tmp_path, monkeypatch, run):
    elsewhere = Target("localhost", 80, False, "", ((2, ("192.0.2.1", 80)),))  # as a name service might say
    monkeypatch.setattr("seatrial.trials.permission.resolve", lambda plan, base: elsewhere)
    with pytest.raises(NotAuthorisedError):
        run(Backend(raising(AssertionError())))
    assert not (tmp_path / "bundle").exists()


@pytest.fixture
def killed(run, tmp_path: Path) -> Path:
    """Return what is left of a run that was killed in the midst of a stage."""

    class KilledError(BaseException):
        pass

    def die(backend: Backend, on_tick: OnTick) -> None:
        shutil.copytree(tmp_path / "bundle", tmp_path / "killed")
        raise KilledError

    with pytest.raises(KilledError):
        run(Backend(die))
    return tmp_path / "killed"


def test_what_a_killed_run_left_is_counted_and_recovered_on_the_journal_s_clock(killed):
    assert rows_left(killed) == 3
    result = recover(killed, (), SystemClock())
    assert (rows_left(killed), rows(killed)) == (0, 3)
    started = next(e["at_ns"] for e in events(killed) if e["event"] == "stage started")
    assert pl.read_parquet(killed / "records" / "01-load")["intended_ns"].to_list() == [started] * 3
    assert result.verdict.verdict == "INVALID"
    assert {path.name for path in killed.iterdir()} >= {"manifest.json", "verdict.json", "report.html"}
    assert not (killed / ".ballast").exists()


def chain_of(folder: Path) -> Chain:
    chain = parse_chain((folder / CHAIN).read_bytes())
    lying = {entry.path: entry for entry in build_manifest(folder).files}
    assert chain_problems(chain, lying) == []
    return chain


def test_a_run_that_ends_closes_the_chain_of_its_parts_however_it_ends(run, tmp_path):
    run(Backend(raising(WorkerLostError("worker 1 of 1 ended"))))
    chain = chain_of(tmp_path / "bundle")
    assert [part.path for part in chain.parts] == ["records/01-load/part-0000.parquet", "health/01-load.parquet"]
    assert (chain.closed, chain.recovered) == (True, False)


def test_a_killed_run_leaves_its_chain_open_and_recovering_closes_it_and_says_so(killed):
    assert parse_chain((killed / CHAIN).read_bytes()).closed is False
    recover(killed, (), SystemClock())
    chain = chain_of(killed)
    assert [part.path for part in chain.parts] == ["records/01-load/part-0000.parquet"]
    assert (chain.closed, chain.recovered) == (True, True)


def test_a_damaged_spool_is_not_merged_and_is_sealed_as_it_is(killed):
    (spool,) = killed.glob("spool/*/stage-*.rows")
    spool.write_bytes(b"garbage that is no frame at all")
    recover(killed, (), SystemClock())
    assert rows(killed) == 0
    assert spool.relative_to(killed).as_posix() in (killed / "manifest.json").read_text()


def test_a_run_that_goes_on_is_not_recovered(run, tmp_path):
    def too_early(backend: Backend, on_tick: OnTick) -> None:
        with pytest.raises(UsageError, match="the run is still under way"):
            recover(tmp_path / "bundle", (), SystemClock())

    assert run(Backend(too_early)).ending is None
    with pytest.raises(UsageError, match="the bundle is finished already"):
        recover(tmp_path / "bundle", (), SystemClock())


def test_a_journal_that_does_not_say_when_the_run_began_can_t_be_recovered(killed):
    journal = killed / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(BundleError, match="does not say when the run began"):
        recover(killed, (), SystemClock())
