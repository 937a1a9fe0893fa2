"""Closed trials in plans as people write them: every mistake has its sentence at its line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.plans import register
from seatrial.errors import PlanError, Problem

PLAN = """\
seatrial: 1
title: Users
target: http://127.0.0.1:8080
demand: {peak: 10/s}
max_sessions: 300
journeys:
  book:
    feed: {who: {csv: who.csv, order: cycle}}
    steps:
      - get: /sessions/${who.id}
        name: list
trials:
  - kind: load
    users: 200
    ramp: 10s
    pacing: 10s
    for: 5m
    objectives: [errors <= 1%]
"""


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "who.csv").write_text("id\na\nb\n")
    (tmp_path / "plan.yaml").write_text(text)
    return tmp_path / "plan.yaml"


def problem(tmp_path: Path, old: str, new: str) -> Problem:
    assert old in PLAN
    with pytest.raises(PlanError) as found:
        load_plan(written(tmp_path, PLAN.replace(old, new, 1)))
    (only,) = found.value.problems
    return only


def test_a_closed_trial_is_read(tmp_path: Path) -> None:
    loaded = load_plan(written(tmp_path, PLAN))
    (stage,) = loaded.plan.trials[0].stages(0, loaded.plan)
    assert stage.users is not None
    assert (stage.users.count, stage.users.pacing_ns) == (200, 10_000_000_000)


MISTAKES = {
    "a level": ("pacing: 10s", "at: 1 P", "'at' beside users", 16),
    "both rests": ("pacing: 10s", "pacing: 10s\n    think: 1s", "both pacing and think", 17),
    "no end": ("    for: 5m\n", "", "users without 'for'", 13),
    "arrivals": ("pacing: 10s", "arrivals: even", "'arrivals' beside users", 16),
    "a number without its unit": ("pacing: 10s", "think: 10", "not a duration such as 30s", 16),
    "an unknown distribution": ("pacing: 10s", "think: {normal: 1s}", "an unknown key", 16),
    "two distributions": (
        "pacing: 10s", "think: {exponential: 1s, lognormal: 1s}", "not exactly one distribution", 16
    ),
    "a rest of no users": ("users: 200", "at: 1 P", "'pacing' without users", 16),
    "no users at all": ("users: 200", "users: 0", "users is below 1", 14),
    "more users than sessions": ("users: 200", "users: 301", "more users than the 300 sessions permitted", 13),
    "rows that are used once": (
        "order: cycle", "order: unique", "rows that are each to be used once, for users who begin again and again", 8
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_said_at_its_line_with_a_remedy(tmp_path: Path, mistake: str) -> None:
    old, new, what, line = MISTAKES[mistake]
    found = problem(tmp_path, old, new)
    assert found.what.startswith(what)
    assert found.where.endswith(f"plan.yaml:{line}")
    assert found.remedy.endswith((".", "?"))


def test_as_many_users_as_sessions_are_permitted(tmp_path: Path) -> None:
    assert load_plan(written(tmp_path, PLAN.replace("users: 200", "users: 300"))).plan.trials[0].stages


@pytest.mark.parametrize(
    ("old", "new", "peak"),
    [
        ("ramp: 10s", "ramp: 10s", 20),
        ("pacing: 10s", "pacing: 9s", 22.2222),
        ("ramp: 10s", "ramp: 9s", 22.2222),
        ("pacing: 10s", "think: 10s", 20),
        ("pacing: 10s", "think: 9s", 22.2222),
        ("    pacing: 10s\n", "", math.inf),
        ("    ramp: 10s\n", "", math.inf),
    ],
)
def test_the_highest_rate_of_users_is_known_where_they_rest_and_begin_one_by_one(
    tmp_path: Path, old: str, new: str, peak: float
) -> None:
    # 200 users over 10 s, each 10 s apart: 20/s at the most.
    plan = load_plan(written(tmp_path, PLAN.replace(old, new, 1))).plan
    assert max(stage.peak for stage in plan.trials[0].stages(0, plan)) == pytest.approx(peak, rel=1e-5)


def test_open_trials_beside_closed_ones_are_still_counted(tmp_path: Path) -> None:
    few = "  - {kind: load, at: 0.01 P, for: 1s, objectives: [errors <= 1%]}\n"
    with pytest.raises(PlanError) as found:
        load_plan(written(tmp_path, PLAN + few))
    assert [p.what for p in found.value.problems] == ["a trial in which no session takes a journey"]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("pacing: 10s", "beginning at least 10 s apart"),
        ("think: 2s", "resting for 2 s"),
        ("think: {exponential: 2s}", "resting for exponential 2s"),
        ("ramp: 1s", "without a rest"),
    ],
)
def test_plan_check_says_what_users_do_and_counts_no_sessions(tmp_path: Path, rest: str, words: str) -> None:
    path = written(tmp_path, PLAN.replace("    ramp: 10s\n", "").replace("pacing: 10s", rest))
    app = typer.Typer()
    register(app)
    words_shown = CliRunner().invoke(app, ["plan", "check", str(path)]).output
    assert f"200 users who wait for the service, {words}, for" in words_shown
    assert "as many sessions as the service lets them begin" in words_shown
    shown = json.loads(CliRunner().invoke(app, ["plan", "check", str(path), "--json"]).output)
    (trial,) = shown["trials"]
    assert (trial["users"]["count"], trial["sessions"], trial["requests"]) == (200, None, None)
