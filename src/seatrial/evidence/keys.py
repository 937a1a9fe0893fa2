"""Keys: making one, keeping it, and the trust file that says which key holds which role, and when.

    {"format": "seatrial-trust/1", "keys": [{"keyid": "...", "keytype": "ed25519", "scheme": "ed25519",
      "keyval": {"public": "..."}, "role": "tester", "name": "Harbour Test Ltd",
      "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"}]}

One public key holds one role, once: the same key under two names, roles or spellings is refused. A key is valid
from ``valid_from`` until just before ``valid_until``. Rotation is a new entry beside the old one. Key and
signature operations are securesystemslib's and cryptography's; there is none of our own. The file may state how many
holders of a role must sign (``"thresholds": {"confirming-officer": 2}``, see :mod:`seatrial.evidence.thresholds`).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import (  # type: ignore[attr-defined] # public there, but not marked as re-exported
    CryptoSigner,
    Key,
    Signature,
    Signer,
    SSlibKey,
)

from seatrial.clock import to_rfc3339
from seatrial.errors import EvidenceError, KeyFileError
from seatrial.evidence.canonical import (
    canonical_bytes,
    parse_json,
    parse_rfc3339,
    read_document,
    sha256_hex,
)
from seatrial.evidence.thresholds import merge_thresholds, parse_thresholds, refuse_unreachable

__all__ = [
    "CASE_OFFICER",
    "CONFIRMING_OFFICER",
    "LOG_OPERATOR",
    "REVIEWER",
    "ROLES",
    "TESTER",
    "TEST_ARRANGER",
    "TRUST_FORMAT",
    "VERIFIER",
    "Signature",
    "Signer",
    "Trust",
    "TrustedKey",
    "is_encrypted",
    "load_signer",
    "load_trust",
    "merge_trust",
    "new_key",
    "parse_key_entry",
    "parse_trust",
    "public_fingerprint",
]

TRUST_FORMAT = "seatrial-trust/1"
TESTER = "tester"
REVIEWER = "reviewer"
CONFIRMING_OFFICER = "confirming-officer"
TEST_ARRANGER = "test-arranger"
CASE_OFFICER = "case-officer"
LOG_OPERATOR = "log-operator"
VERIFIER = "verifier"
ROLES = (TESTER, REVIEWER, CONFIRMING_OFFICER, TEST_ARRANGER, CASE_OFFICER, LOG_OPERATOR, VERIFIER)
"""What a key may sign: test results; recommendations and decisions; decisions and revocations; plan seals and test
orders; facts for the gate; the checkpoints of the transparency log; verification summaries."""
MAX_KEYS = 200
_SCHEMES = {
    ("ed25519", "ed25519"),
    ("ecdsa", "ecdsa-sha2-nistp256"),
    ("ecdsa", "ecdsa-sha2-nistp384"),
    ("rsa", "rsassa-pss-sha256"),
    ("rsa", "rsassa-pss-sha512"),
}
_FIELDS = {"keyid", "keytype", "scheme", "keyval", "role", "name", "valid_from", "valid_until"}
_REMEDY = "Make entries with 'seatrial keys new' and join them with 'seatrial keys trust'."


def public_fingerprint(keytype: str, public: str) -> str:
    """Return SHA-256 of a public key's DER form; ValueError where it can't be read."""
    key: Any = (
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        if keytype == "ed25519"
        else load_pem_public_key(public.encode())
    )
    return sha256_hex(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@dataclass(frozen=True)
class TrustedKey:
    """One public key, its holder, its role and its period.

    Attributes:
        keyid: A hint for people and tools; it never decides anything.
        keytype: securesystemslib's key type, for example ``ed25519``.
        scheme: Its signature scheme.
        public: The public key as securesystemslib writes it: hex for Ed25519, PEM for others.
        role: One of :data:`ROLES`.
        name: The holder, for people; two roles of one decision may not have one name.
        valid_from: First moment of validity, UTC.
        valid_until: First moment after validity, UTC; later than ``valid_from``.
    """

    keyid: str
    keytype: str
    scheme: str
    public: str
    role: str
    name: str
    valid_from: datetime
    valid_until: datetime

    def __post_init__(self) -> None:
        for what, text in (("keyid", self.keyid), ("name", self.name)):
            if not text.strip() or not text.isprintable():
                raise KeyFileError(f"a key's {what} is empty or not printable", value=repr(text), remedy=_REMEDY)
        if self.role not in ROLES:
            raise KeyFileError(
                f"the key of {self.name} has an unknown role", value=repr(self.role), remedy=f"One of {ROLES}."
            )
        if (self.keytype, self.scheme) not in _SCHEMES:
            raise KeyFileError(
                f"the key of {self.name} is of a kind that is not accepted",
                value=f"{self.keytype}/{self.scheme}",
                remedy="Use Ed25519, ECDSA P-256 or P-384, or RSA-PSS.",
            )
        if self.valid_until <= self.valid_from:
            raise KeyFileError(
                f"the key of {self.name} ends before it begins",
                value=f"{to_rfc3339(self.valid_from)} to {to_rfc3339(self.valid_until)}",
                remedy="Set valid_until after valid_from.",
            )

    @cached_property
    def key(self) -> Key:
        """The key as securesystemslib verifies with it."""
        return SSlibKey(self.keyid, self.keytype, self.scheme, {"public": self.public})

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the key's DER form: the same for every spelling of one key.

        Raises:
            KeyFileError: The public key can't be read.
        """
        try:
            return public_fingerprint(self.keytype, self.public)
        except (ValueError, UnsupportedAlgorithm) as e:
            raise KeyFileError(f"the public key of {self.name} can't be read ({e})", remedy=_REMEDY) from e

    @property
    def holder(self) -> str:
        """The holder's name in the form in which two names are compared: width, case and spacing do not tell apart."""
        return " ".join(unicodedata.normalize("NFKC", self.name).casefold().split())

    def valid_at(self, moment: datetime) -> bool:
        """Return whether ``moment`` lies in the key's period."""
        return self.valid_from <= moment < self.valid_until

    def to_object(self) -> dict[str, Any]:
        """Return the entry of a trust file."""
        return {
            "keyid": self.keyid,
            "keytype": self.keytype,
            "scheme": self.scheme,
            "keyval": {"public": self.public},
            "role": self.role,
            "name": self.name,
            "valid_from": to_rfc3339(self.valid_from),
            "valid_until": to_rfc3339(self.valid_until),
        }


@dataclass(frozen=True)
class Trust:
    """The keys that are trusted; at least one, each public key once; and how many of a role must sign."""

    keys: tuple[TrustedKey, ...]
    thresholds: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.keys) <= MAX_KEYS:
            raise KeyFileError(f"a trust file has 1 to {MAX_KEYS} keys", value=len(self.keys), remedy=_REMEDY)
        seen: dict[str, TrustedKey] = {}
        for key in self.keys:
            other = seen.setdefault(key.fingerprint, key)
            if other is not key:
                raise KeyFileError(
                    "one public key stands twice in the trust file",
                    value=f"{other.role} {other.name} and {key.role} {key.name}",
                    remedy="Each role signs with a key of its own.",
                )
        refuse_unreachable(self.thresholds, ((key.role, key.holder) for key in self.keys))

    def merge(self, other: Trust) -> Trust:
        """Return the keys of both; entries that are equal in every field are kept once.

        Raises:
            KeyFileError: One public key is in both with another role, name or period, or one role has two thresholds.
        """
        keys = self.keys + tuple(key for key in other.keys if key not in self.keys)
        return Trust(keys, merge_thresholds(self.thresholds, other.thresholds))

    def find(self, public_key: Key) -> TrustedKey | None:
        """Return the entry whose key material is that of ``public_key``, or None."""
        wanted = public_fingerprint(public_key.keytype, public_key.keyval["public"])
        return next((key for key in self.keys if key.fingerprint == wanted), None)

    def to_bytes(self) -> bytes:
        """Return ``trust.json``."""
        stated = {"thresholds": dict(self.thresholds)} if self.thresholds else {}
        return canonical_bytes({"format": TRUST_FORMAT, "keys": [k.to_object() for k in self.keys], **stated})


def parse_key_entry(item: object) -> TrustedKey:
    """Read one entry of a trust file, which is also what ``keys new`` writes as the public key.

    Raises:
        KeyFileError: A field is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(item, dict) or item.keys() != _FIELDS:
        odd = sorted(item.keys() ^ _FIELDS) if isinstance(item, dict) else [type(item).__name__]
        raise KeyFileError("a key entry has fields missing or unknown", value=", ".join(odd), remedy=_REMEDY)
    keyval = item["keyval"]
    if not isinstance(keyval, dict) or keyval.keys() != {"public"}:
        raise KeyFileError("a key entry's keyval has not exactly the field public", remedy=_REMEDY)
    texts = {"public": keyval["public"]} | {f: item[f] for f in ("keyid", "keytype", "scheme", "role", "name")}
    for named, text in texts.items():
        if not isinstance(text, str):
            raise KeyFileError(f"the field {named} of a key entry is not text", value=repr(text), remedy=_REMEDY)
    try:
        period = [parse_rfc3339(item[end], f"{end} of a key") for end in ("valid_from", "valid_until")]
    except EvidenceError as e:
        raise KeyFileError(e.what, value=e.value, remedy=e.remedy) from e
    key = TrustedKey(**texts, valid_from=period[0], valid_until=period[1])
    _ = key.fingerprint  # an unreadable public key is refused here, not at its first use
    return key


def parse_trust(data: bytes, what: str = "the trust file") -> Trust:
    """Read a trust file strictly.

    Raises:
        KeyFileError: Malformed, no key, a field unknown, or one public key twice.
    """
    try:
        document = parse_json(data, what)
    except EvidenceError as e:
        raise KeyFileError(e.what, value=e.value, remedy=e.remedy) from e
    if not isinstance(document, dict) or document.keys() - {"thresholds"} != {"format", "keys"}:
        raise KeyFileError(f"{what} has not exactly the fields format and keys, at will thresholds", remedy=_REMEDY)
    if document["format"] != TRUST_FORMAT or not isinstance(document["keys"], list):
        raise KeyFileError(
            f"{what} is not a list of keys of format {TRUST_FORMAT}", value=repr(document["format"]), remedy=_REMEDY
        )
    thresholds = parse_thresholds(document["thresholds"]) if "thresholds" in document else {}
    return Trust(tuple(parse_key_entry(item) for item in document["keys"]), thresholds)


def load_trust(path: Path) -> Trust:
    """Read a trust file from disk.

    Raises:
        KeyFileError: It can't be read or is malformed.
    """
    try:
        data = read_document(path.resolve())  # a mounted secret is a link
    except (EvidenceError, OSError, RuntimeError) as e:
        raise KeyFileError("the trust file can't be read", value=path, remedy="Give a readable trust file.") from e
    return parse_trust(data, path.name)


def new_key(
    private_file: Path, *, role: str, name: str, valid_from: datetime, valid_until: datetime, passphrase: str | None
) -> TrustedKey:
    """Make an Ed25519 key pair; write the private key and return the public entry.

    Args:
        private_file: Where the private key goes: PEM, PKCS#8, mode 0600; it must not exist yet.
        role: One of :data:`ROLES`.
        name: The holder.
        valid_from: First moment of validity.
        valid_until: First moment after validity.
        passphrase: Encrypts the private key; None leaves it in the clear. Empty text is refused.

    Raises:
        KeyFileError: The role, name or period is wrong, the file exists, or it can't be written.
    """
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private)
    public = signer.public_key
    entry = TrustedKey(
        public.keyid, public.keytype, public.scheme, public.keyval["public"], role, name, valid_from, valid_until
    )
    if passphrase == "":
        raise KeyFileError("the passphrase is empty", remedy="Give a passphrase, or none at all.")
    protection: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    try:
        fd = os.open(private_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as e:
        raise KeyFileError(
            "a private key is never overwritten, and this file exists",
            value=private_file,
            remedy="Choose another name.",
        ) from e
    except OSError as e:
        raise KeyFileError(
            f"the private key can't be written ({e.strerror})", value=private_file, remedy="Choose another place."
        ) from e
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o600)  # whatever the umask left
        file.write(pem)
    return entry


def is_encrypted(private_file: Path) -> bool:
    """Return whether a private key file asks for a passphrase.

    Raises:
        KeyFileError: The file can't be read.
    """
    try:
        return b"ENCRYPTED PRIVATE KEY" in read_document(private_file.resolve(), 64 * 1024)
    except EvidenceError as e:
        raise KeyFileError(e.what, value=e.value, remedy=e.remedy) from e


def load_signer(private_file: Path, passphrase: str | None = None) -> CryptoSigner:
    """Load a private key to sign with.

    Args:
        private_file: PEM, PKCS#8, readable by its owner alone.
        passphrase: Needed exactly when the file is encrypted.

    Raises:
        KeyFileError: Unreadable, open to others, no private key, or the passphrase is missing or wrong.
    """
    try:
        pem = read_document(private_file.resolve(), 64 * 1024)
        mode = private_file.stat().st_mode
    except (EvidenceError, OSError) as e:
        raise KeyFileError("the private key can't be read", value=private_file, remedy="Give the PEM file.") from e
    if mode & 0o077:
        raise KeyFileError(
            "the private key is open to others than its owner", value=private_file, remedy="Run chmod 600 on it."
        )
    try:
        return CryptoSigner(load_pem_private_key(pem, passphrase.encode() if passphrase else None))
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise KeyFileError(
            "the private key can't be opened",
            value=private_file,
            remedy="Give its passphrase (SEATRIAL_KEY_PASSPHRASE) exactly when it is encrypted.",
        ) from e


def merge_trust(parts: Iterable[Trust]) -> Trust:
    """Join trust files into one; see :meth:`Trust.merge`.

    Raises:
        KeyFileError: Nothing to join, or entries contradict each other.
    """
    merged: Trust | None = None
    for part in parts:
        merged = part if merged is None else merged.merge(part)
    if merged is None:
        raise KeyFileError("no key is given", remedy=_REMEDY)
    return merged
