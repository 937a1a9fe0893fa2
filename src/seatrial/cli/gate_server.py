"""The server under ``seatrial gate serve``: TLS whose certificate may be renewed, and no patience with slow clients.

Whoever holds connections open without asking anything would otherwise keep the cluster's own questions out, and a
webhook that can't be asked admits nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seatrial.errors import UsageError

__all__ = ["REQUEST_SECONDS", "Certificate", "server_of"]

REQUEST_SECONDS = 10.0
"""How long a connection may take to send the head of its next request."""
_MAX_CONNECTIONS = 200


class Certificate:
    """A certificate and its key, read anew for the next connection when their files have changed.

    A pair that can't be used, for example because only one of the two was replaced so far, is not taken: the last good
    one stays.

    Args:
        certificate: PEM, with the chain.
        key: PEM.

    Raises:
        UsageError: They can't be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._stamp()
        try:
            self._newest = self._load()
        except (OSError, ssl.SSLError) as e:
            raise UsageError(
                "the certificate or its key can't be used", value=e, remedy="Give PEM files that fit."
            ) from e
        self.context = self._load()
        self.context.sni_callback = self._renew

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context

    def _stamp(self) -> list[tuple[int, ...]] | None:
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return None
        return [(item.st_dev, item.st_ino, item.st_size, item.st_mtime_ns) for item in found]

    def _renew(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # Called in every handshake, with a server name or without one.
        stamp = self._stamp()
        if stamp is not None and stamp != self._seen:
            with contextlib.suppress(OSError, ssl.SSLError):  # half renewed: tried again at the next handshake
                self._newest, self._seen = self._load(), stamp
        connection.context = self._newest


class _PromptProtocol(H11Protocol):
    """HTTP/1.1 that hangs up when the head of a request does not come in time."""

    request_seconds = REQUEST_SECONDS
    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._overdue is not None:
            self._overdue.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_request()

    def _await_request(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = self.loop.call_later(self.request_seconds, self._hang_up)

    def _hang_up(self) -> None:
        # The base class makes a cycle when the head of a request is whole; its answer waits for the body by itself.
        cycle: object = self.cycle  # None before the first, whatever its annotation says
        if cycle is None or self.cycle.response_complete:
            self.transport.abort()


def server_of(application: Any, certificate: Certificate, request_seconds: float = REQUEST_SECONDS) -> uvicorn.Server:
    """Return the server of an ASGI application, over TLS alone.

    Args:
        application: What answers.
        certificate: Whom it says that it is.
        request_seconds: How long a connection may take to send the head of its next request.
    """
    protocol = type("PromptProtocol", (_PromptProtocol,), {"request_seconds": request_seconds})
    config = uvicorn.Config(
        application,
        http=protocol,
        ws="none",
        ssl_context_factory=lambda _config, _default: certificate.context,
        log_level="error",
        access_log=False,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=int(REQUEST_SECONDS),
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    return uvicorn.Server(config)
