"""Loops and resources in the records: a round that is missing is found, and so is one too many."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from tests.verdict.made import DIGEST, Made, constant, failing, health, load, make, plan_of, stage_log

from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS
from seatrial.verdict.hopeless import most_records
from seatrial.verdict.judge import judge_trial
from seatrial.verdict.rounds import fewest_records

A, B, C = ({"get": f"/{name}", "name": name} for name in "abc")


def visits(*steps: dict[str, Any]) -> Plan:
    return plan_of(load("errors <= 10%", hold="20s"), journeys={"visit": {"steps": list(steps)}})


def taken(plan: Plan, *steps: int, broken: float = 0.0) -> Made:
    """Return a trial whose every session takes these steps, 20 ms each; a share fails at the first and goes no further.

    What such a session had left is recorded together, as the engine does.
    """
    simple = plan_of(load("errors <= 10%", hold="20s"), steps=("first",))
    law = failing(constant(20 * MS), broken, Outcome.HTTP_ERROR, 500) if broken else constant(20 * MS)
    once = make(simple, law).records
    over = pl.col("outcome") != int(Outcome.OK)
    frames = [once.with_columns(pl.lit(steps[0], pl.Int16).alias("step"))]
    for number, step in enumerate(steps[1:], start=1):
        later = [
            (pl.col(n) + number * 21 * MS).alias(n) for n in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
        ]
        went_on = once.filter(~over).with_columns(*later, pl.lit(step, pl.Int16).alias("step"))
        left = once.filter(over).with_columns(
            pl.col("done_ns").alias("intended_ns"),
            pl.lit(None, pl.Int64).alias("sent_ns"),
            pl.lit(None, pl.Int64).alias("first_byte_ns"),
            pl.lit(int(Outcome.ABORTED), pl.Int8).alias("outcome"),
            pl.lit(0, pl.Int16).alias("status"),
            pl.lit(step, pl.Int16).alias("step"),
        )
        frames += [went_on, left]
    frame = pl.concat(frames).sort(["session", "intended_ns", "step"])
    log = stage_log(plan, plan.trials[0].stages(0, plan)[0], frame)
    return Made(plan, (log,), (), frame, health((log,), of=frame))


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def codes(made: Made) -> set[str]:
    verdict = judged(made)
    return {reason.code for reason in verdict.reasons} if verdict.verdict is Verdict.INVALID else set()


def lacking(made: Made, step: int, nth: int) -> Made:
    """Take the nth record of a step of every tenth session out."""
    number = pl.int_range(pl.len()).over("session", "step")
    return made.but(
        records=made.records.filter(~((pl.col("session") % 10 == 0) & (pl.col("step") == step) & (number == nth)))
    )


def doubled(made: Made, step: int, later_ns: int) -> Made:
    """Put one record more of a step into every tenth session."""
    more = made.records.filter((pl.col("session") % 10 == 0) & (pl.col("step") == step)).unique("session")
    times = [(pl.col(n) + later_ns).alias(n) for n in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")]
    return made.but(records=pl.concat([made.records, more.with_columns(*times)]))


FIXED = visits(A, {"repeat": 3, "steps": [B]}, C)


@pytest.mark.parametrize("broken", [0.0, 0.05])
def test_a_fixed_loop_goes_round_as_often_as_the_plan_says_in_sessions_that_break_off_too(broken: float) -> None:
    made = taken(FIXED, 0, 1, 1, 1, 2, broken=broken)
    assert codes(made) == set()
    for nth in range(3):
        assert codes(lacking(made, 1, nth)) == {"validity.rounds"}
    assert codes(doubled(made, 1, 5 * MS)) == {"validity.rounds"}
    assert codes(lacking(made, 0, 0)) >= {"validity.steps_missing"}


def test_a_loop_between_two_numbers_keeps_both() -> None:
    plan = visits(A, {"repeat": [2, 3], "steps": [B]}, C)
    for rounds, invalid in ((1, True), (2, False), (3, False), (4, True)):
        assert codes(taken(plan, 0, *[1] * rounds, 2)) == ({"validity.rounds"} if invalid else set())


def test_a_loop_that_may_go_round_not_at_all_keeps_its_most() -> None:
    plan = visits(A, {"repeat": [0, 2], "steps": [B]}, C)
    for rounds, invalid in ((0, False), (2, False), (3, True)):
        assert codes(taken(plan, 0, *[1] * rounds, 2)) == ({"validity.rounds"} if invalid else set())


def test_of_a_loop_with_a_condition_and_of_conditions_in_loops_only_the_most_is_known() -> None:
    loops = (
        {"repeat": 3, "while": {"value": "x"}, "steps": [B]},
        {"repeat": 3, "steps": [{**B, "when": "x"}]},
        {"repeat": 3, "steps": [{"choose": [{"steps": [B]}, {"steps": []}]}]},
        {"repeat": 3, "steps": [{"when": "x", "steps": [B]}]},
    )
    for loop in loops:
        plan = visits(A, loop, C)
        for rounds, invalid in ((1, False), (3, False), (4, True)):
            assert codes(taken(plan, 0, *[1] * rounds, 2)) == ({"validity.rounds"} if invalid else set()), loop


def test_loops_in_loops_multiply() -> None:
    plan = visits({"repeat": 2, "steps": [A, {"repeat": [1, 3], "steps": [B]}]})
    assert fewest_records(plan).tolist() == [[2, 2]]
    assert most_records(plan).tolist() == [[2, 6]]
    assert codes(taken(plan, 0, 1, 0, 1)) == set()
    assert codes(taken(plan, 0, 1, 0)) == {"validity.rounds"}
    assert codes(taken(plan, 0, 1, 1, 1, 1, 0, 1, 1, 1)) == {"validity.rounds"}


def test_the_same_round_twice_is_a_repetition() -> None:
    plan = visits(A, {"repeat": [1, 9], "steps": [B]}, C)
    made = taken(plan, 0, 1, 1, 2)
    assert codes(doubled(made, 1, 0)) == {"validity.records_twice"}
    assert codes(doubled(made, 1, MS)) == set()


def test_resources_come_as_they_are_but_never_without_their_page() -> None:
    page = {**B, "resources": True}
    plan = visits(A, page, C)
    assert plan.journeys["visit"].labels == ("a", "b", "b (resources)", "c")
    for count in (0, 1, 4):
        assert codes(taken(plan, 0, 1, *[2] * count, 3)) == set()
    made = taken(plan, 0, 1, 2, 2, 3)
    assert (
        codes(doubled(made, 2, 0)) == set()
    )  # six are fetched at a time: the same step at the same instant is nothing
    assert codes(made.but(records=made.records.filter(pl.col("step") != 1))) == {"validity.steps_missing"}


def test_a_page_in_a_loop_is_counted_and_its_resources_are_not() -> None:
    plan = visits(A, {"repeat": 2, "steps": [{**B, "resources": True}]}, C)
    assert fewest_records(plan).tolist() == [[1, 2, 0, 1]]
    made = taken(plan, 0, 1, 2, 2, 1, 3)
    assert codes(made) == set()
    assert codes(lacking(made, 1, 1)) == {"validity.rounds"}
    assert codes(lacking(made, 2, 1)) == set()


def test_journeys_in_python_come_and_go_as_they_like() -> None:
    scripted = {"visit": {"python": "a.py:b", "step_names": ["a", "b", "c"]}}
    plan = plan_of(load("errors <= 10%", hold="20s"), journeys=scripted)
    assert codes(taken(plan, 0, 1, 0, 0)) == set()
    assert codes(doubled(taken(plan, 0, 1, 0), 1, 0)) == {"validity.records_twice"}


def test_what_a_journey_in_python_gave_up_stands_once() -> None:
    scripted = {"visit": {"python": "a.py:b", "step_names": ["a", "b", "c"]}}
    made = taken(plan_of(load("errors <= 10%", hold="20s"), journeys=scripted), 0, 1, broken=0.05)
    assert codes(made) == set()
    given_up = made.records.filter(pl.col("outcome") == int(Outcome.ABORTED))
    assert codes(made.but(records=pl.concat([made.records, given_up]))) == {"validity.records_twice"}


def test_littles_law_sees_a_session_with_loops_resources_and_drawn_pauses_whole() -> None:
    pause = {"pause": {"uniform": ["1ms", "1ms"]}}
    plan = visits(A, pause, {"repeat": 3, "steps": [{**B, "resources": True}]}, C)
    made = taken(plan, 0, 1, 2, 2, 1, 2, 1, 3)
    assert codes(made) == set()
    assert codes(made.but(health=made.health.with_columns(pl.col("sessions") * 3))) == {"validity.littles_law"}


def test_a_step_that_nobody_came_to_is_named_and_the_verdict_stays() -> None:
    plan = visits(A, {**B, "when": "x"}, {"choose": [{"steps": [C]}, {"steps": []}]})
    verdict = judged(taken(plan, 0))
    assert verdict.verdict is Verdict.PASS
    (said,) = (reason for reason in verdict.reasons if reason.code == "steps.never_taken")
    assert said.params["names"] == "visit: b, visit: c"
    assert "steps.never_taken" not in {reason.code for reason in judged(taken(plan, 0, 1, 2)).reasons}
    (said,) = (reason for reason in judged(taken(plan, 0, 2)).reasons if reason.code == "steps.never_taken")
    assert said.params["names"] == "visit: b"


def test_a_step_that_was_never_tried_but_given_up_was_never_come_to_either() -> None:
    scripted = {"visit": {"python": "a.py:b", "step_names": ["a", "b", "c"]}}
    plan = plan_of(load("errors <= 10%", hold="20s"), journeys=scripted)
    made = taken(plan, 0, 1, broken=0.05)
    given_up = made.records.filter((pl.col("step") == 0) | (pl.col("outcome") == int(Outcome.ABORTED)))
    verdict = judged(made.but(records=given_up))
    assert "visit: b, visit: c" in {reason.params.get("names") for reason in verdict.reasons}


def test_a_step_that_nobody_came_to_because_the_one_before_always_failed_is_named_too() -> None:
    made = taken(visits(A, B), 0, 1, broken=1.0)
    verdict = judged(made)
    assert verdict.verdict is Verdict.FAIL
    assert "visit: b" in {reason.params.get("names") for reason in verdict.reasons}


def test_many_steps_that_nobody_came_to_are_cut_short() -> None:
    many = [{"get": f"/{n}", "name": f"s{n}", "when": "x"} for n in range(12)]
    (said,) = (r for r in judged(taken(visits(A, *many), 0)).reasons if r.code == "steps.never_taken")
    assert said.params["names"].endswith("visit: s9, …")
