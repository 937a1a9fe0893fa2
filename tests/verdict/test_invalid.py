"""Every rule that makes evidence invalid, from both sides: just broken, and just kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import (
    DIGEST,
    POLICY,
    Answers,
    Law,
    Made,
    constant,
    exponential,
    failing,
    health,
    load,
    make,
    plan_of,
    records,
    stage_log,
    stress,
)

from seatrial.model.health import LAG_COLUMNS
from seatrial.model.journal import Ending, StageLog
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import HEALTH_SCHEMA, empty_health, empty_records
from seatrial.verdict.judge import judge

GOOD = make(
    plan_of(load("p95 response time <= 2s", "errors <= 1%", warmup="5s"), steps=("look", "book")), exponential(100 * MS)
)
LEVELS = make(plan_of(stress("p95 response time <= 2s", "capacity >= 2 P")), exponential(100 * MS))


def judged(made: Made) -> TrialVerdict:
    run = judge(made.plan, DIGEST, made.policy, [made.data])
    assert run.verdict is run.trials[0].verdict
    return run.trials[0]


def codes(made: Made) -> set[str]:
    trial = judged(made)
    return {reason.code for reason in trial.reasons} if trial.verdict is Verdict.INVALID else set()


def test_good_evidence_is_valid() -> None:
    assert judged(GOOD).verdict is Verdict.PASS
    assert judged(LEVELS).verdict is Verdict.PASS


def test_no_trial_at_all_is_invalid() -> None:
    run = judge(GOOD.plan, DIGEST, POLICY, [])
    assert run.verdict is Verdict.INVALID
    assert run.reasons[0].code == "run.no_trials"
    assert [trial.verdict for trial in run.trials] == [Verdict.INVALID]


def test_a_trial_of_the_plan_without_evidence_is_invalid() -> None:
    plan = plan_of(load("p95 response time <= 2s"), load("p95 response time <= 2s"))
    run = judge(plan, DIGEST, POLICY, [make(plan, exponential(MS), trial=0).data])
    assert run.verdict is Verdict.INVALID
    assert [trial.verdict for trial in run.trials] == [Verdict.PASS, Verdict.INVALID]
    assert run.trials[1].reasons[0].code == "validity.no_evidence"


@pytest.mark.parametrize("number", [0, 1, -1])
def test_evidence_of_a_trial_that_is_not_in_the_plan_or_twice_is_invalid(number: int) -> None:
    other = replace(GOOD.data, log=replace(GOOD.data.log, trial=number))
    run = judge(GOOD.plan, DIGEST, POLICY, [GOOD.data, other])
    assert run.verdict is Verdict.INVALID
    assert "validity.other_evidence" in {reason.code for reason in run.reasons}


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending.INTERRUPTED, "validity.interrupted"),
        (Ending.WORKER_LOST, "validity.worker_lost"),
        (Ending.RECORDING_FAILED, "validity.recording_failed"),
        (Ending.TARGET_FAILED, "validity.target_failed"),
        (Ending.UNKNOWN, "validity.ending_unknown"),
    ],
)
def test_a_trial_that_did_not_run_to_its_end_is_invalid(ending: Ending, code: str) -> None:
    assert codes(GOOD.but(ending=ending, details=("the disk is full",))) == {code}


def test_a_trial_that_never_began_is_invalid() -> None:
    nothing = GOOD.but(ending=Ending.UNKNOWN, workers=0, stages=(), records=empty_records(), health=empty_health())
    assert codes(nothing) >= {"validity.not_started", "validity.no_records"}


def test_a_trial_without_workers_is_invalid() -> None:
    assert "validity.no_workers" in codes(GOOD.but(workers=0))


def test_a_trial_without_a_finished_stage_is_invalid() -> None:
    begun = StageLog(0, GOOD.stages[0].started_ns)
    assert codes(GOOD.but(stages=(begun,))) >= {"validity.no_stage_finished", "validity.stage_unfinished"}
    assert "validity.no_stage_finished" in codes(GOOD.but(stages=()))


def test_a_stage_that_the_plan_does_not_have_is_invalid() -> None:
    stranger = replace(GOOD.stages[0], index=7)
    assert "validity.stage_unknown" in codes(GOOD.but(stages=(*GOOD.stages, stranger)))


def test_no_records_are_invalid() -> None:
    assert codes(GOOD.but(records=empty_records())) >= {"validity.no_records", "validity.sessions_missing"}


@pytest.mark.parametrize(("more", "invalid"), [(1, True), (0, False)])
def test_too_few_judged_records_are_invalid(more: int, invalid: bool) -> None:
    count = judged(GOOD).stages[0].intended
    validity = POLICY.validity.model_copy(update={"min_samples": count + more})
    policy = POLICY.model_copy(update={"validity": validity})
    assert codes(GOOD.but(policy=policy)) == ({"validity.too_few"} if invalid else set())


def row(made: Made, at: int, **values: Any) -> pl.DataFrame:
    changed = made.records[at].with_columns(**{name: pl.lit(v) for name, v in values.items()})
    return changed.cast(dict(made.records.schema))


def test_a_missing_session_is_invalid_and_counted() -> None:
    trial = judged(GOOD.but(records=GOOD.records.filter(pl.col("session") != 700)))
    assert trial.verdict is Verdict.INVALID
    assert trial.reasons[0].text.startswith("1 of 2,")


def test_a_schedule_that_no_memory_holds_is_not_computed() -> None:
    plan = plan_of(load("errors <= 1%", at="1000 P", hold="744h"), steps=("look", "book"), peak="10000/s")
    trial = judged(GOOD.but(plan=plan))
    assert trial.verdict is Verdict.INVALID
    assert "26,784,000,000,000 scheduled sessions" in trial.reasons[0].text


def test_a_missing_session_of_the_warm_up_is_invalid_too() -> None:
    assert codes(GOOD.but(records=GOOD.records.filter(pl.col("session") != 0))) == {"validity.sessions_missing"}


def test_a_session_that_was_never_scheduled_is_invalid() -> None:
    extra = row(GOOD, 0, session=10**6)
    assert codes(GOOD.but(records=pl.concat([GOOD.records, extra]))) == {"validity.sessions_extra"}


def test_workers_that_counted_otherwise_are_invalid() -> None:
    off_by_one = replace(GOOD.stages[0], sessions=(GOOD.stages[0].sessions or 0) + 1)
    assert codes(GOOD.but(stages=(off_by_one,))) == {"validity.sessions_miscounted"}


def test_a_record_that_stands_twice_is_invalid() -> None:
    assert codes(GOOD.but(records=pl.concat([GOOD.records, GOOD.records[5]]))) == {"validity.records_twice"}


def test_a_session_that_lacks_a_step_after_an_ok_one_is_invalid() -> None:
    torn = GOOD.records.filter(~((pl.col("session") == 900) & (pl.col("step") == 1)))
    assert codes(GOOD.but(records=torn)) == {"validity.steps_missing"}
    headless = GOOD.records.filter(~((pl.col("session") == 900) & (pl.col("step") == 0)))
    assert "validity.steps_missing" in codes(GOOD.but(records=headless))


def test_a_session_that_lacks_a_step_before_a_failed_one_is_invalid() -> None:
    last = (pl.col("session") == 900) & (pl.col("step") == 1)
    torn = GOOD.records.filter(~((pl.col("session") == 900) & (pl.col("step") == 0)))
    failed = pl.when(last).then(pl.lit(int(Outcome.TIMEOUT), pl.Int8)).otherwise(pl.col("outcome")).alias("outcome")
    assert codes(GOOD.but(records=torn.with_columns(failed))) == {"validity.steps_missing"}


def test_steps_that_were_not_come_to_after_a_failure_may_not_be_left_out() -> None:
    """Left out, they would halve the share of errors."""
    failing_at_first = make(GOOD.plan, failing(exponential(100 * MS), 0.03, Outcome.HTTP_ERROR, 500))
    assert codes(failing_at_first) == set()
    lighter = failing_at_first.records.filter(pl.col("outcome") != int(Outcome.ABORTED))
    assert codes(failing_at_first.but(records=lighter)) == {"validity.steps_missing"}


def test_a_journey_that_nobody_took_is_invalid_and_named() -> None:
    journeys = {"look": {"steps": [{"get": "/"}]}, "book": {"weight": 1e-6, "steps": [{"post": "/"}]}}
    trial = judged(make(plan_of(load("errors <= 1%"), journeys=journeys), exponential(100 * MS)))
    assert (trial.verdict, [reason.code for reason in trial.reasons]) == (
        Verdict.INVALID,
        ["validity.journey_not_taken"],
    )
    assert "“book”" in trial.reasons[0].text


@pytest.mark.parametrize(
    "times",
    [
        {"drained_ns": GOOD.stages[0].started_ns},
        {"drained_ns": 0},
        {"started_ns": GOOD.stages[0].started_ns + 6 * SECOND},
    ],
)
def test_a_journal_that_puts_a_stage_at_another_time_than_its_records_is_invalid(times: dict[str, int]) -> None:
    """Else the generator would be judged by its health while it was idle."""
    assert codes(GOOD.but(stages=(replace(GOOD.stages[0], **times),))) == {"validity.times_disagree"}


def test_a_journal_and_health_that_lie_an_hour_after_the_records_are_invalid() -> None:
    log, hour = GOOD.stages[0], 3600 * SECOND
    later = replace(log, started_ns=log.started_ns + hour, drained_ns=(log.drained_ns or 0) + hour)
    moved = GOOD.health.with_columns(pl.col("at_ns") + hour)
    assert codes(GOOD.but(stages=(later,), health=moved)) == {"validity.times_disagree"}


@pytest.mark.parametrize(
    ("column", "value"), [("cpu_share", -1e300), ("cpu_share", 1e300), ("busy_share", 1.01), ("at_ns", -(2**63))]
)
def test_health_that_can_t_be_is_invalid(column: str, value: float) -> None:
    spoilt = GOOD.health.with_columns(pl.lit(value).cast(GOOD.health.schema[column]).alias(column))
    assert "validity.health_unreadable" in codes(GOOD.but(health=spoilt))


def test_a_step_with_a_condition_may_be_left_out() -> None:
    steps = [{"get": "/look", "name": "look"}, {"get": "/book", "name": "book", "when": "slot"}]
    document = GOOD.plan.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["journeys"]["visit"]["steps"] = steps
    plan = type(GOOD.plan).model_validate(document)
    made = make(plan, exponential(100 * MS))
    torn = made.records.filter(~((pl.col("session") == 900) & (pl.col("step") == 1)))
    assert codes(made.but(records=torn)) == set()


def test_another_journey_or_step_than_scheduled_is_invalid() -> None:
    others = pl.concat([GOOD.records, row(GOOD, 3, journey=1)])
    assert codes(GOOD.but(records=others)) == {"validity.wrong_journey"}
    others = pl.concat([GOOD.records, row(GOOD, 3, step=2)])
    assert codes(GOOD.but(records=others)) == {"validity.wrong_journey"}


def test_records_of_a_stage_that_was_never_begun_are_invalid() -> None:
    for session in (SESSION_STRIDE, -1):
        stray = pl.concat([GOOD.records, row(GOOD, 0, session=session)])
        assert codes(GOOD.but(records=stray)) == {"validity.stray_records"}


@pytest.mark.parametrize(("shift_ms", "invalid"), [(99, False), (101, True)])
def test_a_start_that_is_not_the_scheduled_one_is_invalid(shift_ms: int, invalid: bool) -> None:
    # 5 % of the limit of 2 s is 100 ms
    times = ["intended_ns", "sent_ns", "done_ns"]
    moved = [
        pl.when(pl.col("session") == 800).then(pl.col(t) + shift_ms * MS).otherwise(pl.col(t)).alias(t) for t in times
    ]
    found = codes(GOOD.but(records=GOOD.records.with_columns(moved)))
    assert found == ({"validity.schedule_slipped"} if invalid else set())


def test_a_constant_offset_of_the_clock_is_not_a_slip() -> None:
    times = [pl.col(t) + 300 * MS for t in ("intended_ns", "sent_ns", "done_ns")]
    assert codes(GOOD.but(records=GOOD.records.with_columns(times))) == set()


DECISIONS: list[tuple[str, tuple[tuple[int, int | None], ...]]] = [
    ("none", ()),
    ("cut short", LEVELS.decisions[:-1]),
    ("went on", (*LEVELS.decisions[:-1], (LEVELS.decisions[-1][0], 5))),
    ("stopped early", ((0, None),)),
]


@pytest.mark.parametrize("decisions", [d for _, d in DECISIONS], ids=[name for name, _ in DECISIONS])
def test_decisions_that_do_not_replay_are_invalid(decisions: tuple[tuple[int, int | None], ...]) -> None:
    assert codes(LEVELS.but(decisions=decisions)) == {"validity.decisions"}


def test_a_level_left_out_is_invalid() -> None:
    shown = LEVELS.stages[:2] + LEVELS.stages[3:]
    kept = LEVELS.records.filter(pl.col("session") // SESSION_STRIDE != 2)
    assert "validity.decisions" in codes(LEVELS.but(stages=shown, records=kept))


def test_a_level_offered_after_the_search_was_over_is_invalid() -> None:
    plan = plan_of(stress("p95 response time <= 2s", "capacity >= 1 P", to="1.5 P"))
    broken = make(plan, constant(3 * SECOND))
    assert broken.decisions == ((0, None),)
    assert judged(broken).verdict is Verdict.FAIL
    stage = plan.trials[0].stages(0, plan)[1]
    start = (broken.stages[0].drained_ns or 0) + SECOND
    more = records(plan, stage, constant(MS), started_ns=start)
    logs = (*broken.stages, stage_log(plan, stage, more, start))
    longer = broken.but(
        stages=logs,
        records=pl.concat([broken.records, more]),
        health=health(logs, of=pl.concat([broken.records, more])),
    )
    assert codes(longer) == {"validity.decisions"}


def test_a_load_trial_may_journal_its_one_decision_or_none() -> None:
    assert codes(GOOD.but(decisions=())) == set()
    assert codes(GOOD.but(decisions=((0, None),))) == set()
    assert codes(GOOD.but(decisions=((0, 1),))) == {"validity.decisions"}


def test_a_worker_without_health_rows_is_invalid() -> None:
    assert codes(GOOD.but(health=empty_health())) == {"validity.health_missing"}
    assert codes(GOOD.but(workers=2)) == {"validity.health_missing"}
    assert codes(GOOD.but(workers=2, health=health(GOOD.stages, workers=2, of=GOOD.records))) == set()


@pytest.mark.parametrize(("lost", "invalid"), [(4, False), (5, True)])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_gap_in_the_health_rows_above_five_seconds_is_invalid(lost: int, invalid: bool, where: str) -> None:
    rows, stage = GOOD.health, GOOD.stages[0]
    # Rows stand on whole seconds from the start; the row at the start itself goes as well.
    first = {"start": stage.started_ns, "middle": stage.started_ns + 20 * SECOND}.get(where)
    if first is None:
        last = stage.drained_ns or 0
        keep = pl.col("at_ns") <= last - lost * SECOND - (MS if invalid else -SECOND // 2)
    else:
        gap = lost + (1 if where == "start" else 0)
        keep = (pl.col("at_ns") < first) | (pl.col("at_ns") >= first + gap * SECOND)
    assert codes(GOOD.but(health=rows.filter(keep))) == ({"validity.health_gap"} if invalid else set())


def test_health_rows_of_a_worker_nobody_started_are_invalid() -> None:
    stranger = health(GOOD.stages, workers=2).filter(pl.col("worker") == 1)
    assert codes(GOOD.but(health=pl.concat([GOOD.health, stranger]))) == {"validity.health_stranger"}


@pytest.mark.parametrize(("seconds", "invalid"), [(10, True), (7, False)])
def test_a_saturated_worker_is_invalid_when_it_lasts_ten_seconds(seconds: int, invalid: bool) -> None:
    # 20 % otherwise: seven seconds at 90 % make 69 % over ten
    busy = pl.col("at_ns").is_between(
        GOOD.stages[0].started_ns + 20 * SECOND, GOOD.stages[0].started_ns + (19 + seconds) * SECOND
    )
    share = pl.when(busy).then(0.9).otherwise(0.2).alias("busy_share")
    found = codes(GOOD.but(health=GOOD.health.with_columns(share)))
    assert found == ({"validity.cpu"} if invalid else set())


@pytest.mark.parametrize(("cpu", "invalid"), [(0.69, False), (0.71, True)])
def test_the_limit_for_cpu_is_the_policy_s(cpu: float, invalid: bool) -> None:
    assert codes(GOOD.but(health=health(GOOD.stages, cpu=cpu, of=GOOD.records))) == (
        {"validity.cpu"} if invalid else set()
    )


@pytest.mark.parametrize("column", LAG_COLUMNS)
@pytest.mark.parametrize(
    ("busy", "steps", "rows", "invalid"),
    [(0.0, 1, 1, True), (0.0, 1, 1000, True), (0.0, 0, 1000, False), (1e-9, 1, 1000, False)],
    ids=["one row of all", "every row", "nothing was sent", "next to nothing was measured"],
)
def test_a_worker_that_sent_steps_and_was_never_busy_was_not_measured(
    busy: float, steps: int, rows: int, invalid: bool, column: str
) -> None:
    here = pl.int_range(pl.len()) < rows
    spoilt = [
        pl.when(here).then(pl.lit(value, HEALTH_SCHEMA[name])).otherwise(pl.col(name)).alias(name)
        for name, value in (("busy_share", busy), (column, steps))
    ]
    made = GOOD.but(health=GOOD.health.with_columns(spoilt))
    assert codes(made) == ({"validity.cpu_unmeasured"} if invalid else set())
    if invalid:
        reason = judged(made).reasons[0]
        count = min(rows, made.health.height)
        assert reason.params == {"worker": "0", "measured": str(count), "recorded": str(made.health.height)}


def lagging(lag_ns: int, share: float) -> Law:
    def law(at: Any, stage: Any, rng: np.random.Generator) -> Answers:
        late = np.zeros(len(at), dtype=np.int64)
        late[: round(len(at) * share)] = lag_ns
        return Answers(np.full(len(at), 50 * MS), lag_ns=late)

    return law


@pytest.mark.parametrize(
    ("objective", "lag_ms", "share", "invalid"),
    [
        ("p95 response time <= 2s", 101, 0.02, True),
        ("p95 response time <= 2s", 99, 0.02, False),
        ("p95 response time <= 2s", 101, 0.005, False),
        ("p95 response time <= 100ms", 11, 0.02, True),
        ("p95 response time <= 100ms", 9, 0.02, False),
        ("errors <= 1%", 11, 0.02, True),
        ("errors <= 1%", 9, 0.02, False),
    ],
)
def test_a_generator_that_sends_late_is_invalid(objective: str, lag_ms: int, share: float, invalid: bool) -> None:
    made = make(plan_of(load(objective)), lagging(lag_ms * MS, share))
    assert codes(made) == ({"validity.send_lag"} if invalid else set())


MALFORMED: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = [
    ("missing column", lambda f: f.drop("status")),
    ("unknown column", lambda f: f.with_columns(pl.lit(1).alias("mood"))),
    ("other type", lambda f: f.with_columns(pl.col("done_ns").cast(pl.Float64))),
    ("null", lambda f: f.with_columns(pl.when(pl.col("step") == 0).then(pl.col("done_ns")).alias("done_ns"))),
    ("null session", lambda f: f.with_columns(pl.when(pl.col("step") == 0).then(pl.col("session")).alias("session"))),
    ("no such outcome", lambda f: f.with_columns(pl.lit(77, pl.Int8).alias("outcome"))),
    ("ends before it begins", lambda f: f.with_columns((pl.col("intended_ns") - 1).alias("done_ns"))),
    ("sent after its end", lambda f: f.with_columns((pl.col("done_ns") + 1).alias("sent_ns"))),
    ("ok and never sent", lambda f: f.with_columns(pl.lit(None, pl.Int64).alias("sent_ns"))),
    ("unsent and sent", lambda f: f.with_columns(pl.lit(9, pl.Int8).alias("outcome"))),
]


@pytest.mark.parametrize("spoil", [spoil for _, spoil in MALFORMED], ids=[name for name, _ in MALFORMED])
@pytest.mark.parametrize("lazy", [False, True], ids=["frame", "scan"])
def test_malformed_records_are_invalid_and_raise_nothing(
    spoil: Callable[[pl.DataFrame], pl.DataFrame], lazy: bool
) -> None:
    spoilt = spoil(GOOD.records)
    data = replace(GOOD.data, records=spoilt.lazy() if lazy else spoilt)
    trial = judge(GOOD.plan, DIGEST, POLICY, [data]).trials[0]
    assert trial.verdict is Verdict.INVALID
    assert {reason.code for reason in trial.reasons} & {"validity.records_unreadable", "validity.stray_records"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.drop("stall_ns"),
        lambda f: f.with_columns(pl.lit(float("nan")).alias("cpu_share")),
        lambda f: f.with_columns(pl.lit(None, pl.Float64).alias("cpu_share")),
    ],
    ids=["missing column", "not a number", "null"],
)
def test_malformed_health_rows_are_invalid(spoil: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    assert "validity.health_unreadable" in codes(GOOD.but(health=spoil(GOOD.health)))


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.integers(0, 3))
def test_a_truncated_input_is_never_a_pass(share: float, seed: int) -> None:
    kept = GOOD.records.sample(n=min(int(share * len(GOOD.records)), len(GOOD.records) - 1), seed=seed)
    assert judged(GOOD.but(records=kept)).verdict is Verdict.INVALID


def test_every_broken_rule_is_named_and_figures_are_still_shown() -> None:
    made = GOOD.but(
        ending=Ending.INTERRUPTED, details=("by hand",), health=health(GOOD.stages, cpu=0.9, of=GOOD.records)
    )
    trial = judged(made)
    assert {reason.code for reason in trial.reasons} == {"validity.interrupted", "validity.cpu"}
    assert len(trial.stages) == 1


def test_invalid_outranks_a_failing_service() -> None:
    plan = plan_of(load("p95 response time <= 10ms"))
    failing = make(plan, constant(SECOND))
    assert judged(failing).verdict is Verdict.FAIL
    assert judged(failing.but(health=empty_health())).verdict is Verdict.INVALID
