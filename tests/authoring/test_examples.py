"""The plans in ``examples/`` are what they say they are."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sqlite3
from pathlib import Path

import pytest

from seatrial.authoring.policies import load_policy
from seatrial.authoring.yaml_plan import LoadedPlan, load_plan
from seatrial.sandbox.patrons import patrons_csv
from seatrial.verdict.acceptance import shortfalls

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_example(name: str) -> LoadedPlan:
    return load_plan(EXAMPLES / name)


def test_the_first_plan_is_ten_lines_of_ones_own_server() -> None:
    loaded = load_example("first-plan.yaml")
    assert len(loaded.source.splitlines()) <= 11
    assert loaded.plan.target == "http://127.0.0.1:8080"


@pytest.mark.parametrize(("name", "port"), [("nginx/plan.yaml", 8081), ("datasette/plan.yaml", 8082)])
def test_the_plans_for_real_servers_are_short_and_gentle(name: str, port: int) -> None:
    plan = load_example(name).plan
    assert plan.target == f"http://127.0.0.1:{port}"
    assert [trial.kind for trial in plan.trials] == ["load", "stress"]
    stages = [stage for index, trial in enumerate(plan.trials) for stage in trial.stages(index, plan)]
    assert sum(stage.profile.duration_ns for stage in stages) < 30 * 10**9
    most_requests = max(len(journey.labels) for journey in plan.journeys.values())
    assert max(stage.profile.peak for stage in stages) * most_requests <= 300
    assert plan.deadlines.response == 5 * 10**9


def test_the_demonstrations_plan_meets_the_demonstration_policy_once_its_patrons_are_made(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "booking" / "plan.yaml", tmp_path)
    (tmp_path / "patrons.csv").write_text(patrons_csv(5000), encoding="utf-8")
    plan = load_plan(tmp_path / "plan.yaml").plan
    assert plan.journeys["book"].labels == ("sign in", "list sessions", "hold", "book")
    assert shortfalls(plan, load_policy("demo").policy) == ()


def test_the_data_for_datasette_is_the_same_every_time(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_data", EXAMPLES / "datasette" / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    digests = set()
    for name in ("a.db", "b.db", "a.db"):
        module.make(tmp_path / name)
        database = sqlite3.connect(tmp_path / name)
        venues, bookings = (database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("venues", "bookings"))  # noqa: S608
        evening = database.execute("SELECT count(*) FROM bookings WHERE day = 3 AND hour >= 18").fetchone()[0]
        digests.add(hashlib.sha256("\n".join(database.iterdump()).encode()).hexdigest())
        database.close()
        assert venues == 40
        assert 2000 < bookings < 3500
        assert evening > 50
    assert len(digests) == 1
