"""Attempts that impatient people gave up to try again: do they fit the steps that they belong to, and how many?

An attempt is a row with the outcome RETRIED beside the record of its step, which waits from the first attempt's
intention to the last one's end. Limits see one record for each intended step; the service met every request. So of
each attempt must hold:

1. Its step is one that the plan retries.
2. The step's record is there, from the same session, and the attempt lies within it.
3. A step has no more attempts than ``retry.most``.
4. The first begins with its step, and each further one not before the one before it was given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.verdict import Reason, Retries, StageResult
from seatrial.units import SECOND, format_number, format_share
from seatrial.verdict.facts import Facts
from seatrial.verdict.inputs import Rows, StageColumns

__all__ = ["MANY", "all_retries", "check_attempts", "many_retries", "misfits", "retries_of"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

MANY = 0.1
"""From more attempts than this for each step on a verdict says so."""


def _permitted(plan: Plan) -> Int64:
    """Return how often each step may be retried, shape (journeys, most steps)."""
    journeys = tuple(plan.journeys.values())
    most = np.zeros((len(journeys), max(len(journey.labels) for journey in journeys)), dtype=np.int64)
    for index, journey in enumerate(journeys):
        for at, step in journey.indexed():
            most[index, at] = 0 if step.retry is None else step.retry.most
    return most


def check_attempts(plan: Plan, stage: Stage, columns: Rows, attempts: Rows) -> Iterator[Reason]:
    """Yield a reason when attempts of a stage do not fit; arguments as for :func:`misfits`."""
    if not len(attempts):
        return
    parts = zip(columns.parts(), attempts.parts(), strict=True)
    if wrong := sum(misfits(plan, steps, tries) for steps, tries in parts):
        params = {"level": stage.name, "measured": f"{wrong:,}", "recorded": f"{len(attempts):,}"}
        yield Reason(code="validity.attempts", params=params)


def misfits(plan: Plan, columns: StageColumns, attempts: StageColumns) -> int:
    """Return how many attempts do not fit (rules 1 to 4).

    Args:
        plan: For the steps that are retried.
        columns: All records of the stage.
        attempts: Its attempts, by the same numbers of sessions.
    """
    if not len(attempts):
        return 0
    permitted = _permitted(plan)
    inside = (attempts.journey >= 0) & (attempts.journey < permitted.shape[0])
    inside &= (attempts.step >= 0) & (attempts.step < permitted.shape[1])
    allowed = np.zeros(len(attempts), dtype=np.int64)
    allowed[inside] = permitted[attempts.journey[inside], attempts.step[inside]]
    owner = _owners(columns, attempts)
    bad = owner < 0
    if bad.all():
        return len(attempts)
    bad |= (columns.journey[owner] != attempts.journey) | (columns.done_ns[owner] < attempts.done_ns)
    order = np.lexsort((attempts.done_ns, attempts.intended_ns, owner))
    follows = np.concatenate([[False], owner[order][1:] == owner[order][:-1]])
    begin_ns, end_ns = attempts.intended_ns[order], attempts.done_ns[order]
    earliest_ns = np.where(follows, np.concatenate([[0], end_ns[:-1]]), columns.intended_ns[owner][order])
    wrong = np.where(follows, begin_ns < earliest_ns, begin_ns != earliest_ns)
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(follows, 0, np.arange(len(order))))
    wrong |= place >= allowed[order]
    bad[order] |= wrong
    return int(bad.sum())


def _owners(columns: StageColumns, attempts: StageColumns) -> Int64:
    """Return for each attempt the record of its session and step that began last before it, or with it; -1 for none."""
    both = [np.concatenate([getattr(columns, n), getattr(attempts, n)]) for n in ("session", "step", "intended_ns")]
    is_attempt = np.arange(len(both[0])) >= len(columns)
    order = np.lexsort((is_attempt, both[2], both[1], both[0]))
    last = np.maximum.accumulate(np.where(is_attempt[order], -1, np.arange(len(order))))
    owner = np.where(last >= 0, order[np.maximum(last, 0)], -1)
    same = (both[0][owner] == both[0][order]) & (both[1][owner] == both[1][order]) & (owner >= 0)
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.where(same, owner, -1)
    return found[len(columns) :]


def retries_of(plan: Plan, judged: Facts, attempts: int, duration_ns: int) -> Retries | None:
    """Return what retries made of a stage; None where the plan retries nothing and nothing was retried.

    Args:
        plan: The plan.
        judged: What the judged records tell.
        attempts: Attempts of judged sessions.
        duration_ns: Judged time.
    """
    if not attempts and not _permitted(plan).any():
        return None
    return _retries(attempts, judged.count, judged.sent, duration_ns)


def all_retries(results: Sequence[StageResult]) -> Retries | None:
    """Return the retries of a whole trial; None where no stage has any figure of them."""
    if not any(result.retries for result in results):
        return None
    count = sum(result.retries.count for result in results if result.retries)
    steps, sent = sum(result.intended for result in results), sum(result.sent for result in results)
    return _retries(count, steps, sent, sum(result.duration_ns for result in results))


def _retries(count: int, steps: int, sent: int, duration_ns: int) -> Retries:
    return Retries(
        count=count,
        per_step=count / steps if steps else 0.0,
        requests_per_s=(sent + count) * SECOND / duration_ns,
        amplification=(sent + count) / sent if sent else 1.0,
    )


def many_retries(results: Sequence[StageResult]) -> list[Reason]:
    """Return a sentence on the stage with most retries for each step, where those are many."""
    found = [(result.retries, result) for result in results if result.retries and result.retries.per_step > MANY]
    if not found:
        return []
    retries, result = max(found, key=lambda pair: pair[0].per_step)
    figures = {
        "level": result.name,
        "count": f"{retries.count:,}",
        "share": format_share(retries.per_step),
        "requests": format_number(retries.requests_per_s),
        "steps": format_number(result.achieved_per_s),
        "times": format_number(retries.amplification),
    }
    return [Reason(code="service.retried", params=figures)]
