"""Response time beside service time, and what is said when they would have given different answers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.verdict.made import DIGEST, Answers, Law, Made, constant, load, make, plan_of, stress

from seatrial.model.reasons import sentence
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Reason, StageResult, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge_trial


def lagging(service_ns: int, lag_ns: int, every: int = 1) -> Law:
    """A steady service to which every so-manieth step is sent late, the others at once."""

    def law(at, stage, rng):
        late = np.where(np.arange(len(at)) % every == 0, lag_ns, 0)
        return Answers(np.full(len(at), service_ns), lag_ns=late)

    return law


def judged(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def only(verdict: TrialVerdict) -> StageResult:
    (stage,) = verdict.stages
    return stage


def said(verdict: TrialVerdict) -> dict[str, Reason]:
    about = ("objective.kept_from_send", "objective.broken_from_send", "steps.sent_late")
    return {reason.code: reason for reason in verdict.reasons if reason.code in about}


def test_both_figures_stand_side_by_side_in_every_stage() -> None:
    plan = plan_of(load("p95 response time <= 2s", "p99 service time <= 2s"))
    stage = only(judged(make(plan, lagging(40 * MS, 8 * MS))))
    assert (stage.p50_ns, stage.p95_ns, stage.p99_ns) == (48 * MS, 48 * MS, 48 * MS)
    assert (stage.service_p50_ns, stage.service_p95_ns, stage.service_p99_ns) == (40 * MS, 40 * MS, 40 * MS)
    assert [objective.from_send for objective in stage.objectives] == [40 * MS, None]


def test_a_limit_that_only_a_tool_counting_from_the_send_would_have_found_kept_is_a_finding() -> None:
    plan = plan_of(load("p95 response time <= 45ms"))
    verdict = judged(make(plan, lagging(40 * MS, 8 * MS)))
    assert verdict.verdict is Verdict.FAIL
    (reason,) = said(verdict).values()
    assert reason.code == "objective.kept_from_send"
    assert reason.text == (
        "Counted from the actual send, as many tools count, the p95 response time would have been 40 ms in place of "
        "48 ms, and the limit, at most 45 ms, would have seemed kept."
    )
    assert "p95 響應時間會是 40 ms 而非 48 ms" in sentence(reason.code, reason.params, "zh-Hant")


def test_a_limit_that_both_keep_or_both_break_is_no_finding() -> None:
    for limit in ("60ms", "30ms"):
        plan = plan_of(load(f"p95 response time <= {limit}"))
        assert said(judged(make(plan, lagging(40 * MS, 8 * MS)))) == {}


def test_a_limit_that_seems_broken_from_the_send_because_steps_were_never_sent_is_a_finding() -> None:
    def giving_up(at, stage, rng):
        unsent = np.arange(len(at)) % 250 == 0
        slow = np.where(np.arange(len(at)) % 20 == 1, 80 * MS, 20 * MS)
        return Answers(slow, outcome=np.where(unsent, Outcome.UNSENT, Outcome.OK))

    verdict = judged(make(plan_of(load("p95 response time <= 50ms", hold="100s")), giving_up))
    result = only(verdict).objectives[0]
    assert result.value.estimate == pytest.approx(20.2 * MS)
    assert result.from_send == 80 * MS
    assert set(said(verdict)) == {"objective.broken_from_send"}


def test_from_the_send_only_the_steps_count_that_were_sent() -> None:
    def half_unsent(at, stage, rng):
        unsent = np.arange(len(at)) % 2 == 0
        return Answers(np.full(len(at), 30 * MS), outcome=np.where(unsent, Outcome.UNSENT, Outcome.OK))

    stage = only(judged(make(plan_of(load("p95 response time <= 2s")), half_unsent)))
    assert stage.sent * 2 == stage.intended
    assert (stage.p95_ns, stage.service_p50_ns, stage.service_p95_ns) == (None, 30 * MS, 30 * MS)


def test_a_percentile_that_is_hidden_is_compared_with_nothing() -> None:
    def mute(at, stage, rng):
        return Answers(np.full(len(at), 5 * SECOND), outcome=np.full(len(at), Outcome.TIMEOUT))

    verdict = judged(make(plan_of(load("p95 response time <= 2s")), mute))
    assert (only(verdict).service_p95_ns, only(verdict).objectives[0].from_send) == (None, None)
    assert said(verdict) == {}


@pytest.mark.parametrize(
    ("service_ns", "lag_ns", "is_said"),
    [(10 * MS, 8 * MS, True), (10 * MS, 4 * MS, False), (300_000, 900_000, False), (300_000, 1_200_000, True)],
)
def test_p99_more_than_half_as_long_again_is_a_finding_from_a_millisecond_on(
    service_ns: int, lag_ns: int, is_said: bool
) -> None:
    verdict = judged(make(plan_of(load("p95 response time <= 2s")), lagging(service_ns, lag_ns)))
    assert verdict.verdict is Verdict.PASS
    assert set(said(verdict)) == ({"steps.sent_late"} if is_said else set())


def test_the_sentence_on_late_sends_names_both_figures_and_their_ratio() -> None:
    verdict = judged(make(plan_of(load("p95 response time <= 2s")), lagging(10 * MS, 8 * MS)))
    assert said(verdict)["steps.sent_late"].text == (
        "Steps at 1 P waited before they were sent: p99 was 18 ms from the intended start and 10 ms from the actual "
        "send (1.8 ×). A tool that counts from the send would have shown the smaller figure."
    )


def test_of_a_stress_trial_the_level_is_named_and_one_limit_gives_one_sentence() -> None:
    plan = plan_of(stress("p95 response time <= 45ms", first="1 P", to="2 P", step="1 P"))
    verdict = judged(make(plan, lagging(40 * MS, 8 * MS)))
    assert [reason.code for reason in verdict.reasons].count("objective.kept_from_send") == 1
    assert "response time at 1 P would have been 40 ms" in said(verdict)["objective.kept_from_send"].text


def test_a_generator_that_was_too_late_makes_the_trial_invalid_and_nothing_is_said_of_other_tools() -> None:
    verdict = judged(make(plan_of(load("p95 response time <= 45ms")), lagging(40 * MS, 20 * MS)))
    assert verdict.verdict is Verdict.INVALID
    assert said(verdict) == {}
    assert only(verdict).service_p99_ns == 40 * MS


def test_a_prompt_generator_leaves_nothing_to_say() -> None:
    verdict = judged(make(plan_of(load("p95 response time <= 2s", "errors <= 5%")), constant(40 * MS)))
    assert said(verdict) == {}
