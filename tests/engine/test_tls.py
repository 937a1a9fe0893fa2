"""TLS: the certificate and the name are always proven."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Server, always_ok, answering, ok

from seatrial.model.sample import Outcome

GET = {"get": "/"}
POST = {"post": "/", "json": {"a": 1}}


def test_a_tls_connection_that_takes_its_time_to_stand_works(engine: Engine, authority: Authority) -> None:
    context = authority.context()
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for sock in (first, second):
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))

        def serve() -> None:
            time.sleep(0.05)  # the engine's SYN has been dropped by now; the kernel sends it again after a second
            while True:
                plain, _ = listener.accept()
                try:
                    with context.wrap_socket(plain, server_side=True) as sock:
                        sock.recv(1000)
                        sock.sendall(ok(b"hello"))
                        return
                except OSError:
                    plain.close()

        thread = threading.Thread(target=serve, daemon=True)
        for sock in (first, second):
            sock.close()
        thread.start()
        run = engine.offer(port, GET, ca=authority.ca, connect_ms=2500)
        thread.join(3)
    assert (run.only.outcome, run.details) == (Outcome.OK, "")


def test_tls_that_is_never_completed_is_connect_failed_at_the_deadline(engine: Engine, authority: Authority) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        run = engine.offer(server, GET, ca=authority.ca, connect_ms=150)
    assert run.only.outcome is Outcome.CONNECT_FAILED
    assert "no connection in 0.15 s" in run.details


def test_a_proven_certificate_lets_the_answer_through(engine: Engine, authority: Authority) -> None:
    body = b"x" * 300_000  # more than one TLS record, more than one read
    with Server(answering(lambda _: ok(body)), authority.context()) as server:
        run = engine.offer(server, GET, POST, ca=authority.ca)
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert run.rows[0].bytes_in == len(ok(body))
    assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "days", "own", "detail"),
    [
        ("127.0.0.1", -1, True, "certificate has expired"),
        ("127.0.0.2", 30, True, "IP address mismatch"),
        ("localhost", 30, True, "mismatch"),
        ("127.0.0.1", 30, False, "unable to get local issuer"),
    ],
)
def test_a_certificate_that_proves_nothing_is_tls_failed(
    engine: Engine, authority: Authority, tmp_path: Path, name: str, days: int, own: bool, detail: str
) -> None:
    trusted = authority if own else Authority(tmp_path)
    with Server(always_ok, authority.context(name, days)) as server:
        run = engine.offer(server, GET, ca=trusted.ca)
    assert run.only.outcome is Outcome.TLS_FAILED
    assert "certificate refused" in run.details
    assert detail in run.details
    assert server.requests == []


def test_a_name_is_proven_as_written_in_the_plan(engine: Engine, authority: Authority) -> None:
    with Server(always_ok, authority.context("service.test")) as server:
        run = engine.offer(server, GET, ca=authority.ca, host="service.test", address="127.0.0.1")
        wrong = engine.offer(server, GET, ca=authority.ca, host="other.test", address="127.0.0.1")
    assert run.only.outcome is Outcome.OK
    assert wrong.only.outcome is Outcome.TLS_FAILED


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain HTTP", "a close"])
def test_what_is_not_tls_is_tls_failed(engine: Engine, authority: Authority, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(5)
        peer.send(answer)

    with Server(script) as server:
        run = engine.offer(server, GET, ca=authority.ca)
    assert run.only.outcome is Outcome.TLS_FAILED
    assert len(run.details) > 5


def test_an_old_tls_version_is_tls_failed(engine: Engine, authority: Authority) -> None:
    context = authority.context()
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.minimum_version = ssl.TLSVersion.TLSv1
    with Server(always_ok, context) as server:
        run = engine.offer(server, GET, ca=authority.ca)
    assert run.only.outcome is Outcome.TLS_FAILED
    assert "TLS" in run.details
