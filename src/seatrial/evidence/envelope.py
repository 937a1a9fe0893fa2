"""Signed envelopes: DSSE 1.0, n-of-m over distinct keys and distinct roles.

    {"payload": base64, "payloadType": "application/vnd.in-toto+json",
     "signatures": [{"keyid": "...", "sig": base64}]}

The rules, and why:

1. Every trusted key is tried against every signature. The key id is an unsigned hint: it never chooses a key and
   never makes a signature good.
2. The payload is bytes until a trusted key has verified it; whoever parses, parses :attr:`Verified.payload`, the
   very bytes that were verified, once.
3. When a key was valid is asked of the time in the payload, so periods are checked by :meth:`Verified.problems`
   after verification.
4. What :func:`sign` would not have written is a doubt that :meth:`Verified.problems` names: a signature that no
   trusted key made, a key id that is not that of the key that verified, another spelling of the outer JSON.

The pre-authentication encoding and the signatures are securesystemslib's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError

from seatrial.clock import to_rfc3339
from seatrial.errors import EnvelopeError, EvidenceError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, parse_json
from seatrial.evidence.keys import Signature, Signer, Trust, TrustedKey

__all__ = ["MAX_SIGNATURES", "PAYLOAD_TYPE", "Verified", "add_signature", "payload_of", "sign", "verify"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 16
_SOURCE = "Take the envelope from its signer again."


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found.

    Attributes:
        payload: The bytes that were verified; parse these and no others.
        signed_by: The trusted key of each good signature, in the order of the envelope; at least one.
        doubts: A sentence for everything that :func:`sign` would not have written.
        thresholds: How many holders of a role must sign, as the trust file says; 1 where it does not.
    """

    payload: bytes
    signed_by: tuple[TrustedKey, ...]
    doubts: tuple[str, ...]
    thresholds: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def roles(self) -> frozenset[str]:
        """The roles that signed."""
        return frozenset(key.role for key in self.signed_by)

    def problems(self, required: Collection[str], at: datetime) -> tuple[str, ...]:
        """Say everything that is wrong with who signed; empty when nothing is.

        Args:
            required: The roles that must have signed, each with as many keys and holders as the trust file asks.
            at: The time of signing that the payload states; each key must be valid then.
        """
        found = []
        for role in sorted(set(required)):
            needed, there = self.thresholds.get(role, 1), len({k.holder for k in self.signed_by if k.role == role})
            if there < needed:
                found.append(f"only {there} of {needed} holders of {role} signed" if there else f"no {role} signed")
        return (*found, *self.faults(required, at))

    def faults(self, allowed: Collection[str], at: datetime) -> tuple[str, ...]:
        """Say what is wrong with the signatures that are there, whoever else must still sign.

        Args:
            allowed: The roles that may have signed.
            at: As in :meth:`problems`.
        """
        found = []
        for key in self.signed_by:
            if key.role not in allowed:
                found.append(f"{key.name} signed as {key.role}, who has no part in this")
            if not key.valid_at(at):
                found.append(
                    f"the key of {key.role} {key.name} was not valid at {to_rfc3339(at)} "
                    f"(valid from {to_rfc3339(key.valid_from)} until {to_rfc3339(key.valid_until)})"
                )
        prints = [key.fingerprint for key in self.signed_by]
        holders = {key.fingerprint: key.holder for key in self.signed_by}
        found += [
            f"the key of {key.role} {key.name} signed twice"
            for index, key in enumerate(self.signed_by)
            if key.fingerprint in prints[:index]
        ]
        if len(set(holders.values())) < len(holders):
            found.append("one holder signed with two keys")
        return (*found, *self.doubts)


def sign(payload: bytes, signers: Sequence[Signer]) -> bytes:
    """Sign a payload and return the envelope in canonical bytes.

    Args:
        payload: A statement; its type is always ``application/vnd.in-toto+json``.
        signers: One or more securesystemslib signers with distinct keys (files, PKCS#11, a cloud KMS).

    Raises:
        SignatureError: No signer, or one key twice.
    """
    if not signers:
        raise SignatureError("an envelope without a signature says nothing", remedy="Give at least one key.")
    if len({signer.public_key.keyval["public"] for signer in signers}) < len(signers):
        raise SignatureError("one key can't sign twice", remedy="Each role signs with a key of its own.")
    return _write(payload, [_signature(payload, signer) for signer in signers])


def add_signature(envelope: bytes, signer: Signer, trust: Trust) -> bytes:
    """Return ``envelope`` with one more signature over the same payload.

    Raises:
        EnvelopeError: The envelope is malformed or of another payload type.
        SignatureError: No trusted key has signed it so far, or this key already has.
    """
    verified = verify(envelope, trust)
    payload, signatures = _read(envelope)
    added = trust.find(signer.public_key)
    if added is not None and added in verified.signed_by:
        raise SignatureError("this key has signed already", value=added.name, remedy="Another holder signs now.")
    return _write(payload, [*signatures, _signature(payload, signer)])


def verify(envelope: bytes, trust: Trust) -> Verified:
    """Verify an envelope against every trusted key.

    Returns:
        The verified payload and who signed. Whether those suffice is asked of :meth:`Verified.problems`.

    Raises:
        EnvelopeError: Malformed, or not of the payload type of in-toto statements.
        SignatureError: Not one signature is by a trusted key.
    """
    payload, signatures = _read(envelope)
    pae = Envelope(payload, PAYLOAD_TYPE, {}).pae()
    signed_by: list[TrustedKey] = []
    doubts: list[str] = []
    for number, (keyid, raw) in enumerate(signatures, start=1):
        key = next((key for key in trust.keys if _made_by(key, raw, pae)), None)
        if key is None:
            doubts.append(f"signature {number} is by no trusted key, or wrong")
            continue
        signed_by.append(key)
        if keyid != key.keyid:
            doubts.append(f"the key id of signature {number} is not that of {key.role} {key.name}, who made it")
    if _write(payload, signatures) != envelope:
        doubts.append("the envelope is not spelt as it was signed: it was edited")
    if not signed_by:
        raise SignatureError(
            "none of the signatures is by a trusted key",
            value=f"{len(signatures)} signature(s), {len(trust.keys)} trusted key(s)",
            remedy="The statement or a signature was changed, or the trust file lacks the signer's key.",
        )
    return Verified(payload, tuple(signed_by), tuple(doubts), trust.thresholds)


def payload_of(envelope: bytes) -> bytes:
    """Return the payload that an envelope carries, unverified: to be digested, and believed in nothing.

    Raises:
        EnvelopeError: Malformed, or not of the payload type of in-toto statements.
    """
    return _read(envelope)[0]


def _made_by(key: TrustedKey, signature: bytes, pae: bytes) -> bool:
    try:
        # The library refuses a signature with another key id unread, so each key is shown its own.
        key.key.verify_signature(Signature(key.keyid, signature.hex()), pae)
    except UnverifiedSignatureError:
        return False
    return True


def _signature(payload: bytes, signer: Signer) -> tuple[str, bytes]:
    made = signer.sign(Envelope(payload, PAYLOAD_TYPE, {}).pae())
    return made.keyid, bytes.fromhex(made.signature)


def _write(payload: bytes, signatures: Sequence[tuple[str, bytes]]) -> bytes:
    return canonical_bytes(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": k, "sig": base64.b64encode(s).decode()} for k, s in signatures],
        }
    )


def _read(envelope: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return (payload, [(key id, signature)]) of an envelope's outer form; the payload is not looked into."""
    try:
        document = parse_json(envelope, "the envelope")
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_SOURCE) from e
    if not isinstance(document, dict) or document.keys() != {"payload", "payloadType", "signatures"}:
        raise EnvelopeError("the envelope has not exactly payload, payloadType and signatures", remedy=_SOURCE)
    if document["payloadType"] != PAYLOAD_TYPE:
        raise EnvelopeError(
            "the envelope carries another type of payload than an in-toto statement",
            value=repr(document["payloadType"]),
            remedy=_SOURCE,
        )
    items = document["signatures"]
    if not isinstance(items, list) or not 0 < len(items) <= MAX_SIGNATURES:
        raise EnvelopeError(f"the envelope has no signature, or more than {MAX_SIGNATURES}", remedy=_SOURCE)
    return _base64(document["payload"], "payload"), [_signature_item(item) for item in items]


def _signature_item(item: Any) -> tuple[str, bytes]:
    if not isinstance(item, dict) or not {"sig"} <= item.keys() <= {"sig", "keyid"}:
        raise EnvelopeError("a signature has not exactly sig and, at will, keyid", remedy=_SOURCE)
    keyid = item.get("keyid", "")
    if not isinstance(keyid, str):
        raise EnvelopeError("a key id is not text", value=repr(keyid), remedy=_SOURCE)
    return keyid, _base64(item["sig"], "signature")


def _base64(text: Any, what: str) -> bytes:
    if isinstance(text, str) and text.isascii():
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            data = b""
        # Only the one spelling of these bytes: unused bits that are set would let two texts mean one signature.
        if data and base64.b64encode(data).decode() == text:
            return data
    raise EnvelopeError(f"the {what} is empty or not standard base64", remedy=_SOURCE)
