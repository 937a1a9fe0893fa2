"""Exchanges by libcurl's multi interface, its sockets on the driver's epoll and its clock in the driver's turns.

Connections live in lanes: share objects (libcurl-share(3)) with a pool of connections each. A session of its own
connections has a lane of its own, closed with it; sessions that share connections share a lane for each route.
Issuers that were read once serve all lanes, since they belong to the multi handle.
"""

from __future__ import annotations

import os
from contextlib import suppress
from select import EPOLLIN, EPOLLOUT, EPOLLRDHUP
from stat import S_ISSOCK
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
_LOOK_AGAIN_NS: Final = 100 * MS
_MASKS: Final = {
    pycurl.POLL_IN: EPOLLIN,
    pycurl.POLL_OUT: EPOLLOUT,
    pycurl.POLL_INOUT: EPOLLIN | EPOLLOUT,
}
_IDLE: Final = EPOLLRDHUP


class _Socket:
    """One of libcurl's sockets, as the driver sees it.

    Attributes:
        lane: Whose connection it is; None until an exchange on it has ended.
        lasts: Whether it is no connection at all, but what libcurl wakes itself by: it is watched all the time, since
            libcurl wants it and wants it no more with every request.
        mask: What it is watched for; ``_IDLE`` while libcurl does not look after it.
    """

    __slots__ = ("_fd", "_transport", "lane", "lasts", "mask")

    def __init__(self, transport: CurlTransport, fd: int, mask: int) -> None:
        self._transport = transport
        self._fd = fd
        self.lane: Lane | None = None
        self.lasts = not S_ISSOCK(os.fstat(fd).st_mode)
        self.mask = mask

    def on_event(self, mask: int) -> None:
        """Take an event from the reactor."""
        if self.mask == _IDLE:
            self._transport.on_idle_end(self._fd, self.lane)
            return
        bits = pycurl.CSELECT_IN if mask & ~EPOLLOUT else 0
        self._transport.on_socket(self._fd, bits | pycurl.CSELECT_OUT if mask & EPOLLOUT else bits)


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
        self._shared = shared
        self._lanes: dict[Session | Route, Lane] = {}
        self._exchanges: dict[pycurl.Curl, Exchange] = {}
        self._spare: list[Exchange] = []
        self._under_way: dict[Session, Exchange] = {}
        self._unread = 0  # handles that libcurl holds and whose end was not read yet
        self._sockets: dict[int, _Socket] = {}
        self._doubtful: set[int] = set()
        self._look_again_ns = FOREVER
        self._timer_ns = FOREVER
        self._more = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_wish)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _MOST_CONNECTIONS)

    @property
    def connections(self) -> int:
        """Return the connections held; of shared ones those known to have carried an exchange."""
        if self._shared:
            return sum(len(lane.sockets) for lane in self._lanes.values())
        return len(self._lanes)

    # -- what the driver tells -----------------------------------------------------------------------------------

    def turn(self, now: int) -> int:
        """Do what is due: libcurl's clock, answers that came at once, and a second look at doubtful sockets."""
        if self._more:
            self._more = False
            self._hand_over()
        if self._timer_ns <= now:
            self._act(pycurl.SOCKET_TIMEOUT, 0)
        if self._doubtful:
            self._look_again(now)
        return 0 if self._more else min(self._timer_ns, self._look_again_ns)

    def on_socket(self, fd: int, bits: int) -> None:
        """Let libcurl go on with a socket, and hand over what has ended."""
        if self._act(fd, bits):
            self._doubtful.discard(fd)
        else:
            self._doubtful.add(fd)

    def on_idle_end(self, fd: int, lane: Lane | None) -> None:
        """Give up a pooled connection that the server has closed: libcurl 8.23 does not notice it by itself."""
        del self._sockets[fd]
        with suppress(OSError):
            self._driver.unregister(fd)
        if lane is not None:
            lane.sockets.discard(fd)
            self._retire(lane)

    def _act(self, fd: int, bits: int) -> bool:
        if fd == pycurl.SOCKET_TIMEOUT:
            self._timer_ns = FOREVER  # it tells of the next instant by itself
        _, running = self._multi.socket_action(fd, bits)
        if running == self._unread:
            return False
        self._hand_over()
        return True

    def _look_again(self, now: int) -> None:
        """Have libcurl look once more at sockets where it had something to read and nothing came of it.

        When a server breaks HTTP/2's framing, libcurl 8.23 ends the connection and tells the exchanges on it only at
        the next event, which never comes.
        """
        if self._look_again_ns == FOREVER:
            self._look_again_ns = now + _LOOK_AGAIN_NS
        elif self._look_again_ns <= now:
            for _ in range(min(_AT_ONCE, len(self._doubtful))):
                fd = self._doubtful.pop()
                if fd in self._sockets and self._sockets[fd].mask != _IDLE:
                    self._act(fd, pycurl.CSELECT_IN)
            if not self._doubtful:
                self._look_again_ns = FOREVER

    # -- exchanges -----------------------------------------------------------------------------------------------

    def submit(self, session: Session, data: bytes, is_head: bool) -> None:
        """Begin an exchange, as :class:`seatrial.engine.transport.Transport` says."""
        exchange = self._spare.pop() if self._spare else self._new()
        if self._shared:
            route = next(self._routes)
            lane = self._lanes.get(route) or self._open(route, route)
        else:
            whose = session if session.parent is None else session.parent
            lane = self._lanes.get(whose) or self._open(whose, next(self._routes))
        lane.busy += 1
        exchange.begin(session, data, lane)
        self._under_way[session] = exchange
        self._go(exchange)

    def _new(self) -> Exchange:
        exchange = Exchange(self._settings)
        self._exchanges[exchange.handle] = exchange
        return exchange

    def _go(self, exchange: Exchange) -> None:
        self._multi.add_handle(exchange.handle)
        self._unread += 1
        self._timer_ns = FOREVER
        _, running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if running != self._unread:
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

    def _hand_over(self) -> None:
        """Tell sessions what has become of their exchanges: so many as one turn may hold."""
        now = monotonic_ns()
        left, finished, failed = self._multi.info_read(_AT_ONCE)
        ended = [(self._exchanges[handle], 0, "") for handle in finished]
        ended += [(self._exchanges[handle], code, text) for handle, code, text in failed]
        for exchange, _, _ in ended:  # all of them before any session goes on: it may cancel another's
            exchange.over = True
            fd, lane = exchange.handle.getinfo(pycurl.LASTSOCKET), exchange.lane
            if lane is not None and fd in self._sockets:
                self._sockets[fd].lane = lane
                lane.sockets.add(fd)
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

    # -- lanes ---------------------------------------------------------------------------------------------------

    def _open(self, key: Session | Route, route: Route) -> Lane:
        lane = self._lanes[key] = Lane(key, route)
        return lane

    def _retire(self, lane: Lane) -> None:
        """Let no further exchange begin on a lane; it closes with the last one."""
        if self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]
        lane.retired = True
        if not lane.busy:
            self._close_lane(lane)

    def _close_lane(self, lane: Lane) -> None:
        for exchange in self._spare:
            if exchange.lane is lane:
                exchange.leave_lane()
        for fd in lane.sockets:
            known = self._sockets.get(fd)
            if known is not None and known.lane is lane:
                del self._sockets[fd]
                with suppress(OSError):
                    self._driver.unregister(fd)
        lane.share.close()

    def _release(self, exchange: Exchange) -> None:
        exchange.release()
        self._spare.append(exchange)
        lane = exchange.lane
        if lane is not None:
            lane.busy -= 1
            if not self._shared or lane.retired:
                exchange.leave_lane()
            if lane.retired and not lane.busy:
                self._close_lane(lane)

    def leave(self, session: Session) -> None:
        """Close the connections that are the session's own."""
        lane = self._lanes.get(session)
        if lane is not None:
            self._retire(lane)

    def close(self) -> None:
        """Give up everything."""
        for session in tuple(self._under_way):
            self.cancel(session)
        for lane in tuple(self._lanes.values()):
            self._retire(lane)
        for exchange in self._exchanges.values():
            exchange.close()
        self._spare.clear()
        self._exchanges.clear()
        self._multi.close()
        for fd in tuple(self._sockets):
            with suppress(OSError):
                self._driver.unregister(fd)
        self._sockets.clear()
        self._settings.close()

    # -- what libcurl tells --------------------------------------------------------------------------------------

    def _on_wish(self, what: int, fd: int, multi: object, data: object) -> None:
        """Take libcurl's word what it wants to know of a socket.

        A socket that it has lost interest in is in its pool, or is about to be closed, which ends the watch.
        """
        mask = _IDLE if what == pycurl.POLL_REMOVE else _MASKS.get(what, 0)
        known = self._sockets.get(fd)
        if known is None:
            if mask != _IDLE:
                self._sockets[fd] = known = _Socket(self, fd, mask)
                self._driver.register(fd, known, mask)
        elif known.mask != mask and not known.lasts:
            known.mask = mask
            try:
                self._driver.modify(fd, mask)
            except OSError:  # it was closed, and if it is wanted again it is another one of the same number
                self._driver.forget(fd)
                del self._sockets[fd]
                if mask != _IDLE:
                    self._on_wish(what, fd, multi, data)

    def _on_timer(self, wait_ms: int) -> None:
        """Take libcurl's word when it wants to go on."""
        self._timer_ns = FOREVER if wait_ms < 0 else monotonic_ns() + wait_ms * MS


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
