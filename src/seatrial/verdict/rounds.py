"""How often a session has each step: in loops as often as the plan says, and never more.

A loop without a condition goes round a fixed number of times, or between two numbers. A session that breaks off
records what it had left, further rounds included, so a round that is missing from the records was lost or taken out.
Of a loop with a condition, of steps under a condition and of choices only the most is known; of journeys in Python
and of a page's resources nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seatrial.model.journey import Journey
from seatrial.model.plan import Plan
from seatrial.model.request import RequestStep
from seatrial.model.sample import Outcome
from seatrial.model.steps import ChooseStep, GroupStep, RepeatStep, Step
from seatrial.verdict.hopeless import most_records
from seatrial.verdict.inputs import StageColumns

__all__ = ["fewest_records", "repeated", "wrong_rounds"]

Int64 = npt.NDArray[np.int64]


def fewest_records(plan: Plan) -> Int64:
    """Return how many records of each step a session has at least, shape (journeys, most steps of one)."""
    rows = [_fewest_of(journey) for journey in plan.journeys.values()]
    fewest = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for place, row in enumerate(rows):
        fewest[place, : len(row)] = row
    return fewest


def _fewest_of(journey: Journey) -> list[int]:
    if journey.python is not None:
        return [0] * len(journey.step_names)
    row: list[int] = []
    for step, times in _times(journey.steps, 1):
        row += [times, 0] if step.resources else [times]
    return row


def _times(steps: tuple[Step, ...], times: int) -> Iterator[tuple[RequestStep, int]]:
    """Yield every request in the order of ``Journey.labels`` and how often one session takes it at least."""
    for step in steps:
        if isinstance(step, RequestStep):
            yield step, times if step.when is None else 0
        elif isinstance(step, GroupStep):
            yield from _times((*step.steps, *step.otherwise), 0)
        elif isinstance(step, RepeatStep):
            yield from _times(step.steps, 0 if step.during is not None else times * step.fewest)
        elif isinstance(step, ChooseStep):
            for option in step.choose:
                yield from _times(option.steps, 0)


def wrong_rounds(plan: Plan, known: StageColumns) -> int:
    """Return in how many sessions a step stands less or more often than its loop allows, where it stands at all.

    Args:
        plan: For its journeys.
        known: Records of steps that the plan has.
    """
    returning = _returning(plan)
    rows = known.take(returning[known.journey, known.step])
    if not len(rows):
        return 0
    width = returning.shape[1]
    key, first, count = np.unique(rows.session * width + rows.step, return_index=True, return_counts=True)
    at = rows.journey[first], rows.step[first]
    fewest, most = fewest_records(plan)[at], most_records(plan)[at]
    wrong = (count < fewest) | ((most >= 0) & (count > most))
    return len(np.unique(key[wrong] // width))


def repeated(plan: Plan, known: StageColumns) -> int:
    """Return how many records are one too many.

    A journey in Python, a loop and a page's resources may come back to a step: there only the same step at the same
    instant is a repetition. Of resources, which begin together, none can be told; nor of the rounds that a session
    did not come to, which are recorded together: those are counted (:func:`wrong_rounds`).
    """
    journeys = tuple(plan.journeys.values())
    returning = _returning(plan)
    if not returning.any():
        key = known.session.astype(np.int64) * returning.shape[1] + known.step
        key.sort()
        return int((key[1:] == key[:-1]).sum())
    together, scripted = np.zeros_like(returning), np.array([journey.python is not None for journey in journeys])
    for index, journey in enumerate(journeys):
        together[index, [at + 1 for at, step in journey.indexed() if step.resources]] = True
    at = known.journey, known.step
    moment = np.where(returning[at], known.intended_ns, 0)
    not_come_to = np.isin(known.outcome, [Outcome.ABORTED, Outcome.UNSENT]) & returning[at] & ~scripted[known.journey]
    moment = np.where(together[at] | not_come_to, np.arange(len(known)) - len(known), moment)
    order = np.lexsort((moment, known.step, known.session))
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in (known.session, known.step, moment):
        same &= np.diff(column[order]) == 0
    return int(same.sum())


def _returning(plan: Plan) -> npt.NDArray[np.bool_]:
    journeys = tuple(plan.journeys.values())
    returning = np.zeros((len(journeys), max(len(journey.labels) for journey in journeys)), dtype=np.bool_)
    for index, journey in enumerate(journeys):
        returning[index, : len(journey.labels)] = journey.returning
    return returning
