"""From results to reasons: the figures of a sentence, formatted for people."""

from __future__ import annotations

from seatrial.model.objective import Metric, Objective
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult, Verdict
from seatrial.units import format_amount, format_duration, format_share

__all__ = ["figure", "how_it_broke", "objective_reason", "times"]

_UNDECIDED = {
    "no_samples": "objective.no_samples",
    "hidden": "objective.hidden",
    "length": "objective.longer",
    "close": "objective.close",
    "cut": "objective.cut",
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
    """Return the sentence on one limit (not a capacity).

    Args:
        objective: The limit.
        result: What the data say of it.
        level: The load level it was measured at; None for the whole trial.
    """
    value = result.value
    params = {
        "what": _what(objective),
        "where": "one_step" if objective.step else "one_journey" if objective.journey else "all_steps",
        "at": "whole_trial" if level is None else "one_level",
        "bound": "at_most" if objective.relation == "<=" else "at_least",
        "limit": figure(result.limit, result.unit),
        "range": "open" if value.upper is None else "bounded",
    }
    optional = {
        "percentile": None if objective.quantile is None else f"p{objective.quantile * 100:g}",
        "name": objective.step or objective.journey,
        "level": level,
        "value": None if value.estimate is None else figure(value.estimate, result.unit),
        "lower": None if value.lower is None else figure(value.lower, result.unit),
        "upper": None if value.upper is None else figure(value.upper, result.unit),
        "times": None if result.longer is None else times(result.longer),
    }
    return Reason(code=_code(result), params=params | {k: v for k, v in optional.items() if v is not None})


def _code(result: ObjectiveResult) -> str:
    if result.verdict is Verdict.PASS:
        return "objective.kept"
    if result.verdict is Verdict.FAIL and result.best_case:
        return "objective.hopeless"
    if result.verdict is Verdict.FAIL:
        return "objective.broken_hidden" if result.value.estimate is None else "objective.broken"
    return _UNDECIDED[result.undecided or "close"]


def _what(objective: Objective) -> str:
    if objective.is_time:
        kind = "response" if objective.metric is Metric.RESPONSE_TIME else "service"
        return f"{kind}_{objective.statistic}"
    return objective.metric.value


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
