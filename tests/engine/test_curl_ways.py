"""HTTP/2 and HTTP/3 by the ways that a plan can name: a proxy, source addresses, a client's certificate, IPv6."""

from __future__ import annotations

import select
import socket
import ssl
from pathlib import Path

import pytest
from tests.engine.certified import Authority
from tests.engine.framed import Framed, framing, head
from tests.engine.fronted import fronted
from tests.engine.quic import QuicServer, saying
from tests.engine.served import Engine, Peer, Server, always_ok

from seatrial.engine.http.target import Proxy
from seatrial.model.sample import Outcome

GET = {"get": "/"}


def tunnels(peer: Peer) -> None:
    """Open a tunnel as a proxy does."""
    request = peer.request()
    assert request is not None and request.method == "CONNECT", request
    host, _, port = request.path.rpartition(":")
    with socket.create_connection((host, int(port))) as beyond:
        peer.send(b"HTTP/1.1 200 Connection established\r\nx-proxy: yes\r\n\r\n")
        ways = {peer.sock: beyond, beyond: peer.sock}
        while True:
            for sock in select.select(list(ways), [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    return
                ways[sock].sendall(data)


@pytest.mark.parametrize("secure", [True, False])
def test_http2_goes_through_a_proxy_in_a_tunnel(
    engine: Engine, authority: Authority, tmp_path: Path, secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with (
        Server(always_ok) as server,
        Server(tunnels) as proxy,
        fronted(tmp_path, server.port, authority.pem()) as front,
    ):
        port, ca = (front.secure, authority.ca) if secure else (front.plain, None)
        change = {"proxy": Proxy("127.0.0.1", proxy.port), "addresses": ((2, ("127.0.0.1", proxy.port)),)}
        through = engine.offer(port, GET, GET, sessions=3, ca=ca, transport="http/2", change=change)
        direct = engine.offer(port, GET, ca=ca, transport="http/2")
    assert (through.outcomes, through.details) == ([Outcome.OK] * 6, "")
    assert (direct.outcomes, direct.details) == ([Outcome.OK], "")  # whatever the environment says
    assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", f"127.0.0.1:{port}")] * 3
    assert {request.path for request in server.requests} == {"/"}
    assert through.rows[0].bytes_in == direct.rows[0].bytes_in  # the proxy's own answer is not the target's


def test_a_proxy_that_refuses_is_connect_failed(engine: Engine, authority: Authority) -> None:
    def refuses(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with Server(refuses) as proxy:
        change = {"proxy": Proxy("127.0.0.1", proxy.port), "addresses": ((2, ("127.0.0.1", proxy.port)),)}
        run = engine.offer(1, GET, ca=authority.ca, transport="http/2", change=change)
    assert run.only.outcome is Outcome.CONNECT_FAILED
    assert "403" in run.details


def test_connections_come_from_each_source_address_in_turn(engine: Engine, authority: Authority) -> None:
    seen: list[str] = []

    def script(framed: Framed) -> None:
        seen.append(framed.peer.sock.getpeername()[0])
        while True:
            framed.send(head(framed.request(), last=True))

    change = {"sources": ("127.0.0.5", "127.0.0.6")}
    with Server(framing(script)) as server:
        run = engine.offer(server, GET, GET, sessions=4, within_ms=40, transport="http/2", change=change)
    assert (run.outcomes, run.details) == ([Outcome.OK] * 8, "")
    assert sorted(seen) == ["127.0.0.5"] * 2 + ["127.0.0.6"] * 2
    with QuicServer(saying(), authority.pem()) as quic:
        run = engine.offer(quic.port, GET, sessions=2, ca=authority.ca, transport="http/3", change=change)
    assert (run.outcomes, run.details) == ([Outcome.OK] * 2, "")


def test_the_client_shows_its_certificate(engine: Engine, authority: Authority) -> None:
    certificate, key = authority.client("A tester")
    shown: list[str] = []

    def script(framed: Framed) -> None:
        assert isinstance(framed.peer.sock, ssl.SSLSocket)
        shown.append(str(framed.peer.sock.getpeercert()))
        framed.send(head(framed.request(), last=True))
        framed.wait_for_close()

    context = authority.context()
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    change = {"certificate": str(certificate), "key": str(key)}
    with Server(framing(script), context) as server:
        run = engine.offer(server, GET, ca=authority.ca, transport="http/2", change=change)
        assert (run.only.outcome, run.details) == (Outcome.OK, "")
        without = engine.offer(server, GET, ca=authority.ca, transport="http/2")
    assert len(shown) == 1 and "A tester" in shown[0]
    assert without.only.outcome in {Outcome.TLS_FAILED, Outcome.PROTOCOL_ERROR}


def test_ipv6_is_an_address_like_any_other(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        framed.send(head(framed.request(), last=True))
        framed.wait_for_close()

    with Server(framing(script), host="::1") as server:
        run = engine.offer(server, GET, transport="http/2", host="::1", address="::1")
    assert (run.only.outcome, run.details) == (Outcome.OK, "")
