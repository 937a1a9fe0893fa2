"""The plan as a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from seatrial.model.plan import Plan, plan_document, plan_json_schema, trial_slug
from seatrial.model.request import RequestStep
from seatrial.model.trial import LoadTrial, StressTrial
from seatrial.units import SECOND, write_duration, write_number, write_rate

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)
IDENTIFIER = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
DURATION = st.integers(1, 31 * 86_400 * SECOND).map(write_duration)
RATE = st.floats(1e-9, 1e7).map(write_rate)
LEVEL = st.floats(1e-6, 1000).map(lambda value: f"{write_number(value)} P") | RATE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELD = TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
PICK = {"pick": st.sampled_from(["first", "last", "random"]), "optional": st.booleans()}
EXTRACT = st.one_of(*(st.fixed_dictionaries({source: TEXT}, optional=PICK) for source in ("json", "regex", "header")))
EXPECT = st.fixed_dictionaries(
    {},
    optional={
        "status": st.integers(100, 599) | st.lists(st.integers(100, 599), max_size=3),
        "contains": TEXT,
        "matches": TEXT,
        "json": st.dictionaries(TEXT, JSON, max_size=2),
        "headers": st.dictionaries(TEXT, TEXT, max_size=2),
    },
)
STEP_OPTIONS: dict[Any, st.SearchStrategy[Any]] = {
    "name": TEXT,
    "headers": st.dictionaries(TEXT, TEXT, max_size=2),
    "query": st.dictionaries(TEXT, FIELD, max_size=2),
    "expect": EXPECT,
    "extract": st.dictionaries(IDENTIFIER, EXTRACT, max_size=2),
    "deadline": DURATION,
    "when": IDENTIFIER,
}
BODY = st.one_of(
    st.just({}),
    JSON.filter(lambda value: value is not None).map(lambda value: {"json": value}),
    st.dictionaries(TEXT, FIELD, max_size=2).map(lambda value: {"form": value}),
    TEXT.map(lambda value: {"body": value}),
)
REQUEST = st.builds(
    lambda method, path, body, rest: {method: f"/{path}", **body, **rest},
    st.sampled_from(["get", "post", "put", "patch", "delete", "head", "options"]),
    TEXT,
    BODY,
    st.fixed_dictionaries({}, optional=STEP_OPTIONS),
)
FEED = TEXT | st.fixed_dictionaries(
    {"csv": TEXT}, optional={"order": st.sampled_from(["unique", "cycle"]), "encoding": TEXT}
)
JOURNEY = st.fixed_dictionaries(
    {
        "steps": st.builds(
            lambda first, rest: [first, *rest],
            REQUEST,
            st.lists(REQUEST | DURATION.map(lambda d: {"pause": d}), max_size=2),
        )
    },
    optional={"weight": st.floats(1e-6, 1e6), "feed": st.dictionaries(IDENTIFIER, FEED, max_size=2)},
) | st.fixed_dictionaries({"python": TEXT, "step_names": st.lists(TEXT, min_size=1, max_size=3)})
OBJECTIVE = st.sampled_from(
    [
        "errors <= 0.1%",
        "p99.9 response time <= 1500ms",
        "goodput >= 99% of offered",
        "mean service time <= 1s for step a  b",
    ]
)
LOAD = st.fixed_dictionaries(
    {"kind": st.just("load"), "at": LEVEL, "for": DURATION, "objectives": st.lists(OBJECTIVE, min_size=1, max_size=3)},
    optional={"ramp": DURATION, "warmup": DURATION, "name": TEXT, "arrivals": st.sampled_from(["even", "poisson"])},
)
LOAD_OPTIONS: dict[Any, st.SearchStrategy[Any]] = {"name": TEXT, "arrivals": st.sampled_from(["even", "poisson"])}
DAY = st.integers(SECOND, 86_400 * SECOND).map(write_duration)
IN_P, PER_S = (st.floats(1e-6, 1000).map(lambda v: f"{write_number(v)} P"), st.floats(1e-3, 1e6).map(write_rate))
PAIR = st.tuples(st.floats(1e-6, 999), st.floats(1e-6, 999), st.sampled_from([" P", "/s"])).filter(
    lambda p: p[0] < p[1]
)
LEVELS = PAIR.map(lambda p: [f"{write_number(v)}{p[2]}" for v in p[:2]])
STEPS = st.one_of(
    *(st.lists(st.fixed_dictionaries({"at": level, "for": DAY}), min_size=1, max_size=4) for level in (IN_P, PER_S))
)
SPIKE = st.builds(
    lambda pair, rest: {"base": pair[0], "peak": pair[1], **rest},
    LEVELS,
    st.fixed_dictionaries({"hold": DAY}, optional={"rise": DAY, "fall": DAY, "before": DAY, "after": DAY}),
)
SINE = st.builds(
    lambda pair, period, share: {
        "low": pair[0], "high": pair[1], "period": write_duration(period),
        "for": write_duration(max(1, int(period * share))),
    },
    LEVELS, st.integers(SECOND, 3600 * SECOND), st.floats(1e-6, 31),
)  # fmt: skip
CURVE = st.builds(
    lambda times, rates, rest: {
        "points": [[write_duration(t), rate] for t, rate in zip(sorted({0, *times}), rates, strict=False)], **rest,
    },
    st.sets(st.integers(1, 86_400 * SECOND), min_size=1, max_size=5),
    st.one_of(
        *(st.lists(level | st.just(zero), min_size=5, max_size=5).map(lambda rates, top=top: [top, *rates])
          for level, zero, top in ((IN_P, "0 P", "1.5 P"), (PER_S, "0/s", "7/s")))
    ),
    st.fixed_dictionaries({}, optional={"source": TEXT, "scale": LEVEL}),
)  # fmt: skip
BURST = st.fixed_dictionaries({"count": st.integers(1, 10_000_000), "within": DAY, "then": LEVEL, "for": DAY})
SHAPE = st.one_of(
    *(
        of.map(lambda made, kind=kind: {kind: made})
        for kind, of in (("steps", STEPS), ("spike", SPIKE), ("sine", SINE), ("curve", CURVE), ("burst", BURST))
    )
)
SHAPED = st.fixed_dictionaries(
    {"kind": st.just("load"), "shape": SHAPE, "objectives": st.lists(OBJECTIVE, min_size=1, max_size=3)},
    optional={"judge_from": st.just("0s"), **LOAD_OPTIONS},
)
STRESS = st.builds(
    lambda start, steps, step, hold, more: {
        "kind": "stress", "from": f"{start} P", "to": f"{start + steps * step} P", "step": f"{step} P", "hold": hold,
        "objectives": ["errors <= 1%", *more],
    },
    st.integers(1, 10), st.integers(0, 20), st.integers(1, 5), DURATION,
    st.lists(OBJECTIVE | st.just("capacity >= 1 P"), max_size=2),
)  # fmt: skip
PLAN = st.fixed_dictionaries(
    {
        "seatrial": st.just(1), "title": TEXT, "target": st.sampled_from(["http://127.0.0.1:1", "https://[::1]/base/"]),
        "demand": st.fixed_dictionaries({"peak": RATE}, optional={"source": TEXT}),
        "journeys": st.dictionaries(TEXT, JOURNEY, min_size=1, max_size=2),
        "trials": st.lists(LOAD | SHAPED | STRESS, min_size=1, max_size=2),
    },
    optional={
        "seed": st.integers(0, 2**63 - 1), "arrivals": st.sampled_from(["even", "poisson"]),
        "connections": st.sampled_from(["session", "shared"]), "max_sessions": st.integers(1, 1_000_000),
        "headers": st.dictionaries(TEXT, TEXT, max_size=2), "tls": st.fixed_dictionaries({}, optional={"ca": TEXT}),
        "deadlines": st.fixed_dictionaries({}, optional={"connect": DURATION, "response": DURATION}),
    },
)  # fmt: skip
SCHEMA = Draft202012Validator(plan_json_schema())
GENEROUS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@GENEROUS
@given(written=PLAN)
def test_a_plan_survives_its_document_and_json(written: dict[str, Any]) -> None:
    plan = Plan.model_validate(written)
    document = json.loads(json.dumps(plan_document(plan)))
    assert Plan.model_validate(document) == plan
    assert Plan.model_validate_json(json.dumps(document), strict=True) == plan
    assert plan_document(Plan.model_validate(document)) == document


@GENEROUS
@given(written=PLAN)
def test_the_schema_accepts_every_plan_as_written_and_as_a_document(written: dict[str, Any]) -> None:
    assert SCHEMA.is_valid(written)
    assert SCHEMA.is_valid(plan_document(Plan.model_validate(written)))


SMALL: dict[str, Any] = {
    "seatrial": 1, "title": "x", "target": "http://127.0.0.1/", "demand": {"peak": "40/s"},
    "journeys": {"a": {"steps": [{"post": "/x?y=1", "json": {"a": None, "b": [None, {"c": None}]}}, {"pause": "1s"}]}},
    "trials": [
        {"kind": "load", "at": "1 P", "for": "10s", "warmup": "5s", "objectives": ["errors <= 1%"]},
        {
            "kind": "stress", "from": "0.5 P", "to": "2 P", "step": "0.25 P", "hold": "30s",
            "objectives": ["errors <= 1%"],
        },
        {"kind": "load", "at": "60/s", "for": "10s", "objectives": ["errors <= 1%"]},
    ],
}  # fmt: skip


def small(**changes: Any) -> Plan:
    return Plan.model_validate({**SMALL, **changes})


def test_null_inside_a_body_is_kept() -> None:
    document = plan_document(small())
    assert document["journeys"]["a"]["steps"][0]["json"] == {"a": None, "b": [None, {"c": None}]}


def test_levels_rise_to_the_last_that_a_step_meets() -> None:
    plan = small()
    load, stress, _ = plan.trials
    assert isinstance(stress, StressTrial)
    assert [level.value for level in stress.levels] == [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    stages = stress.stages(1, plan)
    assert [(s.trial, s.index, s.name, s.rate) for s in stages][:2] == [(1, 0, "0.5 P", 20), (1, 1, "0.75 P", 30)]
    (stage,) = load.stages(0, plan)
    assert (stage.judged_from_ns, stage.profile.duration_ns, stage.profile.expected) == (5 * SECOND, 15 * SECOND, 600)


@given(start=st.integers(1, 300), step=st.integers(1, 100), steps=st.integers(0, 150))
def test_no_level_is_lost_to_rounding(start: int, step: int, steps: int) -> None:
    trial = StressTrial.model_validate(
        {
            "kind": "stress", "from": f"{start / 100} P", "to": f"{(start + steps * step) / 100} P",
            "step": f"{step / 100} P", "hold": "1s", "objectives": ["errors <= 1%"],
        }
    )  # fmt: skip
    assert len(trial.levels) == steps + 1
    assert trial.levels[-1].value == pytest.approx((start + steps * step) / 100)


def test_trials_of_one_title_are_numbered() -> None:
    assert small().trial_names() == ("load 1", "stress", "load 2")


def test_a_drain_lasts_as_long_as_the_longest_session_can() -> None:
    plan = small(deadlines={"connect": "2s", "response": "5s"})
    assert plan.drain_ns == (2 + 5 + 1 + 1) * SECOND
    python = small(journeys={"p": {"python": "a.py:b", "step_names": ["x", "y"]}}, deadlines={"response": "5s"})
    assert python.drain_ns == (2 * (5 + 5) + 1) * SECOND


def test_an_own_deadline_replaces_the_plans() -> None:
    plan = small(journeys={"a": {"steps": [{"get": "/", "deadline": "1s"}]}})
    assert plan.wait_ns(plan.journeys["a"].requests[0]) == 6 * SECOND


def test_labels_are_names_or_methods_and_paths_without_queries() -> None:
    assert small().journeys["a"].labels == ("POST /x",)


def test_a_trailing_slash_of_the_target_is_no_part_of_it() -> None:
    assert small().target == "http://127.0.0.1"


def test_a_part_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        small().title = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "slug"), [("Stress at dawn!", "01-stress-at-dawn"), ("尖峰", "01-trial"), ("a" * 99, f"01-{'a' * 40}")]
)
def test_a_trials_folder_is_a_harmless_name(name: str, slug: str) -> None:
    assert trial_slug(0, name) == slug


def test_a_load_trial_keeps_its_warm_up_out_of_the_judged_stretch() -> None:
    trial = LoadTrial.model_validate({"kind": "load", "at": "2 P", "for": "3s", "objectives": ["errors <= 1%"]})
    (stage,) = trial.stages(4, small())
    assert (stage.judged_from_ns, len(stage.profile.segments), stage.rate) == (0, 1, 80)


def test_a_load_trial_rises_warms_up_and_only_then_is_judged():
    trial = {"kind": "load", "at": "2 P", "ramp": "4s", "warmup": "3s", "for": "10s", "objectives": ["errors <= 1%"]}
    plan = Plan.model_validate(
        {
            "seatrial": 1,
            "title": "A rise",
            "target": "http://127.0.0.1:1",
            "demand": {"peak": "5/s"},
            "journeys": {"visit": {"steps": [{"get": "/"}]}},
            "trials": [trial],
        }
    )
    (stage,) = plan.trials[0].stages(0, plan)
    rates = [(s.duration_ns, s.rate_from, s.rate_to) for s in stage.profile.segments]
    assert rates == [(4 * 10**9, 0.0, 10.0), (3 * 10**9, 10.0, 10.0), (10 * 10**9, 10.0, 10.0)]
    assert stage.judged_from_ns == 7 * 10**9
    assert stage.profile.expected == 20 + 30 + 100


def test_a_step_that_waits_for_no_time_at_all_is_refused() -> None:
    with pytest.raises(ValidationError):
        RequestStep.model_validate({"get": "/", "deadline": "0s"})
    assert RequestStep.model_validate({"get": "/", "deadline": "1ms"}).deadline == 1_000_000
