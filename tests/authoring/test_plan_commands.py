"""``seatrial plan check`` and ``seatrial plan schema``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.plans import register
from seatrial.errors import PlanError, PolicyError, UsageError
from seatrial.model.plan import Plan, plan_document

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


def example_plans() -> list[Path]:
    """Return the plans among the examples: what begins with the version of the grammar of plans."""
    written = re.compile(r"^seatrial:", re.MULTILINE)
    return sorted(path for path in EXAMPLES.rglob("*.yaml") if written.search(path.read_text(encoding="utf-8")))


def test_there_are_examples() -> None:
    assert len(example_plans()) >= 4


@pytest.mark.parametrize("path", example_plans(), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_is_a_plan_by_the_schema(path: Path) -> None:
    assert list(schema().iter_errors(YAML(typ="safe", pure=True).load(path))) == []


EVERYTHING = Path(__file__).parents[1] / "engine" / "everything" / "plan.yaml"


def test_a_plan_that_says_everything_is_one_by_the_schema_as_written_and_as_kept_in_a_bundle() -> None:
    assert list(schema().iter_errors(YAML(typ="safe", pure=True).load(EVERYTHING))) == []
    plan = load_plan(EVERYTHING).plan
    kept = plan_document(plan)
    assert list(schema().iter_errors(kept)) == []
    assert Plan.model_validate_json(json.dumps(kept), strict=True) == plan


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repeat: [1, 3]", "repeat: [1]"),
        ("repeat: 10", "repeat: 0"),
        ("while: next", "while: {equals: 1}"),
        ("value: kind, equals: member", "value: kind, equal: member"),
        ("weight: 2", "weight: 0"),
        ("{uniform: [1ms, 5ms]}", "{uniform: [1ms, 5ms], exponential: 1s}"),
        ("{lognormal: 2ms, sigma: 0.6, most: 9ms}", "{sigma: 0.6}"),
        ("{lognormal: 2ms, sigma: 0.6, most: 9ms}", "{lognormal: 2ms, sigma: 9}"),
        ("most: 2, on_error", "mots: 2, on_error"),
        ("after: 2s", "after: 2"),
        ("file: scan.bin, ", ""),
        ("put: ", "post: /x, put: "),
        ('{bearer: "${token}"}', "{}"),
        ("feed: {patron: {jsonl", "feed: {patron: {csv: a.csv, jsonl"),
        ("order: cycle", "order: sequential"),
        ("hk identity number", "identity number"),
        ("attribute: value", "atribute: value"),
        ("cookie: visit", "cookie: visit, header: x"),
        ("size: {at_least: 100}", "size: {}"),
        ("redirects: 0", "redirects: 21"),
        ("resources: true", "resources: 'yes'"),
        ("on_failure: continue", "on_failure: ignore"),
        ("    - pause: 10ms", "    - {repeat: 2, steps: [{get: /}]}"),
        ("hopeless: true", "hopeless: 1"),
    ],
)
def test_the_schema_refuses_in_any_depth_what_the_reader_refuses(old: str, new: str, tmp_path: Path) -> None:
    text = EVERYTHING.read_text(encoding="utf-8")
    assert old in text
    wrong = text.replace(old, new, 1)
    assert not schema().is_valid(YAML(typ="safe", pure=True).load(wrong))
    for name in ("patrons.jsonl", "branches.csv", "scan.bin"):
        shutil.copy(EVERYTHING.parent / name, tmp_path)
    (tmp_path / "plan.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(PlanError):
        load_plan(tmp_path / "plan.yaml")


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


SHAPED = """\
seatrial: 1
title: Shapes
target: http://127.0.0.1:8080
demand: {peak: 40/s}
journeys: {visit: {steps: [get: /]}}
trials:
  - kind: load
    shape: {SHAPE}
    objectives: [errors <= 1%]
"""


def summed_up(folder: Path, shape: str, *more: str) -> str:
    (folder / "plan.yaml").write_text(SHAPED.replace("SHAPE", shape))
    return run("check", str(folder / "plan.yaml"), *more)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        (
            "steps: [{at: 0.5 P, for: 1m}, {at: 1 P, for: 3m}]",
            [
                "  steps 0.5–1 P (35/s on average where it is judged) for 4 min",
                "    20/s for 1 min",
                "    40/s for 3 min",
                f"    {'▄' * 10}{'█' * 30}",
            ],
        ),
        (
            "spike: {base: 0.05 P, peak: 2 P, rise: 10s, hold: 20s, before: 5s, after: 5s}",
            [
                "  spike 0.05–2 P (50.8/s on average where it is judged) for 40 s",
                "    2/s for 5 s",
                "    from 2/s to 80/s in 10 s",
                "    80/s for 20 s",
                "    2/s for 5 s",
                f"    {'▁' * 5}▁▂▃▄▅▅▆▇██{'█' * 20}{'▁' * 5}",
            ],
        ),
        (
            "sine: {low: 0.2 P, high: 1 P, period: 20m, for: 40m}",
            [
                "  sine 0.2–1 P (24/s on average where it is judged) for 40 min",
                "    between 8/s and 40/s, in periods of 20 min",
                "    ▂▃▃▄▅▆▇██████▇▆▅▄▃▃▂▂▃▃▄▅▆▇██████▇▆▅▄▃▃▂",
            ],
        ),
        (
            "burst: {count: 500, within: 1s, then: 1 P, for: 39s}",
            [
                "  burst 500/s → 1 P (51.5/s on average where it is judged) for 40 s",
                "    500/s for 1 s",
                "    40/s for 39 s",
                f"    █{'▁' * 39}",
            ],
        ),
        (
            "curve: {points: [[0s, 0/s], [20s, 10/s], [30s, 0/s], [40s, 0/s]]}",
            [
                "  curve 0–10/s (3.75/s on average where it is judged) for 40 s",
                "    from 0/s to 10/s in 20 s",
                "    from 10/s to 0/s in 10 s",
                "    0/s for 10 s",
                "    ▁▁▂▂▂▃▃▄▄▄▅▅▆▆▆▇▇█████▇▆▅▄▄▃▂▁" + " " * 10,
            ],
        ),
    ],
)
def test_a_shape_is_shown_in_words_and_as_a_picture(shape: str, shown: list[str], tmp_path: Path) -> None:
    lines = summed_up(tmp_path, shape).splitlines()
    assert lines[4 : 4 + len(shown)] == shown
    assert lines[4 + len(shown)] == "  limit: errors <= 1%"


def test_a_shape_says_from_when_on_it_is_judged_and_gives_its_points_as_json(tmp_path: Path) -> None:
    shape = "{steps: [{at: 1 P, for: 5s}, {at: 2 P, for: 5s}]}\n    judge_from: 5s"
    (tmp_path / "plan.yaml").write_text(SHAPED.replace("{SHAPE}", shape))
    assert "    judged from 5 s on" in run("check", str(tmp_path / "plan.yaml")).splitlines()
    (trial,) = json.loads(run("check", str(tmp_path / "plan.yaml"), "--json"))["trials"]
    assert trial["shape"] == {
        "kind": "steps",
        "period_ns": None,
        "peak_per_s": 80.0,
        "judged_from_ns": 5 * 10**9,
        "points": [[0, 40.0], [5 * 10**9, 40.0], [5 * 10**9, 80.0], [10**10, 80.0]],
    }
    assert trial["stages"] == [{"name": "1–2 P", "rate_per_s": 80.0, "duration_ns": 10**10}]


def test_a_curve_is_printed_for_a_plan(tmp_path: Path) -> None:
    (tmp_path / "evening.csv").write_text("time,rate\n0,3\n60,20\n")
    shown = run("curve", str(tmp_path / "evening.csv"), "--scale", "1.5 P")
    (tmp_path / "plan.yaml").write_text(SHAPED.replace("    shape: {SHAPE}\n", shown))
    lines = run("check", str(tmp_path / "plan.yaml")).splitlines()
    assert lines[4:6] == [
        "  curve 0.225–1.5 P (34.5/s on average where it is judged) for 1 min",
        "    from 9/s to 60/s in 1 min",
    ]


def test_a_curve_scaled_to_no_level_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evening.csv").write_text("time,rate\n0,3\n60,20\n")
    with pytest.raises(UsageError, match="not a load level: --scale much"):
        run("curve", str(tmp_path / "evening.csv"), "--scale", "much")
    with pytest.raises(PlanError, match="No such file"):
        run("curve", str(tmp_path / "none.csv"))


DOCUMENTED = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")


def shapes_of_the_page() -> list[str]:
    section = DOCUMENTED.partition("## Shapes of load")[2].partition("\n## ")[0]
    return re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)


def test_the_page_on_plans_has_an_example_of_every_shape() -> None:
    assert len(shapes_of_the_page()) == 5


@pytest.mark.parametrize("example", shapes_of_the_page())
def test_every_shape_on_the_page_is_taken_as_it_stands_there(example: str, tmp_path: Path) -> None:
    text = SHAPED.partition("  - kind: load")[0] + example
    assert list(schema().iter_errors(YAML(typ="safe", pure=True).load(text))) == []
    (tmp_path / "plan.yaml").write_text(text)
    assert "nothing wrong was found" in run("check", str(tmp_path / "plan.yaml"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shape:", "at: 1 P\n    shape:"),
        ("shape:", "for: 10s\n    shape:"),
        ("{SHAPE}", "{}"),
        ("{SHAPE}", "{curve: {scale: 1 P}}"),
        ("{SHAPE}", "{curve: {csv: evening.csv, points: [[0s, 1/s], [1s, 1/s]]}}"),
        ("{SHAPE}", "{burst: {count: 5, within: 1s, then: 1 P, for: 1s}, steps: [{at: 1 P, for: 1s}]}"),
        ("shape: {SHAPE}", "at: 1 P"),
        ("shape: {SHAPE}", "at: 1 P\n    for: 9s\n    judge_from: 3s"),
    ],
)
def test_the_schema_refuses_a_shape_that_the_reader_refuses(old: str, new: str, tmp_path: Path) -> None:
    text = SHAPED.replace(old, new, 1).replace("{SHAPE}", "{steps: [{at: 1 P, for: 1s}]}")
    assert not schema().is_valid(YAML(typ="safe", pure=True).load(text))
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(PlanError):
        run("check", str(tmp_path / "plan.yaml"))
