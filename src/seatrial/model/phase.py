"""Steps that are taken once, outside the results: set-up, tear-down, a fault and its end."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from seatrial.model.document import Strict, rule_broken
from seatrial.model.request import Auth, RequestStep
from seatrial.model.steps import PauseStep

__all__ = ["Phase"]


class Phase(Strict):
    """Steps that are taken once, outside the results: before a trial's clock starts, or after its last session.

    They are taken by one session of the same engine, with the plan's transport, headers, deadlines and redirects, and
    last no longer than these allow. A step that fails ends them, unless it says ``on_failure: continue``. A set-up
    that fails ends the run; a tear-down that fails is told and changes no verdict.

    Attributes:
        auth: As whom, where a step does not say otherwise.
        steps: Requests and pauses, in order. What set-up extracts, every session of the trial and the tear-down have
            as variables; no evidence holds it.
    """

    auth: Auth | None = None
    steps: tuple[
        Annotated[
            Annotated[RequestStep, Tag("request")] | Annotated[PauseStep, Tag("pause")],
            Discriminator(
                lambda value: (
                    "pause"
                    if isinstance(value, PauseStep) or (isinstance(value, dict) and "pause" in value)
                    else "request"
                )
            ),
        ],
        ...,
    ] = Field(min_length=1)

    @model_validator(mode="after")
    def _asks_something(self) -> Phase:
        if not any(isinstance(step, RequestStep) for step in self.steps):
            raise rule_broken("pauses alone; write at least one request such as post: /faults", "steps")
        return self
