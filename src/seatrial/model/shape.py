"""Shapes of load over time: steps, a spike, a sine, a recorded curve, a burst; each one as a profile.

Whatever the shape, what is offered is a :class:`Profile` of segments in which the rate changes linearly, so that the
schedule, the engine and the verdict know of no shapes. Steps, spikes, curves and bursts are such profiles exactly.

A sine of period T between ``low`` and ``high``, with a = (high − low) / 2 and starting at its low,

    r(t) = low + (high − low) · sin²(πt / T)

is drawn as straight lines between its values at 32 equally spaced instants of each period, h = 2π / 32 apart. Each line
lies on one side of the sine, because no turn of its curvature falls inside one, so that

    |drawn rate − r(t)|                  <=  a · h² / 8                           < 0.49 % of a
    |∫ drawn − ∫ r|, over 0 to any t     <=  a · T / 2π · (1 − (h/2) · cot(h/2))  < 0.052 % of a · T

and both integrals agree at the end of every half period. (Error of the trapezoidal rule on a sine: the area under each
quarter wave is short by the factor (h/2)·cot(h/2); quarters above the mean repay what those below it owe.)

The values at those instants are written out instead of being computed: a library's sine may differ in its last bit from
one processor to the next, and everybody must compute the same schedule.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from seatrial.model.document import Duration, LoadLevel, Strict, rule_broken
from seatrial.model.objective import Load, parse_load, write_load
from seatrial.model.profile import Profile, Segment
from seatrial.units import SECOND, format_duration, format_rate, parse_duration, write_duration

__all__ = ["MAX_SEGMENTS", "Burst", "Curve", "CurvePoint", "HeldLevel", "Shape", "Sine", "Spike"]

MAX_SEGMENTS = 1_000
"""Most segments of one shape. Each one costs a little for every arrival."""

_MOST_AT_ONCE = 10_000_000
_LONGEST_NS = 31 * 86_400 * SECOND  # no trial lasts longer than a month
_PER_PERIOD = 32
#: sin²(πk / 32) for k = 0 ... 16, to the last place.
_RISE = (
    *(0.0, 0.009607359798384776, 0.03806023374435662, 0.08426519384872735, 0.14644660940672624),
    *(0.22221488349019888, 0.3086582838174551, 0.40245483899193585, 0.5, 0.5975451610080641),
    *(0.6913417161825449, 0.7777851165098011, 0.8535533905932737, 0.9157348061512727, 0.9619397662556434),
    *(0.9903926402016152, 1.0),
)
_WAVE = (*_RISE, *_RISE[-2:0:-1])

LongDuration: TypeAlias = Annotated[Duration, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of a curve.

    Attributes:
        at_ns: Offset from the curve's start in nanoseconds, zero or more.
        load: The level there; unlike everywhere else it may be zero.
    """

    at_ns: int
    load: Load


_ZERO = re.compile(r"\s*0+(?:\.0+)?\s*(P|/\s*(?:s|sec|min|m|h))\s*", re.ASCII)


def _level_or_zero(text: str) -> Load:
    """Return a load level, or that of zero, which :func:`parse_load` refuses."""
    zero = _ZERO.fullmatch(text)
    if zero is None:
        return parse_load(text)
    return Load(0.0, "P") if zero[1] == "P" else Load(0.0, "/s")


def _read_point(value: object) -> CurvePoint:
    if isinstance(value, CurvePoint):
        return value
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(isinstance(each, str) for each in value):
        raise ValueError("not a point of a curve; write a time and a rate, each with its unit: [60s, 10/s]")
    at, load = value
    return CurvePoint(parse_duration(at), _level_or_zero(load))


_POINT_SCHEMA = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 2,
    "maxItems": 2,
    "examples": [["0s", "10/s"], ["60s", "200/s"]],
}
Point: TypeAlias = Annotated[
    CurvePoint,
    BeforeValidator(_read_point),
    PlainSerializer(lambda point: [write_duration(point.at_ns), write_load(point.load)], return_type=list[str]),
    WithJsonSchema(_POINT_SCHEMA),
]


def _one_unit(**levels: Load) -> None:
    """Refuse levels in two units; the key is that of the first in another unit than the one before."""
    for (_, before), (key, level) in itertools.pairwise(levels.items()):
        if level.unit != before.unit:
            raise rule_broken("multiples of P and rates in one shape; write all of its levels in one unit", key)


def _range(low: Load, high: Load) -> str:
    return str(high) if low == high else f"{low.value:g}–{high}"


class HeldLevel(Strict):
    """One of a list of steps.

    Attributes:
        at: The load level.
        duration: How long it is held (key ``for``).
    """

    at: LoadLevel
    duration: LongDuration = Field(alias="for")


class Spike(Strict):
    """A sudden rise and its end: before, rise, hold, fall, after.

    Attributes:
        base: The level before and after.
        peak: The level that is held, above ``base``.
        rise: How long the load takes from base to peak; 0 for a jump.
        hold: How long the peak is held.
        fall: How long the load takes back to base; 0 for a drop.
        before: How long the base is held first.
        after: How long the base is held at the end: does the service recover?
    """

    base: LoadLevel
    peak: LoadLevel
    rise: Duration = 0
    hold: LongDuration
    fall: Duration = 0
    before: Duration = 0
    after: Duration = 0

    @model_validator(mode="after")
    def _rises(self) -> Spike:
        _one_unit(base=self.base, peak=self.peak)
        if self.peak.value <= self.base.value:
            raise rule_broken(f"a peak that is not above its base, {self.base}; write a higher one", "peak")
        return self

    def profile(self, peak: float) -> Profile:
        """Return what is offered; ``peak`` is P in journeys per second."""
        low, high = self.base.rate(peak), self.peak.rate(peak)
        rise = ((self.before, low, low), (self.rise, low, high), (self.hold, high, high))
        fall = ((self.fall, high, low), (self.after, low, low))
        return Profile(tuple(Segment(*stretch) for stretch in (*rise, *fall) if stretch[0]))


class Sine(Strict):
    """Load that swells and ebbs, from its low; drawn as 32 straight lines to each period.

    Attributes:
        low: The lowest level, with which it starts.
        high: The highest, half a period later.
        period: From one low to the next.
        duration: How long it lasts (key ``for``); it may end anywhere in a period.
    """

    low: LoadLevel
    high: LoadLevel
    period: LongDuration
    duration: LongDuration = Field(alias="for")

    @model_validator(mode="after")
    def _swells(self) -> Sine:
        _one_unit(low=self.low, high=self.high)
        if self.high.value <= self.low.value:
            raise rule_broken(f"a high that is not above its low, {self.low}; write a higher one", "high")
        if self.period < SECOND:
            raise rule_broken("a period below a second; write at least 1s", "period")
        if self.duration * _PER_PERIOD > MAX_SEGMENTS * self.period:
            message = f"more than {MAX_SEGMENTS // _PER_PERIOD} periods; write a longer period or a shorter 'for'"
            raise rule_broken(message, "period")
        return self

    def profile(self, peak: float) -> Profile:
        """Return what is offered; ``peak`` is P in journeys per second."""
        low, high = self.low.rate(peak), self.high.rate(peak)
        segments, start_ns, rate_from = [], 0, low
        for number in itertools.count(1):
            end_ns = (2 * number * self.period + _PER_PERIOD) // (2 * _PER_PERIOD)  # rounded, in integers
            rate_to = low + (high - low) * _WAVE[number % _PER_PERIOD]
            whole = Segment(end_ns - start_ns, rate_from, rate_to)
            if end_ns >= self.duration:
                segments.append(whole.until(self.duration - start_ns))
                return Profile(tuple(segments))
            segments.append(whole)
            start_ns, rate_from = end_ns, rate_to
        raise AssertionError("itertools.count has no end")


class Curve(Strict):
    """A curve that was recorded, linear from one point to the next.

    Its points stand in the plan itself, so that a bundle needs no other file to compute the schedule again.

    Attributes:
        source: Where the points come from, for people.
        scale: The level of the highest point, to which all others are in proportion; without it they count as written.
        points: ``[time, level]``: the first at 0s, times ascending, levels in one unit and not all zero.
    """

    model_config = ConfigDict(json_schema_extra={"required": ["points"]})

    source: str | None = None
    scale: LoadLevel | None = None
    points: tuple[Point, ...] = ()
    csv: SkipJsonSchema[str | None] = Field(default=None, exclude=True)  # no key of a plan, but one that people try

    @model_validator(mode="after")
    def _ascends(self) -> Curve:
        if self.csv is not None:
            message = "a curve in another file, which no bundle would hold; print its points with"
            raise rule_broken(f"{message} 'seatrial plan curve FILE' and paste them here", "csv")
        points = self.points
        if not 2 <= len(points) <= MAX_SEGMENTS + 1:
            message = f"a curve of {len(points)} points; write from 2 to {MAX_SEGMENTS + 1:,}"
            raise rule_broken(message, "points")
        if points[0].at_ns:
            raise rule_broken("a curve that does not start at 0s; count its times from the first point", "points", 0)
        for index, (before, point) in enumerate(itertools.pairwise(points), start=1):
            if point.at_ns <= before.at_ns:
                message = "a time that is not after the one before; write the points in the order of their times"
                raise rule_broken(message, "points", index)
            if point.load.unit != before.load.unit:
                message = "multiples of P and rates in one curve; write all of its levels in one unit"
                raise rule_broken(message, "points", index)
        if self.highest.value <= 0:
            raise rule_broken("a curve without load; write a rate above zero somewhere", "points")
        return self

    @property
    def highest(self) -> Load:
        """Return the highest level among the points as they are written."""
        return max((point.load for point in self.points), key=lambda load: load.value)

    @property
    def ends(self) -> tuple[Load, Load]:
        """Return the lowest and the highest level, scaled; the lowest in three significant digits."""
        top, lowest = self.scale or self.highest, min(point.load.value for point in self.points)
        return Load(float(f"{lowest / self.highest.value * top.value:.3g}"), top.unit), top

    def profile(self, peak: float) -> Profile:
        """Return what is offered; ``peak`` is P in journeys per second."""
        highest = self.highest.value
        if self.scale is None:
            rates = [point.load.rate(peak) for point in self.points]
        else:  # a share of at most one, so that the highest point is the level itself
            rates = [self.scale.rate(peak) * (point.load.value / highest) for point in self.points]
        times = [point.at_ns for point in self.points]
        pairs = zip(itertools.pairwise(times), itertools.pairwise(rates), strict=True)
        return Profile(tuple(Segment(end - start, low, high) for (start, end), (low, high) in pairs))


class Burst(Strict):
    """Many at once, as when booking opens at 07:00, and then a level.

    Attributes:
        count: Sessions in the burst: exactly so many with ``arrivals: even``, about so many with ``poisson``.
        within: The time in which they come.
        then: The level that follows.
        duration: How long that is held (key ``for``).
    """

    count: Annotated[int, Field(ge=1, le=_MOST_AT_ONCE)]
    within: LongDuration
    then: LoadLevel
    duration: LongDuration = Field(alias="for")

    @model_validator(mode="after")
    def _possible(self) -> Burst:
        if self.count * SECOND > _MOST_AT_ONCE * self.within:
            raise rule_broken(f"a burst of more than {_MOST_AT_ONCE:,}/s; write a longer time", "within")
        return self

    @property
    def at_once(self) -> float:
        """Return the rate of the burst itself, per second."""
        return self.count * SECOND / self.within

    def profile(self, peak: float) -> Profile:
        """Return what is offered; ``peak`` is P in journeys per second."""
        level = self.then.rate(peak)
        return Profile((Segment(self.within, self.at_once, self.at_once), Segment(self.duration, level, level)))


ShapeKind: TypeAlias = Literal["steps", "spike", "sine", "curve", "burst"]
_KINDS: tuple[ShapeKind, ...] = ("steps", "spike", "sine", "curve", "burst")


class Shape(Strict):
    """One shape, under the key of its kind.

    Attributes:
        steps: Levels held one after the other.
        spike: A sudden rise and its end.
        sine: Load that swells and ebbs.
        curve: A recorded curve.
        burst: Many at once, then a level.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in _KINDS]})

    steps: tuple[HeldLevel, ...] | None = None
    spike: Spike | None = None
    sine: Sine | None = None
    curve: Curve | None = None
    burst: Burst | None = None

    @model_validator(mode="after")
    def _one(self) -> Shape:
        found = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(found) != 1:
            what = "a shape of no kind" if not found else f"a shape of {len(found)} kinds"
            raise rule_broken(f"{what}; write one of {', '.join(_KINDS)}", *found[1:2])
        if self.steps is not None:
            self._check_steps(self.steps)
        if (lasts := self.profile(1.0).duration_ns) > _LONGEST_NS:
            raise rule_broken(f"a shape that lasts {format_duration(lasts)}; write one of at most 31 days", found[0])
        return self

    @staticmethod
    def _check_steps(steps: tuple[HeldLevel, ...]) -> None:
        if not 1 <= len(steps) <= MAX_SEGMENTS:
            raise rule_broken(f"{len(steps)} steps; write from 1 to {MAX_SEGMENTS:,}", "steps")
        for index, (before, step) in enumerate(itertools.pairwise(steps), start=1):
            if step.at.unit != before.at.unit:
                message = "multiples of P and rates in one shape; write all of its levels in one unit"
                raise rule_broken(message, "steps", index, "at")

    @property
    def kind(self) -> ShapeKind:
        """Return which of the five it is."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def title(self) -> str:
        """Return a name for its stage that reads like a level in any language: ``0.05–2 P``, ``500/s → 1 P``."""
        if self.burst is not None:
            return f"{format_rate(self.burst.at_once)} → {self.burst.then}"
        if self.steps is not None:
            levels = sorted((step.at for step in self.steps), key=lambda load: load.value)
            return _range(levels[0], levels[-1])
        if self.spike is not None:
            return _range(self.spike.base, self.spike.peak)
        if self.sine is not None:
            return _range(self.sine.low, self.sine.high)
        return _range(*self._curve.ends)

    @property
    def _curve(self) -> Curve:
        if self.curve is None:
            raise AssertionError("a shape has one kind")
        return self.curve

    def profile(self, peak: float) -> Profile:
        """Return what is offered; ``peak`` is P in journeys per second."""
        if self.steps is not None:
            held = ((step.duration, step.at.rate(peak)) for step in self.steps)
            return Profile(tuple(Segment(long, rate, rate) for long, rate in held))
        return (self.spike or self.sine or self.burst or self._curve).profile(peak)
