"""IPv6, names with several addresses, and addresses at which nobody serves."""

from __future__ import annotations

import errno
import queue
import socket
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Request, Server, always_ok, answering, ok, refusing_port
from tests.engine.test_proxy import target_of

from seatrial.engine.http import target as target_module
from seatrial.engine.http.probe import probe
from seatrial.engine.http.target import Target
from seatrial.errors import TargetError
from seatrial.model.sample import Outcome

GET = {"get": "/"}
V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


def both(first: Server | int, second: Server | int) -> tuple[Any, ...]:
    """Return the addresses of a name that has an IPv6 and an IPv4 one."""
    ports = [server if isinstance(server, int) else server.port for server in (first, second)]
    return (V6, ("::1", ports[0])), (V4, ("127.0.0.1", ports[1]))


# -- IPv6 -----------------------------------------------------------------------------------------------------------


def test_an_ipv6_address_is_resolved_loaded_and_named_in_the_host_field(engine: Engine) -> None:
    with Server(always_ok, host="::1") as server:
        target = probe(target_of(f"http://[::1]:{server.port}/app"))
        assert target.beyond == ()
        run = engine.offer(server, GET, host=target.host, change={"addresses": target.addresses})
    assert target.addresses == ((V6, ("::1", server.port)),)
    assert (target.host, target.base, target.authority) == ("::1", "/app", f"[::1]:{server.port}")
    assert run.outcomes == [Outcome.OK]
    assert server.requests[-1].header("host") == f"[::1]:{server.port}"


@pytest.mark.parametrize(("address", "host"), [("http://[::1]", "[::1]"), ("https://[::1]:443", "[::1]")])
def test_the_usual_port_is_left_out_of_the_host_field(address: str, host: str) -> None:
    assert target_of(address).authority == host


def test_a_certificate_proves_an_ipv6_address(engine: Engine, authority: Authority) -> None:
    for name, outcome in (("::1", Outcome.OK), ("::2", Outcome.TLS_FAILED)):
        with Server(always_ok, authority.context(name), host="::1") as server:
            run = engine.offer(server, GET, host="::1", ca=authority.ca)
            assert run.only.outcome is outcome
            target = target_of(f"https://[::1]:{server.port}", tls={"ca": str(authority.ca)})
            if outcome is Outcome.OK:
                assert probe(target) == target
            else:
                with pytest.raises(TargetError, match="does not prove its name"):
                    probe(target)


def test_redirects_and_resources_of_an_ipv6_target_are_followed(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        here = f"http://[::1]:{server.port}"
        if request.path == "/":
            return ok(b"", f"location: {here}/page", status=302)
        return ok(f'<img src="{here}/a.png"><img src="http://[::2]/b.png">'.encode(), "content-type: text/html")

    with Server(answering(answer), host="::1") as server:
        run = engine.offer(server, GET | {"resources": True}, host="::1", hops=2)
    assert set(run.outcomes) == {Outcome.OK}
    assert [request.path for request in server.requests] == ["/", "/page", "/a.png"]


# -- several addresses ----------------------------------------------------------------------------------------------


def test_a_name_of_both_families_is_loaded_at_each_in_turn(engine: Engine) -> None:
    with Server(always_ok, host="::1") as first, Server(always_ok) as second:
        run = engine.offer(first, GET, sessions=20, within_ms=40, change={"addresses": both(first, second)})
    assert run.outcomes == [Outcome.OK] * 20
    assert (len(first.requests), len(second.requests)) == (10, 10)


def test_a_name_is_resolved_to_all_its_addresses_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def name_service(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        return [(family, socket.SOCK_STREAM, 6, "", at) for family, at in (*found, *found)]

    monkeypatch.setattr(target_module.socket, "getaddrinfo", name_service)
    assert target_of("http://booking.test:80").addresses == both(80, 80)
    chosen = target_of("http://booking.test:80", source_addresses=["127.0.0.2"])
    assert (chosen.addresses, chosen.sources) == (both(80, 80)[1:], ("127.0.0.2",))
    assert chosen.left_out == ("::1 (no source address of its family)",)


def test_an_address_at_which_nobody_serves_is_passed_over_and_named(engine: Engine) -> None:
    nobody = refusing_port()
    with Server(always_ok) as server:
        found = replace(target_of(f"http://localhost:{server.port}"), addresses=both(nobody, server))
        target = probe(found)
        run = engine.offer(server, GET, sessions=6, change={"addresses": target.addresses})
    assert target.addresses == ((V4, ("127.0.0.1", server.port)),)
    assert target.left_out == ("::1 ([Errno 111] Connection refused)",)
    assert run.outcomes == [Outcome.OK] * 6


def test_a_target_at_no_address_of_which_anybody_serves_can_t_be_reached() -> None:
    found = replace(target_of("http://localhost:1"), addresses=both(refusing_port(), refusing_port()))
    with pytest.raises(TargetError, match=r"can't be reached .*Connection refused") as raised:
        probe(found)
    assert raised.value.value == "http://localhost:1"


def test_an_address_that_stops_serving_during_the_run_is_not_passed_over(engine: Engine) -> None:
    with Server(always_ok) as server:
        change = {"addresses": both(refusing_port(), server)}
        run = engine.offer(server, GET, sessions=6, within_ms=20, change=change)
    assert Counter(run.outcomes) == {Outcome.OK: 3, Outcome.CONNECT_FAILED: 3}


# -- the probe's own sources ----------------------------------------------------------------------------------------


def test_the_probe_comes_from_every_source(engine: Engine) -> None:
    seen: queue.Queue[str] = queue.Queue()

    def script(peer: Peer) -> None:
        seen.put(peer.sock.getpeername()[0])
        peer.wait_for_close()

    sources = ("127.0.0.2", "127.0.0.3")
    with Server(script) as server:
        assert probe(target_of(f"http://127.0.0.1:{server.port}", source_addresses=sources)).sources == sources
        assert {seen.get(timeout=5), seen.get(timeout=5)} == set(sources)


def test_a_source_that_can_t_reach_the_target_is_named() -> None:
    with Server(always_ok) as server:
        reachable = target_of(f"http://127.0.0.1:{server.port}", source_addresses=("127.0.0.2",))
        for sources in (("127.0.0.2", "192.0.2.7"), ("192.0.2.7", "127.0.0.2")):
            lost: Target = replace(reachable, sources=sources)
            with pytest.raises(TargetError, match=r"can't be reached from 192\.0\.2\.7") as raised:
                probe(lost)
    assert f"[Errno {errno.EADDRNOTAVAIL}]" in str(raised.value)
    assert "source_addresses" in raised.value.remedy
