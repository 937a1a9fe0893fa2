"""What a verification of a bundle reports: its steps, and what could be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from seatrial.evidence.keys import TrustedKey
from seatrial.evidence.plan_seal import SignedSeal
from seatrial.evidence.statement import SealedResult
from seatrial.model.release import Release

__all__ = ["Step", "StepStatus", "VerificationReport"]


class StepStatus(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification: number (from 1), title, how it ended, and a sentence."""

    number: int
    title: str
    status: StepStatus
    sentence: str

    def __str__(self) -> str:
        return f"{self.number}. {self.title}: {self.status} - {self.sentence}"


@dataclass(frozen=True)
class VerificationReport:
    """What a verification found. The fields after ``steps`` are None where they could not be read.

    Attributes:
        steps: All, in order.
        complete: Whether every step that there is was taken.
        digest: The evidence digest (SHA-256 of ``manifest.json``).
        verdict: ``verdict.json``, parsed.
        plan: ``plan.json``, parsed.
        policy: ``policy.json``, parsed.
        policy_digest: SHA-256 of ``policy.json``.
        release: The release that was tried; None also where the bundle has none.
        test_result: The tester's statement, verified.
        test_result_digest: SHA-256 of the statement's bytes.
        sealed_by: The testers' keys that sealed it; empty where no trusted tester did.
        plan_seal: The seal of its plan, which was signed before the run and binds what was tried.
    """

    steps: tuple[Step, ...]
    complete: bool = False
    digest: str | None = None
    verdict: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    policy_digest: str | None = None
    release: Release | None = None
    test_result: SealedResult | None = None
    test_result_digest: str | None = None
    sealed_by: tuple[TrustedKey, ...] = ()
    plan_seal: SignedSeal | None = None

    @property
    def ok(self) -> bool:
        """Whether every step ran and none failed."""
        return self.complete and bool(self.steps) and all(s.status is not StepStatus.FAILED for s in self.steps)

    @property
    def failures(self) -> tuple[Step, ...]:
        """The steps that failed."""
        return tuple(s for s in self.steps if s.status is StepStatus.FAILED)

    def to_object(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "ok": self.ok,
            "digest": self.digest,
            "steps": [
                {"number": s.number, "title": s.title, "status": str(s.status), "sentence": s.sentence}
                for s in self.steps
            ],
        }
