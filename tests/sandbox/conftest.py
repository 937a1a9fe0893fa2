"""A small client, and services that several tests share."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from seatrial.sandbox.patrons import patron
from seatrial.sandbox.process import Sandbox


@dataclass
class Answer:
    status: int
    body: Any
    headers: http.client.HTTPMessage
    took_s: float


class Client:
    """One connection, and the token of the citizen who signed in on it."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if context is None:
            self.connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        else:
            self.connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=10, context=context)
        self.token = ""
        self.sent_s = 0.0

    def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> None:
        sign = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        self.sent_s = time.monotonic()
        self.connection.request(method, path, data, headers if headers is not None else sign)

    def answer(self) -> Answer:
        with self.connection.getresponse() as response:
            data = response.read()
            return Answer(response.status, json.loads(data), response.headers, time.monotonic() - self.sent_s)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        self.send("GET", path, None, headers)
        return self.answer()

    def post(self, path: str, body: object) -> Answer:
        self.send("POST", path, body)
        return self.answer()

    def sign_in(self, number: int) -> Self:
        citizen = patron(number)
        answer = self.post("/sign-in", {"patron": citizen.id, "pin": citizen.pin})
        assert answer.status == 200, answer
        self.token = answer.body["token"]
        return self

    def free_slot(self, day: int = 1) -> int:
        return int(self.get(f"/sessions?day={day}").body["free"][0]["id"])

    def book(self, slot: int) -> Answer:
        hold = self.post("/holds", {"slot": slot})
        assert hold.status == 201, hold
        return self.post("/bookings", {"hold": hold.body["hold"]})

    def close(self) -> None:
        self.connection.close()


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that are closed when the test is over."""
    with ExitStack() as stack:

        def make(url: str, context: ssl.SSLContext | None = None) -> Client:
            client = Client(url, context)
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture(scope="session")
def box_a() -> Iterator[Sandbox]:
    with Sandbox("a", patrons=100, slots=1400) as box:
        yield box


@pytest.fixture(scope="session")
def box_b() -> Iterator[Sandbox]:
    with Sandbox("b", patrons=100, slots=1400) as box:
        yield box


@pytest.fixture(params=["a", "b"])
def box(request: pytest.FixtureRequest) -> Sandbox:
    """Each release in turn."""
    sandbox: Sandbox = request.getfixturevalue(f"box_{request.param}")
    return sandbox


@pytest.fixture(scope="session")
def _switchable() -> Iterator[Sandbox]:
    with Sandbox("b", patrons=100, slots=1400, allow_faults=True) as box:
        yield box


@pytest.fixture
def switchable(_switchable: Sandbox, connect: Connect) -> Iterator[tuple[Sandbox, Client]]:
    """Release B and a connection that turns its switches; all are off again afterwards."""
    control = connect(_switchable.url)
    before = control.get("/faults").body["switches"]
    yield _switchable, control
    assert control.post("/faults", before).status == 200
