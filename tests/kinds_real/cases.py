"""The plans of ``examples/kinds`` against the booking service, healthy and with a fault, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tests.cli.running import seatrial

from seatrial.sandbox.process import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples" / "kinds"

# The machine is shared with everything: what the generator's health is worth is tested elsewhere.
POLICY = """\
policy: 1
title: Policy of the tests
validity: {min_samples: 10, generator_cpu: 1, steal: 1, unsent: 0.5, send_lag_floor: 2s}
acceptance:
  mandatory:
    - {kind: load, at_least: 1 P, hold: 1s, objectives: [errors <= 20%]}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One trial against one service.

    Attributes:
        kind: The example's name.
        trial: The trial's name where the example has several.
        release: Of the booking service.
        faults: Switches of the service, beside four desks for release B.
        changes: Keys of the trial that are written otherwise.
        plan: Keys of the plan that are written otherwise.
        seconds: About how long it takes.
    """

    kind: str
    trial: str | None = None
    release: str = "b"
    faults: Mapping[str, object] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    seconds: int = 15


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run printed, and where its bundle is."""

    code: int
    document: dict[str, Any]
    bundle: Path

    @property
    def trial(self) -> dict[str, Any]:
        (trial,) = self.document["trials"]
        assert isinstance(trial, dict)
        return trial

    @property
    def verdict(self) -> str:
        return str(self.trial["verdict"])

    @property
    def codes(self) -> set[str]:
        return {reason["code"] for reason in self.trial["reasons"]}

    def params(self, code: str) -> list[dict[str, str]]:
        """Return the figures of the sentences of one code."""
        return [reason["params"] for reason in self.trial["reasons"] if reason["code"] == code]

    @property
    def shown(self) -> str:
        """Return the reasons, for a test that fails."""
        return "\n".join(f"{reason['code']} {reason['params']}" for reason in self.trial["reasons"])


def switch(**switches: object) -> dict[str, Any]:
    """Return a phase of a plan that turns switches of the service."""
    return {"steps": [{"post": "/faults", "name": "turn", "json": switches}]}


def run_case(case: Case, folder: Path) -> Ended:
    """Run a case; once more where the machine was too busy for the run to be believed."""
    ended = _run(case, folder / "first")
    return ended if ended.verdict != "INVALID" else _run(case, folder / "second")


def _run(case: Case, folder: Path) -> Ended:
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLES / "patrons.csv", folder)
    desks = {"desks": 4} if case.release == "b" else {}
    with Sandbox(case.release, faults={**desks, **case.faults}, patrons=200, slots=1400, allow_faults=True) as box:
        (folder / "app.pid").write_text(str(box.pid))
        (folder / "policy.yaml").write_text(POLICY)
        (folder / "plan.yaml").write_text(json.dumps(_plan(case, box.url)))
        done = seatrial(
            "run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--workers", 1, "--json", cwd=folder
        )
    assert done.out, done.err
    return Ended(done.code, done.json, folder / "bundle")


def _plan(case: Case, url: str) -> dict[str, Any]:
    plan: dict[str, Any] = YAML(typ="safe", pure=True).load((EXAMPLES / f"{case.kind}.yaml").read_text("utf-8"))
    trials = [trial for trial in plan["trials"] if case.trial in (None, trial.get("name"))]
    assert len(trials) == 1, f"{case.kind} has several trials: name one"
    return plan | {"target": url, "trials": [trials[0] | case.changes]} | case.plan


#: Steps to 3 P, each held long enough for a service that falls behind to be seen; no more is asked of errors.
STEEP = {
    "to": "3 P",
    "hold": "8s",
    "objectives": ["p90 response time <= 1s", "errors <= 10%", "capacity >= 3 P"],
}
LAX = ["p90 response time <= 500ms", "errors <= 60%"]

CASES: dict[str, Case] = {
    "load": Case("load", seconds=18),
    # The service dies in the second of the three runs: the first is kept.
    "load-dies": Case("load", faults={"crash_after": 240}, seconds=18),
    "load-errors": Case("load", faults={"error_rate": 0.3}, changes={"runs": 1}, seconds=8),
    "load-slow": Case("load", faults={"latency_ms": 1500}, changes={"runs": 1}, seconds=8),
    "rising": Case("stress", "rising steps", seconds=18),
    "rising-slows": Case("stress", "rising steps", release="a", changes=STEEP, seconds=20),
    "rising-hangs": Case("stress", "rising steps", faults={"freeze": "0:600"}, changes={"to": "2 P"}, seconds=12),
    "rising-errors": Case("stress", "rising steps", faults={"error_rate": 0.5}, seconds=8),
    "rising-collapses": Case(
        "stress",
        "rising steps",
        release="a",
        faults={"sticky_overload": 30},
        changes=STEEP | {"settle": "2s", "hold": "14s"},
        seconds=35,
    ),
    "search": Case("stress", "search", seconds=40),
    "search-too-low": Case("stress", "search", faults={"desks": 1}, seconds=30),
    "spike": Case("spike"),
    "spike-slow": Case("spike", release="a", changes={"objectives": [*LAX, "recovery time <= 100ms"]}),
    "spike-stays-down": Case("spike", release="a", faults={"sticky_overload": 10}, changes={"base": "1 P"}),
    "soak": Case("soak", faults={"latency_ms": 100}, seconds=50),
    "soak-slower": Case("soak", faults={"latency_ms": 100, "latency_growth": 300}, seconds=50),
    "soak-leaks": Case("soak", faults={"latency_ms": 100, "leak_mb_per_request": 0.05}, seconds=50),
    "overload": Case("recovery", "overload", seconds=18),
    "overload-stays-down": Case("recovery", "overload", release="a", faults={"sticky_overload": 10}, seconds=18),
    "fault": Case("recovery", "loss of the database"),
    "fault-not-mended": Case(
        "recovery",
        "loss of the database",
        changes={"fault": {"begin": switch(error_rate=0.8), "for": "2s", "end": switch(error_rate=1)}},
    ),
    "fault-heals": Case(
        "recovery", "loss of the database", changes={"fault": {"begin": switch(outage="0:1.5")}, "before": "5s"}
    ),
    "fault-not-made": Case(
        "recovery", "loss of the database", changes={"fault": {"begin": {"steps": [{"post": "/nowhere"}]}}}, seconds=8
    ),
    "sizes": Case("scalability", seconds=45),
    "sizes-shared": Case(
        "scalability", faults={"shared_ms": 36}, changes={"from": "0.4 P", "step": "0.2 P"}, seconds=40
    ),
}
