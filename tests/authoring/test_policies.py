"""Policies: shipped ones, one's own, wrong ones, and plans measured against them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from seatrial.authoring.policies import SHIPPED, load_policy
from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PolicyError
from seatrial.model.policy import Policy
from seatrial.verdict.acceptance import shortfalls

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_policy_loads_with_the_digest_of_its_bytes(name: str) -> None:
    loaded = load_policy(name)
    assert loaded.digest == hashlib.sha256(loaded.source).hexdigest()
    assert {required.kind for required in loaded.policy.acceptance.mandatory} >= {"load", "stress"}


def test_a_copied_policy_is_the_same_policy(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_bytes(load_policy("default").source)
    assert load_policy(str(tmp_path / "ours.yaml")) == load_policy("default")


def test_all_mistakes_of_a_policy_come_out_at_once_with_their_lines(tmp_path: Path) -> None:
    text = load_policy("default").source.decode()
    text = text.replace("unsent: 0.005", "unsend: 0.005").replace("confidence: 0.95", "confidence: 1")
    text = text.replace("at_least: 1.0 P", "at_least: much", 1).replace("min_samples: 200", "min_samples: '200'")
    (tmp_path / "ours.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(str(tmp_path / "ours.yaml"))
    shown = [(p.where.rpartition(":")[2], p.what, p.remedy) for p in caught.value.problems]
    assert shown == [
        ("7", "min_samples is not a whole number", "Write a whole number."),
        ("10", "an unknown key", "Did you mean unsent?"),
        ("13", "confidence is not below 1", "Write a value below 1."),
        ("20", "not a load level", "Write a multiple of the peak (1.5 P) or a rate (60/s)."),
    ]


@pytest.mark.parametrize("name", ["", "none.yaml", "defautl"])
def test_a_policy_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(PolicyError):
        load_policy(name)


def test_a_policy_without_mandatory_trials_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("policy: 1\ntitle: x\nacceptance: {mandatory: []}\n")
    with pytest.raises(PolicyError, match="mandatory is an empty list"):
        load_policy(str(tmp_path / "p.yaml"))


def test_a_plan_is_told_where_it_is_weaker_than_the_policy() -> None:
    plan = load_plan(EXAMPLES / "first-plan.yaml").plan
    assert shortfalls(plan, load_policy("demo").policy) == (
        "load: holds for 10 s, the policy requires 15 s",
        "load: has no limit as strict as: p99 response time <= 5s",
        "load: has no limit as strict as: goodput >= 99% of offered",
        "no stress trial, which the policy requires",
    )


PLAN = """\
seatrial: 1
title: x
target: http://127.0.0.1
demand: {peak: 10/s}
journeys: {a: {steps: [get: /]}}
trials:
  - {kind: load, at: 10/s, for: 15s, objectives: [p99 response time <= 2s, errors <= 0.1%, goodput >= 99% of offered]}
  - {kind: stress, from: 1 P, to: 2 P, step: 1 P, hold: 5s,
     objectives: [p95 response time <= 4s, errors <= 1%, capacity >= 2 P]}
"""


def lacks(folder: Path, *swap: str) -> tuple[str, ...]:
    (folder / "plan.yaml").write_text(PLAN.replace(*swap) if swap else PLAN)  # type: ignore[arg-type]
    return shortfalls(load_plan(folder / "plan.yaml").plan, load_policy("demo").policy)


def test_a_plan_as_strong_as_the_policy_lacks_nothing(tmp_path: Path) -> None:
    assert lacks(tmp_path) == ()  # a rate is compared through P, and a p99 of 2 s keeps a p95 of 2 s


@pytest.mark.parametrize(
    ("old", "new", "lack"),
    [
        ("at: 10/s", "at: 9/s", "load: reaches 9/s, the policy requires 1 P"),
        ("for: 15s", "for: 14s", "load: holds for 14 s, the policy requires 15 s"),
        (
            "p99 response time <= 2s",
            "p95 response time <= 2s",
            "load: has no limit as strict as: p99 response time <= 5s",
        ),
        (
            "p99 response time <= 2s",
            "p99 service time <= 2s",
            "load: has no limit as strict as: p95 response time <= 2s",
        ),
        ("errors <= 0.1%", "errors <= 0.2%", "load: has no limit as strict as: errors <= 0.1%"),
        (
            "errors <= 1%",
            "errors <= 2%, errors <= 1% for step GET /",
            "stress: has no limit as strict as: errors <= 1%",
        ),
        (">= 99%", ">= 98%", "load: has no limit as strict as: goodput >= 99% of offered"),
        ("capacity >= 2 P", "capacity >= 1 P", "stress: has no limit as strict as: capacity >= 2.0 P"),
    ],
)
def test_each_weakness_is_named(old: str, new: str, lack: str, tmp_path: Path) -> None:
    assert lack in lacks(tmp_path, old, new)


def test_the_level_that_counts_is_the_last_that_the_steps_meet(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        PLAN.replace("step: 1 P", "step: 0.7 P").replace("capacity >= 2 P", "capacity >= 1 P")
    )
    found = shortfalls(load_plan(tmp_path / "plan.yaml").plan, load_policy("demo").policy)
    assert "stress: reaches 1.7 P, the policy requires 2 P" in found


def test_a_capacity_below_the_policy_s_level_is_too_little_even_where_the_policy_limits_none(tmp_path: Path) -> None:
    """A stress trial that limits capacity passes though the levels above it break."""
    lax = load_policy("demo").policy.model_dump(mode="json", by_alias=True)
    stress = lax["acceptance"]["mandatory"][1]
    stress["objectives"] = [limit for limit in stress["objectives"] if "capacity" not in limit]
    policy = Policy.model_validate(lax)
    (tmp_path / "plan.yaml").write_text(PLAN)
    assert shortfalls(load_plan(tmp_path / "plan.yaml").plan, policy) == ()
    (tmp_path / "plan.yaml").write_text(PLAN.replace("capacity >= 2 P", "capacity >= 1 P"))
    assert shortfalls(load_plan(tmp_path / "plan.yaml").plan, policy) == (
        "stress: passes with a capacity of 1 P, the policy requires that 2 P holds",
    )


SHAPED = """\
seatrial: 1
title: x
target: http://127.0.0.1
demand: {peak: 10/s}
journeys: {a: {steps: [get: /]}}
trials:
  - {kind: load, LOAD, objectives: [p99 response time <= 2s, errors <= 0.1%, goodput >= 99% of offered]}
  - {kind: stress, from: 1 P, to: 2 P, step: 1 P, hold: 5s,
     objectives: [p95 response time <= 4s, errors <= 1%, capacity >= 2 P]}
"""
BELOW = "load: judges load below 1 P together with it, the policy's limits are for 1 P or above alone"


def short(seconds: str) -> str:
    return f"load: stays at 1 P or above for {seconds} at a time, the policy requires 15 s"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        # A spike that touches the level for a second is no quarter of a minute at it, however long it lasts.
        ("shape: {spike: {base: 0.1 P, peak: 1 P, hold: 1s, before: 1m, after: 1m}}", (short("1 s"), BELOW)),
        ("shape: {spike: {base: 1 P, peak: 3 P, hold: 1s, before: 7s, after: 7s}}", ()),
        ("shape: {spike: {base: 1 P, peak: 3 P, hold: 1s, before: 7s, after: 6s}}", (short("14 s"),)),
        # Two stretches do not add up.
        ("shape: {steps: [{at: 1 P, for: 14s}, {at: 0.5 P, for: 1s}, {at: 1 P, for: 14s}]}", (short("14 s"), BELOW)),
        # A failing quarter of a minute would drown in an easy day.
        ("shape: {steps: [{at: 1 P, for: 15s}, {at: 0.9 P, for: 24h}]}", (BELOW,)),
        ("shape: {steps: [{at: 0.5 P, for: 30s}, {at: 1 P, for: 15s}]}, judge_from: 30s", ()),
        ("shape: {steps: [{at: 0.5 P, for: 30s}, {at: 1 P, for: 15s}]}, judge_from: 29s", (BELOW,)),
        # What is not judged does not count.
        ("shape: {steps: [{at: 1 P, for: 8s}, {at: 2 P, for: 8s}]}", ()),
        ("shape: {steps: [{at: 1 P, for: 8s}, {at: 2 P, for: 8s}]}, judge_from: 2s", (short("14 s"),)),
        ("shape: {steps: [{at: 2 P, for: 60s}, {at: 0.9 P, for: 60s}]}, judge_from: 60s",
         ("load: reaches 9/s where it is judged, the policy requires 1 P",)),
        ("shape: {sine: {low: 0.1 P, high: 0.99 P, period: 60s, for: 60s}}",
         ("load: reaches 9.9/s where it is judged, the policy requires 1 P",)),
        ("shape: {sine: {low: 1 P, high: 2 P, period: 60s, for: 60s}}", ()),
        ("shape: {burst: {count: 500, within: 1s, then: 1 P, for: 14s}}", ()),
        ("shape: {burst: {count: 500, within: 1s, then: 0.5 P, for: 14s}}", (short("1 s"), BELOW)),
        ("shape: {curve: {points: [[0s, 0/s], [10s, 10/s], [25s, 10/s]]}}, judge_from: 10s", ()),
        ("shape: {curve: {points: [[0s, 0/s], [10s, 10/s], [25s, 10/s]]}}", (BELOW,)),
        ("shape: {curve: {points: [[0s, 5/s], [20s, 15/s], [40s, 5/s]]}}", (BELOW,)),  # a triangle: 20 s above 10/s
        ("shape: {curve: {points: [[0s, 5/s], [14s, 15/s], [28s, 5/s]]}}", (short("14 s"), BELOW)),
    ],
)  # fmt: skip
def test_a_shape_counts_with_its_longest_unbroken_stretch_that_is_judged_alone(
    written: str, found: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(SHAPED.replace("LOAD", written))
    assert shortfalls(load_plan(tmp_path / "plan.yaml").plan, load_policy("demo").policy) == found


OLD = """\
policy: 1
title: Of a year ago
acceptance:
  mandatory:
    - {kind: load, at_least: 1.0 P, hold: 60m, objectives: [errors <= 0.1%]}
    - {kind: spike, at_least: 2.0 P, hold: 10m, objectives: [errors <= 0.1%]}
"""


def test_a_policy_from_before_the_forms_of_kinds_is_read_as_ever_and_written_without_them(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    policy = load_policy(str(tmp_path / "old.yaml")).policy
    written = policy.as_document()
    assert [set(required) for required in written["acceptance"]["mandatory"]] == [
        {"kind", "at_least", "hold", "objectives"}
    ] * 2
    assert Policy.model_validate(written) == policy


def test_the_default_policy_asks_for_every_kind_in_its_form() -> None:
    mandatory = load_policy("default").policy.acceptance.mandatory
    assert [required.kind for required in mandatory] == [
        "load", "load", "stress", "spike", "soak", "recovery", "recovery",
    ]  # fmt: skip
    assert (mandatory[0].runs, mandatory[3].times) == (3, 2)
    assert [required.disturbance for required in mandatory[5:]] == ["overload", "fault"]


WHOLE = """\
seatrial: 1
title: As the default policy asks
target: http://127.0.0.1
demand: {peak: 40/s}
journeys: {a: {steps: [get: /]}}
trials:
  - {kind: load, name: peak, at: 1 P, for: 60m, runs: 3, objectives: [p95 response time <= 2s,
     p99 response time <= 5s, errors <= 0.1%, goodput >= 99% of offered]}
  - {kind: load, name: above, at: 1.5 P, for: 30m, objectives: [p95 response time <= 4s, errors <= 1%]}
  - {kind: stress, from: 1 P, to: 3 P, step: 0.25 P, hold: 1m,
     objectives: [p95 response time <= 4s, errors <= 1%, capacity >= 2.0 P]}
  - {kind: spike, base: 0.05 P, to: 2 P, rise: 10s, hold: 10m, times: 2, rest: 10m, objectives: [
     p95 response time <= 2s of admitted, p99 response time <= 5s of admitted, errors <= 0.1% of admitted,
     goodput >= 99% of offered, recovery time <= 5m]}
  - {kind: soak, at: 0.7 P, for: 12h, objectives: [p95 response time <= 2s, p95 response time drift <= 10%,
     errors <= 0.1%]}
  - {kind: recovery, name: overload, at: 1 P, before: 5m, overload: {to: 3 P, for: 1m}, after: 15m,
     objectives: [p95 response time <= 2s, errors <= 0.1%, recovery time <= 5m]}
  - {kind: recovery, name: fault, at: 1 P, before: 5m, fault: {begin: {steps: [{post: /break}]}}, after: 30m,
     objectives: [p95 response time <= 2s, errors <= 0.1%, recovery time <= 15m]}
"""


@pytest.mark.parametrize(
    ("old", "new", "lack"),
    [
        ("WHOLE", "WHOLE", None),
        ("runs: 3", "runs: 2", "peak: is offered twice, the policy requires 3 runs"),
        (", runs: 3", "", "peak: is offered once, the policy requires 3 runs"),
        ("times: 2", "times: 1", "spike: bursts once, the policy requires twice"),
        ("base: 0.05 P", "base: 0.1 P", "spike: bursts from 0.1 P, the policy requires a calm of 0.05 P or less"),
        ("rise: 10s", "rise: 2m", "spike: rises in 2 min, the policy requires 1 min or less"),
        ("to: 2 P, rise", "to: 1.5 P, rise", "spike: reaches 1.5 P, the policy requires 2 P"),
        ("{to: 3 P, for: 1m}", "{to: 2 P, for: 1m}", "overload: is overloaded with 2 P, the policy requires 3 P"),
        ("overload: {to: 3 P, for: 1m}", "fault: {begin: {steps: [{post: /break}]}}",
         "no recovery trial from an overload, which the policy requires"),
        ("fault: {begin: {steps: [{post: /break}]}}", "overload: {to: 3 P, for: 1m}",
         "no recovery trial from a fault, which the policy requires"),
        ("after: 15m", "after: 10m", "overload: holds for 10 min, the policy requires 15 min"),
        ("for: 12h", "for: 6h", "soak: holds for 6 h, the policy requires 12 h"),
    ],
)  # fmt: skip
def test_a_plan_is_told_what_each_kind_lacks_of_its_form(old: str, new: str, lack: str | None, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(WHOLE.replace(old, new))
    found = shortfalls(load_plan(tmp_path / "plan.yaml").plan, load_policy("default").policy)
    assert found == (() if lack is None else (lack,))


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("kind: soak, runs: 3", "runs"),
        ("kind: load, times: 2", "times"),
        ("kind: spike, disturbance: fault", "disturbance"),
        ("kind: recovery, overload: 3 P", "overload"),
        ("kind: recovery, disturbance: fault, overload: 3 P", "overload"),
    ],
)
def test_a_policy_that_asks_a_kind_for_what_it_has_not_is_refused(written: str, what: str, tmp_path: Path) -> None:
    text = OLD.replace("kind: spike", written)
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PolicyError, match=f"'{what}'"):
        load_policy(str(tmp_path / "p.yaml"))
