"""When each session is meant to start, and which journey it takes: a function of (plan digest, seed, stage).

The schedule stands in the model and not in the engine because the verdict needs it as well: by counting what was
intended it proves that no session is missing from the records. It is computed block by block, so an arrival
schedule of any length takes the memory of one block, and every worker computes the whole of it and takes its own
slice: session ``i`` belongs to worker ``i mod n``. One worker and fifty produce the same union.

The number of arrivals is Λ(end), rounded, however they are spread. A Poisson process of its own number of arrivals
would offer, in a short step of 200, 28 fewer in one draw of six: "1.2 P held" would be said of less than P.

Random numbers are the raw 64-bit output of Philox-4x64 keyed by SHA-256 of (plan digest, seed, trial, stage): raw
output of a named generator is stable across numpy versions, the distributions built on it are not (numpy's NEP 19).
Number k of a stream is a function of k alone, so the size of a block does not enter the schedule. From there on only
operations are used that IEEE 754 rounds exactly (a library's logarithm is not one of them), so that another processor
computes the same nanoseconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from seatrial.model.profile import Profile, Segment, Stage

__all__ = ["BLOCK", "Block", "Schedule"]

BLOCK = 4_096  # a multiple of four, the numbers that one step of the generator's counter yields
_POISSON_STREAM, _JOURNEY_STREAM, _SESSION_STREAM = 0, 1, 2

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of consecutive arrivals.

    Attributes:
        session: Session numbers within the stage, shape (n,), int64.
        at_ns: Intended start as an offset from the stage's start, shape (n,), int64, ascending.
        journey: Index of the journey each session takes, shape (n,), int64.
        seed: A random seed for each session's own choices, shape (n,), uint64.
    """

    session: Int64
    at_ns: Int64
    journey: Int64
    seed: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.session)

    def slice(self, worker: int, workers: int) -> Block:
        """Return the arrivals that belong to ``worker`` of ``workers``."""
        mine = self.session % workers == worker
        return Block(self.session[mine], self.at_ns[mine], self.journey[mine], self.seed[mine])


class Schedule:
    """The arrivals of one stage.

    Args:
        plan_digest: SHA-256 of the plan, hexadecimal.
        seed: The plan's seed.
        stage: What is offered.
        weights: One positive weight per journey, in the plan's order.

    Raises:
        ValueError: no journeys, or a weight that is not positive.
    """

    def __init__(self, plan_digest: str, seed: int, stage: Stage, weights: tuple[float, ...]) -> None:
        if not weights or min(weights) <= 0:
            raise ValueError(f"every journey needs a weight above zero: {weights}")
        self._stage = stage
        key = hashlib.sha256(f"{plan_digest}/{seed}/{stage.trial}/{stage.index}".encode()).digest()
        self._key = np.frombuffer(key[:16], dtype="<u8").astype(np.uint64)
        cumulative = np.array(list(accumulate(weights)), dtype=np.float64)
        self._cumulative_weight = cumulative / cumulative[-1]

    def blocks(self) -> Iterator[Block]:
        """Yield the whole schedule in order, block by block; ends with the profile."""
        marks = self._poisson_marks() if self._stage.arrivals == "poisson" else self._even_marks()
        first = 0
        for mark in marks:
            at_ns = invert(self._stage.profile, mark)
            session = np.arange(first, first + len(mark), dtype=np.int64)
            share = self._uniform(_JOURNEY_STREAM, first, len(mark))
            journey = np.searchsorted(self._cumulative_weight, share, side="right").astype(np.int64)
            np.minimum(journey, len(self._cumulative_weight) - 1, out=journey)
            yield Block(session, at_ns, journey, self._raw(_SESSION_STREAM, first, len(mark)))
            first += len(mark)

    def count(self) -> int:
        """Return the number of arrivals in the whole schedule."""
        return math.floor(self._stage.profile.expected + 0.5)

    def _even_marks(self) -> Iterator[Float64]:
        total = self.count()
        for first in range(0, total, BLOCK):
            yield np.arange(first, min(first + BLOCK, total), dtype=np.float64) + 0.5

    def _poisson_marks(self) -> Iterator[Float64]:
        """Yield Λ·S_i / S_(N+1) for i = 1 ... N, with S_i the sum of the first i of N + 1 unit-rate gaps.

        That is a Poisson process given that it has N arrivals (Devroye, *Non-Uniform Random Variate Generation*, 1986,
        V.2). The sum of all gaps has to be known before the first mark, so they are drawn twice.
        """
        total = self.count()
        if total:
            scale = self._stage.profile.expected / self._gaps_until(total + 1)
            for first, sums in self._sums(total):
                yield sums[: total - first] * scale

    def _gaps_until(self, count: int) -> float:
        """Return the sum of the first ``count`` gaps, at least one."""
        return next(float(sums[count - first - 1]) for first, sums in self._sums(count) if first + BLOCK >= count)

    def _sums(self, count: int) -> Iterator[tuple[int, Float64]]:
        """Yield (number of the first, running sums of gaps) block by block until ``count`` of them are reached."""
        reached = 0.0
        for first in range(0, count, BLOCK):
            gaps = _minus_log(1.0 - self._uniform(_POISSON_STREAM, first, BLOCK))
            sums = np.cumsum(np.concatenate(([reached], gaps)))[1:]  # one after the other, across blocks too
            yield first, sums
            reached = float(sums[-1])

    def _raw(self, stream: int, first: int, count: int) -> npt.NDArray[np.uint64]:
        """Return numbers ``first`` to ``first + count`` of a stream; each step of the counter yields four."""
        counter = np.array([first // 4, 0, 0, stream], dtype=np.uint64)
        generator = np.random.Philox(key=self._key, counter=counter)
        return np.asarray(generator.random_raw(count), dtype=np.uint64)

    def _uniform(self, stream: int, first: int, count: int) -> Float64:
        return np.asarray((self._raw(stream, first, count) >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


_LN_2 = math.log(2)
_ODD = tuple(range(23, 0, -2))


def _minus_log(x: Float64) -> Float64:
    """Return −ln x for x in (0, 1], within a few units in the last place, by exactly rounded operations alone.

    x = m·2ᵉ with m in [√½, √2), and ln m = 2·artanh(z) = 2·(z + z³/3 + z⁵/5 + …), z = (m − 1)/(m + 1), where
    |z| < 0.172, so the terms left out are below 10⁻¹⁸ of the first.
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2, mantissa)
    exponent = exponent - low
    z = (mantissa - 1) / (mantissa + 1)
    square, series = z * z, np.zeros_like(z)
    for odd in _ODD:
        series = series * square + 1.0 / odd
    return np.asarray(-(2 * z * series + exponent * _LN_2), dtype=np.float64)


def invert(profile: Profile, mark: Float64) -> Int64:
    """Return the offsets in nanoseconds at which Λ reaches each value of ``mark``.

    Args:
        profile: The profile whose Λ is inverted.
        mark: Expected counts, ascending, within [0, Λ(end)]; shape (n,).

    Returns:
        Offsets from the profile's start, shape (n,), int64, ascending, never beyond its end.
    """
    ends = list(accumulate(s.expected for s in profile.segments))
    starts_ns = list(accumulate((s.duration_ns for s in profile.segments), initial=0))
    which = np.minimum(np.searchsorted(np.array(ends), mark, side="left"), len(ends) - 1)
    offsets = np.empty(len(mark), dtype=np.int64)
    # Marks ascend, so the segments that a block touches are neighbours: a profile may have a thousand others.
    for index in range(int(which[0]), int(which[-1]) + 1) if len(which) else ():
        segment, mine = profile.segments[index], which == index
        if mine.any():
            before = ends[index - 1] if index else 0.0
            inside_ns = np.rint(_invert_segment(segment, mark[mine] - before) * 1e9)
            offsets[mine] = starts_ns[index] + np.clip(inside_ns, 0, segment.duration_ns).astype(np.int64)
    return offsets


def _invert_segment(segment: Segment, mark: Float64) -> Float64:
    """Return t in seconds with a·t + s·t²/2 = m, in the form that does not cancel: 2m / (a + √(a² + 2sm))."""
    a = segment.rate_from
    slope = (segment.rate_to - a) * 1e9 / segment.duration_ns
    root = np.sqrt(np.maximum(a * a + 2 * slope * mark, 0.0))
    return np.asarray(2 * mark / np.maximum(a + root, 1e-300), dtype=np.float64)
