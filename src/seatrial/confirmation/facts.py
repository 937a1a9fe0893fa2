"""Facts given to the gate: what has happened since a confirmation was issued.

``seatrial-facts/1``, as a document of its own, or signed by a case officer:

    {"format": "seatrial-facts/1", "asOf": "2026-06-01T09:00:00Z",
     "forecastPeak": {"journeysPerSecond": 42.0} | null, "dependencyLimits": {"sha256": "..."} | null,
     "conditionsClosed": [{"id": "C1", "closedAt": "..."}],
     "incidents": [{"severity": "minor" | "major" | "severe", "at": "...", "text": "..."}],
     "independence": [{"declaration": "...", "provedFalseAt": "...", "text": "..."}],
     "evidenceDigest": {"sha256": "..."} | null}

Signed facts are an in-toto statement ``urn:seatrial:facts:v1`` with the same fields (but ``format``) as its predicate.
Its one subject is the confirmation, by the SHA-256 of its payload: facts about one system can't close the conditions of
another. Every field is required and no other is known; null says that it is not known.

Whoever deploys could write a document of facts, so one that is not signed only adds reasons to DENY. Facts that are
from the future, too old or signed by the wrong hand are themselves a reason to DENY.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.confirmation import reading
from seatrial.errors import EnvelopeError, EvidenceError, SignatureError
from seatrial.evidence.canonical import parse_json
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import CASE_OFFICER, Signer, Trust
from seatrial.model.release import Subject

__all__ = [
    "FACTS_FORMAT",
    "FACTS_MAX_AGE",
    "FACTS_TYPE",
    "ClosedCondition",
    "Facts",
    "FalseDeclaration",
    "GivenFacts",
    "Incident",
    "Severity",
    "parse_facts",
    "read_facts",
    "sign_facts",
]

FACTS_FORMAT = "seatrial-facts/1"
FACTS_TYPE = "urn:seatrial:facts:v1"
FACTS_MAX_AGE = timedelta(hours=24)
"""How old facts may be, unless whoever asks the gate says otherwise."""

_MAX_TEXT_CHARS = 4000
_SOURCE = "Ask the case officer for facts that are well-formed."
_FIELDS = {
    "asOf",
    "forecastPeak",
    "dependencyLimits",
    "conditionsClosed",
    "incidents",
    "independence",
    "evidenceDigest",
}


class Severity(StrEnum):
    """How bad an incident was; a severe one voids."""

    MINOR = "minor"
    MAJOR = "major"
    SEVERE = "severe"


@dataclass(frozen=True, slots=True)
class ClosedCondition:
    """A condition that was met: its id, and when, UTC."""

    id: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong in the running service: how bad, when (UTC), and what."""

    severity: Severity
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class FalseDeclaration:
    """A declaration of independence that proved false: which, when (UTC), and how it is known."""

    declaration: str
    proved_false_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at a moment.

    Attributes:
        as_of: The moment, UTC; nothing in the facts is later.
        forecast_peak_per_s: The current forecast, journeys per second, above 0; None where it is not known.
        dependency_limits_digest: SHA-256 of the dependency limits in force; None where it is not known.
        closed: Conditions that were met; one entry each.
        incidents: Of any severity.
        false_declarations: Declarations that proved false.
        evidence_digest: SHA-256 of the evidence's manifest as it is kept; None where it was not looked at.

    Raises:
        EnvelopeError: A text is empty or too long, a condition is closed twice, or something is later than ``as_of``.
    """

    as_of: datetime
    forecast_peak_per_s: float | None
    dependency_limits_digest: str | None
    closed: tuple[ClosedCondition, ...]
    incidents: tuple[Incident, ...]
    false_declarations: tuple[FalseDeclaration, ...]
    evidence_digest: str | None

    def __post_init__(self) -> None:
        texts = [c.id for c in self.closed] + [i.text for i in self.incidents]
        texts += [text for d in self.false_declarations for text in (d.declaration, d.text)]
        if not all(text.strip() and len(text) <= _MAX_TEXT_CHARS for text in texts):
            _refuse("a text is empty or too long")
        if len({c.id for c in self.closed}) < len(self.closed):
            _refuse("a condition is closed twice")
        moments = [c.closed_at for c in self.closed] + [i.at for i in self.incidents]
        moments += [d.proved_false_at for d in self.false_declarations]
        if any(moment > self.as_of for moment in moments):
            _refuse(f"something in them is later than {to_rfc3339(self.as_of)}, when they are from")

    def to_predicate(self) -> dict[str, Any]:
        """Return the predicate of the signed statement."""
        peak = self.forecast_peak_per_s
        return {
            "asOf": to_rfc3339(self.as_of),
            "forecastPeak": None if peak is None else {"journeysPerSecond": peak},
            "dependencyLimits": reading.maybe(self.dependency_limits_digest),
            "conditionsClosed": [{"id": c.id, "closedAt": to_rfc3339(c.closed_at)} for c in self.closed],
            "incidents": [
                {"severity": str(i.severity), "at": to_rfc3339(i.at), "text": i.text} for i in self.incidents
            ],
            "independence": [
                {"declaration": d.declaration, "provedFalseAt": to_rfc3339(d.proved_false_at), "text": d.text}
                for d in self.false_declarations
            ],
            "evidenceDigest": reading.maybe(self.evidence_digest),
        }

    def to_document(self) -> dict[str, Any]:
        """Return the document that is not signed."""
        return {"format": FACTS_FORMAT, **self.to_predicate()}

    def to_statement(self, confirmation_digest: str) -> Statement:
        """Return the statement that is signed, about the confirmation of this digest."""
        return Statement((Subject("confirmation", confirmation_digest),), FACTS_TYPE, self.to_predicate())


@dataclass(frozen=True, slots=True)
class GivenFacts:
    """Facts as the gate takes them.

    Attributes:
        facts: None where they can't be read.
        trusted: Whether a case officer signed them, about this confirmation, lately: only then they can help.
        problems: Sentences; each is a reason to DENY.
    """

    facts: Facts | None
    trusted: bool
    problems: tuple[str, ...]


def parse_facts(data: bytes) -> Facts:
    """Read a document of facts that is not signed, strictly.

    Raises:
        EnvelopeError: Not of the format, a field missing, unknown or malformed.
    """
    document = reading.fields(_json(data), {"format", *_FIELDS}, "the facts")
    if document["format"] != FACTS_FORMAT:
        _refuse(f"they are not of format {FACTS_FORMAT}", repr(document["format"]))
    return _facts({name: document[name] for name in _FIELDS})


def read_facts(
    data: bytes, trust: Trust, confirmation_digest: str, now: datetime, max_age: timedelta = FACTS_MAX_AGE
) -> GivenFacts:
    """Read facts, signed or not, and say how far they can be relied on.

    Args:
        data: The document, or the envelope.
        trust: Must hold the case officer's key.
        confirmation_digest: SHA-256 of the payload of the confirmation in question.
        now: The current time, with a zone.
        max_age: How old they may be.

    Returns:
        Never raises for what is in ``data``: facts that can't be read are a problem.
    """
    problems: list[str] = []
    signed = False
    try:
        document = _json(data)
        if isinstance(document, dict) and "payload" in document:
            facts, problems = _signed(data, trust, confirmation_digest)
            signed = True
        else:
            facts = parse_facts(data)
    except EvidenceError as e:
        return GivenFacts(None, False, (f"the facts can't be relied on: {e}",))
    if facts.as_of > now:
        problems.append(f"the facts are from the future: {to_rfc3339(facts.as_of)}")
    if now - facts.as_of > max_age:
        problems.append(f"the facts are older than {max_age.total_seconds() / 3600:g} h: {to_rfc3339(facts.as_of)}")
    return GivenFacts(facts, signed and not problems, tuple(problems))


def sign_facts(facts: Facts, confirmation_digest: str, signers: Sequence[Signer], trust: Trust, now: datetime) -> bytes:
    """Sign facts as a case officer and return the envelope.

    Args:
        facts: What is known; its ``as_of`` not after ``now``.
        confirmation_digest: SHA-256 of the payload of the confirmation that they are about.
        signers: Case officers' keys, as many as the trust file asks for.
        trust: Must hold them, valid at ``as_of`` and now.
        now: The current time, with a zone.

    Raises:
        EnvelopeError: The facts are from the future.
        SignatureError: A signer is no case officer, not valid, or there are too few.
    """
    if facts.as_of > now:
        _refuse("they are from the future", to_rfc3339(facts.as_of))
    envelope = sign(facts.to_statement(confirmation_digest).to_bytes(), signers)
    verified = verify(envelope, trust)
    problems = [*verified.problems({CASE_OFFICER}, facts.as_of)]
    problems += [f"the key of {key.name} is not valid now" for key in verified.signed_by if not key.valid_at(now)]
    if problems:
        raise SignatureError(
            "facts are signed by a case officer", value="; ".join(problems), remedy="Use a case officer's valid key."
        )
    return envelope


def _signed(data: bytes, trust: Trust, confirmation_digest: str) -> tuple[Facts, list[str]]:
    verified = verify(data, trust)
    statement = parse_statement(verified.payload, FACTS_TYPE)
    facts = _facts(reading.fields(statement.predicate, _FIELDS, "the facts"))
    problems = [f"the facts can't be relied on: {said}" for said in verified.problems({CASE_OFFICER}, facts.as_of)]
    if statement.subjects != facts.to_statement(confirmation_digest).subjects:
        problems.append("the facts are about another confirmation")
    return facts, problems


def _json(data: bytes) -> Any:
    try:
        return parse_json(data, "the facts")
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_SOURCE) from e


def _facts(found: dict[str, Any]) -> Facts:
    peak, limits, evidence = found["forecastPeak"], found["dependencyLimits"], found["evidenceDigest"]
    return Facts(
        as_of=reading.moment(found["asOf"], "asOf"),
        forecast_peak_per_s=None if peak is None else reading.rate(peak, "forecastPeak"),
        dependency_limits_digest=None if limits is None else reading.digest(limits, "dependencyLimits"),
        closed=tuple(_closed(item) for item in reading.items(found["conditionsClosed"], "conditionsClosed")),
        incidents=tuple(_incident(item) for item in reading.items(found["incidents"], "incidents")),
        false_declarations=tuple(_declaration(item) for item in reading.items(found["independence"], "independence")),
        evidence_digest=None if evidence is None else reading.digest(evidence, "evidenceDigest"),
    )


def _closed(item: object) -> ClosedCondition:
    found = reading.fields(item, {"id", "closedAt"}, "a closed condition")
    return ClosedCondition(reading.text(found["id"], "id"), reading.moment(found["closedAt"], "closedAt"))


def _incident(item: object) -> Incident:
    found = reading.fields(item, {"severity", "at", "text"}, "an incident")
    severity = reading.text(found["severity"], "severity")
    if severity not in list(Severity):  # an unknown word could mean something worse than severe
        _refuse("the severity of an incident is none of the words", repr(severity))
    return Incident(Severity(severity), reading.moment(found["at"], "at"), reading.text(found["text"], "text"))


def _declaration(item: object) -> FalseDeclaration:
    found = reading.fields(item, {"declaration", "provedFalseAt", "text"}, "a false declaration")
    return FalseDeclaration(
        reading.text(found["declaration"], "declaration"),
        reading.moment(found["provedFalseAt"], "provedFalseAt"),
        reading.text(found["text"], "text"),
    )


def _refuse(what: str, value: object = None) -> None:
    raise EnvelopeError(f"the facts can't stand: {what}", value=value, remedy=_SOURCE)
