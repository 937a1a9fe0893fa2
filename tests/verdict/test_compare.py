"""This round against the last, on services in virtual time whose change is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Law, Made, exponential, failing, load, make, plan_of, stress

from seatrial.model.comparison import Comparison
from seatrial.model.plan import Plan
from seatrial.model.reasons import sentence
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Verdict
from seatrial.stats.contrast import Smallest
from seatrial.units import MS, SECOND
from seatrial.verdict.compare import Round, compare
from seatrial.verdict.judge import judge

LIMITS = ("p95 response time <= 2s", "errors <= 5%")
STEPS = ("list", "book", "pay")
LONG = plan_of(load(*LIMITS, hold="300s"), peak="60/s")
THREE = plan_of(load(*LIMITS, hold="60s"), steps=STEPS)
WIDE = Smallest(ratio=1.3, points=0.01)


def round_of(*made: Made) -> Round:
    plan, data = made[0].plan, [one.data for one in made]
    policy = made[0].policy
    return Round(plan, DIGEST, policy, data, judge(plan, DIGEST, policy, data))


def rounds(plan: Plan, old: Law, new: Law, seed: int = 1, other: Plan | None = None) -> tuple[Round, Round]:
    return round_of(make(plan, old, seed=seed)), round_of(make(other or plan, new, seed=seed + 10_000))


def compared(plan: Plan, old: Law, new: Law, seed: int = 1, smallest: Smallest | None = None) -> Comparison:
    return compare(*rounds(plan, old, new, seed), smallest)


def slower(mean_ns: float, step: int, factor: float) -> Law:
    """Three steps one after the other, of which one is slower than it was."""
    calls = iter(range(1_000))

    def law(at, stage, rng):
        wait = rng.exponential(mean_ns, len(at))
        return Answers(wait * factor if next(calls) % len(STEPS) == step else wait)

    return law


def codes(found: Comparison) -> list[str]:
    return [reason.code for reason in found.reasons]


def test_equal_services_are_not_said_to_be_worse_in_at_least_95_of_100_rounds():
    plan = plan_of(load(*LIMITS, hold="30s"), steps=STEPS[:2])
    verdicts = [compared(plan, exponential(40 * MS), exponential(40 * MS), seed).verdict for seed in range(40)]
    assert verdicts.count(Verdict.FAIL) <= 2
    assert Verdict.INVALID not in verdicts


def test_equal_services_pass_where_there_are_records_enough_to_exclude_a_worsening_that_matters():
    found = compared(LONG, exponential(40 * MS), exponential(40 * MS), smallest=Smallest(ratio=1.15))
    assert found.verdict is Verdict.PASS
    assert codes(found) == ["comparison.not_worse"]
    assert all(one.ruled_out for part in found.parts for one in part.figures)


def test_too_few_records_to_exclude_it_are_inconclusive_and_say_how_much_longer():
    found = compared(plan_of(load(*LIMITS)), exponential(40 * MS), exponential(40 * MS))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert codes(found)[0] == "comparison.longer"
    longer = [one.longer for part in found.parts for one in part.figures if one.longer]
    assert longer
    assert all(times >= 1.1 for times in longer)
    assert found.reasons[0].params["times"] == f"{max(longer):.3g}"
    assert found.reasons[0].params["count"] == str(len(longer))


def test_without_any_error_the_length_that_would_decide_follows_from_one_over_n():
    plan = plan_of(load(*LIMITS))
    errors = compared(plan, exponential(40 * MS), exponential(40 * MS)).parts[0].figures[-1]
    assert (errors.what, errors.old, errors.new) == ("errors", 0.0, 0.0)
    assert errors.longer == pytest.approx(errors.effect.upper / 0.001, abs=0.11)
    assert not errors.ruled_out


def test_a_service_that_became_20_percent_slower_fails_with_its_size():
    for seed in range(3):
        found = compared(LONG, exponential(40 * MS), exponential(48 * MS), seed)
        assert found.verdict is Verdict.FAIL
        assert codes(found)[0] == "comparison.slower"
        median = next(one for one in found.parts[0].figures if one.what == "p50")
        assert median.change == "worse"
        assert median.effect.lower < 1.2 < median.effect.upper
        assert found.parts[0].superiority.lower > 0.5


def test_a_service_that_became_faster_is_better_and_passes():
    found = compared(LONG, exponential(60 * MS), exponential(40 * MS))
    assert found.verdict is Verdict.PASS
    assert {one.change for one in found.parts[0].figures if one.kind == "ratio"} == {"better"}


def test_one_slower_step_is_found_and_named_first():
    found = compared(THREE, slower(40 * MS, 1, 1.0), slower(40 * MS, 1, 1.5))
    assert found.verdict is Verdict.FAIL
    worse = {(part.journey, part.step) for part in found.parts for one in part.figures if one.change == "worse"}
    assert ("visit", "book") in worse
    assert worse <= {("visit", "book"), (None, None)}
    assert (found.parts[0].journey, found.parts[0].step) == ("visit", "book")
    said = found.reasons[0]
    assert said.params["step"] == "book"
    assert "“book”" in said.text
    assert "步驟「book」" in sentence(said.code, said.params, "zh-Hant")


def test_more_errors_are_worse_in_percentage_points():
    clean = exponential(40 * MS)
    found = compared(LONG, clean, failing(clean, 0.02, Outcome.HTTP_ERROR, 500))
    assert found.verdict is Verdict.FAIL
    errors = next(one for one in found.parts[0].figures if one.what == "errors")
    assert errors.change == "worse"
    assert errors.effect.lower < 0.02 < errors.effect.upper
    assert "comparison.more_errors" in codes(found)
    assert found.parts[0].goodput_new < found.parts[0].goodput_old


def test_a_change_that_is_significant_but_does_not_matter_is_no_fail():
    found = compared(LONG, exponential(40 * MS), exponential(48 * MS), smallest=Smallest(ratio=1.5, points=0.01))
    assert found.verdict is Verdict.PASS
    assert min(one.adjusted for one in found.parts[0].figures) < 0.001


def test_requests_that_are_never_answered_can_not_hide_that_a_service_got_worse():
    def hanging(at, stage, rng):
        hung = rng.random(len(at)) < 0.1
        wait = np.where(hung, 5 * SECOND, rng.exponential(40 * MS, len(at)))
        return Answers(wait, np.where(hung, Outcome.TIMEOUT, Outcome.OK))

    found = compared(LONG, exponential(40 * MS), hanging)
    assert found.verdict is Verdict.FAIL
    p95 = next(one for one in found.parts[0].figures if one.what == "p95")
    assert (p95.new, p95.effect.upper, p95.change) == (None, None, "worse")


def test_hidden_in_both_rounds_has_no_bound():
    def hanging(at, stage, rng):
        hung = rng.random(len(at)) < 0.1
        wait = np.where(hung, 5 * SECOND, rng.exponential(40 * MS, len(at)))
        return Answers(wait, np.where(hung, Outcome.TIMEOUT, Outcome.OK))

    found = compared(LONG, hanging, hanging, smallest=WIDE)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert codes(found)[-1] == "comparison.unbounded"
    assert not [one for part in found.parts for one in part.figures if one.change == "worse"]


def test_another_load_is_not_compared_and_what_was_not_repeated_is_not_success():
    other = plan_of(load(*LIMITS, at="1.5 P", hold="300s"), peak="60/s")
    found = compare(*rounds(LONG, exponential(40 * MS), exponential(40 * MS), other=other))
    assert (found.verdict, codes(found)[0]) == (Verdict.INVALID, "comparison.nothing_common")
    assert found.parts == ()
    assert found.only_old == ("load, 1 P (60/s)",)
    assert found.only_new == ("load, 1.5 P (90/s)",)


def test_the_same_level_of_another_peak_is_another_load():
    other = plan_of(load(*LIMITS, hold="300s"), peak="50/s")
    found = compare(*rounds(LONG, exponential(40 * MS), exponential(40 * MS), other=other))
    assert found.verdict is Verdict.INVALID
    assert [one.where for one in found.differences] == ["demand.peak"]


def test_a_step_that_the_new_plan_lacks_leaves_the_comparison_undecided_and_is_named():
    fewer = plan_of(load(*LIMITS, hold="60s"), steps=STEPS[:2])
    found = compare(*rounds(THREE, exponential(40 * MS), exponential(40 * MS), other=fewer), Smallest(4, 0.5))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.only_old == ("load, visit, pay",)
    assert "comparison.only_old" in codes(found)
    assert {part.step for part in found.parts} == {"list", "book"}  # another mix: not all steps together
    more = compare(*rounds(fewer, exponential(40 * MS), exponential(40 * MS), other=THREE), Smallest(4, 0.5))
    assert more.verdict is Verdict.PASS
    assert more.only_new == ("load, visit, pay",)


def test_other_limits_are_said_and_compared_all_the_same():
    other = plan_of(load("p95 response time <= 1s", "errors <= 5%", hold="300s"), peak="60/s")
    found = compare(*rounds(LONG, exponential(40 * MS), exponential(40 * MS), other=other), WIDE)
    assert found.verdict is Verdict.PASS
    assert [one.where for one in found.differences] == ["trials.load.objectives"]
    assert "comparison.other_plan" in codes(found)


@pytest.mark.parametrize("side", [0, 1])
def test_invalid_evidence_is_no_basis_and_the_round_is_named(side):
    pair = list(rounds(THREE, exponential(40 * MS), exponential(48 * MS)))
    torn = replace(pair[side].trials[0], records=pair[side].trials[0].records.head(5))
    trials = [torn]
    of = pair[side]
    pair[side] = replace(of, trials=trials, verdict=judge(of.plan, DIGEST, of.policy, trials))
    found = compare(*pair)
    assert found.verdict is Verdict.INVALID
    assert codes(found) == [("comparison.old_invalid", "comparison.new_invalid")[side]]
    assert found.parts == ()
    assert "load" in found.reasons[0].text


def test_a_capacity_that_fell_is_worse_and_levels_that_the_old_round_did_not_hold_are_no_basis():
    plan = plan_of(stress("p50 response time <= 60ms", "capacity >= 1 P", to="3 P"), peak="40/s")

    def until(limit_per_s: float) -> Law:
        return lambda at, stage, rng: Answers(
            rng.exponential(20 * MS if stage.rate <= limit_per_s else 500 * MS, len(at))
        )

    found = compare(*rounds(plan, until(100), until(60)), Smallest(2.0, 0.05))
    assert found.verdict is Verdict.FAIL
    assert [(one.what, one.change) for one in found.beside] == [("capacity", "worse")]
    assert "comparison.capacity_fell" in codes(found)
    assert found.left_out == ("stress, 2.5 P (100/s)", "stress, 3 P (120/s)")
    assert {part.level for part in found.parts} == {"1 P (40/s)", "1.5 P (60/s)", "2 P (80/s)"}
    assert found.parts[0].level == "2 P (80/s)"


def test_a_capacity_that_rose_is_better_and_the_level_at_which_the_old_round_broke_is_left_out():
    plan = plan_of(stress("p50 response time <= 60ms", "capacity >= 1 P", to="3 P"), peak="40/s")

    def until(limit_per_s: float) -> Law:
        return lambda at, stage, rng: Answers(
            rng.exponential(20 * MS if stage.rate <= limit_per_s else 500 * MS, len(at))
        )

    found = compare(*rounds(plan, until(60), until(100)), Smallest(2.0, 0.05))
    assert found.verdict is not Verdict.FAIL
    assert [(one.what, one.change) for one in found.beside] == [("capacity", "better")]
    assert "stress, 2 P (80/s)" in found.left_out
    assert {part.level for part in found.parts} == {"1 P (40/s)", "1.5 P (60/s)"}


def test_runs_of_the_same_load_count_together():
    plan = plan_of(load(*LIMITS, hold="30s", runs=3))
    found = compared(plan, exponential(40 * MS), exponential(40 * MS))
    assert len(found.parts) == 1
    assert found.parts[0].level == "1 P (40/s)"
    assert found.parts[0].records_old > 2.5 * 30 * 40


def test_the_document_reads_back_as_it_was():
    found = compared(THREE, exponential(40 * MS), exponential(48 * MS))
    assert Comparison.model_validate(found.as_document()) == found
