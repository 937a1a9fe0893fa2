"""What would have a spike or a recovery pass that did not happen, and what would have a good service fail one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tests.verdict.made import Answers, Law, Made, exponential, make, plan_of
from tests.verdict.test_kinds import FAULT, codes, judged, made_at, recovery, spike

from seatrial.model.journal import Event, EventKind, HappeningLog, trial_log
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.acceptance import shortfalls

PROMPT = exponential(50 * MS)
ADMITTED = ("p95 response time <= 500ms of admitted", "errors <= 1% of admitted")


def refusing(share: float, from_s: float = 0, to_s: float = 10_000) -> Law:
    """A share of what comes within a time is refused clearly; the rest is answered at once."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        inside = (at >= from_s * SECOND) & (at < to_s * SECOND)
        no = inside & (rng.random(len(at)) < share)
        outcome = np.where(no, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(rng.exponential(50 * MS, len(at)), outcome, np.where(no, 503, 200))

    return law


def never_again(from_s: float, wait_ns: int = 5 * SECOND) -> Law:
    """Nobody is answered before a deadline from a time on."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        gone = at >= from_s * SECOND
        outcome = np.where(gone, Outcome.TIMEOUT, Outcome.OK)
        return Answers(np.where(gone, wait_ns, rng.exponential(50 * MS, len(at))), outcome)

    return law


def of(trial: dict[str, Any], *objectives: str, **more: Any) -> dict[str, Any]:
    return {**trial, "objectives": list(objectives), **more}


@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
@pytest.mark.parametrize(
    ("trial", "gone_s"), [(recovery(), 80), (spike(), 84), (recovery(), 60)], ids=["recovery", "spike", "from overload"]
)
def test_a_service_that_goes_on_refusing_after_the_load_is_gone_has_not_recovered(
    trial: dict[str, Any], gone_s: float, share: float
) -> None:
    for limits in (ADMITTED, ADMITTED[:1], ADMITTED[1:]):
        made = make(plan_of(of(trial, *limits, "recovery time <= 20s")), refusing(share, gone_s))
        assert judged(made).verdict is Verdict.FAIL


def test_what_is_refused_in_the_overload_alone_is_no_part_of_the_recovery() -> None:
    made = make(plan_of(of(recovery(), *ADMITTED, "recovery time <= 5s")), refusing(0.7, 60, 80))
    assert judged(made).verdict is Verdict.PASS


@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_service_that_refused_as_much_before_is_back_to_what_it_was(share: float, seed: int) -> None:
    made = make(plan_of(of(recovery(), *ADMITTED, "recovery time <= 20s")), refusing(share), seed=seed)
    verdict = judged(made)
    assert verdict.verdict is Verdict.PASS
    assert verdict.recovery is not None
    assert verdict.recovery[0].back_ns.upper == 0


def test_a_recovery_or_a_burst_of_which_all_is_refused_fails() -> None:
    verdict = judged(make(plan_of(of(spike(), *ADMITTED)), refusing(1.0, 60, 84)))
    assert verdict.verdict is Verdict.FAIL
    assert verdict.reasons[0].code == "service.nothing_ok"
    assert verdict.reasons[0].params["level"] == "burst"
    made = make(plan_of(of(recovery(), *ADMITTED, "recovery time <= 20s")), refusing(1.0))
    assert judged(made).verdict is Verdict.FAIL


def test_a_spike_after_which_nothing_is_known_of_the_service_does_not_pass() -> None:
    # The deadline is shorter than the limit, so that no answer that never came is known to have been too late.
    made = make(plan_of(of(spike(), "p95 response time <= 10s")), never_again(84))
    verdict = judged(made)
    assert verdict.objectives[0].verdict is Verdict.PASS
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "recovery.not_seen" in codes(verdict)


def test_an_overload_that_the_plans_own_cap_held_back_shows_no_recovery() -> None:
    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        """60/s are served in order; whoever finds a hundred in progress is not sent."""
        done, outcome, free = np.zeros(len(at)), np.full(len(at), Outcome.OK), 0.0
        waiting: list[float] = []
        for place, now in enumerate(at.tolist()):
            waiting = [end for end in waiting if end > now]
            if len(waiting) >= 100:
                done[place], outcome[place] = now, Outcome.UNSENT
                continue
            free = max(free, now) + SECOND / 60
            done[place] = free
            waiting.append(free)
        return Answers(np.maximum(done - at, MS), outcome)

    verdict = judged(make(plan_of(recovery("recovery time <= 60s"), max_sessions=100), law))
    assert "service.unsent" in codes(verdict)
    assert verdict.verdict is Verdict.INCONCLUSIVE


def test_windows_of_which_every_record_is_bad_are_not_well_however_few_they_hold() -> None:
    trial = of(recovery(), "p95 response time <= 500ms", "recovery time <= 60s", after="200ms")
    found = judged(make(plan_of(trial), never_again(80))).recovery
    assert found is not None
    assert found[0].state != "recovered"


def faulty(before: str = "60s") -> dict[str, Any]:
    trial = {key: value for key, value in recovery().items() if key != "overload"}
    return of(trial, "p95 response time <= 3s", "errors <= 1%", "recovery time <= 30s", fault=FAULT, before=before)


@pytest.mark.parametrize("before_s", [30, 60, 120])
def test_answers_that_the_fault_cut_off_do_not_count_against_the_time_before_it(before_s: int) -> None:
    """A service takes a second for each; what it had not answered when its database went away is lost."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        took = rng.gamma(20, SECOND / 20, len(at))
        gone_ns, back_ns = before_s * SECOND, (before_s + 20) * SECOND
        lost = (at < back_ns) & (at + took > gone_ns)
        outcome = np.where(lost, Outcome.PROTOCOL_ERROR, Outcome.OK)
        return Answers(np.where(lost, np.maximum(gone_ns - at, MS), took), outcome)

    made = make(plan_of(faulty(f"{before_s}s")), law)
    verdict = judged(made, made_at(made, before_s + 0.01, before_s + 20.01))
    assert verdict.verdict is Verdict.PASS, [reason.text for reason in verdict.reasons]


def test_of_the_time_before_no_more_than_a_quarter_is_left_out() -> None:
    plan = plan_of(of(faulty(), "p95 response time <= 50s", "recovery time <= 30s", warmup="20s"))
    (stage,) = plan.trials[0].stages(0, plan)
    assert (stage.periods[0].from_ns, stage.periods[0].to_ns) == (20 * SECOND, 50 * SECOND)


def ending(made: Made, ended_s: float) -> tuple[HappeningLog, ...]:
    begin, end = made_at(made, 60, 80)
    return begin, replace(end, ended_ns=made.stages[0].started_ns + round(ended_s * SECOND))


@pytest.mark.parametrize(
    ("ended_s", "verdict"),
    [(139, Verdict.PASS), (141, Verdict.INVALID), (200, Verdict.INVALID), (2**53 / SECOND, Verdict.INVALID)],
)
def test_a_fault_that_was_mended_so_late_that_nothing_was_seen_after_it_is_invalid(
    ended_s: float, verdict: Verdict
) -> None:
    made = make(plan_of(faulty()), PROMPT)
    found = judged(made, ending(made, ended_s))
    assert found.verdict is verdict
    assert ("validity.done_late" in codes(found)) is (verdict is Verdict.INVALID)


@pytest.mark.parametrize("limit", ["mean response time <= 1s", "goodput >= 5/s"])
@pytest.mark.parametrize("trial", [spike(), recovery()])
def test_a_disturbance_without_a_limit_that_tells_what_normal_is_is_refused(trial: dict[str, Any], limit: str) -> None:
    with pytest.raises(ValidationError, match="no limit says what normal is"):
        plan_of(of(trial, limit, "recovery time <= 5s"))


STARTED = Event(at_ns=0, event=EventKind.TRIAL_STARTED, trial=0, data={"workers": 1})


def fault_from(began_ns: int, ended_ns: int) -> tuple[EventKind, dict[str, Any]]:
    return EventKind.HAPPENED, {"name": "fault", "began_ns": began_ns, "ended_ns": ended_ns}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        fault_from(7, 6),
        fault_from(7, 2**60),
        (EventKind.DECISION, {"next": "1"}),
        (EventKind.DECISION, {"next": float("nan")}),
        (EventKind.DECISION, {"next": True}),
    ],
)
def test_a_journal_that_tells_of_what_can_not_be_is_refused(kind: EventKind, data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        trial_log([STARTED, Event(at_ns=9, event=kind, trial=0, stage=0, data=data)], 0)


def test_no_event_is_later_than_floating_point_can_tell() -> None:
    with pytest.raises(ValidationError):
        Event(at_ns=2**53 + 1, event=EventKind.RUN_ENDED)


def test_a_limit_on_the_drift_of_all_errors_is_none_on_each_kind_of_them() -> None:
    trial = {"kind": "soak", "at": "1 P", "for": "60m", "objectives": ["errors drift <= 1%"]}
    required = {"kind": "soak", "at_least": "1 P", "hold": "60m", "objectives": ["timeouts drift <= 1%"]}
    policy = Policy.model_validate({"policy": 1, "title": "p", "acceptance": {"mandatory": [required]}})
    assert len(shortfalls(plan_of(trial), policy)) == 1
