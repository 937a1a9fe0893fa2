"""The mean of readings that resemble their neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seatrial.stats.readings import mean_of, quantile_of

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=80)


@given(values=VALUES, scale=st.sampled_from([0.5, 2.0, 1024.0]))
def test_bounds_enclose_the_mean_and_scale_with_the_readings(values: list[float], scale: float) -> None:
    value = np.array(values)
    found, scaled = mean_of(value, 0.95), mean_of(value * scale, 0.95)
    assert found.estimate == pytest.approx(math.fsum(values) / len(values), rel=1e-8)
    assert found.lower is not None and found.upper is not None
    assert found.lower <= found.estimate <= found.upper
    assert (scaled.lower, scaled.upper) == pytest.approx((found.lower * scale, found.upper * scale), rel=1e-6, abs=1e-6)


@given(values=VALUES)
def test_bounds_are_never_narrower_than_those_of_independent_readings(values: list[float]) -> None:
    value = np.array(values)
    found = mean_of(value, 0.95)
    error = stats.sem(value)
    assert found.upper is not None and found.estimate is not None
    independent = stats.t.ppf(0.975, len(value) - 1) * error
    assert found.upper - found.estimate >= independent * (1 - 1e-6) - 10


@pytest.mark.parametrize("likeness", [0.0, 0.6, 0.9])
def test_the_true_mean_lies_within_the_bounds_about_as_often_as_they_say(likeness: float) -> None:
    generator = np.random.Generator(np.random.Philox(7))
    inside = 0
    for _ in range(200):
        noise = generator.standard_normal(700)
        value = np.zeros(700)
        for place in range(1, 700):
            value[place] = likeness * value[place - 1] + noise[place]
        found = mean_of(value[100:] + 5, 0.95)
        assert found.lower is not None and found.upper is not None
        inside += found.lower <= 5 <= found.upper
    assert inside >= 186  # 93 %


def test_too_few_readings_have_a_mean_without_bounds_and_none_have_nothing() -> None:
    few, none = mean_of(np.array([1.0, 2.0, 3.0]), 0.95), mean_of(np.empty(0), 0.95)
    assert (few.estimate, few.lower, few.upper) == (2.0, None, None)
    assert (none.estimate, none.lower, none.upper) == (None, None, None)


def test_readings_that_never_change_are_known_exactly() -> None:
    found = mean_of(np.full(50, 0.7), 0.95)
    assert found.lower == pytest.approx(0.7) and found.upper == pytest.approx(0.7)


def test_a_quantile_of_readings_is_one_of_them() -> None:
    assert quantile_of(np.arange(100.0), 0.95) == 94
    assert quantile_of(np.array([3.0, 1.0]), 1.0) == 3
    assert quantile_of(np.empty(0), 0.95) is None
