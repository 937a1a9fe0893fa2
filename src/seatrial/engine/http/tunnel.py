"""A tunnel through an outgoing proxy to a target that speaks TLS: CONNECT (RFC 9110, 9.3.6)."""

from __future__ import annotations

import socket
from typing import Final

from seatrial.engine.http.message import INTERIM, MAX_HEAD, ProtocolError, parse_head

__all__ = ["Tunnel", "TunnelRefusedError"]

_END: Final = b"\r\n\r\n"


class TunnelRefusedError(Exception):
    """The proxy does not open the tunnel. The message says why, with its status where it gave one."""


class Tunnel:
    """Asks a proxy for a tunnel and reads its answer, over one connection. After it the connection is the target's.

    Args:
        authority: ``host:port`` of the target, resolved by the proxy.
    """

    __slots__ = ("_answer", "_request")

    def __init__(self, authority: str) -> None:
        self._request = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode("latin-1")
        self._answer = b""

    def ask(self, sock: socket.socket) -> None:
        """Send the request, on a connection that has only just been opened.

        Raises:
            OSError: it can't be sent.
        """
        sock.sendall(self._request)  # at most a few hundred bytes, into an empty buffer

    def is_open(self, sock: socket.socket) -> bool:
        """Read what is there of the proxy's answer; return whether it is whole and opens the tunnel.

        The answer has no body whatever its head says, and the target does not speak before TLS's first message is
        sent: a byte more than the head is a fault.

        Raises:
            TunnelRefusedError: the proxy refuses, answers with what is not HTTP, or closes.
            BlockingIOError: nothing is there yet.
            OSError: the connection is lost.
        """
        data = sock.recv(MAX_HEAD)
        if not data:
            raise TunnelRefusedError("the proxy closed the connection instead of opening a tunnel")
        self._answer += data
        while (end := self._answer.find(_END)) >= 0:
            try:
                head = parse_head(self._answer[:end])
            except ProtocolError as error:
                raise TunnelRefusedError(f"the proxy's answer to CONNECT is not HTTP: {error}") from error
            rest = self._answer[end + len(_END) :]
            if head.length != INTERIM:
                if not 200 <= head.status < 300:
                    raise TunnelRefusedError(f"the proxy answered CONNECT with status {head.status}")
                if rest:
                    raise TunnelRefusedError("the proxy sent more than its answer to CONNECT")
                return True
            self._answer = rest
        if len(self._answer) > MAX_HEAD or not b"HTTP/1.".startswith(self._answer[:7]):
            raise TunnelRefusedError(f"the proxy's answer to CONNECT is not HTTP: {self._answer[:40]!r}")
        return False
