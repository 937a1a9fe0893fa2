"""HTTP/2 and HTTP/3: whatever a service does ends in one of the outcomes."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
from tests.engine.certified import Authority
from tests.engine.framed import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INTERNAL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    Framed,
    body,
    fields,
    frame,
    framing,
    goaway,
    head,
    reset,
)
from tests.engine.fronted import fronted
from tests.engine.quic import Asked, QuicServer, saying
from tests.engine.served import Engine, Peer, Server, always_ok, refusing_port

from seatrial.engine.curl import settings
from seatrial.engine.http.message import MAX_HEAD
from seatrial.model.sample import NEVER, Outcome

Transport = Literal["http/2", "http/3"]
BOTH: tuple[Transport, ...] = ("http/2", "http/3")

GET = {"get": "/"}
POST = {"post": "/", "json": {"a": 1}}


@contextmanager
def silent_udp() -> Iterator[int]:
    """Yield a UDP port where somebody listens and never says a word."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


# -- before the request ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", BOTH)
def test_a_port_where_nobody_listens_is_connect_failed(
    engine: Engine, authority: Authority, transport: Transport
) -> None:
    run = engine.offer(refusing_port(), GET, POST, ca=authority.ca, transport=transport)
    assert run.outcomes == [Outcome.CONNECT_FAILED, Outcome.ABORTED]
    assert ("Connection refused" if transport == "http/2" else "Failed to connect") in run.details
    assert run.rows[0].bytes_out == 0
    assert run.rows[0].sent_ns != NEVER


def test_a_connection_that_does_not_come_to_stand_is_connect_failed_at_its_deadline(
    engine: Engine, authority: Authority
) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        over_tcp = engine.offer(server, GET, ca=authority.ca, transport="http/2", connect_ms=120)
    with silent_udp() as port:
        over_udp = engine.offer(port, GET, ca=authority.ca, transport="http/3", connect_ms=120)
    for run in (over_tcp, over_udp):
        assert (run.only.outcome, run.details) == (Outcome.CONNECT_FAILED, "no connection in 0.12 s")
        assert 0.11e9 < run.only.done_ns - run.only.sent_ns < 0.6e9


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize(
    ("name", "days", "own", "detail"),
    [
        ("127.0.0.1", -1, True, "expired"),
        (
            "127.0.0.2",
            30,
            True,
            "does not match|no alternative certificate subject name|certificate or SSH remote key was not OK",
        ),
        ("127.0.0.1", 30, False, "issuer certificate"),
    ],
)
def test_a_certificate_that_proves_nothing_is_tls_failed(
    engine: Engine,
    authority: Authority,
    tmp_path: Path,
    transport: Transport,
    name: str,
    days: int,
    own: bool,
    detail: str,
) -> None:
    trusted = authority if own else Authority(tmp_path)
    if transport == "http/2":
        context = authority.context(name, days)
        context.set_alpn_protocols(["h2"])
        with Server(always_ok, context) as server:
            run = engine.offer(server, GET, ca=trusted.ca, transport=transport)
        assert server.requests == []
    else:
        with QuicServer(saying(), authority.pem(name, days)) as quic:
            run = engine.offer(quic.port, GET, ca=trusted.ca, transport=transport)
        assert quic.requests == []
    assert run.only.outcome is Outcome.TLS_FAILED
    assert any(words in run.details for words in detail.split("|")), run.details


def test_a_name_is_proven_and_not_resolved_again(engine: Engine, authority: Authority) -> None:
    with QuicServer(saying(), authority.pem("service.invalid")) as quic:
        run = engine.offer(
            quic.port, GET, ca=authority.ca, transport="http/3", host="service.invalid", address="127.0.0.1"
        )
    assert (run.only.outcome, run.details) == (Outcome.OK, "")
    assert quic.requests[0].header("host") == f"service.invalid:{quic.port}"


def refuses_http2(peer: Peer) -> None:
    assert peer.sock.recv(14) == b"PRI * HTTP/2.0"
    peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def test_a_server_without_the_version_is_refused_and_never_spoken_to_in_another(
    engine: Engine, authority: Authority, tmp_path: Path
) -> None:
    with Server(always_ok) as server:
        with fronted(tmp_path, server.port, authority.pem(), http2=False) as front:
            by_alpn = engine.offer(front.secure, GET, ca=authority.ca, transport="http/2")
            plain = engine.offer(front.plain, GET, transport="http/2")
            assert engine.offer(front.secure, GET, ca=authority.ca).only.outcome is Outcome.OK
        assert len(server.requests) == 1
    with Server(refuses_http2, authority.context()) as server:
        no_alpn = engine.offer(server, GET, ca=authority.ca, transport="http/2")
    with QuicServer(saying(), authority.pem(), alpn=["another"]) as quic:
        over_quic = engine.offer(quic.port, GET, ca=authority.ca, transport="http/3")
        assert quic.requests == []
    assert by_alpn.only.outcome is Outcome.TLS_FAILED
    assert "no application protocol" in by_alpn.details
    assert plain.only.outcome is Outcome.PROTOCOL_ERROR
    assert no_alpn.only.outcome is Outcome.PROTOCOL_ERROR
    assert over_quic.only.outcome is Outcome.TLS_FAILED


@pytest.mark.parametrize("transport", BOTH)
def test_too_many_open_files_is_unsent(engine: Engine, authority: Authority, transport: Transport) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        port = stack.enter_context(silent_udp())
        if transport == "http/2":
            port = stack.enter_context(Server(framing(Framed.wait_for_close))).port
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, hard))
        run = engine.offer(
            port,
            GET,
            sessions=40,
            ca=authority.ca if transport == "http/3" else None,
            transport=transport,
            connect_ms=200,
            response_ms=200,
        )
    counts = Counter(run.outcomes)
    assert counts[Outcome.UNSENT] > 5
    assert counts.keys() <= {Outcome.UNSENT, Outcome.TIMEOUT, Outcome.CONNECT_FAILED}
    assert "Too many open files" in run.details


# -- after the request -------------------------------------------------------------------------------------------------


def lost(framed: Framed, stream: int) -> None:
    """Close at once."""


def torn(framed: Framed, stream: int) -> None:
    framed.peer.reset()


def cut(framed: Framed, stream: int) -> None:
    framed.send(head(stream, ("content-length", "9")) + body(stream, b"some", last=False))


def reset_early(framed: Framed, stream: int) -> None:
    framed.send(reset(stream, INTERNAL_ERROR))
    framed.wait_for_close()


def reset_late(framed: Framed, stream: int) -> None:
    framed.send(head(stream) + body(stream, b"some", last=False) + reset(stream, CANCEL))
    framed.wait_for_close()


def too_short(framed: Framed, stream: int) -> None:
    framed.send(head(stream, ("content-length", "9")) + body(stream, b"short"))
    framed.wait_for_close()


def no_status(framed: Framed, stream: int) -> None:
    framed.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, fields(("x", "y"))))
    framed.wait_for_close()


def bad_compression(framed: Framed, stream: int) -> None:
    framed.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\xff\xff\xff\xff\xff\xff"))
    framed.wait_for_close()


def goes_away_angrily(framed: Framed, stream: int) -> None:
    framed.send(goaway(stream, INTERNAL_ERROR))


def endless_head(framed: Framed, stream: int) -> None:
    part = fields(*((f"x-{i}", "y" * 120) for i in range(100)))
    framed.send(frame(HEADERS, END_STREAM, stream, fields((":status", "200")) + part))
    for _ in range(100):
        framed.send(frame(CONTINUATION, 0, stream, part))
    framed.wait_for_close()


def large_head(framed: Framed, stream: int) -> None:
    part = fields(*((f"x-{i}", "y" * 120) for i in range(100)))
    framed.send(frame(HEADERS, END_STREAM, stream, fields((":status", "200")) + part))
    for _ in range(4):
        framed.send(frame(CONTINUATION, 0, stream, part))
    framed.send(frame(CONTINUATION, END_HEADERS, stream, part))
    framed.wait_for_close()


Fault = Callable[[Framed, int], None]


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (lost, "before any response|Connection reset|Broken pipe"),
        (torn, "Connection reset|Broken pipe|before any response"),
        (cut, "in the middle|Broken pipe|Recv failure"),
        (reset_early, "INTERNAL_ERROR"),
        (reset_late, "CANCEL"),
        (too_short, "Violation in HTTP messaging rule"),
        (no_status, "Violation in HTTP messaging rule|PROTOCOL_ERROR"),
        (bad_compression, "ompression|nghttp2|before any response"),
        (goes_away_angrily, ""),
        (endless_head, ""),
        (large_head, f"a head of more than {MAX_HEAD} bytes"),
    ],
)
def test_an_answer_that_is_none_is_a_protocol_error(engine: Engine, fault: Fault, detail: str) -> None:
    def script(framed: Framed) -> None:
        fault(framed, framed.request())

    with Server(framing(script)) as server:
        run = engine.offer(server, POST, GET, transport="http/2")
    assert run.outcomes == [Outcome.PROTOCOL_ERROR, Outcome.ABORTED], run.details
    assert any(words in run.details for words in detail.split("|")), run.details
    assert server.connections == 1
    first = run.rows[0]
    assert (first.bytes_in > 0) == (fault in {cut, reset_late, too_short, endless_head, large_head}), first


def test_a_server_that_never_spoke_http2_is_a_protocol_error(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"220 mail.example ESMTP ready for whatever you may have to say\r\n" * 3)
        peer.wait_for_close()

    with Server(script) as server:
        run = engine.offer(server, GET, transport="http/2")
    assert run.only.outcome is Outcome.PROTOCOL_ERROR


@pytest.mark.parametrize("step", [GET, POST], ids=["get", "post"])
@pytest.mark.parametrize("how", ["stream refused", "connection closing"])
def test_a_request_that_the_server_says_it_did_not_look_at_goes_again(
    engine: Engine, step: dict[str, str], how: str
) -> None:
    looked_at: list[int] = []

    def script(framed: Framed) -> None:
        stream = framed.request()
        looked_at.append(framed.peer.number)
        framed.send(head(stream, last=True))
        if framed.peer.number == 1:
            refused = framed.request()
            framed.send(reset(refused, REFUSED_STREAM) if how == "stream refused" else goaway(stream))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET, step, transport="http/2")
    assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")
    assert len(looked_at) == 2


def test_a_server_that_refuses_for_ever_is_a_protocol_error(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        while True:
            framed.send(reset(framed.request(), REFUSED_STREAM))

    with Server(framing(script)) as server:
        run = engine.offer(server, POST, transport="http/2")
    assert run.only.outcome is Outcome.PROTOCOL_ERROR
    assert 1 < server.connections < 15


@pytest.mark.parametrize("how", [lost, torn], ids=["closed", "torn"])
@pytest.mark.parametrize("secure", [False, True])
def test_only_what_may_be_repeated_goes_again_on_a_used_connection_that_was_lost(
    engine: Engine, authority: Authority, how: Fault, secure: bool
) -> None:
    seen: list[int] = []

    def script(framed: Framed) -> None:
        stream = framed.request()
        seen.append(framed.peer.number)
        framed.send(head(stream, last=True))
        stream = framed.request()
        seen.append(framed.peer.number)
        if framed.peer.number == 1:
            how(framed, stream)

    context = authority.context() if secure else None
    if context is not None:
        context.set_alpn_protocols(["h2"])
    ca = authority.ca if secure else None
    with Server(framing(script), context) as server:
        run = engine.offer(server, GET, POST, transport="http/2", ca=ca)
        assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR], run.details
        assert seen == [1, 1]
    seen.clear()
    with Server(framing(script), context) as server:
        run = engine.offer(server, GET, GET, transport="http/2", ca=ca)
        assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")
        assert seen == [1, 1, 2]


def test_a_connection_that_closed_while_a_citizen_thought_is_replaced(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        framed.send(head(framed.request(), last=True))
        if framed.peer.number == 1:
            framed.peer.sock.settimeout(0.03)  # what the client still says is read: else the kernel would reset
        with suppress(TimeoutError):
            framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET, {"pause": "120ms"}, POST, transport="http/2")
    assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")
    assert server.connections == 2


def test_no_answer_by_the_deadline_is_a_timeout_and_the_stream_is_given_up(engine: Engine) -> None:
    given_up: list[tuple[int, int]] = []

    def script(framed: Framed) -> None:
        stream = framed.request()
        framed.send(head(stream) + body(stream, b"some", last=False))
        while True:
            kind, _, number = framed.next()
            if kind == RST_STREAM:
                given_up.append((kind, number))
                framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET | {"deadline": "150ms"}, POST, transport="http/2")
    first = run.rows[0]
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.ABORTED]
    assert run.details == "no complete answer in 0.15 s"
    assert 0.14e9 < first.done_ns - first.sent_ns < 0.6e9
    assert (first.first_byte_ns != NEVER, first.bytes_in) == (True, len(b"HTTP/2 200 \r\n\r\nsome"))
    assert given_up == [(RST_STREAM, 1)]


def test_what_is_under_way_when_the_stage_is_over_is_in_flight(engine: Engine, authority: Authority) -> None:
    def says_half(asked: Asked) -> None:
        asked.head()
        asked.body(b"some", last=False)

    with Server(framing(Framed.wait_for_close)) as server:
        silent = engine.offer(server, GET, transport="http/2", drain_ms=100, response_ms=9000)
    with QuicServer(says_half, authority.pem()) as quic:
        half = engine.offer(
            quic.port, GET, ca=authority.ca, transport="http/3", drain_ms=300, response_ms=9000, shared=True
        )
    assert (silent.only.outcome, silent.only.bytes_in) == (Outcome.IN_FLIGHT, 0)
    assert half.only.outcome is Outcome.IN_FLIGHT
    assert half.only.bytes_in >= len("some")


@pytest.mark.parametrize("transport", BOTH)
def test_a_body_beyond_the_limit_is_a_protocol_error(
    engine: Engine, authority: Authority, monkeypatch: pytest.MonkeyPatch, transport: Transport
) -> None:
    monkeypatch.setattr(settings, "MAX_BODY", 1000)

    def script(framed: Framed) -> None:
        stream = framed.request()
        framed.send(head(stream) + b"".join(body(stream, b"x" * 500, last=False) for _ in range(3)))
        framed.wait_for_close()

    if transport == "http/2":
        with Server(framing(script)) as server:
            run = engine.offer(server, GET, transport=transport)
    else:
        with QuicServer(saying(b"x" * 1500), authority.pem()) as quic:
            run = engine.offer(quic.port, GET, ca=authority.ca, transport=transport)
    assert run.only.outcome is Outcome.PROTOCOL_ERROR
    assert "maximum allowed file size" in run.details


# -- HTTP/3's own ------------------------------------------------------------------------------------------------------


def test_a_stream_that_an_http3_server_resets_is_a_protocol_error(engine: Engine, authority: Authority) -> None:
    def resets(asked: Asked) -> None:
        if asked.request.method == "GET":
            asked.head()
            asked.body(b"some", last=False)
        asked.reset(0x102)  # H3_INTERNAL_ERROR

    with QuicServer(resets, authority.pem()) as quic:
        early = engine.offer(quic.port, POST, ca=authority.ca, transport="http/3")
        late = engine.offer(quic.port, GET, ca=authority.ca, transport="http/3")
    assert early.only.outcome is Outcome.PROTOCOL_ERROR
    assert late.only.outcome is Outcome.PROTOCOL_ERROR


def test_an_http3_connection_that_closes_under_a_request_is_a_protocol_error(
    engine: Engine, authority: Authority
) -> None:
    def closes(asked: Asked) -> None:
        if asked.request.path == "/half":
            asked.head()
            asked.body(b"some", last=False)
        asked.close()

    with QuicServer(closes, authority.pem()) as quic:
        early = engine.offer(quic.port, POST, ca=authority.ca, transport="http/3")
        late = engine.offer(quic.port, {"get": "/half"}, ca=authority.ca, transport="http/3")
    assert early.only.outcome is Outcome.PROTOCOL_ERROR, early.details
    assert late.only.outcome is Outcome.PROTOCOL_ERROR, late.details


def test_an_http3_server_that_is_gone_without_a_word_ends_in_an_outcome(engine: Engine, authority: Authority) -> None:
    server: list[QuicServer] = []

    with QuicServer(lambda asked: server[0].vanish(), authority.pem()) as quic:
        server.append(quic)
        began = time.monotonic()
        run = engine.offer(quic.port, GET, ca=authority.ca, transport="http/3", response_ms=400)
    assert run.only.outcome in {Outcome.TIMEOUT, Outcome.PROTOCOL_ERROR}
    assert run.only.bytes_in == 0
    assert time.monotonic() - began < 3
