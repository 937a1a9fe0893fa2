"""Profiles: load over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.profile import Profile, Segment, Stage, constant
from seatrial.units import SECOND

RATE = st.floats(0, 1e4)
SEGMENT = st.builds(Segment, st.integers(1, 100 * SECOND), RATE, RATE)
PROFILE = st.lists(SEGMENT, min_size=1, max_size=4).map(lambda s: Profile(tuple(s)))


@given(profile=PROFILE)
def test_a_profile_is_the_sum_of_its_segments(profile: Profile) -> None:
    assert profile.duration_ns == sum(s.duration_ns for s in profile.segments)
    assert profile.expected == pytest.approx(sum(s.expected for s in profile.segments))
    assert profile.expected <= profile.peak * profile.duration_ns / 1e9 * (1 + 1e-9)


def test_a_ramp_expects_the_area_under_it() -> None:
    assert Segment(10 * SECOND, 0, 20).expected == 100
    assert constant(20, 10 * SECOND).expected == 200


@pytest.mark.parametrize("segment", [(0, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -0.1)])
def test_a_segment_that_can_not_be_is_refused(segment: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match=r"segment|rate"):
        Segment(*segment)


def test_a_profile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one segment"):
        Profile(())


def test_the_rate_of_a_stage_is_the_mean_of_what_is_judged() -> None:
    profile = Profile((Segment(SECOND, 0, 5), Segment(SECOND, 5, 9), Segment(2 * SECOND, 1, 1)))
    assert Stage(0, 0, "s", profile, "even", 0, 0).rate == (2.5 + 7 + 2) / 4
    assert Stage(0, 0, "s", profile, "even", 1_500_000_000, 0).rate == (4 + 2) / 2.5


@given(rate=st.floats(1e-6, 1e6), warm_ns=st.integers(1, 10**13), held_ns=st.integers(1, 10**13))
def test_the_rate_of_a_held_level_is_exactly_that_level(rate: float, warm_ns: int, held_ns: int) -> None:
    profile = Profile((Segment(SECOND, 0, rate), Segment(warm_ns, rate, rate), Segment(held_ns, rate, rate)))
    assert Stage(0, 0, "s", profile, "even", SECOND + warm_ns, 0).rate == rate
    assert Stage(0, 0, "s", profile, "even", SECOND + warm_ns // 2, 0).rate == rate
