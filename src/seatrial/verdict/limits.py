"""Each limit of a trial against records."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.trial import Trial
from seatrial.model.verdict import Bounded, ObjectiveResult, Verdict
from seatrial.stats.batches import Batches
from seatrial.stats.censored import CensoredTimes
from seatrial.stats.longer import longer_for_mean, longer_for_share
from seatrial.stats.share import bounded_share
from seatrial.verdict.inputs import StageColumns

__all__ = ["Sample", "in_scope", "limits_of"]

Bool = npt.NDArray[np.bool_]
Undecided = Literal["no_samples", "hidden", "length", "close", "levels"]

_TOO_FEW_TO_SPREAD = 20.0


def limits_of(trial: Trial) -> tuple[Objective, ...]:
    """Return a trial's limits that the records of a single stage can keep or break."""
    return tuple(o for o in trial.objectives if o.of_records)


def in_scope(plan: Plan, step: str | None, journey: str | None) -> Bool:
    """Return which steps a limit is on, shape (journeys, most steps)."""
    labels = [j.labels for j in plan.journeys.values()]
    names = tuple(plan.journeys)
    wanted = np.zeros((len(labels), max(map(len, labels))), dtype=np.bool_)
    for row, steps in enumerate(labels):
        for column, label in enumerate(steps):
            wanted[row, column] = step in (None, label) and journey in (None, names[row])
    return wanted


class Sample:
    """Records that limits are judged by, with what several limits share computed once.

    Args:
        plan: For the names of steps and journeys.
        columns: The records.
        confidence: Two-sided, of every bound.
    """

    def __init__(self, plan: Plan, columns: StageColumns, confidence: float) -> None:
        self._plan, self._all, self._confidence = plan, columns, confidence
        self._scopes: dict[tuple[str | None, str | None], tuple[StageColumns, Batches]] = {}
        self._times: dict[tuple[Metric, str | None, str | None], CensoredTimes] = {}
        self._from_send: dict[tuple[str | None, str | None], CensoredTimes] = {}

    def _scope(self, step: str | None, journey: str | None) -> tuple[StageColumns, Batches]:
        if (step, journey) not in self._scopes:
            wanted = in_scope(self._plan, step, journey)
            columns = self._all
            if not wanted.all():
                known = (columns.journey >= 0) & (columns.journey < wanted.shape[0])
                known &= (columns.step >= 0) & (columns.step < wanted.shape[1])
                columns = columns.take(known) if not known.all() else columns
                columns = columns.take(wanted[columns.journey, columns.step]) if len(columns) else columns
            self._scopes[step, journey] = columns, Batches(columns.intended_ns)
        return self._scopes[step, journey]

    def times(self, metric: Metric, step: str | None, journey: str | None) -> CensoredTimes:
        """Return response or service times. A step that was never sent has a service time of zero at least."""
        if (metric, step, journey) not in self._times:
            columns, batches = self._scope(step, journey)
            if metric is Metric.RESPONSE_TIME:
                value = columns.done_ns - columns.intended_ns
            else:
                value = np.where(columns.sent, columns.done_ns - columns.sent_ns, 0)
            self._times[metric, step, journey] = CensoredTimes(value, columns.censored, batches)
        return self._times[metric, step, journey]

    def from_send(self, step: str | None, journey: str | None) -> CensoredTimes:
        """Return the times from the actual send of the steps that were sent: all that many a tool knows of."""
        if (step, journey) not in self._from_send:
            columns, _ = self._scope(step, journey)
            if columns.sent.all():
                return self.times(Metric.SERVICE_TIME, step, journey)
            sent = columns.take(columns.sent)
            times = CensoredTimes(sent.done_ns - sent.sent_ns, sent.censored, Batches(sent.intended_ns))
            self._from_send[step, journey] = times
        return self._from_send[step, journey]

    def judge(self, objective: Objective) -> ObjectiveResult:
        """Return one limit against the records."""
        columns, _ = self._scope(objective.step, objective.journey)
        if not len(columns):
            nothing = Bounded(estimate=None, lower=None, upper=None)
            return _result(objective, nothing, Verdict.INCONCLUSIVE, 0, "no_samples", None)
        if not objective.is_time:
            return self._share(objective)
        if objective.quantile is None:
            return self._mean(objective)
        return self._quantile(objective, objective.quantile)

    def _quantile(self, objective: Objective, quantile: float) -> ObjectiveResult:
        times = self.times(objective.metric, objective.step, objective.journey)
        value, confidence, n = times.quantile(quantile, self._confidence), self._confidence, len(times)
        verdict = _against(objective, value)
        if verdict is not Verdict.INCONCLUSIVE:
            return _result(objective, value, verdict, n, None, None)
        optimistic, pessimistic = times.readings(quantile)
        keeps = optimistic is not None and optimistic <= objective.limit
        if keeps and (pessimistic is None or pessimistic > objective.limit):
            return _result(objective, value, verdict, n, "hidden", None)
        if keeps:
            effect = times.effect_near(objective.limit, quantile, confidence)
        else:
            effect = max(
                times.effect_at(at, confidence, pessimistic=False) for at in (objective.limit, optimistic or 0)
            )
        share = times.within(objective.limit, pessimistic=keeps) / n
        longer = longer_for_share(share, n / effect, quantile, confidence)
        return _result(objective, value, verdict, n, "close" if longer is None else "length", longer)

    def _mean(self, objective: Objective) -> ObjectiveResult:
        times = self.times(objective.metric, objective.step, objective.journey)
        value, n = times.mean(self._confidence), len(times)
        verdict = _against(objective, value)
        undecided: Undecided | None = None
        longer: float | None = None
        if verdict is Verdict.INCONCLUSIVE:
            if value.estimate is None:
                undecided = "hidden"
            elif value.upper is None or value.lower is None:
                undecided, longer = "length", _TOO_FEW_TO_SPREAD
            else:
                keeps = value.estimate <= objective.limit
                half = value.upper - value.estimate if keeps else value.estimate - value.lower
                longer = longer_for_mean(half, abs(objective.limit - value.estimate))
                undecided = "close" if longer is None else "length"
        return _result(objective, value, verdict, n, undecided, longer)

    def _share(self, objective: Objective) -> ObjectiveResult:
        columns, batches = self._scope(objective.step, objective.journey)
        hits = {Metric.ERRORS: ~columns.ok, Metric.GOODPUT: columns.ok, Metric.ACHIEVED: columns.sent}
        hit = hits[objective.metric]
        value, n = bounded_share(hit, batches, self._confidence), len(columns)
        verdict = _against(objective, value)
        if verdict is not Verdict.INCONCLUSIVE:
            return _result(objective, value, verdict, n, None, None)
        effective = n / batches.design_effect(hit, self._confidence)
        longer = longer_for_share(int(hit.sum()) / n, effective, objective.limit, self._confidence)
        return _result(objective, value, verdict, n, "close" if longer is None else "length", longer)


def _against(objective: Objective, value: Bounded) -> Verdict:
    """Return PASS when the bound that is worse for the service keeps the limit, FAIL when the better one breaks it."""
    worse, better = value.upper, value.lower
    if objective.relation == ">=":
        worse, better = value.lower, value.upper
    if worse is not None and objective.meets(worse):
        return Verdict.PASS
    if better is not None and not objective.meets(better):
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE


def _result(
    objective: Objective,
    value: Bounded,
    verdict: Verdict,
    samples: int,
    undecided: Undecided | None,
    longer: float | None,
) -> ObjectiveResult:
    return ObjectiveResult(
        objective=objective.text,
        verdict=verdict,
        value=value,
        limit=objective.limit,
        unit=objective.unit,
        samples=samples,
        undecided=undecided,
        longer=longer,
    )
