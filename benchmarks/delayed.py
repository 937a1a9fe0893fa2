"""A server whose service time is known, because it measures it.

``python -m benchmarks.delayed PORT DELAY AFTER FREEZE`` answers ``GET`` on any path after DELAY seconds. AFTER seconds
from its first request it blocks its whole loop for FREEZE seconds, as a long garbage collection or a stopped virtual
machine would. When its input closes it writes what it measured itself, from the request read to the answer written:
that is the truth that reports are held against.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time

import uvloop

__all__ = ["main"]

# ab speaks HTTP/1.0 and needs to be told that the connection stays.
_ANSWER = b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nready"
_MOST = 200_000


class _Facts:
    def __init__(self, delay_s: float, freeze_after_s: float, freeze_s: float) -> None:
        self.delay_s, self.freeze_after_s, self.freeze_s = delay_s, freeze_after_s, freeze_s
        self.first_s = 0.0
        self.last_s = 0.0
        self.frozen_s = 0.0
        self.took_s: list[float] = []
        self.requests = 0

    def arrived(self, loop: asyncio.AbstractEventLoop) -> float:
        now = time.monotonic()
        self.requests += 1
        self.last_s = now
        if not self.first_s:
            self.first_s = now
            if self.freeze_s:
                loop.call_later(self.freeze_after_s, self.freeze)
        return now

    def freeze(self) -> None:
        began = time.monotonic()
        time.sleep(self.freeze_s)  # blocks the loop, and that is the point
        self.frozen_s = time.monotonic() - began

    def answered(self, began_s: float) -> None:
        if len(self.took_s) < _MOST:
            self.took_s.append(time.monotonic() - began_s)


class _Service(asyncio.Protocol):
    def __init__(self, facts: _Facts, loop: asyncio.AbstractEventLoop) -> None:
        self._facts, self._loop = facts, loop
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        *whole, self._rest = data.split(b"\r\n\r\n")
        for _ in whole:
            self._loop.call_later(self._facts.delay_s, self._answer, self._facts.arrived(self._loop))

    def _answer(self, began_s: float) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]
            self._facts.answered(began_s)


async def _serve(port: int, facts: _Facts) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Service(facts, loop), "127.0.0.1", port, backlog=4096)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main(port: int, delay_s: float, freeze_after_s: float, freeze_s: float) -> None:
    """Serve until the input closes, then write the facts."""
    facts = _Facts(delay_s, freeze_after_s, freeze_s)
    gc.freeze()
    gc.disable()
    uvloop.run(_serve(port, facts))
    median = statistics.median(facts.took_s) if facts.took_s else 0.0
    seen = {"median_s": median, "requests": facts.requests, "frozen_s": facts.frozen_s}
    sys.stdout.write(json.dumps({**seen, "span_s": facts.last_s - facts.first_s}))


if __name__ == "__main__":
    main(int(sys.argv[1]), *(float(word) for word in sys.argv[2:5]))
