"""What a freeze does to percentiles."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.arithmetic import Freeze, relative_error
from hypothesis import assume, given
from hypothesis import strategies as st


def test_the_drill_of_three_seconds_in_thirty():
    freeze = Freeze(0.005, 3.0, 30.0)
    assert freeze.quantile(0.95) == pytest.approx(1.505)
    assert freeze.quantile(0.99) == pytest.approx(2.705)
    assert freeze.quantile(0.50) == 0.005


@given(service_s=st.floats(0, 0.05), freeze_s=st.floats(0.5, 5), total_s=st.floats(6, 60), q=st.floats(0.01, 0.99))
def test_the_formula_agrees_with_every_arrival_counted(service_s: float, freeze_s: float, total_s: float, q: float):
    assume(abs((1 - q) - freeze_s / total_s) > 1e-3)  # at the step itself a count falls on either side
    at_s = (np.arange(20_000) + 0.5) / 20_000 * total_s
    response_s = np.where(at_s < freeze_s, freeze_s - at_s, 0.0) + service_s
    counted = float(np.quantile(response_s, q, method="inverted_cdf"))
    assert Freeze(service_s, freeze_s, total_s).quantile(q) == pytest.approx(counted, abs=total_s / 5_000)


@pytest.mark.parametrize(("freeze_s", "total_s"), [(0.0, 30.0), (30.0, 30.0), (31.0, 30.0)])
def test_a_freeze_lies_within_its_run(freeze_s: float, total_s: float):
    with pytest.raises(ValueError, match="within its run"):
        Freeze(0.005, freeze_s, total_s)


def test_an_error_needs_a_truth():
    assert relative_error(12.0, 10.0) == pytest.approx(0.2)
    assert relative_error(5.0, 10.0) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no truth"):
        relative_error(1.0, 0.0)
