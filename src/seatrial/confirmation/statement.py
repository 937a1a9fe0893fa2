"""The authority's confirmation, as an in-toto statement with a predicate of our own.

``urn:seatrial:confirmation:v1``:

    {"decision": "CONFIRMED" | "CONFIRMED_WITH_CONDITIONS" | "REFUSED",
     "reasons": ["..."], "conditions": [{"id": "C1", "text": "...", "due": "2026-07-01T00:00:00Z"}],
     "issuedAt": "...", "validUntil": "...", "system": "...",
     "release": {"name": "...", "version": "..."} | null,
     "testedPeak": {"journeysPerSecond": 40.0},
     "voidWhen": {"forecastAbove": {"journeysPerSecond": 44.0}, "dependencyLimits": {"sha256": "..."} | null,
                  "drillValidUntil": "..." | null, "window": {"from": "...", "until": "..."} | null},
     "recommendationDigest": {"sha256": "..."} | null,
     "policyDigest": {"sha256": "..."}, "evidenceDigest": {...}, "testResultDigest": {...}}

Every field is required and no other is known: a reader that ignores a field could turn a refusal into a
permission, so an unknown field makes the whole statement unreadable. The subjects are the release's. Only a
refusal may have no release; its subject is then the evidence's manifest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from enum import StrEnum
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.confirmation import reading
from seatrial.confirmation.bounds import VoidWhen, parse_void_when
from seatrial.errors import EnvelopeError, EvidenceError
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import CONFIRMING_OFFICER, REVIEWER
from seatrial.model.release import Subject

__all__ = [
    "CONFIRMATION_TYPE",
    "MAX_VALIDITY_MONTHS",
    "SIGNING_ROLES",
    "Condition",
    "Confirmation",
    "Ruling",
    "months_after",
    "parse_condition",
    "parse_confirmation",
]

CONFIRMATION_TYPE = "urn:seatrial:confirmation:v1"
SIGNING_ROLES = frozenset({REVIEWER, CONFIRMING_OFFICER})
MAX_VALIDITY_MONTHS = 12
_MAX_TEXT_CHARS = 4000
_SOURCE = "Ask the authority for a confirmation that is well-formed."
_FIELDS = {
    "decision",
    "reasons",
    "conditions",
    "issuedAt",
    "validUntil",
    "system",
    "release",
    "testedPeak",
    "voidWhen",
    "recommendationDigest",
    "policyDigest",
    "evidenceDigest",
    "testResultDigest",
}


class Ruling(StrEnum):
    """What the authority decided."""

    CONFIRMED = "CONFIRMED"
    CONFIRMED_WITH_CONDITIONS = "CONFIRMED_WITH_CONDITIONS"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must be done.

    Attributes:
        id: Unique in its confirmation.
        text: What must be done.
        due: By when, UTC; from this moment on the confirmation no longer opens the gate.
    """

    id: str
    text: str
    due: datetime

    def to_object(self) -> dict[str, str]:
        """Return the condition as a JSON object."""
        return {"id": self.id, "text": self.text, "due": to_rfc3339(self.due)}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation or refusal; what breaks a rule of the format can't be constructed.

    Attributes:
        ruling: The decision.
        reasons: Sentences; at least one for a refusal.
        conditions: At least one for CONFIRMED_WITH_CONDITIONS, none otherwise.
        issued_at: When it was issued, UTC.
        valid_until: First moment at which it is no longer valid; after ``issued_at``, at most 12 months.
        system: The system, for people.
        release: (name, version) of the release; None only for a refusal.
        tested_peak_per_s: P in the trial, journeys per second; finite, above 0.
        policy_digest: SHA-256 of the bundle's ``policy.json``.
        evidence_digest: SHA-256 of the bundle's ``manifest.json``.
        test_result_digest: SHA-256 of the tester's statement.
        subjects: What is confirmed; at least one.
        void_when: The further facts that it rests on.
        recommendation_digest: SHA-256 of the payload of the reviewer's recommendation; None where there was none.

    Raises:
        EnvelopeError: A rule of the format is broken.
    """

    ruling: Ruling
    reasons: tuple[str, ...]
    conditions: tuple[Condition, ...]
    issued_at: datetime
    valid_until: datetime
    system: str
    release: tuple[str, str] | None
    tested_peak_per_s: float
    policy_digest: str
    evidence_digest: str
    test_result_digest: str
    subjects: tuple[Subject, ...]
    void_when: VoidWhen
    recommendation_digest: str | None

    def __post_init__(self) -> None:
        texts = [self.system, *self.reasons, *(self.release or ())]
        texts += [text for c in self.conditions for text in (c.id, c.text)]
        if not all(text.strip() and len(text) <= _MAX_TEXT_CHARS for text in texts):
            _refuse("a text is empty or too long")
        if self.ruling is Ruling.REFUSED and not self.reasons:
            _refuse("a refusal gives no reason")
        if (self.ruling is Ruling.CONFIRMED_WITH_CONDITIONS) != bool(self.conditions):
            _refuse("conditions stand with CONFIRMED_WITH_CONDITIONS, and with nothing else", self.ruling)
        if len({c.id for c in self.conditions}) < len(self.conditions):
            _refuse("two conditions have one id")
        if any(c.due <= self.issued_at for c in self.conditions):
            _refuse("a condition is due before the confirmation is issued")
        if self.release is None and self.ruling is not Ruling.REFUSED:
            _refuse("a confirmation binds no release", self.ruling)
        if not (math.isfinite(self.tested_peak_per_s) and self.tested_peak_per_s > 0):
            _refuse("the tested peak is not a rate above 0", self.tested_peak_per_s)
        if not self.issued_at < self.valid_until <= months_after(self.issued_at, MAX_VALIDITY_MONTHS):
            _refuse(f"the validity is empty or longer than {MAX_VALIDITY_MONTHS} months", self.valid_until)
        in_force = self.ruling is not Ruling.REFUSED
        for said in self.void_when.contradictions(self.issued_at, self.tested_peak_per_s, in_force=in_force):
            _refuse(said)

    def to_statement(self) -> Statement:
        """Return the statement that is signed."""
        predicate: dict[str, Any] = {
            "decision": str(self.ruling),
            "reasons": list(self.reasons),
            "conditions": [c.to_object() for c in self.conditions],
            "issuedAt": to_rfc3339(self.issued_at),
            "validUntil": to_rfc3339(self.valid_until),
            "system": self.system,
            "release": {"name": self.release[0], "version": self.release[1]} if self.release else None,
            "testedPeak": {"journeysPerSecond": self.tested_peak_per_s},
            "voidWhen": self.void_when.to_object(),
            "recommendationDigest": reading.maybe(self.recommendation_digest),
            "policyDigest": {"sha256": self.policy_digest},
            "evidenceDigest": {"sha256": self.evidence_digest},
            "testResultDigest": {"sha256": self.test_result_digest},
        }
        return Statement(self.subjects, CONFIRMATION_TYPE, predicate)


def months_after(moment: datetime, months: int) -> datetime:
    """Return the same day and time ``months`` later, or the last day of that month where it has no such day.

    Raises:
        EvidenceError: That is after the year 9999.
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > MAXYEAR:
        raise EvidenceError(f"a time after the year {MAXYEAR}", value=to_rfc3339(moment), remedy="Give an earlier one.")
    for day in (moment.day, 30, 29, 28):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")  # pragma: no cover


def parse_confirmation(payload: bytes) -> Confirmation:
    """Read a verified payload as a confirmation, strictly.

    Raises:
        EnvelopeError: Of another type, a field missing, unknown or malformed, or a rule of the format broken.
    """
    statement = parse_statement(payload, CONFIRMATION_TYPE)
    predicate = statement.predicate
    if predicate.keys() != _FIELDS:
        _refuse("it has fields missing or unknown", ", ".join(sorted(predicate.keys() ^ _FIELDS)))
    if predicate["decision"] not in list(Ruling):
        _refuse("its decision is none of the words", repr(predicate["decision"]))
    release, recommended = predicate["release"], predicate["recommendationDigest"]
    if release is not None:
        named = reading.fields(release, {"name", "version"}, "release")
        release = (reading.text(named["name"], "name"), reading.text(named["version"], "version"))
    return Confirmation(
        ruling=Ruling(predicate["decision"]),
        reasons=tuple(reading.text(item, "a reason") for item in reading.items(predicate["reasons"], "reasons")),
        conditions=tuple(parse_condition(item) for item in reading.items(predicate["conditions"], "conditions")),
        issued_at=reading.moment(predicate["issuedAt"], "issuedAt"),
        valid_until=reading.moment(predicate["validUntil"], "validUntil"),
        system=reading.text(predicate["system"], "system"),
        release=release,
        tested_peak_per_s=reading.rate(predicate["testedPeak"], "testedPeak"),
        policy_digest=reading.digest(predicate["policyDigest"], "policyDigest"),
        evidence_digest=reading.digest(predicate["evidenceDigest"], "evidenceDigest"),
        test_result_digest=reading.digest(predicate["testResultDigest"], "testResultDigest"),
        subjects=statement.subjects,
        void_when=parse_void_when(predicate["voidWhen"]),
        recommendation_digest=None if recommended is None else reading.digest(recommended, "recommendationDigest"),
    )


def parse_condition(item: object) -> Condition:
    """Read one condition, strictly.

    Raises:
        EnvelopeError: A field missing, unknown or malformed.
    """
    found = reading.fields(item, {"id", "text", "due"}, "a condition")
    return Condition(
        reading.text(found["id"], "id"), reading.text(found["text"], "text"), reading.moment(found["due"], "due")
    )


def _refuse(what: str, value: object = None) -> None:
    raise EnvelopeError(f"the confirmation can't stand: {what}", value=value, remedy=_SOURCE)
