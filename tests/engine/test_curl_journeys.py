"""HTTP/2 and HTTP/3: the same journey makes the same records over every transport."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Literal

import pytest
from tests.engine.certified import Authority
from tests.engine.framed import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    Framed,
    body,
    fields,
    frame,
    framing,
    head,
)
from tests.engine.fronted import fronted
from tests.engine.quic import Asked, QuicServer, saying
from tests.engine.served import Engine, Request, Row, Run, Server, answering, each, numbered, ok

from seatrial.model.sample import Outcome

Transport = Literal["http/2", "http/3"]

GET = {"get": "/"}

JOURNEY = (
    {"post": "/sign-in", "form": {"name": "${who.id}"}, "extract": {"token": {"json": "$.token"}}},
    {
        "get": "/list?day=3",
        "headers": {"authorization": "Bearer ${token}", "x-empty": ""},
        "expect": {"status": 200, "contains": "slots"},
        "extract": {"slot": {"json": "$.slots[*]", "pick": "random"}},
    },
    {"put": "/bookings/${slot}", "json": {"who": "${who.id}"}, "expect": {"status": [201, 409]}},
    {"delete": "/bookings/${slot}"},
    {"head": "/list"},
    {"head": "/list", "body": "a head with a body"},
)

Answer = tuple[int, list[tuple[str, str]], bytes]


def service(request: Request) -> Answer:
    """A booking service of one function. Citizen a3 signs in with a wrong name, a5 sees no slots, a7 meets a fault."""
    who = request.header("cookie") or ""
    if request.path == "/sign-in":
        name = request.body.decode().partition("=")[2]
        if name == "a3":
            return 403, [], b"{}"
        assert request.header("content-type") == "application/x-www-form-urlencoded"
        token = json.dumps({"token": f"t-{name}"}).encode()
        return 200, [("set-cookie", f"who={name}; Path=/"), ("content-type", "application/json")], token
    assert who.startswith("who=a"), request
    if request.method == "HEAD":
        return 200, [("content-type", "text/plain")], b""
    if request.path == "/list?day=3":
        assert request.header("authorization") == f"Bearer t-{who[4:]}"
        assert request.header("x-empty") == ""
        if who == "who=a5":
            return 200, [], b"nothing"
        return 200, [("content-encoding", "gzip")], gzip.compress(b'{"slots": [11, 12, 13]}', mtime=0)
    if request.method == "PUT":
        assert json.loads(request.body) == {"who": who[4:]}
        assert request.header("content-type") == "application/json"
        return (500, [], b"sorry") if who == "who=a7" else (201, [], b"")
    assert (request.method, request.header("content-length")) == ("DELETE", None)
    return 204, [], b""


def as_http1(request: Request) -> bytes:
    status, pairs, data = service(request)
    if status == 204:
        return b"HTTP/1.1 204 None\r\n\r\n"
    return ok(data, *(f"{name}: {value}" for name, value in pairs), status=status)


def as_http3(asked: Asked) -> None:
    status, pairs, data = service(asked.request)
    asked.head(status, *pairs, last=not data)
    if data:
        asked.body(data)


def told(run: Run) -> list[tuple[int, int, str, int, int]]:
    """Return what must not depend on the transport: everything but times and the size of heads."""
    rows = sorted(run.rows, key=lambda row: (row.session, row.step))
    return [(row.session, row.step, row.outcome.label, row.status, row.bytes_out) for row in rows]


def in_order(row: Row) -> bool:
    return row.intended_ns <= row.sent_ns <= row.first_byte_ns <= row.done_ns


def journeys(engine: Engine, port: int, ca: Path | None, transport: Transport | None, shared: bool) -> Run:
    feeds = {"who": numbered("a", 10)}
    return engine.offer(
        port, *JOURNEY, sessions=10, within_ms=50, feeds=feeds, ca=ca, transport=transport, shared=shared
    )


@pytest.mark.parametrize("shared", [False, True])
def test_a_journey_makes_the_same_records_over_every_transport(
    engine: Engine, authority: Authority, tmp_path: Path, shared: bool
) -> None:
    pem = authority.pem()
    with Server(answering(as_http1)) as server:
        plainly = journeys(engine, server.port, None, None, shared)
        with fronted(tmp_path, server.port, pem) as front:
            first = len(server.requests)
            over_tls = journeys(engine, front.secure, authority.ca, None, shared)
            second = len(server.requests)
            over_http2 = journeys(engine, front.secure, authority.ca, "http/2", shared)
            over_plain_http2 = journeys(engine, front.plain, None, "http/2", shared)
        assert {request.header("x-protocol") for request in server.requests[first:second]} == {"HTTP/1.1"}
        assert {request.header("x-protocol") for request in server.requests[second:]} == {"HTTP/2.0"}
    with QuicServer(as_http3, pem) as quic:
        over_http3 = journeys(engine, quic.port, authority.ca, "http/3", shared)
    expected = told(plainly)
    assert [outcome for *_, outcome, _, _ in expected].count("ok") == 10 * 6 - 6 - 5 - 4
    for run in (over_tls, over_http2, over_plain_http2, over_http3):
        assert told(run) == expected
        assert run.details.replace(" ", "") == plainly.details.replace(" ", "")
        assert all(in_order(row) for row in run.rows if row.sent_ns > 0)


def test_the_request_arrives_as_the_plan_wrote_it(engine: Engine, authority: Authority) -> None:
    step = {"get": "/a/../b%2Fc?x=%20&y=é", "headers": {"X-Own": "1, 2", "Accept": "text/html", "Connection": "close"}}
    with QuicServer(saying(), authority.pem()) as server:
        run = engine.offer(server.port, step, {"post": "/empty"}, ca=authority.ca, transport="http/3")
    assert run.outcomes == [Outcome.OK] * 2
    get, post = server.requests
    assert get.path.encode("latin-1", "replace").startswith(b"/a/../b%2Fc?x=%20&y=")
    assert dict(get.fields) == {"x-own": "1, 2", "accept": "text/html", "host": f"127.0.0.1:{server.port}"}
    assert dict(post.fields) == {"content-length": "0", "host": f"127.0.0.1:{server.port}"}


def test_a_host_field_of_ones_own_is_the_authority(engine: Engine, authority: Authority) -> None:
    with QuicServer(saying(), authority.pem()) as server:
        step = {"get": "/", "headers": {"host": "booking.example"}}
        run = engine.offer(server.port, step, ca=authority.ca, transport="http/3")
    assert run.only.outcome is Outcome.OK
    assert server.requests[0].header("host") == "booking.example"


def test_interim_answers_and_trailers_are_not_the_answer(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        stream = framed.request()
        framed.send(head(stream, ("link", "</style.css>"), status=103))
        framed.send(head(stream, ("x-part", "head"), ("set-cookie", "a=1")))
        framed.send(body(stream, b"hel", last=False) + body(stream, b"lo", last=False))
        framed.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, fields(("x-part", "trailer"))))
        stream = framed.request()
        framed.send(head(stream, status=204, last=True))
        framed.wait_for_close()

    checks = {"status": 200, "headers": {"x-part": "head"}, "contains": "hello", "size": {"at_most": 5}}
    with Server(framing(script)) as server:
        run = engine.offer(server, GET | {"expect": checks}, GET, transport="http/2")
    assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")


def test_the_answer_to_a_head_request_may_name_the_length_of_what_it_leaves_out(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        while True:
            framed.send(head(framed.request(), ("content-length", "5"), last=True))

    with Server(framing(script)) as server:
        run = engine.offer(server, {"head": "/"}, {"head": "/", "body": "odd"}, {"head": "/"}, transport="http/2")
    assert (run.outcomes, run.details) == ([Outcome.OK] * 3, "")
    assert server.connections == 1


def test_an_answer_may_be_large_and_come_slowly(engine: Engine, authority: Authority, tmp_path: Path) -> None:
    large = bytes(range(256)) * 4096
    with (
        Server(answering(lambda request: ok(large))) as server,
        fronted(tmp_path, server.port, authority.pem()) as front,
    ):
        run = engine.offer(front.secure, {"post": "/", "body": "x" * 300_000}, ca=authority.ca, transport="http/2")
    assert (run.only.outcome, run.details) == (Outcome.OK, "")
    assert len(large) < run.only.bytes_in < len(large) + 300
    assert len(server.requests[0].body) == 300_000
    with QuicServer(saying(large), authority.pem()) as quic:
        run = engine.offer(
            quic.port, {"post": "/", "body": "x" * 300_000}, ca=authority.ca, transport="http/3", response_ms=5000
        )
    assert (run.only.outcome, run.details) == (Outcome.OK, "")
    assert len(large) < run.only.bytes_in < len(large) + 300
    assert len(quic.requests[0].body) == 300_000


def test_the_first_byte_is_that_of_the_head_and_not_of_the_body(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        stream = framed.request()
        framed.send(head(stream))
        framed.peer.sock.settimeout(0.1)
        try:
            framed.wait_for_close()  # says nothing for 100 ms
        except TimeoutError:
            framed.peer.sock.settimeout(None)
        framed.send(body(stream, b"hello"))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET, transport="http/2")
    row = run.only
    assert row.outcome is Outcome.OK
    assert row.done_ns - row.first_byte_ns > 90e6
    assert row.first_byte_ns - row.sent_ns < 50e6


def test_a_head_in_many_frames_is_one_head(engine: Engine) -> None:
    def script(framed: Framed) -> None:
        stream = framed.request()
        parts = [fields((f"x-{i}", "y" * 100)) for i in range(6)]
        framed.send(frame(HEADERS, END_STREAM, stream, fields((":status", "200"))))
        framed.send(b"".join(frame(CONTINUATION, 0, stream, part) for part in parts[:-1]))
        framed.send(frame(CONTINUATION, END_HEADERS, stream, parts[-1]))
        framed.wait_for_close()

    with Server(framing(script)) as server:
        run = engine.offer(server, GET | {"expect": {"headers": {"x-5": "y" * 100}}}, transport="http/2")
    assert (run.only.outcome, run.details) == (Outcome.OK, "")


def test_a_fast_step_follows_a_fast_answer_without_a_wait(engine: Engine, authority: Authority, tmp_path: Path) -> None:
    with Server(answering(as_http1)) as server, fronted(tmp_path, server.port, authority.pem()) as front:
        run = journeys(engine, front.plain, None, "http/2", True)
    second = {row.session: row for row in each(run.rows, 1) if row.outcome is Outcome.OK}
    assert second
    for first in each(run.rows, 0):
        if first.session in second:
            assert second[first.session].intended_ns == first.done_ns
            assert second[first.session].sent_ns - first.done_ns < 50e6
