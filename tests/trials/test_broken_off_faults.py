"""A fault that the runner makes is ended by it, however the run goes: real workers, a real service."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.trials.test_phases_and_stops import Office, Reply, Told, codes, events, fine, office, plan_text, run

from seatrial.backends.local import LocalBackend
from seatrial.errors import HappeningError, InterruptedRunError, PlanError, WorkerLostError
from seatrial.model.verdict import Verdict
from seatrial.trials.finish import RunResult

MEND = "[{delete: /broken}]"
TEAR_DOWN = "tear_down: {steps: [{delete: /rows}]}"


def plan(begin: str = "[{post: /broken}]", end: str = MEND, after: str = "60s", lasts: str = "30s") -> str:
    """Return a plan that breaks the service after half a second, and mends it after another half a minute."""
    fault = f"{{begin: {{steps: {begin}}}, end: {{steps: {end}}}, for: {lasts}}}"
    limits = "[errors <= 50%, recovery time <= 30s]"
    trial = f"{{kind: recovery, at: 1 P, before: 500ms, fault: {fault}, after: {after}, objectives: {limits}}}"
    return plan_text(TEAR_DOWN, trials=(trial,), peak="20/s")


def story(server: Office) -> list[str]:
    return [method for method, path, _ in server.asked if path == "/broken"]


def order(result: RunResult) -> list[str]:
    wanted = ("happened", "happening failed", "interrupted", "worker lost", "tear down started", "tear down ended")
    return [event["event"] for event in events(result) if event["event"] in wanted]


def asks_to_stop(text: str) -> None:
    if text == "fault":
        os.kill(os.getpid(), signal.SIGINT)


def test_a_person_who_stops_the_run_during_a_fault_has_it_mended_before_the_tear_down(tmp_path: Path) -> None:
    begun = time.monotonic()
    with office(fine) as server:
        result = run(tmp_path, server, plan(), Told(on_noted=asks_to_stop))
    assert time.monotonic() - begun < 15
    assert isinstance(result.ending, InterruptedRunError)
    assert story(server) == ["POST", "DELETE"]
    assert [event["data"]["name"] for event in events(result, "happened")] == ["fault", "end of fault"]
    assert order(result) == ["happened", "happened", "interrupted", "tear down started", "tear down ended"]
    assert codes(result)[0] == "validity.interrupted"


def test_a_run_that_is_stopped_before_its_fault_mends_nothing(tmp_path: Path) -> None:
    once = iter([signal.SIGINT])
    text = plan().replace("before: 500ms", "before: 30s")
    with office(fine) as server:
        result = run(tmp_path, server, text, Told(on_tick=lambda: [os.kill(os.getpid(), n) for n in once]))
    assert isinstance(result.ending, InterruptedRunError)
    assert story(server) == []


def test_a_fault_that_is_not_known_to_have_been_made_is_mended_all_the_same(tmp_path: Path) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        return (500, b"", {}) if method == "POST" else fine(method, path, headers)

    with office(answer) as server:
        result = run(tmp_path, server, plan())
    assert isinstance(result.ending, HappeningError)
    assert story(server) == ["POST", "DELETE"]
    assert order(result) == ["happened", "happening failed", "tear down started", "tear down ended"]
    assert codes(result)[0] == "validity.happening_failed"


def test_a_fault_during_which_a_worker_is_lost_is_mended(tmp_path: Path) -> None:
    backends: list[LocalBackend] = []

    def backend() -> LocalBackend:
        backends.append(LocalBackend())
        return backends[-1]

    def kills(text: str) -> None:
        if text == "fault":
            os.kill(backends[0].process_ids[0], signal.SIGKILL)

    with office(fine) as server:
        result = run(tmp_path, server, plan(), Told(on_noted=kills), workers=2, backend=backend)
    assert isinstance(result.ending, WorkerLostError)
    assert story(server) == ["POST", "DELETE"]
    assert order(result) == ["happened", "happened", "worker lost", "tear down started", "tear down ended"]


def test_a_fault_that_can_not_be_mended_is_told_and_leaves_the_reason_of_the_end(tmp_path: Path) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        return (500, b"", {}) if path == "/broken" and method == "DELETE" else fine(method, path, headers)

    observer = Told(on_noted=asks_to_stop)
    with office(answer) as server:
        result = run(tmp_path, server, plan(), observer)
    assert isinstance(result.ending, InterruptedRunError)
    assert any(text.startswith("end of fault failed, so the fault may still be there") for text in observer.sentences)
    assert order(result)[:3] == ["happened", "happening failed", "interrupted"]
    assert codes(result)[0] == "validity.interrupted"
    assert result.verdict.verdict is Verdict.INVALID


def test_a_person_who_asks_again_does_not_wait_for_the_end_of_a_fault_and_still_has_the_tear_down(
    tmp_path: Path,
) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        if path == "/broken" and method == "DELETE":
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            return None
        return fine(method, path, headers)

    begun = time.monotonic()
    with office(answer) as server:
        text = plan(end="[{delete: /broken, deadline: 25s}]")
        result = run(tmp_path, server, text, Told(on_noted=asks_to_stop))
    assert time.monotonic() - begun < 15
    (failed,) = events(result, "happening failed")
    assert failed["data"]["detail"] == "end of fault: a person skipped it"
    assert order(result)[-2:] == ["tear down started", "tear down ended"]


def test_a_fault_of_which_nothing_was_done_ends_the_run(tmp_path: Path) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        return (404, b"", {}) if path == "/nothing" else fine(method, path, headers)

    with office(answer) as server:
        result = run(tmp_path, server, plan("[{post: /nothing, on_failure: continue}]"))
    assert isinstance(result.ending, HappeningError)
    assert "none of its steps" in events(result, "happening failed")[0]["data"]["detail"]
    assert story(server) == ["DELETE"]


@pytest.mark.parametrize("text", [plan("[{pause: 10ms}]"), plan_text("set_up: {steps: [{pause: 10ms}]}")])
def test_steps_that_ask_for_nothing_are_an_error_of_the_plan(tmp_path: Path, text: str) -> None:
    with office(fine) as server, pytest.raises(PlanError, match="pauses alone"):
        run(tmp_path, server, text)


def test_a_request_that_mends_and_hangs_until_the_stage_is_over_is_waited_for(tmp_path: Path) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Reply | None:
        return None if path == "/broken" and method == "DELETE" else fine(method, path, headers)

    with office(answer) as server:
        result = run(
            tmp_path, server, plan(after="1s", lasts="500ms").replace("recovery time <= 30s", "recovery time <= 1s")
        )
    assert isinstance(result.ending, HappeningError)
    assert story(server) == ["POST", "DELETE"]
    assert codes(result)[0] == "validity.happening_failed"
