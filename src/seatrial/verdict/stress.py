"""The stress search, and capacity from what its levels showed.

The search is a state machine without a clock: it is fed each finished level and says which comes next. The runner
obeys it while the trial is under way, and the verdict replays it from the records; both must come to the same
decisions, or the evidence is not of this trial.

A level holds (True) when every limit but capacity is shown to be kept, breaks (False) when one is shown to be broken,
and is undecided (None) otherwise. The search rises level by level and ends after the first that breaks, or at the
top. It rises past an undecided level: to stop would leave the trial without an upper bound, and the undecided level
costs the lower bound anyway.

Capacity, from levels l_1 < l_2 < ...:

    lower     the highest l_i such that l_1 ... l_i all held
    upper     the lowest level that broke
    estimate  the highest l_i such that each of l_1 ... l_i held or, being undecided, kept every limit in its measured
              figure: the data's most likely reading, which the bounds leave open

``capacity >= c`` is PASS when lower >= c (l_i = c has held: enough), FAIL when upper <= c (a service that breaks at
c does not carry c), else INCONCLUSIVE. That a service which broke at some level also breaks above it is not assumed:
no level above the first broken one is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.model.objective import Load, Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import StressTrial
from seatrial.model.verdict import Bounded, Capacity, ObjectiveResult, Reason, StageResult, Verdict
from seatrial.verdict.phrasing import figure, times
from seatrial.verdict.telemetry import stage_limits

__all__ = ["Decision", "StressSearch", "capacity_of", "judge_capacity"]

_TINY = 1e-9
"""Levels are rounded at the ninth decimal: closer than this is equal."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the search decided after a level.

    Attributes:
        stage: Index of the stage it follows.
        held: Whether that level held; None when not decided.
        next: Index of the stage to offer next; None when the search is over.
    """

    stage: int
    held: bool | None
    next: int | None


class StressSearch:
    """Which level comes next.

    Args:
        trial: The stress trial.
        plan: The plan it stands in.
        policy: The rules; a search that adapts to the confidence asked for needs them.
        trial_index: Of the trial in the plan; found by identity, then by equality, where it is left out.

    Raises:
        ValueError: the trial is not in the plan.
    """

    def __init__(self, trial: StressTrial, plan: Plan, policy: Policy, trial_index: int | None = None) -> None:
        if trial_index is None:
            same = [i for i, other in enumerate(plan.trials) if other is trial]
            trial_index = same[0] if same else plan.trials.index(trial)
        self.policy = policy
        self._stages = trial.stages(trial_index, plan)
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
        following = result.index + 1
        self._next = None if result.held is False or following == len(self._stages) else following
        return Decision(result.index, result.held, self._next)


def capacity_of(trial: StressTrial, results: Sequence[StageResult]) -> Capacity:
    """Return capacity from what the levels showed.

    Args:
        trial: The stress trial.
        results: Of its stages, in order from the first; a gap ends what can be concluded.
    """
    lower = estimate = upper = None
    holds, likely = True, True
    for place, result in enumerate(results):
        if result.index != place:
            break
        level = trial.levels[place].value
        if result.held is False:
            upper = level
            break
        holds = holds and result.held is True
        likely = likely and (result.held is True or _kept_as_measured(trial, result))
        lower = level if holds else lower
        estimate = level if likely else estimate
    return Capacity(estimate=estimate, lower=lower, upper=upper, unit=trial.start.unit)


def _kept_as_measured(trial: StressTrial, result: StageResult) -> bool:
    limits = stage_limits(trial)
    if len(limits) != len(result.objectives):
        return False
    return all(
        shown.value.estimate is not None and limit.meets(shown.value.estimate)
        for limit, shown in zip(limits, result.objectives, strict=True)
    )


def judge_capacity(
    trial: StressTrial, objective: Objective, results: Sequence[StageResult]
) -> tuple[ObjectiveResult, Reason]:
    """Return a capacity limit against the levels, and the sentence on it.

    Args:
        trial: The stress trial.
        objective: One of its limits, on capacity.
        results: Of its stages, in order from the first.

    Raises:
        ValueError: the objective is not on capacity.
    """
    if objective.metric is not Metric.CAPACITY or objective.load is None:
        raise ValueError(f"not a capacity: {objective.text}")
    found, limit = capacity_of(trial, results), objective.load.value
    undecided: ObjectiveResult | None = None
    code, level = "capacity.not_reached", None
    if found.lower is not None and found.lower >= limit - _TINY:
        verdict, code = Verdict.PASS, "capacity.kept"
    elif found.upper is not None and found.upper <= limit + _TINY:
        verdict, code = Verdict.FAIL, "capacity.broken"
    else:
        verdict = Verdict.INCONCLUSIVE
        open_level = next((r for r in results if r.held is None), None)
        if open_level is not None:
            level = open_level.name
            undecided = _hardest(open_level)
            code = "capacity.longer" if undecided and undecided.longer else "capacity.undecided"
        elif found.upper is not None:
            code = "capacity.between" if found.lower is not None else "capacity.below"
        elif found.lower is None:
            code = "capacity.none"
    longer = undecided.longer if undecided and code == "capacity.longer" else None
    result = ObjectiveResult(
        objective=objective.text,
        verdict=verdict,
        value=Bounded(estimate=found.estimate, lower=found.lower, upper=found.upper),
        limit=limit,
        unit=objective.load.unit,
        samples=sum(r.intended for r in results),
        undecided=None if verdict is not Verdict.INCONCLUSIVE else "length" if longer else "levels",
        longer=longer,
    )
    return result, Reason(code=code, params=_params(objective.load, found, level, longer))


def _hardest(result: StageResult) -> ObjectiveResult | None:
    """Return the undecided limit that would take longest; one that no length decides before all others."""
    undecided = [o for o in result.objectives if o.verdict is Verdict.INCONCLUSIVE]
    return max(undecided, key=lambda o: float("inf") if o.longer is None else o.longer, default=None)


def _params(limit: Load, found: Capacity, level: str | None, longer: float | None) -> dict[str, str]:
    shown = {"limit": str(limit)}
    if found.lower is not None:
        shown["lower"] = figure(found.lower, found.unit)
    if found.upper is not None:
        shown["upper"] = figure(found.upper, found.unit)
    if level is not None:
        shown["level"] = level
    if longer is not None:
        shown["times"] = times(longer)
    return shown
