from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.stats.usl import Refused, Scaling, ThroughputAt, fit_scaling


def law(load: float, one: float, sigma: float, kappa: float) -> float:
    return one * load / (1 + sigma * (load - 1) + kappa * load * (load - 1))


def fitted(loads: list[float], one: float, sigma: float, kappa: float, error: float = 0.01) -> Scaling:
    points = [ThroughputAt(n, law(n, one, sigma, kappa), error * law(n, one, sigma, kappa)) for n in loads]
    found = fit_scaling(points, 0.95)
    assert found is not None
    return found


LOADS = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0]


@given(one=st.floats(1, 1000), sigma=st.floats(0, 0.5), kappa=st.floats(0, 0.01))
@settings(max_examples=50)
def test_points_on_the_curve_give_its_parameters_back(one: float, sigma: float, kappa: float) -> None:
    found = fitted(LOADS, one, sigma, kappa)
    assert found.throughput.estimate == pytest.approx(one, rel=1e-5)
    assert found.contention.estimate == pytest.approx(sigma, abs=1e-5)
    assert found.crosstalk.estimate == pytest.approx(kappa, abs=1e-6)


def test_points_of_which_hardly_anything_is_known_have_no_law_and_are_no_defect() -> None:
    points = [ThroughputAt(n, law(n, 30, 0.1, 0.01), 500 * law(n, 30, 0.1, 0.01)) for n in (2.0, 2.5, 3.0, 3.5)]
    assert fit_scaling(points, 0.95) is None


def test_gunthers_own_example_has_his_parameters() -> None:
    # Guerrilla Capacity Planning, table 5.1: ray tracing on 1 to 64 processors, sigma 0.05 and kappa near zero.
    rays = {1: 20, 4: 78, 8: 130, 12: 170, 16: 190, 20: 200, 24: 210, 28: 230, 32: 260, 48: 280, 64: 310}
    found = fit_scaling([ThroughputAt(n, x, 0.02 * x) for n, x in rays.items()], 0.95)
    assert found is not None
    assert found.contention.estimate == pytest.approx(0.05, abs=0.02)
    assert found.crosstalk.estimate < 5e-4
    assert found.predict(64) != Refused(64, 128)


def test_the_peak_lies_where_throughput_is_highest() -> None:
    found = fitted(LOADS, 100, 0.02, 0.002)
    assert found.peak is not None
    assert found.peak.estimate == pytest.approx(math.sqrt(0.98 / 0.002), rel=1e-4)
    assert found.peak.lower < found.peak.estimate
    assert found.peak.upper is None or found.peak.upper > found.peak.estimate


def test_without_crosstalk_there_is_no_peak() -> None:
    assert fitted(LOADS, 100, 0.1, 0.0).peak is None


def test_a_peak_beyond_twice_the_data_is_not_told() -> None:
    assert fitted(LOADS, 100, 0.0, 1e-5, error=1e-6).peak is None


def test_nothing_is_predicted_beyond_twice_the_data() -> None:
    found = fitted(LOADS, 100, 0.02, 0.002)
    within = found.predict(64)
    assert not isinstance(within, Refused)
    assert within.lower < within.estimate < within.upper
    assert within.estimate == pytest.approx(law(64, 100, 0.02, 0.002), rel=1e-4)
    assert found.predict(65) == Refused(65, 64)
    with pytest.raises(ValueError, match="load of 0"):
        found.predict(0)


def test_fewer_than_four_loads_give_no_law() -> None:
    points = [ThroughputAt(n, 10.0 * n, 0.1) for n in (1.0, 2.0, 2.0, 3.0, 3.0)]
    assert fit_scaling(points, 0.95) is None


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_what_is_no_measurement_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="not a point"):
        ThroughputAt(*wrong)


def test_a_confidence_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        fit_scaling([], 1.0)


@given(by=st.floats(0.01, 100))
@settings(max_examples=20)
def test_another_unit_of_throughput_changes_lambda_alone(by: float) -> None:
    a = fitted(LOADS, 50, 0.05, 0.001)
    points = [ThroughputAt(n, by * law(n, 50, 0.05, 0.001), 0.01 * by * law(n, 50, 0.05, 0.001)) for n in LOADS]
    b = fit_scaling(points, 0.95)
    assert b is not None
    assert b.throughput.estimate == pytest.approx(by * a.throughput.estimate, rel=1e-4)
    assert b.contention.estimate == pytest.approx(a.contention.estimate, rel=1e-3)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, inside, predicted = np.random.default_rng(7), 0, 0
    for _ in range(200):
        points = []
        for n in LOADS:
            x = law(n, 100, 0.05, 0.002)
            points.append(ThroughputAt(n, x * (1 + 0.02 * rng.standard_normal()), 0.02 * x))
        found = fit_scaling(points, 0.95)
        assert found is not None
        upper = found.crosstalk.upper
        inside += found.crosstalk.lower <= 0.002 and upper is not None and upper >= 0.002
        at = found.predict(48)
        assert not isinstance(at, Refused)
        predicted += at.lower <= law(48, 100, 0.05, 0.002) <= at.upper
    assert inside >= 180
    assert predicted >= 180
