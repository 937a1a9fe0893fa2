"""The forecast: every assumption behind P as data, each with its source.

    people           how many there are: registered users, or the population
    growth           how many times as many there will be by then
    coming           the share of them that comes on the busiest day
    peak_hour        the share of those that comes within the busiest hour
    rush             how the hour begins: shares of its arrivals within its first minutes; or
    busiest_minute   how many times the hour's mean its busiest minute is
    retries          further journeys per person: reloads and new attempts
    bots             the share of all arrivals that no person makes
    journeys         how long each journey lasts, and its weight among them
    cases            what the high case, and any other, multiplies

:mod:`seatrial.model.demand` makes P, the curve of arrivals and the concurrency of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from seatrial.model.document import Duration, Identifier, Name, Strict, exactly_one, rule_broken
from seatrial.units import SECOND, parse_share, write_number

__all__ = [
    "BASE",
    "FACTORS",
    "HIGH",
    "HOUR_NS",
    "Bots",
    "BusiestMinute",
    "Case",
    "Forecast",
    "JourneyTime",
    "OpeningPart",
    "OpeningRush",
    "People",
    "PerPerson",
    "ShareOf",
    "Times",
    "forecast_document",
    "forecast_json_schema",
]

BASE, HIGH = "base", "high"
HOUR_NS = 3600 * SECOND
_MOST_PARTS = 60
_MOST_TIMES = 1000.0


def _read_share(value: object) -> object:
    if isinstance(value, str):
        return parse_share(value)
    raise ValueError("not a share; write a percentage in text: 12%")


Share: TypeAlias = Annotated[
    float,
    BeforeValidator(_read_share),
    Field(gt=0, le=1),
    PlainSerializer(
        lambda share: f"{write_number(float(f'{float(Decimal(repr(share)) * 100):.15g}'))}%", return_type=str
    ),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$", "examples": ["12%", "0.5%"]}),
]
Source: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Multiple: TypeAlias = Annotated[float, Field(gt=0, le=_MOST_TIMES)]


class _Figure(Strict):
    """A figure that somebody assumed.

    Attributes:
        source: Where it comes from: a count, a report, a survey, or a judgement with the name of who made it.
    """

    source: Source

    @field_validator("source")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("an empty source; write where the figure comes from")
        return value


class People(_Figure):
    """How many there are.

    Attributes:
        count: Their number.
        of: Whom it counts.
    """

    count: Annotated[int, Field(ge=1, le=10_000_000_000)]
    of: Literal["registered users", "population"]


class Times(_Figure):
    """A multiplication.

    Attributes:
        times: The factor; 1 changes nothing.
    """

    times: Multiple


class ShareOf(_Figure):
    """A part of what stands before it.

    Attributes:
        share: Above 0 %, at most 100 %.
    """

    share: Share


class Bots(_Figure):
    """Arrivals that no person makes: scalpers, monitors, crawlers, attackers.

    Attributes:
        share: Of all arrivals, people's and their own; below 100 %.
    """

    share: Share

    @field_validator("share")
    @classmethod
    def _leaves_people(cls, value: float) -> float:
        if value >= 1:
            raise ValueError("bots as all of the arrivals; write less than 100%")
        return value


class PerPerson(_Figure):
    """What each person does besides the first journey, on average.

    Attributes:
        per_person: Further journeys of a person: reloads from the start, second devices, new attempts.
    """

    per_person: Annotated[float, Field(gt=0, le=_MOST_TIMES)]


class BusiestMinute(_Figure):
    """How uneven an hour without a rush is.

    Attributes:
        times: The rate of its busiest minute over its mean: from 1 (perfectly even) to 60 (all in one minute).
    """

    times: Annotated[float, Field(ge=1, le=60)]


class OpeningPart(Strict):
    """One point of an opening rush.

    Attributes:
        within: From the opening, at most the hour.
        share: Of the hour's arrivals that have come by then.
    """

    within: Annotated[Duration, Field(ge=SECOND, le=HOUR_NS)]
    share: Share


class OpeningRush(_Figure):
    """How the busiest hour begins when a service opens at an instant. Within each part the rate is even.

    Attributes:
        at: Local time of the opening, ``07:00``, for people.
        first: What share of the hour's arrivals has come by when; both ascend. The rest comes evenly until its end.
    """

    at: str
    first: tuple[OpeningPart, ...] = Field(min_length=1)

    @field_validator("at")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII):
            raise ValueError('not a time of day; write "07:00"')
        return value

    @model_validator(mode="after")
    def _ascends(self) -> OpeningRush:
        if len(self.first) > _MOST_PARTS:
            raise rule_broken(f"{len(self.first)} parts; write at most {_MOST_PARTS}", "first")
        for index, (before, part) in enumerate(pairwise(self.first), start=1):
            if part.within < before.within + SECOND:
                message = "a time less than a second after the one before; write the parts in the order of their times"
                raise rule_broken(message, "first", index, "within")
            if part.share < before.share:
                message = "a share below the one before; write what has come by then in all"
                raise rule_broken(message, "first", index, "share")
        last = self.first[-1]
        if last.within == HOUR_NS and last.share < 1:
            raise rule_broken("less than 100% by the end of the hour; write 100%, or leave the part out", "first")
        if HOUR_NS - SECOND < last.within < HOUR_NS:
            raise rule_broken("a part that ends in the hour's last second; write 60min or less than that", "first")
        return self


class JourneyTime(_Figure):
    """How long a journey lasts, from its first request to its last answer, pauses included.

    Attributes:
        lasts: The mean.
        weight: Its share among the journeys.
    """

    lasts: Annotated[Duration, Field(gt=0)]
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0


#: What a case may multiply, in the order of the derivation.
FACTORS = ("people", "growth", "coming", "peak_hour", "rush", "busiest_minute", "retries", "bots", "lasts")


class Case(Strict):
    """What is multiplied in one case; what is left out stays as it is. At least one.

    Attributes:
        people: Their number.
        growth: The growth.
        coming: The share that comes.
        peak_hour: The share in the busiest hour.
        rush: Each share of the opening rush; above 100 % it is cut to that.
        busiest_minute: How far it stands above the mean.
        retries: Further journeys per person.
        bots: The share of bots.
        lasts: How long every journey lasts.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    people: Times | None = None
    growth: Times | None = None
    coming: Times | None = None
    peak_hour: Times | None = None
    rush: Times | None = None
    busiest_minute: Times | None = None
    retries: Times | None = None
    bots: Times | None = None
    lasts: Times | None = None

    @model_validator(mode="after")
    def _multiplies(self) -> Case:
        if not list(self.factors()):
            raise ValueError(f"a case that changes nothing; multiply at least one of {', '.join(FACTORS)}")
        return self

    def factors(self) -> Iterator[tuple[str, Times]]:
        """Yield (what is multiplied, by what) in the order of the derivation."""
        for name in FACTORS:
            found = getattr(self, name)
            if found is not None:
                yield name, found


class Forecast(Strict):
    """A whole forecast.

    Attributes:
        forecast: Version of the grammar.
        title: Of what is forecast.
        people: How many there are.
        growth: How many times as many by then; none where it is left out.
        coming: The share that comes on the busiest day.
        peak_hour: The share of these in its busiest hour.
        rush: How that hour begins; or
        busiest_minute: how uneven it is. Exactly one of both.
        retries: Further journeys per person; none where it is left out.
        bots: The share of arrivals by bots; none where it is left out.
        journeys: How long each lasts.
        cases: By name; ``high`` must be among them. The case ``base`` is the figures as they stand.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("rush", "busiest_minute"))

    forecast: Literal[1]
    title: Name
    people: People
    growth: Times | None = None
    coming: ShareOf
    peak_hour: ShareOf
    rush: OpeningRush | None = None
    busiest_minute: BusiestMinute | None = None
    retries: PerPerson | None = None
    bots: Bots | None = None
    journeys: dict[Name, JourneyTime] = Field(min_length=1, max_length=100)
    cases: dict[Identifier, Case] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _coheres(self) -> Forecast:
        if (self.rush is None) == (self.busiest_minute is None):
            found = "neither" if self.rush is None else "both"
            message = f"{found} of rush and busiest_minute; write the one that says how the busiest hour is spread"
            raise rule_broken(message, *(() if self.rush is None else ("busiest_minute",)))
        if BASE in self.cases:
            message = "a case called base, which is the figures as they stand; give it another name"
            raise rule_broken(message, "cases", BASE)
        if HIGH not in self.cases:
            raise rule_broken("no case called high; write what is worse than expected under high", "cases")
        for name, case in self.cases.items():
            for factor, times in case.factors():
                self._fits(name, factor, times.times)
        return self

    def _fits(self, case: str, factor: str, times: float) -> None:
        """Refuse a case that multiplies what is not there, or a share beyond what a share can be."""
        if factor == "lasts":
            return
        figure: Any = getattr(self, factor)
        if figure is None:
            message = f"a case that multiplies {factor}, which the forecast does not have; add {factor}, or take it out"
            raise rule_broken(message, "cases", case, factor)
        share = figure.share * times if isinstance(figure, ShareOf | Bots) else 0.0
        if share > 1 + 1e-12 or (factor == "bots" and share >= 1):
            message = f"a case that brings {factor} to {share:.4g} times all; write a lower factor"
            raise rule_broken(message, "cases", case, factor)
        if isinstance(figure, BusiestMinute) and not 1 <= figure.times * times <= 60:
            message = (
                f"a busiest minute of {figure.times * times:.4g} times the mean; write a factor that leaves 1 to 60"
            )
            raise rule_broken(message, "cases", case, factor)

    def case_names(self) -> tuple[str, ...]:
        """Return ``base`` and every other case, in the forecast's order."""
        return (BASE, *self.cases)

    def times(self, case: str, factor: str) -> Times | None:
        """Return what a case multiplies a figure by; None where it leaves it alone.

        Raises:
            KeyError: no such case.
        """
        found: Times | None = None if case == BASE else getattr(self.cases[case], factor)
        return found


def forecast_document(forecast: Forecast) -> dict[str, Any]:
    """Return the forecast as JSON-ready data that reads back to an equal forecast."""
    return forecast.model_dump(mode="json", by_alias=True, exclude_none=True)


def forecast_json_schema() -> dict[str, Any]:
    """Return the forecast's grammar as JSON Schema 2020-12."""
    schema = Forecast.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Seatrial forecast"}
