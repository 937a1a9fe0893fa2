"""One exchange on a libcurl handle. Handles are dear to make and are used again and again."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final

import pycurl

from seatrial.engine.curl.answer import answer_of
from seatrial.engine.curl.failures import HTTP3, failure_to_connect
from seatrial.engine.curl.request import head_of
from seatrial.engine.curl.settings import Route, Settings
from seatrial.engine.http.message import Response
from seatrial.model.sample import NEVER, Outcome

if TYPE_CHECKING:
    from seatrial.engine.session import Session

__all__ = ["Exchange", "Lane"]

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_MOST_TRIES: Final = 2
_MOST_REFUSALS: Final = 3
_LOST: Final = frozenset(
    {
        pycurl.E_ABORTED_BY_CALLBACK,  # by _on_open, when libcurl would have sent it again
        pycurl.E_HTTP2,
        pycurl.E_PARTIAL_FILE,
        pycurl.E_GOT_NOTHING,
        pycurl.E_SEND_ERROR,
        pycurl.E_RECV_ERROR,
        HTTP3,
    }
)


class Lane:
    """A pool of connections.

    Attributes:
        key: Whose it is: a session, or a route for those that many sessions share.
        route: Which way its connections go.
        share: libcurl's object that holds them.
        busy: Exchanges under way on it.
        retired: Whether no further exchange may begin on it.
        sockets: Of its connections, as far as they are known.
    """

    __slots__ = ("busy", "key", "retired", "route", "share", "sockets")

    def __init__(self, key: Session | Route, route: Route) -> None:
        self.key = key
        self.route = route
        self.share = pycurl.CurlShare()
        self.share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
        self.busy = 0
        self.retired = False
        self.sockets: set[int] = set()


class Exchange:
    """A request and what has come of its answer.

    What comes is collected by built-in methods, which cost a fraction of one written here.

    Attributes:
        handle: libcurl's.
        session: Whose it is; None while nobody wants it.
        lane: The connections that it may use; None while nobody needs it.
        over: Whether libcurl is through with it.
    """

    __slots__ = (
        "_began_ns",
        "_lines",
        "_method",
        "_parts",
        "_refusals",
        "_route",
        "_sends_body",
        "_settings",
        "_tries",
        "handle",
        "lane",
        "over",
        "session",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lines: list[bytes] = []
        self._parts: list[bytes] = []
        self._method = "GET"
        self._sends_body = False
        self._tries = 0
        self._refusals = 0
        self._began_ns = NEVER
        self.session: Session | None = None
        self._route: Route | None = None
        self.lane: Lane | None = None
        self.over = False
        self.handle = settings.handle()
        self.handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._parts.append)
        self.handle.setopt(pycurl.PREREQFUNCTION, self._on_open)

    def begin(self, session: Session, data: bytes, lane: Lane) -> None:
        """Lay a request on the handle."""
        handle = self.handle
        start, _, body = data.partition(b"\r\n\r\n")
        head = head_of(start, self._settings.authority)
        sends_body = bool(body) or head.method in {"POST", "PUT", "PATCH"}
        if head.method != self._method or sends_body != self._sends_body:
            self._be(head.method, sends_body)
        if sends_body:
            handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.REQUEST_TARGET, head.target)
        handle.setopt(pycurl.HTTPHEADER, head.fields)
        if lane.route is not self._route:
            self._route = lane.route
            self._settings.send(handle, lane.route)
        if lane is not self.lane:
            self.leave_lane()
            handle.setopt(pycurl.SHARE, lane.share)
            self.lane = lane
        self.session = session
        self.over = False
        self._tries = 0
        self._refusals = 0
        self._began_ns = monotonic_ns()

    def _be(self, method: str, sends_body: bool) -> None:
        """Set the handle to another kind of request. The order matters: the first three set each other back."""
        handle = self.handle
        if sends_body:
            handle.setopt(pycurl.POST, 1)
        elif method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        else:
            handle.setopt(pycurl.HTTPGET, 1)
        if method == "POST" or (method in {"GET", "HEAD"} and not sends_body):
            handle.unsetopt(pycurl.CUSTOMREQUEST)
        else:
            handle.setopt(pycurl.CUSTOMREQUEST, method)
        # A HEAD with a body is not one in libcurl's eyes: the length that its answer names must not be waited for.
        handle.setopt(pycurl.IGNORE_CONTENT_LENGTH, 1 if method == "HEAD" and sends_body else 0)
        self._method, self._sends_body = method, sends_body

    def _on_open(self, *_: object) -> int:
        """Take libcurl's word that a connection stands, just before the request goes out on it.

        libcurl sends a request again, on a fresh connection, when a used one turns out closed before any byte of an
        answer. So do we, but once, and only what may be repeated (RFC 9110, 9.2.2).
        """
        session = self.session
        if session is None:
            return int(pycurl.PREREQFUNC_ABORT)
        self._tries += 1
        now = monotonic_ns()
        if self._tries > 1:
            if self._tries > _MOST_TRIES or self._method not in _IDEMPOTENT:
                return int(pycurl.PREREQFUNC_ABORT)
            self._began_ns = now
        session.on_sent(now)
        return int(pycurl.PREREQFUNC_OK)

    @property
    def was_sent(self) -> bool:
        """Return whether a connection stood."""
        return self._tries > 0

    def was_refused(self, code: int) -> bool:
        """Return whether the server has said that it did not look at the request, so that any method may go again.

        That is a refused stream, or one beyond those that a server still takes which is closing a connection (RFC
        9113, 8.7). libcurl repeats such a request as it repeats one on a connection that was lost; ``_on_open`` has
        stopped it, and only a connection that was lost has left an error of the system's. QUIC has no such errors,
        so there nothing goes again.
        """
        if code != pycurl.E_ABORTED_BY_CALLBACK or self._settings.version != b"2":
            return False
        return self._refusals < _MOST_REFUSALS and not self.handle.getinfo(pycurl.OS_ERRNO)

    def again(self) -> None:
        """Make ready to send the same request once more."""
        self._lines.clear()
        self._parts.clear()
        self._refusals += 1
        self._tries = 0
        self.over = False
        self._began_ns = monotonic_ns()

    def was_lost(self, code: int) -> bool:
        """Return whether a used connection turned out closed before any byte of an answer."""
        return code in _LOST and self.was_sent and not self._lines and not self.handle.getinfo(pycurl.NUM_CONNECTS)

    def failure(self, code: int, text: str) -> tuple[Outcome, str]:
        """Return the outcome and the sentence for the failed exchange."""
        if code == pycurl.E_OPERATION_TIMEDOUT:  # the only clock that libcurl is given is that for connecting
            return Outcome.CONNECT_FAILED, f"no connection in {self._settings.connect_wait_ns / 1e9:g} s"
        if not self.was_sent:
            errno, proof = self.handle.getinfo(pycurl.OS_ERRNO), self.handle.getinfo(pycurl.SSL_VERIFYRESULT)
            return failure_to_connect(code, text, errno, proof, self._settings.version == b"3")
        if code in _LOST and (not text or code == pycurl.E_ABORTED_BY_CALLBACK):
            where = "in the middle of the response" if self._lines else "before any response"
            return Outcome.PROTOCOL_ERROR, f"connection closed {where}"
        return Outcome.PROTOCOL_ERROR, text or f"libcurl error {code}"

    @property
    def received(self) -> int:
        """Return how many bytes of the answer have come."""
        return sum(map(len, self._lines)) + sum(map(len, self._parts))

    def first_byte_ns(self, now: int) -> int:
        """Return when the first byte of the answer came, or NEVER, from libcurl's own count of microseconds."""
        if not self._lines:
            return NEVER
        return min(now, self._began_ns + int(self.handle.getinfo(pycurl.STARTTRANSFER_TIME_T)) * 1000)

    def answer(self) -> Response:
        """Return the whole answer.

        Raises:
            ProtocolError: it is not one of the HTTP version that was asked for.
        """
        return answer_of(self._lines, self._parts, self._settings.version)

    def release(self) -> None:
        """Make ready for another session's request."""
        self.session = None
        self._lines.clear()
        self._parts.clear()

    def leave_lane(self) -> None:
        """Let go of the lane's connections."""
        if self.lane is not None:
            self.handle.unsetopt(pycurl.SHARE)
            self.lane = None

    def close(self) -> None:
        """Give the handle back to libcurl."""
        self.release()
        self.leave_lane()
        self.handle.close()
