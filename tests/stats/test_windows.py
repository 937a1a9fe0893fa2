"""The worst sliding window against trying every nanosecond."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seatrial.stats.windows as module
from seatrial.stats.binomial import rank_of
from seatrial.stats.windows import (
    beyond_quantile,
    beyond_share,
    broken_spans,
    least_records,
    window_quantile,
    worst_mean,
    worst_share,
)
from seatrial.units import MS, SECOND

ROWS = st.lists(st.tuples(st.integers(-5, 45), st.booleans(), st.integers(0, 2**40)), max_size=40)
WIDTHS = st.integers(1, 50)
ALLOWED = st.sampled_from([beyond_quantile(0.5), beyond_quantile(0.9), beyond_share(0.25), beyond_share(0.0)])


def columns(rows):
    ordered = sorted(rows)
    at, bad, value = (np.array([row[k] for row in ordered]) for k in range(3))
    return at.astype(np.int64), bad.astype(bool), value.astype(np.int64)


def inside(rows, start, width):
    return [row for row in rows if start <= row[0] < start + width]


def disjoint(starts: list[int], width: int) -> int:
    count, free = 0, -math.inf
    for start in starts:
        if start >= free:
            count, free = count + 1, start + width
    return count


@given(ROWS, WIDTHS, ALLOWED, st.sampled_from([1, 3, 1 << 19]))
def test_the_worst_share_is_that_of_every_position_tried(rows, width, allowed, piece):
    at, bad, _ = columns(rows)
    module._PIECE, before = piece, module._PIECE
    try:
        found = worst_share(at, bad, width, 0, 40, allowed)
        spans = broken_spans(at, bad, width, 0, 40, allowed)
    finally:
        module._PIECE = before
    tried = [(start, inside(rows, start, width)) for start in range(40 - width + 1)]
    counts = [(start, len(held), sum(row[1] for row in held)) for start, held in tried]
    breaking = [start for start, n, hits in counts if hits > allowed(n)]
    assert found.broken == disjoint(breaking, width)
    assert [start for first, last in spans.tolist() for start in range(first, last + 1)] == breaking
    assert found.fewest == (min(n for _, n, _ in counts) if counts else None)
    assert found.fewest_at_ns == next((start for start, n, _ in counts if n == found.fewest), None)
    ranked = [(hits > allowed(n), hits / n, -start, n) for start, n, hits in counts if n]
    if not ranked:
        assert found.worst is None
    else:
        breaks, share, start, n = max(ranked)
        worst = found.worst
        assert (worst.breaks, worst.figure, worst.at_ns, worst.records) == (breaks, share, -start, n)


@given(ROWS, WIDTHS, st.integers(0, 2**40), st.booleans())
def test_the_worst_mean_is_that_of_every_position_tried(rows, width, limit, pessimistic):
    at, hidden, value = columns(rows)
    found = worst_mean(at, value, hidden if pessimistic else None, width, 0, 40, limit)
    tried = [(start, inside(rows, start, width)) for start in range(40 - width + 1)]
    means = [
        (math.inf if pessimistic and any(row[1] for row in held) else sum(row[2] for row in held) / len(held), -start)
        for start, held in tried
        if held
    ]
    assert found.broken == disjoint([-start for mean, start in means if mean > limit], width)
    assert (found.worst is None) == (not means)
    if means:
        assert found.worst.figure == max(mean for mean, _ in means)
        assert found.worst.breaks == (found.worst.figure > limit)


@given(ROWS, WIDTHS, st.integers(0, 2**40), st.sampled_from([0.5, 0.9, 0.95]))
def test_no_window_breaks_exactly_when_each_window_s_quantile_keeps_the_limit(rows, width, limit, q):
    at, _, value = columns(rows)
    found = worst_share(at, value > limit, width, 0, 40, beyond_quantile(q))
    known = np.zeros(len(at), bool)
    quantiles = [window_quantile(at, value, known, start, width, q)[0] for start in range(40 - width + 1)]
    assert (found.broken > 0) == any(figure is not None and figure > limit for figure in quantiles)


@given(ROWS, WIDTHS, ALLOWED)
def test_one_more_bad_record_never_makes_fewer_windows_break(rows, width, allowed):
    at, bad, _ = columns(rows)
    assert (
        worst_share(at, bad, width, 0, 40, allowed).broken
        <= worst_share(at, bad | (at % 3 == 0), width, 0, 40, allowed).broken
    )


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1000), st.booleans()), min_size=1, max_size=50))
def test_a_window_s_quantile_is_the_sorted_value_of_its_rank(rows):
    rows.sort()
    at, value, censored = (np.array(column) for column in zip(*rows, strict=True))
    held = [row for row in rows if 20 <= row[0] < 70]
    low, high = window_quantile(at, value, censored, 20, 50, 0.9)
    if not held:
        assert (low, high) == (None, None)
        return
    rank = rank_of(len(held), 0.9)
    assert low == sorted(row[1] for row in held)[rank - 1]
    known = sorted(row[1] for row in held if not row[2])
    assert high == (known[rank - 1] if rank <= len(known) else None)


def test_a_burst_across_the_border_of_two_fixed_windows_is_found_whole():
    at = np.arange(0, 60 * SECOND, 100 * MS)
    bad = (at >= 28 * SECOND) & (at < 32 * SECOND)
    found = worst_share(at, bad, 4 * SECOND, 0, 60 * SECOND, beyond_quantile(0.5))
    assert found.worst.figure == 1.0
    assert found.worst.bad == 40
    assert 27 * SECOND < found.worst.at_ns <= 28 * SECOND
    # A window breaks from more than half on: no two of those that begin between 26 s and 30 s are disjoint.
    assert found.broken == 1
    assert worst_share(at, bad, 2 * SECOND, 0, 60 * SECOND, beyond_quantile(0.5)).broken == 2


def test_a_time_shorter_than_the_window_has_no_window():
    found = worst_share(np.array([1, 2]), np.array([True, True]), 11, 0, 10, beyond_share(0))
    assert (found.worst, found.broken, found.fewest) == (None, 0, None)


def test_a_gap_of_a_window_s_length_is_told():
    at = np.array([0, 1, 2, 20, 21])
    found = worst_share(at, np.zeros(5, bool), 10, 0, 30, beyond_share(0))
    assert (found.fewest, found.fewest_at_ns, found.broken) == (0, 3, 0)
    empty = broken_spans(at, np.zeros(5, bool), 10, 0, 30, beyond_share(0), empty_breaks=True)
    assert empty.tolist() == [[3, 10]]
    nothing = np.zeros(0, np.int64)
    assert worst_share(nothing, nothing.astype(bool), 10, 0, 30, beyond_share(0)).fewest == 0


def test_how_many_records_a_window_needs_is_the_reciprocal_of_what_may_be_bad():
    for share, least in ((0.05, 20), (0.01, 100), (0.001, 1000), (1, 1), (0.3, 4)):
        assert least_records(share) == least
        assert beyond_share(share)(least) == 1
        assert beyond_share(share)(least - 1) == 0
    assert least_records(1 - 0.95) == 20
    assert beyond_quantile(0.95)(20) == 1
    assert beyond_quantile(0.95)(19) == 0
    assert beyond_share(0.1)(30) == 3
    with pytest.raises(ValueError, match="a share of 0"):
        least_records(0)


def test_shapes_order_and_lengths_that_make_no_sense_are_refused():
    at, bad = np.array([1, 2]), np.array([True, False])
    with pytest.raises(ValueError, match="shapes differ"):
        worst_share(at, bad[:1], 5, 0, 10, beyond_share(0))
    with pytest.raises(ValueError, match="a window of 0 ns"):
        worst_share(at, bad, 0, 0, 10, beyond_share(0))
    with pytest.raises(ValueError, match="do not ascend"):
        worst_mean(at[::-1], at, None, 5, 0, 10, 1)


def test_a_million_records_are_looked_through_in_little_time():
    at = np.sort(np.random.default_rng(1).integers(0, 3600 * SECOND, 1_000_000))
    begun = time.process_time()
    found = worst_share(at, at % 100 == 0, 30 * SECOND, 0, 3600 * SECOND, beyond_quantile(0.95))
    assert time.process_time() - begun < 3
    assert found.broken == 0
