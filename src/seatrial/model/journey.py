"""Journeys: what one citizen does, step by step."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, GetJsonSchemaHandler, Tag, WithJsonSchema, field_validator, model_validator
from pydantic_core import CoreSchema

from seatrial.model.document import Duration, Identifier, Name, Status, Strict, rule_broken

__all__ = ["METHODS", "Check", "Extract", "Feed", "Journey", "PauseStep", "RequestStep", "Step"]

_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_ONE_OR_MANY = {"anyOf": [_STATUS, {"type": "array", "items": _STATUS}]}
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


class Extract(Strict):
    """Where a variable's value comes from in an answer. Exactly one source.

    Attributes:
        json_path: RFC 9535 JSON path (key ``json``).
        regex: Regular expression; its first group, or the whole match where it has none.
        header: Name of a response header.
        pick: Which one where several match; ``random`` is drawn from the session's own seed.
        optional: Whether a session goes on without it; else the step's check has failed.
    """

    json_path: str | None = Field(default=None, alias="json")
    regex: str | None = None
    header: str | None = None
    pick: Literal["first", "last", "random"] = "first"
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        if sum(source is not None for source in (self.json_path, self.regex, self.header)) != 1:
            raise ValueError("not exactly one source of a value; write one of json, regex or header")
        return self


class Check(Strict):
    """What an answer must be (key ``expect``). Without ``status``, any status below 400 is expected.

    Attributes:
        status: The statuses that are expected.
        contains: Text that the body must contain.
        matches: Regular expression that must be found in the body.
        json_values: JSON path to the value that must be its first match (key ``json``).
        headers: Header name to the text that its value must contain.
    """

    status: Annotated[tuple[Status, ...], WithJsonSchema(_ONE_OR_MANY)] = ()
    contains: str | None = None
    matches: str | None = None
    json_values: dict[str, Any] = Field(default_factory=dict, alias="json")
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("status", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, list):
            return tuple(value)
        return (value,) if isinstance(value, int) else value


class RequestStep(Strict):
    """One request. Exactly one method key; its value is the path, in which ``${name}`` is replaced.

    Attributes:
        name: Names the step in results; the method and path where it is left out.
        headers: Further request headers.
        query: Query parameters, percent-encoded for the author.
        json_body: Body sent as JSON (key ``json``). At most one of ``json``, ``form`` and ``body``.
        form: Body sent as ``application/x-www-form-urlencoded``.
        body: Body sent as it is, UTF-8.
        expect: What the answer must be.
        extract: Variables taken from the answer, for later steps.
        deadline: Longest wait for the whole answer, from the actual send; the plan's where it is left out.
        when: Take this step only if this variable has a value; otherwise the step is not intended at all.
    """

    name: Name | None = None
    get: str | None = None
    post: str | None = None
    put: str | None = None
    patch: str | None = None
    delete: str | None = None
    head: str | None = None
    options: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str | int | float] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    form: dict[str, str | int | float] | None = None
    body: str | None = None
    expect: Check = Check()
    extract: dict[Identifier, Extract] = Field(default_factory=dict)
    deadline: Duration | None = None
    when: Identifier | None = None

    @model_validator(mode="after")
    def _one_method_one_body(self) -> RequestStep:
        methods = [m for m in METHODS if getattr(self, m) is not None]
        if len(methods) != 1:
            found = " and ".join(methods) or "none"
            raise ValueError(f"a step with {found} of the methods; write exactly one of {', '.join(METHODS)} or pause")
        if not self.path.startswith(("/", "${")):
            raise rule_broken("a path without its leading slash; write /path", methods[0])
        if sum(body is not None for body in (self.json_body, self.form, self.body)) > 1:
            raise ValueError("a request with more than one body; keep one of json, form and body")
        return self

    @property
    def method(self) -> str:
        """Return the method in upper case."""
        return next(m for m in METHODS if getattr(self, m) is not None).upper()

    @property
    def path(self) -> str:
        """Return the path as written, with its ``${...}``."""
        return str(getattr(self, self.method.lower()))

    @property
    def label(self) -> str:
        """Return the name that results use."""
        return self.name or f"{self.method} {self.path.partition('?')[0]}"


class PauseStep(Strict):
    """A citizen thinks: no request for a while."""

    pause: Duration


def _step_kind(value: object) -> str:
    is_pause = "pause" in value if isinstance(value, dict) else isinstance(value, PauseStep)
    return "pause" if is_pause else "request"


Step: TypeAlias = Annotated[
    Annotated[RequestStep, Tag("request")] | Annotated[PauseStep, Tag("pause")], Discriminator(_step_kind)
]


class Feed(Strict):
    """Rows of a CSV file, one per session.

    Attributes:
        csv: Path of the file, relative to the plan. The first row names the columns.
        order: ``unique``: each row once in a trial, and a trial that would need more rows is refused.
            ``cycle``: from the start again after the last. ``random``: drawn from the session's own seed.
        encoding: Of the file.
    """

    csv: str
    order: Literal["unique", "cycle", "random"] = "unique"
    encoding: str = "utf-8"

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"csv": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string"}, whole]}


class Journey(Strict):
    """What one citizen does, step by step.

    Attributes:
        weight: Share among journeys; above zero, at most a million (the sum of all must be finite).
        feed: Variable name to the file whose columns it carries: ``${patron.id}``.
        steps: In order; at least one request. A journey written in Python lists the names of its steps instead.
        python: ``file.py:function`` of a coroutine, for local and trusted use.
        step_names: The names a Python journey gives to its requests.
    """

    weight: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    feed: dict[Identifier, Feed] = Field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    python: str | None = None
    step_names: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _something_to_do(self) -> Journey:
        if self.python is not None:
            if self.steps or not self.step_names:
                message = "a journey in Python with steps or without step_names; list the names of its requests there"
                raise ValueError(message)
        elif not any(isinstance(step, RequestStep) for step in self.steps):
            raise ValueError("a journey without a request; write at least one step such as get: /")
        elif self.step_names:
            raise ValueError("step_names is for journeys in Python; name each step by its own name")
        return self

    @property
    def requests(self) -> tuple[RequestStep, ...]:
        """Return its requests in order, without the pauses."""
        return tuple(step for step in self.steps if isinstance(step, RequestStep))

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of its requests: the index of a name is ``step`` in a record."""
        return self.step_names or tuple(step.label for step in self.requests)
