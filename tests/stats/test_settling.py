"""Recovery times by hand, and simulated services whose state after an overload is known."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.settling import State, aftermath, ratio_of_means, recovery_time
from seatrial.stats.windows import beyond_quantile, beyond_share
from seatrial.units import SECOND

BEFORE, GONE, END = (0, 120 * SECOND), 180 * SECOND, 480 * SECOND
LIMIT, DEADLINE = 3.0, 5.0


def service(
    seed: int, load: float, retries: int, deadline: float = DEADLINE, peak: float = 3.0, rate: float = 10.0
) -> tuple[np.ndarray, ...]:
    """One server, first come first served, that does the work of requests whose clients gave up, too.

    Offered: ``rate`` for two minutes, ``peak`` times as much for one, then ``rate`` for five. A client whose request
    is not answered within the deadline gives up and tries again, so many times. Records are first attempts; their
    time runs until any attempt is answered.
    """
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.exponential(1 / (rate * peak), int(rate * peak * 500)))
    keep = rng.random(len(starts)) < np.where((starts >= 120) & (starts < 180), 1.0, 1 / peak)
    starts = starts[keep & (starts < 480)]
    queue = [(at, k, 0) for k, at in enumerate(starts.tolist())]
    heapq.heapify(queue)
    took, free = np.full(len(starts), np.inf), 0.0
    work = iter(rng.exponential(load / rate, 500_000).tolist())
    while queue:
        at, k, attempt = heapq.heappop(queue)
        free = max(free, at) + next(work)
        if free - at <= deadline:
            took[k] = free - starts[k]
        elif attempt < retries:
            heapq.heappush(queue, (at + deadline, k, attempt + 1))
    most = deadline * (retries + 1)
    censored = ~np.isfinite(took)
    took = np.where(censored, most, took)
    # The observation ends at 480 s: what is not answered by then is in flight.
    late = starts + took > 480
    censored |= late
    took = np.where(late, 480 - starts, took)
    return (starts * SECOND).astype(np.int64), (took * SECOND).astype(np.int64), censored


def judged(records: tuple[np.ndarray, ...], width: int = 10 * SECOND):
    at, took, censored = records
    slow = took > LIMIT * SECOND
    return aftermath(at, took, censored, (slow, slow | censored), width, beyond_quantile(0.9), BEFORE, GONE, END)


def test_work_done_in_vain_keeps_a_service_down_and_that_is_called_metastable():
    found = [judged(service(seed, load=0.5, retries=3)) for seed in range(40)]
    assert [f.state for f in found] == [State.METASTABLE] * 40
    assert all(f.broken == 1 and f.before_bad <= 0.1 and 0.8 < f.load < 1.1 for f in found)
    assert all(f.recovery.lower_ns is None for f in found)


def test_a_backlog_that_shrinks_too_slowly_is_slow_and_not_metastable():
    found = [judged(service(seed, load=0.78, retries=0, deadline=200)) for seed in range(40)]
    assert {f.state for f in found} <= {State.SLOW, State.RECOVERED}
    assert sum(f.state is State.SLOW for f in found) >= 35
    assert all(f.time_fall > 0.1 for f in found if f.state is State.SLOW)


def test_a_service_that_gives_up_what_is_too_late_recovers_in_the_time_that_its_backlog_takes():
    found = [judged(service(seed, load=0.5, retries=0, deadline=200)) for seed in range(40)]
    assert all(f.state is State.RECOVERED for f in found)
    # Two P of work beyond one P's capacity: the backlog of 0.5 x 60 s is worked off at 0.5: a minute.
    took = sorted(f.recovery.upper_ns / SECOND for f in found)
    assert 45 < took[20] < 75
    assert all(f.recovery.lower_ns <= f.recovery.upper_ns for f in found)


def test_steps_that_sessions_of_the_disturbance_leave_undone_soon_after_it_are_no_load_that_explains_the_state():
    at, took, censored = service(1, load=0.5, retries=3)
    slow = took > LIMIT * SECOND
    left = (at >= GONE) & (at < GONE + (END - GONE) // 4)
    more = np.sort(np.concatenate([np.arange(len(at)), np.flatnonzero(left)]))
    found = aftermath(
        at[more], took[more], censored[more], (slow[more], (slow | censored)[more]), 10 * SECOND, beyond_quantile(0.9),
        BEFORE, GONE, END,
    )  # fmt: skip
    assert found.state is State.METASTABLE


def test_a_state_that_others_explain_is_not_called_metastable():
    at, took, censored = service(1, load=0.5, retries=3)
    slow = took > LIMIT * SECOND
    rest = (censored, (slow, slow | censored), 10 * SECOND, beyond_quantile(0.9))
    worse = np.where(at < 120 * SECOND, slow | (at % 3 == 0), slow)
    baseline = aftermath(at, took, censored, (worse, worse), *rest[2:], BEFORE, GONE, END)
    assert (baseline.state, baseline.undecided) == (State.UNDECIDED, "baseline")
    fewer = (at >= 120 * SECOND) | (at % 2 == 0)
    more = aftermath(at[fewer], took[fewer], censored[fewer], (slow[fewer], slow[fewer]), *rest[2:], BEFORE, GONE, END)
    assert (more.state, more.undecided) == (State.UNDECIDED, "load")
    nothing = at >= 120 * SECOND
    unseen = aftermath(
        at[nothing], took[nothing], censored[nothing], (slow[nothing], slow[nothing]), *rest[2:], BEFORE, GONE, END
    )
    assert unseen.undecided == "baseline"
    soon = aftermath(at, took, *rest, BEFORE, GONE, GONE + 5 * SECOND)
    assert (soon.state, soon.undecided, soon.recovery.undecided) == (State.UNDECIDED, "short", "short")


def evenly(bad_from: int, bad_to: int, *, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(0, 480 * SECOND, SECOND // 10)
    second = at // SECOND
    return at, (second >= bad_from) & (second < bad_to) & (second % every == 0)


def test_what_comes_and_goes_is_neither_recovered_nor_metastable():
    at, bad = evenly(120, 480, every=40)
    bad |= at >= 478 * SECOND
    found = aftermath(at, at * 0 + SECOND, bad, (bad, bad), 5 * SECOND, beyond_share(0.1), BEFORE, GONE, END)
    assert (found.state, found.undecided) == (State.UNDECIDED, "flapping")
    assert 0.1 < found.broken < 0.5


def test_unanswered_requests_leave_recovery_open_between_the_readings():
    at, bad = evenly(120, 200)
    unanswered = bad | (at >= 400 * SECOND)
    found = aftermath(at, at * 0, unanswered, (bad, unanswered), 5 * SECOND, beyond_share(0.1), BEFORE, GONE, END)
    assert (found.state, found.undecided) == (State.UNDECIDED, "hidden")
    assert 19 * SECOND < found.recovery.lower_ns < 20 * SECOND
    assert found.recovery.upper_ns is None


def test_the_recovery_time_is_one_nanosecond_after_the_last_window_that_breaks():
    at, bad = evenly(120, 200)
    found = recovery_time(at, (bad, bad), 10 * SECOND, beyond_share(0.1), GONE, END)
    # A window of 100 records may hold ten bad ones: those of the last second before 200 s.
    assert found.lower_ns == found.upper_ns == 19 * SECOND - SECOND // 10 + 1
    assert found.kept_ns == 300 * SECOND - found.upper_ns
    assert found.observed_ns == 300 * SECOND


def test_a_service_that_was_never_down_recovers_at_once_and_one_that_is_down_at_the_end_does_not():
    at, bad = evenly(0, 0)
    assert recovery_time(at, (bad, bad), SECOND, beyond_share(0), GONE, END).upper_ns == 0
    at, bad = evenly(479, 480)
    assert recovery_time(at, (bad, bad), SECOND, beyond_share(0), GONE, END).lower_ns is None


def test_silence_is_no_recovery():
    at = np.arange(0, 200 * SECOND, SECOND)
    well = np.zeros(len(at), bool)
    found = recovery_time(at, (well, well), 10 * SECOND, beyond_share(0), GONE, END)
    assert (found.lower_ns, found.upper_ns) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.booleans()), max_size=30), st.integers(1, 60))
def test_the_readings_enclose_the_recovery_time_that_every_position_tried_gives(rows, width):
    rows.sort()
    at = np.array([row[0] for row in rows], dtype=np.int64)
    optimistic = np.array([row[1] for row in rows], dtype=bool)
    pessimistic = optimistic | np.array([row[2] for row in rows], dtype=bool)
    found = recovery_time(at, (optimistic, pessimistic), width, beyond_share(0.2), 50, 100)
    for strict, bad, shown in ((False, optimistic, found.lower_ns), (True, pessimistic, found.upper_ns)):
        tried = None
        for start in range(100 - width, 49, -1):
            held = bad[(at >= start) & (at < start + width)]
            if held.sum() > np.floor(len(held) * 0.2) or (strict and not len(held)):
                break
            tried = start - 50
        assert shown == tried
    assert found.upper_ns is None or found.lower_ns <= found.upper_ns


def test_impossible_times_are_refused():
    nothing = np.zeros(0, np.int64)
    masks = (nothing.astype(bool), nothing.astype(bool))
    with pytest.raises(ValueError, match="before the disturbance"):
        recovery_time(nothing, masks, 5, beyond_share(0), 10, 9)
    with pytest.raises(ValueError, match="no time before"):
        aftermath(nothing, nothing, masks[0], masks, 5, beyond_share(0), (5, 5), 10, 20)


def test_what_a_disturbance_left_behind_is_a_ratio_with_bounds():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        before, after = rng.gamma(9, 1 / 9, 20), rng.gamma(9, 1.2 / 9, 30)
        found = ratio_of_means(before, after, 0.95)
        hits += found.lower <= 1.2 <= found.upper
        assert ratio_of_means(before * 7, after * 7, 0.95).estimate == pytest.approx(found.estimate)
    assert hits >= 180
    assert ratio_of_means(np.ones(8), np.full(8, 2.0), 0.95).upper == 2.0
    assert ratio_of_means(np.ones(7), np.ones(9), 0.95).estimate is None
    assert ratio_of_means(np.zeros(9), np.ones(9), 0.95).estimate is None
