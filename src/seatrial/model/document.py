"""The parts that documents are made of: strict objects, and quantities written as text with their units."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from seatrial.model.objective import Load, Objective, parse_load, parse_objective, write_load
from seatrial.units import parse_duration, parse_rate, write_duration, write_rate

__all__ = [
    "Duration",
    "Identifier",
    "Limit",
    "LoadLevel",
    "Name",
    "Rate",
    "Status",
    "Strict",
    "exactly_one",
    "rule_broken",
]


def _text_or(kind: type, parse: Any, form: str) -> BeforeValidator:
    """Return a validator that takes the parsed value as it is and parses text; anything else is refused."""

    def read(value: object) -> object:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, kind) and kind is not int and kind is not float:
            return value
        raise ValueError(f"not {form}; put it in text with its unit")

    return BeforeValidator(read)


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Duration: TypeAlias = Annotated[
    int,
    _text_or(int, parse_duration, "a duration such as 30s"),
    PlainSerializer(write_duration, return_type=str),
    _schema(r"^\s*(\d+(\.\d+)?\s*(ns|us|µs|μs|ms|min|s|m|h)\s*)+$", "250ms", "30s", "1h30m"),
]
Rate: TypeAlias = Annotated[
    float,
    _text_or(float, parse_rate, "a rate such as 40/s"),
    Field(gt=0),
    PlainSerializer(write_rate, return_type=str),
    _schema(r"^\s*\d+(\.\d+)?\s*/\s*(s|sec|min|m|h)\s*$", "40/s", "2400/min"),
]
LoadLevel: TypeAlias = Annotated[
    Load,
    _text_or(Load, parse_load, "a load level such as 1.5 P"),
    PlainSerializer(write_load, return_type=str),
    _schema(r"^\s*\d+(\.\d+)?\s*(P|/\s*(s|sec|min|m|h))\s*$", "1.0 P", "60/s"),
]
Limit: TypeAlias = Annotated[
    Objective,
    _text_or(Objective, parse_objective, "an objective such as p95 response time <= 2s"),
    PlainSerializer(lambda objective: objective.text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["p95 response time <= 2s", "errors <= 0.1%", "capacity >= 2.0 P"]}),
]
# Neither control characters nor those that hide or turn around their neighbours: a report shows names as they are.
_SHOWN = r"^[^\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$"
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=80, pattern=_SHOWN)]
Identifier: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Status: TypeAlias = Annotated[int, Field(ge=100, le=599)]


def rule_broken(message: str, *at: str | int) -> PydanticCustomError:
    """Return the error of a rule between several values of one part, to be raised in its validator.

    Args:
        message: ``what is wrong; what to write instead``.
        at: Key, or key and index, of the value to change, within the part.
    """
    return PydanticCustomError("rule", "{message}", {"message": message, "at": at})


def exactly_one(*keys: str) -> dict[str, Any]:
    """Return what a JSON Schema says of a part that has exactly one of ``keys``."""
    return {"oneOf": [{"required": [key]} for key in keys]}


class Strict(BaseModel):
    """A document part: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        arbitrary_types_allowed=True,
        serialize_by_alias=True,
    )
