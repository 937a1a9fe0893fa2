"""The plan: what is asked of whom, as data.

The models here are the document itself: what an author writes in YAML is what stands in the bundle's
``plan.json``, and reading that file gives back an equal plan. Unknown keys are errors. ``plan_json_schema``
publishes the grammar.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from seatrial.model.document import Duration, Name, Rate, Strict
from seatrial.model.journey import Journey, PauseStep, RequestStep
from seatrial.model.profile import Arrivals
from seatrial.model.trial import Trial
from seatrial.units import SECOND

__all__ = ["Authorisation", "Deadlines", "Demand", "Plan", "Tls", "plan_document", "plan_json_schema", "trial_slug"]


class Demand(Strict):
    """The forecast.

    Attributes:
        peak: P, journeys per second in the high case.
        source: Where the figure comes from.
    """

    peak: Rate
    source: str | None = None


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
    """

    ca: str | None = None


class Authorisation(Strict):
    """Whose word allows loading a target beyond loopback.

    Attributes:
        targets: ``host:port`` of everything that may be loaded.
        reference: Of the test order or the owner's consent.
        granted_by: Who gave it.
        abort_contact: Whom to call to have the trial stopped.
        max_rate: Highest permitted arrival rate; a plan that would exceed it is refused.
    """

    targets: tuple[str, ...] = Field(min_length=1)
    reference: str = Field(min_length=1)
    granted_by: str = Field(min_length=1)
    abort_contact: str = Field(min_length=1)
    max_rate: Rate


class Plan(Strict):
    """A whole plan. Defaults are those of a cautious tester."""

    seatrial: Literal[1]
    title: Name
    target: str
    demand: Demand
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    arrivals: Arrivals = "poisson"
    connections: Literal["session", "shared"] = "session"
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    headers: dict[str, str] = Field(default_factory=dict)
    deadlines: Deadlines = Deadlines()
    tls: Tls = Tls()
    authorisation: Authorisation | None = None
    journeys: dict[Name, Journey] = Field(min_length=1)
    trials: tuple[Trial, ...] = Field(min_length=1)

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

    @property
    def drain_ns(self) -> int:
        """Return the longest that a session can last, plus a second: a stage waits so long for its tail.

        The wait ends as soon as no session is left; the bound only matters when a service hangs.
        """
        longest = 0
        for journey in self.journeys.values():
            waits = [step.pause if isinstance(step, PauseStep) else self.wait_ns(step) for step in journey.steps]
            waits += [self.deadlines.connect + self.deadlines.response for _ in journey.step_names]
            longest = max(longest, sum(waits))
        return longest + SECOND

    def wait_ns(self, step: RequestStep) -> int:
        """Return the longest that one request can take: the deadline to connect and the one for the answer."""
        own = self.deadlines.response if step.deadline is None else step.deadline
        return self.deadlines.connect + own

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
