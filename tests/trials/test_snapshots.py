"""Reports of workers become seconds of a run: nothing is lost, nothing counted twice, and a rate is a rate."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.profile import Profile, Segment, Stage, constant
from seatrial.model.sample import NEVER, Outcome
from seatrial.trials.snapshots import SHORTEST_NS, OfferedLoad, Snapshot, Snapshots, quantile_ns
from seatrial.units import MS, SECOND


def stage(profile: Profile, judged_from_ns: int = 0) -> Stage:
    return Stage(0, 0, "1 P", profile, "even", judged_from_ns, SECOND)


LEVEL = stage(constant(40, 10 * SECOND), 2 * SECOND)
RAMP = stage(Profile((Segment(10 * SECOND, 0, 100), Segment(1, 100, 10), Segment(10 * SECOND, 10, 10))))


def tick(worker: int = 0, at: float = 1.0, intended: int = 0, **facts: object) -> Tick:
    health = {"busy_share": facts.pop("cpu", 0.2)}
    outcomes = facts.pop("outcomes", {})
    active = facts.pop("active", 0)
    return Tick(worker, intended, active, outcomes, health=health, elapsed_ns=round(at * SECOND), **facts)  # type: ignore[arg-type]


def known(snapshot: Snapshot | None) -> Snapshot:
    assert snapshot is not None
    return snapshot


def test_what_is_offered_is_what_the_profile_offers_then_and_not_its_mean() -> None:
    snapshots = Snapshots(RAMP, 1)
    assert snapshots.first_offered == pytest.approx(5)
    seen = [known(snapshots.take(tick(at=second))).offered_per_s for second in (1, 5, 10, 11, 20, 21)]
    assert seen == pytest.approx([5, 30, 75, 10, 10, 0], abs=1e-6)
    assert RAMP.rate == pytest.approx(30)


def test_a_burst_between_two_reports_is_in_the_second_that_it_fell_into() -> None:
    burst = stage(Profile((Segment(2 * SECOND, 0, 0), Segment(10 * MS, 5000, 5000), Segment(2 * SECOND, 1, 1))))
    snapshots = Snapshots(burst, 1)
    seen = [known(snapshots.take(tick(at=second))).offered_per_s for second in (1, 2, 3)]
    assert seen == pytest.approx([0, 0, 50.99])


SEGMENTS = st.lists(
    st.tuples(st.integers(1, 10 * SECOND), st.floats(0, 1000), st.floats(0, 1000)).map(lambda t: Segment(*t)),
    min_size=1,
    max_size=6,
)


@given(segments=SEGMENTS, at=st.floats(0, 1))
def test_the_offered_load_up_to_any_instant_is_the_profile_less_what_comes_after(
    segments: list[Segment], at: float
) -> None:
    profile = Profile(tuple(segments))
    offered, offset = OfferedLoad(profile), int(at * (profile.duration_ns - 1))
    rest = profile.after(offset).expected
    assert math.isclose(offered.until(offset) + rest, profile.expected, rel_tol=1e-9, abs_tol=1e-6)
    assert offered.until(profile.duration_ns) == offered.until(2 * profile.duration_ns)
    assert offered.until(-1) == 0


def test_all_workers_are_added_up_and_each_rate_is_over_its_own_time() -> None:
    snapshots = Snapshots(LEVEL, 2)
    outcomes = {Outcome.OK: 30, Outcome.HTTP_ERROR: 6, Outcome.TIMEOUT: 3}
    assert snapshots.take(tick(0, 1.5, 30, outcomes=outcomes, active=3, lag_p99_ns=2 * MS)) is None
    second = known(snapshots.take(tick(1, 1.0, 20, outcomes={Outcome.OK: 20}, active=4, cpu=0.5, lag_p99_ns=MS)))
    assert second.workers == 2
    assert second.elapsed_ns == 1.5 * SECOND
    assert second.covered_ns == 1.25 * SECOND
    assert second.due_per_s == pytest.approx(30 / 1.5 + 20)
    assert second.achieved_per_s == pytest.approx(36 / 1.5 + 20)  # an error is an answer, silence is not
    assert second.goodput_per_s == pytest.approx(30 / 1.5 + 20)
    assert second.outcomes == {Outcome.OK: 50, Outcome.HTTP_ERROR: 6, Outcome.TIMEOUT: 3}
    assert list(second.errors.items()) == [(Outcome.HTTP_ERROR, 6), (Outcome.TIMEOUT, 3)]
    assert (second.sessions, second.cpu, second.lag_p99_ns) == (7, 0.5, 2 * MS)


def test_a_worker_that_falls_behind_makes_a_snapshot_poorer_and_not_later() -> None:
    snapshots = Snapshots(LEVEL, 2)
    known_once = [snapshots.take(tick(0, 1, 10, outcomes={0: 10})), snapshots.take(tick(1, 1, 10, outcomes={0: 10}))]
    assert known(known_once[1]).workers == 2
    assert snapshots.take(tick(0, 2, 30, outcomes={0: 20}, active=5)) is None
    alone = known(snapshots.take(tick(0, 3, 50, outcomes={0: 20})))
    assert (alone.workers, alone.goodput_per_s, alone.sessions) == (1, 20, 5)
    both = known(snapshots.take(tick(1, 3.5, 60, outcomes={0: 50})))
    assert (both.workers, both.goodput_per_s) == (2, pytest.approx(20 + 50 / 2.5))


def test_steps_that_were_not_sent_and_attempts_that_were_retried_are_told_apart_from_errors() -> None:
    outcomes = {Outcome.OK: 5, Outcome.UNSENT: 3, Outcome.ABORTED: 2, Outcome.RETRIED: 4}
    snapshots = Snapshots(LEVEL, 1)
    second = known(snapshots.take(tick(outcomes=outcomes)))
    assert (second.unsent, second.retried, second.errors) == (3, 4, {Outcome.ABORTED: 2})
    again = known(snapshots.take(tick(at=2, outcomes=outcomes)))
    assert again.errors_so_far == {Outcome.ABORTED: 4, Outcome.UNSENT: 6}
    assert Outcome.RETRIED not in again.so_far


@pytest.mark.parametrize(
    ("at", "phase"),
    [(-0.1, "starting"), (0.0, "starting"), (1.0, "warm-up"), (2.0, "warm-up"), (2.001, "judged"), (10.0, "judged")],
)
def test_the_phase_is_that_of_the_stage(at: float, phase: str) -> None:
    assert known(Snapshots(LEVEL, 1).take(tick(at=at))).phase == phase
    assert known(Snapshots(LEVEL, 1).take(tick(at=10.001))).phase == "draining"


def test_before_the_first_arrival_nothing_is_offered() -> None:
    second = known(Snapshots(LEVEL, 1).take(tick(at=-0.5)))
    assert (second.offered_per_s, second.goodput_per_s, second.covered_ns) == (0.0, None, 0)


def test_too_little_time_gives_counts_and_no_rate() -> None:
    snapshots = Snapshots(LEVEL, 1)
    snapshots.take(tick(at=1))
    last = known(snapshots.take(tick(at=1 + (SHORTEST_NS - 1) / SECOND, outcomes={0: 7})))
    assert (last.achieved_per_s, last.goodput_per_s, last.due_per_s) == (None, None, None)
    assert last.outcomes == {Outcome.OK: 7}
    enough = known(snapshots.take(tick(at=1.2, outcomes={0: 7})))
    assert enough.goodput_per_s == pytest.approx(7 / 0.1, rel=1e-6)


def test_without_steps_there_is_no_time_and_no_lag() -> None:
    second = known(Snapshots(LEVEL, 1).take(tick()))
    assert (second.p50_ns, second.p95_ns, second.p99_ns, second.lag_p99_ns) == (None, None, None, None)
    assert tick().lag_p99_ns == NEVER


def test_users_who_come_back_have_no_offered_rate_but_one_that_they_begin_at() -> None:
    snapshots = Snapshots(stage(constant(0, 10 * SECOND)), 1)
    assert snapshots.first_offered is None
    second = known(snapshots.take(tick(intended=12)))
    assert (second.offered_per_s, second.due_per_s) == (None, 12)


def test_nothing_waits_when_nothing_came() -> None:
    assert Snapshots(LEVEL, 3).flush() is None


@given(order=st.lists(st.integers(0, 2), max_size=40), counts=st.lists(st.integers(0, 50), min_size=40, max_size=40))
def test_every_step_is_in_exactly_one_snapshot_whatever_the_order_of_reports(
    order: list[int], counts: list[int]
) -> None:
    snapshots, seen = Snapshots(LEVEL, 3), Counter[Outcome]()
    at = Counter[int]()
    last: Snapshot | None = None
    for worker, count in zip(order, counts, strict=False):
        at[worker] += 1
        told = snapshots.take(tick(worker, at[worker], outcomes={Outcome.OK: count, Outcome.TIMEOUT: 1}))
        last = told or last
        seen.update(told.outcomes if told else {})
    rest = snapshots.flush()
    seen.update(rest.outcomes if rest else {})
    last = rest or last
    assert seen[Outcome.OK] == sum(counts[: len(order)])
    assert seen[Outcome.TIMEOUT] == len(order)
    assert (last.so_far if last else {}) == +seen


@given(
    times_us=st.lists(st.floats(1, 1e7), min_size=1, max_size=200),
    share=st.sampled_from([0.5, 0.95, 0.99]),
    workers=st.integers(1, 3),
)
def test_a_quantile_over_all_workers_is_within_five_percent(times_us: list[float], share: float, workers: int) -> None:
    snapshots = Snapshots(LEVEL, workers)
    told: Snapshot | None = None
    for worker in range(workers):
        mine = np.array(times_us[worker::workers])
        buckets = np.rint(np.log2(mine) * BUCKETS_PER_OCTAVE).astype(int) if len(mine) else mine
        told = snapshots.take(tick(worker, histogram=dict(Counter(buckets.tolist()))))
    exact = np.sort(times_us)[math.ceil(share * len(times_us) - 1e-9) - 1] * 1000
    named = {0.5: known(told).p50_ns, 0.95: known(told).p95_ns, 0.99: known(told).p99_ns}
    assert named[share] == pytest.approx(exact, rel=0.05)
    assert quantile_ns({}, share) is None
