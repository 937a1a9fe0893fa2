"""Theil-Sen and Mann-Kendall against scipy, their laws, and how often a drift is found where there is one or none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import kendalltau, theilslopes

from seatrial.stats.drift import LEAST_WINDOWS, drift, inflation, mean_drift, time_to_limit
from seatrial.stats.window_series import Series, mean_series, quantile_series, share_series, windows_for
from seatrial.units import SECOND

HOUR = 3600 * SECOND
VALUES = st.lists(st.integers(1, 50), min_size=LEAST_WINDOWS, max_size=40)


def series(values: list[float] | np.ndarray, span_ns: int = HOUR) -> Series:
    k = len(values)
    return Series.exact((np.arange(k) + 0.5) * span_ns / k, values, 0, span_ns)


def hidden_in(values: list[float], hidden: set[int]) -> Series:
    shown = series(values)
    high = np.array([math.inf if k in hidden else value for k, value in enumerate(values)])
    return Series(shown.at_ns, shown.low, high, 0, HOUR)


@given(VALUES)
def test_the_slope_is_that_of_scipy_and_so_is_kendall_s_s(values):
    found, shown = drift(series(values), 0.95), series(values)
    t = shown.at_ns / SECOND
    oracle = theilslopes(values, t)
    assert found.slope_per_s.estimate == pytest.approx(oracle.slope, abs=1e-12)
    s = sum(np.sign(b - a) for k, a in enumerate(values) for b in values[k + 1 :])
    assert found.tau == pytest.approx(s / math.comb(len(values), 2))


@given(st.permutations(range(30)))
def test_without_ties_the_p_value_is_that_of_scipy_as_far_as_correlation_does_not_widen_it(values):
    found = drift(series(list(values)), 0.95)
    oracle = kendalltau(range(30), values, method="asymptotic")
    # scipy makes no correction for continuity and none for correlation: both only raise p.
    assert found.p_value >= oracle.pvalue - 1e-12
    assert found.tau == pytest.approx(oracle.statistic)


def test_the_bounds_of_uncorrelated_windows_are_those_of_scipy():
    seen = 0
    for seed in range(40):
        values = np.random.default_rng(seed).normal(10, 1, 40)
        shown = series(values)
        oracle = theilslopes(values, shown.at_ns / SECOND, alpha=0.95)
        found = drift(shown, 0.95).slope_per_s
        assert found.lower <= oracle.low_slope + 1e-15
        assert found.upper >= oracle.high_slope - 1e-15
        if inflation(values - oracle.slope * shown.at_ns / SECOND) == 1.0:
            seen += 1
            width = oracle.high_slope - oracle.low_slope
            assert found.upper - found.lower <= width * 1.1
    assert seen >= 10


def test_a_straight_line_is_found_exactly():
    found = drift(series(np.linspace(100, 120, 81)[1::2]), 0.95)
    assert found.change.estimate == pytest.approx(0.2)
    assert found.change.lower == pytest.approx(0.2)
    assert found.rise.estimate == pytest.approx(20)
    assert found.start == pytest.approx(100)
    assert (found.tau, found.direction) == (1.0, "rising")


@given(VALUES, st.sampled_from([0.001, 7, 1e9]))
def test_the_unit_changes_neither_the_share_nor_the_p_value(values, unit):
    before, after = drift(series(values), 0.95), drift(series([value * unit for value in values]), 0.95)
    assert (before.tau, before.direction) == (after.tau, after.direction)
    for a, b in zip(before.change.model_dump().values(), after.change.model_dump().values(), strict=True):
        assert a is b is None or a == pytest.approx(b, rel=1e-9, abs=1e-9)


@given(VALUES)
def test_time_turned_round_turns_the_drift_round(values):
    for of in (drift, mean_drift):
        before, after = of(series(values), 0.95), of(series(values[::-1]), 0.95)
        assert before.slope_per_s.estimate == pytest.approx(-after.slope_per_s.estimate, abs=1e-12)
        assert before.rise.lower == pytest.approx(-after.rise.upper, abs=1e-7)
        assert before.p_value == pytest.approx(after.p_value)


@given(VALUES, st.sets(st.integers(0, 39), max_size=6), st.integers(1, 1000))
def test_bounds_over_hidden_figures_enclose_what_knowing_them_gives(values, hidden, more):
    covered = drift(hidden_in(values, hidden), 0.95)
    whole = [value + more * (k in hidden) for k, value in enumerate(values)]
    known = drift(series(whole), 0.95)
    if covered.undecided is None and inflation(np.array(whole)) == 1.0:
        f = inflation(np.array(values) - covered.slope_per_s.estimate * series(values).at_ns / SECOND)
        known_f = inflation(np.array(whole) - known.slope_per_s.estimate * series(values).at_ns / SECOND)
        if f >= known_f:
            assert (covered.slope_per_s.lower or -math.inf) <= known.slope_per_s.lower or covered.slope_per_s.lower == 0
            upper = covered.slope_per_s.upper
            assert upper is None or upper >= known.slope_per_s.upper - 1e-12


def test_a_rise_that_only_hidden_figures_could_show_is_no_rise():
    flat = [10.0] * 20
    found = drift(hidden_in(flat, {16, 17, 18, 19}), 0.95)
    assert found.direction == "none"
    assert found.slope_per_s.lower == 0
    assert drift(hidden_in(flat, set(range(20))), 0.95).undecided == "hidden"


def test_a_rise_that_is_plain_despite_hidden_figures_is_found_without_an_upper_bound():
    found = drift(hidden_in(list(np.linspace(10, 20, 24)), set(range(17, 24))), 0.95)
    assert (found.direction, found.undecided) == ("rising", "hidden")
    assert found.change.lower > 0
    assert found.change.estimate is None
    assert found.change.upper is None


def test_a_constant_does_not_drift():
    for of in (drift, mean_drift):
        found = of(series([5.0] * 30), 0.95)
        assert (found.direction, found.p_value) == ("none", 1.0)
        assert (found.change.lower, found.change.estimate, found.change.upper) == (0, 0, 0)


@given(st.floats(1e-6, 1e6), st.integers(LEAST_WINDOWS, 200))
def test_a_share_that_is_the_same_throughout_does_not_drift_by_a_rounding_error(value, windows):
    found = mean_drift(series([value] * windows), 0.99)
    assert (found.direction, found.rise.estimate) == ("none", 0)


def test_seven_windows_or_eight_of_which_one_is_empty_tell_nothing():
    for values in ([1.0, 2, 3, 4, 5, 6, 7], [1.0, 2, 3, 4, math.nan, 5, 6, 7]):
        for of in (drift, mean_drift):
            found = of(series(values), 0.95)
            assert (found.undecided, found.windows, found.direction) == ("few_windows", 7, "none")
            assert found.change.upper is None
        assert time_to_limit(series(values), 100, 0.95).undecided == "few_windows"
    assert drift(series([1.0, 2, 3, 4, 5, 6, 7, 8]), 0.95).direction == "rising"


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        Series(np.arange(3.0), np.arange(2.0), np.arange(2.0), 0, 10)
    with pytest.raises(ValueError, match="do not ascend"):
        Series.exact([1.0, 1.0], [1, 2], 0, 10)
    with pytest.raises(ValueError, match="beyond"):
        Series.exact([1.0, 11.0], [1, 2], 0, 10)
    with pytest.raises(ValueError, match="no time"):
        Series.exact([], [], 5, 5)
    with pytest.raises(ValueError, match="at least more"):
        Series(np.arange(2.0), np.ones(2), np.zeros(2), 0, 10)
    with pytest.raises(ValueError, match="at most 2000"):
        drift(series(np.arange(2001.0)), 0.95)
    with pytest.raises(ValueError, match="a confidence"):
        drift(series(np.arange(9.0)), 95)
    with pytest.raises(ValueError, match="0 windows"):
        share_series(np.arange(5), np.zeros(5, bool), 0, 10, 0)


def test_a_figure_that_is_not_above_zero_has_a_rise_but_no_share():
    found = drift(series(np.linspace(0, 10, 41)[1::2] - 5), 0.95)
    assert found.change.estimate is None
    assert found.rise.estimate == pytest.approx(10)


def test_rare_errors_that_come_at_the_end_are_a_rise_of_the_mean():
    shares = [0.0] * 90 + [0.0, 0.01, 0.02] * 10
    assert drift(series(shares), 0.95).rise.upper == 0
    found = mean_drift(series(shares), 0.95)
    assert found.direction == "rising"
    assert found.rise.upper > 0.01
    assert found.tau is None


def test_the_time_to_a_limit_is_where_the_line_meets_it():
    rng = np.random.default_rng(3)
    noisy = np.linspace(50, 60, 121)[:120] + rng.normal(0, 0.5, 120)
    found = time_to_limit(series(noisy), 100, 0.95)
    assert found.after_ns.lower < 5 * HOUR < found.after_ns.upper
    assert found.after_ns.upper - found.after_ns.lower < HOUR
    assert found.reached_ns is None


def test_what_does_not_rise_is_never_exhausted_and_what_may_not_rise_has_no_upper_bound():
    rng = np.random.default_rng(4)
    falling = time_to_limit(series(np.linspace(60, 50, 60)), 100, 0.95)
    assert (falling.after_ns.estimate, falling.after_ns.lower, falling.after_ns.upper) == (None, None, None)
    assert falling.undecided is None
    flat = time_to_limit(series(50 + rng.normal(0, 1, 60)), 100, 0.95)
    assert flat.after_ns.upper is None
    assert flat.after_ns.lower > 10 * HOUR


def test_a_limit_that_was_reached_was_reached_when_it_was():
    found = time_to_limit(series([50.0] * 9 + [100.0] + [50.0] * 10), 100, 0.95)
    assert found.reached_ns == found.after_ns.upper == round(9.5 / 20 * HOUR)


def test_hidden_figures_bring_the_soonest_exhaustion_near():
    values = list(np.linspace(10, 11, 24))
    known, covered = (time_to_limit(hidden_in(values, h), 100, 0.95) for h in (set(), {20, 21, 22, 23}))
    assert covered.after_ns.lower < known.after_ns.lower


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_order_of_records_does_not_change_a_series(seed, windows):
    rng = np.random.default_rng(seed)
    at, value = rng.integers(-5, 105, 200), rng.integers(0, 1000, 200)
    censored, order = rng.random(200) < 0.1, rng.permutation(200)
    a = quantile_series(at, value, censored, 0.9, 0, 100, windows)
    b = quantile_series(at[order], value[order], censored[order], 0.9, 0, 100, windows)
    assert np.array_equal(a.low, b.low, equal_nan=True)
    assert np.array_equal(a.high, b.high, equal_nan=True)
    first = (at >= 0) & (at < 100 // windows)
    ordered = sorted(value[first])
    if ordered:
        assert a.low[0] == ordered[math.ceil(round(len(ordered) * 0.9, 9)) - 1]


def test_windows_without_records_or_with_missing_readings_are_gaps_and_not_zeros():
    found = mean_series(np.array([1, 2, 35, 36]), np.array([4.0, math.nan, 6.0, 8.0]), 0, 40, 4)
    assert found.low.tolist() == [4.0, pytest.approx(math.nan, nan_ok=True), pytest.approx(math.nan, nan_ok=True), 7.0]
    assert len(found.present()) == 2
    assert mean_series(np.array([1, 2]), np.array([4, 5]), 0, 4, 1, np.array([False, True])).high[0] == math.inf


def test_windows_are_as_many_as_records_time_and_quantile_allow():
    assert windows_for(360_000, 2 * HOUR) == 120
    assert windows_for(5_000, 2 * HOUR) == 25
    assert windows_for(360_000, 60 * SECOND) == 12
    assert windows_for(50_000, HOUR, 0.999) == 5
    assert windows_for(0, HOUR) == 0


def soak(rng: np.random.Generator, rise: float, load: float = 0.5, rate: float = 50, seconds: int = 7200) -> Series:
    """An M/M/1 queue from its steady state, whose mean response time rises by a share; its p95 in windows."""
    count = int(rate * (seconds + 60) * 1.03)
    at = np.cumsum(rng.exponential(1 / rate, count))
    slower = 1 + rise * np.clip((at - 60) / seconds, 0, 1)
    ends = np.cumsum(rng.exponential(1, count) / (rate + (rate / load - rate) / slower))
    took = ends + np.maximum.accumulate(at - np.concatenate([[0], ends[:-1]])) - at
    span = seconds * SECOND
    at_ns, took_ns = ((at - 60) * SECOND).astype(np.int64), (took * SECOND).astype(np.int64)
    windows = windows_for(int(rate * seconds), span, 0.95)
    return quantile_series(at_ns, took_ns, np.zeros(count, bool), 0.95, 0, span, windows)


def test_a_drift_of_a_tenth_in_two_hours_at_half_the_capacity_is_found():
    found = [drift(soak(np.random.default_rng(seed), 0.1), 0.95) for seed in range(40)]
    assert sum(f.direction == "rising" for f in found) >= 37
    assert sum(f.change.lower <= 0.1 <= f.change.upper for f in found) >= 35


def test_a_service_that_does_not_drift_is_rarely_said_to():
    found = [drift(soak(np.random.default_rng(1000 + seed), 0.0), 0.95) for seed in range(40)]
    assert sum(f.direction != "none" for f in found) <= 5
    assert sum(f.change.upper <= 0.1 for f in found) >= 37


@pytest.mark.parametrize("of", [drift, mean_drift])
def test_neighbours_that_are_alike_are_not_taken_for_a_trend(of):
    alarms = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=320)
        alarms += of(series(20 + lfilter([1], [1, -0.6], noise)[200:]), 0.95).direction != "none"
    assert alarms <= 200 * 0.13  # 30 of 100 without the correction
