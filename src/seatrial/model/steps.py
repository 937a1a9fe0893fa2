"""Steps: requests and pauses, and what brings them into an order: groups, loops and choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from seatrial.model.document import Duration, Identifier, Strict, exactly_one, rule_broken
from seatrial.model.request import Condition, RequestStep

__all__ = [
    "MOST_REQUESTS",
    "MOST_STEPS",
    "ChooseStep",
    "GroupStep",
    "Option",
    "PauseStep",
    "RepeatStep",
    "Step",
    "ThinkTime",
    "longest_ns",
    "most_requests",
    "most_steps",
    "requests_in",
]

MOST_REQUESTS = 10_000
"""Requests of one session, loops counted out: a plan that asks for more is refused."""

MOST_STEPS = 100_000
"""Steps of any kind of one session, loops counted out: loops within loops that send nothing would hold up a worker."""

_UNBOUNDED = 10
"""Where ``most`` is left out, draws are cut at so many times the typical one."""


class ThinkTime(Strict):
    """How long a citizen thinks, drawn from the session's own seed. Exactly one distribution.

    Attributes:
        uniform: Shortest and longest.
        exponential: Mean.
        lognormal: Median; with ``sigma``.
        sigma: With ``lognormal``: the standard deviation of the logarithm.
        most: Longest; what is drawn beyond it is cut. Ten times the mean or median where it is left out.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("uniform", "exponential", "lognormal"))

    uniform: tuple[Duration, Duration] | None = None
    exponential: Annotated[Duration, Field(gt=0)] | None = None
    lognormal: Annotated[Duration, Field(gt=0)] | None = None
    sigma: Annotated[float, Field(gt=0, le=3)] = 0.5
    most: Duration | None = None

    @model_validator(mode="after")
    def _one_distribution(self) -> ThinkTime:
        if sum(item is not None for item in (self.uniform, self.exponential, self.lognormal)) != 1:
            raise ValueError("not exactly one distribution; write one of uniform, exponential and lognormal")
        if self.uniform is not None and self.uniform[1] < self.uniform[0]:
            raise rule_broken("the longest lies below the shortest; write [shortest, longest]", "uniform")
        if self.uniform is not None and self.most is not None:
            raise rule_broken("most beside uniform, which has its own; write it there", "most")
        return self

    @property
    def longest_ns(self) -> int:
        """Return the longest that can be drawn."""
        if self.uniform is not None:
            return self.uniform[1]
        return self.most if self.most is not None else _UNBOUNDED * (self.exponential or self.lognormal or 0)


class PauseStep(Strict):
    """A citizen thinks: no request for a while.

    Attributes:
        pause: How long: a duration, or the distribution that it is drawn from.
    """

    pause: Annotated[
        Annotated[Duration, Tag("duration")] | Annotated[ThinkTime, Tag("ThinkTime")],
        Discriminator(lambda value: "ThinkTime" if isinstance(value, dict | ThinkTime) else "duration"),
    ]

    @property
    def longest_ns(self) -> int:
        """Return the longest that it can last."""
        return self.pause if isinstance(self.pause, int) else self.pause.longest_ns


class GroupStep(Strict):
    """Steps under a condition.

    Attributes:
        when: Take ``steps`` then, ``otherwise`` else.
        steps: In order.
        otherwise: In order; nothing where it is left out.
    """

    when: Condition
    steps: tuple[Step, ...] = Field(min_length=1)
    otherwise: tuple[Step, ...] = ()


class RepeatStep(Strict):
    """A loop.

    Attributes:
        repeat: How often; or the smallest and the largest number, of which one is drawn.
        counter: Variable that holds the round, from 1 (key ``as``).
        during: Before each round: go on only then (key ``while``).
        steps: Of one round.
    """

    repeat: Annotated[
        Annotated[int, Field(ge=1, le=MOST_REQUESTS), Tag("times")]
        | Annotated[
            tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1, le=MOST_REQUESTS)]], Tag("smallest_largest")
        ],
        Discriminator(lambda value: "smallest_largest" if isinstance(value, list | tuple) else "times"),
    ]
    counter: Identifier | None = Field(default=None, alias="as")
    during: Condition | None = Field(default=None, alias="while")
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> RepeatStep:
        if self.fewest > self.most:
            raise rule_broken("the largest number lies below the smallest; write [smallest, largest]", "repeat")
        return self

    @property
    def fewest(self) -> int:
        """Return the smallest number of rounds that can be drawn."""
        return self.repeat if isinstance(self.repeat, int) else self.repeat[0]

    @property
    def most(self) -> int:
        """Return the largest number of rounds."""
        return self.repeat if isinstance(self.repeat, int) else self.repeat[1]


class Option(Strict):
    """One of several ways to go on.

    Attributes:
        weight: Share among the options.
        steps: In order; none is a way to go on as well.
    """

    weight: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    steps: tuple[Step, ...] = ()


class ChooseStep(Strict):
    """A random choice, drawn from the session's own seed.

    Attributes:
        choose: The options, at least two.
    """

    choose: tuple[Option, ...] = Field(min_length=2)


_KINDS: dict[type, str] = {PauseStep: "pause", GroupStep: "group", RepeatStep: "repeat", ChooseStep: "choose"}


def _step_kind(value: object) -> str:
    if isinstance(value, dict):
        kind = next((kind for kind in ("pause", "repeat", "choose") if kind in value), None)
        return kind or ("group" if "steps" in value or "otherwise" in value else "request")
    return _KINDS.get(type(value), "request")


Step: TypeAlias = Annotated[
    Annotated[RequestStep, Tag("request")]
    | Annotated[PauseStep, Tag("pause")]
    | Annotated[GroupStep, Tag("group")]
    | Annotated[RepeatStep, Tag("repeat")]
    | Annotated[ChooseStep, Tag("choose")],
    Discriminator(_step_kind),
]

for _model in (GroupStep, RepeatStep, Option, ChooseStep):
    _model.model_rebuild()


def requests_in(steps: tuple[Step, ...], certain: bool = True) -> Iterator[tuple[RequestStep, bool, bool]]:
    """Yield every request below ``steps`` in the order in which it is written.

    Yields:
        The request; whether every session that is not cut short takes it; whether one session may take it twice.
    """
    for step in steps:
        if isinstance(step, RequestStep):
            yield step, certain and step.when is None, False
        elif isinstance(step, GroupStep):
            yield from requests_in(step.steps, False)
            yield from requests_in(step.otherwise, False)
        elif isinstance(step, RepeatStep):
            surely = certain and step.during is None and step.fewest > 0
            for request, sure, _ in requests_in(step.steps, surely):
                yield request, sure, True
        elif isinstance(step, ChooseStep):
            for option in step.choose:
                yield from requests_in(option.steps, False)


def most_requests(steps: tuple[Step, ...], each: Callable[[RequestStep], int] = lambda step: 1) -> int:
    """Return how many requests one session sends at most.

    Args:
        steps: In order.
        each: How many a step counts for; where it is left out, retries, redirects and resources are.
    """
    total = 0
    for step in steps:
        if isinstance(step, RequestStep):
            total += each(step)
        elif isinstance(step, GroupStep):
            total += max(most_requests(step.steps, each), most_requests(step.otherwise, each))
        elif isinstance(step, RepeatStep):
            total += step.most * most_requests(step.steps, each)
        elif isinstance(step, ChooseStep):
            total += max(most_requests(option.steps, each) for option in step.choose)
    return total


def most_steps(steps: tuple[Step, ...]) -> int:
    """Return how many steps of any kind one session takes at most, the beginning of each round among them."""
    total = 0
    for step in steps:
        total += 1
        if isinstance(step, GroupStep):
            total += max(most_steps(step.steps), most_steps(step.otherwise))
        elif isinstance(step, RepeatStep):
            total += step.most * (1 + most_steps(step.steps))
        elif isinstance(step, ChooseStep):
            total += max(most_steps(option.steps) for option in step.choose)
    return total


def longest_ns(steps: tuple[Step, ...], request_ns: Callable[[RequestStep], int]) -> int:
    """Return the longest that ``steps`` can take.

    Args:
        steps: In order.
        request_ns: The longest that a request can take, as a function of it.
    """
    total = 0
    for step in steps:
        if isinstance(step, RequestStep):
            total += request_ns(step)
        elif isinstance(step, PauseStep):
            total += step.longest_ns
        elif isinstance(step, GroupStep):
            total += max(longest_ns(step.steps, request_ns), longest_ns(step.otherwise, request_ns))
        elif isinstance(step, RepeatStep):
            total += step.most * longest_ns(step.steps, request_ns)
        else:
            total += max(longest_ns(option.steps, request_ns) for option in step.choose)
    return total
