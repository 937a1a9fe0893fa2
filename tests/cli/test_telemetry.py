"""The service's own figures in whole runs: read under load, kept in the bundle, and judged."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.running import Done, free_port, seatrial, service, stopped, write_plan

from seatrial.sandbox.process import Sandbox

PLAN = """\
seatrial: 1
title: A visit
target: TARGET
demand: {peak: 20/s}
telemetry:
  every: 200ms
  sources:
    app:
      prometheus: TARGET/metrics
      series:
        cpu: {rate: process_cpu_seconds_total, of: 1}
        memory: {value: process_resident_memory_bytes, limit: 1 GB}
        answers: {rate: 'http_requests_total{code="200"}'}
journeys:
  visit: {steps: [{get: /health, name: health}]}
trials:
  - kind: load
    at: 1 P
    for: 3s
    objectives:
      - p50 response time <= 1s
      - errors <= 20%
      - mean telemetry app.cpu <= 90%
      - max telemetry app.memory <= 200 MB
      - mean telemetry app.answers >= 5
"""

BLIND = """\
  - kind: load
    name: blind
    at: 1 P
    for: 1s
    objectives: [errors <= 20%, max telemetry gone.queue <= 5]
"""

Runs = Callable[[str], tuple[Done, Path]]


def trials(done: Done) -> dict[str, dict[str, Any]]:
    return {trial["name"]: trial for trial in done.json["trials"]}


def verdicts(trial: dict[str, Any]) -> dict[str, str]:
    return {objective["objective"]: objective["verdict"] for objective in trial["objectives"]}


def run(folder: Path, plan: Path, *options: object) -> Done:
    given = ("--policy", folder / "policy.yaml", "--out", folder / "bundle", "--json")
    return seatrial("run", plan, *given, *options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    root = tmp_path_factory.mktemp("telemetry")
    key = seatrial("keys", "new", root / "tester", "--role", "tester", "--name", "A tester", "--no-passphrase")
    assert key.code == 0, key.err

    @cache
    def of(name: str) -> tuple[Done, Path]:
        folder = root / name
        leak = {"leak_mb_per_request": 4} if name == "leaking" else {}
        with Sandbox("b", patrons=10, slots=70, faults=leak) as box:
            plan = PLAN
            if name == "leaking":
                gone = f"    gone: {{prometheus: 'http://127.0.0.1:{free_port()}/', series: {{queue: {{value: q}}}}}}\n"
                plan = plan.replace("journeys:\n", f"{gone}journeys:\n") + BLIND
            done = run(folder, write_plan(folder, box.url, plan=plan), "--key", root / "tester.pem")
            return done, folder / "bundle"

    yield of


def test_a_healthy_service_keeps_the_limits_on_its_own_figures(runs: Runs) -> None:
    done, bundle = runs("healthy")
    assert done.code == 0, done.out + done.err
    trial = trials(done)["load"]
    assert set(verdicts(trial).values()) == {"PASS"}
    shown = {telemetry["series"]: telemetry for telemetry in trial["stages"][0]["telemetry"]}
    assert list(shown) == ["app.answers", "app.cpu", "app.memory"]
    assert all(telemetry["due"] == 15 and telemetry["readings"] >= 12 for telemetry in shown.values())
    assert shown["app.answers"]["mean"]["estimate"] == pytest.approx(20, rel=0.25)
    assert 20e6 < shown["app.memory"]["highest"] < 200e6
    assert 0 < shown["app.cpu"]["mean"]["estimate"] < 0.9
    frame = pl.read_parquet(bundle / "telemetry" / "01-load.parquet")
    assert frame.height >= 36
    assert not (bundle / "spool").exists()


def test_a_leak_breaks_the_limit_on_memory_and_no_other(runs: Runs) -> None:
    done, _ = runs("leaking")
    found = verdicts(trials(done)["load"])
    assert found.pop("max telemetry app.memory <= 200 MB") == "FAIL"
    assert set(found.values()) == {"PASS"}
    assert trials(done)["load"]["verdict"] == "FAIL"


def test_a_trial_with_a_limit_on_a_source_that_is_gone_is_invalid(runs: Runs) -> None:
    done, _ = runs("leaking")
    assert done.code == 4
    blind = trials(done)["blind"]
    assert blind["verdict"] == "INVALID"
    assert [reason["text"] for reason in blind["reasons"]] == [
        "There is a limit on gone.queue, and not one reading of it at 1 P: there was no connection."
    ]


def test_readings_that_were_changed_are_found_and_the_file_is_named(runs: Runs, tmp_path: Path) -> None:
    _, bundle = runs("leaking")
    copy, trust = Path(shutil.copytree(bundle, tmp_path / "copy")), tmp_path / "trust.json"
    file = copy / "telemetry" / "01-load.parquet"
    less = pl.when(pl.col("value") > 1e8).then(1e8).otherwise("value").alias("value")
    pl.read_parquet(file).with_columns(less).write_parquet(file)
    # The verdict follows from the file, so changing it would change the verdict: its digest tells.
    assert trials(seatrial("assess", copy, "--json"))["load"]["verdict"] == "PASS"
    assert seatrial("keys", "trust", bundle.parents[1] / "tester.json", "--out", trust).code == 0
    done = seatrial("verify", copy, "--trust", trust)
    assert done.code == 1
    assert "telemetry/01-load.parquet was changed" in done.out


def test_a_run_that_is_killed_leaves_its_readings_and_they_are_recovered(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    spool = bundle / "spool" / "01-load" / "telemetry.rows"

    def kill(process: subprocess.Popen[str]) -> None:
        process.kill()

    with Sandbox("b", patrons=10, slots=70) as box:
        plan = write_plan(tmp_path, box.url, ("for: 3s", "for: 60s"), plan=PLAN)
        command = ("run", plan, "--policy", tmp_path / "policy.yaml", "--out", bundle)
        until = lambda: spool.exists() and spool.stat().st_size > 300  # noqa: E731
        assert stopped(kill, *command, until=until, cwd=tmp_path).code == -signal.SIGKILL
    assert not (bundle / "telemetry").exists()
    done = seatrial("recover", bundle)
    assert (done.code, done.complaints) == (4, [])
    frame = pl.read_parquet(bundle / "telemetry" / "01-load.parquet")
    assert frame.height >= 10
    assert (frame["at_ns"] > 0).all()
    assert not (bundle / "spool").exists()
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert "telemetry/01-load.parquet" in json.dumps(manifest)


def test_figures_of_a_stranger_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with service() as server:
        plan = write_plan(tmp_path, server.url, plan=PLAN.replace("TARGET/metrics", "http://192.0.2.1:9090/metrics"))
        done = run(tmp_path, plan)
        assert not server.times
    assert done.code == 2
    assert "beyond this machine and nothing shows that it may be asked: 192.0.2.1:9090" in done.err
    assert not (tmp_path / "bundle").exists()
