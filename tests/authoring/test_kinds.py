"""Plans of spike, soak, recovery and scalability trials: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError
from seatrial.model.plan import Plan, plan_document
from seatrial.model.profile import Stage
from seatrial.units import SECOND

LIMITS = ["p95 response time <= 2s", "errors <= 50%"]
SPIKE = {"kind": "spike", "base": "0.1 P", "to": "2 P", "rise": "2s", "hold": "10s", "times": 2, "rest": "20s"}
SOAK = {"kind": "soak", "at": "0.7 P", "for": "60s", "ramp": "5s", "warmup": "5s"}
OVERLOAD = {"kind": "recovery", "at": "1 P", "before": "20s", "overload": {"to": "3 P", "for": "5s"}, "after": "30s"}
SIZES = {
    "kind": "scalability",
    "sizes": [{"units": 1, "set": {"steps": [{"post": "/size", "json": {"desks": 1}}]}}, {"units": 3}],
    "from": "0.5 P", "to": "1 P", "step": "0.25 P", "hold": "20s", "settle": "2s",
}  # fmt: skip


def plan_with(tmp_path: Path, trial: dict[str, Any], *more: str) -> Plan:
    document = {
        "seatrial": 1,
        "title": "kinds",
        "target": "http://127.0.0.1:1",
        "demand": {"peak": "40/s"},
        "journeys": {"visit": {"steps": [{"get": "/"}]}},
        "trials": [{**trial, "objectives": [*LIMITS, *more]}],
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document))
    return load_plan(path).plan


def refused(tmp_path: Path, trial: dict[str, Any], *more: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan_with(tmp_path, trial, *more)
    return [str(problem) for problem in caught.value.problems]


def only_stage(plan: Plan) -> Stage:
    (stage,) = plan.trials[0].stages(0, plan)
    return stage


def rate(stage: Stage, at_s: float) -> float:
    at_ns, start_ns = round(at_s * SECOND), 0
    for segment in stage.profile.segments:
        if at_ns < start_ns + segment.duration_ns:
            return segment.rate_at(at_ns - start_ns)
        start_ns += segment.duration_ns
    raise AssertionError(f"nothing at {at_s} s")


def test_a_spike_is_calm_burst_and_calm_again_in_one_stage(tmp_path: Path) -> None:
    stage = only_stage(plan_with(tmp_path, SPIKE, "recovery time <= 10s"))
    assert [rate(stage, at) for at in (0, 19.9, 21, 22, 31.9, 33, 34, 53.9, 55)] == [4, 4, 42, 80, 80, 42, 4, 4, 42]
    assert stage.profile.duration_ns == 88 * SECOND
    shown = [(p.name, p.role, p.from_ns // SECOND, p.to_ns // SECOND, p.judged) for p in stage.periods]
    assert shown == [
        ("calm", "base", 0, 20, False),
        ("burst 1", "burst", 20, 34, True),
        ("after burst 1", "after", 34, 54, False),
        ("burst 2", "burst", 54, 68, True),
        ("after burst 2", "after", 68, 88, False),
    ]


def test_a_soak_holds_one_level_after_its_warm_up(tmp_path: Path) -> None:
    stage = only_stage(plan_with(tmp_path, SOAK))
    assert (stage.judged_from_ns, stage.profile.duration_ns) == (10 * SECOND, 70 * SECOND)
    assert stage.rate == pytest.approx(28)


def test_an_overload_is_more_load_between_two_times_the_same(tmp_path: Path) -> None:
    stage = only_stage(plan_with(tmp_path, {**OVERLOAD, "warmup": "5s"}, "recovery time <= 10s"))
    assert [rate(stage, at) for at in (0, 19, 20, 24, 25, 54)] == [40, 40, 120, 120, 40, 40]
    assert [(p.name, p.judged) for p in stage.periods] == [("before", True), ("overload", False), ("after", False)]
    assert stage.periods[0].from_ns == stage.judged_from_ns == 5 * SECOND


def test_a_fault_is_made_and_mended_at_its_moment(tmp_path: Path) -> None:
    fault = {"begin": {"steps": [{"post": "/faults"}]}, "end": {"steps": [{"delete": "/faults"}]}, "for": "5s"}
    trial = {key: value for key, value in OVERLOAD.items() if key != "overload"} | {"fault": fault}
    plan = plan_with(tmp_path, trial, "recovery time <= 10s")
    happenings = plan.trials[0].happenings(only_stage(plan))
    assert [(h.name, h.at_ns // SECOND) for h in happenings] == [("fault", 20), ("end of fault", 25)]
    assert [p.name for p in only_stage(plan).periods] == ["before", "fault", "after"]


def test_a_fault_that_nobody_mends_is_over_when_it_is_made(tmp_path: Path) -> None:
    trial = {key: value for key, value in OVERLOAD.items() if key != "overload"}
    trial |= {"fault": {"begin": {"steps": [{"post": "/faults"}]}}}
    plan = plan_with(tmp_path, trial, "recovery time <= 10s")
    assert [h.name for h in plan.trials[0].happenings(only_stage(plan))] == ["fault"]
    assert [p.name for p in only_stage(plan).periods] == ["before", "after"]


def test_a_size_of_more_units_is_offered_as_much_more(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, SIZES, "efficiency >= 80%")
    trial, stages = plan.trials[0], plan.trials[0].stages(0, plan)
    assert [(s.name, s.rate) for s in stages] == [
        ("1 × 0.5 P", 20), ("1 × 0.75 P", 30), ("1 × 1 P", 40),
        ("3 × 0.5 P", 60), ("3 × 0.75 P", 90), ("3 × 1 P", 120),
    ]  # fmt: skip
    first = trial.beforehand(stages[0], None)
    assert first is not None
    assert first.name == "size 1"
    assert trial.beforehand(stages[1], stages[0]) is None
    assert trial.beforehand(stages[3], stages[1]) is None, "the size that it has already"


def test_a_load_trial_is_offered_as_often_as_it_has_runs(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, {"kind": "load", "at": "1 P", "for": "60s", "runs": 3})
    stages = plan.trials[0].stages(0, plan)
    assert [stage.name for stage in stages] == ["1 P, run 1", "1 P, run 2", "1 P, run 3"]
    assert [stage.index for stage in stages] == [0, 1, 2]


@pytest.mark.parametrize(
    ("trial", "more", "said"),
    [
        ({**SPIKE, "to": "0.1 P"}, (), "no higher than the calm"),
        ({**SPIKE, "to": "20/s"}, (), "in one unit"),
        ({**SPIKE, "times": 0}, (), "times"),
        ({**OVERLOAD, "overload": {"to": "1 P", "for": "5s"}}, ("recovery time <= 5s",), "no higher than 1 P"),
        (OVERLOAD, (), "recovery time <= 5m"),
        ({**OVERLOAD, "warmup": "20s"}, ("recovery time <= 5s",), "takes all of 'before'"),
        ({k: v for k, v in OVERLOAD.items() if k != "overload"}, ("recovery time <= 5s",), "either overload or fault"),
        ({**OVERLOAD, "fault": {"begin": {"steps": [{"get": "/"}]}}}, ("recovery time <= 5s",), "either"),
        ({**SIZES, "sizes": [{"units": 2}, {"units": 1}]}, (), "sizes that do not rise"),
        ({**SIZES, "sizes": [{"units": 2}]}, (), "sizes"),
        ({**SIZES, "to": "0.25 P"}, (), "lies below"),
        ({**SIZES, "step": "1/s"}, (), "in one unit"),
        ({"kind": "load", "at": "1 P", "for": "60s", "runs": 0}, (), "runs"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_remedy(
    tmp_path: Path, trial: dict[str, Any], more: tuple[str, ...], said: str
) -> None:
    assert any(said in problem for problem in refused(tmp_path, trial, *more)), refused(tmp_path, trial, *more)


def test_a_fault_that_is_mended_says_when(tmp_path: Path) -> None:
    trial = {k: v for k, v in OVERLOAD.items() if k != "overload"}
    half = {"begin": {"steps": [{"get": "/"}]}, "for": "5s"}
    (problem,) = refused(tmp_path, {**trial, "fault": half}, "recovery time <= 5s")
    assert "both 'end' and 'for'" in problem


def test_requests_of_a_fault_are_checked_like_any_other(tmp_path: Path) -> None:
    trial = {k: v for k, v in OVERLOAD.items() if k != "overload"}
    (problem,) = refused(
        tmp_path, {**trial, "fault": {"begin": {"steps": [{"get": "/${who}"}]}}}, "recovery time <= 5s"
    )
    assert "who" in problem


@pytest.mark.parametrize("trial", [SPIKE, SOAK, {**OVERLOAD, "objectives": ["recovery time <= 5s"]}, SIZES])
def test_every_kind_reads_back_from_its_document(tmp_path: Path, trial: dict[str, Any]) -> None:
    more = ("recovery time <= 5s",) if trial["kind"] == "recovery" else ()
    plan = plan_with(tmp_path, trial, *more)
    assert Plan.model_validate(plan_document(plan)) == plan
