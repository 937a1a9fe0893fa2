"""The seal of a plan: what will be judged, by which rules, on which release, signed before the trial.

``urn:seatrial:plan-seal:v1``:

    {"id": "32 hexadecimal digits", "sealedAt": "...",
     "documents": {"plan.yaml": {"sha256": "..."}, "plan.json": {...}, "policy.json": {...},
                   "release.json": {...} | null, "forecast.yaml": {...} | null, "forecast.json": {...} | null},
     "feeds": {"book.patron": {"sha256": "..."}}, "uploads": {"photo.jpg": {"sha256": "..."}},
     "code": {"book": {"sha256": "..."}}}

Every field is required and no other is known. The digests are those that a bundle has of the same things: of its
documents, of the rows of feeds, of files that are sent, of the code of journeys in Python. The identity is random, so
that two seals of one plan are two seals, each with attempts of its own. The subjects are the release's, or the plan
where no release is bound. A tester or a test arranger signs, or both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError, EnvelopeError, EvidenceError, SignatureError
from seatrial.evidence.bundle import (
    ENVIRONMENT,
    FORECAST,
    FORECAST_SOURCE,
    PLAN,
    PLAN_SOURCES,
    POLICY,
    RELEASE,
    read_part,
)
from seatrial.evidence.canonical import is_sha256_hex, parse_json, parse_rfc3339, sha256_hex
from seatrial.evidence.envelope import payload_of, verify
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import TEST_ARRANGER, TESTER, Trust, TrustedKey
from seatrial.model.release import Subject

__all__ = [
    "PLAN_SEAL_TYPE",
    "SEAL",
    "SEALERS",
    "Criteria",
    "PlanSeal",
    "SignedSeal",
    "criteria_in_bundle",
    "new_seal_id",
    "parse_plan_seal",
    "seal_payload",
    "verify_seal",
]

PLAN_SEAL_TYPE = "urn:seatrial:plan-seal:v1"
SEAL = "seal.json"
"""The seal's name in a bundle."""
SEALERS = frozenset({TESTER, TEST_ARRANGER})

_SOURCE = PLAN_SOURCES[0]
_ALWAYS = frozenset({_SOURCE, PLAN, POLICY})
_DOCUMENTS = (_SOURCE, PLAN, POLICY, RELEASE, FORECAST_SOURCE, FORECAST)
_OTHERS = ("feeds", "uploads", "code")
_NOUNS = {"feeds": "feed", "uploads": "upload", "code": "code of journey"}
_FIELDS = {"id", "sealedAt", "documents", *_OTHERS}
_ID = re.compile(r"[0-9a-f]{32}")
_AGAIN = "Seal the plan again with 'seatrial plan seal'."


@dataclass(frozen=True)
class Criteria:
    """What a trial is judged on, by digest: SHA-256 as 64 hexadecimal digits each.

    Attributes:
        documents: By name in the bundle; None for a release or a forecast that there is not.
        feeds: Rows of feeds, by ``journey.variable``.
        uploads: Files that are sent, by their path in the plan.
        code: Files of journeys in Python, by the journey's name.
    """

    documents: Mapping[str, str | None]
    feeds: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)

    def differences(self, found: Criteria) -> tuple[str, ...]:
        """Return a sentence for everything that was sealed otherwise than it is ``found``; empty when nothing was."""
        sealed, here = self._by_name(), found._by_name()
        return tuple(
            f"{name} was sealed as {_shown(sealed.get(name))}, found {_shown(here.get(name))}"
            for name in dict.fromkeys((*sealed, *here))
            if sealed.get(name) != here.get(name)
        )

    def _by_name(self) -> dict[str, str | None]:
        named = {name: self.documents.get(name) for name in _DOCUMENTS}
        for group, noun in _NOUNS.items():
            named |= {f"{noun} {name}": digest for name, digest in sorted(getattr(self, group).items())}
        return named


def _shown(digest: str | None) -> str:
    return "nothing" if digest is None else f"sha256:{digest}"


@dataclass(frozen=True)
class PlanSeal:
    """A seal, read or about to be signed.

    Attributes:
        id: 128 random bits, as 32 hexadecimal digits.
        sealed_at: When the signers say that they sealed, UTC, whole seconds.
        criteria: What was sealed.
        subjects: The release's, or the plan alone.
    """

    id: str
    sealed_at: datetime
    criteria: Criteria
    subjects: tuple[Subject, ...]

    def to_statement(self) -> Statement:
        """Return the statement that is signed."""
        documents = {name: _object(self.criteria.documents.get(name)) for name in _DOCUMENTS}
        groups = {
            group: {name: _object(digest) for name, digest in getattr(self.criteria, group).items()}
            for group in _OTHERS
        }
        predicate = {"id": self.id, "sealedAt": to_rfc3339(self.sealed_at), "documents": documents, **groups}
        return Statement(self.subjects, PLAN_SEAL_TYPE, predicate)


@dataclass(frozen=True)
class SignedSeal:
    """A seal whose signatures are good.

    Attributes:
        seal: What it says.
        digest: SHA-256 of its payload: what the first line of its attempts log names.
        signed_by: The trusted keys that signed it.
    """

    seal: PlanSeal
    digest: str
    signed_by: tuple[TrustedKey, ...]


def new_seal_id() -> str:
    """Return a new identity of a seal: 128 random bits."""
    return secrets.token_hex(16)


def verify_seal(envelope: bytes, trust: Trust) -> SignedSeal:
    """Verify an envelope and read the seal in it.

    Args:
        envelope: The DSSE envelope.
        trust: Must hold the key of a tester or test arranger who signed, valid when it was sealed; of a role that
            signed, as many holders as the trust file asks.

    Raises:
        EnvelopeError: Malformed, or no seal of a plan.
        SignatureError: By no trusted key, by somebody of another role, or by a key out of its period.
    """
    verified = verify(envelope, trust)
    seal = parse_plan_seal(verified.payload)
    required = verified.roles & SEALERS
    problems = list(verified.problems(required, seal.sealed_at))
    if not required:
        problems.append("neither a tester nor a test-arranger signed it")
    if problems:
        raise SignatureError("the seal of the plan is not rightly signed", value="; ".join(problems), remedy=_AGAIN)
    return SignedSeal(seal, sha256_hex(verified.payload), verified.signed_by)


def parse_plan_seal(payload: bytes) -> PlanSeal:
    """Read a verified payload as the seal of a plan, strictly.

    Raises:
        EnvelopeError: Of another type, or a field missing, unknown or malformed.
    """
    statement = parse_statement(payload, PLAN_SEAL_TYPE)
    predicate = statement.predicate
    if predicate.keys() != _FIELDS:
        odd = ", ".join(sorted(predicate.keys() ^ _FIELDS))
        raise EnvelopeError("the seal of the plan has fields missing or unknown", value=odd, remedy=_AGAIN)
    if not isinstance(predicate["id"], str) or not _ID.fullmatch(predicate["id"]):
        raise EnvelopeError("the seal's id is not 32 hexadecimal digits", value=repr(predicate["id"]), remedy=_AGAIN)
    try:
        sealed_at = parse_rfc3339(predicate["sealedAt"], "sealedAt")
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_AGAIN) from e
    documents = predicate["documents"]
    if not isinstance(documents, dict) or documents.keys() != set(_DOCUMENTS):
        raise EnvelopeError("the seal does not name the documents of a bundle", value=repr(documents), remedy=_AGAIN)
    criteria = Criteria(
        {n: None if d is None and n not in _ALWAYS else _digest(n, d) for n, d in documents.items()},
        *(_digests(group, predicate[group]) for group in _OTHERS),
    )
    return PlanSeal(predicate["id"], sealed_at, criteria, statement.subjects)


def seal_payload(envelope: bytes) -> bytes:
    """Return the payload of a seal's envelope, unverified: enough to tell which attempts log is the seal's.

    Raises:
        EnvelopeError: It is no envelope of a plan's seal.
    """
    payload = payload_of(envelope)
    parse_plan_seal(payload)
    return payload


def _object(digest: str | None) -> dict[str, str] | None:
    return None if digest is None else {"sha256": digest}


def _digest(name: str, value: Any) -> str:
    if not isinstance(value, dict) or value.keys() != {"sha256"} or not is_sha256_hex(value["sha256"]):
        raise EnvelopeError(f"the seal has no SHA-256 of {name}", value=repr(value), remedy=_AGAIN)
    return str(value["sha256"])


def _digests(group: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise EnvelopeError(f"the seal's {group} are no object", value=repr(value), remedy=_AGAIN)
    return {name: _digest(name, digest) for name, digest in value.items()}


def criteria_in_bundle(directory: Path, documents: Mapping[str, bytes]) -> Criteria:
    """Return what the trial in a bundle was judged on.

    Args:
        directory: An opened bundle.
        documents: Bytes of documents that were read already, by name: these are not read again.

    Raises:
        BundleError: A document is missing, or ``environment.json`` does not say which rows, files and code were used.
    """
    digests: dict[str, str | None] = {}
    for name in _DOCUMENTS:
        there = name in documents or name in _ALWAYS or (directory / name).exists()
        digests[name] = sha256_hex(documents.get(name) or read_part(directory, name)) if there else None
    environment = parse_json(documents.get(ENVIRONMENT) or read_part(directory, ENVIRONMENT), ENVIRONMENT)
    return Criteria(digests, *(_stated(environment, group) for group in _OTHERS))


def _stated(environment: Any, group: str) -> dict[str, str]:
    stated = environment.get(group) if isinstance(environment, dict) else None
    facts = stated if isinstance(stated, dict) else {"": None}
    digests = {name: fact.get("sha256") if isinstance(fact, dict) else None for name, fact in facts.items()}
    if not all(is_sha256_hex(digest) for digest in digests.values()):
        raise BundleError(
            f"{ENVIRONMENT} does not say by digest which {group} were used",
            value=repr(stated),
            remedy="Take the bundle from its source again.",
        )
    return {name: str(digest) for name, digest in digests.items()}
