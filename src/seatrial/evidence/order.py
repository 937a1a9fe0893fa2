"""The test order: the authority's signed word on what may be loaded, when, how fast and from where.

An in-toto statement of type ``urn:seatrial:test-order:v1`` in a DSSE envelope, signed by the test arranger. Its one
subject is the order itself, by the SHA-256 of its predicate in canonical bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import EnvelopeError, EvidenceError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, is_sha256_hex, parse_rfc3339, sha256_hex
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.keys import TEST_ARRANGER, Signer, Trust
from seatrial.evidence.terms import TERMS, Terms, parse_terms, refuse_odd_fields, text_of
from seatrial.model.release import Subject

__all__ = ["ORDER", "ORDER_TYPE", "TestOrder", "parse_order", "read_order", "sign_order"]

ORDER = "order.json"
ORDER_TYPE = "urn:seatrial:test-order:v1"
_SOURCE = "Take the order from the test arranger again."
_FIELDS = TERMS | {"id", "case", "abortContact", "testers", "planSeal", "issuedAt"}


@dataclass(frozen=True, slots=True)
class TestOrder:
    """A test order.

    Attributes:
        order_id: The order's own reference.
        case: The case that it belongs to.
        terms: What is permitted.
        contact_name: Whom to call to have the load stopped.
        contact_reach: Their telephone number or mail address.
        testers: Fingerprints of the keys that may seal the evidence; empty allows any trusted tester.
        plan_seal: SHA-256 of the envelope in which the plan was sealed; None where the order asks for none.
        issued_at: When it was signed, UTC.
    """

    __test__ = False  # no test case, whatever pytest makes of the name

    order_id: str
    case: str
    terms: Terms
    contact_name: str
    contact_reach: str
    testers: tuple[str, ...]
    plan_seal: str | None
    issued_at: datetime

    def __post_init__(self) -> None:
        for what in ("order_id", "case", "contact_name", "contact_reach"):
            text_of(getattr(self, what), f"the order's {what.replace('_', ' ')}")
        digests = [*self.testers, *([self.plan_seal] if self.plan_seal is not None else [])]
        if not all(is_sha256_hex(digest) for digest in digests) or len(set(self.testers)) < len(self.testers):
            raise EnvelopeError(
                "the order's testers and plan seal are not distinct SHA-256 in lower-case hexadecimal",
                value=", ".join(map(repr, digests))[:200],
                remedy="Give the fingerprints of the testers' keys, and the digest of the plan's seal.",
            )
        if self.issued_at > self.terms.not_after:
            raise EnvelopeError(
                "the order was issued after its own window", value=to_rfc3339(self.issued_at), remedy=_SOURCE
            )

    @property
    def abort_contact(self) -> str:
        """Return whom to call, and how, in one line."""
        return f"{self.contact_name}, {self.contact_reach}"

    def predicate(self) -> dict[str, Any]:
        """Return the order as the predicate of its statement."""
        return {
            "id": self.order_id,
            "case": self.case,
            **self.terms.to_object(),
            "abortContact": {"name": self.contact_name, "reach": self.contact_reach},
            "testers": list(self.testers),
            "planSeal": self.plan_seal,
            "issuedAt": to_rfc3339(self.issued_at),
        }

    def statement(self) -> Statement:
        """Return the order as a statement about itself."""
        predicate = self.predicate()
        return Statement((_subject(self.order_id, predicate),), ORDER_TYPE, predicate)


def sign_order(order: TestOrder, signers: Sequence[Signer]) -> bytes:
    """Return the signed envelope.

    Raises:
        SignatureError: No signer, or one key twice.
    """
    return sign(order.statement().to_bytes(), signers)


def parse_order(payload: bytes) -> TestOrder:
    """Read a verified payload as a test order, strictly.

    Raises:
        EnvelopeError: Of another type, a field missing, unknown or malformed, or a subject that is not the order.
    """
    statement = parse_statement(payload, ORDER_TYPE)
    found = refuse_odd_fields(dict(statement.predicate), _FIELDS, (), "the test order")
    contact = refuse_odd_fields(found["abortContact"], {"name", "reach"}, (), "the order's abort contact")
    testers = found["testers"]
    if not isinstance(testers, list) or not all(isinstance(item, str) for item in testers):
        raise EnvelopeError("the order's testers are no list of fingerprints", value=repr(testers), remedy=_SOURCE)
    try:
        issued_at = parse_rfc3339(found["issuedAt"], "issuedAt")
    except EvidenceError as error:
        raise EnvelopeError(error.what, value=error.value, remedy=_SOURCE) from error
    order = TestOrder(
        text_of(found["id"], "the order's id"),
        text_of(found["case"], "the order's case"),
        parse_terms(found),
        text_of(contact["name"], "the abort contact's name"),
        text_of(contact["reach"], "the abort contact's number or address"),
        tuple(testers),
        None if found["planSeal"] is None else text_of(found["planSeal"], "the order's plan seal"),
        issued_at,
    )
    if statement.subjects != (_subject(order.order_id, found),):
        raise EnvelopeError("the statement's subject is not the order in it", remedy=_SOURCE)
    return order


def read_order(envelope: bytes, trust: Trust, now: datetime) -> TestOrder:
    """Verify a test order and return it.

    Args:
        envelope: As :func:`sign_order` returns it.
        trust: Which key is a test arranger's, and when.
        now: The time of reading; an order issued later is refused.

    Raises:
        EnvelopeError: Malformed, or another statement.
        SignatureError: Not signed by a test arranger whose key was valid when it was issued, or from the future.
    """
    verified = verify(envelope, trust)
    order = parse_order(verified.payload)
    problems = list(verified.problems({TEST_ARRANGER}, order.issued_at))
    if order.issued_at > now:
        problems.append(f"it was issued in the future ({to_rfc3339(order.issued_at)})")
    if problems:
        raise SignatureError(
            f"the test order {order.order_id} does not stand",
            value="; ".join(problems),
            remedy="Ask the test arranger for an order that they signed.",
        )
    return order


def _subject(order_id: str, predicate: dict[str, Any]) -> Subject:
    return Subject(f"test order {order_id}", sha256_hex(canonical_bytes(predicate)))
