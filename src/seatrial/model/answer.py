"""What is asked of an answer: checks on it, and values taken from it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from seatrial.model.document import Status, Strict, exactly_one, rule_broken

__all__ = ["Check", "Extract", "Size"]

_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_ONE_OR_MANY = {"anyOf": [_STATUS, {"type": "array", "items": _STATUS}]}
_SOURCES = ("json", "regex", "css", "header", "cookie")
_BOUNDS: dict[str, Any] = {"anyOf": [{"required": ["at_least"]}, {"required": ["at_most"]}]}


class Extract(Strict):
    """Where a variable's value comes from in an answer. Exactly one source.

    Attributes:
        json_path: RFC 9535 JSON path (key ``json``).
        regex: Regular expression; its first group, or the whole match where it has none.
        css: CSS selector of elements of an HTML page: their text without the white space around it, or the attribute
            named beside it. Elements without text, or without the attribute, are no matches.
        attribute: With ``css``: the attribute to take.
        header: Name of a response header.
        cookie: Name of a cookie that the session holds after this answer.
        pick: Which one where several match; ``random`` is drawn from the session's own seed.
        optional: Whether a session goes on without it; else the step's check has failed.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one(*_SOURCES))

    json_path: str | None = Field(default=None, alias="json")
    regex: str | None = None
    css: str | None = None
    attribute: str | None = None
    header: str | None = None
    cookie: str | None = None
    pick: Literal["first", "last", "random"] = "first"
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        sources = (self.json_path, self.regex, self.css, self.header, self.cookie)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(f"not exactly one source of a value; write one of {', '.join(_SOURCES)}")
        if self.attribute is not None and self.css is None:
            raise rule_broken("an attribute without a CSS selector; write css beside it", "attribute")
        return self


class Size(Strict):
    """How large a body must be, in bytes, its content coding undone. At least one bound.

    Attributes:
        at_least: The smallest.
        at_most: The largest.
    """

    model_config = ConfigDict(json_schema_extra=_BOUNDS)

    at_least: Annotated[int, Field(ge=0)] | None = None
    at_most: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _a_bound(self) -> Size:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a size without a bound; write at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_most < self.at_least:
            raise rule_broken("at_most lies below at_least; no body can be so", "at_most")
        return self


class Check(Strict):
    """What an answer must be (key ``expect``). Without ``status``, any status below 400 is expected.

    Attributes:
        status: The statuses that are expected. One of 300 to 399 says that its redirect is not followed.
        contains: Text that the body must contain.
        matches: Regular expression that must be found in the body.
        json_values: JSON path to the value that must be its first match (key ``json``).
        headers: Header name to the text that its value must contain.
        size: How large the body must be.
    """

    status: Annotated[tuple[Status, ...], WithJsonSchema(_ONE_OR_MANY)] = ()
    contains: str | None = None
    matches: str | None = None
    json_values: dict[str, Any] = Field(default_factory=dict, alias="json")
    headers: dict[str, str] = Field(default_factory=dict)
    size: Size | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, list):
            return tuple(value)
        return (value,) if isinstance(value, int) else value
