"""What the generator's machine may run out of, lose to its hypervisor, or have done to its clock: from both sides."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, POLICY, Made, exponential, load, make, plan_of, stress
from tests.verdict.test_unsent import SLOW

from seatrial.model.reasons import sentence
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge
from seatrial.verdict.machine import files_used, ports_used, steal_of

GOOD = make(plan_of(load("p95 response time <= 2s", "errors <= 1%", warmup="20s")), exponential(100 * MS), workers=2)
LEVELS = make(plan_of(stress("p95 response time <= 2s", "capacity >= 2 P")), exponential(100 * MS))
STARTED = GOOD.stages[0].started_ns
JUDGED = STARTED + 20 * SECOND
at = pl.col("at_ns")


def judged(made: Made) -> TrialVerdict:
    return judge(made.plan, DIGEST, made.policy, [made.data]).trials[0]


def codes(made: Made) -> set[str]:
    trial = judged(made)
    return {reason.code for reason in trial.reasons} if trial.verdict is Verdict.INVALID else set()


def but(made: Made, column: str, value: float, where: pl.Expr | None = None) -> Made:
    told = pl.lit(value) if where is None else pl.when(where).then(pl.lit(value)).otherwise(pl.col(column))
    return made.but(health=made.health.with_columns(told.cast(made.health.schema[column]).alias(column)))


ONE_ROW = (at == STARTED + 40 * SECOND) & (pl.col("worker") == 1)


@pytest.mark.parametrize(("files", "invalid"), [(18_999, False), (19_000, True), (20_000, True)])
def test_a_worker_with_95_of_100_of_its_files_open_is_invalid(files: int, invalid: bool) -> None:
    made = but(GOOD, "open_files", files, ONE_ROW)
    assert codes(made) == ({"validity.files"} if invalid else set())
    assert (1, files, 20_000) in files_used(made.health)
    if invalid:
        assert judged(made).reasons[0].text.startswith(f"Worker 1 of the generator had {files:,} files open")


@pytest.mark.parametrize(("each", "invalid"), [(13_410, False), (13_411, True)])
def test_workers_that_hold_95_of_100_of_the_local_ports_together_are_invalid(each: int, invalid: bool) -> None:
    # 26,820.4 of 28,232; either worker alone is far from it. They count two fifths of a second apart.
    made = but(GOOD, "connections", each, at.is_between(STARTED + 40 * SECOND, STARTED + 43 * SECOND))
    apart = made.health.with_columns(at + pl.col("worker").cast(pl.Int64) * (2 * SECOND // 5))
    assert codes(made.but(health=apart)) == ({"validity.ports"} if invalid else set())
    assert ports_used(apart) == (2 * each, 28_232)


def test_connections_that_were_never_held_at_once_are_not_added_up() -> None:
    made = but(GOOD, "connections", 0)
    made = but(made, "connections", 20_000, (at < STARTED + 20 * SECOND) & (pl.col("worker") == 0))
    made = but(made, "connections", 20_000, (at > STARTED + 30 * SECOND) & (pl.col("worker") == 1))
    assert ports_used(made.health) == (20_000, 28_232)
    assert codes(made) == set()


def test_what_a_worker_said_last_is_not_counted_once_it_has_fallen_silent() -> None:
    early, late = (at <= STARTED + 20 * SECOND), (at >= STARTED + 30 * SECOND)
    made = but(GOOD, "connections", 20_000, pl.when(pl.col("worker") == 0).then(early).otherwise(late))
    rows = made.health.filter(pl.when(pl.col("worker") == 0).then(early).otherwise(True))
    used, limit = ports_used(rows) or (0, 0)
    assert 20_000 <= used < 20_100  # and the few sessions that the other held then
    assert limit == 28_232


@pytest.mark.parametrize("column", ["files_limit", "ports_limit"])
def test_a_limit_that_the_machine_does_not_tell_is_not_reached(column: str) -> None:
    made = but(but(but(GOOD, "open_files", 10**6), "connections", 10**6), column, -1)
    assert codes(made) == {"validity.ports" if column == "files_limit" else "validity.files"}
    assert files_used(but(GOOD, "files_limit", -1).health) == []
    assert ports_used(but(GOOD, "ports_limit", -1).health) is None


@pytest.mark.parametrize("column", ["files_refused", "ports_refused"])
def test_one_connection_that_the_machine_refused_is_invalid_however_many_are_open(column: str) -> None:
    made = but(GOOD, column, 3, ONE_ROW)
    assert codes(made) == {f"validity.{column}"}
    assert judged(made).reasons[0].text.startswith("3 connections of the generator failed because")


@pytest.mark.parametrize(("share", "invalid"), [(0.049, False), (0.05, False), (0.051, True), (1.0, True)])
def test_a_core_of_which_more_than_the_limit_is_stolen_is_invalid(share: float, invalid: bool) -> None:
    made = but(GOOD, "steal_share", share)
    assert codes(made) == ({"validity.steal"} if invalid else set())


@pytest.mark.parametrize(("seconds", "invalid"), [(3, False), (4, True)])
def test_steal_is_the_mean_over_the_judged_time(seconds: int, invalid: bool) -> None:
    """A core that is taken whole for three of sixty seconds is 5 %, the limit; for four it is more."""
    taken = at.is_between(JUDGED + SECOND, JUDGED + seconds * SECOND)
    assert codes(but(GOOD, "steal_share", 1.0, taken)) == ({"validity.steal"} if invalid else set())


def test_steal_before_and_after_the_judged_time_disturbs_nobody() -> None:
    end_ns = STARTED + 80 * SECOND
    around = (at <= JUDGED) | (at > end_ns)
    made = but(GOOD, "steal_share", 1.0, around)
    assert made.health.filter(around).height > 20
    assert codes(made) == set()


def test_a_core_that_only_one_worker_may_use_counts_as_the_worker_fares_who_uses_it() -> None:
    assert codes(but(GOOD, "steal_share", 0.2, pl.col("worker") == 1)) == {"validity.steal"}


def test_steal_at_one_level_is_not_spread_over_the_others() -> None:
    stage = LEVELS.stages[1]
    during = at.is_between(stage.started_ns + SECOND, stage.started_ns + 5 * SECOND)
    made = but(LEVELS, "steal_share", 0.4, during)  # 6.7 % of that level, 1 % of the trial
    trial = judged(made)
    assert [reason.code for reason in trial.reasons] == ["validity.steal", *[r.code for r in trial.reasons[1:]]]
    assert "at 1.5 P" in trial.reasons[0].text


def test_the_limit_for_steal_is_the_policy_s() -> None:
    validity = POLICY.validity.model_copy(update={"steal": 0.3})
    made = but(GOOD, "steal_share", 0.29).but(policy=POLICY.model_copy(update={"validity": validity}))
    assert codes(made) == set()
    assert codes(but(made, "steal_share", 0.31)) == {"validity.steal"}


@settings(max_examples=50, deadline=None)
@given(
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=20),
    gaps_ms=st.lists(st.integers(1, 3000), min_size=20, max_size=20),
)
def test_steal_is_weighted_by_the_time_that_each_row_tells_of(shares: list[float], gaps_ms: list[int]) -> None:
    at, rows = SECOND, []
    for share, gap in zip(shares, gaps_ms, strict=False):
        at += gap * MS
        rows.append((0, at, share))
    frame = pl.DataFrame(rows, schema=["worker", "at_ns", "steal_share"], orient="row")
    told = zip(shares[1:], gaps_ms[1:], strict=False)
    expected = sum(share * gap for share, gap in told) / sum(gaps_ms[1 : len(shares)])
    assert steal_of(frame, rows[0][1], rows[-1][1]) == pytest.approx(expected, abs=1e-6)
    assert steal_of(frame, at + SECOND, at + 2 * SECOND) is None


@pytest.mark.parametrize("step_ns", [3600 * SECOND, -3600 * SECOND, SECOND // 2 + 1000, SECOND // 2, MS])
def test_a_wall_clock_that_is_set_is_told_and_changes_nothing(step_ns: int) -> None:
    later = at >= STARTED + 30 * SECOND
    moved = pl.when(later).then(pl.col("clock_offset_ns") + step_ns).otherwise(pl.col("clock_offset_ns"))
    made = GOOD.but(health=GOOD.health.with_columns(moved.alias("clock_offset_ns")))
    before, after = judged(GOOD), judged(made)
    told = [reason for reason in after.reasons if reason.code == "generator.clock_stepped"]
    assert after.model_copy(update={"reasons": before.reasons}) == before
    assert after.verdict is Verdict.PASS
    assert len(told) == (abs(step_ns) > SECOND // 2)
    for reason in told:
        assert reason.params["count"] == "1"  # two workers saw the same step
        assert reason.params["measured"] == ("1 h" if abs(step_ns) > SECOND else "500 ms")
        assert reason.params["measured"] in sentence(reason.code, reason.params, "zh-Hant")


@pytest.mark.parametrize("step_ns", [-26 * 3600 * SECOND, SECOND // 2 + 1000, SECOND // 2 - 1000, 0, None])
def test_a_wall_clock_that_is_set_before_the_first_health_row_is_told(step_ns: int | None) -> None:
    before_ns = None if step_ns is None else int(GOOD.health["clock_offset_ns"][0]) - step_ns
    data = replace(GOOD.data, log=replace(GOOD.data.log, clock_offset_ns=before_ns))
    trial = judge(GOOD.plan, DIGEST, GOOD.policy, [data]).trials[0]
    told = [reason.params for reason in trial.reasons if reason.code == "generator.clock_stepped"]
    assert trial.verdict is Verdict.PASS
    assert len(told) == (step_ns is not None and abs(step_ns) > SECOND // 2)
    assert all(params["count"] == "1" for params in told)  # two workers saw the same step


def test_a_clock_that_is_set_twice_is_told_with_the_larger_step_and_beside_what_is_invalid() -> None:
    health_rows = GOOD.health.with_columns(
        pl.col("clock_offset_ns")
        + pl.when(at >= STARTED + 30 * SECOND).then(2 * SECOND).otherwise(0)
        - pl.when(at >= STARTED + 50 * SECOND).then(7 * SECOND).otherwise(0)
    )
    trial = judged(but(GOOD.but(health=health_rows), "steal_share", 1.0))
    assert [reason.code for reason in trial.reasons] == ["validity.steal", "generator.clock_stepped"]
    assert trial.reasons[1].params == {"measured": "7 s", "count": "2"}


def test_load_that_was_not_sent_is_not_the_service_s_doing_where_the_generator_ran_out_of_files() -> None:
    assert judged(SLOW).verdict is Verdict.FAIL
    last = at == SLOW.stages[0].started_ns + 50 * SECOND
    assert codes(but(SLOW, "files_refused", 1, last)) == {"validity.files_refused", "validity.unsent"}


@pytest.mark.parametrize("column", ["steal_share", "open_files", "connections", "files_refused", "lag_to_1ms"])
def test_health_below_zero_is_unreadable(column: str) -> None:
    assert "validity.health_unreadable" in codes(but(GOOD, column, -1, ONE_ROW))


@pytest.mark.parametrize(("apart_ns", "invalid"), [(9 * MS, False), (10 * MS, False), (11 * MS, True), (-SECOND, True)])
def test_workers_whose_clocks_differ_by_more_than_the_limit_are_invalid(apart_ns: int, invalid: bool) -> None:
    made = make(GOOD.plan, exponential(100 * MS), workers=2)
    moved = pl.col("clock_offset_ns") + pl.when(pl.col("worker") == 1).then(apart_ns).otherwise(0)
    made = made.but(health=made.health.with_columns(moved.alias("clock_offset_ns")))
    assert ("validity.clock_skew" in codes(made)) is invalid
    assert (judged(made).verdict is Verdict.INVALID) is invalid


def test_a_worker_that_was_interrupted_while_it_read_its_clocks_has_the_clock_of_the_others() -> None:
    made = make(GOOD.plan, exponential(100 * MS), workers=2)
    odd = (pl.col("worker") == 1) & (pl.int_range(pl.len()) % 5 == 0)
    moved = pl.col("clock_offset_ns") + pl.when(odd).then(80 * MS).otherwise(0)
    assert "validity.clock_skew" not in codes(made.but(health=made.health.with_columns(moved.alias("clock_offset_ns"))))


def test_a_wall_clock_that_is_set_for_all_workers_is_no_skew() -> None:
    made = make(GOOD.plan, exponential(100 * MS), workers=2)
    later = pl.col("at_ns") > pl.col("at_ns").median()
    moved = pl.col("clock_offset_ns") + pl.when(later).then(SECOND).otherwise(0)
    assert "validity.clock_skew" not in codes(made.but(health=made.health.with_columns(moved.alias("clock_offset_ns"))))
