"""Which stage of a trial comes next: one face for every kind of trial."""

from __future__ import annotations

from typing import Protocol

from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import ScalabilityTrial, StressTrial
from seatrial.model.verdict import StageResult
from seatrial.verdict.adaptive import AdaptiveSearch
from seatrial.verdict.scaling import ScalabilitySearch
from seatrial.verdict.stress import Decision, StressSearch

__all__ = ["FixedStages", "Search", "search_of"]


class Search(Protocol):
    """A pure state machine without a clock: fed each finished stage, it says which comes next."""

    def next_stage(self) -> Stage | None:
        """Return the stage to offer now; None when the search is over. Asking twice changes nothing."""
        ...

    def feed(self, result: StageResult) -> Decision:
        """Take what that stage showed, and decide; raises ValueError when it is of another stage."""
        ...


class FixedStages:
    """All stages in order, whatever they show: each run of a load trial is one.

    Args:
        stages: At least one.
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._stages = stages
        self._next: int | None = 0

    def next_stage(self) -> Stage | None:
        """Return the stage to offer now; None after the last."""
        return None if self._next is None else self._stages[self._next]

    def feed(self, result: StageResult) -> Decision:
        """Take what that stage showed.

        Raises:
            ValueError: the result is of another stage, or all are done.
        """
        if result.index != self._next:
            raise ValueError(f"stage {self._next} was to be fed, not {result.index}")
        following = result.index + 1
        self._next = None if following == len(self._stages) else following
        return Decision(result.index, result.held, self._next)


def search_of(plan: Plan, policy: Policy, trial_index: int) -> Search:
    """Return the search of one trial of a plan, at its beginning."""
    trial = plan.trials[trial_index]
    if isinstance(trial, StressTrial) and trial.within is not None:
        return AdaptiveSearch(trial, plan, policy, trial_index)
    if isinstance(trial, StressTrial):
        return StressSearch(trial, plan, policy, trial_index)
    if isinstance(trial, ScalabilityTrial):
        return ScalabilitySearch(trial, plan, trial_index)
    return FixedStages(trial.stages(trial_index, plan))
