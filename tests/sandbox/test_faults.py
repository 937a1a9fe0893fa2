"""Each fault shows what it says, at the command line and while the service runs."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.sandbox.process import Sandbox

Connect = Callable[..., Any]
Switchable = tuple[Sandbox, Any]


def test_before_its_opening_the_service_answers_403_with_the_seconds_left(
    switchable: Switchable, connect: Connect
) -> None:
    box, control = switchable
    client = connect(box.url).sign_in(1)
    control.post("/faults", {"opens_in_s": 0.3})
    for method, path in (("POST", "/sign-in"), ("GET", "/sessions?day=1"), ("POST", "/holds"), ("GET", "/bookings")):
        client.send(method, path, {} if method == "POST" else None)
        answer = client.answer()
        assert answer.status == 403
        assert answer.body["opens_at"] == "07:00"
        assert 0 < answer.body["opens_in_s"] <= 0.3
    assert client.get("/health").body == {"release": "b", "open": False}
    deadline_s = time.monotonic() + 5
    while not client.get("/health").body["open"]:
        assert time.monotonic() < deadline_s
    assert client.get("/sessions?day=1").status == 200


def test_latency_is_added_to_each_answer(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"latency_ms": 60})
    assert connect(box.url).get("/health").took_s >= 0.059


def test_a_frozen_service_answers_nobody_until_it_thaws(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    clients = [connect(box.url) for _ in range(3)]
    start_s = time.monotonic()
    control.post("/faults", {"freeze": "0:0.25"})
    for client in clients:
        client.send("GET", "/health")
    assert control.get("/audit").status == 200  # the back door is not frozen
    assert time.monotonic() - start_s < 0.25
    for client in clients:
        assert client.answer().status == 200
        assert time.monotonic() - start_s >= 0.249


def test_a_freeze_holds_back_answers_that_were_being_worked_on(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url).sign_in(1)
    control.post("/faults", {"freeze": "0.02:0.3"})  # the work takes 36 ms: it ends in the freeze
    assert client.get("/bookings").took_s > 0.2


def test_an_error_rate_answers_that_share_with_500(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url)
    control.post("/faults", {"error_rate": 0.5})
    statuses = [client.get("/health").status for _ in range(40)]
    assert 5 < statuses.count(500) < 35
    assert set(statuses) == {200, 500}
    control.post("/faults", {"error_rate": 1})
    assert client.get("/health").body == {"error": "the service failed", "remedy": "Try again later."}


def test_refused_connections_are_reset_and_open_ones_stay(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"refuse_connections": 1})
    parts = urlsplit(box.url)
    # The reset may overtake the end of the handshake, so it may show in either call.
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection((str(parts.hostname), parts.port), timeout=5) as refused,
    ):
        refused.recv(1)
    assert control.get("/health").status == 200


def test_a_connection_closed_early_carries_no_answer(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"close_early": 1})
    with pytest.raises(http.client.RemoteDisconnected):
        connect(box.url).get("/health")


def test_a_dripping_body_is_whole_but_late(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url)
    control.post("/faults", {"drip": 0.2})
    client.send("GET", "/health")
    with client.connection.getresponse() as response:
        headers_s = time.monotonic() - client.sent_s
        assert response.read() == b'{"release":"b","open":true}'
    assert time.monotonic() - client.sent_s > 0.17
    assert headers_s < time.monotonic() - client.sent_s - 0.1


def test_a_leak_keeps_memory_for_each_request(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url)

    def resident_mb() -> float:
        status = Path(f"/proc/{box.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    before_mb = resident_mb()
    control.post("/faults", {"leak_mb_per_request": 4})
    for _ in range(10):
        client.get("/health")
    assert 35 < resident_mb() - before_mb < 60


def test_work_grows_with_the_number_of_bookings(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url).sign_in(2)
    slots = client.get("/sessions?day=2").body["free"]
    client.book(slots[0]["id"])
    count = client.get("/audit").body["bookings"]
    control.post("/faults", {"slow_growth": 50_000 / count})  # so that the bookings so far add 50 ms
    before = client.get("/bookings").took_s
    control.post("/faults", {"slow_growth": 0})
    client.book(slots[1]["id"])
    control.post("/faults", {"slow_growth": 50_000 / count})
    after = client.get("/bookings").took_s
    assert before >= 0.084
    assert after >= 0.084 + 0.05 / count


def test_release_b_told_to_double_sell_sells_a_court_twice(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    first, second = connect(box.url).sign_in(3), connect(box.url).sign_in(4)
    slot = first.free_slot(6)
    control.post("/faults", {"double_sell": True})
    assert first.book(slot).status == second.book(slot).status == 201
    assert slot in control.get("/audit").body["double_booked"]


def test_garbage_is_not_http(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"garbage": 1})
    with pytest.raises(http.client.BadStatusLine):
        connect(box.url).get("/health")


def test_a_wrong_length_promises_more_than_comes(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"wrong_length": 1})
    with pytest.raises(http.client.IncompleteRead) as caught:
        connect(box.url).get("/health")
    assert (caught.value.partial, caught.value.expected) == (b'{"release":"b","open":true}', 16)


def test_answers_grow_later_by_the_minute(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    client = connect(box.url)
    control.post("/faults", {"latency_growth": 60_000})  # a second for each second
    began_s = time.monotonic()
    first = client.get("/health").took_s
    assert client.get("/health").took_s > first
    assert first <= time.monotonic() - began_s
    control.post("/faults", {"latency_growth": 60_000})
    assert client.get("/health").took_s < 0.5  # it counts from when it was set


def test_in_an_outage_whatever_needs_the_database_fails_and_then_it_is_back(
    switchable: Switchable, connect: Connect
) -> None:
    box, control = switchable
    client = connect(box.url).sign_in(1)
    control.post("/faults", {"outage": "0:0.5"})
    answer = client.get("/sessions?day=1")
    assert (answer.status, answer.body["error"]) == (500, "the database can't be reached")
    client.send("POST", "/sign-in", {"patron": "P000002", "pin": "6512"})
    assert client.answer().status == 500
    assert client.get("/health").status == 200
    deadline_s = time.monotonic() + 5
    while client.get("/sessions?day=1").status == 500:
        assert time.monotonic() < deadline_s
    assert client.get("/sessions?day=1").status == 200


def lasts(box: Sandbox, connect: Connect, requests: int) -> float:
    """Return how long so many requests at the same time take."""
    clients = [connect(box.url).sign_in(number + 1) for number in range(requests)]
    began_s = time.monotonic()
    for client in clients:
        client.send("GET", "/bookings")
    assert {client.answer().status for client in clients} == {200}
    return time.monotonic() - began_s


def test_the_number_of_desks_is_how_much_is_worked_on_at_one_time(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"desks": 1})
    assert lasts(box, connect, 8) >= 8 * 0.035
    control.post("/faults", {"desks": 0})  # as released: all eight at once
    assert lasts(box, connect, 8) < 8 * 0.035


def test_more_desks_take_on_those_who_wait_already(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    clients = [connect(box.url).sign_in(number + 1) for number in range(12)]
    control.post("/faults", {"desks": 1})
    began_s = time.monotonic()
    for client in clients:
        client.send("GET", "/bookings")
    control.post("/faults", {"desks": 12})
    assert {client.answer().status for client in clients} == {200}
    assert time.monotonic() - began_s < 12 * 0.035


def test_what_only_one_desk_can_do_at_a_time_makes_more_desks_useless(switchable: Switchable, connect: Connect) -> None:
    box, control = switchable
    control.post("/faults", {"desks": 8, "shared_ms": 36})
    assert lasts(box, connect, 8) >= 8 * 0.034


def test_a_sticky_overload_makes_the_work_of_those_who_waited_long_take_longer(
    switchable: Switchable, connect: Connect
) -> None:
    box, control = switchable
    control.post("/faults", {"desks": 1, "sticky_overload": 3})
    # Of sixteen at 36 ms each at least five begin after 0.3 s; those take 108 ms instead.
    assert lasts(box, connect, 16) >= 16 * 0.035 + 5 * 2 * 0.035
    assert connect(box.url).sign_in(1).get("/bookings").took_s < 0.1 + 0.036


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "no switch is given"),
        ({"latency": 1}, "there is no such switch: latency"),
        ({"error_rate": 2, "drip": 1}, "switch error_rate has a value it can't take: 2"),
    ],
)
def test_a_wrong_switch_is_refused_and_none_is_turned(
    body: dict[str, object], error: str, switchable: Switchable
) -> None:
    _, control = switchable
    before = control.get("/faults").body
    answer = control.post("/faults", body)
    assert (answer.status, answer.body["error"]) == (400, error)
    assert control.get("/faults").body == before


def test_switches_at_the_command_line_hold_from_the_start_and_a_crash_comes_on_time(connect: Connect) -> None:
    with Sandbox("a", patrons=10, slots=70, faults={"crash_after": 3, "error_rate": 1}) as box:
        client = connect(box.url)
        assert [client.get("/health").status for _ in range(3)] == [500] * 3
        with pytest.raises(ConnectionError):
            client.get("/health")
        assert box.kill() == 70
