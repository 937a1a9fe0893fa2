"""An outgoing proxy: whole addresses for plain targets, a tunnel for TLS, and every way in which a proxy refuses."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Request, Server, always_ok, answering, ok, refusing_port

from seatrial.engine.http.probe import probe
from seatrial.engine.http.target import Proxy, Target, resolve
from seatrial.engine.python_session import PythonSession
from seatrial.errors import TargetError
from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome

GET = {"get": "/list?day=3", "name": "list"}
NAME = "booking.test"  # no name service knows it: only the proxy does


def through(server: Server) -> dict[str, Any]:
    """Return what makes a target of the tests one that is reached through ``server``."""
    at = ((int(socket.AF_INET), ("127.0.0.1", server.port)),)
    return {"proxy": Proxy("127.0.0.1", server.port), "addresses": at}


def piped(peer: Peer, port: int) -> None:
    """Carry bytes both ways between a peer and a port of this machine until one side ends."""
    with socket.create_connection(("127.0.0.1", port)) as onward:

        def back() -> None:
            with suppress(OSError):  # the other side may have gone
                while data := onward.recv(65536):
                    peer.sock.sendall(data)
                peer.sock.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        while data := peer.sock.recv(65536):
            onward.sendall(data)
        onward.shutdown(socket.SHUT_WR)
        thread.join(5)


def tunnelling(port: int, *pieces: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        for piece in pieces or (b"HTTP/1.1 200 Connection established\r\n\r\n",):
            peer.send(piece)
        piped(peer, port)

    return script


# -- a plain target -------------------------------------------------------------------------------------------------


def test_a_proxy_is_told_the_whole_address_and_the_host(engine: Engine) -> None:
    with Server(always_ok) as proxy:
        steps = [GET, {"post": "/book", "json": {"a": 1}}]
        run = engine.offer(proxy, *steps, host=NAME, base="/app", change={**through(proxy), "port": 8080})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert [request.path for request in proxy.requests] == [
        f"http://{NAME}:8080/app/list?day=3",
        f"http://{NAME}:8080/app/book",
    ]
    assert {request.header("host") for request in proxy.requests} == {f"{NAME}:8080"}
    assert proxy.connections == 1
    assert run.rows[0].bytes_out == len(proxy.requests[0].head) + 4


def test_the_usual_port_and_an_ipv6_address_are_written_as_an_address_has_them(engine: Engine) -> None:
    with Server(always_ok) as proxy:
        engine.offer(proxy, GET, host=NAME, change={**through(proxy), "port": 80})
        engine.offer(proxy, GET, host="::1", change={**through(proxy), "port": 8080})
    assert [request.path for request in proxy.requests] == [
        f"http://{NAME}/list?day=3",
        "http://[::1]:8080/list?day=3",
    ]


def test_redirects_resources_extracted_addresses_and_python_go_through_the_proxy_too(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.path.endswith("/old"):
            return ok(b"", "location: /app/new", status=302)
        if request.path.endswith("/new"):
            return ok(b"<img src=a.png><script src='/app/b.js'></script>", "content-type: text/html")
        return ok(b"/app/deep", "location: /app/deep")

    async def journey(session: PythonSession) -> None:
        await session.get("/python", name="python")

    steps = [
        {"get": "/old", "name": "page", "redirects": 3, "resources": True},
        {"get": "/where", "extract": {"where": {"header": "location"}}},
        {"get": "${where}"},
    ]
    with Server(answering(answer)) as proxy:
        change = {**through(proxy), "port": 8080}
        run = engine.offer(proxy, *steps, host=NAME, base="/app", change=change, once=False)
        python = engine.offer(proxy, python={("python",): journey}, host=NAME, base="/app", change=change)
    assert set(run.outcomes + python.outcomes) == {Outcome.OK}
    paths = [request.path.removeprefix(f"http://{NAME}:8080/app/") for request in proxy.requests]
    assert paths[:2] == ["old", "new"]
    assert sorted(paths[2:4]) == ["a.png", "b.js"]
    assert paths[4:] == ["where", "deep", "python"]


def test_what_a_proxy_answers_itself_is_the_step_s_answer(engine: Engine) -> None:
    with Server(answering(lambda _: ok(b"no", status=502))) as proxy:
        run = engine.offer(proxy, GET, host=NAME, change=through(proxy))
    assert (run.only.outcome, run.only.status) == (Outcome.HTTP_ERROR, 502)


def test_a_proxy_of_the_environment_is_never_used(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{refusing_port()}")
    with Server(always_ok) as server:
        run = engine.offer(server, GET)
        probe(target_of(f"http://127.0.0.1:{server.port}"))
    assert run.only.outcome is Outcome.OK
    assert [request.path for request in server.requests] == ["/list?day=3"]


# -- a target behind TLS --------------------------------------------------------------------------------------------


def test_a_tunnel_carries_tls_to_the_target_and_its_name_is_proven(engine: Engine, authority: Authority) -> None:
    with Server(always_ok, authority.context(NAME)) as server, Server(tunnelling(server.port)) as proxy:
        change = {**through(proxy), "port": 8443}
        run = engine.offer(proxy, GET, GET | {"name": "again"}, host=NAME, ca=authority.ca, change=change)
        wrong = engine.offer(proxy, GET, host="other.test", ca=authority.ca, change=change)
    assert (run.outcomes, run.details) == ([Outcome.OK, Outcome.OK], "")
    assert [request.path for request in server.requests] == ["/list?day=3"] * 2
    assert proxy.requests[0].method == "CONNECT"
    assert proxy.requests[0].path == f"{NAME}:8443"
    assert proxy.requests[0].fields == [("host", f"{NAME}:8443")]
    assert proxy.connections == 2
    assert wrong.only.outcome is Outcome.TLS_FAILED
    assert "certificate refused" in wrong.details


def test_a_proxy_s_answer_in_pieces_after_an_interim_one_opens_the_tunnel(engine: Engine, authority: Authority) -> None:
    whole = b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"
    with (
        Server(always_ok, authority.context(NAME)) as server,
        Server(tunnelling(server.port, *(bytes([byte]) for byte in whole))) as proxy,
    ):
        run = engine.offer(proxy, GET, host=NAME, ca=authority.ca, change=through(proxy))
    assert (run.only.outcome, run.details) == (Outcome.OK, "")


def refused(*pieces: bytes, hold: bool = False, reset: bool = False) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        for piece in pieces:
            peer.send(piece)
        if hold:
            peer.wait_for_close()
        if reset:
            peer.reset()

    return script


REFUSALS = {
    "407": (refused(ok(b"who are you", "proxy-authenticate: Basic", status=407)), "answered CONNECT with status 407"),
    "403": (refused(ok(b"", status=403)), "answered CONNECT with status 403"),
    "502": (refused(b"HTTP/1.1 502 Bad Gateway\r\n", b"\r\n"), "answered CONNECT with status 502"),
    "a redirect": (refused(ok(b"", "location: http://127.0.0.1/", status=302)), "answered CONNECT with status 302"),
    "garbage": (refused(b"SSH-2.0-OpenSSH_9.2p1\r\n", hold=True), "is not HTTP: b'SSH"),
    "a head of garbage": (refused(b"ICY 200 OK\r\n\r\n"), "is not HTTP"),
    "a bad field": (refused(b"HTTP/1.1 200 OK\r\nno field\r\n\r\n"), "malformed header field"),
    "an endless head": (refused(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 20_000, hold=True), "is not HTTP"),
    "a word too many": (refused(b"HTTP/1.1 200 OK\r\n\r\nhello", hold=True), "more than its answer"),
    "a close": (refused(), "closed the connection instead of opening a tunnel"),
    "a close within": (refused(b"HTTP/1.1 200 OK\r\n"), "closed the connection instead of opening a tunnel"),
    "a reset": (refused(reset=True), "connection to the proxy lost: Connection reset by peer"),
    "silence": (refused(hold=True), "no connection in 0.2 s"),
    "half an answer": (refused(b"HTTP/1.1 200 OK\r\n", hold=True), "no connection in 0.2 s"),
}


@pytest.mark.parametrize(("script", "detail"), REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_opens_no_tunnel_is_connect_failed_and_says_why(
    engine: Engine, authority: Authority, script: Callable[[Peer], None], detail: str
) -> None:
    with Server(script) as proxy:
        run = engine.offer(proxy, GET, GET, host=NAME, ca=authority.ca, connect_ms=200, change=through(proxy))
    assert run.outcomes == [Outcome.CONNECT_FAILED, Outcome.ABORTED]
    assert detail in run.details
    assert (run.rows[0].bytes_out, run.rows[0].bytes_in) == (0, 0)


def test_a_proxy_that_is_not_there_is_connect_failed(engine: Engine, authority: Authority) -> None:
    at = ((int(socket.AF_INET), ("127.0.0.1", refusing_port())),)
    change = {"proxy": Proxy("127.0.0.1", at[0][1][1]), "addresses": at}
    for ca in (None, authority.ca):
        run = engine.offer(1, GET, host=NAME, ca=ca, change=change)
        assert run.only.outcome is Outcome.CONNECT_FAILED
        assert "Connection refused" in run.details


# -- before the run -------------------------------------------------------------------------------------------------


def plan_of(target: str, proxy: str | None = None, **more: Any) -> Plan:
    return Plan.model_validate(
        {
            "seatrial": 1,
            "title": "made",
            "target": target,
            "demand": {"peak": "40/s"},
            "journeys": {"visit": {"steps": [GET]}},
            "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
            **({} if proxy is None else {"proxy": proxy}),
            **more,
        }
    )


def target_of(address: str, proxy: str | None = None, **more: Any) -> Target:
    return resolve(plan_of(address, proxy, **more), Path())


def test_the_proxy_s_address_is_resolved_and_the_target_s_name_is_left_to_it() -> None:
    target = target_of(f"https://{NAME}/app", "http://127.0.0.1:3128")
    assert target.addresses == ((int(socket.AF_INET), ("127.0.0.1", 3128)),)
    assert (target.host, target.port, target.proxy) == (NAME, 443, Proxy("127.0.0.1", 3128))
    assert (target.tunnel, target.prefix) == (f"{NAME}:443", "/app")
    with pytest.raises(TargetError, match="the proxy's name does not resolve"):
        target_of("http://127.0.0.1", "http://nowhere.invalid:3128")


def places(target: Target) -> list[tuple[str, str]]:
    return [(why.partition(" (")[0], place) for why, place in target.beyond]


def test_a_name_that_only_the_proxy_resolves_needs_somebody_s_word() -> None:
    target = target_of(f"http://{NAME}", "http://127.0.0.1:3128")
    assert places(target) == [("the target is resolved by the proxy", f"{NAME}:80")]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_this_machine_through_a_proxy_on_this_machine_needs_nobody_s_word(address: str) -> None:
    assert places(target_of(address, "http://127.0.0.1:3128")) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", f"http://{NAME}:8080"])
def test_a_proxy_elsewhere_needs_a_word_of_its_own_and_makes_loopback_its_own_machine(address: str) -> None:
    target = target_of(address, "http://192.0.2.1:3128")
    assert places(target) == [
        ("the proxy is beyond this machine", "192.0.2.1:3128"),
        ("the target is resolved by the proxy", f"{target.host}:8080"),
    ]


def test_an_ipv6_target_is_named_by_its_address_in_brackets() -> None:
    target = Target("2001:DB8::1", 443, True, "", ((int(socket.AF_INET6), ("2001:db8::1", 443)),))
    assert target.beyond == (("the target is beyond this machine (2001:db8::1)", "[2001:db8::1]:443"),)


NO_PROXIES = (
    "http://user:word@127.0.0.1:3128",
    "https://127.0.0.1:3128",
    "socks5://127.0.0.1:1080",
    "127.0.0.1:3128",
    "http://127.0.0.1",
    "http://127.0.0.1:0",
    "http://127.0.0.1:65536",
    "http://[::1:3128",
    "http://::1:3128",
    "http://127.0.0.1:3128/",
)


def test_a_proxy_may_have_an_ipv6_address() -> None:
    target = target_of("http://127.0.0.1", "http://[::1]:3128")
    assert target.addresses == ((int(socket.AF_INET6), ("::1", 3128)),)
    assert target.proxy is not None
    assert target.proxy.authority == "[::1]:3128"


@pytest.mark.parametrize("written", NO_PROXIES)
def test_a_proxy_with_credentials_or_of_another_kind_is_refused_with_the_plan(written: str) -> None:
    with pytest.raises(ValueError, match="not the address of a proxy"):
        plan_of("http://127.0.0.1", written)


def test_the_probe_goes_through_the_tunnel_and_names_the_proxy_that_refuses(authority: Authority) -> None:
    tls = {"tls": {"ca": str(authority.ca)}}
    with Server(always_ok, authority.context(NAME)) as server, Server(tunnelling(server.port)) as proxy:
        target = target_of(f"https://{NAME}", f"http://127.0.0.1:{proxy.port}", **tls)
        assert probe(target) == target
        other = target_of("https://other.test", f"http://127.0.0.1:{proxy.port}", **tls)
        with pytest.raises(TargetError, match="does not prove its name"):
            probe(other)
    for script, detail in (REFUSALS["407"], REFUSALS["a close"], REFUSALS["garbage"]):
        with Server(script) as proxy, pytest.raises(TargetError, match=detail.split(":")[0]) as raised:
            probe(target_of(f"https://{NAME}", f"http://127.0.0.1:{proxy.port}", **tls))
        assert f"through the proxy 127.0.0.1:{proxy.port}" in str(raised.value)
        assert raised.value.value == f"https://{NAME}"
