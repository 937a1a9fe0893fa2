"""Objectives: limits that read like a sentence.

    p95 response time <= 2s                  a percentile from the intended start, over all records
    p99 service time <= 500ms                a percentile from the actual send
    mean response time <= 800ms
    errors <= 0.1%                           share of intended steps that did not end ok
    goodput >= 99% of offered                steps that ended ok, against steps intended, per second
    achieved >= 99% of offered               steps that were sent, against steps intended
    capacity >= 2.0 P                        highest load level that held (stress trials)
    ... for step book                        any of the above but capacity, for one step
    ... for journey reserve                  the same, for one journey

``P`` is the plan's demand peak. ``capacity`` may also be given as a rate, ``capacity >= 80/s`` (journeys).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from seatrial.units import parse_duration, parse_rate, parse_share, write_number

__all__ = ["Load", "Metric", "Objective", "parse_load", "parse_objective", "write_load"]


class Metric(StrEnum):
    """What an objective limits."""

    RESPONSE_TIME = "response time"
    SERVICE_TIME = "service time"
    ERRORS = "errors"
    GOODPUT = "goodput"
    ACHIEVED = "achieved"
    CAPACITY = "capacity"


@dataclass(frozen=True, slots=True)
class Load:
    """A load level: a multiple of P, or a rate of its own.

    Attributes:
        value: The number, above zero.
        unit: ``P`` or ``/s`` (journeys per second).
    """

    value: float
    unit: Literal["P", "/s"]

    def rate(self, peak: float) -> float:
        """Return journeys per second, given P in journeys per second."""
        return self.value * peak if self.unit == "P" else self.value

    def __str__(self) -> str:
        return f"{self.value:g} P" if self.unit == "P" else f"{self.value:g}/s"


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit.

    Attributes:
        text: As it was written; names the objective in reports.
        metric: What is limited.
        statistic: ``mean`` or ``quantile`` for times; None otherwise.
        quantile: In (0, 1) when the statistic is a quantile; None otherwise.
        relation: ``<=`` or ``>=``.
        limit: Nanoseconds for times; a share of one for errors, goodput and achieved; a plain number for
            capacity, in ``load.unit``.
        load: The limit of a capacity objective; None otherwise.
        step: Only this step, by name; None for all.
        journey: Only this journey, by name; None for all.
    """

    text: str
    metric: Metric
    relation: Literal["<=", ">="]
    limit: float
    statistic: Literal["mean", "quantile"] | None = None
    quantile: float | None = None
    load: Load | None = None
    step: str | None = None
    journey: str | None = None

    @property
    def is_time(self) -> bool:
        """Return whether the limit is a time in nanoseconds."""
        return self.metric in (Metric.RESPONSE_TIME, Metric.SERVICE_TIME)

    def meets(self, value: float) -> bool:
        """Return whether ``value``, in the limit's own unit, keeps the limit."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


_SCOPE = re.compile(r"\s+for\s+(step|journey)\s+(.+)$")
_TIME = re.compile(r"(?:p(\d{1,2}(?:\.\d+)?)|(mean|median))\s+(response|service)\s+time\s*(<=|>=|<|>|==?)\s*(.+)")
_SHARE = re.compile(r"(errors|goodput|achieved)\s*(<=|>=|<|>|==?)\s*([\d.]+\s*%)(\s+of\s+offered)?")
_CAPACITY = re.compile(r"capacity\s*(<=|>=|<|>|==?)\s*(.+)")
_LOAD_IN_P = re.compile(r"\s*(\d+(?:\.\d+)?)\s*P\s*", re.ASCII)
_HIGHEST_MULTIPLE = 1000.0
_EXAMPLES = (
    "Write for example: p95 response time <= 2s, mean service time <= 300ms, errors <= 0.1%, "
    "goodput >= 99% of offered, achieved >= 99% of offered, capacity >= 2.0 P"
)


def parse_load(text: str) -> Load:
    """Return the load level in ``1.5 P`` or ``60/s``.

    Raises:
        ValueError: neither form, zero, or beyond 1000 P or ten million per second.
    """
    match = _LOAD_IN_P.fullmatch(text)
    if match is None and "/" not in text:
        raise ValueError("not a load level; write a multiple of the peak (1.5 P) or a rate (60/s)")
    load = Load(float(match[1]), "P") if match else Load(parse_rate(text), "/s")
    if load.value <= 0:
        raise ValueError("a load level of zero; write one above zero")
    if load.unit == "P" and load.value > _HIGHEST_MULTIPLE:
        raise ValueError("more than 1000 times the peak; write a lower load level")
    return load


def write_load(load: Load) -> str:
    """Return the load level as text that :func:`parse_load` reads back exactly, unlike its short ``str``."""
    return f"{write_number(load.value)}{' P' if load.unit == 'P' else '/s'}"


def parse_objective(text: str) -> Objective:
    """Return the objective that ``text`` states.

    Raises:
        ValueError: the text is not of the grammar above, or its limit points the wrong way; the message says
            what to write instead.
    """
    sentence, scope = _split_scope(" ".join(text.split()))
    readers: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Objective]], ...] = (
        (_TIME, _time_objective),
        (_SHARE, _share_objective),
        (_CAPACITY, _capacity_objective),
    )
    for pattern, read in readers:
        match = pattern.fullmatch(sentence)
        if match:
            found = read(text, match)
            if found.metric is Metric.CAPACITY and scope:
                raise ValueError("capacity is a property of the whole service; leave out 'for step' or 'for journey'")
            return Objective(
                text,
                found.metric,
                found.relation,
                found.limit,
                found.statistic,
                found.quantile,
                found.load,
                **scope,
            )
    raise ValueError(f"not an objective. {_EXAMPLES}")


def _split_scope(sentence: str) -> tuple[str, dict[str, str]]:
    match = _SCOPE.search(sentence)
    return (sentence[: match.start()], {match[1]: match[2].strip()}) if match else (sentence, {})


def _only(relation: str, wanted: Literal["<=", ">="], noun: str) -> Literal["<=", ">="]:
    if relation != wanted:
        raise ValueError(f"{noun} is limited by {wanted}, not {relation}")
    return wanted


def _time_objective(text: str, match: re.Match[str]) -> Objective:
    metric = Metric.RESPONSE_TIME if match[3] == "response" else Metric.SERVICE_TIME
    relation = _only(match[4], "<=", f"{match[3]} time")
    limit = parse_duration(match[5])
    if limit <= 0:
        raise ValueError("a limit of zero time can't be met; write a duration above zero")
    if match[2] == "mean":
        return Objective(text, metric, relation, limit, "mean")
    quantile = 0.5 if match[2] else round(float(match[1]) / 100, 9)
    if not 0 < quantile < 1:
        raise ValueError("a percentile lies between p0 and p100, both excluded; write p50, p95, p99 or p99.9")
    return Objective(text, metric, relation, limit, "quantile", quantile)


def _share_objective(text: str, match: re.Match[str]) -> Objective:
    metric = Metric(match[1])
    wanted: Literal["<=", ">="] = "<=" if metric is Metric.ERRORS else ">="
    relation = _only(match[2], wanted, match[1])
    if (metric is Metric.ERRORS) == bool(match[4]):
        raise ValueError(
            f"{match[1]} is written: {match[1]} {wanted} 1%" + ("" if metric is Metric.ERRORS else " of offered")
        )
    limit = parse_share(match[3])
    if limit == (1 if relation == "<=" else 0):
        raise ValueError("a limit that nothing can break; write one such as errors <= 1% or goodput >= 99% of offered")
    return Objective(text, metric, relation, limit)


def _capacity_objective(text: str, match: re.Match[str]) -> Objective:
    relation = _only(match[1], ">=", "capacity")
    load = parse_load(match[2])
    return Objective(text, Metric.CAPACITY, relation, load.value, load=load)
