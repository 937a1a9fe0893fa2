"""What libcurl's errors mean before a connection stands; what goes wrong after that is a protocol error.

Codes as in libcurl-errors(3), libcurl 8.23. What HTTP can't meet (FTP, SSH, mail) is not in the table.
"""

from __future__ import annotations

import os
import socket
from typing import Final

import pycurl

from seatrial.engine.http.connection import connect_failure
from seatrial.model.sample import Outcome

__all__ = ["HTTP2_STREAM", "HTTP3", "OUTCOMES", "failure_to_connect"]

# pycurl has no names for the newest ones.
HTTP2_STREAM: Final = 92
"""``CURLE_HTTP2_STREAM``."""
HTTP3: Final = 95
"""``CURLE_HTTP3``."""
_QUIC_CONNECT: Final = 96
_PROXY: Final = 97
_CLIENT_CERTIFICATE: Final = 98
_UNRECOVERABLE_POLL: Final = 99
_TOO_LARGE: Final = 100
_ECH_REQUIRED: Final = 101

OUTCOMES: Final[dict[int, Outcome]] = {
    pycurl.E_COULDNT_RESOLVE_PROXY: Outcome.CONNECT_FAILED,
    pycurl.E_COULDNT_RESOLVE_HOST: Outcome.CONNECT_FAILED,
    pycurl.E_COULDNT_CONNECT: Outcome.CONNECT_FAILED,
    pycurl.E_OPERATION_TIMEDOUT: Outcome.CONNECT_FAILED,
    _PROXY: Outcome.CONNECT_FAILED,
    pycurl.E_SSL_CONNECT_ERROR: Outcome.TLS_FAILED,
    pycurl.E_PEER_FAILED_VERIFICATION: Outcome.TLS_FAILED,
    pycurl.E_SSL_CERTPROBLEM: Outcome.TLS_FAILED,
    pycurl.E_SSL_CIPHER: Outcome.TLS_FAILED,
    pycurl.E_SSL_CACERT_BADFILE: Outcome.TLS_FAILED,
    pycurl.E_SSL_CRL_BADFILE: Outcome.TLS_FAILED,
    pycurl.E_SSL_ISSUER_ERROR: Outcome.TLS_FAILED,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: Outcome.TLS_FAILED,
    pycurl.E_SSL_INVALIDCERTSTATUS: Outcome.TLS_FAILED,
    pycurl.E_USE_SSL_FAILED: Outcome.TLS_FAILED,
    _QUIC_CONNECT: Outcome.TLS_FAILED,  # QUIC's handshake is TLS's
    _CLIENT_CERTIFICATE: Outcome.TLS_FAILED,
    _ECH_REQUIRED: Outcome.TLS_FAILED,
    pycurl.E_UNSUPPORTED_PROTOCOL: Outcome.PROTOCOL_ERROR,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Outcome.PROTOCOL_ERROR,  # any service's, not FTP's alone
    pycurl.E_HTTP2: Outcome.PROTOCOL_ERROR,
    pycurl.E_PARTIAL_FILE: Outcome.PROTOCOL_ERROR,
    HTTP2_STREAM: Outcome.PROTOCOL_ERROR,
    HTTP3: Outcome.PROTOCOL_ERROR,
    _TOO_LARGE: Outcome.PROTOCOL_ERROR,
    pycurl.E_FAILED_INIT: Outcome.UNSENT,
    pycurl.E_OUT_OF_MEMORY: Outcome.UNSENT,
    pycurl.E_INTERFACE_FAILED: Outcome.UNSENT,
    pycurl.E_NO_CONNECTION_AVAILABLE: Outcome.UNSENT,
    _UNRECOVERABLE_POLL: Outcome.UNSENT,
}
"""libcurl's code to outcome, while no connection stands. The loss of a connection is not in it: see there."""

_PROOFS: Final = {
    9: "certificate is not yet valid",
    10: "certificate has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    62: "hostname mismatch",
    64: "IP address mismatch",
}
"""OpenSSL's X509_V_ERR_*, <openssl/x509_vfy.h>."""


def failure_to_connect(code: int, text: str, errno: int, proof: int, quic: bool) -> tuple[Outcome, str]:
    """Return the outcome and the sentence for a connection that did not come to stand.

    Args:
        code: libcurl's.
        text: libcurl's sentence; may be empty.
        errno: The system's last error number in it; 0 for none.
        proof: What came of proving the certificate, as OpenSSL numbers it.
        quic: Whether it is one of QUIC's.
    """
    text = text or f"libcurl error {code}"
    if code in {pycurl.E_COULDNT_CONNECT, pycurl.E_INTERFACE_FAILED}:
        if errno:
            return connect_failure(OSError(errno, os.strerror(errno)))
        # libcurl does not tell why it got no socket.
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
        except OSError as error:
            return connect_failure(error)
        if quic and code == pycurl.E_COULDNT_CONNECT:
            return Outcome.TLS_FAILED, f"QUIC handshake refused: {text}"
    if code == pycurl.E_PEER_FAILED_VERIFICATION and proof in _PROOFS:
        return Outcome.TLS_FAILED, f"certificate refused: {_PROOFS[proof]}"
    if code in OUTCOMES:
        return OUTCOMES[code], text
    # The rest is the loss of a connection: of UDP's before anything was shaken hands on, of TCP's in the midst of it.
    return Outcome.CONNECT_FAILED if quic else Outcome.TLS_FAILED, text
