"""The race of a kept-alive connection: a request meets the server's close."""

from __future__ import annotations

import socket
import threading

import pytest
from tests.engine.served import Engine, Peer, Server, always_ok, answering, ok

from seatrial.engine.python_session import PythonSession
from seatrial.model.sample import Outcome

GET = {"get": "/"}
POST = {"post": "/", "json": {"a": 1}}


def closing_when_asked_again(peer: Peer) -> None:
    """Answer one request, and close at the next: what a server does whose keep-alive time has just passed."""
    if peer.number == 1:
        peer.request()
        peer.send(ok())
        peer.sock.recv(1, socket.MSG_PEEK)
        return
    always_ok(peer)


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_a_kept_alive_connection_that_closes_is_repeated_once(engine: Engine, method: str) -> None:
    answer = answering(lambda request: ok(b"" if request.method == "HEAD" else b"hello"))

    def script(peer: Peer) -> None:
        if peer.number == 1:
            closing_when_asked_again(peer)
        else:
            answer(peer)

    with Server(script) as server:
        run = engine.offer(server, GET, {method: "/again"})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert [(request.path, request.connection) for request in server.requests] == [("/", 1), ("/again", 2)]


def test_a_post_is_never_repeated(engine: Engine) -> None:
    with Server(closing_when_asked_again) as server:
        run = engine.offer(server, GET, POST, {"get": "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR, Outcome.ABORTED]
    assert len(server.requests) == 1


def test_a_repeated_request_is_not_repeated_again(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        if peer.number == 1:
            closing_when_asked_again(peer)
        else:
            peer.request()

    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/again"}, {"get": "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR, Outcome.ABORTED]
    assert [request.path for request in server.requests] == ["/", "/again"]


def test_garbage_on_a_kept_alive_connection_is_not_repeated(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        peer.request()
        peer.send(b"<html>this is not a response")

    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/again"})
    assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR]
    assert len(server.requests) == 2


def test_a_repeat_does_not_take_another_connection_that_may_have_died_too(engine: Engine) -> None:
    """Two shared connections stand idle, and their time is over: whichever is asked again closes."""
    both = threading.Barrier(2, timeout=5)

    def script(peer: Peer) -> None:
        if peer.number > 2:
            always_ok(peer)
            return
        peer.request()
        both.wait()
        peer.send(ok())
        peer.sock.recv(1, socket.MSG_PEEK)

    async def visit(session: PythonSession) -> None:
        await session.get("/", name="a")
        if session._session.number == 0:
            await session.pause(0.04)
            await session.get("/again", name="b")

    with Server(script) as server:
        run = engine.offer(server, python={("a", "b"): visit}, sessions=2, within_ms=4, shared=True)
    assert run.outcomes == [Outcome.OK] * 3
    assert server.connections == 3
