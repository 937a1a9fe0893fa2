"""Whether requests came too fast: chance is let pass, an excess is found in the first window that shows it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.rate_limit import WINDOWS, allowed, excess


def counts(*per_second: int) -> np.ndarray:
    return np.array(per_second, np.int64)


def test_no_second_at_all_is_no_excess() -> None:
    assert excess(counts(), 10) is None


@pytest.mark.parametrize("rate", [1, 40, 1000, 40_000])
def test_poisson_arrivals_at_the_limit_are_let_pass_for_an_hour(rate: int) -> None:
    for seed in range(5):
        assert excess(np.random.default_rng(seed).poisson(rate, 3600), rate) is None


@pytest.mark.parametrize(("rate", "factor"), [(40, 1.3), (1000, 1.15), (40_000, 1.15)])
def test_a_rate_beyond_the_limit_is_found_within_a_minute_or_so(rate: int, factor: float) -> None:
    for seed in range(5):
        found = excess(np.random.default_rng(seed).poisson(rate * factor, 90), rate)
        assert found is not None


def test_a_burst_is_found_in_the_shortest_window_and_told_in_words() -> None:
    found = excess(counts(40, 40, 200, 40), 40)
    assert found is not None
    assert (found.at, found.seconds, found.count) == (1, 2, 240)
    assert str(found) == "240 requests in 2 s, where at most 128 may be"


def test_a_load_that_is_shorter_than_the_window_is_counted_whole() -> None:
    assert excess(counts(130), 40) is not None
    assert excess(counts(128), 40) is None


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 100))
def test_an_excess_is_a_window_that_any_one_can_count_again(seconds: list[int], rate: int) -> None:
    found = excess(counts(*seconds), rate)
    sums = {w: [sum(seconds[at : at + w]) for at in range(max(1, len(seconds) - w + 1))] for w in WINDOWS}
    over = any(total > allowed(rate, w) for w in WINDOWS for total in sums[w])
    assert over == (found is not None)
    if found is not None:
        assert found.count == sum(seconds[found.at : found.at + found.seconds]) > allowed(rate, found.seconds)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=80), st.integers(1, 100), st.data())
def test_further_requests_never_hide_an_excess(seconds: list[int], rate: int, data: st.DataObject) -> None:
    more = list(seconds)
    more[data.draw(st.integers(0, len(seconds) - 1))] += 1
    assert excess(counts(*seconds), rate) is None or excess(counts(*more), rate) is not None
