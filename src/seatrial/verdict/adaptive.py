"""The search for a capacity: which level comes next, until the interval is narrow enough.

A state machine without a clock, in the manner of MLRsearch (draft-ietf-bmwg-mlrsearch): bracket, then narrow, with
levels that are not decided offered again. It is fed what each level showed; the runner obeys it, and the verdict
replays it from the records.

1. *Bracket.* Levels rise by ``step`` from ``from`` until one breaks or ``to`` is reached. Where already the lowest
   broke, the next is half of it.
2. *Bisect*, as long as no capacity can be fitted or two neighbours lie more than four times ``within`` apart: the
   middle of the widest gap between the levels from the highest that held to the lowest that broke. Where no gap is
   wider than half of ``within``, that level among them comes again which is not decided and came least often.
3. *Narrow.* With a fit (:mod:`seatrial.stats.crossing`), a level beside the estimate, on the side that has fewer within
   15 %: half the interval away, at least half of ``within`` and at most 8 % of the estimate. Levels on both sides tell
   the slope; close by, the curve does not bend.

It ends when the interval is no wider than ``within`` with six levels within 15 % of the estimate, when
all of ``most`` are spent, or when the top has held and nothing is left to narrow. Levels are multiples of ``within``/8,
so that the last bits of a fit choose nothing.
"""

from __future__ import annotations

from itertools import pairwise

from seatrial.model.objective import Load
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import Capacity, StageResult
from seatrial.verdict.capacity import Level, capacity_of_search, fitted_near, levels_of
from seatrial.verdict.stress import Decision

__all__ = ["AdaptiveSearch"]

_GRID, _FEWEST_NEAR = 8, 6
_WIDE, _NEAR, _FARTHEST = 4.0, 0.15, 0.08
_TINY = 1e-9


class AdaptiveSearch:
    """Which level comes next.

    Args:
        trial: A stress trial with ``within``.
        plan: The plan it stands in.
        policy: For the confidence of the interval.
        trial_index: Of the trial in the plan.

    Raises:
        ValueError: the trial is no search.
    """

    def __init__(self, trial: StressTrial, plan: Plan, policy: Policy, trial_index: int) -> None:
        if trial.within is None:
            raise ValueError("a stress trial without 'within' is no search")
        self._trial, self._plan, self._index = trial, plan, trial_index
        self._within, self._confidence = trial.within.value, policy.validity.confidence
        self._levels: list[Level] = []
        self._next: Stage | None = self._stage(trial.start.value)

    def next_stage(self) -> Stage | None:
        """Return the stage to offer now; None when the search is over. Asking twice changes nothing."""
        return self._next

    def feed(self, result: StageResult) -> Decision:
        """Take what the stage showed that :meth:`next_stage` gave, and decide.

        Raises:
            ValueError: the result is of another stage, or the search is over.
        """
        if self._next is None or result.index != self._next.index:
            waits = None if self._next is None else self._next.index
            raise ValueError(f"the search waits for stage {waits}, not {result.index}")
        self._levels += levels_of(self._trial, [result], self._plan.demand.peak)
        load = self._following() if len(self._levels) < self._trial.most_stages else None
        self._next = None if load is None else self._stage(load)
        return Decision(result.index, result.held, None if self._next is None else self._next.index)

    def _stage(self, load: float) -> Stage:
        """Return the stage of a level; one that was offered before is told apart by its name."""
        level = Load(round(load, 9), self._trial.start.unit)
        before = sum(abs(one.load - level.value) < _TINY for one in self._levels)
        name = str(level) if not before else f"{level} ({before + 1})"
        return self._trial.stage(self._index, len(self._levels), level, name, self._plan)

    def _following(self) -> float | None:
        """Return the load to offer next; None when the search is over."""
        found = capacity_of_search(self._trial, self._levels, self._confidence)
        near = fitted_near(self._trial, self._levels, self._confidence)
        if near is not None and found.lower is not None and found.upper is not None:
            enough = near >= _FEWEST_NEAR
            if enough and found.upper - found.lower <= self._within + _TINY:
                return None
        rising = self._rising()
        if rising is not None:
            return rising
        broke = self._broke()
        if broke is None and near is None and self._levels[-1].result.held is True:
            return None  # the top has held: capacity lies above what may be offered
        return self._between(found if near is not None else None, broke)

    def _rising(self) -> float | None:
        """Return the next level of the bracket; None when it is closed, or the top is reached."""
        if self._broke() is not None:
            return None
        highest, top = max(one.load for one in self._levels), self._trial.to.value
        return None if highest >= top - _TINY else min(highest + self._trial.step.value, top)

    def _broke(self) -> float | None:
        return min((one.load for one in self._levels if one.result.held is False), default=None)

    def _between(self, found: Capacity | None, broke: float | None) -> float:
        """Return a level between the highest that held and the lowest that broke (2 and 3)."""
        upper = self._trial.to.value if broke is None else broke
        held = [one.load for one in self._levels if one.result.held is True and one.load < upper]
        lowest = min(one.load for one in self._levels)
        if not held and found is None and lowest >= upper - _TINY:
            return self._on_grid(lowest / 2)
        lower = max(held, default=min(lowest, upper))
        inside = sorted({one.load for one in self._levels if lower <= one.load <= upper} | {lower, upper})
        gap, middle = max(((b - a, (a + b) / 2) for a, b in pairwise(inside)), default=(0.0, upper))
        if found is not None and gap <= _WIDE * self._within:
            return self._beside(found, lower, upper)
        if gap > self._within / 2:
            return self._on_grid(middle)
        again = [one.load for one in self._levels if one.result.held is None and lower <= one.load <= upper]
        return min(again, key=lambda load: (again.count(load), load), default=self._on_grid(middle))

    def _beside(self, found: Capacity, lower: float, upper: float) -> float:
        """Return a level near the estimate, on the side of it that has fewer."""
        at = found.estimate or lower
        wide = (found.upper or upper) - (found.lower or 0.0)
        away = min(max(wide / 2, self._within / 2), _FARTHEST * at)
        below = sum(at * (1 - _NEAR) < one.load < at for one in self._levels)
        above = sum(at <= one.load < at * (1 + _NEAR) for one in self._levels)
        return self._on_grid(min(max(at + away if below > above else at - away, lower), upper))

    def _on_grid(self, load: float) -> float:
        grid = self._within / _GRID
        return max(1, round(min(load, self._trial.to.value) / grid)) * grid
