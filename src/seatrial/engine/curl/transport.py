"""Exchanges by libcurl's multi interface, its sockets on the driver's epoll and its clock in the driver's turns.

Connections of a session's own are kept apart by a share object (libcurl-share(3)) with a pool of its own: a fresh
connection for every session, closed with it, while issuers that were read once serve all of them. Shared connections
are the multi handle's own pool.
"""

from __future__ import annotations

from contextlib import suppress
from select import EPOLLIN, EPOLLOUT
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Literal

import pycurl

from seatrial.engine.curl.exchange import Exchange, Lane
from seatrial.engine.curl.settings import Route, Settings
from seatrial.engine.http.message import ProtocolError
from seatrial.engine.transport import FOREVER
from seatrial.model.sample import NEVER, Outcome
from seatrial.units import MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.engine.driver import Driver
    from seatrial.engine.session import Session

__all__ = ["CurlTransport", "curl_transport"]

_AT_ONCE: Final = 32
"""Answers handed over in one turn, as the driver takes events."""
_MOST_CONNECTIONS: Final = 1_000_000
_MASKS: Final = {
    pycurl.POLL_IN: EPOLLIN,
    pycurl.POLL_OUT: EPOLLOUT,
    pycurl.POLL_INOUT: EPOLLIN | EPOLLOUT,
}


class _Socket:
    """One of libcurl's sockets, as the driver sees it."""

    __slots__ = ("_fd", "_transport", "mask")

    def __init__(self, transport: CurlTransport, fd: int, mask: int) -> None:
        self._transport = transport
        self._fd = fd
        self.mask = mask

    def on_event(self, mask: int) -> None:
        """Take an event from the reactor."""
        bits = pycurl.CSELECT_IN if mask & ~EPOLLOUT else 0
        self._transport.act(self._fd, bits | pycurl.CSELECT_OUT if mask & EPOLLOUT else bits)


class CurlTransport:
    """HTTP/2 or HTTP/3 for one driver.

    Args:
        driver: Whose sessions it serves.
        settings: For handles; the transport closes them.
        routes: That connections take in turn, without end.
        shared: Whether sessions share connections.
    """

    def __init__(self, driver: Driver, settings: Settings, routes: Iterator[Route], shared: bool) -> None:
        self._driver = driver
        self._settings = settings
        self._routes = routes
        self._lanes: dict[Session, Lane] | None = None if shared else {}
        self._spare: list[Exchange] = []
        self._under_way: dict[Session, Exchange] = {}
        self._unread = 0  # handles that libcurl holds, minus those whose end was read
        self._sockets: dict[int, _Socket] = {}
        self._timer_ns = FOREVER
        self._more = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _MOST_CONNECTIONS)

    @property
    def connections(self) -> int:
        """Return the connections held: of shared ones those in use, for libcurl does not tell of the others."""
        return len(self._sockets) if self._lanes is None else len(self._lanes)

    def turn(self, now: int) -> int:
        """Do what is due: libcurl's clock, and answers that came at once."""
        if self._more:
            self._more = False
            self._hand_over()
        if self._timer_ns <= now:
            self.act(pycurl.SOCKET_TIMEOUT, 0)
        return 0 if self._more else self._timer_ns

    def act(self, fd: int, bits: int) -> None:
        """Let libcurl go on with a socket or its clock, and hand over what has ended."""
        if fd == pycurl.SOCKET_TIMEOUT:
            self._timer_ns = FOREVER  # it tells of the next instant by itself
        _, running = self._multi.socket_action(fd, bits)
        if running < self._unread:
            self._hand_over()

    def submit(self, session: Session, data: bytes, is_head: bool) -> None:
        """Begin an exchange, as :class:`seatrial.engine.transport.Transport` says."""
        exchange = self._spare.pop() if self._spare else Exchange(self._settings)
        if self._lanes is None:
            exchange.begin(session, data, exchange.route or next(self._routes), None)
        else:
            lane = self._lane(self._lanes, session)
            lane.busy += 1
            exchange.begin(session, data, lane.route, lane)
        self._under_way[session] = exchange
        self._go(exchange)

    def _lane(self, lanes: dict[Session, Lane], session: Session) -> Lane:
        whose = session if session.parent is None else session.parent
        lane = lanes.get(whose)
        if lane is None:
            lane = lanes[whose] = Lane(next(self._routes))
        return lane

    def _go(self, exchange: Exchange) -> None:
        self._multi.add_handle(exchange.handle)
        self._unread += 1
        self._timer_ns = FOREVER
        _, running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if running < self._unread:
            self._more = True  # not now: the session's flow is running

    def cancel(self, session: Session) -> int:
        """Forget an exchange, as :class:`seatrial.engine.transport.Transport` says."""
        exchange = self._under_way.pop(session, None)
        if exchange is None:
            return NEVER
        received = exchange.received if exchange.was_sent else NEVER
        if received > 0:
            session.first_byte_ns = exchange.first_byte_ns(monotonic_ns())
        exchange.session = None
        if not exchange.over:
            self._multi.remove_handle(exchange.handle)
            self._unread -= 1
            self._release(exchange)
        return received

    def _release(self, exchange: Exchange) -> None:
        lane = exchange.lane
        exchange.release()
        self._spare.append(exchange)
        if lane is not None:
            lane.busy -= 1
            if lane.left and not lane.busy:
                lane.share.close()

    def _hand_over(self) -> None:
        """Tell sessions what has become of their exchanges: so many as one turn may hold."""
        now = monotonic_ns()
        left, finished, failed = self._multi.info_read(_AT_ONCE)
        ended = [(handle.exchange, 0, "") for handle in finished]
        ended += [(handle.exchange, code, text) for handle, code, text in failed]
        for exchange, _, _ in ended:  # all of them before any session goes on: it may cancel another's
            exchange.over = True
            self._multi.remove_handle(exchange.handle)
        self._unread -= len(ended)
        if left:
            self._more = True
        for exchange, code, text in ended:
            self._end(exchange, code, text, now)

    def _end(self, exchange: Exchange, code: int, text: str, now: int) -> None:
        session = exchange.session
        if session is None:  # cancelled meanwhile
            self._release(exchange)
            return
        if code and exchange.was_refused(code):
            exchange.again()
            self._go(exchange)
            return
        del self._under_way[session]
        session.first_byte_ns = exchange.first_byte_ns(now)
        if code == 0:
            try:
                response = exchange.answer()
            except ProtocolError as error:
                received = exchange.received
                self._release(exchange)
                session.on_broken(Outcome.PROTOCOL_ERROR, str(error), now, False, received)
                return
            self._release(exchange)
            session.on_response(response, now)
            return
        outcome, detail = exchange.failure(code, text)
        received, unanswered = exchange.received, exchange.was_lost(code)
        self._release(exchange)
        session.on_broken(outcome, detail, now, unanswered, received)

    def _on_socket(self, what: int, fd: int, multi: object, data: object) -> None:
        """Take libcurl's word what it wants to know of a socket."""
        known = self._sockets.get(fd)
        if what == pycurl.POLL_REMOVE:
            if known is not None:
                del self._sockets[fd]
                with suppress(OSError):  # closed already
                    self._driver.unregister(fd)
            return
        mask = _MASKS.get(what, 0)
        if known is None:
            self._sockets[fd] = known = _Socket(self, fd, mask)
            self._driver.register(fd, known, mask)
        elif known.mask != mask:
            known.mask = mask
            self._driver.modify(fd, mask)

    def _on_timer(self, wait_ms: int) -> None:
        """Take libcurl's word when it wants to go on."""
        self._timer_ns = FOREVER if wait_ms < 0 else monotonic_ns() + wait_ms * MS

    def leave(self, session: Session) -> None:
        """Close the connections that are the session's own."""
        if self._lanes is not None:
            lane = self._lanes.pop(session, None)
            if lane is not None:
                lane.left = True
                if not lane.busy:
                    lane.share.close()

    def close(self) -> None:
        """Give up everything."""
        for session in tuple(self._under_way):
            self.cancel(session)
        for session in tuple(self._lanes or ()):
            self.leave(session)
        for exchange in self._spare:
            exchange.close()
        self._spare.clear()
        self._multi.close()
        for fd in tuple(self._sockets):
            self._driver.unregister(fd)
        self._sockets.clear()
        self._settings.close()


def curl_transport(driver: Driver, transport: Literal["http/2", "http/3"], shared: bool) -> CurlTransport:
    """Return the transport for a driver's target.

    Args:
        driver: Whose.
        transport: Which version of HTTP is spoken.
        shared: Whether sessions share connections.

    Raises:
        TargetError: the CA file can't be read.
        UsageError: HTTP/3 without TLS or through a proxy.
    """
    settings = Settings(driver.target, transport, driver.connect_wait_ns)
    return CurlTransport(driver, settings, iter(driver.next_route, None), shared)
