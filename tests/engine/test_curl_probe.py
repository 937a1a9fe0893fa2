"""Before a run over HTTP/2 or HTTP/3: whoever does not speak it is not put under load."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.engine.certified import Authority
from tests.engine.framed import INTERNAL_ERROR, Framed, framing, head, reset
from tests.engine.fronted import fronted
from tests.engine.quic import QuicServer, saying
from tests.engine.served import Server, always_ok, refusing_port

from seatrial.engine.http.probe import probe
from seatrial.engine.http.target import Target
from seatrial.errors import TargetError, UsageError


def at(port: int, ca: Path | None = None, *more: str) -> Target:
    addresses = tuple((int(socket.AF_INET), (host, port)) for host in ("127.0.0.1", *more))
    return Target("127.0.0.1", port, ca is not None, "", addresses, None if ca is None else str(ca))


def test_a_target_that_speaks_the_version_passes(authority: Authority, tmp_path: Path) -> None:
    with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem()) as front:
        assert probe(at(front.secure, authority.ca), "http/2") == at(front.secure, authority.ca)
        assert probe(at(front.plain), "http/2") == at(front.plain)
    with QuicServer(saying(), authority.pem()) as quic:
        assert probe(at(quic.port, authority.ca), "http/3") == at(quic.port, authority.ca)
    (asked,) = quic.requests
    assert (asked.method, asked.path) == ("OPTIONS", "*")


def test_to_reset_the_question_is_an_answer_too() -> None:
    def script(framed: Framed) -> None:
        framed.send(reset(framed.request(), INTERNAL_ERROR))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        assert probe(at(server.port), "http/2") == at(server.port)


def test_an_address_where_it_is_not_spoken_is_passed_over() -> None:
    def script(framed: Framed) -> None:
        framed.send(head(framed.request(), status=405, last=True))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        passed = probe(at(server.port, None, "127.0.0.3"), "http/2")
    assert passed.addresses == at(server.port).addresses
    assert passed.left_out == ("127.0.0.3 (Connection refused)",)


def test_a_target_that_speaks_another_version_is_refused(authority: Authority, tmp_path: Path) -> None:
    with Server(always_ok) as server:
        with fronted(tmp_path, server.port, authority.pem(), http2=False) as front:
            with pytest.raises(TargetError, match=r"HTTP/2 is not spoken there: .*no application protocol"):
                probe(at(front.secure, authority.ca), "http/2")
            with pytest.raises(TargetError, match="HTTP/2 is not spoken there"):
                probe(at(front.plain), "http/2")
            with pytest.raises(TargetError, match="can't be reached"):
                probe(at(front.secure, authority.ca), "http/3")  # nobody listens there for UDP
            assert probe(at(front.secure, authority.ca)).left_out == ()
        assert server.requests == []
    with QuicServer(saying(), authority.pem(), alpn=["other"]) as quic:
        with pytest.raises(TargetError, match="HTTP/3 is not spoken there"):
            probe(at(quic.port, authority.ca), "http/3")
        with pytest.raises(TargetError, match="Connection refused"):
            probe(at(quic.port, authority.ca), "http/2")  # nor for TCP here


def test_a_certificate_that_proves_nothing_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with QuicServer(saying(), authority.pem()) as quic:
        with pytest.raises(TargetError, match=r"does not prove its name .*tls\.ca"):
            probe(at(quic.port, other.ca), "http/3")
        with pytest.raises(TargetError, match="CA file can't be used"):
            probe(at(quic.port, tmp_path / "missing.pem"), "http/3")
    assert quic.requests == []


def test_nobody_there_is_refused(authority: Authority) -> None:
    with pytest.raises(TargetError, match="Connection refused"):
        probe(at(refusing_port()), "http/2")
    with pytest.raises(TargetError, match="can't be reached"):
        probe(at(refusing_port(), authority.ca), "http/3")


def test_http3_without_tls_is_not_to_be_had() -> None:
    with pytest.raises(UsageError, match="HTTP/3 is always encrypted"):
        probe(at(refusing_port()), "http/3")
