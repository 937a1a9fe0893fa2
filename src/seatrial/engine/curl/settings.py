"""How libcurl is set up for a target: everything that is the same for every request."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, Final, Literal

import pycurl

from seatrial.engine.http.message import MAX_BODY
from seatrial.engine.http.target import Target
from seatrial.errors import TargetError, UsageError
from seatrial.units import MS

__all__ = ["Route", "Settings"]

_READ_AT_ONCE: Final = 64 * 1024
_SUPPRESS_CONNECT_HEADERS: Final = 265  # of <curl/curl.h>; pycurl has no name for it


Route = tuple[int, tuple[str, int], str | None]
"""Address family, what a connection goes to, and the address that it comes from; None leaves that to the system."""


class Settings:
    """Prepares handles for one target.

    Attributes:
        version: Of HTTP, as in a status line: ``2`` or ``3``.
        authority: Value of the Host field that follows from the address.
        connect_wait_ns: Deadline for a connection.

    Args:
        target: Where requests go.
        transport: Which version is spoken; no other one is ever taken instead.
        connect_wait_ns: Deadline for a connection, TLS or QUIC included.

    Raises:
        TargetError: the CA file can't be read.
        UsageError: HTTP/3 without TLS, or through a proxy, which is not to be had.
    """

    def __init__(self, target: Target, transport: Literal["http/2", "http/3"], connect_wait_ns: int) -> None:
        if transport == "http/3" and not (target.tls and target.proxy is None):
            raise UsageError(
                "HTTP/3 is always encrypted and does not go through a proxy",
                value=f"transport: http/3, {'https' if target.tls else 'http'}://{target.authority}",
                remedy="Write an https target and no proxy, or another transport.",
            )
        self.version = transport.encode()[-1:]
        self.connect_wait_ns = connect_wait_ns
        self.authority = target.authority.encode()
        host = f"[{target.host}]" if ":" in target.host else target.host
        self._trust: _Trust | None = _Trust(target.ca) if target.tls else None
        # ALPN offers this version alone, so that a server without it ends the handshake.
        versions = {"http/2": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, "http/3": pycurl.CURL_HTTP_VERSION_3ONLY}
        self._options: list[tuple[int, Any]] = [
            (pycurl.URL, f"{'https' if target.tls else 'http'}://{host}:{target.port}/"),
            (pycurl.HTTP_VERSION, versions[transport]),
            (pycurl.CONNECTTIMEOUT_MS, max(1, connect_wait_ns // MS)),
            (pycurl.NOSIGNAL, 1),
            (pycurl.NOPROGRESS, 1),
            (pycurl.PIPEWAIT, 1),  # rather a stream on a connection that is opening than a further connection
            (pycurl.PATH_AS_IS, 1),
            (pycurl.HTTP_CONTENT_DECODING, 0),
            (pycurl.MAXFILESIZE_LARGE, MAX_BODY),
            (pycurl.BUFFERSIZE, _READ_AT_ONCE),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.SSL_SESSIONID_CACHE, 0),  # every citizen shakes hands in full
            (pycurl.PROXY, ""),  # whatever the environment says
            (pycurl.NOPROXY, "*" if target.proxy is None else ""),
            (pycurl.HTTPPROXYTUNNEL, 1),
            (_SUPPRESS_CONNECT_HEADERS, 1),
        ]
        if target.certificate is not None:
            key = target.key or target.certificate
            self._options += [(pycurl.SSLCERT, target.certificate), (pycurl.SSLKEY, key)]
        self._through_proxy = target.proxy is not None
        if self._trust is not None:
            self._options += self._trust.options

    def handle(self) -> pycurl.Curl:
        """Return a new handle, ready but for the request."""
        handle = pycurl.Curl()
        for option, value in self._options:
            handle.setopt(option, value)
        return handle

    def send(self, handle: pycurl.Curl, route: Route) -> None:
        """Set where the handle's connection goes to and comes from. Names are never resolved again."""
        _, (host, port), source = route
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if self._through_proxy:
            handle.setopt(pycurl.PROXY, f"http://{address}")
        else:
            handle.setopt(pycurl.CONNECT_TO, [f"::{address}"])
        if source is not None:
            handle.setopt(pycurl.INTERFACE, f"host!{source}")

    def close(self) -> None:
        """Give up what the settings hold; handles made by them must not be used any more."""
        if self._trust is not None:
            self._trust.close()


class _Trust:
    """Whom to trust: the plan's issuer, or the system's as Python finds them (:func:`ssl.create_default_context`).

    libcurl keeps the issuers that it has read from one file, and reads any other source anew for every connection.
    The system may have a file and a folder of issuers, so both are put into one file in memory.

    Attributes:
        options: For a handle.
    """

    def __init__(self, ca: str | None) -> None:
        self._fd = -1
        if ca is not None:
            # Read here, for an unreadable file is the plan's mistake and not the service's.
            try:
                ssl.create_default_context(cafile=ca)
            except (OSError, ssl.SSLError) as error:
                raise TargetError(
                    f"the CA file can't be used ({error})", value=ca, remedy="Name a PEM file."
                ) from error
            self.options: list[tuple[int, Any]] = [(pycurl.CAINFO, ca), (pycurl.CAPATH, None)]
            return
        self._fd = os.memfd_create("issuers", os.MFD_CLOEXEC)
        with open(self._fd, "wb", closefd=False) as file:
            for issuer in _system_issuers():
                file.write(issuer)
        self.options = [(pycurl.CAINFO, f"/proc/self/fd/{self._fd}"), (pycurl.CAPATH, None)]

    def close(self) -> None:
        """Give the file in memory back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _system_issuers() -> list[bytes]:
    """Return the PEM texts of the issuers that the system trusts, each once."""
    paths = ssl.get_default_verify_paths()
    files = [Path(paths.cafile)] if paths.cafile else []
    for folder in (paths.capath or "").split(os.pathsep):
        # OpenSSL takes from a folder only what is named by its hash.
        files += sorted(Path(folder).glob("[0-9a-f]" * 8 + ".[0-9]*")) if folder else []
    found: dict[bytes, None] = {}
    for file in files:
        try:
            text = file.read_bytes()
        except OSError:  # a dangling link: OpenSSL passes it over too
            continue
        for begin in text.split(b"-----BEGIN ")[1:]:
            found.setdefault(b"-----BEGIN " + begin.partition(b"-----END CERTIFICATE-----")[0], None)
    end = b"-----END CERTIFICATE-----\n"
    return [begin + end for begin in found if begin.startswith(b"-----BEGIN CERTIFICATE-----")]
