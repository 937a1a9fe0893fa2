"""The search of a scalability trial: at each size the load rises until it breaks, then comes the next size."""

from __future__ import annotations

from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.scalability import ScalabilityTrial
from seatrial.model.verdict import StageResult
from seatrial.verdict.stress import Decision

__all__ = ["ScalabilitySearch"]


class ScalabilitySearch:
    """Which stage comes next: the next level of this size or, after one that breaks or the top, the next size.

    Args:
        trial: The scalability trial.
        plan: The plan it stands in.
        trial_index: Of the trial in the plan.
    """

    def __init__(self, trial: ScalabilityTrial, plan: Plan, trial_index: int) -> None:
        self._trial, self._stages = trial, trial.stages(trial_index, plan)
        self._next: int | None = 0

    def next_stage(self) -> Stage | None:
        """Return the stage to offer now; None when the search is over. Asking twice changes nothing."""
        return None if self._next is None else self._stages[self._next]

    def feed(self, result: StageResult) -> Decision:
        """Take what the stage showed that :meth:`next_stage` gave, and decide.

        Raises:
            ValueError: the result is of another stage, or the search is over.
        """
        if result.index != self._next:
            raise ValueError(f"the search waits for stage {self._next}, not {result.index}")
        size, level = self._trial.place(result.index)
        levels = len(self._trial.levels)
        rises = result.held is not False and level + 1 < levels
        following = result.index + 1 if rises else (size + 1) * levels
        self._next = following if following < len(self._stages) else None
        return Decision(result.index, result.held, self._next)
