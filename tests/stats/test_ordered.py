"""Values in order: exact while they are few, by level with the cautious edge once they are many, in any division."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats import ordered
from seatrial.stats.batches import Batches
from seatrial.stats.censored import CensoredTimes
from seatrial.stats.ordered import Values, together

VALUES = st.lists(st.integers(0, 2**61), max_size=60)


def gathered(values: list[int], cuts: list[int]) -> Values:
    found = Values()
    for chunk in np.split(np.array(values, dtype=np.int64), sorted({min(cut, len(values)) for cut in cuts})):
        found.add(chunk)
    return found


@given(VALUES, st.lists(st.integers(0, 60), max_size=5), st.integers(0, 80))
def test_however_values_are_divided_their_order_is_the_same(values, cuts, exact):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "EXACT", exact)
        for high in (False, True):
            whole, parted = (gathered(values, where).ordered(high=high) for where in ([], cuts))
            assert whole.value.tolist() == parted.value.tolist()
            assert whole.upto.tolist() == parted.upto.tolist()


@given(VALUES.filter(bool), st.integers(1, 60))
def test_few_values_are_exact_and_many_lie_between_the_edges_of_their_levels(values, rank):
    rank = min(rank, len(values))
    truth = sorted(values)[rank - 1]
    few = gathered(values, []).ordered(high=False)
    assert few.at(rank) == truth
    assert few.within(truth) == sum(value <= truth for value in values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "EXACT", 0)
        many = gathered(values, [])
        below, at_edge = (many.ordered(high=edge) for edge in (False, True))
    low, high = below.at(rank), at_edge.at(rank)
    assert low <= truth <= high
    assert high - low <= truth / 1024
    assert at_edge.within(high) == sum(value <= high for value in values)
    assert at_edge.at(len(values) + 1) is None
    assert many.greatest == max(values)


def test_gatherings_add_up_whether_few_or_many(monkeypatch):
    monkeypatch.setattr(ordered, "EXACT", 3)
    few, many = gathered([5, 7], []), gathered([5, 9, 9, 1], [])
    assert together([few, many], high=True).value.tolist() == [1, 5, 7, 9]
    assert together([few, many], high=True).upto.tolist() == [1, 3, 4, 6]


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_bounds_of_many_times_are_within_a_level_or_two_of_the_exact_ones(monkeypatch, quantile):
    rng = np.random.default_rng(7)
    value = (1e8 * rng.lognormal(0, 0.7, 30_000)).astype(np.int64)
    censored, at = rng.random(30_000) < 0.001, np.sort(rng.integers(0, 60 * 10**9, 30_000))
    exact = CensoredTimes(value, censored, Batches(at)).quantile(quantile, 0.95)
    monkeypatch.setattr(ordered, "EXACT", 1000)
    rounded = CensoredTimes(value, censored, Batches(at)).quantile(quantile, 0.95)
    assert exact.estimate * (1 - 1 / 1024) <= rounded.estimate <= exact.estimate
    assert rounded.lower == pytest.approx(exact.lower, rel=1 / 512)
    assert rounded.upper == pytest.approx(exact.upper, rel=1 / 128)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=6), st.booleans())
def test_times_read_in_chunks_have_the_bounds_of_all_at_once(sizes, many):
    n = sum(sizes)
    rng = np.random.default_rng(n)
    value, censored = rng.integers(1, 10**9, n), rng.random(n) < 0.05
    at = rng.integers(0, 30 * 10**9, n)

    def read(tally):
        for part in np.split(np.arange(n), np.cumsum(sizes)[:-1]):
            tally.add(at[part], value[part], censored[part])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "EXACT", 500 if many else 10**6)
        whole, parted = CensoredTimes(value, censored, Batches(at)), CensoredTimes.over(read)
        assert parted.quantile(0.9, 0.95) == whole.quantile(0.9, 0.95)
        assert parted.mean(0.95) == whole.mean(0.95)
        assert parted.effect_near(5e8, 0.9, 0.95) == whole.effect_near(5e8, 0.9, 0.95)


def test_what_is_announced_is_answered_by_one_pass_each(monkeypatch):
    rng = np.random.default_rng(1)
    value, at, passes = rng.integers(1, 10**9, 3000), rng.integers(0, 10**11, 3000), []

    def read(tally):
        passes.append(tally)
        tally.add(at, value, np.zeros(3000, bool))

    times = CensoredTimes.over(read)
    times.want(0.95, 0.95, 5e8)
    times.want(None, 0.95, 5e8)
    measure = times.second_pass()
    read(measure)
    times.measured(measure)
    times.quantile(0.95, 0.95)
    times.mean(0.95)
    times.effect_near(5e8, 0.95, 0.95)
    times.effect_at(5e8, 0.95, pessimistic=False)
    assert len(passes) == 2
