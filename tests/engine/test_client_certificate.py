"""Certificates that the generator shows, and what a service does with them; and that no TLS session is resumed."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Server, always_ok

from seatrial.engine.http.tls import certificate_fingerprint, tls_context
from seatrial.errors import UsageError
from seatrial.model.sample import Outcome

GET = {"get": "/"}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def shown(pair: tuple[Path, Path]) -> dict[str, Any]:
    return {"certificate": str(pair[0]), "key": str(pair[1])}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_demands_a_certificate_takes_ours(
    engine: Engine, authority: Authority, version: ssl.TLSVersion
) -> None:
    with Server(always_ok, authority.demanding(version)) as server:
        run = engine.offer(server, GET, GET | {"name": "b"}, ca=authority.ca, change=shown(authority.client()))
    assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")


def test_the_certificate_may_stand_in_one_file_with_its_key(engine: Engine, authority: Authority) -> None:
    certificate, key = authority.client()
    certificate.write_bytes(key.read_bytes() + certificate.read_bytes())
    with Server(always_ok, authority.demanding()) as server:
        run = engine.offer(server, GET, ca=authority.ca, change={"certificate": str(certificate)})
    assert run.outcomes == [Outcome.OK]


@pytest.mark.parametrize(
    ("version", "alert"), [*zip(VERSIONS, ["handshake failure", "certificate required"], strict=True)]
)
def test_without_one_it_is_tls_failed_with_the_alert_s_name(
    engine: Engine, authority: Authority, version: ssl.TLSVersion, alert: str
) -> None:
    with Server(always_ok, authority.demanding(version)) as server:
        run = engine.offer(server, {"post": "/", "body": "x"}, GET, ca=authority.ca)
    assert run.outcomes == [Outcome.TLS_FAILED, Outcome.ABORTED]
    assert alert in run.details.lower().replace("_", " ")
    assert server.requests == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_another_issuer_is_tls_failed(
    engine: Engine, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    foreign = Authority(tmp_path).client()
    with Server(always_ok, authority.demanding(version)) as server:
        run = engine.offer(server, GET, ca=authority.ca, sessions=5, within_ms=50, change=shown(foreign))
    assert run.outcomes == [Outcome.TLS_FAILED] * 5
    assert "unknown ca" in run.details.lower().replace("_", " ")


def test_a_long_request_that_is_refused_while_it_is_sent_is_tls_failed_too(
    engine: Engine, authority: Authority
) -> None:
    with Server(always_ok, authority.demanding()) as server:
        run = engine.offer(server, {"post": "/", "body": "x" * 8_000_000}, ca=authority.ca)
    assert run.only.outcome is Outcome.TLS_FAILED
    assert "certificate required" in run.details


class HeldUp(ssl.SSLSocket):
    """A client that loses its core for a while between the handshake and its first word."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        if not self.server_side:
            time.sleep(0.03)


def test_a_refusal_that_comes_before_the_request_is_sent_is_tls_failed_too(
    engine: Engine, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl.SSLContext, "sslsocket_class", HeldUp)
    with Server(always_ok, authority.demanding()) as server:
        run = engine.offer(server, GET, ca=authority.ca)
    assert (run.only.outcome, run.only.bytes_in) == (Outcome.TLS_FAILED, 0)
    assert "certificate required" in run.details


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""], [Outcome.OK, Outcome.PROTOCOL_ERROR]),
        ([b"HTTP/1.1 200 OK\r\ncontent-le"], [Outcome.PROTOCOL_ERROR, Outcome.ABORTED]),
    ],
    ids=["a whole one", "a part of one"],
)
def test_an_alert_after_an_answer_is_no_refusal_of_the_handshake(
    engine: Engine, authority: Authority, answers: list[bytes], outcomes: list[Outcome]
) -> None:
    context = authority.context()

    def script(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_side=True)
        for answer in answers:
            while True:
                with suppress(ssl.SSLWantReadError):
                    if b"\r\n\r\n" in session.read(1000):
                        break
                peer.send(outgoing.read())
                incoming.write(peer.sock.recv(65536))
            session.write(answer)
            peer.send(outgoing.read())
        incoming.write(b"\x17\x03\x03\x00\x20" + b"\0" * 32)  # as if the client had sent what nobody can decrypt
        with pytest.raises(ssl.SSLError):
            session.read(1000)
        peer.send(outgoing.read())
        peer.wait_for_close()

    with Server(script) as server:
        run = engine.offer(server, {"post": "/"}, {"post": "/b"}, ca=authority.ca)
    assert run.outcomes == outcomes
    assert "connection lost: TLS: SSLV3_ALERT_BAD_RECORD_MAC" in run.details


# -- what is refused before the run ---------------------------------------------------------------------------------


def test_files_that_are_missing_or_of_something_else_are_refused_by_name(authority: Authority, tmp_path: Path) -> None:
    certificate, key = map(str, authority.client())
    other_key = str(authority.client()[1])
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for pair, what, value in (
        ((str(tmp_path / "none.pem"), key), "certificate can't be read", "none.pem"),
        ((certificate, str(tmp_path / "none.key")), "private key can't be read", "none.key"),
        ((str(tmp_path), key), "certificate can't be read", str(tmp_path)),
        ((certificate, other_key), "not that of its certificate", other_key),
        ((str(text), key), "can't be used", "text.pem"),
        ((certificate, str(text)), "can't be used", "text.pem"),
        ((certificate, None), "can't be used", certificate),
    ):
        with pytest.raises(UsageError, match=what) as raised:
            tls_context(str(authority.ca), *pair)
        assert value in str(raised.value)
        assert raised.value.remedy


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(authority: Authority) -> None:
    certificate, key = map(str, authority.client(passphrase=b"secret"))
    with pytest.raises(UsageError, match="wants a passphrase") as raised:
        tls_context(str(authority.ca), certificate, key)
    assert raised.value.value == key


def test_the_fingerprint_is_that_of_the_certificate_wherever_it_stands_in_its_file(authority: Authority) -> None:
    certificate, key = authority.client()
    expected = hashlib.sha256(
        x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)
    ).hexdigest()
    assert certificate_fingerprint(str(certificate)) == expected
    certificate.write_bytes(key.read_bytes() + certificate.read_bytes() + authority.ca.read_bytes())
    assert certificate_fingerprint(str(certificate)) == expected
    for path in (key, Path("none.pem")):
        with pytest.raises(UsageError, match="can't be used"):
            certificate_fingerprint(str(path))


# -- sessions of TLS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_connection_is_a_full_handshake_by_the_server_s_own_count(
    engine: Engine, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    with Server(always_ok, context) as server:
        run = engine.offer(server, GET, GET | {"name": "b"}, sessions=8, within_ms=80, ca=authority.ca)
        assert run.outcomes == [Outcome.OK] * 16
        assert (context.session_stats()["accept_good"], context.session_stats()["hits"]) == (8, 0)
        resumed(server.port, authority)  # the count does count: a client that resumes is seen
        assert context.session_stats()["hits"] == 1


def resumed(port: int, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca)
    session = None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            sock.recv(1000)
            session = sock.session
