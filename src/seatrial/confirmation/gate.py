"""The rollout gate: may this release be rolled out, under this confirmation, now?

ALLOW needs all of these, and each that lacks is a reason of its own:

    1. The trust file and the deployed manifest can be read.
    2. The confirmation is signed by a reviewer and a confirming officer: two keys, two holders, both valid when it
       was issued, nothing else in the envelope.
    3. It is a confirmation of a form that is understood in full, and not a refusal.
    4. It is issued and not expired.
    5. What is deployed is exactly what is bound: no subject missing, extra or different, same name and version.
    6. Where a revocation list is given: it is properly signed, current, not older than one seen before, and does
       not list this confirmation.
    7. Nothing makes it void (:mod:`seatrial.confirmation.voiding`): no condition is overdue, and the facts that are
       given, or that it can't do without, agree with it.
    8. Where the evidence is given: it is whole, and the one that is bound.
    9. Where a log's proof is given: the transparency log holds this confirmation.

Anything else, and any exception, is DENY: nothing here is softer in doubt. Standard library, cryptography and
securesystemslib only, so that a pipeline waits a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.confirmation.facts import FACTS_MAX_AGE, read_facts
from seatrial.confirmation.memory import remember
from seatrial.confirmation.revocation import read_list
from seatrial.confirmation.statement import SIGNING_ROLES, Confirmation, Ruling, parse_confirmation
from seatrial.confirmation.voiding import evidence_reasons, rests_on, void_reasons
from seatrial.errors import SeatrialError
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.envelope import Verified, verify
from seatrial.evidence.keys import Trust, parse_trust
from seatrial.model.release import Release, compare_releases, parse_release

__all__ = ["Answer", "Decision", "decide", "deny"]


class Answer(StrEnum):
    """What the gate says."""

    ALLOW = "ALLOW"
    DENY = "DENY"


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer.

    Attributes:
        answer: ALLOW or DENY.
        reasons: For DENY every reason, for ALLOW what it rests on; at least one sentence.
        confirmation_digest: SHA-256 of the confirmation's payload; None where no trusted key signed it.
        valid_until: End of the confirmation's validity; None where it can't be read.
    """

    answer: Answer
    reasons: tuple[str, ...]
    confirmation_digest: str | None = None
    valid_until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Whether the answer is ALLOW."""
        return self.answer is Answer.ALLOW

    def to_object(self) -> dict[str, Any]:
        """Return the decision as a JSON object."""
        return {
            "decision": str(self.answer),
            "reasons": list(self.reasons),
            "confirmation": self.confirmation_digest,
            "validUntil": None if self.valid_until is None else to_rfc3339(self.valid_until),
        }


def deny(*reasons: str) -> Decision:
    """Return a DENY with these reasons."""
    return Decision(Answer.DENY, reasons or ("no reason to allow it was given",))


def decide(
    confirmation: bytes,
    deployed: Release | bytes,
    trust: Trust | bytes,
    now: datetime,
    revocations: bytes | None = None,
    *,
    least_sequence: int = 1,
    remembering: Path | None = None,
    facts: bytes | None = None,
    facts_max_age: timedelta = FACTS_MAX_AGE,
    evidence: Path | None = None,
    log_proof: bytes | None = None,
) -> Decision:
    """Decide on a rollout.

    Args:
        confirmation: The envelope.
        deployed: The release manifest of what is about to be deployed, read or as bytes.
        trust: The trust file, read or as bytes.
        now: The current time, with a zone.
        revocations: The envelope of the revocation list; None does not look at any.
        least_sequence: The lowest number that the list may have, so that an old edition can't be played again; above
            1 there must be a list.
        remembering: File that keeps the highest number seen so far, for the same reason; None keeps none.
        facts: Facts since the confirmation, signed by a case officer or not; None where there are none.
        facts_max_age: How old facts may be.
        evidence: The bundle that was confirmed, as a directory or packed; None does not look at it.
        log_proof: That the transparency log holds the confirmation; None does not ask.

    Returns:
        ALLOW or DENY; never raises.
    """
    listing = _Listing(revocations, least_sequence, remembering)
    known = _Known(facts, facts_max_age, evidence, log_proof)
    try:
        return _decide(confirmation, deployed, trust, now, listing, known)
    except Exception as e:  # in doubt the gate stays shut, whatever went wrong
        return deny(f"the gate could not decide ({type(e).__name__}: {e})")


@dataclass(frozen=True, slots=True)
class _Listing:
    envelope: bytes | None
    least_sequence: int
    remembering: Path | None


@dataclass(frozen=True, slots=True)
class _Known:
    facts: bytes | None
    facts_max_age: timedelta
    evidence: Path | None
    log_proof: bytes | None


def _decide(
    confirmation: bytes,
    deployed: Release | bytes,
    trust: Trust | bytes,
    now: datetime,
    listing: _Listing,
    known: _Known,
) -> Decision:
    reasons: list[str] = []
    release: Release | None = None
    # 1
    try:
        release = deployed if isinstance(deployed, Release) else parse_release(deployed, "the deployed manifest")
    except SeatrialError as e:
        reasons.append(str(e))
    try:
        trusted = trust if isinstance(trust, Trust) else parse_trust(trust)
    except SeatrialError as e:
        return deny(*reasons, str(e))
    # 2: nothing is read of a payload that no trusted key has signed
    verified: Verified | None = None
    confirmed: Confirmation | None = None
    try:
        verified = verify(confirmation, trusted)
        confirmed = parse_confirmation(verified.payload)
    except SeatrialError as e:
        reasons.append(str(e))
    digest = None if verified is None else sha256_hex(verified.payload)
    seen: list[str] = []
    if verified is not None and confirmed is not None:
        reasons += verified.problems(SIGNING_ROLES, confirmed.issued_at)
        reasons += _not_in_force(confirmed, now)
        if release is not None:
            reasons += _not_the_same(confirmed, release)
        seen = _void(confirmed, sha256_hex(verified.payload), trusted, now, known, reasons)
    # 6
    reasons += _revoked(listing, trusted, digest, now)
    until = None if confirmed is None else confirmed.valid_until
    if reasons or verified is None or confirmed is None or release is None:
        return Decision(Answer.DENY, tuple(reasons) or ("the gate could not decide",), digest, until)
    signed = " and ".join(f"{key.role} {key.name}" for key in verified.signed_by)
    found = [
        f"{confirmed.ruling} until {to_rfc3339(confirmed.valid_until)}, signed by {signed}",
        f"all {len(release.subjects)} subjects of {release.name} {release.version} are as bound",
        "it is not on the revocation list" if listing.envelope is not None else "no revocation list was given",
        *seen,
    ]
    return Decision(Answer.ALLOW, tuple(found), digest, until)


def _void(
    confirmed: Confirmation, digest: str, trust: Trust, now: datetime, known: _Known, reasons: list[str]
) -> list[str]:
    """Add to ``reasons`` what makes it void, and return what an ALLOW rests on."""
    # 7
    given = None if known.facts is None else read_facts(known.facts, trust, digest, now, known.facts_max_age)
    reasons += void_reasons(confirmed, given, now)
    seen = rests_on(confirmed, given)
    # 8
    if known.evidence is not None:
        reasons += evidence_reasons(known.evidence, confirmed.evidence_digest)
        seen.append(f"the evidence is whole: sha256:{confirmed.evidence_digest}")
    # 9
    if known.log_proof is not None:
        from seatrial.confirmation.logged import check_proof  # most gates are not asked for it

        try:
            seen.append(f"it stands in the log: {check_proof(known.log_proof, digest, trust, now)}")
        except SeatrialError as e:
            reasons.append(f"it is not shown to stand in the log: {e}")
    return seen


def _not_in_force(confirmed: Confirmation, now: datetime) -> list[str]:
    # 3 and 4
    reasons = []
    if confirmed.ruling not in {Ruling.CONFIRMED, Ruling.CONFIRMED_WITH_CONDITIONS}:
        reasons += [f"the authority refused: {reason}" for reason in confirmed.reasons]
    if now < confirmed.issued_at:
        reasons.append(f"the confirmation is not yet valid: it is issued at {to_rfc3339(confirmed.issued_at)}")
    if now >= confirmed.valid_until:
        reasons.append(f"the confirmation expired at {to_rfc3339(confirmed.valid_until)}")
    return reasons


def _not_the_same(confirmed: Confirmation, release: Release) -> list[str]:
    # 5
    reasons = list(compare_releases(confirmed.subjects, release.subjects).sentences())
    if confirmed.release is None:
        reasons.append("the confirmation binds no release")
    elif confirmed.release != (release.name, release.version):
        bound = " ".join(confirmed.release)
        reasons.append(f"the release is {bound}, what is deployed calls itself {release.name} {release.version}")
    return reasons


def _revoked(listing: _Listing, trust: Trust, confirmation_digest: str | None, now: datetime) -> list[str]:
    if listing.envelope is None:
        reasons = [] if listing.remembering is None else ["there is a memory of revocation lists, and none was given"]
        if listing.least_sequence > 1:
            reasons.append(f"revocation list number {listing.least_sequence} or later is asked for, and none was given")
        return reasons
    try:
        listed = read_list(listing.envelope, trust)
    except SeatrialError as e:
        return [f"the revocation list can't be relied on: {e}"]
    reasons = []
    if now < listed.issued_at:
        reasons.append(f"the revocation list is from the future ({to_rfc3339(listed.issued_at)})")
    if now >= listed.expires_at:
        reasons.append(f"the revocation list expired at {to_rfc3339(listed.expires_at)}")
    if listed.sequence < listing.least_sequence:
        reasons.append(f"the revocation list is number {listed.sequence}, older than number {listing.least_sequence}")
    if listing.remembering is not None:
        reasons += remember(listing.remembering, listed.sequence, sha256_hex(listed.to_statement().to_bytes()))
    entry = None if confirmation_digest is None else listed.find(confirmation_digest)
    if entry is not None:
        reasons.append(f"the confirmation was revoked at {to_rfc3339(entry.revoked_at)}: {entry.reason}")
    return reasons
