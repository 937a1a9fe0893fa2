"""A plan that says everything, from the command to the verdict and back: two workers, a real service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.running import seatrial
from tests.engine.served import Request, Server, answering, ok
from tests.engine.test_everything import FOLDER, Service


@pytest.mark.real
def test_a_plan_that_says_everything_is_run_and_judged_and_judged_again(tmp_path: Path) -> None:
    service, phases = Service(), []

    def answer(request: Request) -> bytes:
        if request.path.startswith("/season"):
            phases.append(f"{request.method} {request.path}")
            return ok(b'{"season": "spring"}')
        return ok(b"go on") if request.path == "/stop" else service.answer(request)

    for file in FOLDER.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    with Server(answering(answer)) as server:
        plan = tmp_path / "plan.yaml"
        text = plan.read_text(encoding="utf-8")
        plan.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}"), encoding="utf-8")
        (tmp_path / "policy.yaml").write_text(
            "policy: 1\ntitle: Of this test\n"
            "validity: {min_samples: 10, generator_cpu: 1, steal: 1, unsent: 0.5, send_lag_floor: 5s}\n"
            "acceptance:\n  mandatory: [{kind: load, at_least: 1 P, hold: 1s, objectives: [errors <= 60%]}]\n"
        )
        out, policy = tmp_path / "out", tmp_path / "policy.yaml"
        done = seatrial("run", str(plan), "--out", str(out), "--workers", "2", "--policy", str(policy), "--json")
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    assert phases == ["GET /season", "DELETE /season/spring"]
    guests = [who for who, requests in service.seen.items() if ("GET", "/guest", b"") in requests]
    assert {service.patrons[who]["adult"] for who in guests if who != "nobody"} == {False}
    environment = json.loads(next(tmp_path.rglob("environment.json")).read_text(encoding="utf-8"))
    assert {name: fact["rows"] for name, fact in environment["feeds"].items()} == {
        "apply.patron": 150,
        "apply.branch": 3,
        "look.patron": 150,
    }
    assert environment["uploads"]["scan.bin"]["bytes"] == 16384
    again = seatrial("assess", done.json["bundle"], "--json")
    assert (again.code, again.json["verdict"]) == (0, "PASS"), again.err
