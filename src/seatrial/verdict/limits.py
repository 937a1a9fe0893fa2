"""Each limit of a trial against records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

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
from seatrial.units import SECOND
from seatrial.verdict.inputs import StageColumns
from seatrial.verdict.selection import admitted, hits
from seatrial.verdict.windows import fewest_for, worst_window

__all__ = ["Sample", "in_scope", "limits_of"]

Bool = npt.NDArray[np.bool_]
Scope: TypeAlias = tuple[str | None, str | None, bool]
"""Of a limit: its step, its journey, and whether it is about admitted steps alone."""

Undecided = Literal["no_samples", "hidden", "length", "close", "levels", "thin"]

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
        spans: The judged time that they are of: stretches from one instant up to another, on the records' clock.
    """

    def __init__(
        self, plan: Plan, columns: StageColumns, confidence: float, spans: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._plan, self._all, self._confidence = plan, columns, confidence
        self._spans = tuple(spans)
        self._admitted: StageColumns | None = None
        self._scopes: dict[Scope, tuple[StageColumns, Batches]] = {}
        self._times: dict[tuple[Metric, Scope], CensoredTimes] = {}
        self._from_send: dict[Scope, CensoredTimes] = {}

    def _scope(self, scope: Scope) -> tuple[StageColumns, Batches]:
        if scope not in self._scopes:
            step, journey, of_admitted = scope
            wanted = in_scope(self._plan, step, journey)
            columns = self._of_admitted() if of_admitted else self._all
            if not wanted.all():
                known = (columns.journey >= 0) & (columns.journey < wanted.shape[0])
                known &= (columns.step >= 0) & (columns.step < wanted.shape[1])
                columns = columns.take(known) if not known.all() else columns
                columns = columns.take(wanted[columns.journey, columns.step]) if len(columns) else columns
            self._scopes[scope] = columns, Batches(columns.intended_ns)
        return self._scopes[scope]

    def _of_admitted(self) -> StageColumns:
        if self._admitted is None:
            self._admitted = self._all.take(admitted(self._all))
        return self._admitted

    def times(self, metric: Metric, step: str | None, journey: str | None, of_admitted: bool = False) -> CensoredTimes:
        """Return response or service times. A step that was never sent has a service time of zero at least."""
        scope = (step, journey, of_admitted)
        if (metric, scope) not in self._times:
            columns, batches = self._scope(scope)
            if metric is Metric.RESPONSE_TIME:
                value = columns.done_ns - columns.intended_ns
            else:
                value = np.where(columns.sent, columns.done_ns - columns.sent_ns, 0)
            self._times[metric, scope] = CensoredTimes(value, columns.censored, batches)
        return self._times[metric, scope]

    def from_send(self, step: str | None, journey: str | None, of_admitted: bool = False) -> CensoredTimes:
        """Return the times from the actual send of the steps that were sent: all that many a tool knows of."""
        scope = (step, journey, of_admitted)
        if scope not in self._from_send:
            columns, _ = self._scope(scope)
            if columns.sent.all():
                return self.times(Metric.SERVICE_TIME, *scope)
            sent = columns.take(columns.sent)
            times = CensoredTimes(sent.done_ns - sent.sent_ns, sent.censored, Batches(sent.intended_ns))
            self._from_send[scope] = times
        return self._from_send[scope]

    def judge(self, objective: Objective) -> ObjectiveResult:
        """Return one limit against the records."""
        columns, _ = self._scope(_scope_of(objective))
        if not len(columns):
            nothing = Bounded(estimate=None, lower=None, upper=None)
            return _result(objective, nothing, Verdict.INCONCLUSIVE, 0, "no_samples", None)
        if objective.window_ns is not None:
            return self._windows(objective, columns)
        if not objective.is_time:
            return self._share(objective)
        if objective.quantile is None:
            return self._mean(objective)
        return self._quantile(objective, objective.quantile)

    def _quantile(self, objective: Objective, quantile: float) -> ObjectiveResult:
        times = self.times(objective.metric, *_scope_of(objective))
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
        times = self.times(objective.metric, *_scope_of(objective))
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
        columns, batches = self._scope(_scope_of(objective))
        hit = hits(objective.metric, columns)
        value, n, limit = bounded_share(hit, batches, self._confidence), len(columns), objective.limit
        if objective.metric is Metric.GOODPUT_RATE:
            offered = n / self._seconds
            value, limit = _scaled(value, offered), min(1.0, limit / offered)
        verdict = _against(objective, value)
        if verdict is not Verdict.INCONCLUSIVE:
            return _result(objective, value, verdict, n, None, None)
        effective = n / batches.design_effect(hit, self._confidence)
        longer = longer_for_share(int(hit.sum()) / n, effective, limit, self._confidence)
        return _result(objective, value, verdict, n, "close" if longer is None else "length", longer)

    def _windows(self, objective: Objective, columns: StageColumns) -> ObjectiveResult:
        """Return a limit on windows: what there was and not a sample of it, so nothing is left to chance."""
        if not self._spans:
            raise ValueError("windows of records whose time is not known; give the judged spans")
        worst = worst_window(objective, columns, self._spans)
        if worst is None:
            nothing = Bounded(estimate=None, lower=None, upper=None)
            return _result(objective, nothing, Verdict.INCONCLUSIVE, len(columns), "thin", None)
        value = Bounded(estimate=worst.upper, lower=worst.lower, upper=worst.upper)
        verdict = _against(objective, value)
        undecided: Undecided | None = None
        if verdict is Verdict.PASS and worst.fewest < fewest_for(objective):
            verdict, undecided = Verdict.INCONCLUSIVE, "thin"
        elif verdict is Verdict.INCONCLUSIVE:
            undecided = "hidden"
        found = _result(objective, value, verdict, len(columns), undecided, None)
        return found.model_copy(update={"worst_at_ns": worst.begins_ns - self._spans[0][0]})

    @property
    def _seconds(self) -> float:
        if not self._spans:
            raise ValueError("a rate of records whose time is not known; give the judged spans")
        return sum(to_ns - from_ns for from_ns, to_ns in self._spans) / SECOND


def _scope_of(objective: Objective) -> Scope:
    return objective.step, objective.journey, objective.admitted


def _scaled(value: Bounded, by: float) -> Bounded:
    """Return a share as a rate. What was offered is the schedule's figure and no sample: the share is what may vary."""
    estimate, lower, upper = (None if one is None else one * by for one in (value.estimate, value.lower, value.upper))
    return Bounded(estimate=estimate, lower=lower, upper=upper)


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
