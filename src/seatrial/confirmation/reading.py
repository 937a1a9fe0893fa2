"""Reading the fields of a verified predicate, strictly: what is missing, unknown or of another type is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seatrial.errors import EnvelopeError, EvidenceError
from seatrial.evidence.canonical import is_sha256_hex, parse_rfc3339

__all__ = ["MAX_RATE_PER_S", "digest", "fields", "items", "maybe", "moment", "rate", "text"]

MAX_RATE_PER_S = 1e12
"""The highest rate that is taken for one; a number that a double can't hold is no rate."""

_SOURCE = "Ask its signer for a document that is well-formed."


def fields(value: object, expected: frozenset[str] | set[str], what: str) -> dict[str, Any]:
    """Return ``value`` as an object of exactly these fields.

    Raises:
        EnvelopeError: It is none; the message names ``what`` and the fields in question.
    """
    if not isinstance(value, dict) or value.keys() != expected:
        odd = ", ".join(sorted(value.keys() ^ expected)) if isinstance(value, dict) else type(value).__name__
        raise EnvelopeError(f"{what} has fields missing or unknown", value=odd, remedy=_SOURCE)
    return value


def items(value: object, what: str) -> list[Any]:
    """Return ``value`` as a list.

    Raises:
        EnvelopeError: It is none.
    """
    if not isinstance(value, list):
        raise EnvelopeError(f"{what} is not a list", value=repr(value), remedy=_SOURCE)
    return value


def text(value: object, what: str) -> str:
    """Return ``value`` as text, which may be empty.

    Raises:
        EnvelopeError: It is none.
    """
    if not isinstance(value, str):
        raise EnvelopeError(f"{what} is not text", value=repr(value), remedy=_SOURCE)
    return value


def moment(value: object, what: str) -> datetime:
    """Return an RFC 3339 time, UTC.

    Raises:
        EnvelopeError: It is none.
    """
    try:
        return parse_rfc3339(value, what)
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_SOURCE) from e


def digest(value: object, what: str) -> str:
    """Return the SHA-256 of ``{"sha256": "..."}``.

    Raises:
        EnvelopeError: Of another form.
    """
    found = fields(value, {"sha256"}, what)["sha256"]
    if not is_sha256_hex(found):
        raise EnvelopeError(f"{what} is not a SHA-256 in lower-case hexadecimal", value=repr(found), remedy=_SOURCE)
    return str(found)


def rate(value: object, what: str) -> float:
    """Return the rate of ``{"journeysPerSecond": 40.0}``: above 0 and at most :data:`MAX_RATE_PER_S`.

    Raises:
        EnvelopeError: Of another form or out of that range.
    """
    found = fields(value, {"journeysPerSecond"}, what)["journeysPerSecond"]
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= MAX_RATE_PER_S:
        raise EnvelopeError(f"{what} is not a plausible rate above 0", value=repr(found), remedy=_SOURCE)
    return float(found)


def maybe(digest_or_none: str | None) -> dict[str, str] | None:
    """Return ``{"sha256": "..."}``, or None where there is no digest."""
    return None if digest_or_none is None else {"sha256": digest_or_none}
