"""TLS as the generator speaks it: the target always proves its name; the generator proves its own where it has one."""

from __future__ import annotations

import re
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final

from seatrial.errors import TargetError, UsageError

__all__ = ["alert_of", "certificate_fingerprint", "tls_context"]

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ALERT: Final = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)")


class _PassphraseError(Exception):
    """The private key wants a passphrase."""


def tls_context(ca: str | None, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Return the client's TLS settings: the certificate and the name are always proven, the stream's end too.

    No session is ever resumed: every connection of a citizen is a full handshake, which costs a service the most.

    Args:
        ca: PEM file of the issuer to trust instead of the system's.
        certificate: PEM file of the client's certificate, with its chain; None for no certificate.
        key: PEM file of its private key; None where it is in the certificate's file.

    Raises:
        TargetError: the CA file can't be read.
        UsageError: the client's certificate or its key can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TargetError(f"the CA file can't be used ({error})", value=ca, remedy="Name a PEM file.") from error
    context.set_alpn_protocols(["http/1.1"])
    # Python sets this: the end of a TCP connection would then pass for the end of the TLS stream, and a truncated
    # answer for a whole one.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.options |= ssl.OP_NO_TICKET
    if certificate is not None:
        _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    def refuse_to_ask() -> str:  # else OpenSSL asks at the terminal
        raise _PassphraseError

    named = (("certificate", "certificate", certificate), ("private key", "key", key or certificate))
    for what, at, file in named:
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise UsageError(
                f"the client's {what} can't be read ({error.strerror})", value=file, remedy=f"Correct 'tls.{at}'."
            ) from error
    try:
        context.load_cert_chain(certificate, key, refuse_to_ask)
    except _PassphraseError as error:
        raise UsageError(
            "the client's private key wants a passphrase, which nobody is there to give",
            value=key or certificate,
            remedy="Decrypt it for the run (openssl pkey -in key.pem -out plain.pem), readable by the tester alone.",
        ) from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                "the client's private key is not that of its certificate",
                value=f"{certificate}, {key or certificate}",
                remedy="Name the pair that belongs together as 'tls.certificate' and 'tls.key'.",
            ) from error
        raise UsageError(
            f"the client's certificate or key can't be used ({error.reason or error})",
            value=f"{certificate}, {key or certificate}",
            remedy="Name PEM files: the certificate, and its private key in the same file or as 'tls.key'.",
        ) from error


def certificate_fingerprint(file: str) -> str:
    """Return the SHA-256 of a PEM file's first certificate in DER, in hexadecimal, as other tools show it.

    Raises:
        UsageError: it holds no certificate, or can't be read.
    """
    try:
        found = _CERTIFICATE.search(Path(file).read_text("latin-1"))
        if found is not None:
            return sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest()
        reason = "it holds none"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise UsageError(f"the client's certificate can't be used ({reason})", value=file, remedy="Name a PEM file.")


def alert_of(error: OSError) -> str | None:
    """Return the name of the alert by which the other side ended TLS (RFC 8446, 6.2), such as ``certificate required``.

    Returns:
        None where the error is another one.
    """
    found = _ALERT.fullmatch(str(error.reason)) if isinstance(error, ssl.SSLError) else None
    return None if found is None else found[1].lower().replace("_", " ")
