"""Journeys: what one citizen does, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from seatrial.model.answer import Check, Extract
from seatrial.model.document import Identifier, Name, Strict, exactly_one, rule_broken
from seatrial.model.request import METHODS, Auth, RequestStep
from seatrial.model.steps import MOST_REQUESTS, MOST_STEPS, PauseStep, Step, most_requests, most_steps, requests_in

__all__ = ["METHODS", "Check", "Extract", "Feed", "Journey", "PauseStep", "RequestStep", "Step", "Synthetic"]

Synthetic = Literal[
    "hk identity number",
    "name in english",
    "name in chinese",
    "hk mobile number",
    "hk landline number",
    "e-mail address",
    "date of birth",
    "uuid",
]
"""Kinds of made-up personal data. None is taken from a person; numbers have the form and check digit of real ones."""

RESOURCES = " (resources)"


class Feed(Strict):
    """Rows of a CSV or a JSON lines file, one per session.

    Attributes:
        csv: Path of a CSV file, relative to the plan. The first row names the columns.
        jsonl: Path of a file with one JSON object per line, all with the same names (RFC 8259, UTF-8).
        order: ``unique``: each row once in a trial, and a trial that would need more rows is refused.
            ``cycle``: from the start again after the last. ``random``: drawn from the session's own seed.
        encoding: Of a CSV file.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("csv", "jsonl"))

    csv: str | None = None
    jsonl: str | None = None
    order: Literal["unique", "cycle", "random"] = "unique"
    encoding: str = "utf-8"

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return {"jsonl": value} if value.lower().endswith((".jsonl", ".ndjson")) else {"csv": value}

    @model_validator(mode="after")
    def _one_file(self) -> Feed:
        if (self.csv is None) == (self.jsonl is None):
            raise ValueError("not exactly one file of a feed; write csv or jsonl")
        if self.jsonl is not None and self.encoding.lower() not in ("utf-8", "utf8"):
            raise rule_broken("an encoding of JSON lines, which are UTF-8; leave it out", "encoding")
        return self

    @property
    def path(self) -> str:
        """Return the path as written."""
        return str(self.csv if self.csv is not None else self.jsonl)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string"}, whole]}


class Journey(Strict):
    """What one citizen does, step by step.

    Attributes:
        weight: Share among journeys; above zero, at most a million (the sum of all must be finite).
        feed: Variable name to the file whose columns it carries: ``${patron.id}``.
        synthetic: Variable name to the kind of made-up data it carries, drawn anew for every session.
        auth: As whom its requests are sent, where a step does not say otherwise.
        steps: In order; at least one request. A journey written in Python lists the names of its steps instead.
        python: ``file.py:function`` of a coroutine, for local and trusted use.
        step_names: The names a Python journey gives to its requests.
    """

    weight: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    feed: dict[Identifier, Feed] = Field(default_factory=dict)
    synthetic: dict[Identifier, Synthetic] = Field(default_factory=dict)
    auth: Auth | None = None
    steps: tuple[Step, ...] = ()
    python: str | None = None
    step_names: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _something_to_do(self) -> Journey:
        if self.python is not None:
            if self.steps or not self.step_names:
                message = "a journey in Python with steps or without step_names; list the names of its requests there"
                raise ValueError(message)
        elif not self.requests:
            raise ValueError("a journey without a request; write at least one step such as get: /")
        elif self.step_names:
            raise ValueError("step_names is for journeys in Python; name each step by its own name")
        if most_requests(self.steps) > MOST_REQUESTS:
            raise rule_broken(f"a session of more than {MOST_REQUESTS} requests; repeat less often", "steps")
        if most_steps(self.steps) > MOST_STEPS:
            raise rule_broken(f"a session of more than {MOST_STEPS} steps; repeat less often", "steps")
        return self

    @property
    def requests(self) -> tuple[RequestStep, ...]:
        """Return its requests in the order in which they are written, those in groups, loops and choices too."""
        return tuple(step for step, _, _ in requests_in(self.steps))

    def indexed(self) -> Iterator[tuple[int, RequestStep]]:
        """Yield each request with its index: ``step`` in a record. A page's resources have the index after its own."""
        index = 0
        for step in self.requests:
            yield index, step
            index += 2 if step.resources else 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of its requests: the index of a name is ``step`` in a record."""
        if self.step_names:
            return self.step_names
        names: list[str] = []
        for step in self.requests:
            names += [step.label, step.label + RESOURCES] if step.resources else [step.label]
        return tuple(names)

    @property
    def certain(self) -> tuple[bool, ...]:
        """Return for each label whether every session has a record of it."""
        return self._flags(lambda certain, _: certain, False)

    @property
    def returning(self) -> tuple[bool, ...]:
        """Return for each label whether one session may have several records of it."""
        return self._flags(lambda _, returns: returns, True)

    def _flags(self, flag: Any, otherwise: bool) -> tuple[bool, ...]:
        if self.python is not None:
            return (otherwise,) * len(self.step_names)
        flags: list[bool] = []
        for step, certain, returns in requests_in(self.steps):
            flags += [flag(certain, returns), otherwise] if step.resources else [flag(certain, returns)]
        return tuple(flags)

    @property
    def is_plain(self) -> bool:
        """Return whether every session takes the same requests, once each, with the same pauses between them."""
        simple = all(isinstance(step, (RequestStep, PauseStep)) for step in self.steps)
        if self.python is not None or not simple or any(step.resources or step.retry for step in self.requests):
            return False
        return all(isinstance(step.pause, int) for step in self.steps if isinstance(step, PauseStep))
