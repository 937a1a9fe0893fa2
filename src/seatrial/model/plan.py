"""The plan: what is asked of whom, as data.

The models here are the document itself: what an author writes in YAML is what stands in the bundle's
``plan.json``, and reading that file gives back an equal plan. Unknown keys are errors. ``plan_json_schema``
publishes the grammar.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from seatrial.model.document import Duration, Identifier, Name, Rate, Strict, rule_broken
from seatrial.model.journey import Journey
from seatrial.model.objective import Metric, Objective
from seatrial.model.phase import Phase
from seatrial.model.profile import Arrivals
from seatrial.model.request import RequestStep
from seatrial.model.steps import longest_ns
from seatrial.model.telemetry import Telemetry
from seatrial.model.trial import Trial
from seatrial.units import SECOND

__all__ = [
    "Deadlines",
    "Demand",
    "Plan",
    "StopRules",
    "Tls",
    "plan_document",
    "plan_json_schema",
    "trial_slug",
]


class Demand(Strict):
    """The forecast.

    Attributes:
        peak: P, journeys per second in the high case.
        source: Where the figure comes from.
        forecast: A file with the assumptions that it follows from, relative to the plan.
        case: The forecast's case that P is; ``high`` where it is left out.
    """

    peak: Rate
    source: str | None = None
    forecast: str | None = None
    case: Identifier | None = None

    @model_validator(mode="after")
    def _case_of_a_forecast(self) -> Demand:
        if self.case is not None and self.forecast is None:
            raise rule_broken("a case without its forecast; write forecast: and the file beside it", "case")
        return self


class Deadlines(Strict):
    """How long the generator waits.

    Attributes:
        connect: For a connection, TLS included.
        response: For the whole answer, from the actual send.
    """

    connect: Duration = 5 * SECOND
    response: Duration = 30 * SECOND


class Tls(Strict):
    """How the target proves who it is. There is no switch that turns the proof off.

    Attributes:
        ca: PEM file of the issuer to trust instead of the system's, relative to the plan.
        certificate: PEM file of the client's certificate (with its chain), relative to the plan.
        key: PEM file of its private key; the certificate's own file where it is left out. Never kept as evidence.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Tls:
        if self.key is not None and self.certificate is None:
            raise rule_broken("a private key without its certificate; write certificate beside it", "key")
        return self


class StopRules(Strict):
    """When a trial or a run ends by itself before its plan is through.

    A run that ends so is merged, judged and sealed as ever. An answer with a ``seatrial-stop`` field ends every run.

    Attributes:
        hopeless: End a trial once a limit can't be kept any more, even if all that is still to come were perfect.
            It fails; the trials after it are run.
        url: Path on the target that is asked once a second: the answer 200 with the word ``stop`` in its body ends the
            run. Any other answer, or none within two seconds, changes nothing.
        file: A file, relative to the plan, that must not be there yet; the run ends when it appears.
    """

    hopeless: bool = False
    url: str | None = None
    file: str | None = None

    @field_validator("url")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"/(?!/)[\x21-\x7e]*", value):
            raise ValueError("not a path on the target; write /path")
        return value


class Plan(Strict):
    """A whole plan. Defaults are those of a cautious tester.

    Attributes:
        seatrial: Version of the grammar.
        title: Of the plan.
        target: Base address of the service.
        demand: The forecast.
        seed: Of everything that is drawn.
        arrivals: Poisson or evenly spaced.
        transport: Version of HTTP that is spoken; another is never taken instead.
        connections: Whether every session opens its own, as citizens do, or sessions share what stays open.
        source_addresses: Addresses of this machine that connections come from, each in turn.
        proxy: ``http://host:port`` of a proxy that all requests go through.
        max_sessions: Cap on sessions in progress, over all workers; what is beyond it is recorded as unsent.
        redirects: How many redirects a step follows, on the target alone.
        headers: Of every request.
        deadlines: How long the generator waits.
        tls: How the target proves who it is, and how the generator does.
        set_up: Taken once before each trial.
        tear_down: Taken once after each trial, however it ended.
        stop: When a run ends by itself.
        telemetry: What is read of the service itself while it is under load.
        journeys: What citizens do.
        trials: How load is offered, and the limits.
    """

    seatrial: Literal[1]
    title: Name
    target: str
    demand: Demand
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    arrivals: Arrivals = "poisson"
    transport: Literal["http/1.1", "http/2", "http/3"] = "http/1.1"
    connections: Literal["session", "shared"] = "session"
    source_addresses: tuple[str, ...] = ()
    proxy: str | None = None
    redirects: Annotated[int, Field(ge=0, le=20)] = 10
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    headers: dict[str, str] = Field(default_factory=dict)
    deadlines: Deadlines = Deadlines()
    tls: Tls = Tls()
    set_up: Phase | None = None
    tear_down: Phase | None = None
    stop: StopRules = StopRules()
    telemetry: Telemetry | None = None
    journeys: dict[Name, Journey] = Field(min_length=1)
    trials: tuple[Trial, ...] = Field(min_length=1)

    @field_validator("source_addresses")
    @classmethod
    def _own_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ip_address(address)
            except ValueError as error:
                raise ValueError(f"{address} is not an IP address; write one such as 127.0.0.2") from error
        return value

    @field_validator("proxy")
    @classmethod
    def _proxy_address(cls, value: str | None) -> str | None:
        host = r"(?:[A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\])"
        if value is not None and not (
            (found := re.fullmatch(rf"http://{host}:(\d{{1,5}})", value)) and 0 < int(found[1]) < 65536
        ):
            raise ValueError("not the address of a proxy; write http://host:port")
        return value

    @model_validator(mode="after")
    def _transport_that_there_is(self) -> Plan:
        if self.transport == "http/3" and self.proxy is not None:
            raise rule_broken("HTTP/3 through a proxy, which carries TCP; leave proxy out, or write http/2", "proxy")
        if self.transport == "http/3" and not self.target.startswith("https:"):
            raise rule_broken("HTTP/3 without TLS; write https:// in target, or another transport", "transport")
        return self

    @field_validator("target")
    @classmethod
    def _base_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError as error:
            raise ValueError("not the address of a service; write http://host:port or https://host:port") from error
        if not all("!" <= character <= "~" for character in value):
            raise ValueError(
                "an address with spaces or other than ASCII; percent-encode the path, write the host in ASCII"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not the address of a service; write http://host:port or https://host:port")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("a target with a user, password, query or fragment; put credentials into headers or feeds")
        try:
            _ = parts.port
        except ValueError as error:
            raise ValueError("a port that is not a number below 65536; write http://host:port") from error
        return value.rstrip("/")

    @model_validator(mode="after")
    def _telemetry_that_is_read(self) -> Plan:
        for number, trial in enumerate(self.trials):
            for place, objective in enumerate(trial.objectives):
                if objective.series is not None and (wrong := _wrong_with(objective, self.telemetry)):
                    raise rule_broken(wrong, "trials", number, "objectives", place)
        return self

    @property
    def drain_ns(self) -> int:
        """Return the longest that a session can last, plus a second: a stage waits so long for its tail.

        The wait ends as soon as no session is left; the bound only matters when a service hangs.
        """
        longest = 0
        for journey in self.journeys.values():
            python = len(journey.step_names) * (self.deadlines.connect + self.deadlines.response)
            longest = max(longest, python + longest_ns(journey.steps, self.step_wait_ns))
        return longest + SECOND

    def wait_ns(self, step: RequestStep) -> int:
        """Return the longest that one request can take: the deadline to connect and the one for the answer."""
        own = self.deadlines.response if step.deadline is None else step.deadline
        return self.deadlines.connect + own

    def step_wait_ns(self, step: RequestStep) -> int:
        """Return the longest that a step can take with its retries and resources; redirects share its deadline."""
        one = self.wait_ns(step)
        if step.retry is not None:
            one += step.retry.most * (step.retry.after + step.retry.pause)
        return one + (self.wait_ns(step) if step.resources else 0)

    @property
    def weights(self) -> tuple[float, ...]:
        """Return the journeys' weights in the plan's order."""
        return tuple(journey.weight for journey in self.journeys.values())

    def trial_names(self) -> tuple[str, ...]:
        """Return one distinct name per trial: its title, numbered where a title returns."""
        titles = [trial.title for trial in self.trials]
        return tuple(
            title if titles.count(title) == 1 else f"{title} {titles[: i + 1].count(title)}"
            for i, title in enumerate(titles)
        )


_WRITTEN_AS = {"share": "a percentage", "B": "bytes, such as 2 GB", "number": "a plain number"}


def _wrong_with(objective: Objective, telemetry: Telemetry | None) -> str | None:
    """Return why a limit on telemetry can't be judged; None where it can."""
    series = None if telemetry is None else telemetry.named(objective.series or "")
    if series is None:
        known = ", ".join(each.name for each in telemetry.series[:20]) if telemetry is not None else ""
        remedy = f"use one of {known}" if known else "name its source under telemetry"
        return f"a limit on {objective.series}, which the plan does not read; {remedy}"
    if objective.measure is not None and objective.measure != series.unit:
        return f"a limit on {series.name} in another unit than its readings; write {_WRITTEN_AS[series.unit]}"
    if objective.metric is Metric.EXHAUSTION and series.limit is None:
        return f"exhaustion of {series.name}, whose limit nobody knows; write limit: at the series"
    return None


_NOT_IN_A_FILE_NAME = re.compile(r"[^a-z0-9]+")


def trial_slug(index: int, name: str) -> str:
    """Return the name of a trial's folder in a bundle: ``01-stress``."""
    return f"{index + 1:02d}-{_NOT_IN_A_FILE_NAME.sub('-', name.lower()).strip('-')[:40] or 'trial'}"


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON-ready data that reads back to an equal plan, every default written out."""
    return plan.model_dump(mode="json", by_alias=True, exclude_none=True)


def plan_json_schema() -> dict[str, Any]:
    """Return the plan's grammar as JSON Schema 2020-12."""
    schema = Plan.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Seatrial plan"}
