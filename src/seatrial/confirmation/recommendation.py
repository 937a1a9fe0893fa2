"""The reviewer's recommendation, as an in-toto statement with a predicate of our own.

``urn:seatrial:recommendation:v1``, in a DSSE envelope signed by a reviewer who is not the tester:

    {"recommendation": "CONFIRM" | "CONFIRM_WITH_CONDITIONS" | "REFUSE",
     "findings": ["..."], "conditions": [{"id": "C1", "text": "...", "due": "2026-07-01T00:00:00Z"}],
     "issuedAt": "...",
     "policyDigest": {"sha256": "..."}, "evidenceDigest": {...}, "testResultDigest": {...}}

Every field is required and no other is known, as in the confirmation. The subjects are the release's; a recommendation
to refuse evidence without a release speaks about the evidence's manifest. The confirmation names the recommendation by
the SHA-256 of its payload, so that whoever departs from it departs in the open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from seatrial.clock import to_rfc3339
from seatrial.confirmation import reading
from seatrial.confirmation.statement import Condition, Ruling, parse_condition
from seatrial.errors import EnvelopeError, SignatureError
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.envelope import verify
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import REVIEWER, Trust, TrustedKey
from seatrial.evidence.verification import VerificationReport
from seatrial.model.release import Subject

__all__ = ["RECOMMENDATION_TYPE", "Recommendation", "Recommended", "SignedRecommendation", "read_recommendation"]

RECOMMENDATION_TYPE = "urn:seatrial:recommendation:v1"
_MAX_TEXT_CHARS = 4000
_SOURCE = "Ask the reviewer for a recommendation that is well-formed."
_FIELDS = {
    "recommendation",
    "findings",
    "conditions",
    "issuedAt",
    "policyDigest",
    "evidenceDigest",
    "testResultDigest",
}


class Recommended(StrEnum):
    """What the reviewer recommends."""

    CONFIRM = "CONFIRM"
    CONFIRM_WITH_CONDITIONS = "CONFIRM_WITH_CONDITIONS"
    REFUSE = "REFUSE"

    @property
    def ruling(self) -> Ruling:
        """The decision that follows it."""
        return _FOLLOWS[self]


_FOLLOWS = {
    Recommended.CONFIRM: Ruling.CONFIRMED,
    Recommended.CONFIRM_WITH_CONDITIONS: Ruling.CONFIRMED_WITH_CONDITIONS,
    Recommended.REFUSE: Ruling.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A reviewer's recommendation; what breaks a rule of the format can't be constructed.

    Attributes:
        recommended: What is recommended.
        findings: What the review found, as sentences; at least one, each at most 4000 characters.
        conditions: At least one for CONFIRM_WITH_CONDITIONS, none otherwise; each due after ``issued_at``.
        issued_at: When it was issued, UTC.
        policy_digest: SHA-256 of the bundle's ``policy.json``.
        evidence_digest: SHA-256 of the bundle's ``manifest.json``.
        test_result_digest: SHA-256 of the tester's statement.
        subjects: What it speaks about; at least one.

    Raises:
        EnvelopeError: A rule of the format is broken.
    """

    recommended: Recommended
    findings: tuple[str, ...]
    conditions: tuple[Condition, ...]
    issued_at: datetime
    policy_digest: str
    evidence_digest: str
    test_result_digest: str
    subjects: tuple[Subject, ...]

    def __post_init__(self) -> None:
        texts = [*self.findings, *(text for c in self.conditions for text in (c.id, c.text))]
        if not self.findings:
            _refuse("it gives no finding")
        if not all(text.strip() and len(text) <= _MAX_TEXT_CHARS for text in texts):
            _refuse("a text is empty or too long")
        if (self.recommended is Recommended.CONFIRM_WITH_CONDITIONS) != bool(self.conditions):
            _refuse("conditions stand with CONFIRM_WITH_CONDITIONS, and with nothing else", self.recommended)
        if len({c.id for c in self.conditions}) < len(self.conditions):
            _refuse("two conditions have one id")
        if any(c.due <= self.issued_at for c in self.conditions):
            _refuse("a condition is due before the recommendation is issued")

    def to_statement(self) -> Statement:
        """Return the statement that is signed."""
        return Statement(
            self.subjects,
            RECOMMENDATION_TYPE,
            {
                "recommendation": str(self.recommended),
                "findings": list(self.findings),
                "conditions": [c.to_object() for c in self.conditions],
                "issuedAt": to_rfc3339(self.issued_at),
                "policyDigest": {"sha256": self.policy_digest},
                "evidenceDigest": {"sha256": self.evidence_digest},
                "testResultDigest": {"sha256": self.test_result_digest},
            },
        )

    def departures(self, ruling: Ruling, conditions: tuple[Condition, ...]) -> tuple[str, ...]:
        """Say how a decision departs from this recommendation; empty when it follows it."""
        found = []
        if ruling is not self.recommended.ruling:
            found.append(f"the reviewer recommends {self.recommended}, the decision is {ruling}")
        elif set(conditions) != set(self.conditions):
            found.append("the conditions are not those that the reviewer recommends")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class SignedRecommendation:
    """A recommendation that was verified.

    Attributes:
        recommendation: What it says.
        digest: SHA-256 of its payload, which a confirmation names.
        signed_by: The reviewers' keys.
    """

    recommendation: Recommendation
    digest: str
    signed_by: tuple[TrustedKey, ...]

    def objections(self, report: VerificationReport, now: datetime) -> tuple[str, ...]:
        """Say why a decision on this evidence can't rest on it; empty when it can.

        Args:
            report: The verification of the evidence that is decided on.
            now: The time of the decision, with a zone.
        """
        said, found = self.recommendation, []
        if (said.evidence_digest, said.policy_digest, said.test_result_digest) != (
            report.digest,
            report.policy_digest,
            report.test_result_digest,
        ):
            found.append("the recommendation speaks about other evidence")
        if report.release is not None and said.subjects != report.release.subjects:
            found.append("the recommendation speaks about another release")
        if now < said.issued_at:
            found.append(f"the recommendation is from the future: {to_rfc3339(said.issued_at)}")
        testers = {tester.holder for tester in report.sealed_by}
        found += [f"{key.name}, who recommends, is the tester" for key in self.signed_by if key.holder in testers]
        return tuple(found)


def read_recommendation(envelope: bytes, trust: Trust) -> SignedRecommendation:
    """Verify and read a recommendation, strictly. What it is about is asked of :meth:`SignedRecommendation.objections`.

    Raises:
        EnvelopeError: Malformed, of another type, a field missing or unknown, or a rule of the format broken.
        SignatureError: Not signed by reviewers alone, with keys that were valid when it was issued.
    """
    verified = verify(envelope, trust)
    statement = parse_statement(verified.payload, RECOMMENDATION_TYPE)
    found = reading.fields(statement.predicate, _FIELDS, "the recommendation")
    if found["recommendation"] not in list(Recommended):
        _refuse("it is none of the words", repr(found["recommendation"]))
    recommendation = Recommendation(
        recommended=Recommended(found["recommendation"]),
        findings=tuple(reading.text(item, "a finding") for item in reading.items(found["findings"], "findings")),
        conditions=tuple(parse_condition(item) for item in reading.items(found["conditions"], "conditions")),
        issued_at=reading.moment(found["issuedAt"], "issuedAt"),
        policy_digest=reading.digest(found["policyDigest"], "policyDigest"),
        evidence_digest=reading.digest(found["evidenceDigest"], "evidenceDigest"),
        test_result_digest=reading.digest(found["testResultDigest"], "testResultDigest"),
        subjects=statement.subjects,
    )
    problems = verified.problems({REVIEWER}, recommendation.issued_at)
    if problems:
        raise SignatureError(
            "the recommendation is not properly signed", value="; ".join(problems), remedy="A reviewer signs it."
        )
    return SignedRecommendation(recommendation, sha256_hex(verified.payload), verified.signed_by)


def _refuse(what: str, value: object = None) -> None:
    raise EnvelopeError(f"the recommendation can't stand: {what}", value=value, remedy=_SOURCE)
