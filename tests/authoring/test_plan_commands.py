"""``seatrial plan check`` and ``seatrial plan schema``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from seatrial.cli.plans import register
from seatrial.errors import PlanError, PolicyError

EXAMPLES = Path(__file__).parents[2] / "examples"
ARCHITECTURE_PLAN = """\
seatrial: 1
title: Sports facility booking
target: http://127.0.0.1:8080
demand: {peak: 40/s}                     # P: journeys per second in the high case
journeys:
  book:
    weight: 3
    feed: {patron: patrons.csv}
    steps:
      - get: /sessions?day=3
        name: list sessions
        expect: {status: 200}
        extract: {slot: {json: "$.free[*].id", pick: random}}
      - pause: 1s
      - post: /bookings
        name: book
        json: {slot: "${slot}", patron: "${patron.id}"}
        expect: {status: [201, 409]}
trials:
  - kind: load
    at: 1.0 P
    for: 10m
    objectives: [p95 response time <= 2s, errors <= 0.1%, goodput >= 99% of offered]
  - kind: stress
    from: 1.0 P
    to: 3.0 P
    step: 0.25 P
    hold: 30s
    objectives: [p95 response time <= 4s, errors <= 1%, capacity >= 2.0 P]
"""


def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    return made


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app(), ["plan", *arguments])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def schema() -> Draft202012Validator:
    document = json.loads(run("schema"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_the_plan_of_the_architecture_is_a_plan_by_the_schema_and_by_the_reader(tmp_path: Path) -> None:
    assert list(schema().iter_errors(YAML(typ="safe", pure=True).load(ARCHITECTURE_PLAN))) == []
    (tmp_path / "plan.yaml").write_text(ARCHITECTURE_PLAN)
    (tmp_path / "patrons.csv").write_text("id\n" + "P\n" * 30_000)
    shown = run("check", str(tmp_path / "plan.yaml"))
    assert "1.25 P (50/s) for 30 s" in shown
    assert "Journey book (100 % of sessions): list sessions, book" in shown


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_is_a_plan_by_the_schema(path: Path) -> None:
    assert list(schema().iter_errors(YAML(typ="safe", pure=True).load(path))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seatrial: 1", "seatrial: 2"),
        ("title:", "titel:"),
        ("40/s", "fast"),
        ("for: 10m", "for: 10"),
        ("kind: load", "kind: loaf"),
        ("pick: random", "pick: any"),
        ("status: 200", "status: 99"),
        ("weight: 3", "weight: 0"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    wrong = YAML(typ="safe", pure=True).load(ARCHITECTURE_PLAN.replace(old, new, 1))
    assert not schema().is_valid(wrong)


def test_the_schema_calls_itself_what_it_is() -> None:
    document = json.loads(run("schema"))
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["title"] == "Seatrial plan"


def test_a_good_plan_is_summed_up_with_its_weaknesses_against_the_policy() -> None:
    lines = run("check", str(EXAMPLES / "first-plan.yaml"), "--policy", "demo").splitlines()
    assert lines[0] == "My first plan: nothing wrong was found."
    assert lines[1] == "Target http://127.0.0.1:8080, peak P = 20/s (journeys)."
    assert lines[2] == "Journey visit (100 % of sessions): GET /"
    assert lines[3].startswith("Trial load: ")
    assert lines[4] == "  1 P (20/s) for 10 s"
    assert "Weaker than the Seatrial demonstration policy requires for a confirmation:" in lines
    assert "  no stress trial, which the policy requires" in lines


def test_the_summary_is_one_json_object_on_demand() -> None:
    shown = json.loads(run("check", str(EXAMPLES / "nginx" / "plan.yaml"), "--json"))
    assert (shown["ok"], shown["problems"], shown["peak_per_s"]) == (True, [], 40.0)
    load, stress = shown["trials"]
    assert [stage["rate_per_s"] for stage in stress["stages"]] == [40.0, 80.0, 120.0]
    assert abs(load["sessions"] - 280) < 6 * 280**0.5
    assert load["requests"] == 2 * load["sessions"]
    # Seven seconds of load, then two requests of 2 s to connect and 5 s to answer each, and a second.
    assert load["longest_ns"] == (7 + 2 * 7 + 1) * 10**9
    assert shown["longest_ns"] == load["longest_ns"] + stress["longest_ns"]


def test_the_problems_of_a_wrong_plan_are_raised_and_printed_as_json_on_demand(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("seatrial: 1\ntitel: x\n")
    arguments = ["plan", "check", str(tmp_path / "plan.yaml")]
    plain = CliRunner().invoke(app(), arguments)
    assert isinstance(plain.exception, PlanError)
    assert plain.stdout == ""
    assert f"{tmp_path}/plan.yaml:2: an unknown key: titel. Did you mean title?" in str(plain.exception).splitlines()
    result = CliRunner().invoke(app(), [*arguments, "--json"])
    assert isinstance(result.exception, PlanError)
    shown = json.loads(result.stdout)
    assert shown["ok"] is False
    assert len(shown["problems"]) == len(result.exception.problems)


def test_an_unknown_policy_is_raised() -> None:
    with pytest.raises(PolicyError):
        run("check", str(EXAMPLES / "first-plan.yaml"), "--policy", "none")
