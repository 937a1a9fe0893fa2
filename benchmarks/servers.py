"""The servers that generators are measured against, on loopback alone, each pinned to the server's core."""

from __future__ import annotations

import http.client
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BenchError", "DelayServer", "Nginx", "delay_server", "free_port", "nginx", "nginx_config"]

ROOT = Path(__file__).parents[1]
SMALL = (
    '{"notice": "The hall opens at seven.", "hall": "Victoria Park", "courts": 12, "open": true, "season": "2026/27"}'
)


class BenchError(Exception):
    """A server or a tool that does not do what the benchmark needs."""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx.

    Attributes:
        http: Base URL, plain.
        https: Base URL, TLS 1.3.
        certificate: File that signs it.
        status_port: Port of its counter.
        workers: Process ids of its workers; one unless more were asked for.
        version: As it says.
    """

    http: str
    https: str
    certificate: Path
    status_port: int
    workers: tuple[int, ...]
    version: str

    def counter(self) -> RequestCounter:
        """Return a reader of how many requests nginx has taken."""
        return RequestCounter(self.status_port)


class RequestCounter:
    """Reads nginx's ``stub_status`` on one kept connection, and leaves its own questions out.

    Attributes:
        active: Connections open at the last reading, this reader's own left out.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._asked = 0
        self.active = 0

    def read(self) -> int:
        """Return the requests taken since nginx started, those of this reader left out."""
        self._connection.request("GET", "/status")
        self._asked += 1
        self.active, requests = parse_status(self._connection.getresponse().read())
        return requests - self._asked

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def parse_status(page: bytes) -> tuple[int, int]:
    """Return the open connections, whoever asks left out, and all requests so far, from a ``stub_status`` page.

    Raises:
        BenchError: it is no such page.
    """
    found = re.match(rb"Active connections: (\d+)\s*\nserver accepts handled requests\n \d+ \d+ (\d+)", page)
    if found is None:
        raise BenchError(f"not a page of nginx's stub_status: {page[:80]!r}")
    return int(found[1]) - 1, int(found[2])


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def nginx_config(folder: Path, http_port: int, https_port: int, status_port: int, workers: int = 1) -> str:
    """Return the configuration: everything in ``folder``, no logs of requests, no limit on keep-alive.

    With more workers than one each has a listening socket of its own, so that the kernel spreads connections evenly.
    """
    # Beyond its hard limit nginx would only complain and keep the soft one.
    files = min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    listen = "backlog=16384 reuseport" if workers > 1 else "backlog=16384"
    places = "\n".join(f"  {kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    locations = f"""
    default_type application/json;
    location = /small {{ return 200 '{SMALL}'; }}
    location = /sign-in {{ return 200 '{{"patron": "A123456", "token": "$request_id"}}'; }}
    location = /list {{
      if ($http_authorization !~ "^Bearer [0-9a-f]+$") {{ return 401 '{{"error": "sign in first"}}'; }}
      return 200 '{{"day": 3, "free": [{{"id": 7101}}, {{"id": 7102}}, {{"id": 7103}}]}}';
    }}
    location = /book {{ return 201 '{{"booking": "$request_id", "state": "held"}}'; }}
"""
    return f"""
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections {files - 64}; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
{places}
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  server {{
    listen 127.0.0.1:{http_port} {listen};
{locations}  }}
  server {{
    listen 127.0.0.1:{https_port} ssl {listen};
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
{locations}  }}
  server {{
    listen 127.0.0.1:{status_port};
    location = /status {{ stub_status; }}
  }}
}}
"""


def _make_certificate(folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BenchError("openssl is not installed; it makes the TLS listener's certificate")
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(folder / "server.key"), "-out", str(folder / "server.pem"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=20)


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Wait until something listens.

    Raises:
        BenchError: the process ended, or nothing listened in time.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"nothing listens on port {port}: the server ended with {process.poll()}")


@contextmanager
def nginx(folder: Path, core: int, workers: int = 1) -> Iterator[Nginx]:
    """Run nginx on ``core`` and end it afterwards.

    Args:
        folder: For its files; must not exist.
        core: Where it runs.
        workers: Its processes; a process holds fewer connections than it may open files.

    Raises:
        BenchError: it is not installed or does not come up.
    """
    program, taskset = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin"), shutil.which("taskset")
    if program is None or taskset is None:
        raise BenchError("nginx and taskset are needed: apt-get install nginx-light util-linux")
    folder.mkdir(parents=True)
    ports = free_port(), free_port(), free_port()
    _make_certificate(folder)
    config = folder / "nginx.conf"
    config.write_text(nginx_config(folder, *ports, workers), encoding="utf-8")
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True, timeout=10).stderr
    command = [taskset, "-c", str(core), program, "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for port in ports:
            wait_for_port(port, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Nginx(
            f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}", folder / "server.pem", ports[2],
            tuple(map(int, children)), said.strip(),
        )  # fmt: skip
    finally:
        process.terminate()
        process.wait(timeout=10)


@dataclass(frozen=True, slots=True)
class DelayServer:
    """A server that answers after a known time.

    Attributes:
        url: Base URL.
        process: It writes what it did, as JSON, when its input closes.
    """

    url: str
    process: subprocess.Popen[bytes]

    def finish(self) -> dict[str, float]:
        """End it and return what it measured itself (see ``benchmarks.delayed``)."""
        import json

        out, _ = self.process.communicate(timeout=20)
        measured: dict[str, float] = json.loads(out)
        return measured


@contextmanager
def delay_server(
    core: int, delay_s: float, freeze_after_s: float = 0.0, freeze_s: float = 0.0
) -> Iterator[DelayServer]:
    """Run a server that answers after ``delay_s``, and that stands still once for ``freeze_s``.

    Args:
        core: Where it runs.
        delay_s: Service time, seconds.
        freeze_after_s: When it stands still, seconds after the first request on ``/small``.
        freeze_s: For how long; 0: never.
    """
    port, taskset = free_port(), shutil.which("taskset")
    if taskset is None:
        raise BenchError("taskset is needed: apt-get install util-linux")
    numbers = (port, delay_s, freeze_after_s, freeze_s)
    command = [taskset, "-c", str(core), sys.executable, "-m", "benchmarks.delayed", *map(str, numbers)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        wait_for_port(port, process)
        yield DelayServer(f"http://127.0.0.1:{port}", process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
