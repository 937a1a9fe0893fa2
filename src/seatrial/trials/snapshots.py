"""A run, second by second: the reports of all workers merged into one. Pure: no clock, no file, no thread.

Every worker reports about once a second of its own. A snapshot is made when all of them have reported, or when one
reports again before the others have: a worker that falls behind makes a snapshot poorer, never later. What is counted
is divided by the time that each worker's report tells of, which is a second and some, so that a rate is a rate
however late the report is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.profile import Profile, Stage
from seatrial.model.sample import NEVER, Outcome
from seatrial.units import MS, SECOND

__all__ = ["ANSWERED", "SHORTEST_NS", "OfferedLoad", "Phase", "Snapshot", "Snapshots", "errors_of", "quantile_ns"]

Phase: TypeAlias = Literal["starting", "warm-up", "judged", "draining"]

ANSWERED: Final = frozenset({Outcome.OK, Outcome.CHECK_FAILED, Outcome.HTTP_ERROR})
"""Outcomes of steps that the service answered, well or not."""

SHORTEST_NS: Final = 100 * MS
"""Below so much time counts give no rate."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """About a second of a stage, over all workers.

    Rates are None where the reports tell of less than ``SHORTEST_NS``, as at the end of a stage.

    Attributes:
        elapsed_ns: From the instant that the stage's arrivals count from until the latest report; below zero before.
        covered_ns: The time that the counts tell of, the mean over the workers that reported.
        workers: How many reported.
        phase: Of the stage, at ``elapsed_ns``.
        offered_per_s: Journeys that the profile asks for, the mean over the time since the last snapshot; None where
            no profile does, because users begin again as they come back.
        due_per_s: Journeys that came due.
        achieved_per_s: Steps that were answered, well or not.
        goodput_per_s: Steps that ended ok.
        outcomes: Outcome to steps that ended so; attempts that were retried are no steps.
        retried: Attempts that were given up and tried again.
        p50_ns: Median of the response times of the steps that ended, without an answer as well; within 5 %.
        p95_ns: Likewise.
        p99_ns: Likewise.
        lag_p99_ns: p99 of send lag of the worker where it was highest; None where nothing was sent.
        sessions: In progress.
        cpu: Share of its time in which the busiest worker was busy.
        so_far: Outcome to steps, since the stage began.
    """

    elapsed_ns: int
    covered_ns: int
    workers: int
    phase: Phase
    offered_per_s: float | None
    due_per_s: float | None
    achieved_per_s: float | None
    goodput_per_s: float | None
    outcomes: Mapping[Outcome, int]
    retried: int
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    lag_p99_ns: int | None
    sessions: int
    cpu: float
    so_far: Mapping[Outcome, int]

    @property
    def unsent(self) -> int:
        """Return the steps that the generator did not send."""
        return self.outcomes.get(Outcome.UNSENT, 0)

    @property
    def errors(self) -> dict[Outcome, int]:
        """Return what was sent, or would have been, and did not end ok: most frequent first."""
        return errors_of(self.outcomes)

    @property
    def errors_so_far(self) -> dict[Outcome, int]:
        """Return the same for the whole stage so far, unsent steps included."""
        unsent = self.so_far.get(Outcome.UNSENT, 0)
        return errors_of(self.so_far) | ({Outcome.UNSENT: unsent} if unsent else {})


def errors_of(outcomes: Mapping[Outcome, int]) -> dict[Outcome, int]:
    """Return the outcomes other than ok and unsent, most frequent first."""
    found = [(kind, count) for kind, count in outcomes.items() if kind not in (Outcome.OK, Outcome.UNSENT)]
    return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


class OfferedLoad:
    """What a profile asks for between two instants, found in logarithmic time."""

    def __init__(self, profile: Profile) -> None:
        self._segments = profile.segments
        self._begins = [0, *accumulate(segment.duration_ns for segment in profile.segments)]
        self._before = [0.0, *accumulate(segment.expected for segment in profile.segments)]

    def until(self, offset_ns: int) -> float:
        """Return the expected number of arrivals from the profile's start to an offset: Λ of the profile."""
        if offset_ns <= 0:
            return 0.0
        if offset_ns >= self._begins[-1]:
            return self._before[-1]
        place = bisect_right(self._begins, offset_ns) - 1
        within_ns = offset_ns - self._begins[place]
        return self._before[place] + (self._segments[place].until(within_ns).expected if within_ns else 0.0)

    def mean(self, from_ns: int, to_ns: int) -> float:
        """Return the mean rate between two offsets, the first below the second, in arrivals per second."""
        return (self.until(to_ns) - self.until(from_ns)) * SECOND / (to_ns - from_ns)


class Snapshots:
    """Merges the workers' reports of one stage.

    Args:
        stage: The stage.
        workers: How many workers report, at least one.
    """

    def __init__(self, stage: Stage, workers: int) -> None:
        self._stage = stage
        self._workers = workers
        self._offered = OfferedLoad(stage.profile)
        self._waiting: dict[int, Tick] = {}
        self._last: dict[int, Tick] = {}
        self._until_ns = 0
        self._so_far: Counter[Outcome] = Counter()

    @property
    def first_offered(self) -> float | None:
        """Return the journeys per second that the profile asks for in the first second; None where none does."""
        return self._offered_between(0, SECOND)

    def take(self, tick: Tick) -> Snapshot | None:
        """Take one worker's report; returns a snapshot when that completes one."""
        early = self.flush() if tick.worker in self._waiting else None
        self._waiting[tick.worker] = tick
        return self.flush() if len(self._waiting) >= self._workers else early

    def flush(self) -> Snapshot | None:
        """Return a snapshot of the reports that wait for others, as at the end of a stage; None when there are none."""
        ticks, self._waiting = self._waiting, {}
        if not ticks:
            return None
        counts = {worker: _Counts(tick, self._last.get(worker)) for worker, tick in ticks.items()}
        self._last |= ticks
        told = list(counts.values())
        ended = sum((count.outcomes for count in told), Counter[Outcome]())
        retried = ended.pop(Outcome.RETRIED, 0)
        self._so_far += ended
        covered_ns = sum(count.covered_ns for count in told) // len(told)
        elapsed_ns = max(tick.elapsed_ns for tick in ticks.values())
        times = sum((Counter(tick.histogram) for tick in ticks.values()), Counter[int]())
        lags = [tick.lag_p99_ns for tick in ticks.values() if tick.lag_p99_ns != NEVER]
        offered = self._offered_between(self._until_ns, elapsed_ns)
        self._until_ns = max(elapsed_ns, 0)
        return Snapshot(
            elapsed_ns=elapsed_ns,
            covered_ns=covered_ns,
            workers=len(ticks),
            phase=self._phase(elapsed_ns),
            offered_per_s=offered,
            due_per_s=_rate(told, covered_ns, lambda count: count.due),
            achieved_per_s=_rate(told, covered_ns, lambda count: sum(count.outcomes[kind] for kind in ANSWERED)),
            goodput_per_s=_rate(told, covered_ns, lambda count: count.outcomes[Outcome.OK]),
            outcomes=dict(ended),
            retried=retried,
            p50_ns=quantile_ns(times, 0.5),
            p95_ns=quantile_ns(times, 0.95),
            p99_ns=quantile_ns(times, 0.99),
            lag_p99_ns=max(lags, default=None),
            # Of a worker that has not reported, its last word stands.
            sessions=sum(tick.active for tick in self._last.values()),
            cpu=max(tick.health.get("busy_share", 0.0) for tick in ticks.values()),
            so_far=dict(self._so_far),
        )

    def _offered_between(self, from_ns: int, to_ns: int) -> float | None:
        if not self._stage.profile.peak:
            return None
        return self._offered.mean(from_ns, to_ns) if to_ns > from_ns else 0.0

    def _phase(self, elapsed_ns: int) -> Phase:
        if elapsed_ns <= 0:
            return "starting"
        if elapsed_ns > self._stage.profile.duration_ns:
            return "draining"
        return "warm-up" if elapsed_ns <= self._stage.judged_from_ns else "judged"


class _Counts:
    """What one worker's report counts, and the time that it tells of."""

    def __init__(self, tick: Tick, before: Tick | None) -> None:
        begun_ns = max(0, before.elapsed_ns) if before else 0
        self.covered_ns = max(0, tick.elapsed_ns - begun_ns)
        self.due = tick.intended - (before.intended if before else 0)
        self.outcomes = Counter({Outcome(code): count for code, count in tick.outcomes.items()})


def _rate(told: list[_Counts], covered_ns: int, count: Callable[[_Counts], int]) -> float | None:
    """Return a rate per second over all workers, each over its own time; None for too little of it."""
    if covered_ns < SHORTEST_NS:
        return None
    return sum(count(one) * SECOND / one.covered_ns for one in told if one.covered_ns >= SHORTEST_NS)


def quantile_ns(histogram: Mapping[int, int], share: float) -> float | None:
    """Return a quantile of times in live buckets (``BUCKETS_PER_OCTAVE``), within 5 %; None for none."""
    count, seen = sum(histogram.values()), 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= share * count:
            return float(2 ** (bucket / BUCKETS_PER_OCTAVE) * 1000)
    return None
