"""Trials: how a plan's load is offered, and the limits it must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from seatrial.model.document import Duration, Limit, LoadLevel, Name, Strict, rule_broken
from seatrial.model.objective import Load, Metric
from seatrial.model.profile import Arrivals, Profile, Segment, Stage, constant

if TYPE_CHECKING:
    from seatrial.model.plan import Plan

__all__ = ["LoadTrial", "StressTrial", "Trial"]

MAX_STRESS_STEPS = 200


class _Trial(Strict):
    name: Name | None = None
    arrivals: Arrivals | None = None
    objectives: tuple[Limit, ...] = Field(min_length=1)

    @property
    def title(self) -> str:
        """Return its name in results: its own, or its kind."""
        return self.name or str(getattr(self, "kind"))  # noqa: B009 -- each kind declares its literal


class LoadTrial(_Trial):
    """The expected peak, held: does the service keep its limits?

    Attributes:
        at: The load level.
        duration: How long it is held and judged (key ``for``).
        ramp: First of all, load that rises from nothing to the level; kept out of the verdict.
        warmup: After that, the level held as it will be judged; kept out of the verdict too.
    """

    kind: Literal["load"]
    at: LoadLevel
    duration: Duration = Field(alias="for", gt=0)
    ramp: Duration = 0
    warmup: Duration = 0

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered before anything is judged."""
        return self.ramp + self.warmup

    @model_validator(mode="after")
    def _no_capacity(self) -> LoadTrial:
        for index, objective in enumerate(self.objectives):
            if objective.metric is Metric.CAPACITY:
                message = "a load trial holds one level and can't measure capacity; move this limit to a stress trial"
                raise rule_broken(message, "objectives", index)
        return self

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return its one stage: the rise, the warm-up, then the judged stretch."""
        rate = self.at.rate(plan.demand.peak)
        stretches = ((self.ramp, 0.0, rate), (self.warmup, rate, rate), (self.duration, rate, rate))
        profile = Profile(tuple(Segment(long, low, high) for long, low, high in stretches if long))
        arrivals = self.arrivals or plan.arrivals
        return (Stage(trial, 0, str(self.at), profile, arrivals, self.unjudged_ns, plan.drain_ns),)


class StressTrial(_Trial):
    """Rising load, step by step, until it breaks or the top is reached.

    Attributes:
        start: First level (key ``from``).
        to: Last level.
        step: Rise from one level to the next.
        hold: How long each level is held.
    """

    kind: Literal["stress"]
    start: LoadLevel = Field(alias="from")
    to: LoadLevel
    step: LoadLevel
    hold: Duration = Field(gt=0)

    @model_validator(mode="after")
    def _rises(self) -> StressTrial:
        units = {level.unit for level in (self.start, self.to, self.step)}
        if len(units) > 1:
            raise rule_broken("from, to and step mix multiples of P and rates; write all three in one unit", "step")
        if self.to.value < self.start.value:
            raise rule_broken(f"'to' lies below 'from', {self.start}; write the lower level first", "to")
        if (self.to.value - self.start.value) / self.step.value > MAX_STRESS_STEPS - 1:
            raise rule_broken(f"more than {MAX_STRESS_STEPS} steps; write a larger step", "step")
        if all(objective.metric is Metric.CAPACITY for objective in self.objectives):
            message = "capacity alone can't be broken by a level; add a limit such as errors <= 1%"
            raise rule_broken(message, "objectives")
        top = self.levels[-1]
        for index, objective in enumerate(self.objectives):
            if objective.load and objective.load.unit != self.start.unit:
                message = f"a capacity in another unit than the steps; write it as the steps are, {self.start.unit}"
                raise rule_broken(message, "objectives", index)
            if objective.load and objective.load.value > top.value + 1e-9:
                message = f"a capacity that can't be shown by steps that end at {top}; raise 'to' or lower this limit"
                raise rule_broken(message, "objectives", index)
        return self

    @property
    def levels(self) -> tuple[Load, ...]:
        """Return the load levels, rising, ``to`` included when a step meets it."""
        count = int((self.to.value - self.start.value) / self.step.value + 1e-9) + 1
        values = (round(self.start.value + i * self.step.value, 9) for i in range(count))
        return tuple(Load(value, self.start.unit) for value in values)

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return one stage per level; how many are run is the search's decision."""
        arrivals = self.arrivals or plan.arrivals
        return tuple(
            Stage(
                trial,
                index,
                str(level),
                constant(level.rate(plan.demand.peak), self.hold),
                arrivals,
                0,
                plan.drain_ns,
            )
            for index, level in enumerate(self.levels)
        )


Trial: TypeAlias = Annotated[LoadTrial | StressTrial, Field(discriminator="kind")]
