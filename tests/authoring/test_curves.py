"""Recorded curves: read strictly from a file, and pasted into a plan that needs the file no more."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.authoring.curves import curve_block, read_curve
from seatrial.authoring.yaml_plan import load_plan, read_plan
from seatrial.errors import BundleError, PlanError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.model.objective import parse_load
from seatrial.model.plan import plan_document
from seatrial.trials.replay import refuse_other_plan
from seatrial.units import SECOND

CSV = "time,rate\n0,3\n60,20\n90,12.5\n"
PLAN = """\
seatrial: 1
title: x
target: http://127.0.0.1
demand: {peak: 10/s}
journeys: {a: {steps: [get: /]}}
trials:
  - kind: load
    objectives: [errors <= 1%]
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "evening.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_curve_is_its_rows_its_name_and_its_digest(tmp_path: Path) -> None:
    curve = read_curve(write(tmp_path, CSV))
    assert curve.points == ((0, 3.0), (60 * SECOND, 20.0), (90 * SECOND, 12.5))
    assert (curve.name, curve.digest) == ("evening.csv", hashlib.sha256(CSV.encode()).hexdigest())


@pytest.mark.parametrize(
    "text",
    [
        "Time, Rate\r\n0s,180/min\r\n1m,20/s\r\n1m30s,45000/h\r\n\r\n",
        "\ufefftime,rate\n1700000000.5,3\n1700000060.5,20\n1700000090.5,12.5\n",
    ],
)
def test_units_line_ends_and_a_late_start_make_no_difference(text: str, tmp_path: Path) -> None:
    assert read_curve(write(tmp_path, text)).points == read_curve(write(tmp_path, CSV)).points


def test_a_pasted_curve_is_a_plan_that_needs_its_file_no_more(tmp_path: Path) -> None:
    path = write(tmp_path, CSV)
    block = curve_block(read_curve(path), parse_load("1.5 P"))
    path.unlink()
    (tmp_path / "plan.yaml").write_text(PLAN + block)
    loaded = load_plan(tmp_path / "plan.yaml")
    (stage,) = loaded.plan.trials[0].stages(0, loaded.plan)
    assert [(s.duration_ns // SECOND, s.rate_from, s.rate_to) for s in stage.profile.segments] == [
        (60, 15 * (3 / 20), 15),
        (30, 15, 15 * (12.5 / 20)),
    ]
    # What a bundle is read with: the plan alone, in another place.
    assert plan_document(read_plan(loaded.source, "plan.yaml")) == plan_document(loaded.plan)
    digest = hashlib.sha256(CSV.encode()).hexdigest()
    assert plan_document(loaded.plan)["trials"][0]["shape"]["curve"] == {
        "source": f"evening.csv, sha256 {digest}",
        "scale": "1.5 P",
        "points": [["0s", "3/s"], ["60s", "20/s"], ["90s", "12.5/s"]],
    }


def test_a_bundle_with_a_curve_is_replayed_without_the_file_and_a_changed_point_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, CSV)
    source = (PLAN + curve_block(read_curve(path), None)).encode()
    path.unlink()
    document = plan_document(read_plan(source, "plan.yaml"))
    (tmp_path / "plan.yaml").write_bytes(source)
    (tmp_path / "plan.json").write_bytes(canonical_bytes(document))
    (tmp_path / "environment.json").write_bytes(canonical_bytes({"plan_digest": sha256_hex(source)}))
    refuse_other_plan(tmp_path)
    document["trials"][0]["shape"]["curve"]["points"][1][1] = "2/s"
    (tmp_path / "plan.json").write_bytes(canonical_bytes(document))
    with pytest.raises(BundleError, match=r"plan\.json is not the plan that stands in plan\.yaml"):
        refuse_other_plan(tmp_path)


ROWS = st.lists(st.tuples(st.integers(1, 10**12), st.floats(0, 1e6).map(lambda v: round(v, 6))), min_size=1, max_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, name=st.sampled_from(['a "quoted": name.csv', "晚上.csv", "# {x}.csv"]))
def test_every_curve_that_is_read_can_be_pasted(rows: list[tuple[int, float]], name: str, tmp_path: Path) -> None:
    at_ns, lines = 0, ["time,rate", "0,1"]
    for step_ns, rate in rows:
        at_ns += step_ns
        lines.append(f"{at_ns // SECOND}.{at_ns % SECOND:09d},{rate:f}")
    (tmp_path / name).write_text("\n".join(lines))
    curve = read_curve(tmp_path / name)
    plan = read_plan((PLAN + curve_block(curve, None)).encode(), "plan.yaml")
    (stage,) = plan.trials[0].stages(0, plan)
    assert stage.profile.duration_ns == at_ns
    assert [s.rate_to for s in stage.profile.segments] == [rate for _, rate in curve.points[1:]]


WRONG: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "a curve without its header", ":1"),
    "no header": ("0,1\n1,2\n", "a curve without its header", ":1"),
    "another header": ("rate,time\n0,1\n1,2\n", "a curve without its header", ":1"),
    "no row": ("time,rate\n", "too few rows or too many", ""),
    "one row": ("time,rate\n0,1\n", "too few rows or too many", ""),
    "too many rows": ("time,rate\n" + "".join(f"{i},1\n" for i in range(1002)), "too few rows or too many", ""),
    "a row of three": ("time,rate\n0,1\n1,2,3\n", "not a time and a rate", ":3"),
    "a row of one": ("time,rate\n0,1\n1\n", "not a time and a rate", ":3"),
    "a blank line between": ("time,rate\n0,1\n\n1,2\n", "not a time and a rate", ":3"),
    "a time of words": ("time,rate\n0,1\nnoon,2\n", "not a duration", ":3"),
    "a time below zero": ("time,rate\n-1,1\n1,2\n", "not a duration", ":2"),
    "a rate of words": ("time,rate\n0,1\n1,many\n", "not a rate", ":3"),
    "a rate below zero": ("time,rate\n0,1\n1,-2\n", "not a rate", ":3"),
    "a rate that is none": ("time,rate\n0,1\n1,nan\n", "not a rate", ":3"),
    "a rate beyond reason": ("time,rate\n0,1\n1,10000001\n", "a rate of more than 10,000,000/s", ":3"),
    "a time twice": ("time,rate\n0,1\n5,1\n5,2\n", "a time that is not after the one before", ":4"),
    "times that descend": ("time,rate\n0,1\n5,1\n4,2\n", "a time that is not after the one before", ":4"),
    "more than a month": ("time,rate\n0,1\n2678401,1\n", "a time of more than 31 days after the first", ":3"),
    "an endless time": (f"time,rate\n0,1\n{'9' * 5000},1\n", "a time of more than 31 days after the first", ":3"),
    "no load": ("time,rate\n0,0\n5,0\n", "a curve without load", ""),
    "an open quote": ('time,rate\n0,1\n"5,2\n', "not CSV", ":3"),
    "other bytes": (b"time,rate\n0,1\n5,\xff\n", "not UTF-8", ":3"),
    "a huge file": ("time,rate\n" + "0" * (1 << 20), "the curve is longer than 1 MiB", ""),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_curve_is_refused_at_its_line(kind: str, tmp_path: Path) -> None:
    text, what, line = WRONG[kind]
    path = write(tmp_path, text)
    with pytest.raises(PlanError) as caught:
        read_curve(path)
    (problem,) = caught.value.problems
    assert problem.what.startswith(what)
    assert problem.where == f"{path}{line}"
    assert problem.remedy.endswith(".")


def test_all_mistakes_of_a_curve_come_out_at_once_and_not_too_many(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        read_curve(write(tmp_path, "time,rate\n0,1\nx,1\n2,y\n1,1\n"))
    assert [p.where.rpartition(":")[2] for p in caught.value.problems] == ["3", "4"]
    with pytest.raises(PlanError) as caught:
        read_curve(write(tmp_path, "time,rate\n" + "x,y\n" * 500))
    assert len(caught.value.problems) == 21


def test_a_curve_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        read_curve(tmp_path / "none.csv")
    with pytest.raises(PlanError, match="the curve is not a file"):
        read_curve(tmp_path)
    with pytest.raises(PlanError, match="no such name is possible"):
        read_curve(Path("a\0b"))
