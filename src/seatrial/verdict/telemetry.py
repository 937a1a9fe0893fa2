"""The service's own figures against the limits on them: a pure function of the readings in the evidence.

A stage's readings are those that were written down within its judged time. The mean has bounds
(:mod:`seatrial.stats.readings`); the maximum is that of the readings, and its bounds are itself. Where fewer than
``LEAST_THERE`` of the readings that were due are there, no limit passes: a service that is too busy to say how busy it
is must not profit from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.errors import BundleError
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.telemetry import LEAST_THERE, Missing, NamedSeries
from seatrial.model.telemetry_result import TelemetryResult
from seatrial.model.trial import Trial
from seatrial.model.verdict import Bounded, ObjectiveResult, Reason, Verdict
from seatrial.samples.telemetry import TELEMETRY_SCHEMA, empty_telemetry
from seatrial.stats.drift import LEAST_WINDOWS, drift, time_to_limit
from seatrial.stats.longer import longer_for_mean
from seatrial.stats.readings import mean_of, quantile_of
from seatrial.stats.window_series import mean_series
from seatrial.units import SECOND
from seatrial.verdict.limits import limits_of
from seatrial.verdict.periods import judged_spans

__all__ = [
    "Readings",
    "ServiceFigures",
    "check_telemetry",
    "judge_telemetry",
    "missing_telemetry",
    "readings_of",
    "stage_limits",
    "telemetry_limits",
]

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Span: TypeAlias = tuple[int, int]
Undecided: TypeAlias = Literal["no_samples", "hidden", "length", "close"]

_MOST_WINDOWS = 120
_SHORTEST_NS = 5 * SECOND
_NOTHING = Bounded(estimate=None, lower=None, upper=None)


def telemetry_limits(trial: Trial) -> tuple[Objective, ...]:
    """Return a trial's limits on telemetry."""
    return tuple(o for o in trial.objectives if o.series is not None)


def stage_limits(trial: Trial) -> tuple[Objective, ...]:
    """Return what each stage is judged by, in the order of its results: limits on records, then on telemetry."""
    return (*limits_of(trial), *telemetry_limits(trial))


@dataclass(frozen=True, slots=True)
class Readings:
    """One series within a stage's judged time.

    Attributes:
        series: Which.
        at_ns: When each reading that is there was written down, ascending, shape (n,).
        value: The figures, in the series' unit, shape (n,).
        due: How many readings were due.
        missing: Why most of the missing ones are; ``Missing.NO`` where none was written down.
        spans: The judged time: one span, or several that do not meet.
    """

    series: NamedSeries
    at_ns: Int64
    value: Float64
    due: int
    missing: Missing
    spans: tuple[Span, ...]

    @property
    def enough(self) -> bool:
        """Return whether so many are there that a limit may pass."""
        return len(self.value) >= LEAST_THERE * self.due and len(self.value) > 0


def check_telemetry(plan: Plan, frame: pl.DataFrame) -> None:
    """Check the columns and values of readings.

    Raises:
        BundleError: another column, a series that the plan does not have, or values that can't be; it is named.
    """
    problem = _problem(plan, frame)
    if problem is not None:
        raise BundleError("the telemetry is not what it should be", value=problem, remedy="Take the bundle again.")


def _problem(plan: Plan, frame: pl.DataFrame) -> str | None:
    if dict(frame.schema) != dict(TELEMETRY_SCHEMA):
        return f"columns {', '.join(frame.columns)[:100]}"
    count = 0 if plan.telemetry is None else len(plan.telemetry.series)
    if any(frame[name].null_count() for name in ("series", "at_ns", "missing")):
        return "null where none may be"
    if not frame["series"].is_between(0, count - 1).all():
        return "series (not one of the plan's)"
    if not frame["missing"].is_in([int(missing) for missing in Missing]).all():
        return "missing (no such reason)"
    if not (frame["value"].is_null() == (frame["missing"] != int(Missing.NO))).all():
        return "value (does not agree with missing)"
    if not frame["value"].drop_nulls().is_finite().all():
        return "value (not finite)"
    # A reading that is repeated would stand in for one that is missing.
    there = frame.filter(pl.col("missing") == int(Missing.NO)).select("series", "at_ns")
    return "at_ns (one reading twice)" if there.is_duplicated().any() else None


def readings_of(plan: Plan, frame: pl.DataFrame, name: str, spans: tuple[Span, ...]) -> Readings | None:
    """Return the readings of a series within spans of time; None where the plan has no such series."""
    series = None if plan.telemetry is None else plan.telemetry.named(name)
    if series is None or plan.telemetry is None:
        return None
    at = pl.col("at_ns")
    inside = pl.any_horizontal([at.is_between(a, b, closed="left") for a, b in spans]) if spans else pl.lit(value=False)
    rows = frame.filter((pl.col("series") == series.number) & inside).sort("at_ns", maintain_order=True)
    there = rows.filter(pl.col("missing") == int(Missing.NO))
    gone = rows["missing"].filter(rows["missing"] != int(Missing.NO))
    most = Missing(int(gone.value_counts(sort=True)["missing"][0])) if len(gone) else Missing.NO
    due = sum((b - a) // plan.telemetry.every for a, b in spans)
    return Readings(series, there["at_ns"].to_numpy(), there["value"].to_numpy(), due, most, spans)


def judge_telemetry(objective: Objective, readings: Readings | None, confidence: float) -> ObjectiveResult:
    """Return one limit on telemetry against the readings of a stage.

    Args:
        objective: A limit on the mean, the maximum, the drift or the exhaustion of a series.
        readings: Of that series; None where there is no such series.
        confidence: Two-sided, of the bounds.
    """
    if readings is None or not len(readings.value):
        return _result(objective, _NOTHING, Verdict.INCONCLUSIVE, 0, "no_samples")
    n = len(readings.value)
    if objective.metric is Metric.EXHAUSTION:
        return _exhaustion(objective, readings, confidence)
    if objective.drift:
        value = _drift(readings, confidence)
    elif objective.statistic == "max":
        highest = float(readings.value.max())
        value = Bounded(estimate=highest, lower=highest, upper=highest)
    else:
        value = mean_of(readings.value, confidence)
    verdict = _against(objective, value)
    if verdict is Verdict.PASS and not readings.enough:
        return _result(objective, value, Verdict.INCONCLUSIVE, n, "hidden")
    if verdict is not Verdict.INCONCLUSIVE:
        return _result(objective, value, verdict, n)
    longer = None
    if value.estimate is not None and value.lower is not None and value.upper is not None and not objective.drift:
        keeps = objective.meets(value.estimate)
        towards_upper = keeps == (objective.relation == "<=")
        half = value.upper - value.estimate if towards_upper else value.estimate - value.lower
        longer = longer_for_mean(half, abs(objective.limit - value.estimate))
    return _result(objective, value, verdict, n, "close" if longer is None else "length", longer)


def _against(objective: Objective, value: Bounded) -> Verdict:
    worse, better = (value.upper, value.lower) if objective.relation == "<=" else (value.lower, value.upper)
    if worse is not None and objective.meets(worse):
        return Verdict.PASS
    return Verdict.FAIL if better is not None and not objective.meets(better) else Verdict.INCONCLUSIVE


def _windows(readings: Readings) -> int:
    duration_ns = readings.spans[-1][1] - readings.spans[0][0]
    return max(1, min(_MOST_WINDOWS, len(readings.value) // 2, duration_ns // _SHORTEST_NS))


def _drift(readings: Readings, confidence: float) -> Bounded:
    """Return the rise over the judged time as a share of the figure at its beginning; all None where it can't be."""
    if _windows(readings) < LEAST_WINDOWS:
        return _NOTHING
    from_ns, to_ns = readings.spans[0][0], readings.spans[-1][1]
    found = drift(mean_series(readings.at_ns, readings.value, from_ns, to_ns, _windows(readings)), confidence)
    return found.change


def _exhaustion(objective: Objective, readings: Readings, confidence: float) -> ObjectiveResult:
    """Judge when a series would reach its limit, from the beginning of the judged time; None in the value is never."""
    n, limit = len(readings.value), readings.series.limit
    if limit is None or _windows(readings) < LEAST_WINDOWS:
        return _result(objective, _NOTHING, Verdict.INCONCLUSIVE, n, "close")
    from_ns, to_ns = readings.spans[0][0], readings.spans[-1][1]
    series = mean_series(readings.at_ns, readings.value, from_ns, to_ns, _windows(readings))
    found = time_to_limit(series, limit, confidence)
    if found.undecided is not None:
        return _result(objective, _NOTHING, Verdict.INCONCLUSIVE, n, "close")
    after = found.after_ns
    if after.lower is None or after.lower >= objective.limit:
        if readings.enough:
            return _result(objective, after, Verdict.PASS, n)
        return _result(objective, after, Verdict.INCONCLUSIVE, n, "hidden")
    if after.upper is not None and after.upper < objective.limit:
        return _result(objective, after, Verdict.FAIL, n)
    return _result(objective, after, Verdict.INCONCLUSIVE, n, "close")


def _result(
    objective: Objective,
    value: Bounded,
    verdict: Verdict,
    samples: int,
    undecided: Undecided | None = None,
    longer: float | None = None,
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


class ServiceFigures:
    """The service's own figures in the judged time of one stage.

    Args:
        plan: The plan.
        trial: The stage's.
        stage: What of it was offered.
        started_ns: Its start on the readings' clock.
        frame: Readings of the whole trial; None for none.
        confidence: Two-sided, of every bound.
    """

    def __init__(
        self, plan: Plan, trial: Trial, stage: Stage, started_ns: int, frame: pl.DataFrame | None, confidence: float
    ) -> None:
        self._trial, self._confidence = trial, confidence
        self._readings: dict[str, Readings] = {}
        if plan.telemetry is not None:
            spans = judged_spans(stage, started_ns)
            whole = empty_telemetry() if frame is None else frame
            for series in plan.telemetry.series:
                if (found := readings_of(plan, whole, series.name, spans)) is not None:
                    self._readings[series.name] = found

    def judged(self) -> tuple[ObjectiveResult, ...]:
        """Return each of the trial's limits on telemetry against them."""
        limits = telemetry_limits(self._trial)
        return tuple(judge_telemetry(o, self._readings.get(o.series or ""), self._confidence) for o in limits)

    def shown(self) -> tuple[TelemetryResult, ...] | None:
        """Return what every series showed; None where the plan reads none."""
        return tuple(self._result(found) for found in self._readings.values()) or None

    def _result(self, found: Readings) -> TelemetryResult:
        return TelemetryResult(
            series=found.series.name,
            unit=found.series.unit,
            due=found.due,
            readings=len(found.value),
            mean=mean_of(found.value, self._confidence),
            p95=quantile_of(found.value, 0.95),
            highest=quantile_of(found.value, 1.0),
        )


def missing_telemetry(plan: Plan, trial: Trial, stage: Stage, started_ns: int, frame: pl.DataFrame) -> list[Reason]:
    """Return a reason for each series with a limit of which a stage has no reading at all."""
    reasons: list[Reason] = []
    for name in dict.fromkeys(limit.series or "" for limit in telemetry_limits(trial)):
        readings = readings_of(plan, frame, name, judged_spans(stage, started_ns))
        if readings is None or not len(readings.value):
            how = f"missing_{(Missing.NO if readings is None else readings.missing).name.lower()}"
            params = {"series": name, "level": stage.name, "at": "one_level", "how": how}
            reasons.append(Reason(code="validity.no_telemetry", params=params))
    return reasons
