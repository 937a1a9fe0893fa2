"""Limits that nothing could show are refused; those that are hardly decided are noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.authoring.criteria import least_records
from seatrial.authoring.yaml_plan import LoadedPlan, load_plan
from seatrial.errors import PlanError
from seatrial.model.objective import parse_objective
from seatrial.stats.binomial import clopper_pearson

PLAN = """\
seatrial: 1
title: Limits
target: http://127.0.0.1:8080
demand: {peak: 10/s}
deadlines: {connect: 1s, response: 9s}
journeys:
  visit:
    steps:
      - {get: /, name: list}
      - choose:
          - {weight: 9, steps: []}
          - {weight: 1, steps: [{post: /b, name: book}]}
trials:
  - %s
    objectives:
      - errors <= 50%%
      - %s
"""
LOAD = "kind: load\n    at: 1 P\n    for: 2m"
SOAK = "kind: soak\n    at: 1 P\n    for: 2m"
SPIKE = "kind: spike\n    base: 0.5 P\n    to: 1 P\n    rise: 1s\n    hold: 1m\n    rest: 1m"
USERS = "kind: load\n    users: 5\n    for: 2m\n    think: 1s"


def loaded(folder: Path, trial: str, limit: str) -> LoadedPlan:
    path = folder / "plan.yaml"
    path.write_text(PLAN % (trial, limit), encoding="utf-8")
    return load_plan(path)


IMPOSSIBLE = [
    (LOAD, "efficiency >= 80%", "a load trial can't show"),
    (LOAD, "recovery time <= 5m", "a load trial can't show"),
    (LOAD, "p95 response time drift <= 10%", "a load trial can't show"),
    (SOAK, "capacity >= 1 P", "a soak trial can't show"),
    (SPIKE, "recovery time <= 2m", "only watched for 1 min"),
    (LOAD, "p95 response time <= 20s", "no answer can break"),
    (LOAD, "mean service time <= 11s for step book", "no answer can break"),
    (LOAD, "goodput >= 25/s", "more than the 20/s steps"),
    (LOAD, "goodput >= 11/s for step book", "more than the 10/s steps"),
    (USERS, "goodput >= 1/s", "a rate of users"),
    (LOAD, "errors <= 1% for every 3m", "windows longer than the 2 min"),
    (SPIKE, "errors <= 1% for every 90s", "windows longer than the 1 min 2 s"),
    (LOAD, "p99.9 response time <= 2s for every 30s", "windows of about 600.0 records, too few"),
    (SOAK.replace("2m", "30s"), "errors drift <= 1%", "too short a time"),
    (SOAK, "errors drift <= 1% for step book", "about 120 records"),
]


@pytest.mark.parametrize(("trial", "limit", "what"), IMPOSSIBLE)
def test_a_limit_that_nothing_could_show_is_refused_at_its_line(
    tmp_path: Path, trial: str, limit: str, what: str
) -> None:
    with pytest.raises(PlanError) as caught:
        loaded(tmp_path, trial, limit)
    (problem,) = caught.value.problems
    line = (PLAN % (trial, limit)).split("\n").index(f"      - {limit}") + 1
    assert what in problem.what
    assert problem.where.endswith(f"plan.yaml:{line}")
    assert problem.remedy.endswith(".")


POSSIBLE = [
    (SPIKE, "recovery time <= 1m"),
    (LOAD, "p95 response time <= 10s"),
    (LOAD, "goodput >= 20/s"),
    (LOAD, "errors <= 1% for every 30s"),
    (LOAD, "p99 response time <= 2s for every 30s"),
    (SOAK.replace("2m", "10m"), "errors drift <= 1%"),
]


@pytest.mark.parametrize(("trial", "limit"), POSSIBLE)
def test_a_limit_at_the_edge_of_the_possible_is_taken(tmp_path: Path, trial: str, limit: str) -> None:
    assert loaded(tmp_path, trial, limit).notes == ()


@pytest.mark.parametrize(
    ("limit", "note"),
    [
        ("errors <= 0.1%", "about 1,320 records"),
        ("errors <= 2% for step book", "about 120 records"),
        ("p99.9 response time <= 2s", "about 1,320 records"),
    ],
)
def test_a_limit_that_the_trial_is_too_small_for_is_noted(tmp_path: Path, limit: str, note: str) -> None:
    (found,) = loaded(tmp_path, LOAD, limit).notes
    assert note in found.what
    assert found.value == limit


def test_a_limit_that_another_implies_is_noted(tmp_path: Path) -> None:
    (found,) = loaded(tmp_path, LOAD, "p95 response time <= 2s\n      - p99 response time <= 1s").notes
    assert found.what == "a limit that p99 response time <= 1s implies"


def test_the_fewest_records_are_those_of_the_exact_bound() -> None:
    for text, bad, needed in (("errors <= 0.1%", 0.001, 3688), ("p95 response time <= 1s", 0.05, 72)):
        assert least_records(parse_objective(text)) == needed
        assert clopper_pearson(0, needed, 0.95)[1] <= bad < clopper_pearson(0, needed - 1, 0.95)[1]


def test_a_limit_on_admitted_steps_alone_would_let_a_service_refuse_everybody(tmp_path: Path) -> None:
    text = (PLAN % (LOAD, "errors <= 2% of admitted")).replace("      - errors <= 50%\n", "")
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(PlanError, match="limits neither errors nor goodput"):
        load_plan(tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_text(f"{text}      - refusals <= 5%\n")
    assert load_plan(tmp_path / "plan.yaml").notes == ()
