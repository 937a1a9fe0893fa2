"""Set-up, tear-down and stop rules, from the plan to the verdict: real workers, real services, nothing in between."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import POLICY, seatrial, stopped

from seatrial.authoring.policies import load_policy
from seatrial.authoring.yaml_plan import load_plan
from seatrial.backends.local import LocalBackend
from seatrial.clock import SystemClock
from seatrial.errors import (
    EngineError,
    InterruptedRunError,
    RecordingError,
    SetUpError,
    TargetStoppedError,
    UsageError,
    WorkerLostError,
)
from seatrial.evidence.keys import Signer, load_signer
from seatrial.evidence.recompute import recompute
from seatrial.model.reasons import sentence
from seatrial.model.verdict import Verdict
from seatrial.reports.html import render_html
from seatrial.reports.view import report_view
from seatrial.trials.execute import RunOptions, execute
from seatrial.trials.finish import RunResult
from seatrial.trials.observer import SilentObserver
from seatrial.trials.replay import replay_bytes

TOKEN = "tok-8812-never-in-evidence"

Reply = tuple[int, bytes, dict[str, str]]


class Office(ThreadingHTTPServer):
    """A service whose answers a test decides; it notes what it was asked."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, answer: Callable[[str, str, dict[str, str]], Reply | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what these tests are about."""

    def paths(self, path: str) -> list[dict[str, str]]:
        return [headers for _, asked, headers in self.asked if asked == path]


class _Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Office

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        reply = self.server.answer(self.command, self.path, headers)
        if reply is None:
            self.server.over.wait(30)  # says nothing for as long as the test lasts
            self.close_connection = True
            return
        status, body, fields = reply
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def office(answer: Callable[[str, str, dict[str, str]], Reply | None]) -> Iterator[Office]:
    with Office(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def fine(method: str, path: str, headers: dict[str, str]) -> Reply:
    if path == "/sign-in":
        return 200, json.dumps({"token": TOKEN}).encode(), {}
    if path.startswith("/with-token"):
        return (200 if headers.get("authorization") == f"Bearer {TOKEN}" else 401), b"", {}
    return 200, b"ok", {}


PHASES = """
set_up: {steps: [{post: /sign-in, name: sign in, extract: {token: {json: "$.token"}}}]}
tear_down: {steps: [{delete: /with-token/all, name: clear away, auth: {bearer: "${token}"}}]}
"""
VISIT = 'visit: {steps: [{get: /with-token, name: look, auth: {bearer: "${token}"}}]}'
PLAIN = "visit: {steps: [{get: /, name: look}]}"
SHORT = "{kind: load, at: 1 P, for: 1s, objectives: [errors <= 20%]}"


def plan_text(more: str = "", journey: str = PLAIN, trials: tuple[str, ...] = (SHORT,), peak: str = "40/s") -> str:
    listed = "".join(f"  - {trial}\n" for trial in trials)
    return (
        f"seatrial: 1\ntitle: Phases\ntarget: TARGET\ndemand: {{peak: {peak}}}\n"
        f"deadlines: {{connect: 1s, response: 2s}}\n{more}\njourneys:\n  {journey}\ntrials:\n{listed}"
    )


class Told(SilentObserver):
    """Does what a test wants once something happens."""

    def __init__(self, on_tick: Callable[[], object] = lambda: None, on_noted: Callable[[str], object] = id) -> None:
        self.on_tick, self.on_noted = on_tick, on_noted
        self.sentences: list[str] = []

    def tick(self, trial: int, stage: Any, tick: Any) -> None:
        self.on_tick()

    def noted(self, text: str) -> None:
        self.sentences.append(text)
        self.on_noted(text)


def run(folder: Path, server: Office, text: str, observer: Told | None = None, **options: Any) -> RunResult:
    plan, policy = folder / "plan.yaml", folder / "policy.yaml"
    plan.write_text(text.replace("TARGET", f"http://127.0.0.1:{server.server_port}"))
    policy.write_text(POLICY)
    new_backend = options.pop("backend", LocalBackend)
    chosen = RunOptions(
        folder / "bundle", options.pop("workers", 1), None, options.pop("signers", ()), False, ["seatrial"], **options
    )
    loaded, rules = load_plan(plan), load_policy(str(policy))
    result = execute(loaded, rules, chosen, new_backend, observer or Told(), SystemClock())
    assert replay_bytes(result.bundle) == (result.bundle / "verdict.json").read_bytes()
    return result


def events(result: RunResult, kind: str = "") -> list[dict[str, Any]]:
    lines = (result.bundle / "journal.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if kind in ("", event["event"])]


def codes(result: RunResult, trial: int = 0) -> list[str]:
    return [reason.code for reason in result.verdict.trials[trial].reasons]


def page(result: RunResult, language: Any) -> str:
    return render_html(report_view(result.bundle, result.verdict), language)


# -- set-up and tear-down ------------------------------------------------------------------------------------------


def test_what_the_set_up_extracts_every_session_on_every_worker_has_and_no_evidence_holds(tmp_path):
    with office(fine) as server:
        trials = (SHORT, SHORT.replace("{kind: load", "{kind: load, name: again"))
        result = run(tmp_path, server, plan_text(PHASES, VISIT, trials), workers=2)
    assert result.verdict.verdict is Verdict.PASS
    story = [event["event"] for event in events(result) if event.get("trial") == 1]
    assert story[:3] == ["set up started", "set up ended", "trial started"]
    assert story[-3:] == ["trial ended", "tear down started", "tear down ended"]
    (step,) = events(result, "set up ended")[0]["data"]["steps"]
    assert (step["step"], step["outcome"], step["status"]) == ("sign in", "ok", 200)
    assert (len(server.paths("/sign-in")), len(server.paths("/with-token/all"))) == (2, 2)
    look = [headers["authorization"] for headers in server.paths("/with-token")]
    assert set(look) == {f"Bearer {TOKEN}"}
    assert sum(stage.intended for trial in result.verdict.trials for stage in trial.stages) == len(look)
    assert not [path for path in result.bundle.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert "set-up: ended" in page(result, "en")
    assert "準備步驟：完成" in page(result, "zh-Hant")


def test_a_set_up_that_fails_ends_the_run_before_any_load_and_says_where(tmp_path):
    text = plan_text(PHASES.replace("/sign-in,", "/sign-in, expect: {status: 201},"), VISIT, (SHORT, SHORT))
    with office(fine) as server:
        result = run(tmp_path, server, text)
    assert isinstance(result.ending, SetUpError)
    assert [trial.verdict for trial in result.verdict.trials] == [Verdict.INVALID] * 2
    assert codes(result)[0] == "validity.set_up_failed"
    assert codes(result, 1)[0] == "validity.not_started"
    (event,) = events(result, "set up failed")
    assert (event["data"]["step"], event["data"]["outcome"]) == ("sign in", "check_failed")
    assert "status 200" in event["data"]["detail"]
    assert server.paths("/with-token") == []
    assert [event["event"] for event in events(result)][-3:-1] == ["tear down started", "tear down failed"]
    assert "ended as check_failed" in sentence(*_reason(result), "zh-Hant")
    assert "set-up: failed" in page(result, "en")


def _reason(result: RunResult) -> tuple[str, dict[str, str]]:
    reason = result.verdict.trials[0].reasons[0]
    return reason.code, reason.params


def test_a_tear_down_that_fails_is_told_and_changes_no_verdict(tmp_path):
    text = plan_text("tear_down: {steps: [{delete: /rows, name: clear away}]}")
    with office(lambda method, path, headers: (500 if method == "DELETE" else 200, b"", {})) as server:
        observer = Told()
        result = run(tmp_path, server, text, observer)
    assert result.verdict.verdict is Verdict.PASS
    assert result.ending is None
    (event,) = events(result, "tear down failed")
    assert event["data"]["detail"] == "step 'clear away' ended as http_error"
    assert observer.sentences[-1] == "tear-down failed: step 'clear away' ended as http_error"
    assert "tear-down: failed" in page(result, "en")
    assert "清理步驟：失敗" in page(result, "zh-Hant")


def test_a_person_who_stops_the_run_still_has_it_torn_down_with_what_was_set_up(tmp_path):
    with office(fine) as server:
        text = plan_text(PHASES, VISIT, (SHORT.replace("for: 1s", "for: 20s"),))
        once = iter([signal.SIGINT])
        result = run(tmp_path, server, text, Told(on_tick=lambda: [os.kill(os.getpid(), n) for n in once]))
    assert isinstance(result.ending, InterruptedRunError)
    assert codes(result)[0] == "validity.interrupted"
    assert [headers["authorization"] for headers in server.paths("/with-token/all")] == [f"Bearer {TOKEN}"]
    assert events(result, "tear down ended")


def test_a_person_who_asks_again_skips_the_tear_down_and_the_bundle_is_sealed_all_the_same(tmp_path):
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        if path == "/hangs":
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
            return None
        return fine(method, path, headers)

    begun = time.monotonic()
    with office(answer) as server:
        text = plan_text("tear_down: {steps: [{get: /hangs, deadline: 20s}]}")
        result = run(tmp_path, server, text)
    assert time.monotonic() - begun < 10
    assert events(result, "tear down failed")[0]["data"]["detail"] == "a person skipped it"
    assert result.verdict.verdict is Verdict.PASS  # the only trial was over, so nothing was interrupted


class Broken:
    """A backend that fails as it is told, before any load."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def start(self, specs: list[Any]) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error", [WorkerLostError("a worker was lost"), RecordingError("the disk is full"), EngineError("it broke")]
)
def test_however_a_trial_ended_it_is_torn_down(tmp_path, error):
    with office(fine) as server:
        result = run(tmp_path, server, plan_text(PHASES, VISIT), backend=lambda: Broken(error))
    assert result.ending is error
    assert [headers["authorization"] for headers in server.paths("/with-token/all")] == [f"Bearer {TOKEN}"]
    assert events(result, "tear down ended")
    assert result.verdict.verdict is Verdict.INVALID


def test_whoever_asks_twice_in_the_midst_of_a_trial_waits_for_no_tear_down(tmp_path):
    def twice(specs: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    backend = Broken(EngineError("never"))
    backend.start = twice  # type: ignore[assignment]
    with office(fine) as server, pytest.raises(KeyboardInterrupt):
        run(tmp_path, server, plan_text(PHASES, VISIT), backend=lambda: backend)
    assert server.paths("/with-token/all") == []


# -- stop file, stop address, stop field ---------------------------------------------------------------------------


def test_a_stop_file_ends_the_run_and_is_named(tmp_path):
    stop = tmp_path / "STOP"
    with office(fine) as server:
        text = plan_text("stop: {file: STOP}", trials=(SHORT.replace("for: 1s", "for: 20s"), SHORT))
        result = run(tmp_path, server, text, Told(on_tick=stop.touch))
    assert type(result.ending) is InterruptedRunError
    assert str(stop) in result.verdict.trials[0].reasons[0].text
    assert codes(result, 1)[0] == "validity.not_started"
    assert len(list(result.bundle.glob("records/*/part-*.parquet"))) == 1  # merged, judged and sealed


def test_a_stop_file_ends_a_set_up_that_hangs(tmp_path):
    stop = tmp_path / "elsewhere"
    begun = time.monotonic()
    with office(lambda method, path, headers: None if path == "/slow" else (200, b"", {})) as server:
        text = plan_text("set_up: {steps: [{get: /slow, deadline: 30s}]}")
        result = run(tmp_path, server, text, Told(on_noted=lambda said: stop.touch()), stop_file=stop)
    assert time.monotonic() - begun < 8
    assert type(result.ending) is InterruptedRunError
    assert server.paths("/") == []
    assert codes(result)[0] == "validity.interrupted"


def test_a_stop_file_that_is_there_already_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "stop").touch()
    with office(fine) as server, pytest.raises(UsageError, match="is there already"):
        run(tmp_path, server, plan_text(), stop_file=tmp_path / "stop")
    assert server.asked == []
    assert not (tmp_path / "bundle").exists()


def test_the_service_s_stop_address_ends_the_run(tmp_path):
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        asked = len(server.paths("/status/stop?"))
        return (200, b"please stop now" if asked > 1 else b"unstoppable", {}) if "stop" in path else (200, b"", {})

    with office(answer) as server:
        text = plan_text("stop: {url: /status/stop?}", trials=(SHORT.replace("for: 1s", "for: 30s"),))
        result = run(tmp_path, server, text)
    assert isinstance(result.ending, TargetStoppedError)
    assert codes(result)[0] == "validity.target_stopped"
    assert result.verdict.trials[0].reasons[0].text == (
        "The service's owner stopped the trial: the service's stop address /status/stop? answered stop. The evidence "
        "so far is kept and marked."
    )
    assert events(result, "stop signal asked")[0]["data"] == {"asked": 2, "unanswered": 0}
    assert "stopped by the service" in page(result, "en")
    assert "被服務擁有人停止" in page(result, "zh-Hant")


def test_a_stop_address_that_hangs_changes_nothing_and_is_counted(tmp_path):
    with office(lambda method, path, headers: None if path == "/stop" else (200, b"stop", {})) as server:
        result = run(tmp_path, server, plan_text("stop: {url: /stop}"))
    assert result.verdict.verdict is Verdict.PASS
    facts = events(result, "stop signal asked")[0]["data"]
    assert facts["unanswered"] >= 1
    assert facts["asked"] - facts["unanswered"] in (0, 1)  # one may be under way when the run ends


@pytest.mark.parametrize("where", ["/", "/sign-in"])
def test_an_answer_with_the_stop_field_ends_the_run(tmp_path, where):
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
        status, body, fields = fine(method, path, headers)
        asked = len(server.paths(where))
        return status, body, {"seatrial-stop": "maintenance"} if path == where and asked in (1, 30) else fields

    with office(answer) as server:
        text = plan_text("set_up: {steps: [{get: /sign-in}]}", trials=(SHORT.replace("for: 1s", "for: 20s"),))
        result = run(tmp_path, server, text)
    assert isinstance(result.ending, TargetStoppedError)
    assert codes(result)[0] == "validity.target_stopped"
    assert bool(server.paths("/")) is (where == "/")


def test_the_command_line_s_stop_file_ends_with_the_code_of_an_interrupted_run(tmp_path):
    with office(fine) as server:
        (tmp_path / "plan.yaml").write_text(
            plan_text(trials=(SHORT.replace("1s", "30s"),)).replace("TARGET", f"http://127.0.0.1:{server.server_port}")
        )
        done = stopped(
            lambda process: (tmp_path / "halt").touch(),
            *("run", "plan.yaml", "--out", "bundle", "--workers", "1", "--stop-file", "halt", "--json"),
            until=lambda: server.paths("/"),
            cwd=tmp_path,
        )
    assert done.code == 5
    assert done.json["verdict"] == "INVALID"
    assert f"a stop file appeared: {tmp_path}/halt" in done.json["trials"][0]["reasons"][0]["text"]
    assert done.seconds < 15


# -- hopeless ------------------------------------------------------------------------------------------------------

LONG = "{kind: load, name: long, at: 1 P, for: 10s, objectives: [errors <= 1%, p95 response time <= 1s]}"
LEVELS = "{kind: stress, from: 1 P, to: 3 P, step: 1 P, hold: 5s, objectives: [errors <= 1%, capacity >= 1 P]}"


def test_a_hopeless_trial_ends_early_and_fails_the_next_one_runs_and_everyone_recomputes_it(tmp_path):
    broken = threading.Event()
    broken.set()

    def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
        return (500 if broken.is_set() else 200), b"", {}

    mend = Told(on_noted=lambda said: broken.clear() if "ended early" in said else None)
    with office(answer) as server:
        text = plan_text("stop: {hopeless: true}", trials=(LONG, SHORT), peak="60/s")
        result = run(tmp_path, server, text, mend, workers=2, signers=(_tester(tmp_path),))
    assert result.ending is None
    assert [trial.verdict for trial in result.verdict.trials] == [Verdict.FAIL, Verdict.PASS]
    assert {"objective.hopeless", "objective.cut", "service.cut"} <= set(codes(result))
    (event,) = events(result, "hopeless")
    assert event["data"]["limits"] == ["errors <= 1%"]
    started = events(result, "stage started")[0]["at_ns"]
    assert 2e9 < event["data"]["cut_ns"] - started < 8e9
    assert mend.sentences == ["1 P is ended early: even in the best case it would break errors <= 1%"]
    assessed = seatrial("assess", result.bundle, "--json")
    assert (assessed.code, assessed.json["verdict"]) == (1, "FAIL")
    assert [t["verdict"] for t in assessed.json["trials"]] == ["FAIL", "PASS"]
    verified = seatrial("verify", result.bundle, "--trust", tmp_path / "trust.json")
    assert (verified.code, verified.out.splitlines()[-1]) == (0, "VERIFIED"), verified.out
    assert "提早結束" in page(result, "zh-Hant")
    assert "ended early, because a limit could no longer be kept" in page(result, "en")
    _refuses_a_changed_end(result)


def _tester(folder: Path) -> Signer:
    """Make a tester's key and a file that trusts it."""
    names = ("--role", "tester", "--name", "A tester", "--no-passphrase")
    assert seatrial("keys", "new", folder / "tester", *names).code == 0
    assert seatrial("keys", "trust", folder / "tester.json", "--out", folder / "trust.json").code == 0
    return load_signer(folder / "tester.pem", None)


def _refuses_a_changed_end(result: RunResult) -> None:
    """An end that is told otherwise than it was leads to INVALID, and to nothing else."""
    journal = result.bundle / "journal.jsonl"
    for old, new in (('"event":"hopeless"', '"event":"stage started"'), ('"seen_ns":', '"seen_ns":1')):
        whole = journal.read_text()
        journal.write_text(whole.replace(old, new, 1))
        assert recompute(result.bundle).trials[0].verdict is Verdict.INVALID, old
        journal.write_text(whole)


def test_a_hopeless_level_is_broken_and_the_search_ends_as_if_it_had_been_held(tmp_path):
    limit = threading.Event()

    def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
        return (500 if limit.is_set() else 200), b"", {}

    class Second(Told):
        def stage_started(self, trial: int, stage: Any) -> None:
            if stage.index == 1:
                limit.set()

    with office(answer) as server:
        text = plan_text("stop: {hopeless: true}", trials=(LEVELS,), peak="100/s")
        result = run(tmp_path, server, text, Second())
    (trial,) = result.verdict.trials
    assert trial.verdict is Verdict.PASS, trial.reasons
    assert trial.capacity is not None
    assert (trial.capacity.lower, trial.capacity.upper) == (1.0, 2.0)
    assert [stage.held for stage in trial.stages] == [True, False]
    assert events(result, "decision")[-1]["data"] == {"held": False, "next": None}
    assert "service.cut" in codes(result)


def test_a_run_that_could_still_pass_is_never_ended_early(tmp_path):
    count = iter(range(10**9))

    def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
        return (500 if next(count) < 30 else 200), b"", {}  # a bad start, a good end

    with office(answer) as server:
        trial = "{kind: load, at: 1 P, for: 2s, objectives: [errors <= 20%]}"
        result = run(tmp_path, server, plan_text("stop: {hopeless: true}", trials=(trial,), peak="60/s"))
    assert events(result, "hopeless") == []
    assert len(server.paths("/")) == 120
