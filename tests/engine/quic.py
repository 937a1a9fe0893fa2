"""An HTTP/3 server by aioquic over real UDP sockets, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, QuicEvent
from tests.engine.served import Request


@dataclass
class Asked:
    """A request and the means to answer it."""

    request: Request
    stream: int
    protocol: _Protocol

    def head(self, status: int = 200, *pairs: tuple[str, str], last: bool = False) -> None:
        names = [(b":status", str(status).encode()), *((name.encode(), value.encode()) for name, value in pairs)]
        self.protocol.http.send_headers(self.stream, names, last)
        self.protocol.transmit()

    def body(self, data: bytes, last: bool = True) -> None:
        self.protocol.http.send_data(self.stream, data, last)
        self.protocol.transmit()

    def reset(self, code: int) -> None:
        self.protocol._quic.reset_stream(self.stream, code)
        self.protocol.transmit()

    def close(self) -> None:
        """Close the connection, with a word."""
        self.protocol.close()


Answering = Callable[[Asked], None]


class _Protocol(QuicConnectionProtocol):
    server: QuicServer
    http: H3Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heads: dict[int, list[tuple[bytes, bytes]]] = {}
        self._bodies: dict[int, bytes] = {}
        self._number = 0

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.http = H3Connection(self._quic)
            self.server.connections += 1
            self._number = self.server.connections
        elif not hasattr(self, "http"):
            return
        for what in self.http.handle_event(event):
            if isinstance(what, HeadersReceived):
                self._heads[what.stream_id] = what.headers
                self._bodies[what.stream_id] = b""
            elif isinstance(what, DataReceived):
                self._bodies[what.stream_id] += what.data
            if isinstance(what, HeadersReceived | DataReceived) and what.stream_ended:
                self._asked(what.stream_id)

    def _asked(self, stream: int) -> None:
        pairs = [(name.decode(), value.decode()) for name, value in self._heads.pop(stream)]
        pseudo = dict(pair for pair in pairs if pair[0].startswith(":"))
        fields = [pair for pair in pairs if not pair[0].startswith(":")]
        fields.append(("host", pseudo[":authority"]))
        body = self._bodies.pop(stream)
        request = Request(pseudo[":method"], pseudo[":path"], fields, body, b"", self._number, time.monotonic_ns())
        self.server.requests.append(request)
        self.server.script(Asked(request, stream, self))


class QuicServer:
    """Answers requests by a script.

    Attributes:
        connections: How many shook hands.
        requests: In the order in which they were whole.
        port: Of UDP; nobody listens on TCP.
    """

    def __init__(self, script: Answering, pem: Path, alpn: list[str] | None = None) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[Request] = []
        self.host = "127.0.0.1"
        self.port = 0
        self._pem = pem
        self._alpn = alpn or H3_ALPN
        self._gone = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        configuration = QuicConfiguration(is_client=False, alpn_protocols=self._alpn, idle_timeout=10)
        configuration.load_cert_chain(self._pem, self._pem)
        protocol = type("Protocol", (_Protocol,), {"server": self})
        self._server = await serve(self.host, 0, configuration=configuration, create_protocol=protocol)
        self.port = self._server._transport.get_extra_info("sockname")[1]
        self._ready.set()
        await self._stop.wait()
        if self._gone:
            self._server._transport.abort()
            await asyncio.sleep(0)
        else:
            self._server.close()

    def vanish(self) -> None:
        """Be gone without a word, from within the script: the socket closes, and nobody is told."""
        self._gone = True
        self._stop.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(RuntimeError):  # gone already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()


def saying(data: bytes = b"hello", *pairs: tuple[str, str], status: int = 200) -> Answering:
    """Return a script that gives each request the same answer."""

    def answer(asked: Asked) -> None:
        asked.head(status, *pairs)
        asked.body(data)

    return answer
