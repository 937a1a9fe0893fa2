"""Objectives that read like a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.objective import Load, Metric, parse_load, parse_objective, write_load
from seatrial.units import SECOND


def test_a_percentile_of_response_time_is_in_nanoseconds() -> None:
    objective = parse_objective("p99.9 response time <= 2s")
    assert (objective.metric, objective.quantile, objective.limit) == (Metric.RESPONSE_TIME, 0.999, 2 * SECOND)
    assert objective.is_time
    assert objective.meets(2 * SECOND)
    assert not objective.meets(2 * SECOND + 1)


def test_a_mean_and_a_median_are_told_apart() -> None:
    assert parse_objective("mean service time <= 800ms").statistic == "mean"
    median = parse_objective("median service time <= 800ms")
    assert (median.metric, median.statistic, median.quantile) == (Metric.SERVICE_TIME, "quantile", 0.5)


def test_shares_are_fractions_of_one() -> None:
    assert parse_objective("errors <= 0.1%").limit == pytest.approx(0.001)
    goodput = parse_objective("goodput >= 99% of offered")
    assert (goodput.metric, goodput.limit) == (Metric.GOODPUT, 0.99)
    assert goodput.meets(0.99)
    assert not goodput.meets(0.98)
    assert parse_objective("achieved >= 99 % of offered").metric is Metric.ACHIEVED


def test_capacity_is_a_load() -> None:
    assert parse_objective("capacity >= 2.0 P").load == Load(2.0, "P")
    assert parse_objective("capacity >= 120/min").load == Load(2.0, "/s")


def test_a_scope_is_the_rest_of_the_sentence() -> None:
    assert parse_objective("errors <= 1% for step list sessions").step == "list sessions"
    assert parse_objective("p50 response time <= 1s for journey book").journey == "book"
    assert parse_objective("errors <= 1% for step look for journey x").step == "look for journey x"
    assert parse_objective("errors  <=  1%   for  step  book").text == "errors  <=  1%   for  step  book"


WRONG = {
    "": "not an objective", "fast": "not an objective", "errors <= 1": "not an objective",
    "p95 response time <= 2": "not a duration", "p95 response time <= 0s": "a limit of zero time",
    "p0 response time <= 1s": "between p0 and p100", "p100 response time <= 1s": "not an objective",
    "p95 response time >= 2s": "limited by <=", "p95 response time < 2s": "limited by <=",
    "errors >= 1%": "limited by <=", "errors <= 100%": "nothing can break",
    "goodput >= 0% of offered": "nothing can break", "achieved >= 0.0% of offered": "nothing can break",
    "errors = 1%": "limited by <=", "goodput <= 99% of offered": "limited by >=", "goodput >= 99%": "of offered",
    "errors <= 1% of offered": "is written", "errors <= 101%": "more than 100 %", "errors <= 1.2.3%": "not a share",
    "capacity <= 2 P": "limited by >=", "capacity >= 0 P": "zero", "capacity >= 2": "not a load level",
    "capacity >= 2 P for step x": "capacity is a property of the whole service",
    "p95 latency <= 1s": "not an objective",
    "errors <= 1% for step": "not an objective",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_objective_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text].replace("?", "")):
        parse_objective(text)


@given(text=st.text(max_size=40) | st.from_regex(r"p\d+ (response|service) time (<=|>=|<) ?[\d.]+ ?(s|ms|%)?"))
def test_arbitrary_text_is_an_objective_or_a_value_error(text: str) -> None:
    try:
        objective = parse_objective(text)
    except ValueError:
        return
    assert objective.text == text


@given(value=st.floats(1e-9, 1000), unit=st.sampled_from(["P", "/s"]))
def test_a_written_load_level_reads_back_exactly(value: float, unit: str) -> None:
    load = Load(value, "P" if unit == "P" else "/s")
    assert parse_load(write_load(load)) == load


def test_a_load_level_is_a_multiple_of_the_peak_or_a_rate() -> None:
    assert parse_load("1.5 P").rate(40) == 60
    assert parse_load("60/s").rate(40) == 60
    assert str(parse_load("1.50 P")) == "1.5 P"
    for text in ("", "P", "0 P", "-1 P", "1 p", "1", "0/s", "1001 P", "20000000/s", "٢ P"):
        with pytest.raises(ValueError, match=r"load level|peak|rate"):
            parse_load(text)
