"""Laws that hold whatever a server does: random scripts of reads, sends, closes and resets, on the real driver."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Run, Script, Server, ok
from tests.engine.test_message import CHUNKED, EARLY, FRAMINGS, GO_ON, OK, REFUSALS

from seatrial.model.sample import Outcome
from seatrial.units import MS, SECOND

Action = tuple[str, bytes]

STEPS = ({"get": "/a"}, {"post": "/b", "json": {"x": "y" * 50}}, {"head": "/c"}, {"put": "/d", "body": "z"})
SMALL = [data for data in REFUSALS.values() if len(data) < 2000]
WHOLE = [ok(b"hello"), ok(), ok(b"x" * 3000), *(data for _, data, *_ in FRAMINGS)]
PARTS = [OK, CHUNKED, GO_ON, EARLY, b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n", b"content-length: 5\r\n", b"HTTP/1.1 "]

SENT = st.one_of(
    st.sampled_from(WHOLE),
    st.sampled_from(WHOLE),
    st.sampled_from(SMALL + PARTS),
    st.tuples(st.sampled_from(WHOLE), st.integers(0, 60)).map(lambda made: made[0][: made[1]]),
    st.binary(max_size=30),
)
ACTIONS = st.one_of(
    st.just(("read", b"")),
    SENT.map(lambda data: ("send", data)),
    SENT.map(lambda data: ("read and send", data)),
    SENT.map(lambda data: ("read and send", data)),
    st.sampled_from([(name, b"") for name in ("close", "reset", "shut", "hang", "moment")]),
)
SCRIPTS = st.lists(ACTIONS, max_size=6)


def playing(scripts: Sequence[Sequence[Action]]) -> Script:
    """Return a script that plays the n-th list of actions on the n-th connection, round and round."""

    def play(peer: Peer) -> None:
        for what, data in scripts[(peer.number - 1) % len(scripts)]:
            if what.startswith("read"):
                peer.request()
            if what.endswith("send"):
                peer.send(data)
            elif what == "close":
                return
            elif what == "reset":
                peer.reset()
                return
            elif what == "shut":
                peer.sock.shutdown(socket.SHUT_WR)
            elif what == "hang":
                peer.wait_for_close()
            elif what == "moment":
                threading.Event().wait(0.003)

    return play


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def check_law(run: Run, sessions: int, limit_ns: int) -> None:
    # Times in order, one record a step, no status without an answer: tests.engine.served.check_rows, in offer().
    assert run.done.sessions == sessions
    steps = range(len(STEPS))
    assert sorted((row.session, row.step) for row in run.rows) == [(s, step) for s in range(sessions) for step in steps]
    by_session = [[row for row in run.rows if row.session == s] for s in range(sessions)]
    for rows in by_session:
        outcomes = [row.outcome for row in sorted(rows, key=lambda row: row.step)]
        good = next((i for i, outcome in enumerate(outcomes) if outcome is not Outcome.OK), len(outcomes))
        assert outcomes[good : good + 1] != [Outcome.UNSENT]  # this machine has what it takes
        assert set(outcomes[good + 1 :]) <= {Outcome.ABORTED}  # what follows a failure was not tried, and says so
    assert run.done.drained_ns - run.done.load_end_ns < limit_ns
    assert run.health[-1]["sessions"] == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=6), shared=st.booleans(), drain_ms=st.sampled_from([0, 30, 150]))
def test_every_step_has_one_closed_outcome_whatever_the_server_does(
    scripts: list[list[Action]], shared: bool, drain_ms: int
) -> None:
    before = open_files()
    with tempfile.TemporaryDirectory() as folder, Server(playing(scripts)) as server:
        run = Engine(Path(folder)).offer(
            server, *STEPS, sessions=8, within_ms=8, response_ms=25, connect_ms=100, drain_ms=drain_ms, shared=shared
        )
    check_law(run, 8, drain_ms * MS + SECOND // 2)
    assert open_files() <= before


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@settings(max_examples=15, deadline=None)
@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=4), shared=st.booleans(), first=st.binary(max_size=8))
def test_the_same_holds_over_tls_and_for_what_is_not_tls(
    authority: Authority, scripts: list[list[Action]], shared: bool, first: bytes
) -> None:
    context = authority.context()

    def speak_tls_or_not(peer: Peer) -> None:
        if peer.number % 3 == 0:
            peer.send(first)
            if first[:1] > b"\x80":
                peer.reset()
            return
        peer.sock.settimeout(2)
        with context.wrap_socket(peer.sock, server_side=True) as sock:
            playing(scripts)(Peer(peer.server, sock, peer.number))

    before = open_files()
    with tempfile.TemporaryDirectory() as folder, Server(speak_tls_or_not) as server:
        run = Engine(Path(folder)).offer(
            server, *STEPS, sessions=4, within_ms=8, response_ms=40, connect_ms=400, shared=shared, ca=authority.ca
        )
    check_law(run, 4, 3 * SECOND)
    assert open_files() <= before
