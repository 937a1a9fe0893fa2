"""A request: what is sent, as whom, and what a person does when no answer comes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic_core import CoreSchema

from seatrial.model.answer import Check, Extract
from seatrial.model.document import Duration, Identifier, Name, Strict, exactly_one, rule_broken
from seatrial.model.template import Variable, parse_template

__all__ = ["METHODS", "MOST_FILE_BYTES", "Auth", "Basic", "Condition", "FilePart", "RequestStep", "Retry"]

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
MOST_FILE_BYTES = 16 << 20
"""Of one file in a multipart body: workers hold it in memory."""

_BODIES = ("json", "form", "multipart", "body")


class Condition(Strict):
    """When a step or a group of steps is taken. A name alone: when that variable has a value.

    Attributes:
        value: The variable; of a feed with its column, as in ``patron.kind``.
        equals: What it must be; text, number, true or false.
        matches: Regular expression that must be found in it.
        above: Number that it must be more than; text that reads as a number counts.
        below: Number that it must be less than.
        negated: Turn it round (key ``not``): a variable without a value then fulfils it.
    """

    value: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[^{}\x00-\x1f\x7f]+)?$")]
    equals: str | int | float | bool | None = None
    matches: str | None = None
    above: float | None = None
    below: float | None = None
    negated: bool = Field(default=False, alias="not")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"value": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_comparison(self) -> Condition:
        if sum(item is not None for item in (self.equals, self.matches, self.above, self.below)) > 1:
            raise ValueError("a condition with more than one comparison; keep one of equals, matches, above and below")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [whole["properties"]["value"] | {"title": "Variable"}, whole]}


class FilePart(Strict):
    """A file in a multipart body.

    Attributes:
        file: Path, relative to the plan and inside its folder; at most 16 MiB.
        name: Name that the service is told; the file's own where it is left out.
        type: Media type that the service is told.
    """

    file: str = Field(min_length=1)
    name: str | None = None
    type: str = "application/octet-stream"


def _part_kind(value: object) -> str:
    return "FilePart" if isinstance(value, dict | FilePart) else "text"


_Part = Annotated[Annotated[str, Tag("text")] | Annotated[FilePart, Tag("FilePart")], Discriminator(_part_kind)]


class Basic(Strict):
    """A user name and a password (RFC 7617). The password must be a variable: a plan is sealed into the evidence."""

    user: str
    password: str


class Auth(Strict):
    """As whom a request is sent. Exactly one kind.

    That of a journey is sent as soon as its variables have values: the request that signs in goes without.

    Attributes:
        basic: User name and password.
        bearer: Token (RFC 6750); must be a variable.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one("basic", "bearer"))

    basic: Basic | None = None
    bearer: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Auth:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("not exactly one kind of authentication; write basic or bearer")
        secret = self.basic.password if self.basic else str(self.bearer)
        if not any(isinstance(part, Variable) for part in _parsed(secret)):
            key = "basic" if self.basic else "bearer"
            raise rule_broken("a secret in the plan, which is sealed into the evidence; take it from a feed", key)
        return self


def _parsed(template: str) -> tuple[str | Variable, ...]:
    try:
        return parse_template(template)
    except ValueError as error:
        raise rule_broken(str(error)) from error


class Retry(Strict):
    """What an impatient person does: reload.

    Each attempt that is given up is a record of its own with the outcome ``retried``. The step's own record waits
    from the first intention to the last answer, as the person did.

    Attributes:
        after: How long they wait for an answer before they reload.
        most: How often at most.
        on_error: Whether they reload at once on an error page or a broken connection too, after ``pause``.
        pause: What they wait after an error before they reload.
    """

    after: Duration = Field(gt=0)
    most: Annotated[int, Field(ge=1, le=100)] = 3
    on_error: bool = False
    pause: Duration = 0


class RequestStep(Strict):
    """One request. Exactly one method key; its value is the path, in which ``${name}`` is replaced.

    Attributes:
        name: Names the step in results; the method and path where it is left out.
        headers: Further request headers.
        query: Query parameters, percent-encoded for the author.
        auth: As whom; the journey's where it is left out.
        json_body: Body sent as JSON (key ``json``). At most one of ``json``, ``form``, ``multipart`` and ``body``.
        form: Body sent as ``application/x-www-form-urlencoded``.
        multipart: Body sent as ``multipart/form-data`` (RFC 7578): fields by name, text or files.
        body: Body sent as it is, UTF-8.
        expect: What the answer must be.
        extract: Variables taken from the answer, for later steps.
        deadline: Longest wait for the whole answer, from the actual send; the plan's where it is left out.
        redirects: How many redirects are followed; the plan's where it is left out.
        retry: Reload as impatient people do; never where it is left out.
        resources: Whether the page's images, styles and scripts are fetched too, in parallel, as a browser does.
        when: Take this step only then; otherwise it is not intended at all.
        on_failure: Whether the session ends when the step fails, or goes on.
    """

    model_config = ConfigDict(json_schema_extra=exactly_one(*METHODS))

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
    auth: Auth | None = None
    json_body: Any = Field(default=None, alias="json")
    form: dict[str, str | int | float] | None = None
    multipart: dict[str, _Part] | None = None
    body: str | None = None
    expect: Check = Check()
    extract: dict[Identifier, Extract] = Field(default_factory=dict)
    deadline: Annotated[Duration, Field(gt=0)] | None = None
    redirects: Annotated[int, Field(ge=0, le=20)] | None = None
    retry: Retry | None = None
    resources: bool = False
    when: Condition | None = None
    on_failure: Literal["end", "continue"] = "end"

    @model_validator(mode="after")
    def _one_method_one_body(self) -> RequestStep:
        methods = [m for m in METHODS if getattr(self, m) is not None]
        if len(methods) != 1:
            found = " and ".join(methods) or "none"
            raise ValueError(f"a step with {found} of the methods; write exactly one of {', '.join(METHODS)} or pause")
        if not self.path.startswith(("/", "${")):
            raise rule_broken("a path without its leading slash; write /path", methods[0])
        if sum(body is not None for body in (self.json_body, self.form, self.multipart, self.body)) > 1:
            raise ValueError(f"a request with more than one body; keep one of {', '.join(_BODIES)}")
        if self.resources and self.method != "GET":
            raise rule_broken("resources of an answer that is no page; write it at a get", "resources")
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
