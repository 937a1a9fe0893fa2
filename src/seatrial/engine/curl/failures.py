"""What libcurl's errors mean: one table from its codes to outcomes.

Codes as in libcurl-errors(3), libcurl 8.23. What HTTP can't meet (FTP, SSH, mail) is not in the table; a code that
is not, is a protocol error with libcurl's own sentence.
"""

from __future__ import annotations

import os
from typing import Final

import pycurl

from seatrial.engine.http.connection import connect_failure
from seatrial.model.sample import Outcome

__all__ = ["HTTP3", "OUTCOMES", "failure_of"]

HTTP3: Final = 95
"""``CURLE_HTTP3``."""
_QUIC_CONNECT: Final = 96  # pycurl has no names for the newest ones
_HTTP2_STREAM: Final = 92
_TOO_LARGE: Final = 100
_ECH_REQUIRED: Final = 101
_PROXY: Final = 97
_SSL_CLIENTCERT: Final = 98
_UNRECOVERABLE_POLL: Final = 99

OUTCOMES: Final[dict[int, Outcome]] = {
    pycurl.E_COULDNT_RESOLVE_PROXY: Outcome.CONNECT_FAILED,
    pycurl.E_COULDNT_RESOLVE_HOST: Outcome.CONNECT_FAILED,
    pycurl.E_COULDNT_CONNECT: Outcome.CONNECT_FAILED,
    pycurl.E_OPERATION_TIMEDOUT: Outcome.CONNECT_FAILED,  # the only clock that it is given is that for connecting
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
    _SSL_CLIENTCERT: Outcome.TLS_FAILED,
    _ECH_REQUIRED: Outcome.TLS_FAILED,
    pycurl.E_UNSUPPORTED_PROTOCOL: Outcome.PROTOCOL_ERROR,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Outcome.PROTOCOL_ERROR,  # any service's, not FTP's alone
    pycurl.E_HTTP2: Outcome.PROTOCOL_ERROR,
    pycurl.E_PARTIAL_FILE: Outcome.PROTOCOL_ERROR,
    pycurl.E_GOT_NOTHING: Outcome.PROTOCOL_ERROR,
    pycurl.E_SEND_ERROR: Outcome.PROTOCOL_ERROR,
    pycurl.E_RECV_ERROR: Outcome.PROTOCOL_ERROR,
    pycurl.E_BAD_CONTENT_ENCODING: Outcome.PROTOCOL_ERROR,
    pycurl.E_FILESIZE_EXCEEDED: Outcome.PROTOCOL_ERROR,
    pycurl.E_SEND_FAIL_REWIND: Outcome.PROTOCOL_ERROR,
    _HTTP2_STREAM: Outcome.PROTOCOL_ERROR,
    HTTP3: Outcome.PROTOCOL_ERROR,
    _TOO_LARGE: Outcome.PROTOCOL_ERROR,
    pycurl.E_FAILED_INIT: Outcome.UNSENT,
    pycurl.E_OUT_OF_MEMORY: Outcome.UNSENT,
    pycurl.E_INTERFACE_FAILED: Outcome.UNSENT,
    pycurl.E_NO_CONNECTION_AVAILABLE: Outcome.UNSENT,
    _UNRECOVERABLE_POLL: Outcome.UNSENT,
}
"""libcurl's code to outcome."""

_BEFORE_A_CONNECTION: Final = frozenset({pycurl.E_COULDNT_CONNECT, pycurl.E_INTERFACE_FAILED, _QUIC_CONNECT})


def failure_of(code: int, text: str, errno: int) -> tuple[Outcome, str]:
    """Return the outcome and the sentence for an exchange that failed.

    Args:
        code: libcurl's.
        text: libcurl's sentence; may be empty.
        errno: The system's last error number in it; 0 for none.
    """
    outcome = OUTCOMES.get(code, Outcome.PROTOCOL_ERROR)
    if code in _BEFORE_A_CONNECTION and errno:
        # The system has said why: nothing was shaken hands on.
        return connect_failure(OSError(errno, os.strerror(errno)))
    return outcome, text or f"libcurl error {code}"
