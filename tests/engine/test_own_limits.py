"""What the generator's machine has none left of is unsent, with the reason, and counts no byte as sent."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.engine.served import Engine, Peer, Server, ok

from seatrial.model.sample import NEVER, Outcome

ROOT = str(Path(__file__).parents[2])
PORTS = 8

ELSEWHERE = f"""
import fcntl, pathlib, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # bring up lo: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))
sys.path.insert(0, sys.argv[1])
import tests.engine.test_own_limits as those
with those.Server(lambda peer: peer.wait_for_close()) as server:
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 {40000 + PORTS - 1}")
    those.offer_without_ports(server)
"""
"""In a network of its own that has eight local ports."""


def offer_without_ports(server: Server) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        run = engine.offer(server, {"get": "/"}, {"get": "/b"}, sessions=PORTS + 12, response_ms=100)
    firsts = [row for row in run.rows if row.step == 0]
    outcomes = [row.outcome for row in firsts]
    assert outcomes.count(Outcome.TIMEOUT) == PORTS, outcomes
    assert outcomes.count(Outcome.UNSENT) == 12
    for row in firsts:
        if row.outcome is Outcome.UNSENT:
            assert (row.sent_ns, row.first_byte_ns, row.bytes_out) == (NEVER, NEVER, 0)
    assert "Cannot assign requested address" in run.details
    assert [row.outcome for row in run.rows if row.step == 1] == [Outcome.ABORTED] * len(firsts)


def test_steps_without_a_local_port_are_unsent_with_the_reason() -> None:
    begin = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ELSEWHERE, ROOT)
    done = subprocess.run(begin, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_repeat_that_finds_no_means_is_unsent_and_counts_no_bytes(engine: Engine) -> None:
    """The limit on files falls while a request is under way, on a connection that its server then closes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        peer.sock.recv(1, socket.MSG_PEEK)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # what is open stays open, nothing new opens
        peer.sock.shutdown(socket.SHUT_RDWR)
        threading.Event().wait(0.1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    try:
        with Server(script) as server:
            run = engine.offer(server, {"get": "/"}, {"get": "/again"}, within_ms=500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert run.outcomes == [Outcome.OK, Outcome.UNSENT]
    (again,) = [row for row in run.rows if row.step == 1]
    assert (again.sent_ns, again.bytes_out) == (NEVER, 0)
    assert "Too many open files" in run.details
