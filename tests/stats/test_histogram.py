from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.histogram import TIMES, Histogram, Layout, histograms

LAYOUTS = [TIMES, Layout(1, 10**10, 1), Layout(1, (1 << 62) - 1, 3), Layout(1000, 10**13, 3), Layout(7, 10**6, 5)]
VALUES = st.one_of(st.integers(0, 5000), st.integers(0, 10**6), st.integers(0, TIMES.highest))


def column(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def sorted_rank(values: list[int], quantile: float) -> int:
    return sorted(values)[max(1, math.ceil(round(len(values) * quantile, 9))) - 1]


@given(st.lists(VALUES, min_size=1, max_size=200), st.floats(0.001, 1))
def test_a_quantile_is_never_below_the_exact_one_and_above_it_by_less_than_a_thousandth(values, quantile):
    exact, shown = sorted_rank(values, quantile), Histogram.of(column(values)).quantile(quantile)
    assert shown is not None
    assert exact <= shown <= exact * (1 + TIMES.relative_error)
    assert TIMES.relative_error < 0.001


@given(st.lists(st.lists(VALUES, max_size=50), max_size=6))
def test_the_sum_of_histograms_is_the_histogram_of_all_columns_in_any_order(columns):
    parts = [Histogram.of(column(values)) for values in columns]
    whole = Histogram.of(column([value for values in columns for value in values]))
    assert Histogram.merged(parts) == whole
    assert Histogram.merged(reversed(parts)) == whole
    assert Histogram.merged([Histogram.merged(parts[:2]), Histogram.merged(parts[2:])]) == whole


@given(st.lists(st.tuples(st.integers(0, 5), VALUES), max_size=100))
def test_grouped_recording_gives_the_histogram_of_each_group(pairs):
    groups, values = column([group for group, _ in pairs]), column([value for _, value in pairs])
    found = dict(histograms(groups, values))
    assert found == {group: Histogram.of(values[groups == group]) for group in sorted(set(groups.tolist()))}
    assert list(found) == sorted(found)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(share=st.floats(0, 1), base=st.integers(0, 62))
def test_the_index_is_that_of_hdrhistogram_s_own_counts_array(layout, share, base):
    theirs = HdrHistogram(layout.lowest, layout.highest, layout.digits)
    for value in {min(int((1 << base) * (1 + share)), layout.highest), (1 << base) - 1, 1 << base}:
        if value <= layout.highest:
            index = layout.index_of(column([value]))
            assert int(index[0]) == theirs._counts_index_for(value), value
            assert int(layout.lowest_of(index)[0]) == theirs.get_lowest_equivalent_value(value)
            assert int(layout.highest_of(index)[0]) == theirs.get_highest_equivalent_value(value)
    assert layout.size == theirs.counts_len


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_index_begins_where_the_one_before_it_ends(layout):
    index = np.arange(min(layout.size, 300_000))
    index = index[layout.lowest_of(index) < 1 << 61]
    lowest, highest = layout.lowest_of(index), layout.highest_of(index)
    assert lowest[0] == 0
    assert (lowest[1:] == highest[:-1] + 1).all()
    assert (layout.index_of(lowest) == index).all()
    assert (layout.index_of(highest) == index).all()


def test_mean_greatest_and_total_are_those_of_the_column_to_within_the_error():
    values = np.random.default_rng(3).lognormal(17, 1.5, 50_000).astype(np.int64)
    shown = Histogram.of(values)
    assert shown.total == 50_000
    assert shown.mean == pytest.approx(values.mean(), rel=TIMES.relative_error)
    assert values.max() <= shown.max <= values.max() * (1 + TIMES.relative_error)


def test_nothing_recorded_has_no_quantile_no_mean_and_no_greatest():
    for empty in (Histogram.of(column([])), Histogram.merged([])):
        assert (empty.total, empty.mean, empty.max, empty.quantile(0.5)) == (0, None, None, None)
    assert list(histograms(column([]), column([]))) == []


@pytest.mark.parametrize("wrong", [[-1], [5, TIMES.highest + 1]])
def test_a_value_out_of_range_is_refused_and_never_left_out(wrong):
    with pytest.raises(ValueError, match="not from 0 to"):
        Histogram.of(column(wrong))
    with pytest.raises(ValueError, match="not from 0 to"):
        list(histograms(column([0] * len(wrong)), column(wrong)))


def test_groups_that_could_be_mistaken_for_one_another_are_refused():
    for group in (-1, 1 << 50):
        with pytest.raises(ValueError, match="told apart"):
            list(histograms(column([group]), column([1])))


def test_histograms_of_different_layouts_do_not_add_up():
    with pytest.raises(ValueError, match="different layouts"):
        Histogram.merged([Histogram.of(column([1])), Histogram.of(column([1]), Layout(1, 10**6, 2))])


@pytest.mark.parametrize(
    "wrong", [(0, 10, 3), (6, 10, 3), (1, 1 << 62, 3), (1, 10, 0), (1, 10, 6), (1 << 50, 1 << 61, 5)]
)
def test_a_layout_that_tells_nothing_apart_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no histogram|significant digits|are beyond"):
        Layout(*wrong)


def test_a_million_times_are_recorded_in_a_fraction_of_a_second():
    values = np.random.default_rng(1).lognormal(17, 1.5, 1_000_000).astype(np.int64)
    begin = time.process_time()
    assert Histogram.of(values).total == 1_000_000
    assert time.process_time() - begin < 0.5
