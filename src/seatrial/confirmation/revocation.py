"""The revocation list: which confirmations no longer count.

An in-toto statement with the predicate ``urn:seatrial:revocations:v1``, in a DSSE envelope signed by a confirming
officer:

    {"sequence": 7, "issuedAt": "...", "expiresAt": "...",
     "entries": [{"confirmation": {"sha256": "..."}, "reason": "...", "revokedAt": "..."}]}

``confirmation`` is the SHA-256 of the confirmation's payload, so that another signature on the same envelope does
not escape. The list is whole: each edition carries every earlier entry and the next number. The one subject is the
list itself, by the SHA-256 of its entries, because an empty list is a useful statement and needs a subject too. A
list that has expired says nothing, and the gate takes that for a DENY.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import EnvelopeError, EvidenceError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, is_sha256_hex, parse_rfc3339, sha256_hex
from seatrial.evidence.envelope import add_signature, sign, verify
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import CONFIRMING_OFFICER, Signer, Trust, TrustedKey
from seatrial.model.release import Subject

__all__ = ["REVOCATIONS_TYPE", "Revocation", "RevocationList", "cosign_list", "next_list", "read_list", "signed_so_far"]

REVOCATIONS_TYPE = "urn:seatrial:revocations:v1"
_SOURCE = "Fetch the authority's current revocation list."
_FIELDS = {"sequence", "issuedAt", "expiresAt", "entries"}


@dataclass(frozen=True, slots=True)
class Revocation:
    """One confirmation that no longer counts.

    Attributes:
        confirmation_digest: SHA-256 of the confirmation's payload, as hex.
        reason: Why; not empty.
        revoked_at: When, UTC; for the record, a listed confirmation is revoked whatever the time.
    """

    confirmation_digest: str
    reason: str
    revoked_at: datetime

    def to_object(self) -> dict[str, Any]:
        """Return the entry as a JSON object."""
        return {
            "confirmation": {"sha256": self.confirmation_digest},
            "reason": self.reason,
            "revokedAt": to_rfc3339(self.revoked_at),
        }


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One edition of the list.

    Attributes:
        sequence: Number of the edition, from 1.
        issued_at: UTC.
        expires_at: First moment at which this edition says nothing any more; after ``issued_at``.
        entries: May be empty; one for each confirmation at most.

    Raises:
        EnvelopeError: A rule of the format is broken.
    """

    sequence: int
    issued_at: datetime
    expires_at: datetime
    entries: tuple[Revocation, ...]

    def __post_init__(self) -> None:
        digests = {entry.confirmation_digest for entry in self.entries}
        if self.sequence < 1 or self.expires_at <= self.issued_at or len(digests) < len(self.entries):
            raise EnvelopeError(
                "the revocation list is numbered below 1, expires before it is issued, or names a confirmation twice",
                value=f"sequence {self.sequence}",
                remedy=_SOURCE,
            )
        for entry in self.entries:
            if not is_sha256_hex(entry.confirmation_digest) or not entry.reason.strip():
                raise EnvelopeError(
                    "a revocation has no digest or no reason", value=repr(entry.confirmation_digest), remedy=_SOURCE
                )

    def find(self, confirmation_digest: str) -> Revocation | None:
        """Return the entry of a confirmation, or None where it is not revoked."""
        return next((e for e in self.entries if e.confirmation_digest == confirmation_digest), None)

    def to_statement(self) -> Statement:
        """Return the statement that is signed."""
        entries = [entry.to_object() for entry in self.entries]
        predicate = {
            "sequence": self.sequence,
            "issuedAt": to_rfc3339(self.issued_at),
            "expiresAt": to_rfc3339(self.expires_at),
            "entries": entries,
        }
        subject = Subject(REVOCATIONS_TYPE, sha256_hex(canonical_bytes(entries)))
        return Statement((subject,), REVOCATIONS_TYPE, predicate)


def read_list(envelope: bytes, trust: Trust) -> RevocationList:
    """Verify and read a revocation list. Whether it has expired is for the reader to ask.

    Raises:
        EnvelopeError: Malformed, of another type, or with an unknown field.
        SignatureError: Not signed by a confirming officer whose key was valid when it was issued.
    """
    listed, problems = signed_so_far(envelope, trust)
    if problems:
        raise SignatureError("the revocation list is not properly signed", value="; ".join(problems), remedy=_SOURCE)
    return listed


def signed_so_far(envelope: bytes, trust: Trust) -> tuple[RevocationList, tuple[str, ...]]:
    """Read a list that may still lack signatures, and say what they lack; only :func:`read_list` makes it count.

    Raises:
        EnvelopeError: Malformed, of another type, or with an unknown field.
        SignatureError: No trusted key signed it.
    """
    verified = verify(envelope, trust)
    listed = _parse(verified.payload)
    return listed, verified.problems({CONFIRMING_OFFICER}, listed.issued_at)


def _parse(payload: bytes) -> RevocationList:
    statement = parse_statement(payload, REVOCATIONS_TYPE)
    predicate = statement.predicate
    if predicate.keys() != _FIELDS or not isinstance(predicate["entries"], list):
        raise EnvelopeError("the revocation list has fields missing or unknown", remedy=_SOURCE)
    if type(predicate["sequence"]) is not int:
        raise EnvelopeError("the list's sequence is no number", value=repr(predicate["sequence"]), remedy=_SOURCE)
    try:
        listed = RevocationList(
            predicate["sequence"],
            parse_rfc3339(predicate["issuedAt"], "issuedAt"),
            parse_rfc3339(predicate["expiresAt"], "expiresAt"),
            tuple(_entry(item) for item in predicate["entries"]),
        )
    except EnvelopeError:
        raise
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_SOURCE) from e
    if listed.to_statement().subjects != statement.subjects:
        raise EnvelopeError("the revocation list's subject is not its entries", remedy=_SOURCE)
    return listed


def _entry(item: object) -> Revocation:
    if not isinstance(item, dict) or item.keys() != {"confirmation", "reason", "revokedAt"}:
        raise EnvelopeError("a revocation has fields missing or unknown", value=repr(item), remedy=_SOURCE)
    confirmation, reason = item["confirmation"], item["reason"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {"sha256"} or not isinstance(reason, str):
        raise EnvelopeError("a revocation has no digest or no reason", value=repr(item), remedy=_SOURCE)
    return Revocation(confirmation["sha256"], reason, parse_rfc3339(item["revokedAt"], "revokedAt"))


def next_list(
    previous: RevocationList | None,
    entries: Sequence[Revocation],
    signer: Signer,
    *,
    trust: Trust,
    now: datetime,
    expires_at: datetime,
    cosigners: Sequence[Signer] = (),
) -> bytes:
    """Sign the next edition: everything revoked so far, and ``entries``.

    Args:
        previous: The current edition, verified; None starts at 1.
        entries: What is revoked now; none renews the list. One that is listed already keeps its first reason.
        signer: A confirming officer's key.
        trust: Must hold that key, valid now.
        now: The time of issue, with a zone.
        expires_at: When this edition stops to say anything.
        cosigners: Further confirming officers, where the trust file asks for more than one; they may also sign later,
            with :func:`cosign_list`. The list counts only when all have signed.

    Raises:
        EnvelopeError: It would expire before it is issued.
        SignatureError: A key is not a confirming officer's, or not valid now, or too many or one holder twice sign.
    """
    signers = (signer, *cosigners)
    keys = [_officer(one, trust, now) for one in signers]
    needed = trust.thresholds.get(CONFIRMING_OFFICER, 1)
    if len({key.holder for key in keys}) < len(keys) or len(keys) > needed:
        raise SignatureError(
            f"a revocation list is signed by {needed} confirming officers, each once",
            value=", ".join(key.name for key in keys),
            remedy="Give --key once for each officer.",
        )
    merged = {entry.confirmation_digest: entry for entry in (*entries, *(previous.entries if previous else ()))}
    listed = RevocationList(
        sequence=previous.sequence + 1 if previous else 1,
        issued_at=now.replace(microsecond=0),
        expires_at=expires_at,
        entries=tuple(merged[digest] for digest in sorted(merged)),
    )
    return sign(listed.to_statement().to_bytes(), signers)


def cosign_list(envelope: bytes, signer: Signer, trust: Trust, now: datetime) -> bytes:
    """Add one more officer's signature to a list, where the trust file asks for more than one.

    Args:
        envelope: Signed by at least one confirming officer so far.
        signer: Another confirming officer's key.
        trust: Must hold the keys of both, valid when the list was issued; the new one valid now too.
        now: The time of signing, with a zone.

    Raises:
        EnvelopeError: The envelope is malformed or no revocation list.
        SignatureError: The signatures so far are not good, all have signed already, or this key may not sign.
    """
    verified = verify(envelope, trust)
    listed = _parse(verified.payload)
    key = _officer(signer, trust, now)
    problems = [*verified.faults({CONFIRMING_OFFICER}, listed.issued_at)]
    if key.holder in {other.holder for other in verified.signed_by}:
        problems.append(f"{key.name} has signed already")
    if len(verified.signed_by) >= trust.thresholds.get(CONFIRMING_OFFICER, 1):
        problems.append("it has all the signatures that it needs")
    if not key.valid_at(listed.issued_at):
        problems.append(f"the key of {key.name} was not valid at {to_rfc3339(listed.issued_at)}, its issue")
    if now >= listed.expires_at:
        problems.append(f"it expired at {to_rfc3339(listed.expires_at)}")
    if problems:
        raise SignatureError("this list can't be signed", value="; ".join(problems), remedy="Issue the next edition.")
    return add_signature(envelope, signer, trust)


def _officer(signer: Signer, trust: Trust, now: datetime) -> TrustedKey:
    key = trust.find(signer.public_key)
    if key is None or key.role != CONFIRMING_OFFICER or not key.valid_at(now):
        raise SignatureError(
            "a revocation list is signed by a confirming officer with a key that is valid now",
            value=signer.public_key.keyid if key is None else f"{key.role} {key.name}",
            remedy="Use such a key, and a trust file that holds it.",
        )
    return key
