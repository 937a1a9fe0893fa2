"""MSER-5 against its definition, and how often a warm-up is spoken of where there is one and where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seatrial.stats.warmup import BATCH, WarmUp, mser, warm_up
from seatrial.units import MS, SECOND

MINUTE = 60 * SECOND
Series = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def by_definition(series: list[float]) -> int | None:
    """MSER-5 word by word: every candidate's statistic computed on its own."""
    means = [sum(series[k : k + BATCH]) / BATCH for k in range(0, len(series) - BATCH + 1, BATCH)]
    n = len(means)

    def statistic(d: int) -> float:
        rest = means[d:]
        centre = sum(rest) / len(rest)
        return sum((x - centre) ** 2 for x in rest) / (n - d) ** 2

    best = min(range(n - BATCH), key=statistic)
    return best * BATCH if best <= n // 2 else None


@given(st.integers(0, 10**6), st.integers(50, 200), st.floats(0, 5))
def test_the_truncation_point_is_that_of_the_definition(seed, length, lift):
    rng = np.random.default_rng(seed)
    series = 1 + rng.exponential(1, length) + lift * np.exp(-np.arange(length) / 10)
    assert mser(series) == by_definition(series.tolist())


@given(st.integers(0, 10**6), st.floats(0.001, 1000), st.floats(-1000, 1000))
def test_the_truncation_point_depends_neither_on_the_unit_nor_on_the_level(seed, unit, level):
    series = np.random.default_rng(seed).normal(0, 1, 150) + 3 * np.exp(-np.arange(150) / 20)
    assert mser(series * unit + level) == mser(series)


def test_a_series_that_never_settles_or_is_too_short_tells_nothing():
    assert mser(np.arange(200.0)) is None
    assert mser([1.0] * 49) is None
    assert mser([]) is None
    assert mser([1.0] * 50) == 0


def arrivals(rng: np.random.Generator, count: int = 2400) -> np.ndarray:
    return np.sort(rng.integers(0, MINUTE, count))


def independent(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return (at := arrivals(rng)), rng.exponential(100 * MS, len(at))


def long_tailed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return (at := arrivals(rng)), rng.lognormal(18, 1.5, len(at))


def queue(load: float) -> Series:
    """A queue with one server, 200 arrivals a second, met in its steady state."""

    def answered(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        before, count = 20_000, 12_000
        at = np.cumsum(rng.exponential(5 * MS, before + count))
        work = rng.exponential(5 * MS * load, before + count)
        ends = np.cumsum(work)
        took = ends + np.maximum.accumulate(at - (ends - work)) - at
        at, took = at[before:] - at[before], took[before:]
        return at[at < MINUTE], took[at < MINUTE]

    return answered


def found(series: Series, times: int) -> list[WarmUp]:
    rng = np.random.default_rng(11)
    pairs = (series(rng) for _ in range(times))
    shown = (warm_up(at.astype(np.int64), took.astype(np.int64), MINUTE) for at, took in pairs)
    return [one for one in shown if one is not None]


@pytest.mark.parametrize(
    ("series", "most"),
    [(independent, 0.01), (long_tailed, 0.03), (queue(0.5), 0.01), (queue(0.8), 0.06), (queue(0.9), 0.08)],
)
def test_a_steady_service_is_seldom_said_to_warm_up(series, most):
    assert len(found(series, 300)) <= most * 300


def test_mser_5_alone_would_cut_every_third_steady_series():
    rng = np.random.default_rng(1)
    cut = sum(mser(rng.exponential(1, 300)) != 0 for _ in range(300))
    assert 0.25 < cut / 300 < 0.75


@pytest.mark.parametrize("seconds", [6, 12, 20])
def test_a_warm_up_of_known_length_is_found_to_within_a_few_seconds(seconds):
    def slow_at_first(rng):
        at, took = independent(rng)
        return at, took * (1 + 2 * (at < seconds * SECOND))

    shown = found(slow_at_first, 200)
    lengths = np.array([one.length_ns for one in shown]) / SECOND
    assert len(shown) >= 0.85 * 200  # in the others the minimum lies near the end: too short to tell
    assert abs(np.median(lengths) - seconds) <= 1
    assert (np.abs(lengths - seconds) <= 6).mean() >= 0.8


@pytest.mark.parametrize("sign", [1, -0.8])
def test_a_decaying_transient_is_found_whether_the_service_began_slow_or_fast(sign):
    def decaying(rng):
        at, took = independent(rng)
        return at, took * (1 + 3 * sign * np.exp(-at / (5 * SECOND))) if sign > 0 else took * (
            1 + sign * np.exp(-at / (8 * SECOND))
        )

    shown = found(decaying, 200)
    assert len(shown) >= 0.8 * 200
    assert 3 <= np.median([one.length_ns for one in shown]) / SECOND <= 20
    assert all((one.before_ns > one.after_ns) == (sign > 0) for one in shown)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(20, 30))
def test_a_freeze_in_the_middle_is_no_warm_up(seed, second):
    rng = np.random.default_rng(seed)
    at = arrivals(rng)
    took = rng.uniform(90 * MS, 110 * MS, len(at))
    late = (at >= second * SECOND) & (at < (second + 3) * SECOND)
    took = np.where(late, (second + 3) * SECOND - at, took)
    assert warm_up(at, took.astype(np.int64), MINUTE) is None


@given(st.integers(0, 10**6))
def test_the_order_of_the_records_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    at, took = independent(rng)
    took = (took * (1 + 3 * (at < 10 * SECOND))).astype(np.int64)
    order = rng.permutation(len(at))
    shown = warm_up(at, took, MINUTE)
    assert warm_up(at[order], took[order], MINUTE) == shown
    assume(shown is not None)
    assert shown.before_ns == pytest.approx(took[at < shown.length_ns].mean(), rel=1e-4)
    assert shown.after_ns == pytest.approx(took[at >= shown.length_ns].mean(), rel=1e-4)


def test_too_few_records_too_little_time_and_gaps_are_borne():
    rng = np.random.default_rng(1)
    at, took = independent(rng)
    took = took.astype(np.int64)
    assert warm_up(at[:400], took[:400], MINUTE) is None
    assert warm_up(at, took, 10 * SECOND) is None
    nothing = np.empty(0, dtype=np.int64)
    assert warm_up(nothing, nothing, MINUTE) is None
    early = at < 20 * SECOND
    assert warm_up(at[early], took[early], MINUTE) is None
