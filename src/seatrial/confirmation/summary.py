"""A SLSA verification summary of the gate's decision, derived on request, for tools that read those.

in-toto statement with the predicate ``https://slsa.dev/verification_summary/v1`` (SLSA 1.1), signed by a verifier:

    {"verifier": {"id": "urn:seatrial:verifier:..."}, "timeVerified": "...", "resourceUri": "pkg:generic/booking@2.1",
     "policy": {"uri": "urn:seatrial:policy", "digest": {"sha256": "..."}},
     "inputAttestations": [{"uri": "urn:seatrial:confirmation:v1", "digest": {"sha256": "..."}}],
     "verificationResult": "PASSED" | "FAILED", "verifiedLevels": ["SEATRIAL_CONFIRMED"], "slsaVersion": "1.1"}

The subjects are what is deployed. A summary says what the gate said at ``timeVerified`` and no more: the predicate has
no expiry, so it does not know of a revocation one minute later. Whoever reads one must refuse it when it is older than
:data:`MAX_AGE`, and must know the verifier's key from elsewhere. Levels of SLSA itself are not verified here, so the
level carries our own name, as the specification asks. The confirmation, not this, is what the authority signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seatrial.clock import to_rfc3339
from seatrial.confirmation.facts import FACTS_MAX_AGE, FACTS_TYPE
from seatrial.confirmation.gate import Decision, decide
from seatrial.confirmation.revocation import REVOCATIONS_TYPE
from seatrial.confirmation.statement import CONFIRMATION_TYPE, Confirmation, parse_confirmation
from seatrial.errors import EnvelopeError, SignatureError
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.intoto import Statement
from seatrial.evidence.keys import VERIFIER, Signer, Trust
from seatrial.model.release import Release, parse_release

__all__ = ["MAX_AGE", "SUMMARY_TYPE", "Question", "Summary", "summarise"]

SUMMARY_TYPE = "https://slsa.dev/verification_summary/v1"
SLSA_VERSION = "1.1"
MAX_AGE = timedelta(minutes=15)
"""How long after ``timeVerified`` a reader may rely on a summary."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the gate is asked; the fields are those of :func:`seatrial.confirmation.gate.decide`."""

    confirmation: bytes
    deployed: bytes
    revocations: bytes | None = None
    facts: bytes | None = None
    least_sequence: int = 1
    remembering: Path | None = None
    facts_max_age: timedelta = FACTS_MAX_AGE
    evidence: Path | None = None
    log_proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A signed summary, and the decision with its reasons, for which the predicate has no field."""

    envelope: bytes
    decision: Decision


def summarise(
    question: Question,
    trust: Trust,
    signers: Sequence[Signer],
    now: datetime,
    *,
    verifier_id: str = "",
    resource_uri: str = "",
) -> Summary:
    """Ask the gate now, and sign a summary of what it says: PASSED for ALLOW, FAILED for DENY.

    Args:
        question: What the gate is asked.
        trust: The keys; must hold the verifiers' too, valid now.
        signers: Verifiers' keys, as many as the trust file asks for.
        now: The current time, with a zone.
        verifier_id: URI of the verifier; empty makes one of the first signer's name.
        resource_uri: URI of what is deployed; empty makes a package URL of the release's name and version.

    Raises:
        EvidenceError: The deployed manifest or the confirmation can't be read, or no trusted key signed it: there is
            nothing to derive a summary from.
        EnvelopeError: A URI has no scheme.
        SignatureError: A signer is no verifier, not valid now, or there are too few.
    """
    release = parse_release(question.deployed, "the deployed manifest")
    confirmed = parse_confirmation(verify(question.confirmation, trust).payload)
    decision = decide(
        question.confirmation,
        release,
        trust,
        now,
        question.revocations,
        least_sequence=question.least_sequence,
        remembering=question.remembering,
        facts=question.facts,
        facts_max_age=question.facts_max_age,
        evidence=question.evidence,
        log_proof=question.log_proof,
    )
    names = [key.name for signer in signers if (key := trust.find(signer.public_key)) is not None]
    verifier = verifier_id or f"urn:seatrial:verifier:{quote(names[0] if names else '', safe='')}"
    resource = resource_uri or f"pkg:generic/{quote(release.name, safe='')}@{quote(release.version, safe='')}"
    for uri in (verifier, resource):
        if ":" not in uri.strip(":"):
            raise EnvelopeError("a URI has no scheme", value=repr(uri), remedy="Write it like https://example.org/x.")
    predicate = _predicate(question, confirmed, decision, now) | {"verifier": {"id": verifier}, "resourceUri": resource}
    return Summary(_signed(release, predicate, signers, trust, now), decision)


def _predicate(question: Question, confirmed: Confirmation, decision: Decision, now: datetime) -> dict[str, Any]:
    given = (
        (CONFIRMATION_TYPE, question.confirmation),
        (REVOCATIONS_TYPE, question.revocations),
        (FACTS_TYPE, question.facts),
    )
    return {
        "timeVerified": to_rfc3339(now),
        "policy": {"uri": "urn:seatrial:policy", "digest": {"sha256": confirmed.policy_digest}},
        "inputAttestations": [
            {"uri": uri, "digest": {"sha256": sha256_hex(data)}} for uri, data in given if data is not None
        ],
        "verificationResult": "PASSED" if decision.allowed else "FAILED",
        "verifiedLevels": [f"SEATRIAL_{confirmed.ruling}"] if decision.allowed else ["FAILED"],
        "slsaVersion": SLSA_VERSION,
    }


def _signed(
    release: Release, predicate: dict[str, Any], signers: Sequence[Signer], trust: Trust, now: datetime
) -> bytes:
    envelope = sign(Statement(release.subjects, SUMMARY_TYPE, predicate).to_bytes(), signers)
    problems = verify(envelope, trust).problems({VERIFIER}, now)
    if problems:
        raise SignatureError(
            "a summary is signed by a verifier", value="; ".join(problems), remedy="Use a verifier's valid key."
        )
    return envelope
