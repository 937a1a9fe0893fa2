"""Two runs side by side, against brute force, against known truth, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.verdict import Bounded
from seatrial.stats.contrast import (
    Change,
    Contrast,
    Run,
    Smallest,
    contrasts,
    holm,
    judge,
    share_difference,
    superiority,
)
from seatrial.units import MS, SECOND

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
TIMES = st.lists(st.integers(0, 50), min_size=2, max_size=30)


def run(took, censored=None, bad=None) -> Run:
    took = np.asarray(took, dtype=np.int64)
    none = np.zeros(len(took), dtype=bool)
    return Run(
        np.arange(len(took), dtype=np.int64) * 25 * MS,
        took,
        none if censored is None else np.asarray(censored),
        none if bad is None else np.asarray(bad),
    )


def exponential(rng: np.random.Generator, mean_ms: float, n: int = 2_000) -> Run:
    return run(rng.exponential(mean_ms * MS, n))


def contrast(effect: float | None, lower: float | None, upper: float | None, p: float, kind="ratio") -> Contrast:
    return Contrast("p95", kind, 1.0, 1.0, Bounded(estimate=effect, lower=lower, upper=upper), p)


@given(P_VALUES)
def test_holm_is_what_its_definition_says(p_values):
    order = np.argsort(p_values, kind="stable")
    adjusted = holm(p_values)
    for rank, place in enumerate(order):
        before = [min(1.0, (len(p_values) - j) * p_values[order[j]]) for j in range(rank + 1)]
        assert adjusted[place] == pytest.approx(max(before))


@given(P_VALUES)
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(min(1, p) <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in pairs] == sorted(a for _, a in pairs)


@given(TIMES, TIMES)
def test_superiority_is_the_share_of_pairs_in_which_the_new_run_took_longer(old, new):
    pairs = [(a < b) + (a == b) / 2 for a in old for b in new]
    found = superiority(run(old), run(new), 0.95)
    assert found.estimate == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.lower <= found.estimate <= found.upper <= 1


@given(TIMES, TIMES)
def test_superiority_the_other_way_round_is_the_rest(old, new):
    one, other = superiority(run(old), run(new), 0.95), superiority(run(new), run(old), 0.95)
    assert one.estimate + other.estimate == pytest.approx(1)
    assert one.lower + other.upper == pytest.approx(1)


def test_unanswered_requests_widen_superiority_to_both_readings():
    old, new = [10] * 50 + [20] * 50, [10] * 50 + [20] * 50
    hidden = np.arange(100) >= 90
    plain, some = superiority(run(old), run(new), 0.95), superiority(run(old), run(new, hidden), 0.95)
    assert some.upper > plain.upper
    assert some.estimate == plain.estimate


def test_the_interval_of_a_ratio_holds_the_true_one_in_about_95_of_100_runs():
    rng = np.random.default_rng(5)
    inside = {"p50": 0, "p95": 0, "p99": 0}
    for _ in range(100):
        for one in contrasts(exponential(rng, 40), exponential(rng, 50), 0.95)[:3]:
            upper = math.inf if one.effect.upper is None else one.effect.upper
            inside[one.what] += one.effect.lower <= 1.25 <= upper
    assert all(count >= 92 for count in inside.values()), inside


@pytest.mark.parametrize("swap", [False, True])
def test_p_is_below_5_percent_exactly_where_the_95_percent_interval_leaves_no_change_out(swap):
    rng = np.random.default_rng(6)
    significant = 0
    for mean in np.linspace(40, 50, 20):
        pair = [exponential(rng, 40), exponential(rng, mean)]
        one = contrasts(*(reversed(pair) if swap else pair), 0.95)[0]
        outside = one.effect.lower > 1 or one.effect.upper < 1
        assert (one.p_value < 0.05) is outside
        significant += outside
    assert 3 <= significant <= 19


def test_shares_are_compared_by_their_difference():
    at = np.arange(4_000, dtype=np.int64) * 25 * MS
    rng = np.random.default_rng(7)
    one = share_difference(at, rng.random(4_000) < 0.01, at, rng.random(4_000) < 0.03, 0.95)
    assert one.kind == "difference"
    assert one.effect.estimate == pytest.approx(one.new - one.old)
    assert 0 < one.effect.lower < 0.02 < one.effect.upper
    none = share_difference(at, np.zeros(4_000, bool), at, np.zeros(4_000, bool), 0.95)
    assert (none.effect.estimate, none.p_value) == (0, 1)
    assert none.effect.lower < 0 < none.effect.upper


def test_a_hidden_figure_has_no_estimate_but_a_lower_bound_on_how_much_longer_it_took():
    rng = np.random.default_rng(8)
    old, new = exponential(rng, 40), rng.exponential(40 * MS, 2_000)
    hung = rng.random(2_000) < 0.1
    p95 = contrasts(old, run(np.where(hung, 5 * SECOND, new), hung), 0.95)[1]
    assert (p95.new, p95.effect.estimate, p95.effect.upper) == (None, None, None)
    assert p95.effect.lower > 10
    assert p95.p_value < 0.001


def test_nothing_recorded_is_nothing_known():
    for one in contrasts(run([]), run([1, 2]), 0.95):
        assert (one.effect.estimate, one.effect.lower, one.effect.upper, one.p_value) == (None, None, None, 1.0)
    assert superiority(run([1]), run([1, 2]), 0.95).estimate is None


@pytest.mark.parametrize(
    ("one", "change"),
    [
        (contrast(1.2, 1.1, 1.3, 0.001), Change.WORSE),
        (contrast(1.04, 1.02, 1.06, 0.001), Change.UNDECIDED),  # significant, too small to matter, not all of it
        (contrast(1.02, 1.01, 1.03, 0.001), Change.EQUAL),
        (contrast(1.2, 0.9, 1.6, 0.2), Change.UNDECIDED),
        (contrast(1.0, 0.97, 1.04, 0.9), Change.EQUAL),
        (contrast(0.8, 0.7, 0.9, 0.001), Change.BETTER),
        (contrast(None, 3.0, None, 0.001), Change.WORSE),
        (contrast(None, None, None, 1.0), Change.UNDECIDED),
        (contrast(0.02, 0.01, 0.03, 0.001, "difference"), Change.WORSE),
        (contrast(-0.02, -0.03, -0.01, 0.001, "difference"), Change.BETTER),
        (contrast(0.0, -0.0005, 0.0005, 1.0, "difference"), Change.EQUAL),
    ],
)
def test_what_became_of_a_figure(one, change):
    assert judge([one], 0.95)[0].change is change


def test_one_small_p_value_among_many_is_not_enough():
    one = contrast(1.2, 1.01, 1.4, 0.01)
    assert judge([one], 0.95)[0].change is Change.WORSE
    assert judge([one, *[contrast(1.0, 0.9, 1.1, 0.9)] * 9], 0.95)[0].change is Change.UNDECIDED


@pytest.mark.parametrize(("ratio", "points"), [(1.0, 0.1), (0.9, 0.1), (1.1, 0.0), (math.nan, 0.1)])
def test_a_smallest_change_that_is_none_is_refused(ratio, points):
    with pytest.raises(ValueError, match="no smallest change"):
        Smallest(ratio, points)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        run([1, 2, 3], censored=[False])
