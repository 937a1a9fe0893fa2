"""No error of the validator reaches a person untranslated."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from seatrial.authoring.forecasts import load_forecast
from seatrial.authoring.policies import load_policy
from seatrial.authoring.problems import shorten, split_message
from seatrial.authoring.sentences import NOUNS, UNMAPPED, translate
from seatrial.authoring.validation import PARTS, did_you_mean
from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError, PolicyError
from seatrial.model.forecast import FACTORS, Forecast
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy

PLAN: dict[str, Any] = {
    "seatrial": 1, "title": "x", "target": "https://127.0.0.1", "demand": {"peak": "2/s", "source": "s"}, "seed": 3,
    "arrivals": "even", "connections": "shared", "max_sessions": 5, "headers": {"a": "b"},
    "deadlines": {"connect": "1s", "response": "2s"}, "tls": {"ca": "x.pem", "certificate": "c.pem", "key": "k.pem"},
    "journeys": {
        "a": {
            "weight": 1.5, "feed": {"f": {"csv": "f.csv", "order": "cycle", "encoding": "utf-8"}, "j": "f.jsonl"},
            "synthetic": {"who": "name in english"}, "auth": {"basic": {"user": "u", "password": "${f.id}"}},
            "steps": [
                {
                    "name": "n", "get": "/", "headers": {"h": "v"}, "query": {"q": 1},
                    "multipart": {"a": {"file": "f.csv", "name": "n", "type": "a/b"}, "t": "x"},
                    "auth": {"basic": {"user": "u", "password": "${f.id}"}}, "redirects": 3,
                    "expect": {"status": 200, "contains": "x", "matches": "x", "json": {"$": 1}, "headers": {"h": "v"},
                               "size": {"at_least": 1, "at_most": 9}},
                    "extract": {"v": {"json": "$", "pick": "last", "optional": True},
                                "w": {"css": "a", "attribute": "href"}},
                    "deadline": "1s", "when": {"value": "v", "equals": True, "not": True},
                    "retry": {"after": "1s", "most": 2, "on_error": True, "pause": "1s"}, "resources": True,
                    "on_failure": "continue",
                },
                {"post": "/", "form": {"a": "b"}}, {"put": "/", "body": "b"}, {"pause": "1s"},
                {"when": {"value": "v"}, "steps": [{"post": "/2", "json": {"a": None}}],
                 "otherwise": [{"pause": "1s"}]},
                {"repeat": [0, 2], "as": "round", "while": {"value": "v", "above": 1}, "steps": [{"get": "/3"}]},
                {"choose": [{"weight": 2, "steps": [{"get": "/4"}]}, {"steps": [{"repeat": 2, "steps": [
                    {"get": "/5", "multipart": {"a": {"file": "f.csv"}}}]}]}]},
                {"pause": {"lognormal": "1s", "sigma": 1, "most": "9s"}}, {"pause": {"uniform": ["1s", "2s"]}},
            ],
        },
        "p": {"python": "a.py:b", "step_names": ["s"]},
    },
    "redirects": 3, "transport": "http/1.1", "source_addresses": ["127.0.0.2"], "proxy": "http://p:1",
    "set_up": {"auth": {"bearer": "${t}"}, "steps": [{"get": "/", "extract": {"t": {"header": "t"}}}, {"pause": "1s"}]},
    "tear_down": {"auth": {"bearer": "${t}"}, "steps": [{"delete": "/"}]},
    "stop": {"hopeless": True, "url": "/stop", "file": "stop"},
    "telemetry": {
        "every": "1s",
        "sources": {
            "app": {
                "prometheus": "http://127.0.0.1:1/metrics",
                "series": {"cpu": {"rate": "cpu_total", "of": 2, "limit": "90%"}, "heap": {"value": "heap_bytes"}},
            },
            "box": {"process": "app.pid", "of": 2, "limits": {"memory": "2 GB"}},
        },
    },
    "trials": [
        {
            "kind": "load", "name": "l", "arrivals": "even", "at": "1 P", "for": "1s", "warmup": "1s",
            "objectives": ["errors <= 1%"],
        },
        {
            "kind": "stress", "from": "1 P", "to": "2 P", "step": "1 P", "hold": "1s",
            "objectives": ["errors <= 1%", "capacity >= 1 P"],
        },
        *(
            {"kind": "load", "shape": {kind: of}, "judge_from": "500ms", "objectives": ["errors <= 1%"]}
            for kind, of in {
                "steps": [{"at": "1 P", "for": "1s"}, {"at": "2 P", "for": "1s"}],
                "spike": {
                    "base": "1 P", "peak": "2 P", "rise": "1s", "hold": "1s", "fall": "1s", "before": "1s",
                    "after": "1s",
                },
                "sine": {"low": "1 P", "high": "2 P", "period": "1s", "for": "2s"},
                "curve": {"source": "s", "scale": "2 P", "points": [["0s", "1/s"], ["1s", "2/s"]]},
                "burst": {"count": 5, "within": "1s", "then": "1 P", "for": "1s"},
            }.items()
        ),
        {
            "kind": "load", "users": 3, "ramp": "1s", "think": {"exponential": "1s", "most": "9s"}, "for": "1s",
            "objectives": ["errors <= 1%"],
        },
        {"kind": "soak", "at": "1 P", "for": "1h", "objectives": ["errors <= 1%"]},
        {
            "kind": "scalability", "from": "1 P", "to": "2 P", "step": "1 P", "hold": "1s", "settle": "1s",
            "sizes": [{"units": 1, "set": {"auth": {"bearer": "${t}"}, "steps": [{"get": "/"}]}}, {"units": 2}],
            "objectives": ["errors <= 1%"],
        },
        {
            "kind": "recovery", "at": "1 P", "before": "9s", "after": "9s", "overload": {"to": "2 P", "for": "1s"},
            "objectives": ["errors <= 1%", "recovery time <= 5s"],
        },
        {
            "kind": "recovery", "at": "1 P", "before": "9s", "after": "9s",
            "fault": {
                "begin": {"auth": {"bearer": "${t}"}, "steps": [{"get": "/"}]}, "for": "1s",
                "end": {"auth": {"bearer": "${t}"}, "steps": [{"get": "/"}]},
            },
            "objectives": ["errors <= 1%", "recovery time <= 5s"],
        },
        {
            "kind": "spike", "base": "1 P", "to": "2 P", "rise": "1s", "hold": "9s", "rest": "9s",
            "objectives": ["errors <= 1%"],
        },
    ],
}  # fmt: skip
POLICY = load_policy("default").policy.as_document()

_SAID = {"source": "s"}
FORECAST: dict[str, Any] = {
    "forecast": 1, "title": "x", "people": {"count": 9, "of": "population", **_SAID}, "growth": {"times": 2, **_SAID},
    "coming": {"share": "10%", **_SAID}, "peak_hour": {"share": "50%", **_SAID},
    "rush": {"at": "07:00", "first": [{"within": "1min", "share": "10%"}, {"within": "9min", "share": "90%"}], **_SAID},
    "busiest_minute": {"times": 1.5, **_SAID}, "retries": {"per_person": 0.5, **_SAID},
    "bots": {"share": "1%", **_SAID},
    "journeys": {"j": {"lasts": "9s", "weight": 2, **_SAID}},
    "cases": {"high": {factor: {"times": 1.1, **_SAID} for factor in FACTORS}},
}  # fmt: skip
LOADERS: dict[str, Any] = {
    "Plan": load_plan,
    "Policy": lambda path: load_policy(str(path)),
    "Forecast": load_forecast,
}

JARGON = re.compile(r"Input|input_|valid |pydantic|type=|dict|tuple|NoneType|function-|ctx|Traceback")
WRONG = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e300,
    "",
    "x",
    "\t",
    "1s",
    "1 P",
    [],
    ["x"],
    [None],
    {},
    {"x": "y"},
    {"kind": 1},
]


def places(value: Any) -> list[tuple[Any, ...]]:
    """Return the path of every value below and including ``value``."""
    found: list[tuple[Any, ...]] = [()]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += [(key, *path) for path in places(item)]
    return found


def mutated(document: dict[str, Any], place: tuple[Any, ...], action: str, wrong: Any) -> Any:
    if not place:
        return wrong
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    if action == "replace":
        holder[place[-1]] = wrong
    elif action == "delete":
        del holder[place[-1]]
    elif isinstance(holder, dict):
        holder["surplus"] = wrong
    else:
        holder.append(wrong)
    return changed


ACTIONS = st.sampled_from(["replace", "delete", "add"])
SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_problems(error: PlanError | PolicyError) -> None:
    for problem in error.problems:
        assert UNMAPPED not in problem.what, problem
        assert not JARGON.search(problem.what + problem.remedy), problem
        assert problem.remedy.endswith((".", "?"))


@SETTINGS
@given(place=st.sampled_from(places(PLAN)), action=ACTIONS, wrong=st.sampled_from(WRONG))
def test_a_plan_wrong_in_any_place_is_described_in_plain_sentences(
    place: tuple[Any, ...], action: str, wrong: Any, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(json.dumps(mutated(PLAN, place, action, wrong)))
    (tmp_path / "f.csv").write_text("id\n1\n")
    (tmp_path / "f.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.yaml")  # x.pem and a.py are missing throughout
    check_problems(caught.value)


@SETTINGS
@given(place=st.sampled_from(places(POLICY)), action=ACTIONS, wrong=st.sampled_from(WRONG))
def test_a_policy_wrong_in_any_place_is_described_in_plain_sentences(
    place: tuple[Any, ...], action: str, wrong: Any, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(json.dumps(mutated(POLICY, place, action, wrong)))
    try:
        load_policy(str(tmp_path / "policy.yaml"))
    except PolicyError as error:
        check_problems(error)


@SETTINGS
@given(
    of=st.sampled_from(["rush", "busiest_minute"]),
    place=st.sampled_from(places(FORECAST)),
    action=ACTIONS,
    wrong=st.sampled_from([*WRONG, "0%", "101%", "50%", 1e9]),
)
def test_a_forecast_wrong_in_any_place_is_described_in_plain_sentences(
    of: str, place: tuple[Any, ...], action: str, wrong: Any, tmp_path: Path
) -> None:
    document = mutated(FORECAST, place, action, wrong)
    if isinstance(document, dict):
        document.pop(of, None)
        with suppress(AttributeError, KeyError, TypeError):
            document["cases"]["high"].pop(of, None)
    (tmp_path / "forecast.yaml").write_text(json.dumps(document))
    try:
        load_forecast(tmp_path / "forecast.yaml")
    except PlanError as error:
        check_problems(error)


def models_in(annotation: Any, known: frozenset[type[BaseModel]] = frozenset()) -> frozenset[type[BaseModel]]:
    """Return every model below a type, ``known`` among them: steps hold steps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = () if annotation in known else tuple(f.annotation for f in annotation.model_fields.values())
        known |= {annotation}
    else:
        inner = get_args(annotation) if not isinstance(annotation, UnionType) else annotation.__args__
    for each in inner:
        known = models_in(each, known)
    return known


def test_every_part_of_a_document_has_its_known_keys() -> None:
    assert models_in(Plan) | models_in(Policy) | models_in(Forecast) == set(PARTS.values())


@pytest.mark.parametrize("pattern", [p for p in PARTS if p not in ("Plan/journeys/*/feed/*",)])
def test_an_unknown_key_anywhere_gets_its_nearest_known_one(pattern: str, tmp_path: Path) -> None:
    root, *path = pattern.split("/")
    document = copy.deepcopy({"Plan": PLAN, "Policy": POLICY, "Forecast": FORECAST}[root])
    holder: Any = document
    kinds = ("steps", "spike", "sine", "curve", "burst")
    shaped = next((2 + kinds.index(element) for element in path if path[:1] == ["trials"] and element in kinds), 2)
    tags = {"request": 0, "pause": 7, "group": 4, "repeat": 5, "choose": 6}
    tags |= {"load": shaped if "shape" in path else 7 if "think" in path else 0, "stress": 1}
    tags |= {"soak": 8, "scalability": 9, "recovery": 11 if "fault" in path else 10, "spike": 12}
    for index, element in enumerate(path):
        if (element in tags and path[index - 1] == "*") or element in ("FilePart", "ThinkTime"):
            continue
        following = path[index + 1] if index + 1 < len(path) else ""
        if element == "*":
            key: Any = tags.get(following, 0) if isinstance(holder, list) else next(iter(holder))
            holder = holder[key]
        else:
            holder = holder[element]
    known = next(iter(f.alias or name for name, f in PARTS[pattern].model_fields.items()))
    holder[f"{known}z"] = "x"
    (tmp_path / "document.yaml").write_text(json.dumps(document))
    (tmp_path / "f.csv").write_text("id\n1\n")
    (tmp_path / "f.jsonl").write_text('{"id": 1}\n')
    with pytest.raises((PlanError, PolicyError)) as caught:
        LOADERS[root](tmp_path / "document.yaml")
    (problem,) = [p for p in caught.value.problems if p.what == "an unknown key"]  # type: ignore[attr-defined]
    assert (problem.value, problem.remedy) == (f"{known}z", f"Did you mean {known}?")


def test_a_step_within_steps_has_the_keys_of_any_step(tmp_path: Path) -> None:
    document = copy.deepcopy(PLAN)
    options = document["journeys"]["a"]["steps"][6]["choose"]
    inner = options[1]["steps"][0]["steps"][0]
    inner["expct"] = 1
    inner["multipart"] |= {"FilePart": {"file": "f.csv", "nme": "x"}, "text": 7}
    (tmp_path / "document.yaml").write_text(json.dumps(document, indent=0))
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "document.yaml")
    found = [(p.what, p.value, p.remedy) for p in caught.value.problems]
    assert ("an unknown key", "expct", "Did you mean expect?") in found
    assert ("an unknown key", "nme", "Did you mean name?") in found
    assert ("text is not text", "7") in [each[:2] for each in found]


def test_an_error_without_a_sentence_says_so_instead_of_failing() -> None:
    assert translate(("brand_new",), {})[0] == UNMAPPED
    assert all(noun for noun in NOUNS.values())


def test_a_house_message_splits_into_what_and_remedy() -> None:
    assert split_message("too long; write less") == ("too long", "Write less.")
    assert split_message("not an objective. Write p95, p99.9") == ("not an objective", "Write p95, p99.9.")
    assert split_message("bare", "Try again") == ("bare", "Try again.")


def test_a_shown_value_is_short_and_on_one_line_and_harmless() -> None:
    assert shorten("a\n  b\t\x1b[2J") == "a b \\x1b[2J"
    assert len(shorten("x" * 500)) == 80


def test_far_names_are_listed_instead_of_guessed() -> None:
    assert did_you_mean("zzz", ["a", "b"]) == "Known here: a, b."
    assert did_you_mean("x", []) == "There is none here."


def test_no_key_of_a_plan_is_left_out_of_the_known_ones() -> None:
    from seatrial.model.plan import Plan

    keys = list(Plan.model_fields)
    assert did_you_mean("zzzzzz", keys) == f"Known here: {', '.join(keys)}."
