"""The same stress at several sizes of the service: what does an added unit bring?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from seatrial.model.document import Duration, LoadLevel, Strict, rule_broken
from seatrial.model.objective import Load, Metric
from seatrial.model.phase import Phase
from seatrial.model.profile import Stage, constant
from seatrial.model.trial_base import BaseTrial, Happening

if TYPE_CHECKING:
    from seatrial.model.plan import Plan

__all__ = ["MOST_SIZES", "ScalabilityTrial", "Size"]

MOST_SIZES = 20
_MOST_LEVELS = 100
_MOST_UNITS = 100_000


class Size(Strict):
    """One size of the service.

    Attributes:
        units: How many of what is added: servers, processes, desks.
        set: The requests that give it this size; left out where it has it already.
    """

    units: Annotated[int, Field(ge=1, le=_MOST_UNITS)]
    set: Phase | None = None


class ScalabilityTrial(BaseTrial):
    """At each size, load for each unit rises step by step until it breaks or the top is reached.

    At n units a level of 0.5 P is n times 0.5 P. The capacity of each size follows from its levels as in a stress
    trial, and its efficiency is its capacity for each unit against that of the smallest size.

    Attributes:
        sizes: From small to large.
        start: First level for each unit (key ``from``).
        to: Last level for each unit.
        step: Rise from one level to the next.
        hold: How long each level is held and judged.
        settle: Before that, the level held as it will be judged; kept out of the verdict.
    """

    adapts: ClassVar[bool] = True

    may_be_cut: ClassVar[bool] = False

    kind: Literal["scalability"]
    sizes: Annotated[tuple[Size, ...], Field(min_length=2, max_length=MOST_SIZES)]
    start: LoadLevel = Field(alias="from")
    to: LoadLevel
    step: LoadLevel
    hold: Annotated[Duration, Field(gt=0)]
    settle: Duration = 0

    @model_validator(mode="after")
    def _makes_sense(self) -> ScalabilityTrial:
        if len({level.unit for level in (self.start, self.to, self.step)}) > 1:
            raise rule_broken("from, to and step mix multiples of P and rates; write all three in one unit", "step")
        if self.to.value < self.start.value:
            raise rule_broken(f"'to' lies below 'from', {self.start}; write the lower level first", "to")
        if (self.to.value - self.start.value) / self.step.value > _MOST_LEVELS - 1:
            raise rule_broken(f"more than {_MOST_LEVELS} steps; write a larger step", "step")
        units = [size.units for size in self.sizes]
        if any(after <= before for before, after in pairwise(units)):
            raise rule_broken("sizes that do not rise; write them from small to large, each once", "sizes")
        if all(objective.metric is Metric.EFFICIENCY for objective in self.objectives):
            message = "efficiency alone can't be broken by a level; add a limit such as errors <= 1%"
            raise rule_broken(message, "objectives")
        return self

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered before anything is judged."""
        return self.settle

    @property
    def levels(self) -> tuple[Load, ...]:
        """Return the load levels for each unit, rising, ``to`` included when a step meets it."""
        count = int((self.to.value - self.start.value) / self.step.value + 1e-9) + 1
        values = (round(self.start.value + i * self.step.value, 9) for i in range(count))
        return tuple(Load(value, self.start.unit) for value in values)

    def place(self, stage: int) -> tuple[int, int]:
        """Return the index of the size and of the level that a stage is of."""
        return divmod(stage, len(self.levels))

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return one stage per size and level; how many are run is the search's decision."""
        found: list[Stage] = []
        arrivals = self.arrivals or plan.arrivals
        for size in self.sizes:
            for level in self.levels:
                rate = level.rate(plan.demand.peak) * size.units
                name = f"{size.units} × {level}"
                profile = constant(rate, self.settle + self.hold)
                found.append(Stage(trial, len(found), name, profile, arrivals, self.settle, plan.drain_ns))
        return tuple(found)

    def beforehand(self, stage: Stage, last: Stage | None) -> Happening | None:
        """Return the requests that give the service the size of a stage, where the stage before had another."""
        size, _ = self.place(stage.index)
        if last is not None and self.place(last.index)[0] == size:
            return None
        phase = self.sizes[size].set
        return None if phase is None else Happening(name=f"size {self.sizes[size].units}", at_ns=0, phase=phase)
