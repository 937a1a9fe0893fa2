"""What a reader must know beside the verdict: nothing here changes it."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.model.plan import Plan
from seatrial.model.trial import LoadTrial, Trial
from seatrial.model.verdict import Reason, StageResult
from seatrial.verdict.attempts import many_retries
from seatrial.verdict.from_send import late_sends, other_answers
from seatrial.verdict.warming import warm_ups

__all__ = ["findings"]

_MOST_NAMED = 10


def findings(plan: Plan, trial: Trial, results: Sequence[StageResult], taken: set[tuple[int, int]]) -> list[Reason]:
    """Return sentences on users who wait, retries, times from the send, a warm-up, and steps that nobody took.

    Args:
        plan: The plan.
        trial: The trial.
        results: Of its stages.
        taken: (journey, step) pairs of which some judged record is of a step that was tried.
    """
    found: list[Reason] = []
    if not any(result.intended for result in results):
        return found
    if isinstance(trial, LoadTrial) and trial.users is not None:
        found.append(Reason(code="load.closed", params={"users": f"{trial.users:,}"}))
    from_send = other_answers(trial, results) or late_sends(results)
    return [*found, *many_retries(results), *from_send, *warm_ups(results), *_never_taken(plan, taken)]


def _never_taken(plan: Plan, taken: set[tuple[int, int]]) -> list[Reason]:
    """Return a sentence on steps that sessions left out, or did not come to, all of them.

    A journey that nobody took is said of already.
    """
    names = [
        f"{name}: {label}"
        for index, (name, journey) in enumerate(plan.journeys.items())
        if any(journey_taken == index for journey_taken, _ in taken)
        for step, label in enumerate(journey.labels)
        if (index, step) not in taken
    ]
    if not names:
        return []
    shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    return [Reason(code="steps.never_taken", params={"names": shown})]
