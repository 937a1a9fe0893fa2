"""One TCP or TLS connection, driven by the reactor's events. No threads, no buffers but the socket's own.

TLS is spoken by the socket itself (``ssl.SSLSocket``, non-blocking), not through memory buffers: half the CPU time
of an event loop's TLS transport (``docs/design/engine.md``).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from seatrial.engine.http.message import ProtocolError, Reader, Response
from seatrial.engine.http.sources import bind_source
from seatrial.engine.http.tls import alert_of
from seatrial.engine.http.tunnel import Tunnel, TunnelRefusedError
from seatrial.model.sample import NEVER, Outcome

if TYPE_CHECKING:
    from seatrial.engine.driver import Driver
    from seatrial.engine.session import Session

__all__ = ["CLOSED", "OPEN", "Connection"]

_CONNECTING: Final = 0
_HANDSHAKE: Final = 1
OPEN: Final = 2
CLOSED: Final = 3
_TUNNEL: Final = 4

_READ: Final = select.EPOLLIN | select.EPOLLRDHUP
_WRITE: Final = select.EPOLLOUT
_CHUNK: Final = 64 * 1024

_OWN_LIMITS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Errors that say that this machine has run out of means, not that the service refused."""


class Connection:
    """A connection and the exchange on it.

    Attributes:
        state: ``OPEN``, ``CLOSED`` or not yet open.
        owner: The session whose exchange is under way; None while idle.
        used: Exchanges completed.
    """

    __slots__ = (
        "_driver",
        "_fd",
        "_lost",
        "_reader",
        "_recv",
        "_send",
        "_sock",
        "_tunnel",
        "_unsent",
        "owner",
        "state",
        "used",
    )

    def __init__(self, driver: Driver, owner: Session) -> None:
        self._driver = driver
        self._reader = Reader()
        self._unsent: bytes = b""
        self._tunnel: Tunnel | None = None  # while a proxy is asked for one
        self._lost = ""  # why sending failed
        self.owner: Session | None = owner
        self.used = 0
        self.state = CLOSED
        family, address, source = driver.next_route()
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source is not None:
                bind_source(sock, source)
            code = sock.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except OSError:
            sock.close()
            raise
        self._sock: socket.socket = sock
        self._fd = sock.fileno()
        self._recv, self._send = sock.recv, sock.send
        self.state = _CONNECTING
        driver.register(self._fd, self, _WRITE)

    def on_event(self, mask: int) -> None:
        """Take an event from the reactor."""
        if self.state == _CONNECTING:
            self._connected()
        elif self.state == _HANDSHAKE:
            self._shake_hands()
        elif self.state == _TUNNEL:
            self._dig()

    def _on_ready(self, mask: int) -> None:
        """Take an event on a connection that is open."""
        if mask & _WRITE:
            if self._unsent:
                self._send_rest()
            if not mask & ~_WRITE or self.state != OPEN:
                return
        self._read()

    def send(self, data: bytes, owner: Session, is_head: bool) -> None:
        """Begin an exchange on an open, idle connection."""
        self.owner = owner
        if is_head:
            self._reader.expect_head()
        send = self._send
        try:
            sent = send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError as error:
            self._lose_sending(error)
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._driver.modify(self._fd, _READ | _WRITE)

    @property
    def received(self) -> int:
        """Return how many bytes of an unfinished response have come."""
        return self._reader.received

    def close(self) -> None:
        """Close; the reactor forgets it. A second call does nothing."""
        if self.state != CLOSED:
            self.state = CLOSED
            self._driver.forget(self._fd)
            self._sock.close()

    def _connected(self) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            outcome = Outcome.UNSENT if code in _OWN_LIMITS else Outcome.CONNECT_FAILED
            self._break(outcome, os.strerror(code))
        elif self._driver.tls is None:
            self._opened()
        elif self._driver.target.tunnel is None:
            self._begin_tls(self._driver.tls)
        else:
            self.state = _TUNNEL
            self._tunnel = Tunnel(self._driver.target.tunnel)
            self._driver.modify(self._fd, _READ)
            self._dig(asked=False)

    def _dig(self, asked: bool = True) -> None:
        tunnel, tls = self._tunnel, self._driver.tls
        if tunnel is None or tls is None:
            return
        try:
            if not asked:
                tunnel.ask(self._sock)
            elif tunnel.is_open(self._sock):
                self._tunnel = None
                self._begin_tls(tls)
        except BlockingIOError:
            return
        except (OSError, TunnelRefusedError) as error:
            said = f"connection to the proxy lost: {_said(error)}" if isinstance(error, OSError) else str(error)
            self._break(Outcome.CONNECT_FAILED, said)

    def _begin_tls(self, context: ssl.SSLContext) -> None:
        # Not before the connection stands: the ssl module refuses a socket that is still connecting.
        try:
            self._sock = context.wrap_socket(
                self._sock,
                server_hostname=self._driver.target.host,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
        except OSError as error:
            self._break(Outcome.TLS_FAILED, _said(error))
            return
        self._recv, self._send = self._sock.recv, self._sock.send
        self.state = _HANDSHAKE
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._sock.do_handshake()  # type: ignore[attr-defined]
        except ssl.SSLWantReadError:
            self._driver.modify(self._fd, _READ)
        except ssl.SSLWantWriteError:
            self._driver.modify(self._fd, _WRITE)
        except OSError as error:
            self._break(Outcome.TLS_FAILED, _said(error))
        else:
            self._opened()

    def _opened(self) -> None:
        self.state = OPEN
        self._driver.modify(self._fd, _READ)
        self._driver.hand_to(self._fd, self._on_ready)
        owner = self.owner
        if owner is None:
            self.close()
        else:
            owner.on_open()

    def _send_rest(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError as error:
            # A service may answer early, for example 413, and close: the answer may lie in the buffer, so read on.
            self._lost = f"connection lost while sending: {_said(error)}"
            self._read()
            return
        if not self._unsent:
            self._driver.modify(self._fd, _READ)

    def _read(self) -> None:
        receive = self._recv  # a function in a slot is called faster by way of a local name
        while True:
            try:
                data = receive(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except ssl.SSLEOFError:
                self._cut_off()
                return
            except OSError as error:
                self._lose(error)
                return
            now = monotonic_ns()
            owner = self.owner
            if owner is None:  # idle: the server closes, or speaks unasked; either way it serves no more
                self.close()
                return
            if not data:
                self._ended(owner, now)
                return
            if owner.first_byte_ns == NEVER:
                owner.first_byte_ns = now
            reader = self._reader
            try:
                response = reader.feed(data)
            except ProtocolError as error:
                self._break(Outcome.PROTOCOL_ERROR, str(error))
                return
            if response is not None:
                self.owner = None
                self.used += 1
                if not reader.clean:
                    reader.reset()
                if not response.keep_alive or self._unsent:
                    self.close()
                owner.ready_ns = now
                self._driver.resume(owner, response)
                return
            # A TLS record may be decrypted further than was read, which epoll can't see.
            if self._driver.tls is None or not self._sock.pending():  # type: ignore[attr-defined]
                return

    def _ended(self, owner: Session, now: int) -> None:
        response = self._reader.end()
        if response is not None:
            self._complete(owner, response, now)
        elif self._reader.started:
            self._break(Outcome.PROTOCOL_ERROR, "connection closed in the middle of the response")
        else:
            self._break(Outcome.PROTOCOL_ERROR, self._lost or "connection closed before any response")

    def _lose_sending(self, error: OSError) -> None:
        self._lost = f"connection lost while sending: {_said(error)}"
        if self.used == 0 and self._driver.tls is not None:
            self._read()  # why the service closed the connection may lie in the buffer
        if self.owner is not None:
            self._break(Outcome.PROTOCOL_ERROR, self._lost)

    def _lose(self, error: OSError) -> None:
        alert = alert_of(error)
        if alert is not None and self.used == 0 and not self._reader.started:
            # TLS 1.3 lets a client speak before the server has looked at its certificate (RFC 8446, 4.4.2.4).
            self._break(Outcome.TLS_FAILED, f"the service refused: TLS alert {alert!r}")
        else:
            self._break(Outcome.PROTOCOL_ERROR, self._lost or f"connection lost: {_said(error)}")

    def _cut_off(self) -> None:
        # Without TLS's close_notify nobody knows who ended the stream: an answer that only its end could end is not
        # whole (RFC 9112, 9.8).
        middle = "in the middle of the response, without TLS's close_notify"
        where = middle if self._reader.started else "before any response"
        self._break(Outcome.PROTOCOL_ERROR, self._lost or f"connection closed {where}")

    def _complete(self, owner: Session, response: Response, now: int) -> None:
        self.owner = None
        self.used += 1
        self._reader.reset()
        if not response.keep_alive or self._unsent:
            self.close()
        owner.on_response(response, now)

    def _break(self, outcome: Outcome, detail: str) -> None:
        owner, self.owner = self.owner, None
        self.close()
        if owner is not None:
            unanswered = self.used > 0 and owner.first_byte_ns == NEVER
            owner.on_broken(outcome, detail, monotonic_ns(), unanswered, self._reader.received)


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return error.strerror or type(error).__name__


def connect_failure(error: OSError) -> tuple[Outcome, str]:
    """Return the outcome and the sentence for a connection that could not even be begun."""
    outcome = Outcome.UNSENT if error.errno in _OWN_LIMITS else Outcome.CONNECT_FAILED
    return outcome, _said(error)
