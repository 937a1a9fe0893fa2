from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batches, exact_sum
from seatrial.stats.binomial import quantile_ranks, rank_of
from seatrial.stats.censored import CensoredTimes
from seatrial.stats.longer import longer_for_mean, longer_for_share
from seatrial.stats.share import bounded_share
from seatrial.units import SECOND

ROWS = st.lists(st.tuples(st.integers(0, 10**11), st.booleans(), st.integers(0, 60 * SECOND)), min_size=1, max_size=300)
QUANTILES = st.sampled_from([0.1, 0.5, 0.9, 0.95, 0.99])


def times_of(rows: list[tuple[int, bool, int]]) -> CensoredTimes:
    value, censored, at = (np.array(column) for column in zip(*rows, strict=True))
    return CensoredTimes(value.astype(np.int64), censored.astype(bool), Batches(at.astype(np.int64)))


def infinite(value: float | None) -> float:
    return math.inf if value is None else value


@given(ROWS, QUANTILES)
def test_quantile_bounds_enclose_the_exact_sort_of_both_readings(rows: list[tuple[int, bool, int]], q: float) -> None:
    found = times_of(rows).quantile(q, 0.95)
    rank = rank_of(len(rows), q)
    optimistic = sorted(value for value, _, _ in rows)[rank - 1]
    pessimistic = sorted(math.inf if censored else value for value, censored, _ in rows)[rank - 1]
    assert found.lower is not None
    assert found.lower <= optimistic <= pessimistic <= infinite(found.upper)
    assert found.estimate == (None if pessimistic == math.inf else optimistic)


@given(ROWS, QUANTILES, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(rows: list[tuple[int, bool, int]], q: float, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert times_of(rows).quantile(q, 0.95) == times_of(shuffled).quantile(q, 0.95)
    assert times_of(rows).mean(0.95) == times_of(shuffled).mean(0.95)


@given(ROWS, QUANTILES)
def test_censoring_a_record_never_lowers_either_reading_s_quantile(rows: list[tuple[int, bool, int]], q: float) -> None:
    value, _, at = rows[0]
    before = times_of([(value, False, at), *rows[1:]]).readings(q)
    after = times_of([(value, True, at), *rows[1:]]).readings(q)
    assert infinite(after[1]) >= infinite(before[1])
    assert after[0] == before[0]


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=400), st.integers(0, 10**10), QUANTILES)
def test_adding_an_unanswered_record_never_lowers_the_upper_bound(values: list[int], waited: int, q: float) -> None:
    # All at one instant: there is one batch, and every record counts as independent.
    rows = [(value, False, 0) for value in values]
    before = times_of(rows).quantile(q, 0.95)
    after = times_of([*rows, (waited, True, 0)]).quantile(q, 0.95)
    assert infinite(after.upper) >= infinite(before.upper)


@given(ROWS)
def test_one_unanswered_record_leaves_the_mean_without_an_upper_bound(rows: list[tuple[int, bool, int]]) -> None:
    found = times_of([*rows, (5, True, 1)]).mean(0.95)
    assert found.estimate is None
    assert found.upper is None
    assert found.lower is not None
    assert found.lower <= (exact_sum(np.array([value for value, _, _ in rows])) + 5) / (len(rows) + 1) + 1e-3


def test_the_mean_of_answered_records_lies_within_its_bounds() -> None:
    rng = np.random.default_rng(7)
    value = rng.integers(0, 2 * SECOND, 5000)
    found = CensoredTimes(value, np.zeros(5000, bool), Batches(np.arange(5000) * 10_000_000)).mean(0.95)
    assert found.estimate == value.sum() / 5000
    assert infinite(found.lower) < found.estimate < infinite(found.upper)
    assert infinite(found.upper) - infinite(found.lower) == pytest.approx(4 * value.std() / math.sqrt(5000), rel=0.3)


def test_nothing_has_no_quantile_and_no_mean() -> None:
    nothing = CensoredTimes(np.empty(0, np.int64), np.empty(0, bool), Batches(np.empty(0, np.int64)))
    assert nothing.quantile(0.95, 0.95) == Bounded(estimate=None, lower=None, upper=None)
    assert nothing.mean(0.95) == Bounded(estimate=None, lower=None, upper=None)
    assert bounded_share(np.empty(0, bool), Batches(np.empty(0, np.int64)), 0.95).upper is None


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 times, 1 marks, 2 batched"):
        CensoredTimes(np.zeros(2, np.int64), np.zeros(1, bool), Batches(np.zeros(2, np.int64)))


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_bounds_cover_the_truth_19_times_in_20_on_independent_records(q: float) -> None:
    rng, truth, hits = np.random.default_rng(20260101), -math.log(1 - q) * 1e9, 0
    for _ in range(500):
        at = rng.integers(0, 30 * SECOND, 1500)
        value = (rng.exponential(1e9, 1500)).astype(np.int64)
        found = CensoredTimes(value, np.zeros(1500, bool), Batches(at)).quantile(q, 0.95)
        hits += infinite(found.lower) <= truth <= infinite(found.upper)
    # The design effect is noisy and only ever widens the bounds: a little above the 95 % that was asked for.
    assert 0.945 <= hits / 500 <= 0.99


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_order_statistics_cover_the_truth_as_often_as_they_say(q: float) -> None:
    rng, hits = np.random.default_rng(20260103), 0
    lower, upper = quantile_ranks(1500, 1500, q, 0.95)
    assert lower is not None
    assert upper is not None
    for _ in range(2000):
        value = np.sort(rng.random(1500))
        hits += value[lower - 1] <= q <= value[upper - 1]
    assert 0.94 <= hits / 2000 <= 0.97


@pytest.mark.parametrize("q", [0.95, 0.99])
def test_a_busy_queue_hardly_ever_passes_a_limit_it_breaks_by_ten_percent(q: float) -> None:
    rng, truth, passed = np.random.default_rng(20260104), -math.log(1 - q) / 0.02, 0
    for _ in range(300):
        arrive = np.cumsum(rng.exponential(1 / 0.08, 5200))
        work = rng.exponential(1 / 0.1, 5200)
        ends = np.cumsum(work)
        wait = (ends + np.maximum.accumulate(arrive - ends + work) - arrive)[400:]
        value, at = (wait * 1e6).astype(np.int64), (arrive[400:] * 1e6).astype(np.int64)
        found = CensoredTimes(value, np.zeros(len(value), bool), Batches(at)).quantile(q, 0.95)
        passed += infinite(found.upper) <= truth * 1e6 / 1.1
    assert passed / 300 <= 0.02


def test_bounds_cover_the_truth_on_a_queue_where_independence_would_not() -> None:
    rng, truth = np.random.default_rng(20260102), math.log(20) / 0.02
    honest = naive = 0
    for _ in range(150):
        arrive = np.cumsum(rng.exponential(1 / 0.08, 20_000))
        work = rng.exponential(1 / 0.1, 20_000)
        ends = np.cumsum(work)
        wait = (ends + np.maximum.accumulate(arrive - ends + work) - arrive)[2000:]
        value, at = (wait * 1e6).astype(np.int64), (arrive[2000:] * 1e6).astype(np.int64)
        answered = np.zeros(len(value), bool)
        found = CensoredTimes(value, answered, Batches(at)).quantile(0.95, 0.95)
        # The same records shuffled in time look independent.
        blind = CensoredTimes(value, answered, Batches(rng.permutation(at))).quantile(0.95, 0.95)
        honest += infinite(found.lower) <= truth * 1e6 <= infinite(found.upper)
        naive += infinite(blind.lower) <= truth * 1e6 <= infinite(blind.upper)
    assert honest / 150 >= 0.9
    assert naive / 150 < 0.6


def test_records_in_lumps_count_for_fewer_than_they_are() -> None:
    at = np.arange(6000) * 10_000_000
    lump = (at >= 20 * SECOND) & (at < 23 * SECOND)
    spread = np.zeros(6000, bool)
    spread[::20] = True
    assert Batches(at).design_effect(lump, 0.95) > 100
    assert Batches(at).design_effect(spread, 0.95) == 1.0
    wide, close = (bounded_share(hit, Batches(at), 0.95) for hit in (lump, spread))
    assert wide.estimate == close.estimate == 0.05
    assert infinite(wide.upper) > 2 * infinite(close.upper)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100 * SECOND)), min_size=1, max_size=300))
def test_a_share_lies_within_its_bounds(rows: list[tuple[bool, int]]) -> None:
    hit, at = np.array([h for h, _ in rows]), np.array([t for _, t in rows])
    found = bounded_share(hit, Batches(at), 0.95)
    assert 0 <= infinite(found.lower) <= infinite(found.estimate) <= infinite(found.upper) <= 1


def test_sums_are_exact_beyond_64_bits() -> None:
    assert exact_sum(np.full(10, 2**62, dtype=np.int64)) == 10 * 2**62


@given(st.floats(0, 1), st.floats(50, 1e5), st.floats(0, 1))
def test_so_much_longer_decides_and_much_less_does_not(share: float, effective: float, threshold: float) -> None:
    from seatrial.stats.binomial import clopper_pearson

    multiple = longer_for_share(share, effective, threshold, 0.95)
    assume(multiple is not None)
    assert multiple is not None

    def decides(m: float) -> bool:
        lower, upper = clopper_pearson(share * m, m, 0.95)
        return lower >= threshold if share > threshold else upper <= threshold

    assert decides(effective * multiple * 1.001)
    assert multiple <= 1.2 or not decides(effective * (multiple - 0.15))


def test_a_value_on_its_limit_is_decided_by_no_length() -> None:
    assert longer_for_share(0.95, 1000, 0.95, 0.95) is None
    assert longer_for_share(0.9501, 1000, 0.95, 0.95) is None
    assert longer_for_mean(1.0, 0.0) is None
    assert longer_for_mean(1.0, 0.05) is None
    assert longer_for_mean(2.0, 1.0) == 4.0
