"""The faults that the service can be told to show, and the switchboard that says which.

:class:`FaultLayer` wraps the application. ``/audit``, ``/metrics`` and ``/faults`` are back doors for whoever runs the
trial: no fault touches them, except that a process that is gone is gone, and a reset connection carries nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from seatrial.sandbox.metrics import NO_ANSWER, Traffic
from seatrial.sandbox.switches import Freeze, Value

__all__ = ["BACK_DOORS", "CRASH_EXIT_CODE", "LEAK_LIMIT_MB", "TRANSPORT", "Board", "FaultLayer"]

BACK_DOORS = frozenset({"/audit", "/faults", "/metrics"})
CRASH_EXIT_CODE = 70
LEAK_LIMIT_MB = 1024
TRANSPORT = "seatrial.sandbox.transport"
_DRIPS = 10
_log = logging.getLogger("seatrial.sandbox")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ...


class Board:
    """The switches as they stand now.

    Args:
        switches: Every switch and its value. Times in them count from now.
        seed: Seed of the draws, one stream for each switch.
        clock: Monotonic seconds.
    """

    def __init__(
        self, switches: Mapping[str, Value], *, seed: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._values: dict[str, Value] = {}
        self._set_at: dict[str, float] = {}
        # Faults must come back the same under the same seed; nothing here is secret.
        self._draws = {name: random.Random(f"{seed} {name}") for name in switches}  # noqa: S311
        self.set(switches)

    def set(self, switches: Mapping[str, Value]) -> None:
        """Change some switches. Times in them count from now."""
        now_s = self._clock()
        for name, value in switches.items():
            self._values[name] = value
            self._set_at[name] = now_s

    def shown(self) -> dict[str, object]:
        """Return every switch as JSON can show it."""
        return {name: str(v) if isinstance(v, Freeze) else v for name, v in self._values.items()}

    def number(self, name: str) -> float:
        """Return the value of a switch that is a number or a count."""
        value = self._values[name]
        if isinstance(value, Freeze):
            raise TypeError(f"{name} is not a number")
        return float(value)

    def on(self, name: str) -> bool:
        """Return whether a flag is on."""
        return self._values[name] is True

    def strikes(self, name: str) -> bool:
        """Draw whether a fault with a share strikes this time."""
        share = self._values[name]
        return bool(share) and self._draws[name].random() < self.number(name)

    def opens_in_s(self) -> float:
        """Return the seconds until the opening; 0 or less when open."""
        return self._set_at["opens_in_s"] + self.number("opens_in_s") - self._clock()

    def late_ms(self) -> float:
        """Return the milliseconds by which an answer that begins now is late."""
        grown = self.number("latency_growth") * (self._clock() - self._set_at["latency_growth"]) / 60
        return self.number("latency_ms") + grown

    def left_s(self, name: str) -> float:
        """Return the seconds that a ``freeze`` or an ``outage`` still lasts; 0 when there is none now."""
        gone = self._values[name]
        if not isinstance(gone, Freeze):
            raise TypeError(f"{name} has no duration")
        since_s = self._clock() - self._set_at[name] - gone.after_s
        return gone.for_s - since_s if 0 <= since_s < gone.for_s else 0.0


class FaultLayer:
    """An ASGI layer that shows the faults of ``board`` on every request but those to the back doors."""

    def __init__(self, app: App, board: Board, traffic: Traffic) -> None:
        self._app = app
        self._board = board
        self._traffic = traffic
        self._requests = 0
        self._leak: list[bytes] = []
        self._leaked_mb = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, faults included."""
        if scope["type"] != "http" or scope["path"] in BACK_DOORS:
            await self._app(scope, receive, send)
            return
        board = self._board
        self._requests += 1
        crash_after = board.number("crash_after")
        if crash_after and self._requests > crash_after:
            os._exit(CRASH_EXIT_CODE)  # as a killed process ends: nothing is flushed or closed
        traffic, code = self._traffic, NO_ANSWER
        traffic.in_progress += 1
        try:
            code = await self._serve(scope, receive, send)
        finally:
            traffic.in_progress -= 1
            traffic.answered[code] += 1

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> str:
        """Answer, or not, and return the status that was sent whole."""
        board = self._board
        self._grow()
        await self._thaw()
        if latency_ms := board.late_ms():
            await asyncio.sleep(latency_ms / 1000)
        if board.strikes("close_early"):
            await _hang_up(scope, receive)
            return NO_ANSWER
        if board.strikes("error_rate"):
            return await _send_error(send)
        answer = _Answer()
        try:
            await self._app(scope, receive, answer.collect)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            return await _send_error(send)
        await self._thaw()
        return await self._deliver(answer, scope, receive, send)

    def _grow(self) -> None:
        leak_mb = self._board.number("leak_mb_per_request")
        if leak_mb and self._leaked_mb + leak_mb <= LEAK_LIMIT_MB:
            self._leaked_mb += leak_mb
            self._leak.append(b"\x01" * int(leak_mb * 1_000_000))  # ones: pages of zeros would not be resident

    async def _thaw(self) -> None:
        while frozen_s := self._board.left_s("freeze"):
            await asyncio.sleep(frozen_s)

    async def _deliver(self, answer: _Answer, scope: Message, receive: Receive, send: Send) -> str:
        board = self._board
        if board.strikes("garbage"):
            scope["extensions"][TRANSPORT].write(b"\x00\xffHTP/1.1 two hundred\r\n" + answer.body[:64])
            await _hang_up(scope, receive)
            return NO_ANSWER
        if board.strikes("wrong_length"):
            await send(answer.with_length(len(answer.body) + 16))
            await send({"type": "http.response.body", "body": answer.body, "more_body": True})
            await _hang_up(scope, receive)
            return NO_ANSWER
        if drip_s := board.number("drip"):
            await send(answer.start)
            size = -(-len(answer.body) // _DRIPS) or 1
            for at in range(0, len(answer.body), size):
                await asyncio.sleep(drip_s / _DRIPS)
                piece = answer.body[at : at + size]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})
        return str(answer.start["status"])


class _Answer:
    """What the application answered, kept back until the faults have had their say."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    def with_length(self, length: int) -> Message:
        headers = [(n, v) for n, v in self.start["headers"] if n != b"content-length"]
        return {**self.start, "headers": [*headers, (b"content-length", b"%d" % length)]}


async def _hang_up(scope: Message, receive: Receive) -> None:
    scope["extensions"][TRANSPORT].close()
    # The server must see the disconnection before this returns, or it would report an unfinished answer.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_error(send: Send) -> str:
    body = json.dumps({"error": "the service failed", "remedy": "Try again later."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return "500"
