"""Each limit of a trial against records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.trial import Trial
from seatrial.model.verdict import Bounded, ObjectiveResult, Verdict
from seatrial.stats.batches import Batched
from seatrial.stats.censored import CensoredTimes
from seatrial.stats.longer import longer_for_mean, longer_for_share
from seatrial.stats.share import share_of
from seatrial.units import SECOND
from seatrial.verdict.columns import Rows, StageColumns
from seatrial.verdict.gathering import EVERYTHING, Gathered, Kept, Take, in_scope, scope_of
from seatrial.verdict.windows import fewest_for, worst_window

__all__ = ["Sample", "in_scope", "limits_of"]

Int64 = npt.NDArray[np.int64]
Undecided = Literal["no_samples", "hidden", "length", "close", "levels", "thin"]

_TOO_FEW_TO_SPREAD = 20.0


def limits_of(trial: Trial) -> tuple[Objective, ...]:
    """Return a trial's limits that the records of a single stage can keep or break."""
    return tuple(o for o in trial.objectives if o.of_records)


class Sample:
    """Records that limits are judged by, with what several limits share computed once.

    Args:
        plan: For the names of steps and journeys.
        rows: The records.
        confidence: Two-sided, of every bound.
        spans: The judged time that they are of: stretches from one instant up to another, on the records' clock.
    """

    def __init__(self, plan: Plan, rows: Rows, confidence: float, spans: Sequence[tuple[int, int]] = ()) -> None:
        self._gathered, self._confidence = Gathered(plan, rows, confidence), confidence
        self._spans = tuple(spans)

    def prepare(self, limits: Sequence[Objective], *, overall: bool = False, also: Take | None = None) -> None:
        """Gather what several limits will ask, in two passes over the records for all of them.

        Args:
            limits: They.
            overall: Whether the percentiles of all records will be asked for as well.
            also: Handed all records in the first pass.
        """
        kept: tuple[Kept, ...] = ("response", "from_send") if overall else ()
        self._gathered.prepare(limits, [(one, EVERYTHING) for one in kept], also)

    def times(self, metric: Metric, step: str | None, journey: str | None, of_admitted: bool = False) -> CensoredTimes:
        """Return response or service times. A step that was never sent has a service time of zero at least."""
        kept: Kept = "response" if metric is Metric.RESPONSE_TIME else "service"
        return self._gathered.times(kept, (step, journey, of_admitted))

    def from_send(self, step: str | None, journey: str | None, of_admitted: bool = False) -> CensoredTimes:
        """Return the times from the actual send of the steps that were sent: all that many a tool knows of."""
        return self._gathered.times("from_send", (step, journey, of_admitted))

    def counted(self, objective: Objective) -> tuple[Int64, Batched]:
        """Return how many of the records of a limit on a share it counts, by batch, and the sizes of the batches."""
        return self._gathered.hits(objective.metric, scope_of(objective))

    def share_ok(self, confidence: float) -> Bounded:
        """Return the share of all steps that ended ok, with its bounds."""
        return share_of(*self._gathered.hits(Metric.GOODPUT, EVERYTHING), confidence)

    def judge(self, objective: Objective) -> ObjectiveResult:
        """Return one limit against the records."""
        scope = scope_of(objective)
        if not self._gathered.count(scope):
            nothing = Bounded(estimate=None, lower=None, upper=None)
            return _result(objective, nothing, Verdict.INCONCLUSIVE, 0, "no_samples", None)
        if objective.window_ns is not None:
            return self._windows(objective, self._gathered.whole(scope))
        if not objective.is_time:
            return self._share(objective)
        if objective.quantile is None:
            return self._mean(objective)
        return self._quantile(objective, objective.quantile)

    def _quantile(self, objective: Objective, quantile: float) -> ObjectiveResult:
        times = self.times(objective.metric, *scope_of(objective))
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
        times = self.times(objective.metric, *scope_of(objective))
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
        hits, batched = self.counted(objective)
        value, n, limit = share_of(hits, batched, self._confidence), batched.count, objective.limit
        if objective.metric is Metric.GOODPUT_RATE:
            offered = n / self._seconds
            value, limit = _scaled(value, offered), min(1.0, limit / offered)
        verdict = _against(objective, value)
        if verdict is not Verdict.INCONCLUSIVE:
            return _result(objective, value, verdict, n, None, None)
        effective = n / batched.effect(hits, self._confidence)
        longer = longer_for_share(int(hits.sum()) / n, effective, limit, self._confidence)
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
