"""Back to normal after a disturbance: when, and if not, why not.

**Recovery time.** A window of length w is well when it keeps its limit. The service has recovered at the first
instant t, no earlier than the end of the disturbance, from which on every window that begins at t or later is well, to
the end of the observation. Every position is tried (see :mod:`seatrial.stats.windows`), so t is exact:
one nanosecond after the last position that breaks. The optimistic reading of unanswered requests gives its lower
bound, the pessimistic one the upper; a window without records breaks in the pessimistic reading, for nothing shows that
it was well.

**Metastable.** A failure state is metastable when it outlives its trigger: the overload is gone, the load is what the
service carried before, and it stays down, because something keeps it down (retries, timed-out work that is done
all the same, a cold cache; Bronson, Aghayev, Charapko, Zhu, *Metastable Failures in Distributed Systems*, HotOS
2021; Huang and others, *Metastable Failures in the Wild*, OSDI 2022). It is told by these rules:

1. before the disturbance the service kept its limit, as one window;
2. in the second half of the time after it the load is not above what it was before, by more than a tenth (in the
   first half stand the steps that sessions of the disturbance still had before them when they broke off);
3. in the optimistic reading the last window breaks, and so do nine tenths of those positions in the second half;
4. nothing improves in the second half: neither the share of bad records nor the median of the times falls.

Where 1 and 2 hold, the last window breaks and something improves, a backlog is being worked off: that is slow, and
not metastable. An improvement is one that :mod:`seatrial.stats.drift` finds in 24 windows at 99 % (so one in two
hundred metastable states is taken for a slow one by chance); one of three twentieths that it does not find leaves
the question open.

A client sees a backlog shrink as long as it waits for the answers. Of one that is so long that every request reaches
its deadline it sees nothing, and until that has been worked off it looks like a state that never ends: the
observation has to last longer than the service is allowed to take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from seatrial.model.verdict import Bounded
from seatrial.stats.drift import LEAST_WINDOWS, drift, inflation, mean_drift
from seatrial.stats.window_series import Series, quantile_series, share_series
from seatrial.stats.windows import Allowed, broken_spans

__all__ = ["Aftermath", "Recovery", "State", "aftermath", "ratio_of_means", "recovery_time"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

_WINDOWS = 24
_LEAST_RECORDS = 10
_STAYS = 0.9
_MORE_LOAD = 1.1
_SURE = 0.99
_LARGE = 0.15
_HALF = 0.5
_ROUNDING_NS = 1000


class State(StrEnum):
    """What a service is in after a disturbance."""

    RECOVERED = "recovered"
    SLOW = "slow"
    METASTABLE = "metastable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long a service took to come back, from the end of the disturbance.

    Attributes:
        lower_ns: In the optimistic reading; None where it did not recover within the observation.
        upper_ns: In the pessimistic reading; None where it did not.
        observed_ns: How long it was observed after the disturbance.
        kept_ns: How long it was then well, in the pessimistic reading, up to the end; None where it did not recover.
        undecided: ``short`` where no window fits between the disturbance and the end: then nothing is known.
    """

    lower_ns: int | None
    upper_ns: int | None
    observed_ns: int
    kept_ns: int | None
    undecided: Literal["short"] | None


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What became of a service, with the figures that it is told by.

    Attributes:
        state: The sum of it.
        recovery: How long it took.
        before_bad: Share of bad records before the disturbance, pessimistic reading; None without records.
        load: Records per second in the second half after it, divided by those before; None without records before.
        broken: Share of the positions in the second half at which a window breaks, optimistic reading.
        bad_fall: By how much the share of bad records fell in the second half, in points (a fraction of one).
        time_fall: By how much the median of the times fell in the second half, as a share of what it was; None where
            it is hidden.
        undecided: ``short`` (no window, too few records to see an improvement, or answers that take too long),
            ``baseline`` (rule 1), ``load`` (rule 2), ``hidden`` (recovered in the optimistic reading alone),
            ``flapping`` (rule 3), ``improving`` (it may improve, which is not shown); None when decided.
    """

    state: State
    recovery: Recovery
    before_bad: float | None
    load: float | None
    broken: float | None
    bad_fall: float | None
    time_fall: float | None
    undecided: Literal["short", "baseline", "load", "hidden", "flapping", "improving"] | None


def recovery_time(
    at_ns: Int64, bad: tuple[Bool, Bool], width_ns: int, allowed: Allowed, gone_ns: int, end_ns: int
) -> Recovery:
    """Return how long a service took to come back.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        bad: Which are bad in the optimistic and in the pessimistic reading, each of shape (n,).
        width_ns: Length of a window.
        allowed: How many of a number of records may be bad: see :func:`seatrial.stats.windows.beyond_quantile`.
        gone_ns: End of the disturbance.
        end_ns: End of the observation.

    Raises:
        ValueError: shapes that differ, times that do not ascend, a length of zero, an end before the disturbance's.
    """
    if end_ns < gone_ns:
        raise ValueError(f"the observation ends at {end_ns} ns, before the disturbance at {gone_ns} ns")
    last, observed = end_ns - width_ns, end_ns - gone_ns
    lower, upper = (
        _recovered(broken_spans(at_ns, mask, width_ns, gone_ns, end_ns, allowed, empty_breaks=strict), gone_ns, last)
        for mask, strict in zip(bad, (False, True), strict=True)
    )
    if last < gone_ns:
        return Recovery(None, None, observed, None, "short")
    return Recovery(lower, upper, observed, None if upper is None else observed - upper, None)


def aftermath(
    at_ns: Int64,
    took_ns: Int64,
    censored: Bool,
    bad: tuple[Bool, Bool],
    width_ns: int,
    allowed: Allowed,
    before: tuple[int, int],
    gone_ns: int,
    end_ns: int,
) -> Aftermath:
    """Return what became of a service after a disturbance.

    Args:
        at_ns: When each record was intended, ascending, shape (n,).
        took_ns: Its response time, or what it is at least, shape (n,).
        censored: Whether only that is known, shape (n,).
        bad: Which are bad in the optimistic and in the pessimistic reading, each of shape (n,).
        width_ns: Length of a window.
        allowed: How many of a number of records may be bad.
        before: Beginning and end of the time before the disturbance.
        gone_ns: End of the disturbance.
        end_ns: End of the observation.

    Raises:
        ValueError: as for :func:`recovery_time`, or nothing lies between the two ends of ``before``.
    """
    if before[1] <= before[0]:
        raise ValueError(f"no time before the disturbance: {before[0]} to {before[1]} ns")
    recovery = recovery_time(at_ns, bad, width_ns, allowed, gone_ns, end_ns)
    half_ns = (gone_ns + end_ns) // 2
    first, last, half, end = np.searchsorted(at_ns, [*before, half_ns, end_ns], side="left").tolist()
    count, hits = last - first, int(bad[1][first:last].sum())
    load = None
    if count and end_ns > half_ns:
        load = (end - half) / (end_ns - half_ns) * (before[1] - before[0]) / count
    seen = _Seen(recovery, hits / count if count else None, load)
    if recovery.undecided is not None:
        return seen.end("short")
    if recovery.upper_ns is not None:
        return seen.end(State.RECOVERED)
    if recovery.lower_ns is not None:
        return seen.end("hidden")
    if not count or hits > allowed(count):
        return seen.end("baseline")
    if load is None or load > _MORE_LOAD:
        return seen.end("load")
    return _second_half(seen, at_ns, took_ns, censored, bad[0], width_ns, allowed, half_ns, end_ns)


def ratio_of_means(before: Float64, after: Float64, confidence: float) -> Bounded:
    """Return the mean of a series after a disturbance, divided by that before: 1 where it left nothing behind.

    What a service does at a load should not depend on what it went through; where it does, that is hysteresis. The
    bounds are those of the difference of logarithms (delta method), each variance widened by the correlation of
    neighbours (:func:`seatrial.stats.drift.inflation`), with Student's t at Welch's degrees of freedom. For quantiles
    see :func:`seatrial.stats.contrast.quantile_ratio`.

    Args:
        before: Figures of equal windows, zero or more, shape (k,).
        after: The same, shape (m,).
        confidence: Two-sided, in (0, 1).

    Returns:
        All None with fewer than eight windows on a side or a mean of zero.
    """
    if min(len(before), len(after)) < LEAST_WINDOWS or not (before.sum() > 0 and after.sum() > 0):
        return Bounded(estimate=None, lower=None, upper=None)
    means, parts = [], []
    for values in (before, after):
        mean = math.fsum(values.tolist()) / len(values)
        spread = math.fsum(((values - mean) ** 2).tolist()) / (len(values) - 1)
        means.append(mean)
        parts.append(spread / len(values) * inflation(values) / mean**2)
    ratio, variance = means[1] / means[0], sum(parts)
    if not variance:
        return Bounded(estimate=ratio, lower=ratio, upper=ratio)
    freedom = variance**2 / (parts[0] ** 2 / (len(before) - 1) + parts[1] ** 2 / (len(after) - 1))
    wide = math.exp(float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance))
    return Bounded(estimate=ratio, lower=ratio / wide, upper=ratio * wide)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known when it is decided."""

    recovery: Recovery
    before_bad: float | None
    load: float | None
    broken: float | None = None
    bad_fall: float | None = None
    time_fall: float | None = None

    def end(self, what: State | Literal["short", "baseline", "load", "hidden", "flapping", "improving"]) -> Aftermath:
        decided = isinstance(what, State)
        return Aftermath(
            state=what if isinstance(what, State) else State.UNDECIDED,
            recovery=self.recovery,
            before_bad=self.before_bad,
            load=self.load,
            broken=self.broken,
            bad_fall=self.bad_fall,
            time_fall=self.time_fall,
            undecided=None if decided else what,  # type: ignore[arg-type]
        )


def _second_half(
    seen: _Seen,
    at_ns: Int64,
    took_ns: Int64,
    censored: Bool,
    bad: Bool,
    width_ns: int,
    allowed: Allowed,
    half_ns: int,
    end_ns: int,
) -> Aftermath:
    """Return what the second half says of a service that did not recover (rules 3 and 4)."""
    positions = end_ns - width_ns - half_ns + 1
    first, last = np.searchsorted(at_ns, [half_ns, end_ns], side="left").tolist()
    windows = min(_WINDOWS, (last - first) // _LEAST_RECORDS)
    if positions < 1 or windows < LEAST_WINDOWS:
        return seen.end("short")
    spans = broken_spans(at_ns, bad, width_ns, half_ns, end_ns, allowed)
    broken = int((spans[:, 1] - spans[:, 0] + 1).sum()) / positions
    part = slice(first, last)
    at, took = at_ns[part], took_ns[part]
    unseen = censored[part] & (at + took >= end_ns - _ROUNDING_NS)
    # Of those that had no time to be answered, or to be late, nothing is known: they would look like an improvement.
    fate = ~unseen | bad[part]
    shares = mean_drift(share_series(at[fate], bad[part][fate], half_ns, end_ns, windows), _SURE)
    times = _known_times(at, took, censored[part], unseen, half_ns, end_ns, windows)
    medians = drift(times, _SURE)
    bad_fall, time_fall = _fall(shares.rise.estimate), _fall(medians.change.estimate)
    seen = _Seen(seen.recovery, seen.before_bad, seen.load, broken, bad_fall, time_fall)
    if "falling" in (shares.direction, medians.direction):
        return seen.end(State.SLOW)
    if broken < _STAYS:
        return seen.end("flapping")
    if max(bad_fall or 0.0, time_fall or 0.0) >= _LARGE:
        return seen.end("improving")
    if len(times) < LEAST_WINDOWS:
        return seen.end("short")
    return seen.end(State.METASTABLE)


def _known_times(
    at_ns: Int64, took_ns: Int64, censored: Bool, unseen: Bool, half_ns: int, end_ns: int, windows: int
) -> Series:
    """Return the medians of windows, less the last ones of which half had no time to be answered.

    They are no sign of anything: where answers take a minute, nobody knows those of the last minute.
    """
    medians = quantile_series(at_ns, took_ns, censored, 0.5, half_ns, end_ns, windows)
    open_ = share_series(at_ns, unseen, half_ns, end_ns, windows).low
    keep = windows
    while keep and not open_[keep - 1] < _HALF:
        keep -= 1
    to_ns = half_ns + (end_ns - half_ns) * max(keep, 1) // windows
    return Series(medians.at_ns[:keep], medians.low[:keep], medians.high[:keep], half_ns, to_ns)


def _recovered(spans: Int64, gone_ns: int, last_ns: int) -> int | None:
    """Return how long after the disturbance the last position that breaks is behind; None where it is the last."""
    if not len(spans):
        return 0 if last_ns >= gone_ns else None
    after = int(spans[-1, 1]) + 1
    return None if after > last_ns else after - gone_ns


def _fall(change: float | None) -> float | None:
    return None if change is None else -change + 0.0
