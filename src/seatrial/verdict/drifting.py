"""Limits on drift: how much a figure rises over the judged time of a trial that holds its load.

The judged time is cut into windows, each window has its figure, and a line through these gives the rise over the whole
time with its bounds (:mod:`seatrial.stats.drift`): of times as a share of the fitted figure at the beginning, of shares
in points. PASS when the upper bound keeps the limit, FAIL when the lower one breaks it.
"""

from __future__ import annotations

import numpy as np

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.verdict import ObjectiveResult, Reason, Verdict
from seatrial.model.verdict_parts import Bounded, DriftLine
from seatrial.stats.drift import Drift, drift, mean_drift
from seatrial.stats.longer import longer_for_mean
from seatrial.stats.window_series import Series, mean_series, quantile_series, share_series, windows_for
from seatrial.verdict.inputs import StageColumns
from seatrial.verdict.limits import in_scope
from seatrial.verdict.phrasing import limit_figures
from seatrial.verdict.selection import admitted, hits

__all__ = ["drift_reasons", "drift_result", "judge_drift", "line_of"]

_TOO_FEW_TIMES_AS_LONG = 20.0


def judge_drift(
    plan: Plan, stage: Stage, judged: StageColumns, started_ns: int, objective: Objective, confidence: float
) -> tuple[ObjectiveResult, DriftLine | None]:
    """Return a limit on the drift of times or shares against the records of a stage, and the line that shows it.

    Args:
        plan: For the names of steps and journeys.
        stage: The stage.
        judged: Its judged records.
        started_ns: Its start on the records' clock.
        objective: A limit on a drift that is not of telemetry.
        confidence: Two-sided.

    Returns:
        No line where there are too few windows for one.
    """
    columns = judged.take(admitted(judged)) if objective.admitted else judged
    columns = _in_scope(plan, columns, objective)
    from_ns = started_ns + stage.judged_from_ns
    to_ns = started_ns + stage.profile.duration_ns
    windows = windows_for(len(columns), to_ns - from_ns, objective.quantile)
    if windows < 1:
        nothing = Bounded(estimate=None, lower=None, upper=None)
        undecided = "length" if len(columns) else "no_samples"
        return _result(objective, Verdict.INCONCLUSIVE, nothing, len(columns), undecided), None
    series = _series(objective, columns, from_ns, to_ns, windows)
    found = mean_drift(series, confidence) if objective.metric in _SHARES else drift(series, confidence)
    return drift_result(objective, found, len(columns)), line_of(objective, series, found)


_SHARES = (
    Metric.ERRORS,
    Metric.TIMEOUTS,
    Metric.REFUSALS,
    Metric.HTTP_ERRORS,
    Metric.FAILED_CHECKS,
    Metric.CONNECTION_ERRORS,
    Metric.GOODPUT,
    Metric.ACHIEVED,
)


def _in_scope(plan: Plan, columns: StageColumns, objective: Objective) -> StageColumns:
    if not len(columns) or (objective.step is None and objective.journey is None):
        return columns
    wanted = in_scope(plan, objective.step, objective.journey)
    known = (columns.journey < wanted.shape[0]) & (columns.step < wanted.shape[1])
    columns = columns.take(known & (columns.journey >= 0) & (columns.step >= 0))
    return columns.take(wanted[columns.journey, columns.step]) if len(columns) else columns


def _series(objective: Objective, columns: StageColumns, from_ns: int, to_ns: int, windows: int) -> Series:
    at_ns = columns.intended_ns
    if objective.metric in _SHARES:
        return share_series(at_ns, hits(objective.metric, columns), from_ns, to_ns, windows)
    if objective.metric is Metric.RESPONSE_TIME:
        took = columns.done_ns - at_ns
    else:
        took = np.where(columns.sent, columns.done_ns - columns.sent_ns, 0)
    if objective.quantile is None:
        return mean_series(at_ns, took, from_ns, to_ns, windows, columns.censored)
    return quantile_series(at_ns, took, columns.censored, objective.quantile, from_ns, to_ns, windows)


def drift_result(objective: Objective, found: Drift, samples: int) -> ObjectiveResult:
    """Return a limit on a drift against what was found.

    Args:
        objective: The limit.
        found: Of the series that it is on.
        samples: Records or readings that the series was made from.
    """
    value = found.rise if objective.metric in _SHARES else found.change
    if found.undecided is not None or value.lower is None:
        undecided = "length" if found.undecided == "few_windows" else "hidden"
        return _result(objective, Verdict.INCONCLUSIVE, value, samples, undecided)
    worse, better = (value.upper, value.lower) if objective.relation == "<=" else (value.lower, value.upper)
    if worse is not None and objective.meets(worse):
        return _result(objective, Verdict.PASS, value, samples, None)
    if better is not None and not objective.meets(better):
        return _result(objective, Verdict.FAIL, value, samples, None)
    if value.estimate is None or worse is None:
        return _result(objective, Verdict.INCONCLUSIVE, value, samples, "hidden")
    toward = worse if objective.meets(value.estimate) else better
    half = abs((toward if toward is not None else worse) - value.estimate)
    longer = longer_for_mean(half, abs(objective.limit - value.estimate))
    return _result(objective, Verdict.INCONCLUSIVE, value, samples, "close" if longer is None else "length", longer)


def _result(
    objective: Objective,
    verdict: Verdict,
    value: Bounded,
    samples: int,
    undecided: str | None,
    longer: float | None = None,
) -> ObjectiveResult:
    if undecided == "length" and longer is None:
        longer = _TOO_FEW_TIMES_AS_LONG
    return ObjectiveResult.model_validate(
        {
            "objective": objective.text,
            "verdict": verdict,
            "value": value,
            "limit": objective.limit,
            "unit": objective.unit,
            "samples": samples,
            "undecided": undecided,
            "longer": longer,
        }
    )


def drift_reasons(objective: Objective, result: ObjectiveResult, line: DriftLine | None) -> list[Reason]:
    """Return the sentences on a limit on a drift: what the data say of it, and whether there is a trend at all.

    Args:
        objective: The limit.
        result: What the data say of it.
        line: The line that shows it; None where there is none.
    """
    params = limit_figures(objective, result)
    said = [Reason(code=_code(result), params=params)]
    if line is not None and line.direction != "none":
        trend = {"direction": line.direction, "p": _probability(line.p_value)}
        said.append(Reason(code="drift.found", params={key: params[key] for key in _NAMING if key in params} | trend))
    return said


_NAMING = ("what", "where", "percentile", "name", "series", "statistic")


def _probability(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _code(result: ObjectiveResult) -> str:
    if result.verdict is Verdict.PASS:
        return "drift.kept"
    if result.verdict is Verdict.FAIL:
        return "drift.broken" if result.value.estimate is not None else "drift.broken_hidden"
    if result.undecided == "length" and result.value.estimate is None:
        return "drift.few"
    known = {"length": "drift.longer", "close": "drift.close", "hidden": "drift.hidden"}
    return known.get(result.undecided or "close", "drift.no_samples")


def line_of(objective: Objective, series: Series, found: Drift) -> DriftLine:
    """Return what a report draws: the windows' figures, and the line through them.

    Args:
        objective: The limit that the line is for.
        series: The windows.
        found: What was found in them.
    """
    there = series.present()
    return DriftLine(
        objective=objective.text,
        from_ns=series.from_ns,
        to_ns=series.to_ns,
        at_ns=tuple(round(float(at)) for at in there.at_ns),
        figures=tuple(None if np.isinf(high) else float(low) for low, high in zip(there.low, there.high, strict=True)),
        unit="share" if objective.metric in _SHARES else "ns" if objective.series is None else "number",
        start=found.start,
        rise=found.rise,
        change=found.change,
        p_value=found.p_value,
        direction=found.direction,
    )
