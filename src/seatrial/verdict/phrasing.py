"""From results to reasons: the figures of a sentence, formatted for people."""

from __future__ import annotations

from seatrial.model.objective import Metric, Objective
from seatrial.model.telemetry import LEAST_THERE
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult, Verdict
from seatrial.units import format_amount, format_duration, format_share

__all__ = ["figure", "how_it_broke", "limit_figures", "objective_reason", "times"]

_UNDECIDED = {
    "no_samples": "objective.no_samples",
    "hidden": "objective.hidden",
    "length": "objective.longer",
    "close": "objective.close",
    "cut": "objective.cut",
}
#: Where requests without an answer hide the figure itself: its bound from below may come to break the limit.
_UNDECIDED_HIDDEN = {"length": "objective.longer_hidden", "close": "objective.hidden"}
_UNDECIDED_WINDOWS = {
    "no_samples": "objective.no_samples",
    "cut": "objective.windows_cut",
    "thin": "objective.windows_thin",
}
_UNDECIDED_TELEMETRY = {
    "no_samples": "telemetry.no_samples",
    "hidden": "telemetry.hidden",
    "length": "telemetry.longer",
    "cut": "telemetry.cut",
}
_SLOW_BELOW = 0.01


def figure(value: float, unit: str) -> str:
    """Return a value for people: ``1.5 s``, ``0.1 %``, ``2 P``, ``80/s``, ``1.5 GB``."""
    if unit == "ns":
        return format_duration(value)
    if unit == "share":
        return format_share(value)
    if unit in ("B", "number"):
        return format_amount(value, "B" if unit == "B" else "number")
    return f"{value:g} P" if unit == "P" else f"{value:g}/s"


def times(multiple: float) -> str:
    """Return a multiple for people: ``2.4``, ``31``."""
    return f"{multiple:.1f}".removesuffix(".0") if multiple < 10 else f"{multiple:.0f}"


def objective_reason(objective: Objective, result: ObjectiveResult, level: str | None) -> Reason:
    """Return the sentence on one limit that the records of a stage keep or break.

    Args:
        objective: The limit.
        result: What the data say of it.
        level: The load level it was measured at; None for the whole trial.
    """
    params = limit_figures(objective, result, level)
    if objective.series is not None:
        return Reason(code=_telemetry_code(objective, result), params=params)
    if objective.window_ns is not None:
        params |= {k: v for k, v in _window(objective.window_ns, result).items() if v is not None}
    return Reason(code=_code(result) if objective.window_ns is None else _window_code(result), params=params)


def limit_figures(objective: Objective, result: ObjectiveResult, level: str | None = None) -> dict[str, str]:
    """Return what a sentence on a limit may need: its own words and its figures, formatted for people.

    Args:
        objective: The limit.
        result: What the data say of it.
        level: The load level it was measured at; None for the whole trial.
    """
    value = result.value
    params = {
        "what": _what(objective),
        "where": _where(objective),
        "at": "whole_trial" if level is None else "one_level",
        "bound": "at_most" if objective.relation == "<=" else "at_least",
        "limit": figure(result.limit, result.unit),
    }
    optional = {
        "range": None if value.lower is None else "open" if value.upper is None else "bounded",
        "percentile": None if objective.quantile is None else f"p{objective.quantile * 100:g}",
        "name": objective.step or objective.journey,
        "series": objective.series,
        "read": str(result.samples) if objective.series is not None else None,
        "least": figure(LEAST_THERE, "share") if objective.series is not None else None,
        "level": level,
        "value": None if value.estimate is None else figure(value.estimate, result.unit),
        "lower": None if value.lower is None else figure(value.lower, result.unit),
        "upper": None if value.upper is None else figure(value.upper, result.unit),
        "times": None if result.longer is None else times(result.longer),
    }
    return params | {k: v for k, v in optional.items() if v is not None}


def _window(window_ns: int, result: ObjectiveResult) -> dict[str, str | None]:
    """Return the figures of the worst window, beside those of any limit."""
    value, begins_ns = result.value, result.worst_at_ns
    after = None if begins_ns is None else format_duration(begins_ns) if begins_ns else "0 s"
    exact = {"range": "exact"} if value.lower == value.upper else {}
    return {"length": format_duration(window_ns), "after": after, **exact}


def _window_code(result: ObjectiveResult) -> str:
    if result.verdict is Verdict.PASS:
        return "objective.windows_kept"
    if result.verdict is Verdict.FAIL:
        return "objective.windows_broken"
    return _UNDECIDED_WINDOWS.get(result.undecided or "", "objective.windows_hidden")


def _code(result: ObjectiveResult) -> str:
    if result.verdict is Verdict.PASS:
        return "objective.kept"
    if result.verdict is Verdict.FAIL and result.best_case:
        return "objective.hopeless"
    if result.verdict is Verdict.FAIL:
        return "objective.broken_hidden" if result.value.estimate is None else "objective.broken"
    if result.value.estimate is None and result.undecided in _UNDECIDED_HIDDEN:
        return _UNDECIDED_HIDDEN[result.undecided]
    return _UNDECIDED[result.undecided or "close"]


def _telemetry_code(objective: Objective, result: ObjectiveResult) -> str:
    if result.undecided in _UNDECIDED_TELEMETRY:
        return _UNDECIDED_TELEMETRY[result.undecided]
    lasting = objective.metric is Metric.EXHAUSTION
    if result.verdict is Verdict.FAIL:
        return "telemetry.exhausted" if lasting else "telemetry.broken"
    if result.verdict is Verdict.PASS and lasting:
        return "telemetry.never" if result.value.lower is None else "telemetry.lasts"
    if result.verdict is Verdict.PASS:
        return "telemetry.kept"
    if result.value.lower is None and result.value.estimate is None:
        return "telemetry.too_short"
    return "telemetry.may_exhaust" if lasting else "telemetry.close"


def _what(objective: Objective) -> str:
    if objective.series is not None:
        lasting = "exhaustion" if objective.metric is Metric.EXHAUSTION else None
        return f"telemetry_{lasting or ('drift' if objective.drift else objective.statistic)}"
    if objective.metric in (Metric.RESPONSE_TIME, Metric.SERVICE_TIME):  # drift of a time is a share, and no time
        kind = "response" if objective.metric is Metric.RESPONSE_TIME else "service"
        return f"{kind}_{objective.statistic}"
    return objective.metric.value.replace(" ", "_")


def _where(objective: Objective) -> str:
    where = "one_step" if objective.step else "one_journey" if objective.journey else "all_steps"
    return f"{where}_admitted" if objective.admitted else where


def how_it_broke(stage: StageResult, unsent: int) -> dict[str, str]:
    """Return the phrase and figure for how a broken level broke: by what most steps that did not end ok came to.

    Steps given up because an earlier one failed are a consequence and left out. Where fewer than 1 % of steps went
    wrong in any one way, what broke is time.

    Args:
        stage: The broken level.
        unsent: Steps not sent.
    """
    count = stage.outcomes.get
    ways = {
        "refused": stage.refused,
        "errors_answered": count("http_error", 0) + count("check_failed", 0) - stage.refused,
        "hung": count("timeout", 0) + count("in_flight", 0),
        "no_connection": count("connect_failed", 0) + count("tls_failed", 0) + count("protocol_error", 0),
        "piled_up": unsent,
    }
    way = max(ways, key=lambda name: ways[name])
    share = ways[way] / stage.intended if stage.intended else 0.0
    slow = any(o.unit == "ns" and o.verdict is Verdict.FAIL for o in stage.objectives)
    if share < _SLOW_BELOW and slow:
        return {"how": "slow"}
    return {"how": way, "share": figure(share, "share")}
