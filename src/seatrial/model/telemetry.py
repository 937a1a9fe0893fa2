"""Telemetry: what the service tells of itself, beside what citizens see of it.

    telemetry:
      every: 1s
      sources:
        app:
          prometheus: http://127.0.0.1:8080/metrics
          series:
            cpu: {rate: process_cpu_seconds_total, of: 2}
            memory: {value: process_resident_memory_bytes, limit: 2 GB}
        box: {process: /run/app.pid}

Each series has a name of two parts, ``app.cpu``, which objectives use. Names are numbered in alphabetical order, and a
reading says by its number which series it is of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from seatrial.model.document import Duration, Identifier, Strict, exactly_one, rule_broken
from seatrial.units import MS, SECOND, AmountUnit, parse_amount, write_amount

__all__ = [
    "LEAST_THERE",
    "MOST_SERIES",
    "PROCESS_SERIES",
    "TELEMETRY_COLUMNS",
    "Amount",
    "Missing",
    "NamedSeries",
    "Selector",
    "Series",
    "Source",
    "Telemetry",
    "parse_selector",
]

MOST_SERIES = 256
"""So many series at most over all sources: what is read once a second must stay a small part of that second."""


LEAST_THERE = 0.8
"""Share of the readings due in a judged time that must be there for a limit on them to pass."""


class Missing(IntEnum):
    """Why a reading that was due has no value; 0 where it has one."""

    NO = 0
    UNREACHABLE = 1
    TIMEOUT = 2
    REFUSED = 3
    TOO_LARGE = 4
    MALFORMED = 5
    NO_SERIES = 6
    RESET = 7
    NO_PROCESS = 8
    LATE = 9

    @property
    def meaning(self) -> str:
        """Return it in a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    Missing.NO: "read",
    Missing.UNREACHABLE: "no connection",
    Missing.TIMEOUT: "no whole answer in time",
    Missing.REFUSED: "an answer with another status than 200",
    Missing.TOO_LARGE: "an answer that is too long",
    Missing.MALFORMED: "an answer that can't be read",
    Missing.NO_SERIES: "no such series in the answer",
    Missing.RESET: "a counter that began anew",
    Missing.NO_PROCESS: "no such process",
    Missing.LATE: "the reading before was still under way",
}

TELEMETRY_COLUMNS: tuple[tuple[str, str], ...] = (
    # name, numpy type
    ("series", "<i2"),
    ("at_ns", "<i8"),
    ("value", "<f8"),
    ("missing", "<i1"),
)
"""One row per reading that was due: ``series`` its number in the order of names; ``at_ns`` when it was written down,
from the run's epoch on the monotonic clock; ``value`` in the series' own unit, null where there is none; ``missing``
why (:class:`Missing`)."""

PROCESS_SERIES: dict[str, AmountUnit] = {
    "cpu": "share",
    "memory": "B",
    "open_files": "number",
    "threads": "number",
}
"""What is read of a local process, with its unit: processor time per second (of so many cores as ``of`` says, else of
one), resident memory, open descriptors, threads."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"((?:[^\"\\\n]|\\[\\n\"])*)\"\s*"
_SELECTOR = re.compile(rf"\s*({_NAME})\s*(?:\{{((?:{_LABEL},)*(?:{_LABEL})?)\}})?\s*")
_LABELS = re.compile(_LABEL)
_ESCAPED = re.compile(r"\\([\\n\"])")
_MOST_SELECTOR = 500


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount with its unit.

    Attributes:
        value: Bytes, a share of one, or a plain number.
        unit: Which of these it is.
    """

    value: float
    unit: AmountUnit


@dataclass(frozen=True, slots=True)
class Selector:
    """Which samples of an answer are meant: all of this name that have these labels; their sum is the series.

    Attributes:
        name: Of the metric.
        labels: (name, value) pairs that a sample must have; it may have others.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def parse_selector(text: str) -> Selector:
    """Return the selector in ``requests_total`` or ``requests_total{code="500"}``.

    Raises:
        ValueError: not of that form, a label twice, or longer than 500 characters.
    """
    found = _SELECTOR.fullmatch(text) if len(text) <= _MOST_SELECTOR else None
    if found is None:
        raise ValueError('not a series; write its name, and labels in braces: requests_total{code="500"}')
    labels = tuple(
        (name, _ESCAPED.sub(lambda mark: {"n": "\n"}.get(mark[1], mark[1]), value))
        for name, value in _LABELS.findall(found[2] or "")
    )
    if len({name for name, _ in labels}) < len(labels):
        raise ValueError("a label that is named twice; name it once")
    return Selector(found[1], labels)


def _selector_text(value: object) -> object:
    if isinstance(value, str):
        parse_selector(value)
    return value


def _limit(value: object) -> object:
    if isinstance(value, Amount):
        return value
    if isinstance(value, str):
        return Amount(*parse_amount(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        return Amount(float(value), "number")
    raise ValueError("not an amount; write a number, a percentage or bytes: 1024, 70%, 2 GB")


SeriesSelector: TypeAlias = Annotated[
    str,
    BeforeValidator(_selector_text),
    Field(min_length=1),
    WithJsonSchema({"type": "string", "examples": ["process_cpu_seconds_total", 'requests_total{code="500"}']}),
]
Limit: TypeAlias = Annotated[
    Amount,
    BeforeValidator(_limit),
    PlainSerializer(lambda amount: write_amount(amount.value, amount.unit), return_type=str),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["2 GB", "90%"]}, {"type": "number"}]}),
]


class Series(Strict):
    """One figure that a service publishes.

    Attributes:
        value: The figure as it stands: a gauge.
        rate: What a counter gains per second.
        of: The rate is given as a share of so many per second; for processor time the number of cores.
        limit: What exhaustion means: the amount that is all there is.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("value", "rate"))

    value: SeriesSelector | None = None
    rate: SeriesSelector | None = None
    of: Annotated[float, Field(gt=0, lt=1e12)] | None = None
    limit: Limit | None = None

    @model_validator(mode="after")
    def _one_figure(self) -> Series:
        if (self.value is None) == (self.rate is None):
            raise rule_broken("a series is either a value or a rate; write one of the two")
        if self.of is not None and self.rate is None:
            raise rule_broken("'of' belongs to a rate, which it makes a share; leave it out", "of")
        _refuse_other_unit(self.limit, self.unit, "limit")
        return self

    @property
    def selector(self) -> Selector:
        """Return which samples are meant."""
        return parse_selector(self.value or self.rate or "")

    @property
    def unit(self) -> AmountUnit:
        """Return what its readings are in.

        A rate of something is a share. Else it is as the limit is written, or as the metric's name ends
        (``_bytes``, ``_ratio``: https://prometheus.io/docs/practices/naming/), or a plain number.
        """
        if self.of is not None:
            return "share"
        if self.limit is not None:
            return self.limit.unit
        name = self.selector.name
        if self.value is not None and name.endswith("_bytes"):
            return "B"
        return "share" if self.value is not None and name.endswith("_ratio") else "number"


def _refuse_other_unit(limit: Amount | None, unit: AmountUnit, *at: str) -> None:
    if limit is not None and limit.unit != unit:
        written = {"B": "bytes, such as 2 GB", "share": "a percentage, such as 90%", "number": "a plain number"}
        raise rule_broken(f"a limit in another unit than its series; write {written[unit]}", *at)
    if limit is not None and limit.value <= 0:
        raise rule_broken("a limit of nothing, which is exhausted at once; write one above zero", *at)


class Source(Strict):
    """Where figures come from: one of two kinds.

    Attributes:
        prometheus: Address that answers with Prometheus' text format.
        series: What of it is read, by name.
        process: File with the number of a process on this machine, relative to the plan; see ``PROCESS_SERIES``.
        of: With a process: its processor time is given as a share of so many cores; of one where it is left out.
        limits: With a process: what exhaustion means, by series.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("prometheus", "process"))

    prometheus: str | None = None
    series: dict[Identifier, Series] = Field(default_factory=dict)
    process: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    of: Annotated[float, Field(gt=0, lt=1e6)] | None = None
    limits: dict[Identifier, Limit] = Field(default_factory=dict)

    @field_validator("prometheus")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or not all("!" <= character <= "~" for character in value):
            raise ValueError("not the address of figures; write http://host:port/metrics")
        if parts.username or parts.password or parts.fragment:
            raise ValueError("an address with a user, password or fragment; leave them out")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if (self.prometheus is None) == (self.process is None):
            raise rule_broken("a source is either prometheus or a process; write one of the two")
        if self.prometheus is not None:
            if not self.series:
                raise rule_broken("a source of which no series is read; name some under series")
            for key, given in (("of", self.of is not None), ("limits", bool(self.limits))):
                if given:
                    raise rule_broken(f"'{key}' belongs to a process; write it at each series", key)
            return self
        if self.series:
            raise rule_broken("a process has its own series; leave series out, and write limits for theirs", "series")
        for name, limit in self.limits.items():
            if name not in PROCESS_SERIES:
                known = ", ".join(PROCESS_SERIES)
                raise rule_broken(f"a process has no series of that name; use one of {known}", "limits", name)
            _refuse_other_unit(limit, PROCESS_SERIES[name], "limits", name)
        return self


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """One series under the name that objectives use.

    Attributes:
        number: From 0, in the order of names; stands in every reading.
        name: ``source.series``.
        source: Name of its source.
        unit: Of its readings.
        limit: What exhaustion means, in that unit; None where the plan does not say.
    """

    number: int
    name: str
    source: str
    unit: AmountUnit
    limit: float | None


class Telemetry(Strict):
    """What is read of the service while it is under load.

    Attributes:
        every: From one reading to the next.
        sources: Where from, by name.
    """

    every: Annotated[Duration, Field(ge=100 * MS, le=60 * SECOND)] = SECOND
    sources: dict[Identifier, Source] = Field(min_length=1, max_length=16)

    @model_validator(mode="after")
    def _not_too_many(self) -> Telemetry:
        if len(self.series) > MOST_SERIES:
            raise rule_broken(f"more than {MOST_SERIES} series; read only those that something is said of", "sources")
        return self

    @property
    def series(self) -> tuple[NamedSeries, ...]:
        """Return every series, numbered in the order of names: a document keeps no other order."""
        found: list[tuple[str, str, AmountUnit, Amount | None]] = []
        for source, written in self.sources.items():
            if written.process is not None:
                for name, unit in PROCESS_SERIES.items():
                    found.append((f"{source}.{name}", source, unit, written.limits.get(name)))
            for name, series in written.series.items():
                found.append((f"{source}.{name}", source, series.unit, series.limit))
        return tuple(
            NamedSeries(number, name, source, unit, None if limit is None else limit.value)
            for number, (name, source, unit, limit) in enumerate(sorted(found, key=lambda series: series[0]))
        )

    def named(self, name: str) -> NamedSeries | None:
        """Return the series of that name; None where there is none."""
        return next((series for series in self.series if series.name == name), None)
