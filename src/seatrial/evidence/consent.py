"""The owner's consent: a document that the target itself serves.

    {"format": "seatrial-consent/1", "targets": ["booking.example.gov:443"], "maxRequestsPerSecond": 200,
     "notBefore": "2026-11-24T02:00:00Z", "notAfter": "2026-11-24T06:00:00Z", "sources": ["192.0.2.10"],
     "abortContact": "Duty officer, +852 5550 0100", "tester": "Harbour Test Ltd"}

It is not signed: that the target's own address serves it, over the connection that the trial's requests take, is all
that it shows. Reading is strict: what an unknown field would forbid can't be known.
"""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.errors import EnvelopeError, EvidenceError
from seatrial.evidence.canonical import is_sha256_hex, parse_json
from seatrial.evidence.terms import TERMS, Terms, parse_terms, refuse_odd_fields, text_of

__all__ = ["CONSENT", "CONSENT_FORMAT", "CONSENT_PATH", "MAX_CONSENT_BYTES", "Consent", "parse_consent"]

CONSENT = "consent.json"
CONSENT_FORMAT = "seatrial-consent/1"
CONSENT_PATH = "/.well-known/seatrial-consent.json"
MAX_CONSENT_BYTES = 64 * 1024
_FIELDS = TERMS | {"format", "abortContact", "tester"}


@dataclass(frozen=True, slots=True)
class Consent:
    """An owner's consent.

    Attributes:
        terms: What is permitted.
        abort_contact: Whom to call to have the load stopped, and how.
        tester: Who may load: a name for people, or the fingerprint of the key that must seal the evidence.
    """

    terms: Terms
    abort_contact: str
    tester: str

    @property
    def testers(self) -> tuple[str, ...]:
        """Return the fingerprint of the key that must seal the evidence; none where only a name is given."""
        return (self.tester,) if is_sha256_hex(self.tester) else ()


def parse_consent(data: bytes) -> Consent:
    """Read a consent document.

    Raises:
        EnvelopeError: Too large, no JSON, of another format, or with a field missing, unknown or malformed.
    """
    if len(data) > MAX_CONSENT_BYTES:
        raise EnvelopeError(
            f"the consent has more than {MAX_CONSENT_BYTES} bytes", value=len(data), remedy="Serve the document alone."
        )
    try:
        found = refuse_odd_fields(parse_json(data, "the consent"), _FIELDS, (), "the consent")
    except EnvelopeError:
        raise
    except EvidenceError as error:
        raise EnvelopeError(error.what, value=error.value, remedy=error.remedy) from error
    if found["format"] != CONSENT_FORMAT:
        raise EnvelopeError(
            f"the consent is not of format {CONSENT_FORMAT}", value=repr(found["format"])[:200], remedy="Correct it."
        )
    return Consent(
        parse_terms(found),
        text_of(found["abortContact"], "the consent's abort contact"),
        text_of(found["tester"], "the consent's tester"),
    )
