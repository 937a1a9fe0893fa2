from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.stats.crossing import Crossing, MeanAt, ShareAt, crossing_of_means, crossing_of_shares

LOADS = (1.0, 1.5, 2.0, 1.75, 1.85, 1.65, 1.8, 1.7)
MU, DEADLINE = 100.0, 0.075
"""One server of 100/s; p95 response time <= 75 ms is met up to 100 - ln 20 / 0.075 = 60.06/s."""
TRUE = MU + math.log(0.05) / DEADLINE


def odds(eta: float) -> float:
    return 1 / (1 + math.exp(-eta))


def on_a_line(loads: Sequence[float], at: float, slope: float, allowed: float, records: float = 4000) -> list[ShareAt]:
    target = math.log(allowed / (1 - allowed))
    return [ShareAt(x, odds(target + slope * (x - at)), records, records / 5) for x in loads]


def queue_level(load: float, seconds: float, rng: np.random.Generator) -> ShareAt:
    """One stage of M/M/1 (Lindley's recursion), with the design effect of twenty batches."""
    count = round(load * seconds)
    at = np.sort(rng.random(count)) * seconds
    work = rng.exponential(1 / MU, count)
    ends = np.cumsum(work)
    late = ends + np.maximum.accumulate(at - (ends - work)) - at > DEADLINE
    share = float(late.mean())
    batch = np.minimum((at / seconds * 20).astype(int), 19)
    sizes, hits = np.bincount(batch, minlength=20), np.bincount(batch[late], minlength=20)
    spread = 20 / 19 * float(((hits - share * sizes) ** 2).sum())
    effect = max(1.0, spread / (count * share * (1 - share))) if 0 < share < 1 else 1.0
    return ShareAt(load, share, count, count / effect)


@given(
    at=st.floats(1.55, 1.9),
    slope=st.floats(4, 10),
    allowed=st.sampled_from([0.001, 0.01, 0.05, 0.5]),
    by=st.floats(1, 1e4),
)
@settings(max_examples=60)
def test_levels_on_a_line_give_its_crossing_in_any_unit(at: float, slope: float, allowed: float, by: float) -> None:
    plain = on_a_line(LOADS, at, slope, allowed, 200_000)
    levels = [ShareAt(one.load * by, one.share, one.records, one.effective) for one in plain]
    found = crossing_of_shares(levels, allowed, 0.95)
    assert found is not None
    assert found.estimate == pytest.approx(at * by, rel=1e-5)
    assert found.lower < found.estimate < found.upper


@given(st.permutations(range(len(LOADS))))
@settings(max_examples=20)
def test_the_order_of_levels_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(3)
    levels = [queue_level(x * 35, 60, rng) for x in LOADS]
    assert crossing_of_shares([levels[i] for i in order], 0.05, 0.95) == crossing_of_shares(levels, 0.05, 0.95)


def test_more_records_and_less_confidence_narrow_the_interval() -> None:
    def width(records: float, confidence: float) -> float:
        found = crossing_of_shares(on_a_line(LOADS, 1.7, 5, 0.05, records), 0.05, confidence)
        assert found is not None
        return found.upper - found.lower

    assert width(40_000, 0.95) < 0.5 * width(4000, 0.95)
    assert width(4000, 0.8) < width(4000, 0.95) < width(4000, 0.99)


def test_levels_that_scatter_more_than_their_records_say_widen_the_interval() -> None:
    smooth = on_a_line(LOADS, 1.7, 5, 0.05)
    rough = [
        ShareAt(one.load, min(1.0, one.share * (1.6 if i % 2 else 0.6)), one.records, one.effective)
        for i, one in enumerate(smooth)
    ]
    a, b = crossing_of_shares(smooth, 0.05, 0.95), crossing_of_shares(rough, 0.05, 0.95)
    assert a is not None
    assert b is not None
    assert b.dispersion > 2 > a.dispersion
    assert b.upper - b.lower > 1.5 * (a.upper - a.lower)


@pytest.mark.parametrize(
    ("loads", "shares"),
    [
        ((1.0, 1.2, 1.4, 1.6, 1.8), (0.01, 0.01, 0.02, 0.02, 0.03)),  # all hold
        ((1.0, 1.2, 1.4, 1.6, 1.8), (0.2, 0.3, 0.3, 0.4, 0.5)),  # all break
        ((1.0, 1.2, 1.4, 1.6, 1.8), (0.0, 0.0, 0.0, 1.0, 1.0)),  # separate: any steep slope fits
        ((1.0, 1.2, 1.4, 1.6, 1.8), (0.2, 0.1, 0.05, 0.03, 0.01)),  # better the more load there is
        ((1.0, 1.2, 1.4, 1.6, 1.8), (0.06, 0.04, 0.06, 0.04, 0.06)),  # no slope to speak of
        ((1.0, 1.5, 2.0), (0.01, 0.05, 0.1)),  # too few levels
        ((1.0, 1.5, 1.0, 1.5), (0.01, 0.1, 0.01, 0.1)),  # too few different ones
    ],
)
def test_where_the_levels_show_no_crossing_there_is_none(loads: Sequence[float], shares: Sequence[float]) -> None:
    levels = [ShareAt(x, p, 2000, 400) for x, p in zip(loads, shares, strict=True)]
    assert crossing_of_shares(levels, 0.05, 0.95) is None


def test_a_far_level_where_the_curve_bends_moves_the_crossing_little() -> None:
    near = on_a_line(LOADS[1:], 1.7, 5, 0.05)
    flat = [*near, ShareAt(0.5, 0.011, 4000, 4000), ShareAt(0.7, 0.011, 4000, 4000)]
    a, b = crossing_of_shares(near, 0.05, 0.95), crossing_of_shares(flat, 0.05, 0.95)
    assert a is not None
    assert b is not None
    assert b.estimate == pytest.approx(a.estimate, rel=1e-3)


def test_a_mean_crosses_where_its_curve_does() -> None:
    # M/M/1: the mean is 1 / (mu - x), and 40 ms at 75/s.
    levels = [MeanAt(x, 1e9 / (MU - x), 2e7 / (MU - x)) for x in (60.0, 65, 70, 72, 74, 76, 78, 80)]
    found = crossing_of_means(levels, 40e6, 0.95)
    assert found is not None
    assert found.estimate == pytest.approx(75, rel=0.01)
    assert found.lower < 75 < found.upper
    assert found.near == 7  # 60 lies 20 % below
    assert crossing_of_means(levels[:4], 40e6, 0.95) is None


@pytest.mark.parametrize("wrong", [(0, 0.1, 10, 10), (1, 1.1, 10, 10), (1, 0.1, 10, 11), (1, 0.1, 10, 0)])
def test_what_no_level_shows_is_refused(wrong: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="not what a level shows"):
        ShareAt(*wrong)


def test_limits_that_nothing_crosses_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        crossing_of_shares([], 0.0, 0.95)
    with pytest.raises(ValueError, match="above 0"):
        crossing_of_means([], 0.0, 0.95)
    with pytest.raises(ValueError, match="confidence"):
        crossing_of_shares([], 0.5, 1.0)
    with pytest.raises(ValueError, match="not what a level shows"):
        MeanAt(1.0, 1.0, 0.0)


def test_the_interval_holds_the_capacity_of_a_queue_about_as_often_as_it_says() -> None:
    rng, found = np.random.default_rng(11), list[Crossing]()
    for _ in range(120):
        levels = [queue_level(x * TRUE, 60, rng) for x in (0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)]
        one = crossing_of_shares(levels, 0.05, 0.95)
        if one is not None:
            found.append(one)
    assert len(found) >= 110  # of the rest the slope is not significant
    assert 0.92 <= sum(one.lower <= TRUE <= one.upper for one in found) / len(found) <= 0.995
    assert np.mean([one.estimate for one in found]) == pytest.approx(TRUE, rel=0.01)
    assert sum(abs(one.estimate / TRUE - 1) <= 0.05 for one in found) >= 0.9 * len(found)
