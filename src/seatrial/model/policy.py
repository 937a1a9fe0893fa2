"""The policy: the rules of the measure, as data that another government copies and edits.

It holds what a verdict and a confirmation need (the validity rules and the mandatory trials) and what the portal asks
(which systems are selected, and what their dossier must hold). Its digest enters every statement, so nobody can change
the rules after the trial.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from seatrial.model.document import Duration, Limit, LoadLevel, Name, Strict, rule_broken
from seatrial.model.selection import DossierItem, Selection
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


_ONLY_FOR = {"runs": "load", "times": "spike", "base": "spike", "rise": "spike", "disturbance": "recovery"}


class Required(Strict):
    """A trial that a confirmation needs, at the least.

    What only some policies ask is None where it is not asked, so that a policy from before it could be is read as ever.

    Attributes:
        kind: Its kind.
        at_least: Lowest load level it must reach; of a recovery that before and after the disturbance.
        hold: Shortest judged time at that level; of a spike each burst, of a recovery the time after the disturbance.
        objectives: Limits that its own must be as strict as.
        runs: Of a load trial: fewest runs.
        times: Of a spike: fewest bursts.
        base: Of a spike: highest load of the calm.
        rise: Of a spike: longest time in which the burst comes.
        disturbance: Of a recovery: what it must be from; either where it is left out.
        overload: Of a recovery from an overload: lowest level of that.
    """

    kind: Literal["load", "stress", "spike", "soak", "recovery"]
    at_least: LoadLevel
    hold: Duration
    objectives: tuple[Limit, ...] = Field(min_length=1)
    runs: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    base: LoadLevel | None = None
    rise: Duration | None = None
    disturbance: Literal["overload", "fault"] | None = None
    overload: LoadLevel | None = None

    @model_validator(mode="after")
    def _of_its_kind(self) -> Required:
        for key, kind in _ONLY_FOR.items():
            if getattr(self, key) is not None and self.kind != kind:
                raise rule_broken(f"'{key}' of a {self.kind} trial, which has none; move it to a {kind} trial", key)
        if self.overload is not None and self.disturbance != "overload":
            raise rule_broken("'overload' without that disturbance; write disturbance: overload", "overload")
        return self


class Acceptance(Strict):
    """What a confirmation needs.

    Attributes:
        mandatory: Every trial here, passed.
        sealed_by: Whose seal the criteria must bear: a test arranger's of the authority, which is asked where it is
            left out too, or a tester's suffices. A tester who seals alone can seal anew and begin at attempt 1 again.
    """

    mandatory: tuple[Required, ...] = Field(min_length=1)
    sealed_by: Literal["test-arranger", "tester"] | None = None


class Policy(Strict):
    """A whole policy.

    Attributes:
        policy: Version of this grammar.
        title: For people.
        validity: When records can be believed.
        acceptance: What a confirmation needs.
        selection: Which systems are put to trial; None in a policy that judges trials only.
        dossier: What the readiness dossier must hold, no item twice; None likewise.
    """

    policy: Literal[1]
    title: Name
    note: str | None = None
    validity: Validity = Validity()
    acceptance: Acceptance
    selection: Selection | None = None
    dossier: Annotated[tuple[DossierItem, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _each_item_once(self) -> Policy:
        names = [item.name for item in self.dossier or ()]
        for name in names:
            if names.count(name) > 1:
                raise rule_broken(f"the dossier item {name} twice; name each once", "dossier")
        return self

    def as_document(self) -> dict[str, Any]:
        """Return the policy as JSON-ready data, every default written out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
