"""What the kinds have in common: one face, and the conclusion from limits that every stage must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from seatrial.model.journal import StageLog, TrialLog
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult, Verdict, worst
from seatrial.verdict.found import Conclusion, Found, worst_first
from seatrial.verdict.inputs import Rows, StageColumns, TrialData
from seatrial.verdict.phrasing import objective_reason
from seatrial.verdict.telemetry import stage_limits

__all__ = ["Kind", "Seen", "every_stage", "keeps_limits"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a stage a kind may look at.

    Attributes:
        plan: The plan.
        policy: The rules.
        trial: The stage's; each kind knows its own.
        stage: What was offered.
        log: When.
        rows: Records of scheduled sessions after the warm-up.
        data: All of the trial's evidence.
    """

    plan: Plan
    policy: Policy
    trial: Any
    stage: Stage
    log: StageLog
    rows: Rows
    data: TrialData

    @property
    def judged(self) -> StageColumns:
        """Return all of ``rows`` at once, 40 bytes for each. What can be counted by parts asks ``rows`` for them."""
        return self.rows.whole()


Observe: TypeAlias = Callable[[Seen], Any]
Conclude: TypeAlias = Callable[[Plan, Policy, Any, TrialLog, Found], Conclusion]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trial.

    Attributes:
        conclude: What the trial shows.
        observe: What to look for in a stage's records beside the limits; None for nothing.
        breaks: Whether a stage may break without the trial being FAIL: what breaks it is what is looked for.
    """

    conclude: Conclude
    observe: Observe | None = None
    breaks: bool = False


def every_stage(
    trial: Any, results: list[StageResult], *, named: bool
) -> tuple[tuple[ObjectiveResult, ...], list[Reason]]:
    """Return each limit at the stage where it did worst, the first of these, with the sentences on them.

    Args:
        trial: The trial.
        results: Of its stages.
        named: Whether the sentences name the stage.
    """
    objectives: list[ObjectiveResult] = []
    reasons: list[Reason] = []
    for place, limit in enumerate(stage_limits(trial)):
        shown = [(result.objectives[place], result.name) for result in results]
        if shown:
            verdict = worst(objective.verdict for objective, _ in shown)
            objective, level = next(pair for pair in shown if pair[0].verdict is verdict)
            objectives.append(objective)
            reasons.append(objective_reason(limit, objective, level if named else None))
    return tuple(objectives), worst_first(reasons, objectives)


def keeps_limits(plan: Plan, policy: Policy, trial: Any, log: TrialLog, found: Found) -> Conclusion:
    """Return what a trial shows whose every stage must keep every limit."""
    objectives, reasons = every_stage(trial, found.results, named=len(found.results) > 1)
    verdict = worst(result.verdict for result in objectives)
    if found.by_service:
        verdict = worst([verdict, Verdict.FAIL])
    return Conclusion(verdict, [*found.by_service, *reasons], objectives)
