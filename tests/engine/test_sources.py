"""Several source addresses: each in turn, by family, and more connections than one address has ports for."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.served import Engine, Peer, Server, always_ok, refusing_port

from seatrial.engine.http.sources import bind_source, family_of, fitting, routes_in_turn
from seatrial.errors import UsageError
from seatrial.model.sample import Outcome

GET = {"get": "/"}
V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
SOURCES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
ROOT = Path(__file__).parents[2]


class Seen(Server):
    """Notes where each connection comes from."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.peers: list[str] = []
        super().__init__(self._note, host=host)

    def _note(self, peer: Peer) -> None:
        self.peers.append(peer.sock.getpeername()[0])
        always_ok(peer)


def test_connections_come_from_each_source_in_turn(engine: Engine) -> None:
    with Seen() as server:
        run = engine.offer(server, GET, sessions=30, within_ms=60, change={"sources": SOURCES})
    assert run.outcomes == [Outcome.OK] * 30
    assert Counter(server.peers) == dict.fromkeys(SOURCES, 10)


def test_an_ipv6_source_serves_an_ipv6_target(engine: Engine) -> None:
    with Seen("::1") as server:
        run = engine.offer(server, GET, sessions=3, host="::1", change={"sources": ("::1",)})
    assert run.outcomes == [Outcome.OK] * 3
    assert server.peers == ["::1"] * 3


def test_a_source_that_the_machine_has_lost_leaves_its_requests_unsent(engine: Engine) -> None:
    with Seen() as server:
        run = engine.offer(server, GET, sessions=4, within_ms=20, change={"sources": ("127.0.0.2", "192.0.2.7")})
    assert Counter(run.outcomes) == {Outcome.OK: 2, Outcome.UNSENT: 2}
    assert "Cannot assign requested address" in run.details


# -- the order of turns ---------------------------------------------------------------------------------------------

addresses_of = st.lists(
    st.sampled_from([(V4, (f"127.0.1.{i}", 80)) for i in range(4)] + [(V6, (f"fd00::{i}", 80)) for i in range(3)]),
    min_size=1,
    unique=True,
)


@given(addresses=addresses_of, v4=st.integers(0, 5), v6=st.integers(0, 5), first=st.integers(0, 20))
def test_every_address_comes_in_turn_and_meets_each_of_its_sources_as_often(addresses, v4, v6, first):
    sources = [f"127.0.2.{i}" for i in range(v4)] + [f"fd01::{i}" for i in range(v6)]
    families = {family: max(1, [family_of(s) for s in sources].count(family)) for family in (V4, V6)}
    rounds = families[V4] * families[V6]
    routes = list(islice(routes_in_turn(addresses, sources, first), len(addresses) * rounds))
    for start in range(0, len(routes), len(addresses)):
        assert {route[:2] for route in routes[start : start + len(addresses)]} == set(addresses)
    pairs = Counter(routes)
    for (family, _, source), count in pairs.items():
        assert source is None or family_of(source) == family
        assert count * families[family] == rounds
    assert len(pairs) == sum(families[family] for family, _ in addresses)


def test_workers_begin_at_different_sources_and_addresses():
    addresses = [(V4, ("127.0.0.1", 80)), (V4, ("127.0.0.9", 80))]
    begun = [next(routes_in_turn(addresses[:1], SOURCES, worker))[2] for worker in range(4)]
    assert begun == ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2"]
    assert [next(routes_in_turn(addresses, (), worker))[1][0] for worker in range(2)] == ["127.0.0.1", "127.0.0.9"]


# -- what is refused before the run ---------------------------------------------------------------------------------

BOTH = ((V4, ("127.0.0.1", 80)), (V6, ("::1", 80)))


def test_only_addresses_with_a_source_of_their_family_are_used():
    assert fitting(BOTH, ()) == (BOTH, ())
    assert fitting(BOTH, ("127.0.0.2", "127.0.0.2")) == (BOTH[:1], ("127.0.0.2",))
    assert fitting(BOTH, ("::1",)) == (BOTH[1:], ("::1",))
    assert fitting(BOTH[:1], ("::1", "127.0.0.3")) == (BOTH[:1], ("127.0.0.3",))


@pytest.mark.parametrize("source", ["192.0.2.7", "2001:db8::7", "0.0.0.0", "::", "224.0.0.1"])
def test_an_address_that_is_not_this_machine_s_is_refused(source):
    with pytest.raises(UsageError, match="not one of this machine's") as raised:
        fitting(BOTH, ("127.0.0.2", source))
    assert raised.value.value == source
    assert "source_addresses" in raised.value.remedy


def test_sources_of_the_other_family_alone_are_refused():
    with pytest.raises(UsageError, match="same family") as raised:
        fitting(BOTH[:1], ("::1",))
    assert raised.value.value == "::1 for 127.0.0.1"


def test_a_bound_source_takes_no_port_before_it_connects():
    with socket.socket() as sock:
        bind_source(sock, "127.0.0.2")
        assert sock.getsockname() == ("127.0.0.2", 0)
        assert sock.connect_ex(("127.0.0.1", refusing_port())) != 0


# -- more connections than one address has ports for ----------------------------------------------------------------

PORTS = 20
ELSEWHERE = f"""
import fcntl, pathlib, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # bring up lo: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))
sys.path.insert(0, sys.argv[1])
from tests.engine.served import Engine, Server, ok
sources = tuple(sys.argv[3:])

def answer_and_hold(peer):
    peer.request()
    peer.send(ok())
    peer.wait_for_close()

steps = [{{"get": "/"}}, {{"pause": "400ms"}}]
with Server(answer_and_hold) as server:  # its own port is not of the range that follows
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("20000 {20000 + PORTS - 1}")
    run = Engine(pathlib.Path(sys.argv[2])).offer(
        server, *steps, sessions={PORTS * 5 // 2}, within_ms=200, change={{"sources": sources}}
    )
print(sum(row.outcome.name == "OK" for row in run.rows), sum(row.outcome.name == "UNSENT" for row in run.rows))
"""


@pytest.mark.parametrize("sources", [(), SOURCES[:1], SOURCES], ids=["system's choice", "one", "three"])
def test_each_source_brings_a_whole_range_of_ports(tmp_path: Path, sources: tuple[str, ...]) -> None:
    command = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ELSEWHERE)
    done = subprocess.run(
        [*command, str(ROOT), str(tmp_path), *sources], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answered, unsent = map(int, done.stdout.split())
    assert answered + unsent == PORTS * 5 // 2
    assert answered == min(PORTS * 5 // 2, PORTS * max(1, len(sources)))
