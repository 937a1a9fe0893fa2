"""Forecasts on file: read with their lines, held against a plan's P, and pasted into a plan."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from seatrial.authoring.challenge import challenges, incidents
from seatrial.authoring.curves import read_curve
from seatrial.authoring.forecasts import demand_block, load_forecast
from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.plans import register
from seatrial.errors import PlanError, UsageError
from seatrial.model.demand import derive
from seatrial.model.forecast import forecast_json_schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "forecast.yaml"
PLAN = """\
seatrial: 1
title: x
target: http://127.0.0.1
demand: {peak: 264/s, forecast: forecast.yaml}
journeys: {a: {steps: [get: /]}}
trials:
  - {kind: load, at: 1 P, for: 1s, objectives: [errors <= 1%]}
"""


def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    return made


def plan_problem(folder: Path, demand: str) -> str:
    (folder / "forecast.yaml").write_bytes(EXAMPLE.read_bytes())
    (folder / "plan.yaml").write_text(re.sub(r"demand: .*", f"demand: {demand}", PLAN), encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(folder / "plan.yaml")
    (problem,) = caught.value.problems
    return str(problem).replace(str(folder), "")


def test_the_example_is_a_forecast_and_what_the_command_prints_makes_it_a_plan(tmp_path: Path) -> None:
    loaded = load_forecast(EXAMPLE)
    document = YAML(typ="safe", pure=True).load(EXAMPLE.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(forecast_json_schema()).iter_errors(document)) == []
    (tmp_path / "forecast.yaml").write_bytes(loaded.source)
    for case in loaded.forecast.case_names():
        block = demand_block(loaded, derive(loaded.forecast, case))
        head = "seatrial: 1\ntitle: x\ntarget: http://127.0.0.1\njourneys: {a: {steps: [get: /]}}\n"
        (tmp_path / "plan.yaml").write_text(head + block, encoding="utf-8")
        plan = load_plan(tmp_path / "plan.yaml").plan
        assert plan.trials[0].stages(0, plan)[0].profile.peak == plan.demand.peak


def test_a_peak_that_is_not_the_forecasts_high_case_is_a_mistake_that_names_both(tmp_path: Path) -> None:
    assert plan_problem(tmp_path, "{peak: 40/s, forecast: forecast.yaml}") == (
        "/plan.yaml:4: the plan's peak is not the forecast's high case, 264/s: 40/s. "
        "Write peak: 264/s, or name another case: base 90.4/s, high 264/s."
    )
    assert "not the forecast's base case, 90.4/s: 264/s" in plan_problem(
        tmp_path, "{peak: 264/s, forecast: forecast.yaml, case: base}"
    )


def test_a_plan_may_state_another_case(tmp_path: Path) -> None:
    (tmp_path / "forecast.yaml").write_bytes(EXAMPLE.read_bytes())
    for demand in ("{peak: 90.4/s, forecast: forecast.yaml, case: base}", "{peak: 264/s, forecast: forecast.yaml}"):
        (tmp_path / "plan.yaml").write_text(re.sub(r"demand: .*", f"demand: {demand}", PLAN), encoding="utf-8")
        load_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("{peak: 264/s, forecast: none.yaml}", "this can't be read (No such file or directory)"),
        ("{peak: 264/s, forecast: ../forecast.yaml}", "a forecast outside the plan's folder"),
        (
            "{peak: 264/s, forecast: forecast.yaml, case: hihg}",
            "the forecast has no such case: hihg. Did you mean high?",
        ),
        ("{peak: 264/s, case: high}", "a case without its forecast"),
    ],
)
def test_a_forecast_that_can_not_be_used_is_a_mistake_of_the_plan(demand: str, said: str, tmp_path: Path) -> None:
    told = plan_problem(tmp_path, demand)
    assert said in told
    assert told.startswith("/plan.yaml:4: ")


def test_a_mistake_in_the_forecast_is_told_at_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    source = EXAMPLE.read_text(encoding="utf-8").replace("share: 10%", "share: 0.1")
    (tmp_path / "forecast.yaml").write_text(source, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.yaml")
    line = source.splitlines().index(next(row for row in source.splitlines() if "share: 0.1" in row)) + 1
    assert [p.where for p in caught.value.problems] == [f"{tmp_path / 'forecast.yaml'}:{line}"]


def test_the_command_prints_p_the_sources_and_the_challenge_in_two_languages() -> None:
    english = CliRunner().invoke(app(), ["plan", "demand", str(EXAMPLE)])
    chinese = CliRunner().invoke(app(), ["plan", "demand", str(EXAMPLE), "--lang", "zh-Hant"])
    assert (english.exit_code, chinese.exit_code) == (0, 0)
    assert "P = 264 journeys/s in the high case." in english.output
    assert "高需求情況：P = 每秒 264 個流程。" in chinese.output
    for source in re.findall(r'source: "([^"]+)"', EXAMPLE.read_text(encoding="utf-8")):
        assert source in english.output
        assert source in chinese.output
    assert all(incident.source in english.output for incident in incidents())
    assert "not a rule" in english.output


def test_the_command_writes_a_curve_that_reads_back_and_overwrites_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app(), ["plan", "demand", str(EXAMPLE), "--out", str(out), "--json"])
    assert done.exit_code == 0
    told = json.loads(done.output)
    assert (told["peak_per_s"], told["peaks_per_s"]) == (264.0, {"base": 90.4, "high": 264.0})
    assert all(line["formula"] or line["assumptions"] for line in told["lines"])
    curve = read_curve(out / "arrivals.csv")
    assert [list(point) for point in curve.points] == told["curve"]
    again = CliRunner().invoke(app(), ["plan", "demand", str(EXAMPLE), "--out", str(out)])
    assert isinstance(again.exception, UsageError)
    assert "arrivals.csv" in str(again.exception)


@pytest.mark.parametrize("wrong", [["--case", "hgih"], ["--lang", "fr"], ["--out", str(EXAMPLE / "below")]])
def test_a_wrong_option_of_the_command_is_refused_with_its_value(wrong: list[str]) -> None:
    done = CliRunner().invoke(app(), ["plan", "demand", str(EXAMPLE), *wrong])
    assert isinstance(done.exception, UsageError)
    assert wrong[1] in str(done.exception)


def test_every_incident_has_both_figures_both_languages_and_an_address() -> None:
    assert len(incidents()) >= 4
    assert [each.multiple for each in incidents()] == sorted(each.multiple for each in incidents())
    for each in incidents():
        assert each.came > each.planned > 0
        assert re.search(r"https://\S+$", each.source)
        for words in (each.what, each.against, each.unit):
            assert set(words) == {"en", "zh-Hant"}
            assert all(words.values())
    assert challenges(10.0)[0].peak == 17.3


def test_the_forecast_on_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "demand.md").read_text(encoding="utf-8")
    block = next(each for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if each.startswith("forecast:"))
    (tmp_path / "forecast.yaml").write_text(block, encoding="utf-8")
    found = load_forecast(tmp_path / "forecast.yaml").forecast
    assert all(f"`{key}`" in page for key in type(found).model_fields if key not in ("forecast", "title"))
