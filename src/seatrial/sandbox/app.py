"""The booking service as an ASGI application: JSON in, JSON out, every error with a remedy."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial.sandbox.faults import App, Board, FaultLayer
from seatrial.sandbox.metrics import CONTENT_TYPE, Traffic, metrics_page
from seatrial.sandbox.problems import Refusal, SandboxError
from seatrial.sandbox.service import Booking
from seatrial.sandbox.switches import parse_switches

__all__ = ["make_app"]

_MAX_BODY = 16_384
_COOKIE = "session"


def _answer(body: Mapping[str, object], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


async def _read(request: Request) -> dict[str, object]:
    """Return the request's JSON object; refuse anything else with 400 or 413."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Refusal(
                413, "the request is too long", f"Send at most {_MAX_BODY} bytes.", headers={"connection": "close"}
            )
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Refusal(400, "the body is not a JSON object", "Send an object such as {...}.")
    return document


def _text(document: dict[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise Refusal(400, f"{name} is missing or not text", f'Send {{"{name}": "..."}}.')
    return value


def _number(document: dict[str, object], name: str) -> int:
    value = document.get(name)
    # SQLite's integers end at 2**63; no id comes near.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise Refusal(400, f"{name} is missing or not a whole number", f'Send {{"{name}": 1}}.')
    return value


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.cookies.get(_COOKIE, "")


class _Desk:
    """The HTTP face of the service: one method for each path."""

    def __init__(self, booking: Booking, board: Board, traffic: Traffic, *, allow_faults: bool) -> None:
        self._booking = booking
        self._board = board
        self._traffic = traffic
        self._allow_faults = allow_faults

    def routes(self) -> list[Route]:
        """Return the service's paths."""
        return [
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sessions", self.sessions, methods=["GET"]),
            Route("/holds", self.hold, methods=["POST"]),
            Route("/bookings", self.bookings, methods=["GET", "POST"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/audit", self.audit, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/faults", self.faults, methods=["GET", "POST"]),
        ]

    async def sign_in(self, request: Request) -> Response:
        self._booking.check_open()
        document = await _read(request)
        token = await self._booking.sign_in(_text(document, "patron"), _text(document, "pin"))
        secure = "; Secure" if request.url.scheme == "https" else ""
        cookie = f"{_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return _answer({"token": token}, headers={"set-cookie": cookie})

    async def sessions(self, request: Request) -> Response:
        self._booking.check_open()
        text = request.query_params.get("day", "")
        if not (text.isascii() and text.isdigit() and len(text) < 9):
            raise Refusal(400, "day is missing or not a whole number", "Ask for GET /sessions?day=3.")
        free = await self._booking.sessions(_token(request), int(text))
        return _answer({"day": int(text), "free": free})

    async def hold(self, request: Request) -> Response:
        self._booking.check_open()
        slot = _number(await _read(request), "slot")
        hold = await self._booking.hold(_token(request), slot)
        return _answer({"hold": hold, "expires_s": self._booking.release.hold_s}, 201)

    async def bookings(self, request: Request) -> Response:
        self._booking.check_open()
        if request.method == "POST":
            hold = _number(await _read(request), "hold")
            return _answer({"booking": await self._booking.book(_token(request), hold)}, 201)
        return _answer({"bookings": await self._booking.bookings(_token(request))})

    async def health(self, request: Request) -> Response:
        return _answer({"release": self._booking.release.name, "open": self._board.opens_in_s() <= 0})

    async def audit(self, request: Request) -> Response:
        count, double_booked = self._booking.audit()
        return _answer({"bookings": count, "double_booked": double_booked})

    async def metrics(self, request: Request) -> Response:
        page = metrics_page(self._traffic, queue=self._booking.waiting, bookings=self._booking.booked)
        return Response(page, headers={"content-type": CONTENT_TYPE})

    async def faults(self, request: Request) -> Response:
        if not self._allow_faults:
            raise Refusal(403, "switches can't be changed while it runs", "Start it with --allow-faults.")
        if request.method == "POST":
            document = await _read(request)
            if not document:
                raise Refusal(400, "no switch is given", 'Send an object such as {"error_rate": 0.1}.')
            try:
                self._board.set(parse_switches(document))
            except SandboxError as error:
                raise Refusal(400, f"{error.what}: {error.value}", error.remedy) from error
        return _answer({"switches": self._board.shown()})


async def _refused(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return _answer(refusal.body, refusal.status, refusal.headers)


async def _lost(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    what = "there is no such path" if error.status_code == 404 else "this path does not take this method"
    remedy = "Use POST /sign-in, GET /sessions, POST /holds, GET or POST /bookings, or GET /health."
    return _answer({"error": what, "remedy": remedy}, error.status_code, dict(error.headers or {}))


def make_app(booking: Booking, board: Board, *, allow_faults: bool) -> App:
    """Return the service as an ASGI application, faults included.

    Args:
        booking: What it does.
        board: Its switches.
        allow_faults: Whether ``/faults`` may change the switches while it runs.
    """
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        Refusal: _refused,
        HTTPException: _lost,
    }
    traffic = Traffic()
    routes = _Desk(booking, board, traffic, allow_faults=allow_faults).routes()
    return FaultLayer(Starlette(routes=routes, exception_handlers=handlers), board, traffic)
