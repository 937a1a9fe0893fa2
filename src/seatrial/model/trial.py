"""Trials: how a plan's load is offered, and the limits it must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from seatrial.model.document import Duration, LoadLevel, rule_broken
from seatrial.model.kinds import RecoveryTrial, SoakTrial, SpikeTrial
from seatrial.model.objective import Load, Metric
from seatrial.model.profile import Profile, Segment, Stage, constant
from seatrial.model.scalability import ScalabilityTrial
from seatrial.model.shape import Shape
from seatrial.model.steps import ThinkTime
from seatrial.model.trial_base import BaseTrial
from seatrial.model.users import MOST_USERS, Users
from seatrial.units import format_duration

if TYPE_CHECKING:
    from seatrial.model.plan import Plan

__all__ = [
    "LoadTrial",
    "RecoveryTrial",
    "ScalabilityTrial",
    "SoakTrial",
    "SpikeTrial",
    "StressTrial",
    "Trial",
]

MAX_STRESS_STEPS = 200
_MOST_STAGES, _FEWEST_BETWEEN = 16, 4
MOST_RUNS = 20


_HELD, _SHAPED, _CLOSED = ("at", "for"), ("shape", "judge_from"), ("users", "pacing", "think")


def _form(needed: tuple[str, ...], foreign: tuple[str, ...]) -> dict[str, Any]:
    return {"required": [*needed], "not": {"anyOf": [{"required": [key]} for key in foreign]}}


#: What pydantic can't derive from the fields: a load trial is written in one of three forms.
_FORMS: dict[str, Any] = {
    "oneOf": [
        _form(_HELD, (*_SHAPED, *_CLOSED)),
        _form(("shape",), (*_HELD, *_CLOSED)),
        _form(("users", "for"), ("at", *_SHAPED, "arrivals")),
    ]
}


class LoadTrial(BaseTrial):
    """Load as it is expected: does the service keep its limits, in each of its runs?

    It is a level that is held, with ``at`` and ``for``, or a shape, or a number of users who begin again when they
    are through (a closed model), with ``users`` and ``for``. One stage for each run.

    Attributes:
        at: The load level that is held.
        duration: How long it is held and judged (key ``for``).
        ramp: First of all, load that rises from nothing to the level, or users who begin evenly over it; kept out of
            the verdict.
        warmup: After that, the level held as it will be judged; kept out of the verdict too.
        shape: Load that changes over time, in place of the four above.
        judge_from: With a shape, how long from its start is kept out of the verdict; nothing where it is not given.
        users: How many users there are, in place of a level or a shape.
        pacing: Each user begins an iteration so long after the last began; at once, where that one took longer.
        think: Each user rests so long after an iteration, in place of ``pacing``: a duration or a distribution.
        runs: How often the whole of it is offered, one stage after the other; every run must keep every limit. Once
            where it is left out.
    """

    model_config = ConfigDict(json_schema_extra=_FORMS)

    kind: Literal["load"]
    at: LoadLevel | None = None
    duration: Annotated[Duration, Field(gt=0)] | None = Field(default=None, alias="for")
    ramp: Duration = 0
    warmup: Duration = 0
    shape: Shape | None = None
    judge_from: Duration | None = None
    users: Annotated[int, Field(ge=1, le=MOST_USERS)] | None = None
    pacing: Annotated[Duration, Field(gt=0)] | None = None
    think: (
        Annotated[
            Annotated[Duration, Tag("duration")] | Annotated[ThinkTime, Tag("ThinkTime")],
            Discriminator(lambda value: "ThinkTime" if isinstance(value, dict | ThinkTime) else "duration"),
        ]
        | None
    ) = None
    runs: Annotated[int, Field(ge=1, le=MOST_RUNS)] | None = None

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered before anything is judged."""
        return self.ramp + self.warmup if self.shape is None else self.judge_from or 0

    @property
    def level(self) -> str:
        """Return what is offered, in a few words: ``1 P``, ``0.05–2 P``, ``200 users``."""
        if self.users is not None:
            return "1 user" if self.users == 1 else f"{self.users:,} users"
        return str(self.at) if self.shape is None else self.shape.title

    @model_validator(mode="after")
    def _one_form(self) -> LoadTrial:
        if self.users is not None:
            return self._closed_form()
        for key, rest in (("pacing", self.pacing), ("think", self.think)):
            if rest is not None:
                raise rule_broken(f"'{key}' without users; write users in place of a level or a shape", key)
        if self.shape is None:
            for key, value in (("at", self.at), ("for", self.duration)):
                if value is None:
                    message = f"a load trial without '{key}'; add {key}, or a shape or users in place of a level"
                    raise rule_broken(message)
            if self.judge_from is not None:
                message = "judge_from belongs to a shape; write warmup for what is held and not judged"
                raise rule_broken(message, "judge_from")
            return self
        written = {"at": self.at, "for": self.duration, "ramp": self.ramp, "warmup": self.warmup}
        for key, value in written.items():
            if value:
                raise rule_broken(f"'{key}' beside a shape, which says it itself; write only one of them", key)
        lasts = self.shape.profile(1.0).duration_ns
        if self.unjudged_ns >= lasts:
            message = f"a shape of {format_duration(lasts)} of which nothing is judged; write a shorter time"
            raise rule_broken(message, "judge_from")
        if not self.shape.profile(1.0).after(self.unjudged_ns).peak:
            raise rule_broken("a shape that offers nothing from there on; write a shorter time", "judge_from")
        return self

    def _closed_form(self) -> LoadTrial:
        foreign = {"at": self.at, "shape": self.shape, "judge_from": self.judge_from, "arrivals": self.arrivals}
        for key, value in foreign.items():
            if value is not None:
                raise rule_broken(f"'{key}' beside users, who begin when they are through; write one of them", key)
        if self.duration is None:
            raise rule_broken("users without 'for'; say how long they go on")
        if self.pacing is not None and self.think is not None:
            raise rule_broken(
                "both pacing and think; write how far beginnings are apart, or how long users rest", "think"
            )
        return self

    @property
    def held(self) -> tuple[Load, int] | None:
        """Return the level that is held and how long it is judged; None for a shape and for users."""
        return None if self.at is None or self.duration is None else (self.at, self.duration)

    def profile(self, peak: float) -> Profile:
        """Return what is offered: the shape, or the rise, the warm-up and the level; ``peak`` is P in journeys/s.

        Of users nothing is planned but how long they go on: a rate of zero.
        """
        if self.shape is not None:
            return self.shape.profile(peak)
        if self.users is not None and self.duration is not None:
            return constant(0.0, self.ramp + self.warmup + self.duration)
        if self.at is None or self.duration is None:
            raise AssertionError("a load trial has a level or a shape")
        rate = self.at.rate(peak)
        stretches = ((self.ramp, 0.0, rate), (self.warmup, rate, rate), (self.duration, rate, rate))
        return Profile(tuple(Segment(long, low, high) for long, low, high in stretches if long))

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return one stage for each run, alike but for what is drawn."""
        profile, arrivals = self.profile(plan.demand.peak), self.arrivals or plan.arrivals
        users = None if self.users is None else Users(self.users, self.ramp, self.pacing, self.think or 0)
        runs = self.runs or 1
        names = [self.level] if runs == 1 else [f"{self.level}, run {run + 1}" for run in range(runs)]
        return tuple(
            Stage(trial, run, name, profile, arrivals, self.unjudged_ns, plan.drain_ns, users)
            for run, name in enumerate(names)
        )


class StressTrial(BaseTrial):
    """Rising load, step by step, until it breaks or the top is reached; or a search for the load that it can carry.

    Attributes:
        start: First level (key ``from``).
        to: Last level.
        step: Rise from one level to the next.
        hold: How long each level is held and judged.
        settle: Before that, the level held as it will be judged; kept out of the verdict.
        within: How narrow the interval of the capacity is to be. With it the trial is a search: steps rise until one
            breaks, further levels are chosen between, and it ends when the interval is as narrow as this.
        most: How many stages such a search may take, 16 where it is left out.
    """

    adapts: ClassVar[bool] = True

    kind: Literal["stress"]
    start: LoadLevel = Field(alias="from")
    to: LoadLevel
    step: LoadLevel
    hold: Duration = Field(gt=0)
    settle: Duration = 0
    within: LoadLevel | None = None
    most: Annotated[int, Field(ge=4, le=MAX_STRESS_STEPS)] | None = None

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
        top = self.to if self.within is not None else self.levels[-1]
        for index, objective in enumerate(self.objectives):
            if objective.load and objective.load.unit != self.start.unit:
                message = f"a capacity in another unit than the steps; write it as the steps are, {self.start.unit}"
                raise rule_broken(message, "objectives", index)
            if objective.load and objective.load.value > top.value + 1e-9:
                message = f"a capacity that can't be shown by steps that end at {top}; raise 'to' or lower this limit"
                raise rule_broken(message, "objectives", index)
        return self

    @model_validator(mode="after")
    def _searches(self) -> StressTrial:
        if self.within is None:
            if self.most is not None:
                raise rule_broken(
                    "'most' without 'within'; say how narrow the interval of the capacity is to be", "most"
                )
            return self
        if not any(objective.metric is Metric.CAPACITY for objective in self.objectives):
            raise rule_broken(
                "a search without a limit on what it finds; add one such as capacity >= 2.0 P", "objectives"
            )
        if self.within.unit != self.start.unit:
            raise rule_broken(f"an interval in another unit than the steps; write it in {self.start.unit}", "within")
        if self.within.value >= self.step.value:
            message = f"an interval no narrower than a step, {self.step}; write a narrower one, or leave it out"
            raise rule_broken(message, "within")
        rises = len(self.levels) + (self.levels[-1] != self.to)
        if self.most_stages < rises + _FEWEST_BETWEEN:
            message = (
                f"a search of {self.most_stages} stages, of which {rises} are the steps up to {self.to}; "
                f"write {rises + _FEWEST_BETWEEN} stages or more, or a larger step"
            )
            raise rule_broken(message, "step" if self.most is None else "most")
        return self

    @property
    def may_be_cut(self) -> bool:  # type: ignore[override]  # a search needs whole levels on both sides
        """Return whether a level may be ended early: of a search, whose broken levels are measurements, none."""
        return self.within is None

    @property
    def unjudged_ns(self) -> int:
        """Return how long each level is offered before it is judged."""
        return self.settle

    @property
    def held(self) -> tuple[Load, int]:
        """Return its highest level and how long that is held."""
        return self.to if self.within is not None else self.levels[-1], self.hold

    @property
    def levels(self) -> tuple[Load, ...]:
        """Return the load levels, rising, ``to`` included when a step meets it."""
        count = int((self.to.value - self.start.value) / self.step.value + 1e-9) + 1
        values = (round(self.start.value + i * self.step.value, 9) for i in range(count))
        return tuple(Load(value, self.start.unit) for value in values)

    @property
    def most_stages(self) -> int:
        """Return how many stages a search takes at most."""
        return _MOST_STAGES if self.most is None else self.most

    def stage(self, trial: int, index: int, level: Load, name: str, plan: Plan) -> Stage:
        """Return one stage that holds a level."""
        profile = constant(level.rate(plan.demand.peak), self.settle + self.hold)
        return Stage(trial, index, name, profile, self.arrivals or plan.arrivals, self.settle, plan.drain_ns)

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return one stage per level; how many are run is the search's decision, and of one with ``within`` which.

        Of that search these are as many stages as it may take, all at the highest level: no more than it can offer.
        """
        levels = self.levels if self.within is None else (self.to,) * self.most_stages
        return tuple(self.stage(trial, index, level, str(level), plan) for index, level in enumerate(levels))


Trial: TypeAlias = Annotated[
    LoadTrial | StressTrial | SpikeTrial | SoakTrial | RecoveryTrial | ScalabilityTrial, Field(discriminator="kind")
]
