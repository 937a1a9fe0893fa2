"""What a server can do wrong, done by a real one: each ends in a closed outcome with its reason.

The list that this is part of: ``docs/design/faults.md``.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from tests.engine.certified import Authority
from tests.engine.served import Engine, Peer, Run, Script, Server, answering, ok, refusing_port
from tests.engine.test_message import FRAMINGS, REFUSALS

from seatrial.engine.http.message import MAX_BODY, MAX_HEAD
from seatrial.model.sample import NEVER, Outcome
from seatrial.units import MS

GET = {"get": "/"}
POST = {"post": "/", "json": {"a": 1}}
OK_LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_LINE + b"transfer-encoding: chunked\r\n\r\n"


def moment(seconds: float = 0.02) -> None:
    """Let the other side go first."""
    threading.Event().wait(seconds)


def without_end(*pieces: bytes, then: bytes) -> Script:
    """Return a script that answers with the pieces and goes on with ``then`` until nobody listens any more."""

    def script(peer: Peer) -> None:
        peer.request()
        for piece in pieces:
            peer.send(piece)
        while True:
            peer.send(then)

    return script


def in_turn(answers: Sequence[Script]) -> Script:
    """Return a script that treats the n-th connection by the n-th of the answers."""
    return lambda peer: answers[peer.number - 1](peer)


# -- what comes slowly ------------------------------------------------------------------------------------------------


def test_an_answer_that_trickles_is_a_timeout_for_the_deadline_is_for_the_whole_of_it(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        for byte in ok(b"never to be whole"):
            peer.send(bytes([byte]))
            moment(0.01)

    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/next"}, response_ms=120)
    row = run.rows[0]
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.ABORTED]
    assert 120 * MS <= row.done_ns - row.sent_ns < 400 * MS
    assert 2 <= row.bytes_in < len(ok(b"never to be whole"))
    assert row.first_byte_ns < row.sent_ns + 100 * MS


def test_a_server_that_never_reads_a_long_upload_is_a_timeout(engine: Engine) -> None:
    done = threading.Event()
    with Server(lambda peer: done.wait(5)) as server:
        run = engine.offer(server, {"post": "/", "body": "x" * 8_000_000}, response_ms=120)
        done.set()
    assert run.outcomes == [Outcome.TIMEOUT]


# -- what has no end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        (without_end(OK_LINE, then=b"x-filler: y\r\n" * 500), Outcome.PROTOCOL_ERROR, "a head of more than"),
        (without_end(OK_LINE, then=b"y" * 1000), Outcome.PROTOCOL_ERROR, "a head of more than"),
        (without_end(then=b"HTTP/1.1 100 Continue\r\n\r\n" * 100), Outcome.PROTOCOL_ERROR, "interim responses of more"),
        (without_end(CHUNKED, b"5;", then=b"name=value;" * 500), Outcome.TIMEOUT, "no complete answer"),
        (without_end(CHUNKED, b"0\r\n", then=b"x-sum: 1\r\n" * 500), Outcome.TIMEOUT, "no complete answer"),
        (without_end(CHUNKED, then=b"0" * 1000), Outcome.TIMEOUT, "no complete answer"),
        (without_end(CHUNKED, then=b"10000\r\n" + b"x" * 65536 + b"\r\n"), Outcome.PROTOCOL_ERROR, "a body of more"),
        (without_end(OK_LINE, b"\r\n", then=b"x" * 65536), Outcome.PROTOCOL_ERROR, "a body of more than"),
        (
            without_end(OK_LINE, b"content-length: %d\r\n\r\n" % (MAX_BODY + 1), then=b"x" * 65536),
            Outcome.PROTOCOL_ERROR,
            "more than the limit",
        ),
    ],
    ids=[
        *("fields", "a field", "interim responses", "a chunk's extension", "a trailer", "a chunk's size", "chunks"),
        *("a body until close", "64 MiB and a byte"),
    ],
)
def test_what_has_no_end_is_ended(engine: Engine, script: Script, outcome: Outcome, detail: str) -> None:
    response_ms = 150 if outcome is Outcome.TIMEOUT else 20_000
    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/next"}, response_ms=response_ms)
    assert run.outcomes == [outcome, Outcome.ABORTED]
    assert detail in run.details
    assert run.rows[0].bytes_in > 0
    assert run.rows[0].first_byte_ns != NEVER


def test_a_small_body_that_would_fill_the_memory_is_refused(engine: Engine) -> None:
    bomb = gzip.compress(bytes(MAX_BODY + 1), 1)
    with Server(answering(lambda _: ok(bomb, "content-encoding: gzip"))) as server:
        run = engine.offer(server, GET, response_ms=5000)
    assert (run.only.outcome, run.only.status) == (Outcome.CHECK_FAILED, 200)
    assert "grows beyond" in run.details


def test_cookies_without_end_do_not_make_requests_without_end(engine: Engine) -> None:
    count = itertools.count()

    def fields() -> Iterator[str]:
        yield f"set-cookie: {'n' * 60_000}=v"  # a name as long as a head may be
        for _ in range(14):
            yield f"set-cookie: c{next(count)}={'v' * 4000}"

    def answer(_: object) -> bytes:
        names = list(fields())
        return ok(b"", *names[:1]) if next(count) % 2 else ok(b"", *names[1:])

    steps = [{"get": f"/{i}"} for i in range(30)]
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps)
    assert run.outcomes == [Outcome.OK] * 30
    assert 100_000 < max(row.bytes_out for row in run.rows) < 50 * 4096 + 2000


# -- what lies --------------------------------------------------------------------------------------------------------


def test_a_length_that_promises_more_than_comes_is_waited_for_and_no_longer(engine: Engine) -> None:
    said = OK_LINE + b"content-length: 9\r\n\r\nhello"

    def keep(peer: Peer) -> None:
        peer.request()
        peer.send(said)
        peer.wait_for_close()

    def close(peer: Peer) -> None:
        peer.request()
        peer.send(said)

    with Server(in_turn([keep, close])) as server:
        run = engine.offer(server, GET, sessions=2, response_ms=120)
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.PROTOCOL_ERROR]
    assert [row.bytes_in for row in run.rows] == [len(said)] * 2
    assert "closed in the middle" in run.details


SHORT = OK_LINE + b"content-length: 5\r\n\r\nhello, and more than five"


def test_a_length_that_promises_less_than_comes_is_seen_at_once_in_one_segment(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(SHORT)

    with Server(script) as server:
        run = engine.offer(server, GET)
    assert (run.only.outcome, run.only.bytes_in) == (Outcome.PROTOCOL_ERROR, len(SHORT))
    assert "more bytes than one response" in run.details


def after_the_answer(extra: bytes, *, asked: bool) -> Script:
    """Return a script that says ``extra`` unasked after its first answer: as the next request comes, or before."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"hello"))
        if peer.number > 1:
            peer.wait_for_close()
            return
        if asked:
            peer.sock.recv(1, socket.MSG_PEEK)
        else:
            moment(0.005)
        peer.send(extra)
        peer.wait_for_close()

    return script


@pytest.mark.parametrize("extra", [b", and more", ok(b"unasked"), b"\r\n"], ids=["rest", "second response", "CRLF"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_comes_after_a_whole_answer_while_nothing_is_asked_ends_the_connection(
    engine: Engine, extra: bytes, method: str
) -> None:
    with Server(after_the_answer(extra, asked=False)) as server:
        run = engine.offer(server, GET, {"pause": "40ms"}, {method: "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert server.connections == 2


def test_the_rest_of_an_answer_that_meets_the_next_request_is_a_protocol_error(engine: Engine) -> None:
    with Server(after_the_answer(b", and more", asked=True)) as server:
        run = engine.offer(server, GET, {"get": "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR]
    assert "not an HTTP/1.1 status line" in run.details


def test_two_answers_to_the_next_request_in_one_segment_are_a_protocol_error(engine: Engine) -> None:
    with Server(after_the_answer(ok(b"one") + ok(b"two"), asked=True)) as server:
        run = engine.offer(server, GET, {"get": "/next"})
    assert run.outcomes == [Outcome.OK, Outcome.PROTOCOL_ERROR]
    assert "more bytes than one response" in run.details


def test_two_answers_in_two_segments_cost_the_connection_and_nothing_else(engine: Engine) -> None:
    """Nothing in HTTP/1.1 ties an answer to its request: the first whole one is it, the next ends the connection."""

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(ok(b"one"))
            moment(0.01)
            peer.send(ok(b"two"))

    with Server(script) as server:
        run = engine.offer(server, GET, {"pause": "40ms"}, {"post": "/a"}, {"pause": "40ms"}, {"post": "/b"})
    assert run.outcomes == [Outcome.OK] * 3
    assert server.connections == 3


# -- what is not as the RFC has it, whole and in pieces ---------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 7])
def test_every_framing_is_read_from_a_socket(engine: Engine, pieces: int) -> None:
    made = [framing for framing in FRAMINGS if not framing[2]]

    def scripted(data: bytes, ended: bool) -> Script:
        def script(peer: Peer) -> None:
            peer.request()
            for at in range(pieces):
                peer.send(data[at * len(data) // pieces : (at + 1) * len(data) // pieces])
            if not ended:
                peer.wait_for_close()

        return script

    scripts = [scripted(data, ended) for _, data, _, ended, _, _, _ in made]
    with Server(in_turn(scripts)) as server:
        run = engine.offer(server, GET | {"expect": {"status": [200, 204, 304, 404]}}, sessions=len(made))
    by_session = sorted(run.rows, key=lambda row: row.session)
    assert [(row.outcome, row.status, row.bytes_in) for row in by_session] == [
        (Outcome.OK, status, len(data)) for _, data, _, _, status, _, _ in made
    ]


@pytest.mark.parametrize("pieces", [1, 7])
def test_everything_that_cannot_be_trusted_is_a_protocol_error_on_a_socket(engine: Engine, pieces: int) -> None:
    """A server that says it and closes: some of it is only then known to be no answer."""

    def scripted(data: bytes) -> Script:
        def script(peer: Peer) -> None:
            peer.request()
            for at in range(pieces):
                peer.send(data[at * len(data) // pieces : (at + 1) * len(data) // pieces])
                moment(0.0005)

        return script

    scripts = [scripted(data) for data in REFUSALS.values()]
    with Server(in_turn(scripts)) as server:
        run = engine.offer(server, POST, sessions=len(scripts), within_ms=50)
    outcomes = dict(zip(REFUSALS, run.outcomes, strict=True))
    # In segments of its own what comes after a whole answer is seen on an idle connection, which it ends.
    after = {name for name in REFUSALS if "bytes after" in name or "a second response" in name}
    expected = {
        name: {Outcome.PROTOCOL_ERROR} | ({Outcome.OK} if pieces > 1 and name in after else set()) for name in REFUSALS
    }
    assert {name: outcome for name, outcome in outcomes.items() if outcome not in expected[name]} == {}


def test_a_head_of_a_megabyte_is_a_protocol_error_after_64_kib(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK_LINE + b"x: " + b"y" * 2**20 + b"\r\ncontent-length: 0\r\n\r\n")

    with Server(script) as server:
        run = engine.offer(server, GET)
    assert run.only.outcome is Outcome.PROTOCOL_ERROR
    assert MAX_HEAD < run.only.bytes_in < 2 * MAX_HEAD + 2**16
    assert "a head of more than 65536 bytes" in run.details


# -- connections that break -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [b"HTTP/1.1 2", OK_LINE + b"content-length: 500\r\n\r\nhello", CHUNKED + b"5\r\nhe", OK_LINE + b"\r\nhello"],
    ids=["head", "body", "chunk", "body until close"],
)
def test_a_reset_in_the_middle_of_an_answer_is_a_protocol_error(engine: Engine, sent: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(sent)
        moment()
        peer.reset()

    with Server(script) as server:
        run = engine.offer(server, GET, {"get": "/next"})
    assert run.outcomes == [Outcome.PROTOCOL_ERROR, Outcome.ABORTED]
    assert "Connection reset by peer" in run.details
    assert run.rows[0].bytes_in == len(sent)


def test_a_server_that_closes_its_half_and_answers_is_heard(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"hello"))
        peer.sock.shutdown(socket.SHUT_WR)
        peer.wait_for_close()

    with Server(script) as server:
        run = engine.offer(server, GET, {"pause": "20ms"}, POST, {"pause": "20ms"}, GET)
    assert run.outcomes == [Outcome.OK] * 3
    assert server.connections == 3


def test_a_server_that_closes_its_half_instead_of_answering_is_a_protocol_error(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.shutdown(socket.SHUT_WR)
        peer.wait_for_close()

    with Server(script) as server:
        run = engine.offer(server, GET)
    assert run.outcomes == [Outcome.PROTOCOL_ERROR]
    assert "closed before any response" in run.details


def cut_off(data: bytes, goodbye: bool) -> Script:
    """Return a script that answers and closes, with TLS's close_notify or without."""

    def script(peer: Peer) -> None:
        if peer.request() is None:
            return
        peer.send(data)
        if goodbye:
            assert hasattr(peer.sock, "unwrap")
            peer.sock.unwrap()

    return script


@pytest.mark.parametrize(
    ("data", "goodbye", "outcome", "detail"),
    [
        (OK_LINE + b"\r\nhello", True, Outcome.OK, ""),
        (OK_LINE + b"\r\nhello", False, Outcome.PROTOCOL_ERROR, "without TLS's close_notify"),
        (OK_LINE + b"\r\n", False, Outcome.PROTOCOL_ERROR, "without TLS's close_notify"),
        (ok(b"hello"), False, Outcome.OK, ""),
        (CHUNKED + b"0\r\n\r\n", False, Outcome.OK, ""),
        (ok(b"hello")[:-1], True, Outcome.PROTOCOL_ERROR, "closed in the middle of the response"),
        (ok(b"hello")[:-1], False, Outcome.PROTOCOL_ERROR, "without TLS's close_notify"),
        (CHUNKED + b"5\r\nhe", False, Outcome.PROTOCOL_ERROR, "without TLS's close_notify"),
        (b"", False, Outcome.PROTOCOL_ERROR, "closed before any response"),
        (b"", True, Outcome.PROTOCOL_ERROR, "closed before any response"),
    ],
)
def test_only_tls_own_goodbye_ends_an_answer_that_the_close_ends(
    engine: Engine, authority: Authority, data: bytes, goodbye: bool, outcome: Outcome, detail: str
) -> None:
    with Server(cut_off(data, goodbye), authority.context()) as server:
        run = engine.offer(server, GET, ca=authority.ca)
    assert (run.only.outcome, run.only.bytes_in) == (outcome, len(data))
    assert detail in run.details


def test_a_kept_tls_connection_that_is_cut_off_is_repeated_once(engine: Engine, authority: Authority) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"hello"))
        if peer.number == 1:
            peer.sock.recv(1)
        else:
            peer.wait_for_close()

    with Server(script, authority.context()) as server:
        run = engine.offer(server, GET, GET | {"get": "/again"}, ca=authority.ca)
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert server.connections == 2


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_one_dead_address_of_two_fails_every_other_session_and_each_is_recorded(engine: Engine, workers: int) -> None:
    dead = ("127.0.0.1", refusing_port())
    with Server(answering(lambda _: ok(b"hello"))) as server:
        runs: list[Run] = [
            engine.offer(server, GET, {"get": "/b"}, sessions=20, also_at=dead, worker=worker, workers=workers)
            for worker in range(workers)
        ]
    rows = sorted((row for run in runs for row in run.rows), key=lambda row: (row.session, row.step))
    alive, failed = [Outcome.OK, Outcome.OK], [Outcome.CONNECT_FAILED, Outcome.ABORTED]
    outcomes = [row.outcome for row in rows]
    pairs = [outcomes[at : at + 2] for at in range(0, len(outcomes), 2)]
    assert len(pairs) == 20
    assert (pairs.count(alive), pairs.count(failed)) == (10, 10)
    assert all("Connection refused" in run.details for run in runs)
    assert all(row.sent_ns != NEVER for row in rows if row.outcome is Outcome.CONNECT_FAILED)
