"""Trials of one stage that is not drained while it changes: spike, soak and recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from seatrial.model.document import Duration, LoadLevel, Strict, rule_broken
from seatrial.model.objective import Load, Metric
from seatrial.model.phase import Phase
from seatrial.model.profile import Period, Profile, Segment, Stage
from seatrial.model.trial_base import BaseTrial, Happening

if TYPE_CHECKING:
    from seatrial.model.plan import Plan

__all__ = ["MOST_BURSTS", "Fault", "Overload", "RecoveryTrial", "SoakTrial", "SpikeTrial"]

MOST_BURSTS = 100
_OF_BEFORE = 4
Stretch = Annotated[Duration, Field(gt=0)]


class SpikeTrial(BaseTrial):
    """A sudden burst, and then the calm from before it: is the service back to normal, and how soon?

    One stage: calm, then ``times`` times the rise, the burst, the fall and the calm again. Its limits hold during the
    bursts, from the beginning of the rise to the end of the fall; ``recovery time`` counts from then on.

    Attributes:
        base: Load of the calm.
        to: Load of the burst.
        rise: How long the load takes from one to the other, and back.
        hold: How long the burst is held.
        times: How many bursts there are.
        rest: How long the calm lasts, before the first burst and after each.
    """

    may_be_cut: ClassVar[bool] = False

    kind: Literal["spike"]
    base: LoadLevel
    to: LoadLevel
    rise: Stretch
    hold: Stretch
    times: Annotated[int, Field(ge=1, le=MOST_BURSTS)] = 1
    rest: Stretch

    @model_validator(mode="after")
    def _makes_sense(self) -> SpikeTrial:
        _one_unit(self.base, self.to, "base and to")
        if self.to.value <= self.base.value:
            raise rule_broken(f"a burst of {self.to} that is no higher than the calm, {self.base}; raise 'to'", "to")
        _check_normal(self)
        return self

    @property
    def held(self) -> tuple[Load, int]:
        """Return the level of the burst and how long that is held."""
        return self.to, self.hold

    @property
    def level(self) -> str:
        """Return what is offered, in a few words."""
        return f"{self.base} → {self.to}"

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return its one stage."""
        calm, burst = self.base.rate(plan.demand.peak), self.to.rate(plan.demand.peak)
        segments, periods = [Segment(self.rest, calm, calm)], [Period("calm", "base", 0, self.rest)]
        at_ns = self.rest
        for number in range(1, self.times + 1):
            own = f" {number}" if self.times > 1 else ""
            up_ns = 2 * self.rise + self.hold
            segments += [Segment(self.rise, calm, burst), Segment(self.hold, burst, burst)]
            segments += [Segment(self.rise, burst, calm), Segment(self.rest, calm, calm)]
            periods += [
                Period(f"burst{own}", "burst", at_ns, at_ns + up_ns, judged=True),
                Period(f"after burst{own}", "after", at_ns + up_ns, at_ns + up_ns + self.rest),
            ]
            at_ns += up_ns + self.rest
        arrivals = self.arrivals or plan.arrivals
        profile = Profile(tuple(segments))
        return (Stage(trial, 0, self.level, profile, arrivals, 0, plan.drain_ns, periods=tuple(periods)),)


class SoakTrial(BaseTrial):
    """Load that is held for long: does anything drift, leak or run out?

    Attributes:
        at: The load level that is held.
        duration: How long it is held and judged (key ``for``).
        ramp: First of all, load that rises from nothing to the level; kept out of the verdict.
        warmup: After that, the level held as it will be judged; kept out of the verdict too.
    """

    kind: Literal["soak"]
    at: LoadLevel
    duration: Stretch = Field(alias="for")
    ramp: Duration = 0
    warmup: Duration = 0

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered before anything is judged."""
        return self.ramp + self.warmup

    @property
    def held(self) -> tuple[Load, int]:
        """Return the level and how long it is judged."""
        return self.at, self.duration

    @property
    def level(self) -> str:
        """Return what is offered, in a few words."""
        return str(self.at)

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return its one stage."""
        rate, arrivals = self.at.rate(plan.demand.peak), self.arrivals or plan.arrivals
        stretches = ((self.ramp, 0.0, rate), (self.warmup, rate, rate), (self.duration, rate, rate))
        profile = Profile(tuple(Segment(long, low, high) for long, low, high in stretches if long))
        return (Stage(trial, 0, self.level, profile, arrivals, self.unjudged_ns, plan.drain_ns),)


class Overload(Strict):
    """More load than the service can carry, for a while.

    Attributes:
        to: Its level.
        duration: How long (key ``for``).
    """

    to: LoadLevel
    duration: Stretch = Field(alias="for")


class Fault(Strict):
    """Something that the tester breaks, by requests to the target.

    Attributes:
        begin: The requests that break it.
        end: The requests that mend it; left out where the service must heal by itself.
        duration: From one to the other (key ``for``); only with ``end``.
    """

    begin: Phase
    end: Phase | None = None
    duration: Stretch | None = Field(default=None, alias="for")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Fault:
        if (self.end is None) != (self.duration is None):
            message = "a fault is ended with both 'end' and 'for', or with neither; write both, or leave both out"
            raise rule_broken(message, "for" if self.end is None else "end")
        return self


class RecoveryTrial(BaseTrial):
    """The service is overloaded, or something of it breaks: does it come back by itself, and how soon?

    One stage: the load before, the disturbance, and the same load after it. Its limits say what normal is: they are
    judged before the disturbance, up to the last moment whose answers are there when it comes (:meth:`undisturbed`),
    and ``recovery time`` counts from its end until they are kept for good. The end is that of the overload, the ``end``
    of the fault or, of a fault that nobody mends, its beginning.

    Attributes:
        at: Load before and after.
        before: How long before the disturbance.
        overload: More load, as the disturbance.
        fault: Or something that is broken, at the same load.
        after: How long the service is watched after the disturbance.
        warmup: How much of ``before`` is kept out of the verdict.
    """

    may_be_cut: ClassVar[bool] = False

    kind: Literal["recovery"]
    at: LoadLevel
    before: Stretch
    overload: Overload | None = None
    fault: Fault | None = None
    after: Stretch
    warmup: Duration = 0

    @model_validator(mode="after")
    def _makes_sense(self) -> RecoveryTrial:
        if (self.overload is None) == (self.fault is None):
            raise rule_broken("a recovery trial has one disturbance; write either overload or fault")
        if self.overload is not None:
            _one_unit(self.at, self.overload.to, "at and overload")
            if self.overload.to.value <= self.at.value:
                message = f"an overload of {self.overload.to} that is no higher than {self.at}; raise 'to'"
                raise rule_broken(message, "overload")
        if self.warmup >= self.before:
            raise rule_broken("a warm-up that takes all of 'before'; write a shorter one", "warmup")
        if not any(o.metric is Metric.RECOVERY_TIME for o in self.objectives):
            message = "a recovery trial without a limit on it; add recovery time <= 5m"
            raise rule_broken(message, "objectives")
        _check_normal(self)
        return self

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered before anything is judged."""
        return self.warmup

    @property
    def held(self) -> tuple[Load, int]:
        """Return the load before and after, and how long the service is watched after the disturbance."""
        return self.at, self.after

    @property
    def level(self) -> str:
        """Return what is offered, in a few words."""
        return str(self.at) if self.overload is None else f"{self.at} → {self.overload.to}"

    @property
    def disturbed_ns(self) -> int:
        """Return how long the disturbance lasts; zero for a fault that nobody mends."""
        return (self.overload or self.fault).duration or 0  # type: ignore[union-attr]

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return its one stage."""
        peak, disturbed = plan.demand.peak, self.disturbed_ns
        rate = self.at.rate(peak)
        over = self.overload.to.rate(peak) if self.overload is not None else rate
        stretches = ((self.before, rate), (disturbed, over), (self.after, rate))
        profile = Profile(tuple(Segment(long, level, level) for long, level in stretches if long))
        ends = self.before + disturbed
        periods = [Period("before", "base", self.warmup, self.undisturbed(plan), judged=True)]
        if disturbed:
            periods.append(Period("fault" if self.overload is None else "overload", "burst", self.before, ends))
        periods.append(Period("after", "after", ends, ends + self.after))
        arrivals = self.arrivals or plan.arrivals
        return (Stage(trial, 0, self.level, profile, arrivals, self.warmup, plan.drain_ns, periods=tuple(periods)),)

    def undisturbed(self, plan: Plan) -> int:
        """Return up to when steps say what normal is, in ns from the stage's start.

        Those that the disturbance finds unanswered tell of it, though they were intended before it. A step that keeps
        the longest time limit is answered within that, and where no time is limited within the plan's deadlines. No
        more than a quarter of the time before is given up for that.
        """
        longest = max((objective.limit for objective in self.objectives if objective.is_time), default=0.0)
        unanswered = longest or plan.deadlines.connect + plan.deadlines.response
        return self.before - min(round(unanswered), (self.before - self.warmup) // _OF_BEFORE)

    def happenings(self, stage: Stage) -> tuple[Happening, ...]:
        """Return the fault and its end."""
        if self.fault is None:
            return ()
        begun = Happening(name="fault", at_ns=self.before, phase=self.fault.begin)
        if self.fault.end is None or self.fault.duration is None:
            return (begun,)
        at_ns = self.before + self.fault.duration
        return begun, Happening(name="end of fault", at_ns=at_ns, phase=self.fault.end, mends=True)


def _one_unit(first: Load, second: Load, what: str) -> None:
    if first.unit != second.unit:
        raise rule_broken(f"{what} mix multiples of P and rates; write both in one unit", "to")


def _check_normal(trial: BaseTrial) -> None:
    """Refuse a trial none of whose limits can tell a window that is well from one that is not."""
    if not any(objective.tells_normal for objective in trial.objectives):
        message = "no limit says what normal is, which takes one on a percentile or a share; add errors <= 1%"
        raise rule_broken(message, "objectives")
