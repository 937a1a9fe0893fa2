"""The words that objectives are made of: what can be limited, in which kinds of trial, and load levels.

What a limit is on (:class:`Metric`) is named as it is written, so that pages and evidence use the plan's own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Literal

from seatrial.units import parse_rate, write_number

__all__ = ["DRIFT_KINDS", "EXAMPLES", "KINDS_OF", "Load", "Metric", "nearest_example", "parse_load", "write_load"]


class Metric(StrEnum):
    """What an objective limits."""

    RESPONSE_TIME = "response time"
    SERVICE_TIME = "service time"
    ERRORS = "errors"
    """Steps that did not end ok, for whatever reason."""
    TIMEOUTS = "timeouts"
    """Steps that got no complete answer: by their deadline, or by the end of the drain."""
    REFUSALS = "refusals"
    """Answers with status 429 or 503 where the step does not expect them: the service refused clearly."""
    HTTP_ERRORS = "http errors"
    """Answers with a status of 400 or above that the step does not expect, refusals among them."""
    FAILED_CHECKS = "failed checks"
    """Answers on which a check of the step failed."""
    CONNECTION_ERRORS = "connection errors"
    """No connection, no TLS, or a connection that broke off or carried what is not HTTP."""
    GOODPUT = "goodput"
    """Steps that ended ok, against steps intended."""
    GOODPUT_RATE = "goodput rate"
    """Steps that ended ok, per second of judged time; written ``goodput >= 40/s``."""
    ACHIEVED = "achieved"
    """Steps that were sent, against steps intended."""
    CAPACITY = "capacity"
    EFFICIENCY = "efficiency"
    """Capacity for each unit of the service, against that of the smallest size."""
    RECOVERY_TIME = "recovery time"
    """From the end of a disturbance until the other limits are kept for good."""
    TELEMETRY = "telemetry"
    """A series of the service's own figures."""
    EXHAUSTION = "exhaustion"
    """When a series reaches its limit, if it goes on as it did; written ``telemetry app.memory exhausted after``."""


_ALL = frozenset({"load", "stress", "spike", "soak", "recovery", "scalability"})

KINDS_OF: Mapping[Metric, frozenset[str]] = {
    **dict.fromkeys(Metric, _ALL),
    Metric.CAPACITY: frozenset({"stress"}),
    Metric.EFFICIENCY: frozenset({"scalability"}),
    Metric.RECOVERY_TIME: frozenset({"spike", "recovery"}),
    Metric.EXHAUSTION: frozenset({"soak"}),
}
"""The kinds of trial that can show each metric."""

DRIFT_KINDS = frozenset({"soak"})
"""The kinds of trial that can show the drift of a metric."""

EXAMPLES = (
    "p95 response time <= 2s",
    "p95 response time <= 2s of admitted",
    "p95 response time <= 2s for every 30s",
    "p99 service time <= 500ms for step book",
    "mean response time <= 800ms for journey reserve",
    "errors <= 0.1%",
    "errors <= 0.1% of admitted",
    "timeouts <= 0.1%",
    "refusals <= 5%",
    "http errors <= 0.1%",
    "failed checks <= 0.1%",
    "connection errors <= 0.1%",
    "goodput >= 99% of offered",
    "goodput >= 40/s",
    "achieved >= 99% of offered",
    "capacity >= 2.0 P",
    "efficiency >= 80%",
    "recovery time <= 5m",
    "p95 response time drift <= 10%",
    "errors drift <= 0.1%",
    "mean telemetry app.cpu <= 70%",
    "max telemetry app.memory <= 2 GB",
    "telemetry app.memory drift <= 10%",
    "telemetry app.memory exhausted after >= 36h",
)
"""One sentence of every form."""

_LIKE_ENOUGH = 0.5
_LONGEST_COMPARED = 200


def nearest_example(text: str) -> str | None:
    """Return the example that ``text`` is most like; None where it is like none of them."""
    wanted = " ".join(text.split()).lower()[:_LONGEST_COMPARED]
    ratios = [(SequenceMatcher(None, wanted, example.lower()).ratio(), example) for example in EXAMPLES]
    ratio, example = max(ratios, key=lambda one: one[0])
    return example if ratio >= _LIKE_ENOUGH else None


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


_LOAD_IN_P = re.compile(r"\s*(\d+(?:\.\d+)?)\s*P\s*", re.ASCII)
_HIGHEST_MULTIPLE = 1000.0


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
