"""The service's page of its own figures says what it goes through, whatever fault is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seatrial.sandbox.process import Sandbox

Connect = Callable[..., Any]
Figures = dict[str, float]


def figures(box: Sandbox) -> Figures:
    with urlopen(f"{box.url}/metrics", timeout=10) as answer:  # noqa: S310 -- our own sandbox on loopback
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert all(family.documentation and family.type in ("counter", "gauge") for family in families)
    return {f"{s.name}{s.labels.get('code', '')}": s.value for family in families for s in family.samples}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox("a", patrons=100, slots=1400, allow_faults=True) as sandbox:
        yield sandbox


def test_requests_are_counted_by_their_status_and_the_back_doors_are_not(box: Sandbox, connect: Connect) -> None:
    assert figures(box)["bookings_total"] == 0
    client = connect(box.url).sign_in(1)
    client.book(client.free_slot())
    client.get("/nowhere")
    client.get("/audit")
    shown = figures(box)
    # Signing in and the list are 200, the hold and the booking 201.
    counts = {name: value for name, value in shown.items() if name.startswith("http_requests_total")}
    assert counts == {"http_requests_total200": 2, "http_requests_total201": 2, "http_requests_total404": 1}
    assert shown["bookings_total"] == 1
    assert shown["http_requests_in_progress"] == 0


def test_errors_and_answers_that_were_never_sent_whole_are_told_apart(box: Sandbox, connect: Connect) -> None:
    control = connect(box.url)
    control.post("/faults", {"error_rate": 1})
    assert connect(box.url).get("/health").status == 500
    for fault in ("close_early", "garbage", "wrong_length"):
        control.post("/faults", {"error_rate": 0, fault: 1})
        with suppress(HTTPException, OSError):
            connect(box.url).get("/health")
        control.post("/faults", {fault: 0})
    shown = figures(box)
    assert (shown["http_requests_total500"], shown["http_requests_totalnone"]) == (1, 3)
    assert "http_requests_total200" not in shown


def test_the_queue_and_what_is_in_progress_are_those_of_the_moment(box: Sandbox, connect: Connect) -> None:
    token = connect(box.url).sign_in(1).token
    waiting = []
    for _ in range(40):  # one desk, 25 ms each
        client = connect(box.url)
        client.token = token
        client.send("GET", "/sessions?day=1")
        waiting.append(client)
    shown = figures(box)
    assert 20 < shown["booking_queue_length"] < 40
    assert shown["http_requests_in_progress"] >= shown["booking_queue_length"] + 1
    for client in waiting:
        assert client.answer().status == 200
    assert figures(box)["booking_queue_length"] == 0


def test_a_frozen_service_still_shows_its_figures_and_a_leak_shows_in_its_memory(
    box: Sandbox, connect: Connect
) -> None:
    control = connect(box.url)
    before = figures(box)
    control.post("/faults", {"leak_mb_per_request": 4})
    for _ in range(10):
        control.get("/health")
    after = figures(box)
    grown = after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]
    assert 35e6 < grown < 60e6
    control.post("/faults", {"leak_mb_per_request": 0, "freeze": "0:30"})
    begun = time.monotonic()
    frozen = figures(box)
    assert time.monotonic() - begun < 5
    assert frozen["process_cpu_seconds_total"] >= after["process_cpu_seconds_total"] > 0
