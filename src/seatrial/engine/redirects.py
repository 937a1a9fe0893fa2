"""Redirects (RFC 9110, 15.4), on the target alone: nobody has permitted loading another host.

A step with its redirects is one record: a citizen waits for the page, not for the hops. Its time is that from the
intention to the last answer, its bytes are those of all hops.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urljoin, urlsplit

from seatrial.engine.cookies import cookie_bytes, store_cookies
from seatrial.engine.session import REQUEST, Session
from seatrial.model.sample import Outcome

if TYPE_CHECKING:
    from seatrial.engine.http.message import Response
    from seatrial.engine.http.target import Target

__all__ = ["follow", "local_address", "target_of"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})
_SAFE: Final = "%/?:@!$&'()*+,;=-._~[]"
_OF_A_BODY: Final = (b"content-length:", b"content-type:", b"content-encoding:")
_PARTS: Final = 8
_PORTS: Final = {"http": 80, "https": 443}


class Asked(Protocol):
    """What following redirects needs to know of the step that asked.

    Attributes:
        wait_ns: Its deadline.
        hops: How many redirects are followed.
        is_head: Whether it is a HEAD.
    """

    wait_ns: int
    hops: int
    is_head: bool


def follow(session: Session, step: Asked, data: bytes, response: Response) -> Generator[int, Any, Response]:
    """Follow redirects and return the answer at their end.

    Args:
        session: Whose.
        step: The step that asked.
        data: The request that was answered.
        response: Its answer.

    Raises:
        StepFailedError: too many of them, one to another host, or the step's deadline is over; recorded.
    """
    received, sent, method_is_head = 0, session.bytes_out, step.is_head
    deadline_ns = session.begun_ns + session.wait_ns
    # A driver keeps a queue for each length of waiting: what is left is rounded up, so that there are few.
    part_ns = max(1, session.wait_ns // _PARTS)
    for hop in range(step.hops + 1):
        location = response.headers("location")
        if response.status not in _REDIRECTS or not location:
            response.size += received
            return response
        received += response.size
        address = local_address(session.driver.target, target_of(data), location[0])
        if address is None:
            raise session.break_off(Outcome.CHECK_FAILED, "a redirect to another host", received, response.status)
        if hop == step.hops:
            break
        if session.ready_ns >= deadline_ns:
            raise session.break_off(Outcome.TIMEOUT, "the deadline is over among redirects", received)
        data = _redirected(data, address, response.status, session)
        method_is_head = method_is_head and data.startswith(b"HEAD ")
        left_ns = -(-(deadline_ns - session.ready_ns) // part_ns) * part_ns
        session.hop(data, left_ns, method_is_head, not data.startswith((b"POST ", b"PATCH ")))
        response = yield REQUEST
        session.bytes_out = sent = sent + session.bytes_out
        if response.sets_cookies:
            store_cookies(session.cookies, response.headers("set-cookie"))
    raise session.break_off(Outcome.CHECK_FAILED, f"more than {step.hops} redirects", received, response.status)


def target_of(data: bytes) -> str:
    """Return the target of a request on the wire, such as ``/list?day=3``."""
    whole = data[: data.index(b"\r\n")].split(b" ")[1].decode("latin-1")
    if whole.startswith("/"):
        return whole
    parts = urlsplit(whole)  # as a proxy is told
    return parts.path + (f"?{parts.query}" if parts.query else "")


def local_address(target: Target, at: str, reference: str, base: str = "") -> str | None:
    """Return what ``reference`` on the page ``at`` names on the target, as a request writes it.

    Args:
        target: Where requests go.
        at: Path and query.
        reference: An address, whole or relative; a character for each byte.
        base: What relative ones on this page are relative to, itself maybe relative to the page.

    Returns:
        Path and query; None where it is on another host, is no address of HTTP, or can't be one.
    """
    scheme = "https" if target.tls else "http"
    try:
        whole = urljoin(f"{scheme}://{target.authority}{at}", base)
        parts = urlsplit(urljoin(whole, reference))
        same = parts.scheme == scheme and (parts.hostname or "") == target.host.lower()
        if not same or (parts.port or _PORTS[scheme]) != target.port:
            return None
    except ValueError:
        return None
    path = quote(parts.path or "/", safe=_SAFE, encoding="latin-1", errors="replace")
    return path + (f"?{quote(parts.query, safe=_SAFE, encoding='latin-1', errors='replace')}" if parts.query else "")


def _redirected(data: bytes, address: str, status: int, session: Session) -> bytes:
    """Return the request that follows a redirect.

    The method becomes GET after 303, and after 301 and 302 where it was POST, as browsers do (RFC 9110, 15.4); the
    body goes with it.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, old, version = line.split(b" ")
    new = address.encode("latin-1")
    if not old.startswith(b"/"):  # a proxy is told the whole address
        scheme, _, rest = old.partition(b"://")
        new = scheme + b"://" + rest.partition(b"/")[0] + new
    if method == b"POST" if status in (301, 302) else status not in _SAME_METHOD and method != b"HEAD":
        method, body = b"GET", b""
        fields = [field for field in fields if not field.lower().startswith(_OF_A_BODY)]
    fields = [field for field in fields if not field.lower().startswith(b"cookie:")]
    if session.cookies:
        fields.append(b"cookie: " + cookie_bytes(session.cookies))
    return b"\r\n".join([method + b" " + new + b" " + version, *fields]) + b"\r\n\r\n" + body
