"""How many sessions a plan intends, before it runs."""

from __future__ import annotations

from seatrial.authoring.counts import count_sessions, is_countable
from seatrial.model.profile import Arrivals, Stage, constant
from seatrial.model.schedule import Schedule
from seatrial.units import SECOND


def stage(rate: float, seconds: int, index: int = 0, arrivals: Arrivals = "poisson") -> Stage:
    return Stage(0, index, "s", constant(rate, seconds * SECOND), arrivals, 0, 0)


def test_the_count_is_that_of_the_schedule_itself() -> None:
    stages = [stage(50, 10), stage(80, 10, index=1)]
    counted = count_sessions("ab", 7, stages, (3.0, 1.0), exactly=True)
    assert counted.exact
    assert counted.total == sum(Schedule("ab", 7, s, (3.0, 1.0)).count() for s in stages)
    assert 2.5 < counted.per_journey[0] / counted.per_journey[1] < 3.6


def test_a_journey_is_counted_even_when_nobody_takes_it() -> None:
    assert count_sessions("ab", 7, [stage(5, 2, arrivals="even")], (1.0, 1e-12), exactly=True).per_journey == (10, 0)


def test_a_month_of_load_is_estimated_from_above_at_once() -> None:
    stages = [stage(10_000, 31 * 86_400)]
    assert not is_countable(stages)
    counted = count_sessions("ab", 7, stages, (1.0, 1.0), exactly=False)
    mean = 10_000 * 31 * 86_400 / 2
    assert not counted.exact
    assert all(mean + 5 * mean**0.5 < n < mean + 7 * mean**0.5 for n in counted.per_journey)


def test_the_estimate_is_an_upper_bound_of_the_count() -> None:
    stages = [stage(100, 10, index=i) for i in range(20)]
    assert is_countable(stages)
    assert not is_countable(stages * 101)
    exact = count_sessions("cd", 1, stages, (2.0, 1.0), exactly=True)
    estimate = count_sessions("cd", 1, stages, (2.0, 1.0), exactly=False)
    for high, low in zip(estimate.per_journey, exact.per_journey, strict=True):
        assert low < high < low * 1.2
