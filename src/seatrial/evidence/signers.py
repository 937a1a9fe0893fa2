"""Signing with a key that never leaves its device: PKCS#11, or a cloud's key management.

A key reference (``NAME.key.json``) stands for the private key wherever a command takes one:

    {"format": "seatrial-key/1", "uri": "hsm:2?label=Officers", "public": { an entry of a trust file }}

It holds no secret. Devices and services are securesystemslib's signers, named by its URIs (``hsm:``, ``awskms:``,
``gcpkms:``, ``azurekms:``, ``hv:``); a PIN comes from a handler and is kept nowhere. Whatever a device signs is
verified against the reference before it is used, so another key under the same number is noticed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import (  # type: ignore[attr-defined] # public there, but not marked as re-exported
    AWSSigner,
    AzureSigner,
    GCPSigner,
    HSMSigner,
    Key,
    Signature,
    Signer,
    VaultSigner,
)

from seatrial.errors import EvidenceError, KeyFileError
from seatrial.evidence.canonical import canonical_bytes, parse_json, read_document
from seatrial.evidence.keys import TrustedKey, parse_key_entry

__all__ = ["KEY_FORMAT", "KeyReference", "import_key", "is_reference", "load_reference", "open_signer"]

KEY_FORMAT = "seatrial-key/1"
Secrets = Callable[[str], str]
"""From what is asked for (a PIN) to the secret."""

_REMEDY = "Install seatrial[{extra}]; for PKCS#11 set PYKCS11LIB to the token's library, and see docs/how-to/keys.md."
_EXTRAS: Mapping[str, str] = {"hsm": "hsm", "awskms": "aws", "gcpkms": "gcp", "azurekms": "azure", "hv": "vault"}
_PROBE = b"seatrial: is this the key that the reference names?"


@dataclass(frozen=True, slots=True)
class KeyReference:
    """Where a private key is, and its public part.

    Attributes:
        uri: securesystemslib's name of device or service and key.
        public: The entry of the trust file.
    """

    uri: str
    public: TrustedKey

    def to_bytes(self) -> bytes:
        """Return the file."""
        return canonical_bytes({"format": KEY_FORMAT, "uri": self.uri, "public": self.public.to_object()})


def _scheme(uri: str) -> str:
    scheme = urlsplit(uri).scheme
    if scheme not in _EXTRAS:
        raise KeyFileError(
            "no device or service is known by this name", value=uri, remedy=f"Begin it with {': or '.join(_EXTRAS)}:."
        )
    return scheme


def import_key(
    uri: str, *, role: str, name: str, valid_from: datetime, valid_until: datetime, secrets: Secrets
) -> KeyReference:
    """Read the public key from a device or service.

    Args:
        uri: ``hsm:NUMBER?label=TOKEN``, ``awskms:ID``, ``gcpkms:ID``, ``azurekms://VAULT.vault.azure.net/keys/NAME`` or
            ``hv:NAME``.
        role: One of the roles of keys.
        name: The holder.
        valid_from: First moment of validity.
        valid_until: First moment after validity.
        secrets: Asked for the PIN where the device wants one to show a public key.

    Raises:
        KeyFileError: The library or device is missing, or holds no such key; role, name or period is wrong.
    """
    scheme = _scheme(uri)
    found, key = _guarded(uri, lambda: _import(scheme, uri, secrets))
    public = TrustedKey(key.keyid, key.keytype, key.scheme, key.keyval["public"], role, name, valid_from, valid_until)
    return KeyReference(found, public)


def _import(scheme: str, uri: str, secrets: Secrets) -> tuple[str, Key]:
    parts = urlsplit(uri)
    rest = uri.partition(":")[2]
    if scheme == "hsm":
        label = dict(parse_qsl(parts.query)).get("label")
        return HSMSigner.import_(int(parts.path) if parts.path else None, label, secrets)
    if scheme == "azurekms":
        vault, name = str(parts.hostname).partition(".")[0], parts.path.removeprefix("/keys/").partition("/")[0]
        return AzureSigner.import_(vault, name)
    if scheme == "hv":
        return VaultSigner.import_(rest)
    return (AWSSigner if scheme == "awskms" else GCPSigner).import_(rest)


def is_reference(path: Path) -> bool:
    """Return whether a file is a key reference, and not a private key itself.

    Raises:
        KeyFileError: The file can't be read.
    """
    try:
        return read_document(path.resolve(), 64 * 1024).lstrip().startswith(b"{")
    except EvidenceError as e:
        raise KeyFileError(e.what, value=e.value, remedy=e.remedy) from e


def load_reference(path: Path) -> KeyReference:
    """Read a key reference strictly.

    Raises:
        KeyFileError: It can't be read, or has a field missing, unknown or wrong.
    """
    try:
        document = parse_json(read_document(path.resolve(), 64 * 1024), path.name)
    except EvidenceError as e:
        raise KeyFileError(e.what, value=e.value, remedy=e.remedy) from e
    remedy = "Make it with 'seatrial keys import'."
    if not isinstance(document, dict) or document.keys() != {"format", "uri", "public"}:
        raise KeyFileError(f"{path.name} has not exactly the fields format, uri and public", remedy=remedy)
    if document["format"] != KEY_FORMAT or not isinstance(document["uri"], str):
        raise KeyFileError(f"{path.name} is not of format {KEY_FORMAT}", value=repr(document["format"]), remedy=remedy)
    _scheme(document["uri"])
    return KeyReference(document["uri"], parse_key_entry(document["public"]))


class _Checked(Signer):
    """A signer whose signatures are verified with the public key that it should have."""

    def __init__(self, inner: Signer, reference: KeyReference) -> None:
        self._inner, self._reference = inner, reference

    @property
    def public_key(self) -> Key:
        return self._reference.public.key

    @classmethod
    def from_priv_key_uri(cls, *_: Any) -> Signer:
        raise NotImplementedError("made by open_signer alone")

    def sign(self, payload: bytes) -> Signature:
        made: Signature = _guarded(self._reference.uri, lambda: self._inner.sign(payload))
        try:
            self.public_key.verify_signature(made, payload)
        except UnverifiedSignatureError as e:
            raise KeyFileError(
                f"the device signed with another key than that of {self._reference.public.name}",
                value=self._reference.uri,
                remedy="Import the key again, and look into what became of the old one.",
            ) from e
        return made


def open_signer(reference: KeyReference, secrets: Secrets) -> Signer:
    """Return a signer for a key reference; a device is asked for a first signature at once.

    So a wrong PIN, a token that is not there and another key are said before anything is written.

    Raises:
        KeyFileError: The library, device, PIN or key is not what it must be.
    """
    uri = reference.uri
    inner = _guarded(uri, lambda: Signer.from_priv_key_uri(uri, reference.public.key, secrets))
    checked = _Checked(inner, reference)
    checked.sign(_PROBE)
    return checked


def _guarded(uri: str, action: Callable[[], Any]) -> Any:
    """Return what ``action`` returns; whatever a device's library raises becomes one message without a secret."""
    try:
        return action()
    except KeyFileError:
        raise
    except Exception as e:  # each device's library has errors of its own, and its own panics in C
        said = str(e).split("\n", 1)[0][:200]
        raise KeyFileError(
            f"the key can't be used ({type(e).__name__}{f': {said}' if said else ''})",
            value=uri,
            remedy=_REMEDY.format(extra=_EXTRAS[_scheme(uri)]),
        ) from e
