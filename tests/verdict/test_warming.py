"""A warm-up that is still in what is judged: said, and never left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Law, Made, exponential, load, make, plan_of, stress
from tests.verdict.made_closed import users

from seatrial.model.reasons import sentence
from seatrial.model.verdict import TrialVerdict, WarmUp
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import stage_columns
from seatrial.verdict.judge import judge_trial
from seatrial.verdict.warming import warm_up_of

LIMIT = "p95 response time <= 10s"


def cold(until_ns: int, times: float = 4) -> Law:
    """Answers that take several times as long until the service is warm."""

    def law(at, stage, rng):
        return Answers(rng.uniform(99, 101, len(at)) * MS * np.where(at < until_ns, times, 1))

    return law


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def warm_up(verdict: TrialVerdict) -> WarmUp | None:
    return verdict.stages[0].warm_up


def test_a_warm_up_that_is_judged_is_said_with_its_length_and_its_figures() -> None:
    verdict = judged(make(plan_of(load(LIMIT)), cold(10 * SECOND)))
    found = warm_up(verdict)
    assert found is not None
    assert found.length_ns == 10 * SECOND
    (reason,) = [reason for reason in verdict.reasons if reason.code == "load.warm_up"]
    assert reason.text.startswith("The first 10 s of the 1 min that were judged are still a warm-up (by MSER-5): ")
    assert (found.before_ns, found.after_ns) == pytest.approx((400 * MS, 100 * MS), rel=0.02)
    assert (reason.params["before"], reason.params["after"]) == ("399 ms", "100 ms")
    assert "首 10 s 仍屬熱身" in sentence(reason.code, reason.params, "zh-Hant")


def test_what_is_judged_stays_what_the_plan_says() -> None:
    stage = judged(make(plan_of(load(LIMIT)), cold(10 * SECOND))).stages[0]
    assert stage.duration_ns == 60 * SECOND
    assert stage.p95_ns > 300 * MS
    assert stage.objectives[0].samples == stage.intended


def test_a_warm_up_that_the_plan_leaves_out_is_not_spoken_of() -> None:
    verdict = judged(make(plan_of(load(LIMIT, warmup="10s")), cold(10 * SECOND)))
    assert warm_up(verdict) is None


def test_of_a_warm_up_in_the_plan_that_is_too_short_the_rest_is_said() -> None:
    found = warm_up(judged(make(plan_of(load(LIMIT, warmup="4s")), cold(10 * SECOND))))
    assert found is not None
    assert abs(found.length_ns - 6 * SECOND) <= SECOND


def test_a_service_that_is_warm_is_not_spoken_of_and_leaves_no_figure() -> None:
    verdict = judged(make(plan_of(load(LIMIT)), exponential(100 * MS)))
    assert warm_up(verdict) is None
    assert "warm_up" not in verdict.model_dump(mode="json")["stages"][0]


def test_users_who_are_all_there_can_warm_a_service_up_too() -> None:
    plan = plan_of(users(20, LIMIT, hold="60s"))
    rows = stage_columns(make(plan_of(load(LIMIT)), cold(10 * SECOND)).records, 0)
    found = warm_up_of(plan.trials[0], plan.trials[0].stages(0, plan)[0], rows)
    assert found is not None
    assert found.length_ns == 10 * SECOND


SHAPE = {"steps": [{"at": "0.5 P", "for": "30s"}, {"at": "1 P", "for": "30s"}]}


@pytest.mark.parametrize(
    "trial",
    [stress(LIMIT, first="1 P", to="1 P"), {"kind": "load", "shape": SHAPE, "objectives": [LIMIT]}],
    ids=["a stress trial", "a shape"],
)
def test_where_the_load_itself_changes_nothing_is_said(trial: dict[str, Any]) -> None:
    assert warm_up(judged(make(plan_of(trial), cold(10 * SECOND)))) is None


def test_the_figures_come_back_from_the_evidence_as_they_were() -> None:
    verdict = judged(make(plan_of(load(LIMIT)), cold(10 * SECOND)))
    document = verdict.model_dump(mode="json")
    assert document["stages"][0]["warm_up"]["length_ns"] == 10 * SECOND
    assert TrialVerdict.model_validate(document) == verdict
