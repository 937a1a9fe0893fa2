"""``seatrial serve``: the pages and the background worker, in one command.

Pages are served by threads of this process, the worker is a process of its own that is started again when it dies.
TLS is the business of a proxy in front; so what is listened on is loopback or a socket in the file system.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seatrial.errors import UsageError

__all__ = ["Listening", "serve"]

_RESTART_PAUSE_S = 2.0
_WORKER_ENDS_S = 10.0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where pages are served.

    Attributes:
        host: An address of loopback; empty for a socket in the file system.
        port: 0 lets the system choose.
        unix_socket: Its path; empty for an address.
    """

    host: str
    port: int
    unix_socket: str = ""

    @staticmethod
    def parse(text: str) -> Listening:
        """Read ``HOST:PORT`` or ``unix:PATH``.

        Raises:
            UsageError: It is neither, or an address beyond this machine.
        """
        if text.startswith("unix:/"):
            return Listening("", 0, text.removeprefix("unix:"))
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
        try:
            local = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
            number = int(port)
        except ValueError as e:
            raise UsageError("this is no address to listen on", value=text, remedy="Write 127.0.0.1:8000.") from e
        if not local:
            raise UsageError(
                "pages are served without TLS on this machine only", value=text,
                remedy="Listen on 127.0.0.1 or unix:/path and put a proxy with TLS in front.",
            )  # fmt: skip
        if not 0 <= number <= 65535:
            raise UsageError("there is no such port", value=text, remedy="Choose 0 to 65535.")
        return Listening(host, number)


def serve(listening: Listening, *, threads: int, worker: bool, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        listening: Where.
        threads: How many requests are worked on at once.
        worker: Whether the background worker is started here.
        ready: Is told the address once connections are taken.

    Raises:
        UsageError: The address is taken or can't be used.
    """
    from django.core.wsgi import get_wsgi_application
    from waitress.server import create_server

    where: dict[str, Any] = (
        {"unix_socket": listening.unix_socket, "unix_socket_perms": "660"}
        if listening.unix_socket
        else {"host": listening.host, "port": listening.port}
    )
    # One proxy stands in front at most, on this machine: its word on scheme and address is taken, nobody else's.
    trusted: dict[str, Any] = {"trusted_proxy": "*" if listening.unix_socket else "127.0.0.1", "trusted_proxy_count": 1}
    trusted["trusted_proxy_headers"] = {"x-forwarded-for", "x-forwarded-proto"}
    try:
        server: Any = create_server(
            get_wsgi_application(), threads=threads, ident=None, clear_untrusted_proxy_headers=True, **where, **trusted
        )
    except OSError as e:
        raise UsageError("this address can't be listened on", value=e, remedy="Choose another with --listen.") from e
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, by a person or by the system: the same
    ended = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(ended,), daemon=True)
    if worker:
        keeper.start()
    try:
        ready(listening.unix_socket or f"http://{listening.host}:{server.effective_port}")
        server.run()
    finally:
        ended.set()
        server.close()
        if worker:
            keeper.join(_WORKER_ENDS_S + 1)


def _keep_worker(ended: threading.Event) -> None:
    """Keep one worker alive until the end."""
    while not ended.is_set():
        process = subprocess.Popen([sys.executable, "-m", "seatrial.portal.project.worker"], env=dict(os.environ))
        while process.poll() is None and not ended.wait(0.2):
            pass
        if not ended.is_set():
            ended.wait(_RESTART_PAUSE_S)
            continue
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_WORKER_ENDS_S)
        process.kill()
