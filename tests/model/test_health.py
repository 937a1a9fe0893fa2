"""The send-lag histogram: it holds every step, and says of a quantile what the records say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.health import HEALTH_COLUMNS, LAG_COLUMNS, LAG_EDGES_NS, lag_counts, lag_quantile_bounds
from seatrial.stats.binomial import rank_of
from seatrial.units import MS, SECOND

EDGES = st.sampled_from([edge + off for edge in (0, *LAG_EDGES_NS) for off in (-1, 0, 1) if edge + off >= 0])
LAGS = st.lists(EDGES | st.integers(0, SECOND), max_size=60).map(lambda lags: np.array(lags, dtype=np.int64))


def test_every_bucket_has_its_column_and_its_edge() -> None:
    assert len(LAG_COLUMNS) == len(LAG_EDGES_NS) + 1
    assert list(LAG_EDGES_NS) == sorted(LAG_EDGES_NS)
    assert set(LAG_COLUMNS) < {name for name, _ in HEALTH_COLUMNS}
    for place, edge in enumerate(LAG_EDGES_NS):
        unit = f"{edge // MS}ms" if edge >= MS else f"{edge // 1000}us"
        assert LAG_COLUMNS[place] == f"lag_to_{unit}"
        for lag, bucket in ((edge, place), (edge + 1, place + 1)):
            assert lag_counts(np.array([lag])).index(1) == bucket


@given(lags=LAGS)
def test_every_lag_is_in_one_bucket(lags: np.ndarray) -> None:
    assert sum(lag_counts(lags)) == len(lags)
    assert min(lag_counts(lags)) >= 0


@given(first=LAGS, second=LAGS)
def test_histograms_of_two_workers_or_seconds_add_up(first: np.ndarray, second: np.ndarray) -> None:
    both = np.array(lag_counts(first)) + np.array(lag_counts(second))
    assert both.tolist() == list(lag_counts(np.concatenate([first, second])))


@given(lags=LAGS, share=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999, 1.0]) | st.floats(0.001, 1))
def test_the_bounds_of_a_quantile_hold_the_quantile_of_the_records(lags: np.ndarray, share: float) -> None:
    bounds = lag_quantile_bounds(lag_counts(lags), share)
    if not len(lags):
        assert bounds is None
        return
    assert bounds is not None
    quantile = int(np.sort(lags)[rank_of(len(lags), share) - 1])
    lower, upper = bounds
    assert lower < quantile or lower == 0
    assert upper is None or quantile <= upper
    assert upper is not None or quantile > LAG_EDGES_NS[-1]


@pytest.mark.parametrize(("share", "bounds"), [(0.99, (MS, 3 * MS)), (0.991, (100 * MS, None))])
def test_the_last_bucket_has_no_upper_edge(share: float, bounds: tuple[int, int | None]) -> None:
    assert lag_quantile_bounds((0, 0, 0, 99, 0, 0, 0, 1), share) == bounds
