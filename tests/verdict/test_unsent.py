"""Load that was not sent: the service's doing, or the generator's. Both rules from both sides."""

from __future__ import annotations

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Int64, Law, Made, Stage, health, load, make, plan_of, stress

from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge

CAP = 200


def capped(wait_ns: float, slow_from_ns: int = 0, cap: int = CAP) -> Law:
    """A service that is slow from some moment on, before a generator that holds at most ``cap`` sessions."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        wait = np.where(at >= slow_from_ns, wait_ns, 50 * MS).astype(np.int64)
        outcome, ends = np.full(len(at), Outcome.OK), []
        for i, now in enumerate(at):
            ends = [end for end in ends if end > now]
            if len(ends) >= cap:
                outcome[i] = Outcome.UNSENT
            else:
                ends.append(int(now + wait[i]))
        return Answers(wait, outcome)

    return law


def dropped(share: float) -> Law:
    """A prompt service before a generator that fails to send a random share."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        lost = rng.random(len(at)) < share
        return Answers(np.full(len(at), 50 * MS), np.where(lost, Outcome.UNSENT, Outcome.OK))

    return law


def made_of(law: Law, *limits: str, max_sessions: int = CAP) -> Made:
    return make(plan_of(load(*(limits or ("p95 response time <= 2s",))), max_sessions=max_sessions), law)


def judged(made: Made) -> TrialVerdict:
    return judge(made.plan, DIGEST, made.policy, [made.data]).trials[0]


SLOW = made_of(capped(15 * SECOND, 10 * SECOND))


def test_a_service_so_slow_that_sessions_pile_up_to_the_cap_fails() -> None:
    trial = judged(SLOW)
    assert trial.verdict is Verdict.FAIL
    assert trial.reasons[0].code == "service.unsent"
    assert "up to 200 of 200 permitted sessions" in trial.reasons[0].text
    assert "The generator was healthy" in trial.reasons[0].text


def test_it_fails_for_that_alone_where_its_limits_do_not_show_it() -> None:
    trial = judged(made_of(capped(20 * SECOND, 45 * SECOND), "p50 response time <= 2s"))
    assert [result.verdict for result in trial.objectives] != [Verdict.FAIL]
    assert trial.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "spoilt",
    [
        SLOW.but(health=health(SLOW.stages, cpu=0.95, of=SLOW.records)),
        SLOW.but(health=health(SLOW.stages, stall_ns=400 * MS, of=SLOW.records)),
        SLOW.but(health=SLOW.health.filter(SLOW.health["at_ns"] < 30 * SECOND)),
    ],
    ids=["saturated", "stalled", "health lost"],
)
def test_with_an_unhealthy_generator_the_same_records_are_invalid(spoilt: Made) -> None:
    trial = judged(spoilt)
    assert trial.verdict is Verdict.INVALID
    assert "validity.unsent" in {reason.code for reason in trial.reasons}


def test_a_late_generator_does_not_get_to_blame_the_service() -> None:
    def late(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        answers = capped(15 * SECOND, 10 * SECOND)(at, stage, rng)
        return Answers(answers.wait_ns, answers.outcome, lag_ns=np.full(len(at), 300 * MS))

    trial = judged(made_of(late))
    assert trial.verdict is Verdict.INVALID
    assert {reason.code for reason in trial.reasons} == {"validity.send_lag", "validity.unsent"}


def test_load_lost_below_the_cap_is_the_generator_s_fault() -> None:
    trial = judged(made_of(dropped(0.02)))
    assert trial.verdict is Verdict.INVALID
    assert [reason.code for reason in trial.reasons] == ["validity.unsent"]


@pytest.mark.parametrize(("share", "verdict"), [(0.002, Verdict.PASS), (0.02, Verdict.INVALID)])
def test_a_little_unsent_load_is_within_the_policy(share: float, verdict: Verdict) -> None:
    assert judged(made_of(dropped(share), "p50 response time <= 2s")).verdict is verdict


def test_a_cap_that_a_prompt_service_fills_is_the_plan_s_fault() -> None:
    # 40 sessions a second of half a second each are 20 at once: a cap of 10 is too low, the limit of 2 s is kept.
    trial = judged(made_of(capped(SECOND // 2, cap=10), max_sessions=10))
    assert trial.verdict is Verdict.INVALID
    assert [reason.code for reason in trial.reasons] == ["validity.unsent"]


def test_without_a_time_limit_half_the_deadline_is_slow() -> None:
    assert judged(made_of(capped(20 * SECOND, 10 * SECOND), "errors <= 90%")).reasons[0].code == "service.unsent"
    assert judged(made_of(capped(10 * SECOND, 10 * SECOND), "errors <= 90%")).verdict is Verdict.INVALID


def test_nothing_sent_at_all_is_never_blamed_on_the_service() -> None:
    trial = judged(made_of(dropped(1.0)))
    assert trial.verdict is Verdict.INVALID


def test_steps_given_up_in_an_unsent_session_count_as_unsent() -> None:
    plan = plan_of(load("p50 response time <= 2s"), steps=("look", "book", "pay"))

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        # The same sessions at every step: 0.9 % of sessions, of which every step counts.
        lost = np.arange(len(at)) % 111 == 0
        return Answers(np.full(len(at), 50 * MS), np.where(lost, Outcome.UNSENT, Outcome.OK))

    trial = judged(make(plan, law))
    assert trial.verdict is Verdict.INVALID
    assert "0.9" in trial.reasons[0].text


def test_in_a_stress_trial_a_pile_up_breaks_its_level_and_no_more() -> None:
    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return capped(20 * SECOND if stage.index == 3 else 50 * MS, 20 * SECOND)(at, stage, rng)

    plan = plan_of(stress("p50 response time <= 2s", "capacity >= 2 P"), max_sessions=CAP)
    trial = judged(make(plan, law))
    assert trial.verdict is Verdict.PASS
    assert trial.capacity is not None
    assert (trial.capacity.lower, trial.capacity.upper) == (2.0, 2.5)
    told = ["capacity.kept", "breakpoint.found", "service.unsent", "capacity.knee"]
    assert [reason.code for reason in trial.reasons] == told
    without = plan_of(stress("p50 response time <= 2s"), max_sessions=CAP)
    assert judged(make(without, law)).verdict is Verdict.FAIL
