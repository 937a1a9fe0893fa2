"""Limits on the service's own figures: kept, broken and undecided by readings whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, STARTED_NS, Made, constant, load, make, plan_of, stress

from seatrial.errors import BundleError
from seatrial.evidence.recompute import read_trial
from seatrial.model.objective import parse_objective
from seatrial.model.plan import Plan
from seatrial.model.telemetry import Missing
from seatrial.model.verdict import ObjectiveResult, TrialVerdict, Verdict
from seatrial.samples.telemetry import TELEMETRY_SCHEMA, empty_telemetry
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge
from seatrial.verdict.telemetry import check_telemetry, judge_telemetry, readings_of

Law = Callable[[np.ndarray[Any, Any]], Any]
SERIES = {
    "cpu": {"rate": "cpu_total", "of": 2},
    "memory": {"value": "heap_bytes", "limit": "1 GB"},
    "queue": {"value": "queue_length"},
}
TELEMETRY = {"every": "1s", "sources": {"app": {"prometheus": "http://127.0.0.1:1/metrics", "series": SERIES}}}
FROM_NS, TO_NS = STARTED_NS, STARTED_NS + 600 * SECOND
PASS, FAIL, INCONCLUSIVE, INVALID = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.INVALID
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 1, 600)


def plan_with(*objectives: str, **more: Any) -> Plan:
    trial = load("p95 response time <= 2s", "errors <= 1%", *objectives, hold="10m", warmup="0s", **more)
    return plan_of(trial, peak="2/s", telemetry=TELEMETRY)


def rows(series: int, at_s: Sequence[float] | Any, value: Any, missing: Missing = Missing.NO) -> pl.DataFrame:
    at = STARTED_NS + np.rint(np.asarray(at_s, dtype=np.float64) * SECOND).astype(np.int64)
    shown = [None] * len(at) if missing else np.broadcast_to(np.asarray(value, dtype=np.float64), len(at))
    columns = {"series": np.full(len(at), series), "at_ns": at, "value": shown, "missing": np.full(len(at), missing)}
    return pl.DataFrame(columns, schema=TELEMETRY_SCHEMA, strict=False)


EVERY_SECOND = np.arange(600) + 0.5
NUMBER = {"cpu": 0, "memory": 1, "queue": 2}


def verdict_on(objective: str, value: Any, at_s: Any = EVERY_SECOND, gone: pl.DataFrame | None = None) -> Any:
    plan, found = plan_with(), parse_objective(objective)
    name = str(found.series)
    there = rows(NUMBER[name.partition(".")[2]], at_s, value)
    frame = there if gone is None else pl.concat([gone, there])
    return judge_telemetry(found, readings_of(plan, frame, name, ((FROM_NS, TO_NS),)), 0.95)


@pytest.mark.parametrize(
    ("objective", "value", "verdict"),
    [
        ("mean telemetry app.cpu <= 70%", 0.6 + 0.05 * NOISE, PASS),
        ("mean telemetry app.cpu <= 70%", 0.8 + 0.05 * NOISE, FAIL),
        ("mean telemetry app.cpu <= 70%", 0.7 + 0.05 * (NOISE - NOISE.mean()), INCONCLUSIVE),
        ("mean telemetry app.cpu >= 50%", 0.6 + 0.05 * NOISE, PASS),
        ("mean telemetry app.cpu >= 50%", 0.4 + 0.05 * NOISE, FAIL),
        ("max telemetry app.queue <= 200", np.where(EVERY_SECOND == 300.5, 200, 3), PASS),
        ("max telemetry app.queue <= 200", np.where(EVERY_SECOND == 300.5, 201, 3), FAIL),
        ("telemetry app.memory drift <= 10%", 1e8 * (1 + 0.01 * NOISE), PASS),
        ("telemetry app.memory drift <= 10%", 1e8 * (1 + 0.05 * EVERY_SECOND / 600 + 0.01 * NOISE), PASS),
        ("telemetry app.memory drift <= 10%", 1e8 * (1 + 0.2 * EVERY_SECOND / 600 + 0.01 * NOISE), FAIL),
        ("telemetry app.memory drift <= 10%", 1e8 * (1 + 0.1 * EVERY_SECOND / 600 + 0.05 * NOISE), INCONCLUSIVE),
        # 100 MB and 50 MB more in each ten minutes: 1 GB after three hours.
        ("telemetry app.memory exhausted after >= 2h", 1e8 + 5e7 * EVERY_SECOND / 600 + 1e5 * NOISE, PASS),
        ("telemetry app.memory exhausted after >= 4h", 1e8 + 5e7 * EVERY_SECOND / 600 + 1e5 * NOISE, FAIL),
        ("telemetry app.memory exhausted after >= 3h", 1e8 + 5e7 * EVERY_SECOND / 600 + 1e6 * NOISE, INCONCLUSIVE),
        ("telemetry app.memory exhausted after >= 36h", 1e8 - 1e7 * EVERY_SECOND / 600 + 1e5 * NOISE, PASS),
        ("telemetry app.memory exhausted after >= 1m", 2e8 + 4e9 * EVERY_SECOND / 600, PASS),
        ("telemetry app.memory exhausted after >= 5m", 2e8 + 4e9 * EVERY_SECOND / 600, FAIL),
    ],
)
def test_a_limit_is_kept_broken_or_undecided_as_the_readings_say(objective: str, value: Any, verdict: Verdict) -> None:
    result: ObjectiveResult = verdict_on(objective, value)
    assert result.verdict is verdict, result
    assert (result.undecided is None) == (verdict is not INCONCLUSIVE)


def test_the_time_to_exhaustion_is_that_of_the_line() -> None:
    found = verdict_on("telemetry app.memory exhausted after >= 2h", 1e8 + 5e7 * EVERY_SECOND / 600 + 1e5 * NOISE)
    assert found.value.estimate == pytest.approx(3 * 3600 * SECOND, rel=0.01)
    assert found.value.lower < found.value.estimate < found.value.upper


def test_a_series_that_does_not_rise_never_reaches_its_limit() -> None:
    found = verdict_on("telemetry app.memory exhausted after >= 36h", 1e8 - 1e7 * EVERY_SECOND / 600 + 1e5 * NOISE)
    assert found.verdict is PASS
    assert found.value.lower is None
    assert found.value.estimate is None


def test_neighbours_that_resemble_each_other_leave_the_mean_less_certain() -> None:
    slow = 0.68 + 0.05 * np.sin(EVERY_SECOND / 40)
    alike = verdict_on("mean telemetry app.cpu <= 70%", slow)
    mixed = verdict_on("mean telemetry app.cpu <= 70%", RNG.permutation(slow))
    assert mixed.verdict is PASS
    assert alike.verdict is INCONCLUSIVE
    assert alike.undecided == "length"
    assert alike.longer > 1


@pytest.mark.parametrize(("there", "verdict"), [(479, INCONCLUSIVE), (480, PASS)])
@pytest.mark.parametrize(
    "objective",
    [
        "mean telemetry app.memory <= 1 GB",
        "max telemetry app.memory <= 1 GB",
        "telemetry app.memory drift <= 50%",
        "telemetry app.memory exhausted after >= 1h",
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_no_limit_passes_on_fewer_than_four_fifths_of_the_readings_that_were_due(
    objective: str, there: int, verdict: Verdict, *, written: bool
) -> None:
    gone = rows(1, EVERY_SECOND[there:], None, Missing.TIMEOUT) if written else None
    at_s, value = EVERY_SECOND[:there], 1e8 + 1e5 * NOISE[:there]
    result = verdict_on(objective, value, at_s, gone)
    assert result.verdict is verdict
    assert result.undecided == (None if verdict is PASS else "hidden")


def test_a_limit_that_few_readings_break_is_broken() -> None:
    assert verdict_on("max telemetry app.memory <= 1 GB", 2e9, EVERY_SECOND[:10]).verdict is FAIL
    assert verdict_on("mean telemetry app.memory <= 1 GB", 2e9, EVERY_SECOND[:10]).verdict is FAIL


def test_a_drift_over_too_short_a_time_is_undecided() -> None:
    plan, objective = plan_with(), parse_objective("telemetry app.memory drift <= 10%")
    frame = rows(1, EVERY_SECOND, 1e8)
    for length_s, verdict in ((39, INCONCLUSIVE), (40, PASS)):
        readings = readings_of(plan, frame, "app.memory", ((FROM_NS, FROM_NS + length_s * SECOND),))
        assert judge_telemetry(objective, readings, 0.95).verdict is verdict


def test_readings_beyond_the_judged_time_and_of_other_series_count_for_nothing() -> None:
    plan = plan_with()
    at_s = [-0.001, 0, 599.999, 600]
    frame = pl.concat([rows(1, at_s, [9e9, 1e8, 1e8, 9e9]), rows(2, [10], 9e9)])
    found = readings_of(plan, frame, "app.memory", ((FROM_NS, TO_NS),))
    assert found is not None
    assert found.value.tolist() == [1e8, 1e8]
    assert found.due == 600


@settings(deadline=None, max_examples=30)
@given(st.randoms())
def test_the_order_of_the_rows_changes_nothing(random: Any) -> None:
    plan, objective = plan_with(), parse_objective("mean telemetry app.cpu <= 70%")
    frame = rows(0, EVERY_SECOND, 0.65 + 0.05 * np.sin(EVERY_SECOND / 9))
    order = list(range(frame.height))
    random.shuffle(order)
    spans = ((FROM_NS, TO_NS),)
    first, second = (readings_of(plan, f, "app.cpu", spans) for f in (frame, frame[order]))
    assert judge_telemetry(objective, first, 0.95) == judge_telemetry(objective, second, 0.95)


TAMPERED: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "another column": (lambda f: f.with_columns(more=1), "columns"),
    "a column that is gone": (lambda f: f.drop("missing"), "columns"),
    "another type": (lambda f: f.with_columns(pl.col("value").cast(pl.Float32)), "columns"),
    "a series that the plan has not": (lambda f: f.with_columns(series=pl.lit(3, pl.Int16)), "series"),
    "a series below none": (lambda f: f.with_columns(series=pl.lit(-1, pl.Int16)), "series"),
    "no time": (lambda f: f.with_columns(at_ns=pl.lit(None, pl.Int64)), "null"),
    "no such reason": (
        lambda f: f.with_columns(missing=pl.lit(99, pl.Int8), value=pl.lit(None, pl.Float64)),
        "missing",
    ),
    "a null that is read": (lambda f: f.with_columns(value=pl.lit(None, pl.Float64)), "value"),
    "a value that is missing": (lambda f: f.with_columns(missing=pl.lit(1, pl.Int8)), "value"),
    "not a number": (lambda f: f.with_columns(value=pl.lit(float("nan"))), "finite"),
    "without end": (lambda f: f.with_columns(value=pl.lit(float("-inf"))), "finite"),
    "one twice": (lambda f: pl.concat([f, f[:1]]), "twice"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_readings_that_can_not_be_are_named_and_make_the_trial_invalid(name: str, healthy: Made) -> None:
    spoil, named = TAMPERED[name]
    frame = rows(1, EVERY_SECOND, 1e8)
    check_telemetry(healthy.plan, frame)
    with pytest.raises(BundleError, match=named):
        check_telemetry(healthy.plan, spoil(frame))
    assert judged(healthy, frame).verdict is PASS
    spoilt = judged(healthy, spoil(frame))
    assert spoilt.verdict is INVALID
    assert "validity.telemetry_unreadable" in codes(spoilt)


def test_a_reading_of_nothing_may_be_written_twice_at_one_moment(healthy: Made) -> None:
    frame = rows(1, [1, 1], None, Missing.LATE)
    check_telemetry(healthy.plan, frame)


@pytest.fixture(scope="module")
def healthy() -> Made:
    return make(plan_with("max telemetry app.memory <= 500 MB"), constant(100 * MS))


def judged(made: Made, telemetry: pl.DataFrame) -> TrialVerdict:
    return judge(made.plan, DIGEST, made.policy, [made.but(telemetry=telemetry).data]).trials[0]


def codes(verdict: TrialVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_a_trial_passes_fails_and_is_undecided_by_the_service_s_own_figures(healthy: Made) -> None:
    kept = judged(healthy, rows(1, EVERY_SECOND, 1e8))
    assert kept.verdict is PASS
    assert "telemetry.kept" in codes(kept)
    broken = judged(healthy, rows(1, EVERY_SECOND, 6e8))
    assert broken.verdict is FAIL
    assert "telemetry.broken" in codes(broken)
    few = judged(healthy, rows(1, EVERY_SECOND[::2], 1e8))
    assert few.verdict is INCONCLUSIVE
    assert "telemetry.hidden" in codes(few)


@pytest.mark.parametrize("why", [missing for missing in Missing if missing])
def test_a_trial_of_which_nobody_read_anything_is_invalid_and_says_why(healthy: Made, why: Missing) -> None:
    found = judged(healthy, rows(1, EVERY_SECOND, None, why))
    assert found.verdict is INVALID
    reason = next(r for r in found.reasons if r.code == "validity.no_telemetry")
    assert reason.params["how"] == f"missing_{why.name.lower()}"
    assert judged(healthy, empty_telemetry()).verdict is INVALID


def test_a_series_without_a_limit_may_be_missing(healthy: Made) -> None:
    frame = pl.concat([rows(1, EVERY_SECOND, 1e8), rows(0, EVERY_SECOND, None, Missing.NO_SERIES)])
    found = judged(healthy, frame)
    assert found.verdict is PASS
    shown = {t.series: t for t in found.stages[0].telemetry or ()}
    assert list(shown) == ["app.cpu", "app.memory", "app.queue"]
    assert (shown["app.cpu"].readings, shown["app.cpu"].due, shown["app.cpu"].mean.estimate) == (0, 600, None)
    assert (shown["app.memory"].readings, shown["app.memory"].highest) == (600, 1e8)


def test_a_level_that_the_service_s_own_figures_break_does_not_hold() -> None:
    limits = ("p95 response time <= 2s", "max telemetry app.queue <= 50", "capacity >= 1 P")
    plan = plan_of(stress(*limits, to="2 P", step="1 P"), telemetry=TELEMETRY)
    made = make(plan, constant(100 * MS))
    begun = [(log.started_ns - STARTED_NS) / SECOND for log in made.stages]
    at_s = np.concatenate([np.arange(30) + 0.5 + at for at in begun])

    def levels(value: Any) -> list[tuple[str, bool | None]]:
        return [(stage.name, stage.held) for stage in judged(made, rows(2, at_s, value)).stages]

    assert levels(np.where(at_s < begun[1], 10, 49)) == [("1 P", True), ("2 P", True)]
    assert levels(np.where(at_s < begun[1], 10, 51)) == [("1 P", True), ("2 P", False)]


def test_the_bundle_s_file_is_what_is_judged_and_one_that_can_not_be_read_is_a_problem(
    healthy: Made, tmp_path: Path
) -> None:
    log, frame, file = healthy.data.log, rows(1, EVERY_SECOND, 1e8), tmp_path / "telemetry" / "t.parquet"
    assert read_trial(tmp_path, "t", log).telemetry.equals(empty_telemetry())
    file.parent.mkdir()
    frame.write_parquet(file)
    whole = read_trial(tmp_path, "t", log)
    assert whole.telemetry.equals(frame)
    assert not whole.problems
    another = frame.rename({"value": "figure"})
    for spoil in (lambda: file.write_bytes(file.read_bytes()[:-9]), lambda: another.write_parquet(file)):
        spoil()
        torn = read_trial(tmp_path, "t", log)
        assert [problem.code for problem in torn.problems] == ["validity.telemetry_unreadable"]
        assert torn.telemetry.is_empty()
        file.unlink()
        frame.write_parquet(file)
