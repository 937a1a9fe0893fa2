"""A page's resources, fetched as a browser fetches them: several at a time, each once in a session.

What counts is what stands in the page itself: images, style sheets, scripts, icons, frames and media of the target.
Addresses of other hosts are left alone: nobody has permitted loading those. Each resource is a record under its
page's own second step; one that fails does not end the session, as it does not end a visit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final

from seatrial.engine.cookies import store_cookies
from seatrial.engine.flow import close_flow
from seatrial.engine.http.connection import OPEN, Connection
from seatrial.engine.redirects import follow, local_address, target_of
from seatrial.engine.requests import compile_request, origin_of
from seatrial.engine.session import FETCH, REQUEST, Session, StepFailedError
from seatrial.engine.step import CompiledStep
from seatrial.model.request import RequestStep
from seatrial.model.sample import Outcome

if TYPE_CHECKING:
    from seatrial.engine.driver import Driver
    from seatrial.engine.http.message import Response

__all__ = ["MOST_RESOURCES", "PARALLEL", "Page", "PageLoader"]

PARALLEL: Final = 6
"""Connections that browsers open to one host over HTTP/1.1."""
MOST_RESOURCES: Final = 200
"""Of one page: a page with more is read so far."""

_SOURCES: Final = (
    ("img", "src"),
    ("script", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("embed", "src"),
    ("input[type=image]", "src"),
    ("link[rel~=stylesheet]", "href"),
    ("link[rel~=icon]", "href"),
    ("link[rel~=preload]", "href"),
    ("link[rel~=modulepreload]", "href"),
)


class Page:
    """What a session has fetched, and what it is fetching.

    Attributes:
        loader: Of the page under way.
        waiting: Addresses that are to be fetched.
        seen: Addresses that the session has, as in a browser's cache.
    """

    __slots__ = ("_idle", "_running", "loader", "seen", "waiting")

    def __init__(self) -> None:
        self.loader: PageLoader
        self.waiting: deque[str] = deque()
        self.seen: set[str] = set()
        self._running: list[Session] = []
        self._idle: list[Connection] = []  # beside the session's own, open between pages

    def fetch(self, driver: Driver, session: Session) -> None:
        """Begin to fetch what is waiting, on the session's own connection and on further ones beside it."""
        connections = [c for c in (session.connection, *self._idle) if c is not None]
        session.connection, self._idle = None, []
        for _ in range(min(PARALLEL, len(self.waiting))):
            # From the page on a browser would fetch them: what reading the page took is the generator's own lag.
            child = Session(driver, session.number, session.journey, 0, session.ready_ns)
            child.parent, child.cookies = session, session.cookies
            child.connection = connections.pop(0) if connections else None
            child.flow = _fetch_flow(child, self)
            self._running.append(child)
        self._idle = connections
        for child in tuple(self._running):
            driver.resume(child, None)

    def fetched(self, driver: Driver, child: Session, parent: Session) -> None:
        """Take the end of one that fetched: its connection stays open, and the last one wakes the session."""
        if child.connection is not None and child.connection.state == OPEN:
            self._idle.append(child.connection)
            child.connection = None
        self._running.remove(child)
        parent.ready_ns = max(parent.ready_ns, child.ready_ns)
        if not self._running:
            parent.connection = self._idle.pop() if self._idle else None
            self._idle = driver.pool(self._idle)
            driver.resume(parent, None)

    def abandon(self, session: Session, now: int) -> None:
        """Give up what is being fetched and what is waiting, and record both."""
        running, self._running = self._running, []
        for child in running:
            if child.waiting:
                child.on_drained(now)
            if child.flow is not None:
                close_flow(child.flow)
                child.flow = None
            if child.connection is not None:
                child.connection.close()
        while self.waiting:
            self.waiting.popleft()
            session.ready_ns = now
            session.prepare(self.loader.step.index, b"", 0, False, False)
            session.record(Outcome.ABORTED, 0, 0, now)

    def close(self) -> None:
        """Close the connections that are open between pages."""
        for connection in self._idle:
            connection.close()


class PageLoader:
    """Fetches the resources of one step's pages.

    Args:
        page: The step that fetches the page.
        base: What stands in front of every step's own path.
        fields: Header fields of every request.
    """

    def __init__(self, page: CompiledStep, base: str, fields: Mapping[str, str]) -> None:
        step, origin = RequestStep(get="/"), origin_of(base)
        # The base's path is in the addresses that a page gives.
        render = compile_request(step, origin, fields)
        self._start, self._path_at = f"GET {origin}".encode(), len(f"GET {origin}/")
        self.step = CompiledStep(page.index + 1, step, render, page.wait_ns, page.hops)

    def render(self, address: str, cookies: Mapping[str, str]) -> bytes:
        """Return the request of an address that :func:`local_address` gave, whatever slashes it begins with."""
        return self._start + address.encode() + self.step.render({}, cookies)[self._path_at :]

    def load(self, session: Session, data: bytes, response: Response) -> Generator[int, Any, None]:
        """Fetch what the page wants and the session does not have yet; it goes on when all of it is there."""
        page = session.page
        if page is None:
            page = session.page = Page()
        page.loader = self
        for address in _addresses(session, data, response):
            if address not in page.seen and len(page.waiting) < MOST_RESOURCES:
                page.seen.add(address)
                page.waiting.append(address)
        if page.waiting:
            yield FETCH


def _addresses(session: Session, data: bytes, response: Response) -> list[str]:
    """Return the local addresses that a page names, in the order of its elements' kinds."""
    kind = (response.headers("content-type") or [""])[0]
    if "html" not in kind.lower():
        return []
    # Here and not above: most plans want no resources, and this takes time to load.
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(response.body.decode("utf-8", "replace"))
    target, at = session.driver.target, target_of(data)
    base = tree.css_first("base[href]")
    beside = "" if base is None else _as_sent(base.attributes["href"] or "")
    named = (node.attributes.get(attribute) for selector, attribute in _SOURCES for node in tree.css(selector))
    found = (local_address(target, at, _as_sent(name), beside) for name in named if name)
    return [address for address in found if address is not None]


def _as_sent(name: str) -> str:
    """Return an address of a page, which is text, with a character for each byte of its UTF-8."""
    return name.strip().encode("utf-8", "replace").decode("latin-1")


def _fetch_flow(session: Session, page: Page) -> Generator[int, Any, None]:
    """Fetch one resource after another until none is waiting."""
    loader, step = page.loader, page.loader.step
    while page.waiting:
        data = loader.render(page.waiting.popleft(), session.cookies)
        session.prepare(step.index, data, step.wait_ns, False, True)
        try:
            response = yield REQUEST
            if response.sets_cookies:
                store_cookies(session.cookies, response.headers("set-cookie"))
            if response.status >= 300 and step.hops:
                response = yield from follow(session, step, data, response)
            outcome, detail = step.check(response)
            session.settle(response, outcome, detail)
        except StepFailedError:
            continue
