"""in-toto Statement v1 (https://in-toto.io/Statement/v1): who says what about which subjects.

Reading is stricter than the format asks: an unknown field is refused, because what a signer meant by it can't be
known, and ignoring a field must never turn a refusal into a permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import EnvelopeError, EvidenceError
from seatrial.evidence.canonical import canonical_bytes, parse_json
from seatrial.model.release import Subject, subjects_from

__all__ = ["STATEMENT_TYPE", "Statement", "parse_statement"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_SOURCE = "Take the statement from its signer again."


@dataclass(frozen=True)
class Statement:
    """An in-toto Statement v1.

    Attributes:
        subjects: What it speaks about; at least one, sorted by name.
        predicate_type: The URI that says how to read the predicate.
        predicate: A JSON object; not empty.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the statement in canonical bytes, the payload of an envelope."""
        return canonical_bytes(
            {
                "_type": STATEMENT_TYPE,
                "subject": [s.to_object() for s in self.subjects],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )


def parse_statement(payload: bytes, predicate_type: str) -> Statement:
    """Read a verified payload as a statement of one predicate type.

    Args:
        payload: Bytes that a trusted key has signed (``Verified.payload``).
        predicate_type: The only type accepted, so that no statement can be played in place of another.

    Raises:
        EnvelopeError: Not a Statement v1, of another predicate type, or with fields missing or unknown.
    """
    try:
        document = parse_json(payload, "the statement")
        if not isinstance(document, dict) or document.keys() != {"_type", "subject", "predicateType", "predicate"}:
            raise EnvelopeError("the statement has fields missing or unknown", remedy=_SOURCE)
        if document["_type"] != STATEMENT_TYPE:
            raise EnvelopeError("this is not an in-toto Statement v1", value=repr(document["_type"]), remedy=_SOURCE)
        if document["predicateType"] != predicate_type:
            raise EnvelopeError(
                f"the statement is not of type {predicate_type}",
                value=repr(document["predicateType"]),
                remedy="Give the statement that this place asks for.",
            )
        if not isinstance(document["predicate"], dict) or not document["predicate"]:
            raise EnvelopeError("the statement's predicate is empty or no object", remedy=_SOURCE)
        subjects = subjects_from(document["subject"], "the statement")
    except EnvelopeError:
        raise
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=e.remedy) from e
    return Statement(subjects, predicate_type, document["predicate"])
