"""Shapes of load: what each one offers, and every rule that refuses one."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seatrial.model.plan import Plan, plan_document
from seatrial.model.profile import Profile, Segment
from seatrial.model.schedule import Schedule
from seatrial.model.shape import MAX_SEGMENTS, Shape
from seatrial.model.trial import LoadTrial
from seatrial.units import MS, SECOND

MINUTE = 60 * SECOND


def shape(**of: Any) -> Shape:
    return Shape.model_validate(of)


def rows(profile: Profile) -> list[tuple[float, float, float]]:
    """Return (seconds, rate from, rate to) of each segment."""
    return [(s.duration_ns / SECOND, s.rate_from, s.rate_to) for s in profile.segments]


STEPS = {"steps": [{"at": "0.5 P", "for": "1m"}, {"at": "1 P", "for": "5m"}]}
SPIKE = {
    "spike": {
        "base": "0.05 P", "peak": "2 P", "rise": "10s", "hold": "10m", "fall": "60s", "before": "1m", "after": "5m",
    }
}  # fmt: skip
SINE = {"sine": {"low": "0.2 P", "high": "1 P", "period": "10m", "for": "1h"}}
CURVE = {"curve": {"points": [["0s", "10/s"], ["60s", "200/s"], ["90s", "0/s"]]}}
BURST = {"burst": {"count": 500, "within": "1s", "then": "1 P", "for": "5m"}}


def test_steps_are_levels_held_one_after_the_other() -> None:
    assert rows(shape(**STEPS).profile(40)) == [(60, 20, 20), (300, 40, 40)]


def test_a_spike_waits_rises_holds_falls_and_watches_the_recovery() -> None:
    found = rows(shape(**SPIKE).profile(40))
    assert found == [(60, 2, 2), (10, 2, 80), (600, 80, 80), (60, 80, 2), (300, 2, 2)]


def test_a_spike_of_a_base_a_peak_and_a_hold_is_a_jump() -> None:
    assert rows(shape(spike={"base": "1/s", "peak": "9/s", "hold": "2s"}).profile(40)) == [(2, 9, 9)]


def test_a_burst_brings_its_count_and_then_the_level() -> None:
    profile = shape(**BURST).profile(40)
    assert rows(profile) == [(1, 500, 500), (300, 40, 40)]
    assert profile.segments[0].expected == 500


@given(count=st.integers(1, 3000), within_ms=st.integers(1, 60_000))
def test_even_arrivals_put_exactly_the_burst_into_its_window(count: int, within_ms: int) -> None:
    of = {"count": count, "within": f"{within_ms}ms", "then": "1/s", "for": "2s"}
    (stage,) = load(shape={"burst": of}, arrivals="even").stages(0, PLAN)
    at_ns = np.concatenate([block.at_ns for block in Schedule("00", 1, stage, (1.0,)).blocks()])
    assert int(np.sum(at_ns <= within_ms * MS)) == count
    assert len(at_ns) == count + 2


def test_a_curve_goes_straight_from_point_to_point() -> None:
    assert rows(shape(**CURVE).profile(40)) == [(60, 10, 200), (30, 200, 0)]


def test_a_scaled_curve_has_its_highest_point_at_the_level_and_the_others_in_proportion() -> None:
    of = {**CURVE["curve"], "scale": "1.5 P"}
    assert rows(shape(curve=of).profile(40)) == [(60, 3, 60), (30, 60, 0)]


def true_sine(low: float, high: float, period_s: float, t: float) -> tuple[float, float]:
    """Return the rate of the sine that starts at its low, and its integral from 0 to t."""
    mean, half, angle = (low + high) / 2, (high - low) / 2, 2 * math.pi * t / period_s
    return mean - half * math.cos(angle), mean * t - half * period_s / (2 * math.pi) * math.sin(angle)


def until(profile: Profile, at_ns: int) -> tuple[float, float]:
    """Return the drawn rate and its integral, from their definitions."""
    total, left = 0.0, at_ns
    for segment in profile.segments:
        inside = min(left, segment.duration_ns)
        rate = segment.rate_from + (segment.rate_to - segment.rate_from) * inside / segment.duration_ns
        total += (segment.rate_from + rate) / 2 * inside / 1e9
        left -= inside
        if not left:
            return rate, total
    raise AssertionError("beyond the end")


@given(
    low=st.floats(0.01, 50),
    more=st.floats(0.01, 500),
    period_ms=st.integers(1000, 3_600_000),
    periods=st.floats(0.001, MAX_SEGMENTS // 32),
    share=st.floats(0, 1),
)
def test_the_drawn_sine_is_as_near_to_the_true_one_as_is_promised(
    low: float, more: float, period_ms: int, periods: float, share: float
) -> None:
    lasts_ms = max(1, int(period_ms * periods))
    sine = {"low": f"{low:f}/s", "high": f"{low + more:f}/s", "period": f"{period_ms}ms", "for": f"{lasts_ms}ms"}
    made = shape(sine=sine)
    assert made.sine is not None
    low, high = made.sine.low.value, made.sine.high.value
    profile = made.profile(1.0)
    assert profile.duration_ns == lasts_ms * MS
    assert len(profile.segments) <= MAX_SEGMENTS
    half, h, period_s = (high - low) / 2, 2 * math.pi / 32, period_ms / 1000
    rate_bound = half * h * h / 8
    area_bound = half * period_s / (2 * math.pi) * (1 - (h / 2) / math.tan(h / 2))
    assert rate_bound < 0.0049 * half
    assert area_bound < 0.00052 * half * period_s
    at_ns = round(profile.duration_ns * share)
    rate, area = until(profile, at_ns) if at_ns else (low, 0.0)
    true_rate, true_area = true_sine(low, high, period_s, at_ns / SECOND)
    slack = 1e-6 * high  # times are whole nanoseconds, and floats are what they are
    assert abs(rate - true_rate) <= rate_bound + slack
    assert abs(area - true_area) <= area_bound + slack * max(1.0, at_ns / SECOND)


def test_the_bound_of_the_sines_area_is_tight() -> None:
    profile = shape(sine={"low": "1/s", "high": "3/s", "period": "32s", "for": "32s"}).profile(1.0)
    worst = max(abs(until(profile, t * MS)[1] - true_sine(1, 3, 32, t / 1000)[1]) for t in range(250, 32_001, 250))
    h = 2 * math.pi / 32
    assert worst == pytest.approx(32 / (2 * math.pi) * (1 - (h / 2) / math.tan(h / 2)), rel=1e-6)


def test_the_sine_is_read_from_a_table_that_everybody_shares() -> None:
    profile = shape(sine={"low": "1/s", "high": "2/s", "period": "32s", "for": "32s"}).profile(1.0)
    for index, segment in enumerate(profile.segments):
        assert segment.rate_from - 1 == pytest.approx(math.sin(math.pi * index / 32) ** 2, abs=1e-15)


PLAN = Plan.model_validate(
    {
        "seatrial": 1, "title": "x", "target": "http://127.0.0.1", "demand": {"peak": "40/s"},
        "journeys": {"a": {"steps": [{"get": "/"}]}},
        "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
    }
)  # fmt: skip


def load(**of: Any) -> LoadTrial:
    return LoadTrial.model_validate({"kind": "load", "objectives": ["errors <= 1%"], **of})


@pytest.mark.parametrize(
    ("of", "name", "rate"),
    [
        (STEPS, "0.5–1 P", (60 * 20 + 300 * 40) / 360),
        (SPIKE, "0.05–2 P", (360 * 2 + 70 * 41 + 600 * 80) / 1030),
        (SINE, "0.2–1 P", 24),
        (CURVE, "0–200/s", (60 * 105 + 30 * 100) / 90),
        ({"curve": {**CURVE["curve"], "scale": "2 P"}}, "0–2 P", (60 * 42 + 30 * 40) / 90),
        ({"steps": [{"at": "1 P", "for": "2s"}, {"at": "1 P", "for": "1s"}]}, "1 P", 40),
        ({"curve": {"scale": "3 P", "points": [["0s", "1/s"], ["60s", "7/s"]]}}, "0.429–3 P", 40 * 3 * 8 / 14),
        (BURST, "500/s → 1 P", (500 + 300 * 40) / 301),
    ],
)
def test_a_stage_is_called_by_its_levels_and_its_rate_is_the_mean_that_is_judged(
    of: dict[str, Any], name: str, rate: float
) -> None:
    (stage,) = load(shape=of).stages(3, PLAN)
    assert (stage.trial, stage.index, stage.name, stage.judged_from_ns) == (3, 0, name, 0)
    assert stage.rate == pytest.approx(rate)


def test_what_is_left_out_at_the_start_is_out_of_the_rate_too() -> None:
    trial = load(shape=STEPS, judge_from="60s")
    (stage,) = trial.stages(0, PLAN)
    assert (stage.judged_from_ns, stage.rate, trial.unjudged_ns) == (MINUTE, 40, MINUTE)


def test_a_plain_trial_is_written_in_a_plan_as_it_always_was() -> None:
    """The normal form is compared byte for byte with that of bundles made before there were shapes."""
    assert plan_document(PLAN)["trials"] == [
        {
            "kind": "load",
            "objectives": ["errors <= 1%"],
            "at": "1 P",
            "for": "1s",
            "ramp": "0s",
            "warmup": "0s",
        }
    ]


@pytest.mark.parametrize("of", [STEPS, SPIKE, SINE, CURVE, BURST])
def test_the_normal_form_of_a_shape_holds_all_that_its_schedule_needs(of: dict[str, Any]) -> None:
    plan = Plan.model_validate({**plan_document(PLAN), "trials": [{**LOADED, "shape": of}]})
    again = Plan.model_validate_json(json.dumps(plan_document(plan)), strict=True)
    assert again == plan
    assert again.trials[0].stages(0, again) == plan.trials[0].stages(0, plan)


LOADED = {"kind": "load", "objectives": ["errors <= 1%"]}


def with_(of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    ((kind, inner),) = of.items()
    return {kind: {**inner, **changes}}


def steps(*of: tuple[str, str]) -> dict[str, Any]:
    return {"steps": [{"at": at, "for": long} for at, long in of]}


def points(*of: tuple[str, str]) -> dict[str, Any]:
    return {"curve": {"points": [list(point) for point in of]}}


WRONG_SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "of no kind": ({}, "a shape of no kind"),
    "of two kinds": ({**STEPS, **BURST}, "a shape of 2 kinds"),
    "no step": ({"steps": []}, "0 steps"),
    "a step of zero": (steps(("0 P", "1s")), "a load level of zero"),
    "a step below zero": (steps(("-1 P", "1s")), "not a load level"),
    "a step of no time": (steps(("1 P", "0s")), "greater than 0"),
    "a step of less than no time": (steps(("1 P", "-1s")), "not a duration"),
    "steps in two units": (steps(("1 P", "1s"), ("2/s", "1s")), "multiples of P and rates in one shape"),
    "too many steps": (steps(*[("1 P", "1s")] * 1001), "1001 steps"),
    "too long": (steps(*[("1 P", "700h")] * 2), "a shape that lasts 1400 h"),
    "a spike downwards": (with_(SPIKE, peak="0.05 P"), "a peak that is not above its base"),
    "a spike in two units": (with_(SPIKE, peak="90/s"), "multiples of P and rates in one shape"),
    "a spike that holds nothing": (with_(SPIKE, hold="0s"), "greater than 0"),
    "a spike from zero": (with_(SPIKE, base="0 P"), "a load level of zero"),
    "a spike that falls before it began": (with_(SPIKE, fall="-1s"), "not a duration"),
    "a flat sine": (with_(SINE, high="0.2 P"), "a high that is not above its low"),
    "a sine in two units": (with_(SINE, high="90/s"), "multiples of P and rates in one shape"),
    "a sine too quick": (with_(SINE, period="999ms"), "a period below a second"),
    "a sine of too many periods": (with_(SINE, period="1m", **{"for": "32m"}), "more than 31 periods"),
    "a sine of no time": (with_(SINE, **{"for": "0s"}), "greater than 0"),
    "one point": (points(("0s", "1/s")), "a curve of 1 points"),
    "too many points": (points(*((f"{i}s", "1/s") for i in range(1002))), "a curve of 1002 points"),
    "points that descend": (points(("0s", "1/s"), ("2s", "1/s"), ("1s", "1/s")), "a time that is not after"),
    "points at one time": (points(("0s", "1/s"), ("1s", "1/s"), ("1s", "2/s")), "a time that is not after"),
    "points that start late": (points(("1s", "1/s"), ("2s", "1/s")), "a curve that does not start at 0s"),
    "points in two units": (points(("0s", "1/s"), ("2s", "1 P")), "multiples of P and rates in one curve"),
    "points below zero": (points(("0s", "1/s"), ("2s", "-1/s")), "not a rate"),
    "points without load": (points(("0s", "0/s"), ("2s", "0/s")), "a curve without load"),
    "a point without unit": (points(("0s", "1"), ("2s", "1/s")), "not a load level"),
    "a point of three": ({"curve": {"points": [["0s", "1/s", "x"], ["1s", "1/s"]]}}, "not a point of a curve"),
    "a point of numbers": ({"curve": {"points": [[0, 1], [1, 1]]}}, "not a point of a curve"),
    "no points": ({"curve": {"scale": "1 P"}}, "a curve of 0 points"),
    "a curve in a file": ({"curve": {"csv": "evening.csv"}}, "a curve in another file"),
    "a scale of zero": (with_(CURVE, scale="0 P"), "a load level of zero"),
    "a burst of none": (with_(BURST, count=0), "greater than or equal to 1"),
    "a burst of less than none": (with_(BURST, count=-5), "greater than or equal to 1"),
    "a burst beyond reason": (with_(BURST, within="1us"), "a burst of more than 10,000,000/s"),
    "a burst in no time": (with_(BURST, within="0s"), "greater than 0"),
    "a burst and then nothing": (with_(BURST, then="0/s"), "a load level of zero"),
}


@pytest.mark.parametrize("kind", WRONG_SHAPES)
def test_a_shape_that_can_not_be_is_refused(kind: str) -> None:
    of, why = WRONG_SHAPES[kind]
    with pytest.raises(ValidationError) as caught:
        shape(**of)
    assert any(why in str(error["msg"]) for error in caught.value.errors()), caught.value


PLAIN = {"at": "1 P", "for": "10s"}
WRONG_TRIALS: dict[str, tuple[dict[str, Any], str]] = {
    "neither form": ({}, "a load trial without 'at'"),
    "a level without time": ({"at": "1 P"}, "a load trial without 'for'"),
    "both forms": ({"shape": STEPS, **PLAIN}, "'at' beside a shape"),
    "a shape for some time": ({"shape": STEPS, "for": "1s"}, "'for' beside a shape"),
    "a shape after a ramp": ({"shape": STEPS, "ramp": "1s"}, "'ramp' beside a shape"),
    "a shape after a warm-up": ({"shape": STEPS, "warmup": "1s"}, "'warmup' beside a shape"),
    "a plain trial with a shape's key": ({**PLAIN, "judge_from": "1s"}, "judge_from belongs to a shape"),
    "a shape that ends before it is judged": ({"shape": STEPS, "judge_from": "6m"}, "of which nothing is judged"),
    "a shape that is over before it is judged": (
        {"shape": {"curve": {"points": [["0s", "1/s"], ["1s", "0/s"], ["9s", "0/s"]]}}, "judge_from": "1s"},
        "a shape that offers nothing from there on",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG_TRIALS)
def test_a_load_trial_of_two_forms_or_none_is_refused(kind: str) -> None:
    of, why = WRONG_TRIALS[kind]
    with pytest.raises(ValidationError, match=why):
        load(**of)


def test_a_shape_of_the_most_segments_is_taken() -> None:
    assert len(shape(**steps(*[("1 P", "1s")] * MAX_SEGMENTS)).profile(1.0).segments) == MAX_SEGMENTS
    many = points(*((f"{i}s", "1/s") for i in range(MAX_SEGMENTS + 1)))
    assert len(shape(**many).profile(1.0).segments) == MAX_SEGMENTS
    assert len(shape(**with_(SINE, period="1m", **{"for": "31m"})).profile(1.0).segments) == 31 * 32


RATE = st.integers(0, 50).map(float)
SEGMENT = st.builds(Segment, st.integers(1, 20 * SECOND), RATE, RATE)
PROFILE = st.lists(SEGMENT, min_size=1, max_size=5).map(lambda s: Profile(tuple(s)))


@given(profile=PROFILE, share=st.floats(0, 0.999))
def test_a_profile_cut_in_two_offers_what_it_offered_whole(profile: Profile, share: float) -> None:
    cut_ns = int(profile.duration_ns * share)
    left = profile.after(cut_ns)
    assert left.duration_ns == profile.duration_ns - cut_ns
    before = until(profile, cut_ns)[1] if cut_ns else 0.0
    assert left.expected + before == pytest.approx(profile.expected, abs=1e-6)
    assert profile.lowest <= left.lowest <= left.mean * (1 + 1e-9)
    assert left.mean <= left.peak * (1 + 1e-9) <= profile.peak * (1 + 2e-9)


@pytest.mark.parametrize("offset", [-1, SECOND, 2 * SECOND])
def test_a_profile_of_which_nothing_is_left_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="nothing of a profile"):
        Profile((Segment(SECOND, 1, 1),)).after(offset)


def stretches(profile: Profile, level: int) -> list[Fraction]:
    """Return the lengths of all unbroken stretches at a level or above, in exact arithmetic."""
    runs: list[list[Fraction]] = []
    start = Fraction(0)
    for segment in profile.segments:
        low, high, long = Fraction(segment.rate_from), Fraction(segment.rate_to), Fraction(segment.duration_ns)
        inside = [Fraction(0)] if low >= level else []
        inside += [(level - low) / (high - low) * long] if (low - level) * (high - level) < 0 else []
        inside += [long] if high >= level else []
        if len(inside) == 2:
            begin, end = start + inside[0], start + inside[1]
            runs = [*runs[:-1], [runs[-1][0], end]] if runs and runs[-1][1] == begin else [*runs, [begin, end]]
        start += long
    return [end - begin for begin, end in runs]


@given(profile=PROFILE, level=st.integers(1, 50))
def test_the_longest_stretch_at_a_level_is_that_of_exact_arithmetic_rounded_down(profile: Profile, level: int) -> None:
    longest = max(stretches(profile, level), default=Fraction(0))
    assert longest - 2.001 <= profile.longest_at_least(level) <= longest + Fraction(1, 1000)


def test_a_stretch_is_unbroken_across_segments_and_broken_by_a_dip_or_a_drop() -> None:
    rise_and_hold = Profile((Segment(10 * SECOND, 0, 20), Segment(5 * SECOND, 20, 20), Segment(10 * SECOND, 20, 0)))
    assert rise_and_hold.longest_at_least(10) == 15 * SECOND
    assert rise_and_hold.longest_at_least(20) == 5 * SECOND
    assert rise_and_hold.longest_at_least(21) == 0
    dip = Profile((Segment(4 * SECOND, 10, 10), Segment(2 * SECOND, 10, 8), Segment(7 * SECOND, 10, 10)))
    assert dip.longest_at_least(10) == 7 * SECOND
    assert dip.longest_at_least(9) == 7 * SECOND
    assert dip.longest_at_least(8) == 13 * SECOND
    drop = Profile((Segment(4 * SECOND, 10, 10), Segment(1, 9, 9), Segment(3 * SECOND, 10, 10)))
    assert drop.longest_at_least(10) == 4 * SECOND
