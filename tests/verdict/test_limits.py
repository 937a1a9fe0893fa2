"""Limits on kinds of errors, on admitted steps, on goodput per second, and on every window of a length."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, Answers, Law, constant, exponential, failing, frozen, load, make, plan_of

from seatrial.model.objective import parse_objective
from seatrial.model.profile import Stage
from seatrial.model.reasons import sentence
from seatrial.model.sample import NEVER, Outcome
from seatrial.model.verdict import ObjectiveResult, TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import StageColumns
from seatrial.verdict.judge import judge
from seatrial.verdict.limits import Sample
from seatrial.verdict.selection import admitted
from seatrial.verdict.windows import worst_window

PROMPT = constant(5 * MS)


def tried(objective: str, law: Law, *, steps: tuple[str, ...] = ("book",), **more: Any) -> TrialVerdict:
    plan = plan_of(load(objective, **more), peak="40/s", steps=steps)
    made = make(plan, law)
    return judge(made.plan, DIGEST, made.policy, [made.data]).trials[0]


def result(objective: str, law: Law, **more: Any) -> ObjectiveResult:
    return tried(objective, law, **more).objectives[0]


KINDS = {
    "timeouts": (Outcome.TIMEOUT, 0),
    "refusals": (Outcome.HTTP_ERROR, 503),
    "http errors": (Outcome.HTTP_ERROR, 500),
    "failed checks": (Outcome.CHECK_FAILED, 200),
    "connection errors": (Outcome.PROTOCOL_ERROR, 0),
}


@pytest.mark.parametrize("limited", KINDS)
@pytest.mark.parametrize("happened", KINDS)
def test_each_kind_of_error_breaks_its_own_limit_and_that_on_all_errors(limited: str, happened: str) -> None:
    law = failing(PROMPT, 0.1, *KINDS[happened])
    also = limited == "http errors" and happened == "refusals"
    wanted = Verdict.FAIL if limited == happened or also else Verdict.PASS
    assert result(f"{limited} <= 2%", law).verdict is wanted
    assert result("errors <= 2%", law).verdict is Verdict.FAIL


def test_what_was_refused_clearly_is_left_out_of_admitted_steps() -> None:
    law = failing(exponential(100 * MS), 0.2, Outcome.HTTP_ERROR, 503)
    assert result("errors <= 2%", law).verdict is Verdict.FAIL
    kept = result("errors <= 2% of admitted", law)
    assert (kept.verdict, kept.value.estimate) == (Verdict.PASS, 0.0)
    assert 1800 < kept.samples < 2050
    assert result("errors <= 2% of admitted", failing(PROMPT, 0.2, Outcome.HTTP_ERROR, 500)).verdict is Verdict.FAIL


def test_a_fast_refusal_does_not_improve_the_times_of_admitted_steps() -> None:
    def shedding(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        out = rng.random(len(at)) < 0.6
        ended = np.where(out, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(np.where(out, 2 * MS, 900 * MS), ended, np.where(out, 503, 200))

    assert result("median response time <= 500ms", shedding).verdict is Verdict.PASS
    admitted_alone = result("median response time <= 500ms of admitted", shedding)
    assert admitted_alone.verdict is Verdict.FAIL
    assert admitted_alone.value.estimate == pytest.approx(900 * MS, rel=0.01)


def test_a_service_that_admits_nobody_shows_nothing_of_admitted_steps() -> None:
    law = failing(PROMPT, 1.1, Outcome.HTTP_ERROR, 503)
    nothing = result("errors <= 2% of admitted", law)
    assert (nothing.verdict, nothing.undecided, nothing.samples) == (Verdict.INCONCLUSIVE, "no_samples", 0)


def columns(rows: list[tuple[int, Outcome, int]]) -> StageColumns:
    """Return records (session, outcome, status), one millisecond apart and answered in one."""
    session, outcome, status = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    at_ns = np.arange(len(rows), dtype=np.int64) * MS
    zeros = np.zeros(len(rows), dtype=np.int64)
    sent = np.where(outcome == Outcome.ABORTED, NEVER, at_ns)
    return StageColumns(zeros, zeros, session, at_ns, sent, at_ns + MS, outcome, status)


def test_steps_given_up_because_of_a_refusal_are_not_admitted_but_those_for_another_reason_are() -> None:
    rows = [
        (0, Outcome.OK, 200), (0, Outcome.HTTP_ERROR, 429), (0, Outcome.ABORTED, 0),
        (1, Outcome.TIMEOUT, 0), (1, Outcome.ABORTED, 0),
        (2, Outcome.HTTP_ERROR, 503), (2, Outcome.TIMEOUT, 0), (2, Outcome.ABORTED, 0),
        (3, Outcome.CHECK_FAILED, 503), (4, Outcome.HTTP_ERROR, 500), (5, Outcome.OK, 503),
    ]  # fmt: skip
    assert admitted(columns(rows)).tolist() == [
        True, False, False, True, True, False, True, True, True, True, True,
    ]  # fmt: skip


def test_goodput_per_second_is_the_share_that_ended_ok_of_what_was_offered() -> None:
    found = result("goodput >= 30/s", failing(PROMPT, 0.1, Outcome.HTTP_ERROR, 500))
    assert (found.verdict, found.unit) == (Verdict.PASS, "/s")
    assert found.value.estimate == pytest.approx(36, abs=1)
    assert found.value.lower < found.value.estimate < found.value.upper <= 40  # type: ignore[operator]
    assert result("goodput >= 38/s", failing(PROMPT, 0.1, Outcome.HTTP_ERROR, 500)).verdict is Verdict.FAIL
    two = result("goodput >= 70/s", PROMPT, steps=("list", "book"))
    assert (two.verdict, two.value.estimate) == (Verdict.PASS, pytest.approx(80))
    near = result("goodput >= 36/s for step book", failing(PROMPT, 0.1, Outcome.HTTP_ERROR, 500))
    assert near.verdict is Verdict.INCONCLUSIVE
    assert near.undecided in ("close", "length")


def test_a_freeze_that_the_whole_trial_hides_breaks_the_limit_of_every_window() -> None:
    law = frozen(5 * MS, 20 * SECOND, 2 * SECOND)
    assert result("p90 response time <= 500ms", law, hold="4m").verdict is Verdict.PASS
    trial = tried("p90 response time <= 500ms for every 5s", law, hold="4m")
    (found,) = trial.objectives
    assert (found.verdict, trial.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert found.worst_at_ns is not None
    assert 15 * SECOND < found.worst_at_ns < 22 * SECOND
    assert found.value.estimate == pytest.approx(1.5 * SECOND, rel=0.1)
    assert trial.reasons[0].code == "objective.windows_broken"
    assert trial.reasons[0].text.startswith("Of all windows of 5 s the worst began 1")
    assert "每個時段" in sentence(trial.reasons[0].code, trial.reasons[0].params, "zh-Hant")


def test_a_limit_that_every_window_keeps_is_kept_without_an_interval() -> None:
    trial = tried("p90 response time <= 500ms for every 5s", exponential(50 * MS))
    (found,) = trial.objectives
    assert found.verdict is Verdict.PASS
    assert found.value.lower == found.value.upper == found.value.estimate
    assert trial.reasons[0].code == "objective.windows_kept"


def test_windows_with_too_few_records_for_their_percentile_pass_nothing() -> None:
    found = result("p99.9 response time <= 500ms for every 1s", PROMPT)
    assert (found.verdict, found.undecided) == (Verdict.INCONCLUSIVE, "thin")
    too_long = result("errors <= 1% for every 70s", PROMPT)
    assert (too_long.verdict, too_long.undecided, too_long.worst_at_ns) == (Verdict.INCONCLUSIVE, "thin", None)


def test_answers_that_never_came_hide_whether_a_window_keeps_its_limit() -> None:
    law = failing(PROMPT, 0.3, Outcome.IN_FLIGHT)
    trial = tried("p95 response time <= 1s for every 10s", law)
    assert trial.objectives[0].undecided == "hidden"
    assert trial.objectives[0].value.upper is None
    assert trial.reasons[0].code == "objective.windows_hidden"


@pytest.mark.parametrize(("objective", "verdict"), [("goodput >= 50% of offered", "PASS"), ("errors <= 5%", "FAIL")])
def test_shares_are_judged_by_their_worst_window_too(objective: str, verdict: str) -> None:
    def bad_second(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        bad = (at > 30 * SECOND) & (at < 31 * SECOND)
        return Answers(np.full(len(at), 5.0 * MS), np.where(bad, Outcome.HTTP_ERROR, Outcome.OK))

    assert result(objective, bad_second, hold="5m").verdict is Verdict.PASS
    assert result(f"{objective} for every 5s", bad_second).verdict == verdict
    assert result("mean response time <= 1s for every 5s", bad_second).verdict is Verdict.PASS


ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 30), st.sampled_from([Outcome.OK, Outcome.TIMEOUT])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150)
@given(rows=ROWS, width=st.integers(1, 15), quantile=st.sampled_from(["p50", "p80", "p95"]))
def test_the_worst_window_is_the_worst_of_all_that_there_are(
    rows: list[tuple[int, int, Outcome]], width: int, quantile: str
) -> None:
    at_ns, took, outcome = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    zeros = np.zeros(len(rows), dtype=np.int64)
    made = StageColumns(zeros, zeros, zeros, at_ns, at_ns, at_ns + took, outcome, zeros)
    objective = parse_objective(f"{quantile} response time <= 10ns for every {width}ns")
    found = worst_window(objective, made, [(0, 41)])
    q, first, last = objective.quantile or 0, int(at_ns.min()), int(at_ns.max()) + 1
    early, late, counts = [], [], []
    for start in range(first, last - width + 1):
        inside = (at_ns >= start) & (at_ns < start + width)
        counts.append(int(inside.sum()))
        if counts[-1]:
            rank = math.ceil(round(counts[-1] * q, 9)) - 1
            early.append(float(np.sort(took[inside])[rank]))
            late.append(float(np.sort(np.where(outcome == Outcome.OK, took, np.inf)[inside])[rank]))
    if last - first < width:
        assert found is None
    else:
        assert found is not None
        assert (found.lower, found.fewest) == (max(early), min(counts))
        assert found.upper == (None if math.isinf(max(late)) else max(late))


def test_windows_need_to_know_the_judged_time() -> None:
    plan = plan_of(load("errors <= 1%"))
    made = columns([(0, Outcome.OK, 200)] * 3)
    for objective in ("errors <= 1% for every 1s", "goodput >= 1/s"):
        with pytest.raises(ValueError, match="judged spans"):
            Sample(plan, made, 0.95).judge(parse_objective(objective))
