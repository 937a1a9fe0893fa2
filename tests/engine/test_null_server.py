"""The null server: cheap, exact, and gone when nobody needs it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engine.null_server import ANSWER, NullServer, _Peer, _requests_in
from seatrial.errors import EngineError
from seatrial.units import MS

GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello"
COMMAND = [sys.executable, "-m", "seatrial.engine.null_server"]


@pytest.fixture(scope="module")
def server() -> Iterator[NullServer]:
    with NullServer() as running:
        yield running


@contextmanager
def connected(server: NullServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5) as client:
        yield client


def read(client: socket.socket, answers: int) -> bytes:
    got = b""
    while len(got) < answers * len(ANSWER) and (part := client.recv(65_536)):
        got += part
    return got


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:  # it did not read all that was sent
        return True


def test_its_answer_is_framed_as_it_says() -> None:
    head, _, body = ANSWER.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["token"]


def test_a_connection_is_kept_and_every_request_is_answered(server: NullServer) -> None:
    with connected(server) as client:
        for request, answers in ((GET, 1), (POST, 1), (GET + POST + GET, 3)):
            client.sendall(request)
            assert read(client, answers) == ANSWER * answers


def test_a_request_in_pieces_is_one_request(server: NullServer) -> None:
    with connected(server) as client:
        for piece in (POST[:3], POST[3:30], POST[30:-1]):
            client.sendall(piece)
        client.sendall(POST[-1:] + GET)
        assert read(client, 2) == ANSWER * 2


@pytest.mark.parametrize("wrong", [b"x" * 70_000, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_what_cannot_be_framed_closes_the_connection_and_nothing_else(server: NullServer, wrong: bytes) -> None:
    with connected(server) as client, connected(server) as other:
        client.sendall(wrong)
        assert is_closed(client)
        other.sendall(GET)
        assert read(other, 1) == ANSWER


def test_a_client_that_sends_and_never_reads_holds_up_nobody(server: NullServer) -> None:
    with connected(server) as deaf, connected(server) as other:
        deaf.setblocking(False)
        try:
            for _ in range(200):
                deaf.sendall(GET * 1000)
        except BlockingIOError:
            pass
        other.sendall(GET)
        assert read(other, 1) == ANSWER


def test_a_delay_is_kept_and_what_was_held_in_truth_is_told_at_the_end() -> None:
    with NullServer(20 * MS) as server:
        with connected(server) as client:
            for _ in range(5):
                begun = time.monotonic_ns()
                client.sendall(GET)
                assert read(client, 1) == ANSWER
                assert time.monotonic_ns() - begun >= 20 * MS
        assert (server.answered, server.held_p50_ns) == (0, None)
        assert server.cpu_ns >= 0
    assert server.answered == 5
    assert server.held_p50_ns is not None
    assert 20 * MS <= server.held_p50_ns < 60 * MS
    with pytest.raises(EngineError, match="not running"):
        _ = server.cpu_ns


def test_an_answer_that_is_due_to_somebody_who_left_goes_to_nobody_else() -> None:
    with NullServer(50 * MS) as server:
        with connected(server) as gone:
            gone.sendall(GET)
        with connected(server) as other:  # takes the number of the connection that was closed
            other.settimeout(0.2)
            with pytest.raises(TimeoutError):
                other.recv(1)
            other.settimeout(5)
            other.sendall(GET)
            assert read(other, 1) == ANSWER


def test_it_ends_when_its_standard_input_closes_and_counts_what_it_answered() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        with socket.create_connection(("127.0.0.1", ready["port"]), timeout=5) as client:
            client.sendall(GET)
            assert client.recv(65_536) == ANSWER
            rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert json.loads(rest) == {"requests": 1, "held_p50_ns": None}


def test_without_a_pipe_it_would_never_end_so_it_does_not_begin() -> None:
    done = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert "never end" in done.stderr


def test_a_delay_without_a_unit_is_refused() -> None:
    done = subprocess.run([*COMMAND, "--delay", "20"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert "--delay" in done.stderr


@settings(max_examples=60)
@given(requests=st.lists(st.sampled_from([GET, POST]), max_size=6), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_however_requests_are_cut_they_are_counted_once(requests: list[bytes], cuts: list[int]) -> None:
    data, (ours, theirs) = b"".join(requests), socket.socketpair()
    with ours, theirs:
        peer, count = _Peer(ours), 0
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for begin, end in pairwise(edges):
            peer.buffer += data[begin:end]
            count += _requests_in(peer)
    assert count == len(requests)
    assert peer.buffer == b""
