"""Running the command line as people do, against small services that tests make."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SEATRIAL = [sys.executable, "-m", "seatrial.cli.main"]

POLICY = """\
policy: 1
title: Policy of the tests
validity: {min_samples: 10, generator_cpu: 1, steal: 1, unsent: 0.5, send_lag_floor: 2s}
acceptance:
  mandatory:
    - {kind: load, at_least: 1 P, hold: 1s, objectives: [errors <= 20%]}
"""

PLAN = """\
seatrial: 1
title: A visit
target: TARGET
demand: {peak: 40/s}
deadlines: {connect: 1s, response: 2s}
journeys:
  visit: {steps: [{get: /, name: front page}]}
trials:
  - kind: load
    at: 1 P
    for: 1s
    objectives: [p50 response time <= 1s, errors <= 20%]
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def json(self) -> dict[str, Any]:
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def complaints(self) -> list[str]:
        """Return the lines in which the program itself says what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("seatrial: ")]


def seatrial(*arguments: object, cwd: Path | None = None, before: tuple[str, ...] = ()) -> Done:
    begun = time.monotonic()
    command = [*before, *SEATRIAL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=90, check=False)
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def stopped(
    act: Callable[[subprocess.Popen[str]], None], *arguments: object, until: Callable[[], object], cwd: Path
) -> Done:
    """Start a command in a group of its own, wait until it is where it should be, act on it, and wait for its end."""
    with subprocess.Popen(
        [*SEATRIAL, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        try:
            wait_for(until)
            begun = time.monotonic()
            act(process)
            out, err = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return Done(process.returncode, out, err, time.monotonic() - begun)


def wait_for(fact: Callable[[], object], seconds: float = 40.0) -> None:
    """Look every 20 ms until ``fact`` is true; fails after ``seconds``."""
    limit = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < limit, "what the test waits for does not come"
        threading.Event().wait(0.02)


def children_of(pid: int) -> list[int]:
    """Return the processes that ``pid`` started and that are there, from proc(5)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def write_plan(folder: Path, target: str, *changes: tuple[str, str], plan: str = PLAN) -> Path:
    """Write a plan and the tests' policy into ``folder``; each change is (old, new)."""
    folder.mkdir(parents=True, exist_ok=True)
    text = plan.replace("TARGET", target)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return folder / "plan.yaml"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], ports: Sequence[int], log: Path) -> Iterator[None]:
    """Run a server until the block ends; it is up when each of its ports accepts a connection."""

    def answers() -> bool:
        assert process.poll() is None, f"the server ended at once: {log.read_text()}"
        return all(_accepts(port) for port in ports)

    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        wait_for(answers)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nginx(folder: Path, http: str) -> list[str]:
    """Write nginx's configuration with these lines of its ``http`` block, and return the command that runs it."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(program).exists(), "nginx is missing: apt-get install -y nginx-light"
    temporary = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; {'user root; ' * (os.geteuid() == 0)}worker_processes 1; pid {folder}/nginx.pid;"
        f" events {{}} http {{ {temporary} {http} }}"
    )
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


class Visit(BaseHTTPRequestHandler):
    """Answers ``ok``, and notes in the server's ``times`` when it was asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server.times.append(time.monotonic())  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Service(ThreadingHTTPServer):
    """A service that answers as ``visit`` does: ``ok``, where nothing else is said."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tls: ssl.SSLContext | None = None, visit: type[Visit] = Visit) -> None:
        super().__init__(("127.0.0.1", 0), visit)
        self.times: list[float] = []
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that leave are what these tests are about."""


@contextmanager
def service(tls: ssl.SSLContext | None = None, visit: type[Visit] = Visit) -> Iterator[Service]:
    with Service(tls, visit) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
