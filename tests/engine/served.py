"""A server that plays back exact bytes over real sockets, and the engine offering sessions to it."""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from seatrial.engine.arrivals import FeedRows
from seatrial.engine.driver import Driver
from seatrial.engine.health import HealthMonitor, HealthRow
from seatrial.engine.http.target import Target, tls_context
from seatrial.engine.python_session import JourneyFunction, start_python
from seatrial.engine.recorder import Recorder
from seatrial.engine.scripted import CompiledJourney, compile_journey
from seatrial.engine.session import Session
from seatrial.engine.stage import StageDone, StageOrder
from seatrial.model.journey import Journey
from seatrial.model.profile import Stage, constant
from seatrial.model.sample import NEVER, Outcome
from seatrial.model.schedule import Schedule
from seatrial.model.users import UserDraws, Users
from seatrial.samples.codec import HEALTH_DTYPE, ROW_DTYPE, read_frames
from seatrial.units import MS

DIGEST = "ab" * 32


@dataclass
class Request:
    method: str
    path: str
    fields: list[tuple[str, str]]
    body: bytes
    head: bytes
    connection: int
    at_ns: int

    def header(self, name: str) -> str | None:
        values = [value for field_name, value in self.fields if field_name.lower() == name]
        assert len(values) <= 1, f"{name} twice"
        return values[0] if values else None


class Peer:
    """One connection, as the server's script sees it."""

    def __init__(self, server: Server, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._buffer = b""

    def request(self) -> Request | None:
        """Return the next whole request, or None when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value.strip()) for name, _, value in (text.partition(":") for text in lines)]
        length = next((int(value) for name, value in fields if name.lower() == "content-length"), 0)
        while len(self._buffer) < length:
            if not self._more():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        method, path, _ = line.split(" ")
        request = Request(method, path, fields, body, head, self.number, time.monotonic_ns())
        self.server.requests.append(request)
        return request

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_close(self) -> None:
        """Say nothing until the client has gone."""
        while self.sock.recv(65536):
            pass


Script = Callable[[Peer], None]


class Server:
    """Runs a script for each connection in a thread of its own.

    Attributes:
        connections: How many were accepted.
        requests: In the order in which they were whole.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.host = host
        self._script = script
        self._tls = tls
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, 0))
        self._listener.listen(1024)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        for sock in self._socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for sock in self._socks:
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._socks.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._script(Peer(self, sock, number))
            sock.close()


def ok(body: bytes = b"", *fields: str, status: int = 200) -> bytes:
    """Return a response with a length."""
    lines = "".join(f"{line}\r\n" for line in fields)
    return f"HTTP/1.1 {status} Some Reason\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def answering(answer: Callable[[Request], bytes | None]) -> Script:
    """Return a script that answers each request; None keeps silent for good."""

    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            data = answer(request)
            if data is None:
                peer.wait_for_close()
                return
            peer.send(data)

    return script


always_ok = answering(lambda request: ok(b"hello"))


class Row(NamedTuple):
    """One record; the columns of seatrial.model.sample.COLUMNS, times on the monotonic clock."""

    journey: int
    step: int
    session: int
    intended_ns: int
    sent_ns: int
    first_byte_ns: int
    done_ns: int
    outcome: Outcome
    status: int
    bytes_out: int
    bytes_in: int


@dataclass
class Run:
    """What the engine made of a stage."""

    rows: list[Row]
    done: StageDone
    diagnostics: list[tuple[int, int, int, str, int]]
    health: list[HealthRow]
    start_ns: int
    scheduled: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """Return the outcomes by session and step."""
        return [row.outcome for row in sorted(self.rows, key=lambda row: (row.session, row.step))]

    @property
    def only(self) -> Row:
        (row,) = self.rows
        return row

    @property
    def details(self) -> str:
        return "; ".join(detail for *_, detail, _ in self.diagnostics)


def read_rows(path: Path) -> list[Row]:
    rows = [Row(*values) for frame in read_frames(path, ROW_DTYPE) for values in frame.tolist()]
    return [row._replace(outcome=Outcome(row.outcome)) for row in rows]


def check_rows(rows: Sequence[Row], once: bool = True) -> None:
    """Hold every record to the order of its own times, and no step of a session to more than one record."""
    for row in rows:
        last = row.intended_ns
        assert last > 0
        for at_ns in (row.sent_ns, row.first_byte_ns, row.done_ns):
            assert at_ns == NEVER or at_ns >= last, row
            last = max(last, at_ns)
        assert row.done_ns != NEVER
        assert (row.first_byte_ns == NEVER) == (row.bytes_in == 0), row
        answered = row.outcome in {Outcome.OK, Outcome.CHECK_FAILED, Outcome.HTTP_ERROR}
        assert row.outcome is Outcome.RETRIED or (row.status != 0) == answered, row
        if row.outcome in {Outcome.UNSENT, Outcome.ABORTED}:
            assert row.sent_ns == NEVER
            assert row.bytes_out == 0
    if once:
        assert max(Counter((row.session, row.step) for row in rows).values(), default=1) == 1


_runs = itertools.count()


class StopListener:
    """Tells a driver to stop once its descriptor becomes readable."""

    def __init__(self, driver: Driver, sock: socket.socket) -> None:
        self._driver = driver
        self._sock = sock

    def on_event(self, mask: int) -> None:
        self._sock.recv(1)
        self._driver.stop()


def _left_of(count: int) -> Callable[[Session], Iterator[int]]:
    return lambda session: iter(range(session.step + 1, count))


@dataclass
class Engine:
    """Offers sessions from this process; every keyword is a knob of the driver's or the stage's."""

    folder: Path

    def offer(
        self,
        server: Server | int,
        *steps: dict[str, Any],
        sessions: int = 1,
        within_ms: float = 10,
        journeys: Sequence[CompiledJourney] | None = None,
        python: Mapping[tuple[str, ...], JourneyFunction] | None = None,
        feeds: Mapping[str, FeedRows] | None = None,
        fields: Mapping[str, str] | None = None,
        base: str = "",
        drain_ms: float = 3000,
        connect_ms: float = 1000,
        response_ms: float = 1000,
        max_sessions: int = 1000,
        shared: bool = False,
        transport: Literal["http/2", "http/3"] | None = None,
        hops: int = 0,
        once: bool = True,
        ca: Path | None = None,
        host: str = "127.0.0.1",
        address: str | None = None,
        also_at: tuple[str, int] | None = None,
        change: Mapping[str, Any] | None = None,
        seed: int = 1,
        stop_when: socket.socket | None = None,
        worker: int = 0,
        workers: int = 1,
        users: Users | None = None,
    ) -> Run:
        """Offer one stage of evenly spread arrivals, or of users; ``change`` is made to the target."""
        port = server if isinstance(server, int) else server.port
        at = address or (host if isinstance(server, int) else server.host)
        family = socket.AF_INET6 if ":" in at else socket.AF_INET
        addresses = ((int(family), (at, port)), *(((int(socket.AF_INET), also_at),) if also_at else ()))
        target = Target(host, port, ca is not None, base, addresses, None if ca is None else str(ca))
        target = replace(target, **(change or {}))
        head = {"host": target.authority} | dict(fields or {})
        if journeys is None and python is None:
            journey = Journey.model_validate({"steps": list(steps)})
            journeys = [compile_journey(journey, target.prefix, head, int(response_ms * MS), hops)]
        if python is not None:
            journeys = [
                CompiledJourney(start_python(function, names, hops), _left_of(len(names)))
                for names, function in python.items()
            ]
        assert journeys is not None
        name = f"run-{next(_runs)}"
        health = HealthMonitor(self.folder / f"{name}.health", worker)
        driver = Driver(
            target=target,
            tls=None if ca is None else tls_context(target.ca, target.certificate, target.key),
            journeys=journeys,
            feeds=[dict(feeds or {}) for _ in journeys],
            health=health,
            fields=head,
            connect_wait_ns=int(connect_ms * MS),
            response_wait_ns=int(response_ms * MS),
            max_sessions=max_sessions,
            shared=shared,
        )
        if transport is not None:
            from seatrial.engine.curl.transport import curl_transport

            driver.transport = curl_transport(driver, transport, shared)
        duration_ns = int(within_ms * MS)
        profile = constant(0.0 if users else sessions / (within_ms / 1000), duration_ns)
        stage = Stage(0, 0, "made", profile, "even", 0, int(drain_ms * MS))
        schedule = Schedule(DIGEST, seed, stage, tuple(1.0 for _ in journeys))
        start_ns = time.monotonic_ns() + 5 * MS
        draws = UserDraws(DIGEST, seed, 0, 0, users, tuple(1.0 for _ in journeys)) if users else None
        order = StageOrder(schedule, 0, start_ns, duration_ns, int(drain_ms * MS), worker, workers, draws)
        recorder = Recorder(self.folder / f"{name}.rows")
        samples: list[HealthRow] = []

        def tick() -> None:
            samples.append(health.sample(driver.sessions, driver.connections))

        if stop_when is not None:
            driver.register(stop_when.fileno(), StopListener(driver, stop_when), select.EPOLLIN)
        try:
            done = driver.run_stage(order, recorder, tick)
            tick()
        finally:
            if stop_when is not None:
                driver.unregister(stop_when.fileno())
            driver.close()
            recorder.close()
            health.close()
        rows = read_rows(self.folder / f"{name}.rows")
        check_rows(rows, once)
        written = [row for frame in read_frames(self.folder / f"{name}.health", HEALTH_DTYPE) for row in frame]
        assert len(written) == len(samples)
        scheduled = [
            (session, journey, at_ns + start_ns)
            for block in schedule.blocks()
            for session, journey, at_ns in zip(
                block.session.tolist(), block.journey.tolist(), block.at_ns.tolist(), strict=True
            )
        ]
        return Run(rows, done, driver.diagnostics.take(), samples, start_ns, scheduled)


def refusing_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def numbered(prefix: str, count: int) -> FeedRows:
    return FeedRows(("id", "name"), [(f"{prefix}{i}", f"citizen {i}") for i in range(count)], "unique")


def each(rows: Sequence[Row], step: int) -> Iterator[Row]:
    return (row for row in rows if row.step == step)
