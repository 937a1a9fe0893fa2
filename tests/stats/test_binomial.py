from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from seatrial.stats.binomial import clopper_pearson, quantile_ranks, rank_of, reaches_upper_rank

COUNTS = st.integers(1, 3000)
QUANTILES = st.floats(0.02, 0.999)


@given(COUNTS, st.data())
def test_share_bounds_are_those_of_the_textbook(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    exact = binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, n, 0.95) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(COUNTS, QUANTILES)
def test_quantile_ranks_are_those_of_the_textbook(n: int, q: float) -> None:
    lower, upper = quantile_ranks(n, n, q, 0.95)
    # the largest l with P(Bin >= l) >= 97.5 %, the smallest u with P(Bin >= u) <= 2.5 %
    k = np.arange(1, n + 1)
    at_least = binom.sf(k - 1, n, q)
    low = k[at_least >= 0.975 + 1e-9]
    high = k[at_least <= 0.025 - 1e-9]
    assert (lower or 0) in ({int(low.max())} if len(low) else {0}) | {(lower or 0) if _near(n, q) else -1}
    assert (upper or 0) in ({int(high.min())} if len(high) else {0}) | {(upper or 0) if _near(n, q) else -1}


def _near(n: int, q: float) -> bool:
    """Whether some tail is 2.5 % so exactly that either rank is right."""
    tails = binom.sf(np.arange(n + 1) - 1, n, q)
    return bool((np.abs(tails - 0.975) < 1e-7).any() or (np.abs(tails - 0.025) < 1e-7).any())


@given(COUNTS, QUANTILES, st.floats(1, 50))
def test_clustered_records_never_give_closer_ranks(n: int, q: float, effect: float) -> None:
    lower, upper = quantile_ranks(n, n, q, 0.95)
    low, high = quantile_ranks(n, n / effect, q, 0.95)
    assert (low or 0) <= (lower or 0)
    assert (n + 1 if high is None else high) >= (n + 1 if upper is None else upper)


@given(st.integers(1, 3000), QUANTILES, st.floats(1, 20))
def test_the_upper_rank_never_falls_when_a_record_is_added(n: int, q: float, effect: float) -> None:
    _, before = quantile_ranks(n, n / effect, q, 0.95)
    _, after = quantile_ranks(n + 1, (n + 1) / effect, q, 0.95)
    # None stands for infinity; the added record, if censored, has rank n + 1 and is infinite as well
    assert (n + 2 if after is None else after) >= (n + 1 if before is None else before)


@given(COUNTS, QUANTILES)
def test_the_bounds_enclose_the_estimate(n: int, q: float) -> None:
    lower, upper = quantile_ranks(n, n, q, 0.95)
    assert (lower or 0) <= rank_of(n, q) <= (upper or n)


@given(COUNTS, QUANTILES, st.floats(1, 20), st.data())
def test_reaching_the_upper_rank_is_the_same_as_being_at_least_that(
    n: int, q: float, effect: float, data: st.DataObject
) -> None:
    within, (_, upper) = data.draw(st.integers(0, n)), quantile_ranks(n, n / effect, q, 0.95)
    near = data.draw(st.sampled_from([within, min(n, upper or n), max(0, (upper or n) - 1)]))
    assert reaches_upper_rank(near, n, n / effect, q, 0.95) == (upper is not None and near >= upper)


def test_too_few_records_leave_a_high_percentile_without_an_upper_bound() -> None:
    # 0.99^367 > 2.5 % >= 0.99^368
    assert quantile_ranks(367, 367, 0.99, 0.95)[1] is None
    assert quantile_ranks(368, 368, 0.99, 0.95)[1] == 368


def test_a_rank_is_not_lost_to_the_last_bit() -> None:
    assert rank_of(100, 0.95) == 95
    assert rank_of(1000, 0.07) == 70
    assert rank_of(1, 0.5) == 1


@pytest.mark.parametrize(("hits", "trials", "confidence"), [(1, 0, 0.95), (2, 1, 0.95), (-1, 5, 0.95), (1, 5, 1.0)])
def test_a_share_of_nothing_is_refused(hits: float, trials: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(hits, trials, confidence)


@pytest.mark.parametrize(("count", "effective", "q"), [(0, 1, 0.5), (5, 6, 0.5), (5, 5, 1.0), (5, 0, 0.5)])
def test_a_quantile_of_nothing_is_refused(count: int, effective: float, q: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        quantile_ranks(count, effective, q, 0.95)
