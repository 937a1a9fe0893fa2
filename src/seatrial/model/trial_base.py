"""What all kinds of trial have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from seatrial.model.document import Limit, Name, Strict, rule_broken
from seatrial.model.objective import Load
from seatrial.model.phase import Phase
from seatrial.model.profile import Arrivals, Stage

if TYPE_CHECKING:
    from seatrial.model.plan import Plan

__all__ = ["BaseTrial", "Happening"]


class Happening(Strict):
    """Something that is done to the service while its load goes on.

    Attributes:
        name: ``fault``, ``end of fault``, or the size that the service is given.
        at_ns: When, from the stage's start.
        phase: The requests that do it.
        mends: Whether it undoes what was done before it: then it is owed to the service however the run ends.
    """

    name: str
    at_ns: int
    phase: Phase
    mends: bool = False


class BaseTrial(Strict):
    """A trial of any kind.

    Attributes:
        name: Its own name in results.
        arrivals: How arrivals are spread; the plan's where it is left out.
        objectives: The limits.
    """

    adapts: ClassVar[bool] = False
    """Whether a stage depends on what those before it showed."""
    may_be_cut: ClassVar[bool] = True
    """Whether a stage may be ended early because a limit is hopeless, and the trial with it."""

    name: Name | None = None
    arrivals: Arrivals | None = None
    objectives: tuple[Limit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _limits_of_its_kind(self) -> BaseTrial:
        kind = str(getattr(self, "kind"))  # noqa: B009 -- each kind declares its literal
        for index, objective in enumerate(self.objectives):
            if kind not in objective.kinds:
                kinds = " or ".join(sorted(objective.kinds))
                message = f"a limit that a {kind} trial can't show; move it to a {kinds} trial"
                raise rule_broken(message, "objectives", index)
        return self

    @property
    def title(self) -> str:
        """Return its name in results: its own, or its kind."""
        return self.name or str(getattr(self, "kind"))  # noqa: B009 -- each kind declares its literal

    @property
    def unjudged_ns(self) -> int:
        """Return how long load is offered at the beginning of a stage before anything is judged."""
        return 0

    @property
    def held(self) -> tuple[Load, int] | None:
        """Return the highest level that is held, and for how long in ns: what a policy asks for.

        None where no level is.
        """
        return None

    def stages(self, trial: int, plan: Plan) -> tuple[Stage, ...]:
        """Return its stages; of a trial that adapts those that there can be at most."""
        raise NotImplementedError

    def happenings(self, stage: Stage) -> tuple[Happening, ...]:
        """Return what is done to the service in a stage, by time."""
        return ()

    def beforehand(self, stage: Stage, last: Stage | None) -> Happening | None:
        """Return what is done to the service before a stage begins.

        Args:
            stage: The stage.
            last: The one before it; None for the first.
        """
        return None
