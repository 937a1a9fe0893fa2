"""From a forecast to P, the curve of arrivals and the concurrency, step by step.

    V = people · growth · coming                 visitors on the busiest day
    H = V · peak_hour                            of these, in the busiest hour
    A = H · (1 + retries) / (1 − bots)           arrivals in that hour: journeys begun
    r = A · (s − s') / (t − t')                  in each part of the hour, from share s' at t' to share s at t
    P = max r, rounded up to three significant figures          journeys per second
    N = P · R                                    sessions in progress at once (Little's law)

R is the mean duration of a journey. Little's law (J. D. C. Little, "A Proof for the Queuing Formula: L = λW",
Operations Research 9(3), 1961) is about averages over a time that is long against R: a rush that is over sooner does
not reach N, and a service that slows down lets R, and with it N, grow. Without a rush, the busiest minute is k times
the hour's mean A / 3600 s and the rest of the hour is even.

P is rounded up, so that it can be written in a plan as it is printed, and never is less than the forecast says. The
curve is rounded up in the same way: it offers what the forecast says or up to 1 % more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import TypeAlias

from seatrial.model.forecast import BASE, HOUR_NS, Forecast, Times
from seatrial.units import SECOND, format_duration

__all__ = ["Assumption", "Derivation", "Line", "derive", "round_up"]

_TRANSITION_NS = 2 * SECOND
_MINUTE_NS = 60 * SECOND
Piece: TypeAlias = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a line rests on.

    Attributes:
        source: As the forecast has it.
        times: The factor of a case that it speaks of; None for the figure itself.
    """

    source: str
    times: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the derivation.

    Attributes:
        term: What it is; ``seatrial.model.demand_words`` has its words.
        value: The figure, in ``unit``; shares are fractions of one.
        unit: ``people``, ``journeys``, ``journeys/s``, ``journeys per person``, ``times``, ``share``, ``s`` or
            ``sessions``.
        formula: How it follows from lines before; empty for an assumption.
        assumptions: Its sources; empty for a result.
        name: Of the journey, or of the part of the rush, that it is about.
    """

    term: str
    value: float
    unit: str
    formula: str = ""
    assumptions: tuple[Assumption, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What one case of a forecast comes to.

    Attributes:
        case: Its name.
        lines: Every assumption and result, in order.
        peak: P, journeys per second, rounded up to three significant figures.
        arrivals: In the busiest hour: journeys begun, not rounded.
        mean_s: R, the mean duration of a journey in seconds.
        concurrency: N, sessions in progress at P.
        peak_lasts_ns: How long the rate P lasts.
        points: (offset from the hour's start in nanoseconds, journeys per second) of the curve of arrivals: straight
            lines between them.
    """

    case: str
    lines: tuple[Line, ...]
    peak: float
    arrivals: float
    mean_s: float
    concurrency: float
    peak_lasts_ns: int
    points: tuple[tuple[int, float], ...]

    @property
    def is_sustained(self) -> bool:
        """Return whether the rate P lasts as long as a journey, so that N is reached."""
        return self.peak_lasts_ns >= self.mean_s * SECOND


def round_up(value: float) -> float:
    """Return ``value``, zero or above, rounded up to three significant figures; noise of floats is no reason to."""
    written = Decimal(f"{value:.12g}")
    if not written:
        return 0.0
    return float(written.quantize(Decimal((0, (1,), written.adjusted() - 2)), ROUND_CEILING))


def derive(forecast: Forecast, case: str = "high") -> Derivation:
    """Return what a case of a forecast comes to. A pure function.

    Args:
        forecast: The assumptions.
        case: ``base``, ``high``, or another of the forecast's.

    Raises:
        KeyError: no such case.
        ValueError: a rate above ten million a second, or one that rounds to nothing; a house message.
    """
    return _Deriving(forecast, case).run()


class _Deriving:
    """Adds one line after the other."""

    def __init__(self, forecast: Forecast, case: str) -> None:
        if case != BASE:
            _ = forecast.cases[case]
        self.forecast, self.case = forecast, case
        self.lines: list[Line] = []

    def _assume(self, term: str, factor: str, value: float, unit: str, source: str, name: str = "") -> float:
        times: Times | None = self.forecast.times(self.case, factor)
        about = [Assumption(source)]
        if times is not None:
            about.append(Assumption(times.source, times.times))
            value = value * times.times
        self.lines.append(Line(term, value, unit, "", tuple(about), name))
        return value

    def _result(self, term: str, value: float, unit: str, formula: str, name: str = "") -> float:
        self.lines.append(Line(term, value, unit, formula, (), name))
        return value

    def run(self) -> Derivation:
        arrivals = self._arrivals()
        pieces = self._pieces(arrivals)
        long, rate = max(pieces, key=lambda piece: piece[1])
        if not 1e-9 <= rate <= 10_000_000:
            message = f"a forecast of {rate:.4g} journeys a second in the case {self.case}"
            raise ValueError(f"{message}; write figures that come to between 0.000000001/s and 10,000,000/s")
        self._result("highest_rate", rate, "journeys/s", "max r")
        peak = self._result("peak", round_up(rate), "journeys/s", "⌈max r⌉")
        mean_s = self._mean_s()
        concurrency = self._result("concurrency", peak * mean_s, "sessions", "P · R")
        points = tuple((at, round_up(level)) for at, level in _line_through(pieces))
        return Derivation(self.case, tuple(self.lines), peak, arrivals, mean_s, concurrency, long, points)

    def _arrivals(self) -> float:
        f = self.forecast
        of = "registered" if f.people.of == "registered users" else "population"
        people = self._assume(of, "people", f.people.count, "people", f.people.source)
        growth = self._assume("growth", "growth", f.growth.times, "times", f.growth.source) if f.growth else 1.0
        coming = self._assume("coming", "coming", f.coming.share, "share", f.coming.source)
        visitors = self._result("visitors", people * growth * coming, "people", "people · growth · coming")
        hour = self._assume("peak_hour", "peak_hour", f.peak_hour.share, "share", f.peak_hour.source)
        hourly = self._result("in_the_hour", visitors * hour, "people", "V · peak hour")
        retries = bots = 0.0
        if f.retries:
            retries = self._assume("retries", "retries", f.retries.per_person, "journeys per person", f.retries.source)
        if f.bots:
            bots = self._assume("bots", "bots", f.bots.share, "share", f.bots.source)
        value = hourly * (1 + retries) / (1 - bots)
        return self._result("arrivals", value, "journeys", "H · (1 + retries) / (1 − bots)")

    def _pieces(self, arrivals: float) -> list[Piece]:
        """Return (nanoseconds, journeys per second) of each part of the busiest hour; together the whole hour."""
        f, mean = self.forecast, arrivals * SECOND / HOUR_NS
        self._result("mean_rate", mean, "journeys/s", "A / 3600 s")
        if f.busiest_minute is not None:
            found = f.busiest_minute
            times = self._assume("busiest_minute", "busiest_minute", found.times, "times", found.source)
            rest, before = mean * (60 - times) / 59, 30 * _MINUTE_NS
            return [(before, rest), (_MINUTE_NS, mean * times), (HOUR_NS - before - _MINUTE_NS, rest)]
        if f.rush is None:
            raise AssertionError("a forecast has a rush or a busiest minute")
        pieces: list[Piece] = []
        at, come = 0, 0.0
        for part in f.rush.first:
            name = f"{f.rush.at} + {format_duration(part.within)}"
            share = min(1.0, self._assume("rush", "rush", part.share, "share", f.rush.source, name))
            self.lines[-1] = replace(self.lines[-1], value=share)
            long = part.within - at
            rate = arrivals * (share - come) * SECOND / long
            pieces.append((long, rate))
            self._result("rate", rate, "journeys/s", "A · (s − s') / (t − t')", name)
            at, come = part.within, share
        if at < HOUR_NS:
            rate = arrivals * max(0.0, 1 - come) * SECOND / (HOUR_NS - at)
            pieces.append((HOUR_NS - at, rate))
            self._result("rate_after", rate, "journeys/s", "A · (1 − s) / (3600 s − t)")
        return pieces

    def _mean_s(self) -> float:
        lasts = [
            (j.weight, self._assume("lasts", "lasts", j.lasts / SECOND, "s", j.source, name))
            for name, j in self.forecast.journeys.items()
        ]
        total = math.fsum(weight for weight, _ in lasts)
        mean = math.fsum(weight * each for weight, each in lasts) / total
        return self._result("mean_duration", mean, "s", "Σ weight · duration / Σ weight")


def _line_through(pieces: list[Piece]) -> list[tuple[int, float]]:
    """Return points of straight lines with the pieces' rates and the same number of arrivals in all.

    At the border of two parts the rate moves in a straight line that is symmetric about the border, so what it adds
    before the border it takes away behind it. It takes two seconds, or half of the shorter part where that is less.
    """
    points = [(0, pieces[0][1])]
    at = 0
    for (long, rate), (after_long, after) in pairwise(pieces):
        at += long
        half = min(_TRANSITION_NS, long // 2, after_long // 2) // 2
        points += [(at - half, rate), (at + half, after)]
    return [*points, (sum(long for long, _ in pieces), pieces[-1][1])]
