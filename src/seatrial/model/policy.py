"""The policy: the rules of the measure, as data that another government copies and edits.

For now it holds what a verdict and a confirmation need: the validity rules and the mandatory trials. Its digest
enters every statement, so nobody can change the rules after the trial.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from seatrial.model.document import Duration, Limit, LoadLevel, Name, Strict
from seatrial.units import MS

__all__ = ["Acceptance", "Policy", "Required", "Validity"]

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Validity(Strict):
    """When the records can be believed at all. Shares are fractions of one.

    Attributes:
        min_samples: Fewest judged records in a trial.
        generator_cpu: Highest share of its time in which any worker's event loop may be busy, in any ten seconds.
        steal: Highest share of any core in use that the hypervisor took, as the mean over a stage's judged time.
        unsent: Highest share of intended steps that the generator failed to send.
        send_lag_share: Highest p99 of send lag, as a share of the trial's tightest time limit...
        send_lag_floor: ...but never stricter than this, and the limit where a trial limits no time.
        confidence: Two-sided confidence level of every bound.
    """

    min_samples: Annotated[int, Field(ge=1)] = 200
    generator_cpu: Share = 0.7
    steal: Share = 0.05
    unsent: Share = 0.005
    send_lag_share: Share = 0.05
    send_lag_floor: Duration = 10 * MS
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Required(Strict):
    """A trial that a confirmation needs, at the least.

    Attributes:
        kind: Its kind.
        at_least: Lowest load level it must reach.
        hold: Shortest judged time at that level.
        objectives: Limits that its own must be as strict as.
    """

    kind: Literal["load", "stress", "spike", "soak", "recovery"]
    at_least: LoadLevel
    hold: Duration
    objectives: tuple[Limit, ...] = Field(min_length=1)


class Acceptance(Strict):
    """What a confirmation needs: every trial here, passed."""

    mandatory: tuple[Required, ...] = Field(min_length=1)


class Policy(Strict):
    """A whole policy.

    Attributes:
        policy: Version of this grammar.
        title: For people.
        validity: When records can be believed.
        acceptance: What a confirmation needs.
    """

    policy: Literal[1]
    title: Name
    note: str | None = None
    validity: Validity = Validity()
    acceptance: Acceptance

    def as_document(self) -> dict[str, Any]:
        """Return the policy as JSON-ready data, every default written out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
