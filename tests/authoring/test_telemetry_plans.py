"""Telemetry in a plan: limits on it, and whom it may ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError, Problem
from seatrial.model.plan import Plan, plan_document

GOOD = """\
seatrial: 1
title: Telemetry
target: http://127.0.0.1:8080
demand: {peak: 10/s}
telemetry:
  sources:
    app:
      prometheus: http://127.0.0.1:9090/metrics
      series:
        cpu: {rate: process_cpu_seconds_total, of: 2}
        memory: {value: process_resident_memory_bytes}
        queue: {value: queue_length}
journeys:
  visit: {steps: [{get: /}]}
trials:
  - kind: load
    at: 1 P
    for: 5s
    objectives:
      - errors <= 1%
      - mean telemetry app.cpu <= 70%
"""


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(folder / "plan.yaml")
    return caught.value.problems


def test_a_plan_with_telemetry_is_the_same_once_written_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(GOOD, encoding="utf-8")
    plan = load_plan(tmp_path / "plan.yaml").plan
    assert Plan.model_validate(plan_document(plan)) == plan
    assert plan.telemetry is not None
    assert [series.name for series in plan.telemetry.series] == ["app.cpu", "app.memory", "app.queue"]


LIMITS = {
    "mean telemetry app.disk <= 70%": ("a limit on app.disk, which the plan does not read", "app.cpu"),
    "mean telemetry app.cpu <= 2 GB": ("a limit on app.cpu in another unit than its readings", "percentage"),
    "mean telemetry app.cpu <= 1": ("a limit on app.cpu in another unit than its readings", "percentage"),
    "max telemetry app.memory <= 70%": ("a limit on app.memory in another unit than its readings", "bytes"),
    "max telemetry app.queue <= 70%": ("a limit on app.queue in another unit than its readings", "plain number"),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_that_its_series_can_not_show_is_refused_at_its_line(limit: str, tmp_path: Path) -> None:
    what, remedy = LIMITS[limit]
    (problem,) = problems_of(tmp_path, GOOD.replace("mean telemetry app.cpu <= 70%", limit))
    assert (problem.what, problem.where) == (what, f"{tmp_path / 'plan.yaml'}:21")
    assert remedy in problem.remedy.lower() or remedy in problem.remedy


@pytest.mark.parametrize("limit", ["max telemetry app.memory <= 1.5 GB", "max telemetry app.queue <= 200"])
def test_a_limit_in_the_unit_of_its_series_is_taken(limit: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(GOOD.replace("mean telemetry app.cpu <= 70%", limit), encoding="utf-8")
    load_plan(tmp_path / "plan.yaml")


def reach(folder: Path, text: str) -> list[tuple[str, str]]:
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    notes = load_plan(folder / "plan.yaml").notes
    return [(note.what, note.where.rpartition(":")[2]) for note in notes if "beyond loopback" in note.what]


def test_figures_of_a_stranger_are_noted(tmp_path: Path) -> None:
    found = reach(tmp_path, GOOD.replace("127.0.0.1:9090", "metrics.example.org:9090"))
    assert found == [("a telemetry address beyond loopback", "8")]


def test_figures_of_the_target_s_host_are_noted_with_the_target(tmp_path: Path) -> None:
    found = reach(tmp_path, GOOD.replace("127.0.0.1", "10.1.2.3"))
    assert [what for what, _ in found] == ["a target beyond loopback"]
