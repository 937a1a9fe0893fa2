"""A run as JSON lines: what is told, that all of it is documented, and that the documented reader reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import write_plan

from seatrial.authoring.yaml_plan import load_plan
from seatrial.clock import ManualClock
from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Reason, RunVerdict, StageResult, TrialVerdict, Verdict
from seatrial.trials.live_lines import LiveLines
from seatrial.trials.observer import Observers, SilentObserver
from seatrial.units import MS, SECOND

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "live.md").read_text(encoding="utf-8")
RESULT = StageResult(
    index=0, name="1 P", rate=40.0, duration_ns=SECOND, intended=200, sent=190, ok=150,
    outcomes={"ok": 150, "timeout": 50},
    offered_per_s=200.0, achieved_per_s=190.0, goodput_per_s=150.0, p50_ns=1e6, p95_ns=2.5e6, p99_ns=None, held=None,
    objectives=(),
)  # fmt: skip
REASON = Reason(code="validity.no_workers")
VERDICT = RunVerdict(
    verdict=Verdict.INVALID,
    reasons=(Reason(code="run.invalid", params={"names": "load"}),),
    trials=(TrialVerdict(name="load", kind="load", verdict=Verdict.INVALID, reasons=(REASON,), objectives=()),),
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(write_plan(tmp_path, "http://127.0.0.1:8080", ("A visit", "開場"))).plan


def report(worker: int, at_s: float, **facts: Any) -> Tick:
    health = {"busy_share": 0.25}
    outcomes = {Outcome.OK: 30, Outcome.TIMEOUT: 1, Outcome.UNSENT: 2, Outcome.RETRIED: 3}
    histogram = {10 * BUCKETS_PER_OCTAVE: 33}
    return Tick(worker, 40, 3, outcomes, histogram, 2 * MS, health, elapsed_ns=round(at_s * SECOND), **facts)


def told(plan: Plan) -> list[str]:
    """Return the lines of a run of one stage and two workers, of which one is late."""
    lines: list[str] = []
    teller = Observers(SilentObserver(), LiveLines(lines.append, ManualClock()))
    stage = plan.trials[0].stages(0, plan)[0]
    teller.run_started(plan, Path("/evidence/\udcff"), 2)
    teller.stage_started(0, stage)
    for worker, at_s in ((0, 0.9), (1, 0.9), (0, 1.9)):
        teller.tick(0, stage, report(worker, at_s))
    teller.stopping()
    teller.stage_ended(0, stage, RESULT)
    teller.failed("the disk is full")
    teller.run_ended(VERDICT)
    return lines


def test_every_event_is_one_line_and_one_object_in_order(plan: Plan) -> None:
    lines = told(plan)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    documents = [json.loads(line) for line in lines]
    assert [document["event"] for document in documents] == [
        *("run started", "stage started", "second", "stopping", "second", "stage ended", "failed", "run ended"),
    ]
    assert {document["time"] for document in documents} == {"2026-01-01T07:00:00.000Z"}
    assert "開場" in lines[0]


def test_a_second_has_its_figures_in_the_units_that_their_names_say(plan: Plan) -> None:
    first, rest = (json.loads(line) for line in told(plan) if '"second"' in line)
    assert first == {
        **{"event": "second", "time": "2026-01-01T07:00:00.000Z"},
        **{"trial": 0, "trial_name": "load", "stage": 0, "stage_name": "1 P", "phase": "judged"},
        **{"elapsed_s": 0.9, "covered_s": 0.9, "workers": 2, "offered_journeys_per_s": 40.0},
        **{"due_journeys_per_s": 88.889, "achieved_steps_per_s": 66.667, "goodput_steps_per_s": 66.667},
        **{"ok_steps": 60, "errors": {"timeout": 2}, "unsent_steps": 4, "retried_attempts": 6},
        **{"p50_ms": 1.024, "p95_ms": 1.024, "p99_ms": 1.024, "send_lag_p99_ms": 2.0},
        **{"sessions": 6, "generator_cpu": 0.25},
    }
    assert (rest["workers"], rest["covered_s"], rest["phase"]) == (1, 1.0, "draining")


def test_the_end_of_a_stage_and_of_the_run_are_told(plan: Plan) -> None:
    *_, stage, failed, run = (json.loads(line) for line in told(plan))
    assert (stage["held"], stage["p95_ms"], stage["p99_ms"]) == (None, 2.5, None)
    assert stage["steps"] == {"intended": 200, "sent": 190, "ok": 150, "timeout": 50}
    assert failed["reason"] == "the disk is full"
    assert run["verdict"] == "INVALID"
    assert run["trials"] == [{"name": "load", "kind": "load", "verdict": "INVALID", "reasons": [REASON.text]}]


def test_every_field_of_every_event_is_documented_and_nothing_else(plan: Plan) -> None:
    described = set(re.findall(r"^\| (`[a-z0-9_`, ]+`) \|", PAGE, re.M))
    fields = {field for cell in described for field in re.findall(r"`([a-z0-9_]+)`", cell)}
    documents = [json.loads(line) for line in told(plan)]
    assert {field for document in documents for field in document} == fields
    assert all(f"`{document['event']}`" in PAGE for document in documents)
    (errors,) = re.findall(r"^\| `errors` .*$", PAGE, re.M)
    others = {Outcome.OK, Outcome.UNSENT, Outcome.RETRIED}
    assert set(re.findall(r"`([a-z_]+)`", errors)) == {"errors"} | {o.label for o in Outcome if o not in others}


def test_the_documented_reader_reads_the_lines(plan: Plan) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    lines = "".join(told(plan)).encode("utf-8", "backslashreplace").decode()
    read = subprocess.run([sys.executable, "-c", code], input=lines, capture_output=True, text=True, check=True)
    assert read.stdout.splitlines() == ["0.9 40.0 1.024 {'timeout': 2}", "1.9 4.0 1.024 {'timeout': 1}", "INVALID"]
