"""Objectives: limits that read like a sentence.

    p95 response time <= 2s                  a percentile from the intended start, over all records
    p99 service time <= 500ms                a percentile from the actual send
    mean response time <= 800ms
    errors <= 0.1%                           share of intended steps that did not end ok
    timeouts <= 0.1%                         the same of one kind: timeouts, refusals, http errors, failed checks,
                                             connection errors
    goodput >= 99% of offered                steps that ended ok, against steps intended
    goodput >= 40/s                          steps that ended ok, per second
    achieved >= 99% of offered               steps that were sent, against steps intended
    capacity >= 2.0 P                        load at which the limits are just kept (stress trials)
    efficiency >= 80%                        capacity for each unit against that of the smallest size (scalability)
    recovery time <= 5m                      until the other limits are kept for good (spike, recovery)
    p95 response time drift <= 10%           rise over the judged time, of its beginning (soak); of a mean likewise
    errors drift <= 0.1%                     the same of a share, in points
    mean telemetry app.cpu <= 70%            the service's own figures: mean or max; a percentage, bytes or a number
    telemetry app.memory drift <= 10%        (soak)
    telemetry app.memory exhausted after >= 36h      (soak)

    ... of admitted                          times and errors without what the service refused clearly (429, 503)
    ... for every 30s                        times and shares, in each window of that length in the judged time
    ... for step book                        times, shares and goodput of one step
    ... for journey reserve                  the same of one journey

They stand in this order. ``P`` is the plan's demand peak. ``capacity`` may also be given as a rate, ``capacity >=
80/s`` (journeys).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from seatrial.model.objective_words import (
    DRIFT_KINDS,
    EXAMPLES,
    KINDS_OF,
    Load,
    Metric,
    nearest_example,
    parse_load,
    write_load,
)
from seatrial.units import (
    AmountUnit,
    parse_amount,
    parse_duration,
    parse_rate,
    parse_share,
    write_amount,
    write_duration,
    write_number,
    write_rate,
)

__all__ = [
    "DRIFT_KINDS",
    "EXAMPLES",
    "KINDS_OF",
    "Load",
    "Metric",
    "Objective",
    "Unit",
    "parse_load",
    "parse_objective",
    "write_load",
    "write_objective",
]

Relation: TypeAlias = Literal["<=", ">="]
Unit: TypeAlias = Literal["ns", "share", "P", "/s", "B", "number"]
"""Of a limit: nanoseconds, a fraction of one, a multiple of the peak, per second, bytes, or nothing."""

_TIMES = frozenset({Metric.RESPONSE_TIME, Metric.SERVICE_TIME})
_FAILURES = frozenset(
    {
        Metric.ERRORS,
        Metric.TIMEOUTS,
        Metric.REFUSALS,
        Metric.HTTP_ERRORS,
        Metric.FAILED_CHECKS,
        Metric.CONNECTION_ERRORS,
    }
)
_SHARES = _FAILURES | {Metric.GOODPUT, Metric.ACHIEVED}
_SCOPED = _TIMES | _SHARES | {Metric.GOODPUT_RATE}


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit.

    Attributes:
        text: As it was written; names the objective in reports.
        metric: What is limited.
        relation: ``<=`` or ``>=``.
        limit: In ``unit``: nanoseconds for times, a share of one for shares and for every drift, a plain number for a
            capacity, in ``load.unit``.
        statistic: ``mean`` or ``quantile`` of times; ``mean`` or ``max`` of telemetry; None otherwise, and for the
            drift of telemetry.
        quantile: In (0, 1) when the statistic is a quantile; None otherwise.
        load: The limit of a capacity objective; None otherwise.
        step: Only this step, by name; None for all.
        journey: Only this journey, by name; None for all.
        admitted: Whether what the service refused clearly is left out.
        window_ns: Length of the windows in each of which the limit is to be kept; None for the judged time as a whole.
        drift: Whether the limit is on the change over the judged time: of its beginning, or of a share in points.
        series: ``source.series`` of telemetry; None otherwise.
        measure: What a limit on the mean or the maximum of telemetry is written in; None otherwise.
    """

    text: str
    metric: Metric
    relation: Relation
    limit: float
    statistic: Literal["mean", "quantile", "max"] | None = None
    quantile: float | None = None
    load: Load | None = None
    step: str | None = None
    journey: str | None = None
    admitted: bool = False
    window_ns: int | None = None
    drift: bool = False
    series: str | None = None
    measure: AmountUnit | None = None

    @property
    def is_time(self) -> bool:
        """Return whether it limits how long steps take, in nanoseconds."""
        return self.metric in _TIMES and not self.drift

    @property
    def is_share(self) -> bool:
        """Return whether it limits a share of the steps."""
        return self.metric in _SHARES and not self.drift

    @property
    def of_records(self) -> bool:
        """Return whether the records of one stage alone keep or break it: the limits that say what normal is."""
        return self.metric in _SCOPED and not self.drift

    @property
    def tells_normal(self) -> bool:
        """Return whether it says what normal is in every window: a limit on a percentile or on a share of steps."""
        return self.of_records and (self.is_share or self.quantile is not None)

    @property
    def unit(self) -> Unit:
        """Return what ``limit`` is in."""
        if self.drift:
            return "share"
        if self.metric is Metric.CAPACITY:
            return self.load.unit if self.load is not None else "P"
        if self.metric is Metric.TELEMETRY:
            return self.measure or "number"
        if self.metric is Metric.GOODPUT_RATE:
            return "/s"
        is_long = self.metric in (Metric.RECOVERY_TIME, Metric.EXHAUSTION)
        return "ns" if is_long or self.metric in _TIMES else "share"

    @property
    def kinds(self) -> frozenset[str]:
        """Return the kinds of trial that can show it."""
        return DRIFT_KINDS if self.drift else KINDS_OF[self.metric]

    def meets(self, value: float) -> bool:
        """Return whether ``value``, in the limit's own unit, keeps the limit."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


_IS = r"\s*(<=|>=|<|>|==?)\s*"
_SERIES = r"([A-Za-z_]\w{0,63}\.[A-Za-z_]\w{0,63})"
_SCOPE = re.compile(r"\s+for\s+(step|journey)\s+(.+)$")
_WINDOW = re.compile(r"\s+for\s+every\s+(.+)$")
_TIME = re.compile(
    rf"(?:p(\d{{1,2}}(?:\.\d+)?)|(mean|median))\s+(response|service)\s+time(\s+drift)?{_IS}(.+?)(\s+of\s+admitted)?"
)
_SHARE = re.compile(
    r"(errors|timeouts|refusals|http\s+errors|failed\s+checks|connection\s+errors|goodput|achieved)(\s+drift)?"
    rf"{_IS}([\d.]+\s*%)(?:\s+of\s+(offered|admitted))?"
)
_GOODPUT_RATE = re.compile(rf"goodput{_IS}([\d.]+\s*/.+)")
_WHOLE = re.compile(rf"(capacity|efficiency|recovery\s+time){_IS}(.+)")
_TELEMETRY = re.compile(
    rf"(?:(mean|max)\s+telemetry\s+{_SERIES}|telemetry\s+{_SERIES}\s+(drift|exhausted\s+after)){_IS}(.+)", re.ASCII
)
_Read: TypeAlias = Callable[[str, "re.Match[str]"], Objective]


def parse_objective(text: str) -> Objective:
    """Return the objective that ``text`` states. Spaces between its words may be many, or line breaks.

    Raises:
        ValueError: the text is not of the grammar above, or its limit points the wrong way; the message says
            what to write instead.
    """
    sentence, scope = _split_scope(" ".join(text.split()))
    sentence, window_ns = _split_window(sentence)
    readers: tuple[tuple[re.Pattern[str], _Read], ...] = (
        (_TIME, _time_objective),
        (_SHARE, _share_objective),
        (_GOODPUT_RATE, _goodput_rate),
        (_WHOLE, _whole_objective),
        (_TELEMETRY, _telemetry_objective),
    )
    for pattern, read in readers:
        match = pattern.fullmatch(sentence)
        if match:
            return _narrowed(read(text, match), scope, window_ns)
    near = nearest_example(sentence)
    raise ValueError(f"not an objective. Write for example: {near or ', '.join(EXAMPLES[:1] + _FEW)}")


_FEW = ("mean service time <= 300ms", "errors <= 0.1%", "goodput >= 99% of offered", "capacity >= 2.0 P")


def _split_scope(sentence: str) -> tuple[str, dict[str, str]]:
    match = _SCOPE.search(sentence)
    return (sentence[: match.start()], {match[1]: match[2].strip()}) if match else (sentence, {})


def _split_window(sentence: str) -> tuple[str, int | None]:
    match = _WINDOW.search(sentence)
    if match is None:
        return sentence, None
    window_ns = parse_duration(match[1])
    if window_ns <= 0:
        raise ValueError("windows of no length; write for example: for every 30s")
    return sentence[: match.start()], window_ns


def _narrowed(found: Objective, scope: dict[str, str], window_ns: int | None) -> Objective:
    """Return an objective with its step or journey and its windows, where it can have them."""
    if scope and found.metric not in _SCOPED:
        name = "telemetry" if found.series else found.metric.value
        raise ValueError(f"{name} is a property of the whole service; leave out 'for step' or 'for journey'")
    if window_ns is not None and not (found.is_time or found.is_share):
        raise ValueError(
            "windows are for times and shares of steps; leave out 'for every', or write for example: "
            "errors <= 1% for every 30s"
        )
    return replace(found, step=scope.get("step"), journey=scope.get("journey"), window_ns=window_ns)


def _only(relation: str, wanted: Relation, noun: str) -> Relation:
    if relation != wanted:
        raise ValueError(f"{noun} is limited by {wanted}, not {relation}")
    return wanted


def _time_objective(text: str, match: re.Match[str]) -> Objective:
    metric = Metric.RESPONSE_TIME if match[3] == "response" else Metric.SERVICE_TIME
    drift, admitted = bool(match[4]), bool(match[7])
    relation = _only(match[5], "<=", f"{match[3]} time")
    limit = _drift_limit(match[6], admitted=admitted) if drift else parse_duration(match[6])
    if limit <= 0 and not drift:
        raise ValueError("a limit of zero time can't be met; write a duration above zero")
    found = Objective(text, metric, relation, limit, admitted=admitted, drift=drift)
    if match[2] == "mean":
        return replace(found, statistic="mean")
    quantile = 0.5 if match[2] else round(float(match[1]) / 100, 9)
    if not 0 < quantile < 1:
        raise ValueError("a percentile lies between p0 and p100, both excluded; write p50, p95, p99 or p99.9")
    return replace(found, statistic="quantile", quantile=quantile)


def _drift_limit(written: str, *, admitted: bool) -> float:
    if admitted:
        raise ValueError("a drift is over all steps; leave out 'of admitted'")
    limit = parse_share(written)
    if limit <= 0:
        raise ValueError("a drift of nothing at all can't be shown; write one above zero, such as 10%")
    return limit


def _share_objective(text: str, match: re.Match[str]) -> Objective:
    metric = Metric(" ".join(match[1].split()))
    failure, of = metric in _FAILURES, match[5]
    wanted: Relation = "<=" if failure else ">="
    if match[2] and not failure:
        raise ValueError(f"a drift of {metric.value}; write that of what goes wrong: errors drift <= 0.1%")
    relation = _only(match[3], wanted, metric.value)
    if match[2]:
        return Objective(text, metric, relation, _drift_limit(match[4], admitted=bool(of)), drift=True)
    if metric is Metric.REFUSALS and of == "admitted":
        raise ValueError("refusals are what 'of admitted' leaves out; write: refusals <= 1%")
    if of != ("offered" if not failure else None) and not (failure and of == "admitted"):
        raise ValueError(f"{metric.value} is written: {metric.value} {wanted} 1%" + ("" if failure else " of offered"))
    limit = parse_share(match[4])
    if limit == (1 if failure else 0):
        raise ValueError("a limit that nothing can break; write one such as errors <= 1% or goodput >= 99% of offered")
    return Objective(text, metric, relation, limit, admitted=of == "admitted")


def _goodput_rate(text: str, match: re.Match[str]) -> Objective:
    relation, limit = _only(match[1], ">=", "goodput"), parse_rate(match[2])
    if limit <= 0:
        raise ValueError("a limit that nothing can break; write a rate above zero, such as goodput >= 40/s")
    return Objective(text, Metric.GOODPUT_RATE, relation, limit)


def _whole_objective(text: str, match: re.Match[str]) -> Objective:
    """Read a limit on the service as a whole."""
    metric = Metric(" ".join(match[1].split()))
    if metric is Metric.RECOVERY_TIME:
        relation, limit = _only(match[2], "<=", metric.value), parse_duration(match[3])
        if limit <= 0:
            raise ValueError("a recovery in no time can't be shown; write a duration above zero")
        return Objective(text, metric, relation, limit)
    relation = _only(match[2], ">=", metric.value)
    if metric is Metric.EFFICIENCY:
        share = parse_share(match[3])
        if share <= 0:
            raise ValueError("a limit that nothing can break; write one above zero, such as efficiency >= 80%")
        return Objective(text, metric, relation, share)
    load = parse_load(match[3])
    return Objective(text, metric, relation, load.value, load=load)


def _telemetry_objective(text: str, match: re.Match[str]) -> Objective:
    statistic, series, way = match[1], match[2] or match[3], match[4]
    written = match[6]
    if way == "drift":
        relation = _only(match[5], "<=", "drift")
        limit = _drift_limit(written, admitted=False)
        return Objective(text, Metric.TELEMETRY, relation, limit, drift=True, series=series)
    if way:
        relation, after_ns = _only(match[5], ">=", "exhausted after"), parse_duration(written)
        if after_ns <= 0:
            raise ValueError("a limit that nothing can break; write a duration above zero")
        return Objective(text, Metric.EXHAUSTION, relation, after_ns, series=series)
    if match[5] not in ("<=", ">=") or (statistic == "max" and match[5] != "<="):
        raise ValueError(f"{statistic} telemetry is limited by <={'' if statistic == 'max' else ' or >='}")
    limit, measure = parse_amount(written)
    found = Objective(text, Metric.TELEMETRY, "<=" if match[5] == "<=" else ">=", limit, series=series, measure=measure)
    return replace(found, statistic="max" if statistic == "max" else "mean")


def write_objective(objective: Objective) -> str:
    """Return an objective as the sentence that :func:`parse_objective` reads back as an equal one, but for its text."""
    words = [_write_metric(objective), objective.relation, _write_limit(objective)]
    if objective.metric in (Metric.GOODPUT, Metric.ACHIEVED):
        words.append("of offered")
    if objective.admitted:
        words.append("of admitted")
    if objective.window_ns is not None:
        words.append(f"for every {write_duration(objective.window_ns)}")
    words += [f"for {kind} {name}" for kind, name in (("step", objective.step), ("journey", objective.journey)) if name]
    return " ".join(words)


def _write_metric(objective: Objective) -> str:
    name = "goodput" if objective.metric is Metric.GOODPUT_RATE else objective.metric.value
    if objective.metric is Metric.EXHAUSTION:
        return f"telemetry {objective.series} exhausted after"
    if objective.quantile is not None:
        name = f"p{write_number(round(objective.quantile * 100, 7))} {name}"
    elif objective.statistic is not None:
        name = f"{objective.statistic} {name}"
    name = f"{name} {objective.series}" if objective.series else name
    return f"{name} drift" if objective.drift else name


def _write_limit(objective: Objective) -> str:
    unit, limit = objective.unit, objective.limit
    if objective.load is not None:
        return write_load(objective.load)
    if unit == "ns":
        return write_duration(round(limit))
    if objective.measure is not None:
        return write_amount(limit, objective.measure)
    if unit == "share":
        return f"{write_number(round(limit * 100, 12))}%"
    if unit == "/s":
        return write_rate(limit)
    raise ValueError(f"a limit without a unit: {objective.text}")
