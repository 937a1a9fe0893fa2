"""The schedule's laws, and the values that no upgrade may change."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seatrial.model import schedule
from seatrial.model.profile import Arrivals, Profile, Segment, Stage, constant
from seatrial.model.schedule import Block, Schedule, invert
from seatrial.units import SECOND

DIGEST = hashlib.sha256(b"a plan").hexdigest()
RATE = st.floats(0, 500)
SEGMENT = st.builds(Segment, st.integers(1, 10 * SECOND), RATE, RATE)
PROFILE = st.lists(SEGMENT, min_size=1, max_size=3).map(lambda s: Profile(tuple(s)))
ARRIVALS: st.SearchStrategy[Arrivals] = st.sampled_from(["even", "poisson"])
WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=4).map(tuple)


def made(
    profile: Profile,
    arrivals: Arrivals = "poisson",
    *,
    seed: int = 1,
    index: int = 0,
    weights: tuple[float, ...] = (1.0,),
) -> Schedule:
    return Schedule(DIGEST, seed, Stage(0, index, "s", profile, arrivals, 0, 0), weights)


def whole(of: Schedule) -> Block:
    blocks = list(of.blocks())
    if not blocks:
        return Block(*(np.zeros(0, dtype=t) for t in (np.int64, np.int64, np.int64, np.uint64)))
    return Block(
        *(np.concatenate([getattr(b, name) for b in blocks]) for name in ("session", "at_ns", "journey", "seed"))
    )


def rows(block: Block) -> list[tuple[int, ...]]:
    columns = (block.session, block.at_ns, block.journey, block.seed)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def expected_until(profile: Profile, at_ns: int) -> float:
    """Return Λ at an offset, from its definition."""
    total, left = 0.0, at_ns
    for segment in profile.segments:
        inside = min(left, segment.duration_ns)
        share = inside / segment.duration_ns
        total += (segment.rate_from + (segment.rate_to - segment.rate_from) * share / 2) * inside / 1e9
        left -= inside
    return total


@given(profile=PROFILE, arrivals=ARRIVALS, workers=st.integers(1, 50), weights=WEIGHTS)
def test_the_slices_of_any_number_of_workers_are_the_whole_and_nothing_twice(
    profile: Profile, arrivals: Arrivals, workers: int, weights: tuple[float, ...]
) -> None:
    of = made(profile, arrivals, weights=weights)
    slices = [row for worker in range(workers) for block in of.blocks() for row in rows(block.slice(worker, workers))]
    assert sorted(slices) == rows(whole(of))


@given(profile=PROFILE, arrivals=ARRIVALS)
def test_arrivals_ascend_and_stay_inside_and_sessions_are_numbered_without_a_gap(
    profile: Profile, arrivals: Arrivals
) -> None:
    block = whole(made(profile, arrivals))
    assert block.session.tolist() == list(range(len(block)))
    assert np.all(np.diff(block.at_ns) >= 0)
    assert not len(block) or (block.at_ns[0] >= 0 and block.at_ns[-1] <= profile.duration_ns)


@given(profile=PROFILE, share=st.floats(0, 1))
def test_even_arrivals_follow_the_integral_of_the_profile_within_one(profile: Profile, share: float) -> None:
    block = whole(made(profile, "even"))
    until_ns = int(profile.duration_ns * share)
    assert abs(int(np.sum(block.at_ns <= until_ns)) - expected_until(profile, until_ns)) <= 1
    assert abs(len(block) - profile.expected) <= 0.5 + 1e-9


@given(profile=PROFILE, share=st.floats(0, 1), seed=st.integers(0, 2**63 - 1))
def test_poisson_arrivals_follow_the_integral_of_the_profile_within_six_sigma(
    profile: Profile, share: float, seed: int
) -> None:
    until_ns = int(profile.duration_ns * share)
    expected = expected_until(profile, until_ns)
    count = int(np.sum(whole(made(profile, seed=seed)).at_ns <= until_ns))
    assert abs(count - expected) <= 6 * math.sqrt(expected) + 3  # the normal tail is too thin for small counts


@given(profile=PROFILE, arrivals=ARRIVALS, seed=st.integers(0, 2**63 - 1))
def test_as_many_arrive_as_the_profile_says_however_they_are_spread(
    profile: Profile, arrivals: Arrivals, seed: int
) -> None:
    of = made(profile, arrivals, seed=seed)
    assert len(whole(of)) == of.count() == math.floor(profile.expected + 0.5)


@settings(max_examples=30)
@given(profile=PROFILE, arrivals=ARRIVALS, size=st.sampled_from([4, 64, 1024, 65_536]), weights=WEIGHTS)
def test_the_size_of_a_block_does_not_matter(
    profile: Profile, arrivals: Arrivals, size: int, weights: tuple[float, ...]
) -> None:
    of = made(profile, arrivals, weights=weights)
    usual = rows(whole(of))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "BLOCK", size)
        assert rows(whole(of)) == usual


@given(profile=PROFILE, arrivals=ARRIVALS, seed=st.integers(0, 2**63 - 1))
def test_the_same_inputs_give_the_same_arrivals(profile: Profile, arrivals: Arrivals, seed: int) -> None:
    assert rows(whole(made(profile, arrivals, seed=seed))) == rows(whole(made(profile, arrivals, seed=seed)))


def test_another_seed_plan_trial_or_stage_gives_other_arrivals() -> None:
    profile = constant(50, 4 * SECOND)
    stages = [Stage(t, i, "s", profile, "poisson", 0, 0) for t, i in ((0, 0), (0, 1), (1, 0))]
    all_made = [Schedule(DIGEST, 1, stage, (1.0,)) for stage in stages]
    all_made += [Schedule(DIGEST, 2, stages[0], (1.0,)), Schedule("00", 1, stages[0], (1.0,))]
    assert len({tuple(whole(of).at_ns.tolist()) for of in all_made}) == 5
    assert len({tuple(whole(of).seed.tolist()[:50]) for of in all_made}) == 5


def test_gaps_between_poisson_arrivals_are_exponential() -> None:
    gaps = np.diff(whole(made(constant(1000, 30 * SECOND))).at_ns) / 1e9
    assert len(gaps) > 25_000
    assert stats.kstest(gaps, "expon", args=(0, 1 / 1000)).pvalue > 0.01
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03


def test_poisson_arrivals_of_a_ramp_are_uniform_under_its_integral() -> None:
    profile = Profile((Segment(10 * SECOND, 0, 1000), Segment(5 * SECOND, 1000, 200)))
    marks = [expected_until(profile, int(at)) / profile.expected for at in whole(made(profile)).at_ns]
    assert stats.kstest(marks, "uniform").pvalue > 0.01


def test_journeys_are_drawn_by_weight_and_seeds_are_distinct() -> None:
    block = whole(made(constant(2000, 10 * SECOND), weights=(3.0, 1.0, 0.5)))
    shares = np.bincount(block.journey) / len(block)
    assert shares == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5], abs=0.015)
    assert len(set(block.seed.tolist())) == len(block)


def test_the_logarithm_is_that_of_the_library_to_the_last_places() -> None:
    x = np.concatenate((np.linspace(2**-53, 1, 100_001), [2**-53, 0.5, 1.0, math.sqrt(0.5)]))
    assert schedule._minus_log(x) == pytest.approx(-np.log(x), rel=2e-15, abs=0)
    assert schedule._minus_log(np.array([1.0]))[0] == 0


@given(profile=PROFILE, shares=st.lists(st.floats(0, 1), min_size=1, max_size=20).map(sorted))
def test_inverting_and_integrating_again_gives_the_mark(profile: Profile, shares: list[float]) -> None:
    marks = np.array(shares) * profile.expected
    offsets = invert(profile, marks)
    # Half a nanosecond of rounding, at the highest rate there is.
    for mark, offset in zip(marks, offsets, strict=True):
        assert expected_until(profile, int(offset)) == pytest.approx(mark, rel=1e-6, abs=1e-6)


def test_a_stretch_without_load_has_no_arrivals() -> None:
    profile = Profile((constant(10, SECOND).segments[0], Segment(SECOND, 0, 0), constant(10, SECOND).segments[0]))
    for arrivals in ("even", "poisson"):
        at_ns = whole(made(profile, arrivals)).at_ns
        assert not np.any((at_ns > SECOND) & (at_ns < 2 * SECOND))
        assert np.any(at_ns >= 2 * SECOND)
    assert made(constant(0, SECOND)).count() == 0


@pytest.mark.parametrize("weights", [(), (0.0,), (1.0, -1.0)])
def test_journeys_without_weight_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="every journey needs a weight above zero"):
        made(constant(1, SECOND), weights=weights)


#: The first three rows, their number, and the SHA-256 of all: 6,000 arrivals and more, over two blocks.
GOLDEN: dict[Arrivals, tuple[list[tuple[int, ...]], int, str]] = {
    "even": (
        [
            (0, 81649658, 0, 17839873655206804585),
            (1, 141421356, 0, 5645725570637013461),
            (2, 182574186, 1, 10946854954482326611),
        ],
        6300,
        "4c7cc279b89fb4ce8ffd3f7d41854dfcc0e4c6aaef0c51f2e41bdd2642d0d29f",
    ),
    "poisson": (
        [
            (0, 158783229, 0, 17839873655206804585),
            (1, 176274735, 0, 5645725570637013461),
            (2, 187161545, 1, 10946854954482326611),
        ],
        6300,
        "29e9c40f1bc9932f1f901571dfb3c514edd8b944dc1bad46a204af414d851302",
    ),
}


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
def test_golden_values_hold_whatever_is_upgraded(arrivals: Arrivals) -> None:
    profile = Profile((Segment(2 * SECOND, 0, 300), Segment(20 * SECOND, 300, 300)))
    block = whole(made(profile, arrivals, seed=20261123, weights=(3.0, 1.0)))
    digest = hashlib.sha256(repr(rows(block)).encode()).hexdigest()
    assert (rows(block)[:3], len(block), digest) == GOLDEN[arrivals]
