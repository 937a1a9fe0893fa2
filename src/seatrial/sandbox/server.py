"""Run the service on uvicorn, until it is told to stop or its parent goes away."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seatrial.sandbox.app import make_app
from seatrial.sandbox.faults import TRANSPORT, Board
from seatrial.sandbox.problems import SandboxError
from seatrial.sandbox.release import Release
from seatrial.sandbox.service import Booking
from seatrial.sandbox.store import Store

__all__ = ["DATABASE", "Options", "serve"]

DATABASE = "bookings.sqlite3"
_STOP_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """How one service process runs.

    Attributes:
        release: What to serve, its switches as they are at the start.
        host: Address to listen on.
        port: Port to listen on; 0 for any free one.
        data: Directory of the database; made when it is not there.
        seed: Seed of the faults' draws.
        allow_faults: Whether switches may be changed while it runs.
        tls_cert: PEM certificate chain, or None for plain HTTP; goes with ``tls_key``.
        tls_key: PEM private key.
        die_with_parent: Stop when standard input is closed or the parent process is gone.
    """

    release: Release
    host: str
    port: int
    data: Path
    seed: int = 1
    allow_faults: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    die_with_parent: bool = False


class _Server(uvicorn.Server):
    """A server that says when it is ready to answer."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def _protocol_with(board: Board) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, showing the faults that live below HTTP."""

    class _Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if board.strikes("refuse_connections"):
                # Lingering for no time makes the kernel answer with a reset instead of a polite end.
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]

    return _Protocol


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SandboxError(
            "can't listen", value=f"{host} port {port}", remedy=f"Use --port 0 for a free one ({error})."
        ) from error


def _watch_parent() -> None:
    """Stop this process when its parent closes standard input or is gone."""
    parent = os.getppid()

    def watch() -> None:
        # os.read and not sys.stdin: a thread inside a buffered reader can't be left behind at the exit. The
        # parent's id is looked at too: a child that the parent forked may keep the pipe open after it died.
        while os.getppid() == parent:
            if select.select([0], [], [], 0.5)[0] and not os.read(0, 1024):
                break
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_WITHIN_S + 1)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _config(options: Options, app: Any, board: Board) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_protocol_with(board),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )


def serve(options: Options, announce: Callable[[dict[str, object]], None]) -> None:
    """Serve until SIGTERM, SIGINT or, when asked, until the parent is gone.

    Args:
        options: What to serve and where.
        announce: Called once, when the service is ready to answer, with ``url``, ``pid``, ``release``, ``data``.

    Raises:
        SandboxError: the address is taken, the certificate can't be read, or the data directory is not usable.
    """
    stopped = threading.Event()

    def note(signum: int, frame: FrameType | None) -> None:
        stopped.set()

    # uvicorn takes these signals over while it serves, then raises them again: without a handler of our own the
    # process would die of the signal instead of ending well.
    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    release = options.release
    try:
        options.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SandboxError(
            "the data directory can't be made", value=options.data, remedy=f"Use another one ({error.strerror})."
        ) from error
    store = Store(options.data / DATABASE, patron_count=release.patrons, slot_count=release.slots)
    try:
        board = Board(release.switches, seed=options.seed)
        app = make_app(Booking(release, store, board), board, allow_faults=options.allow_faults)
        config = _config(options, app, board)
        try:
            config.load()
        except OSError as error:
            raise SandboxError(
                "the certificate or its key can't be read", value=options.tls_cert, remedy=f"Check both ({error})."
            ) from error
        with _listen(options.host, options.port) as listener:
            scheme = "https" if options.tls_cert else "http"
            host = f"[{options.host}]" if ":" in options.host else options.host
            ready: dict[str, object] = {
                "url": f"{scheme}://{host}:{listener.getsockname()[1]}",
                "pid": os.getpid(),
                "release": release.name,
                "data": str(options.data),
            }

            def on_ready() -> None:
                board.set(release.switches)  # times in the switches count from here
                announce(ready)

            if options.die_with_parent:
                _watch_parent()
            if not stopped.is_set():
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(_Server(config, on_ready).serve(sockets=[listener]))
    finally:
        store.close()
