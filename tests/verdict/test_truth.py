"""Services in virtual time whose answers are known, and what the verdict makes of them."""

from __future__ import annotations

import math

import pytest
from tests.verdict.made import (
    DIGEST,
    POLICY,
    Law,
    Made,
    constant,
    exponential,
    failing,
    frozen,
    load,
    make,
    plan_of,
    queue,
    stress,
)

from seatrial.model.sample import Outcome
from seatrial.model.verdict import RunVerdict, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge


def verdict_of(made: Made) -> RunVerdict:
    return judge(made.plan, DIGEST, made.policy, [made.data])


def trial_of(made: Made) -> TrialVerdict:
    return verdict_of(made).trials[0]


def mm1_limit(arrivals: float, served: float, quantile: float) -> float:
    """Return the quantile of the time in an M/M/1 queue, in ms: exponential with rate mu - lambda."""
    return -math.log(1 - quantile) / (served - arrivals) * 1000


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("factor", "verdict"), [(1.1, Verdict.PASS), (0.9, Verdict.FAIL)])
def test_a_queue_is_told_apart_from_a_limit_ten_percent_either_side(seed: int, factor: float, verdict: Verdict) -> None:
    limit = mm1_limit(50, 100, 0.95) * factor
    plan = plan_of(load(f"p95 response time <= {limit:.3f}ms", hold="30m", warmup="10s"), peak="50/s")
    assert trial_of(make(plan, queue(10 * MS), seed=seed)).verdict is verdict


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("factor", "wrong"), [(1.1, Verdict.FAIL), (0.9, Verdict.PASS)])
def test_a_short_trial_of_a_queue_is_undecided_rather_than_wrong(seed: int, factor: float, wrong: Verdict) -> None:
    limit = mm1_limit(80, 100, 0.95) * factor
    plan = plan_of(load(f"p95 response time <= {limit:.3f}ms", hold="60s", warmup="5s"), peak="80/s")
    assert trial_of(make(plan, queue(10 * MS), seed=seed)).verdict is not wrong


def test_the_freeze_drill_is_seen_in_the_percentiles() -> None:
    plan = plan_of(load("p95 response time <= 1s", hold="30s"), peak="100/s", arrivals="even")
    stage = trial_of(make(plan, frozen(5 * MS, 10 * SECOND, 3 * SECOND))).stages[0]
    assert stage.p50_ns == pytest.approx(5 * MS, rel=0.05)
    assert stage.p95_ns == pytest.approx(1.5 * SECOND, rel=0.05)
    assert stage.p99_ns == pytest.approx(2.7 * SECOND, rel=0.05)


@pytest.mark.parametrize("limit", ["1s", "2s", "4s"])
def test_a_frozen_service_never_passes_on_its_luck(limit: str) -> None:
    plan = plan_of(load(f"p99 response time <= {limit}", hold="30s"), peak="100/s")
    assert trial_of(make(plan, frozen(5 * MS, 10 * SECOND, 5 * SECOND))).verdict is not Verdict.PASS


def test_a_hiccup_far_below_the_limit_leaves_nothing_undecided_and_one_near_it_does() -> None:
    plan = plan_of(load("p99 response time <= 5s", hold="25s"))
    assert trial_of(make(plan, frozen(5 * MS, 10 * SECOND, SECOND // 2))).verdict is Verdict.PASS
    assert trial_of(make(plan, frozen(5 * MS, 10 * SECOND, 4 * SECOND))).verdict is Verdict.INCONCLUSIVE


def test_a_passed_trial_says_so_with_figures() -> None:
    trial = trial_of(make(plan_of(load("p95 response time <= 2s", "errors <= 1%")), exponential(300 * MS)))
    assert trial.verdict is Verdict.PASS
    assert [reason.code for reason in trial.reasons] == ["objective.kept", "objective.kept"]
    assert "limit, at most 2 s, is kept" in trial.reasons[0].text
    assert "ms (between" in trial.reasons[0].text


def test_an_undecided_trial_says_how_much_longer_and_that_long_decides() -> None:
    def undecided(hold: int) -> TrialVerdict:
        plan = plan_of(load("p95 response time <= 960ms", hold=f"{hold}s"), peak="40/s")
        return trial_of(make(plan, exponential(300 * MS), seed=3))

    short = undecided(30)
    assert short.verdict is Verdict.INCONCLUSIVE
    times = short.objectives[0].longer
    assert times is not None
    assert "times as long would decide" in short.reasons[0].text
    # The measured share moves as well when the trial is repeated; three times the advice is beyond doubt.
    assert undecided(round(30 * times * 3)).verdict is not Verdict.INCONCLUSIVE


CENSORED: list[tuple[Outcome, Law]] = [
    (outcome, failing(exponential(100 * MS), 0.1, outcome))
    for outcome in (
        Outcome.TIMEOUT,
        Outcome.IN_FLIGHT,
        Outcome.CONNECT_FAILED,
        Outcome.TLS_FAILED,
        Outcome.PROTOCOL_ERROR,
        Outcome.ABORTED,
    )
]


@pytest.mark.parametrize(("outcome", "law"), CENSORED, ids=lambda value: getattr(value, "label", ""))
def test_unanswered_steps_hide_a_percentile_instead_of_improving_it(outcome: Outcome, law: Law) -> None:
    trial = trial_of(make(plan_of(load("p95 response time <= 2s")), law))
    result = trial.objectives[0]
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert result.undecided == "hidden"
    assert result.value.estimate is None
    assert result.value.upper is None
    assert trial.stages[0].p95_ns is None
    assert trial.stages[0].outcomes[outcome.label] > 0
    assert "without an answer hide" in trial.reasons[0].text


def test_timeouts_beyond_the_limit_break_it_though_nobody_knows_by_how_much() -> None:
    plan = plan_of(load("p95 response time <= 2s", "errors <= 1%"))
    trial = trial_of(make(plan, failing(constant(30 * SECOND), 0.5, Outcome.TIMEOUT)))
    assert trial.verdict is Verdict.FAIL
    assert any("30 s at least" in reason.text for reason in trial.reasons)


def test_few_timeouts_above_the_percentile_leave_it_known() -> None:
    trial = trial_of(
        make(plan_of(load("p50 response time <= 1s")), failing(exponential(100 * MS), 0.1, Outcome.TIMEOUT))
    )
    assert trial.verdict is Verdict.PASS


def test_a_mean_is_not_shown_while_one_answer_is_missing() -> None:
    plan = plan_of(load("mean response time <= 1s"))
    assert trial_of(make(plan, exponential(100 * MS))).verdict is Verdict.PASS
    torn = trial_of(make(plan, failing(exponential(100 * MS), 0.002, Outcome.TIMEOUT)))
    assert torn.verdict is Verdict.INCONCLUSIVE
    assert torn.objectives[0].undecided == "hidden"
    assert trial_of(make(plan, exponential(1.3 * SECOND))).verdict is Verdict.FAIL


def test_service_time_forgives_the_wait_before_the_send_and_response_time_does_not() -> None:
    made = make(plan_of(load("p95 response time <= 1s", "p95 service time <= 1s")), constant(950 * MS))
    late = made.records.with_columns(made.records["intended_ns"] - 100 * MS)
    results = trial_of(made.but(records=late)).objectives
    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.PASS]


def test_shares_count_what_was_intended_sent_and_ok() -> None:
    plan = plan_of(load("errors <= 10%", "goodput >= 90% of offered", "achieved >= 99% of offered"))
    trial = trial_of(make(plan, failing(exponential(MS), 0.05, Outcome.HTTP_ERROR, 500)))
    errors, goodput, achieved = trial.objectives
    stage = trial.stages[0]
    assert trial.verdict is Verdict.PASS
    assert errors.value.estimate == pytest.approx(1 - stage.ok / stage.intended)
    assert goodput.value.estimate == pytest.approx(stage.ok / stage.intended)
    assert achieved.value.estimate == 1.0
    worse = trial_of(make(plan, failing(exponential(MS), 0.2, Outcome.HTTP_ERROR, 500)))
    assert [result.verdict for result in worse.objectives] == [Verdict.FAIL, Verdict.FAIL, Verdict.PASS]


def test_no_error_in_too_few_records_does_not_show_one_in_a_thousand() -> None:
    plan = plan_of(load("errors <= 0.1%"))
    trial = trial_of(make(plan, exponential(MS)))
    assert trial.verdict is Verdict.INCONCLUSIVE
    # 0.975 = 1 - (1 - 0.001)^n at n = 3687
    assert trial.objectives[0].longer == pytest.approx(3687 / trial.objectives[0].samples, abs=0.11)


def test_a_limit_for_one_step_looks_at_that_step_alone() -> None:
    plan = plan_of(
        load("p95 response time <= 150ms for step look", "p95 response time <= 150ms for step book"),
        steps=("look", "book"),
    )

    def law(at: object, stage: object, rng: object) -> object:
        law.calls += 1  # type: ignore[attr-defined]
        return constant(100 * MS if law.calls == 1 else 200 * MS)(at, stage, rng)  # type: ignore[arg-type, attr-defined]

    law.calls = 0  # type: ignore[attr-defined]
    trial = trial_of(make(plan, law))  # type: ignore[arg-type]
    assert [result.verdict for result in trial.objectives] == [Verdict.PASS, Verdict.FAIL]
    assert trial.reasons[0].text.startswith("The p95 response time of step “book” was 200 ms")


def test_a_step_nobody_took_shows_nothing() -> None:
    plan = plan_of(load("errors <= 50% for step sail"))
    trial = trial_of(make(plan, exponential(MS)))
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.objectives[0].undecided == "no_samples"
    assert trial.reasons[0].code == "objective.no_samples"


def test_warm_up_stays_out_of_the_verdict() -> None:
    cold = frozen(5 * MS, 0, 8 * SECOND)
    judged_cold = plan_of(load("p95 response time <= 100ms", hold="60s"))
    judged_warm = plan_of(load("p95 response time <= 100ms", hold="60s", warmup="10s"))
    assert trial_of(make(judged_cold, cold)).verdict is not Verdict.PASS
    warm = trial_of(make(judged_warm, cold))
    assert warm.verdict is Verdict.PASS
    assert warm.stages[0].duration_ns == 60 * SECOND
    assert warm.stages[0].offered_per_s == pytest.approx(40, rel=0.1)


def test_pass_and_fail_never_turn_back_as_the_limit_moves() -> None:
    made = make(plan_of(load("p95 response time <= 1s", "errors <= 1%")), exponential(300 * MS))
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    seen = []
    for limit in range(500, 1400, 20):
        plan = plan_of(load(f"p95 response time <= {limit}ms"))
        seen.append(order.index(judge(plan, DIGEST, POLICY, [made.data]).verdict))
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


def test_the_worst_objective_is_the_trial_s_and_the_worst_trial_the_run_s() -> None:
    plan = plan_of(
        load("p95 response time <= 2s", name="good"),
        load("p95 response time <= 100ms", "errors <= 1%", name="bad"),
    )
    made = [make(plan, exponential(300 * MS), trial=trial) for trial in (0, 1)]
    run = judge(plan, DIGEST, POLICY, [m.data for m in made])
    assert [trial.verdict for trial in run.trials] == [Verdict.PASS, Verdict.FAIL]
    assert run.verdict is Verdict.FAIL
    assert run.reasons[0].text == "The service failed: bad."
    assert run.trials[1].reasons[0].code == "objective.broken"


def test_the_verdict_is_the_same_in_any_order_of_rows() -> None:
    made = make(plan_of(stress("p95 response time <= 1s", "capacity >= 1.5 P")), queue(SECOND / 85))
    shuffled = made.but(records=made.records.sample(fraction=1, shuffle=True, seed=5))
    assert verdict_of(made).as_document() == verdict_of(shuffled).as_document()
    assert (
        verdict_of(made).as_document()
        == judge(made.plan, DIGEST, POLICY, [made.but(health=made.health.reverse()).data]).as_document()
    )


@pytest.mark.parametrize("outcome", [Outcome.HTTP_ERROR, Outcome.CHECK_FAILED])
def test_a_service_that_says_no_to_everybody_at_once_fails_a_limit_on_time_alone(outcome: Outcome) -> None:
    nothing = failing(constant(1 * MS), 1.0, outcome, 500)
    for trial in (load("p95 response time <= 2s"), stress("p95 response time <= 2s")):
        plan = plan_of(trial)
        run = judge(plan, DIGEST, POLICY, [make(plan, nothing).data])
        assert run.verdict is Verdict.FAIL
        assert "service.nothing_ok" in {reason.code for reason in run.trials[0].reasons}
