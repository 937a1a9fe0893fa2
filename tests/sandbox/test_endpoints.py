"""What every path answers, in both releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.sandbox.patrons import patron
from seatrial.sandbox.process import Sandbox

Connect = Callable[..., Any]
TOKENS: dict[str, str] = {}


@pytest.fixture
def token(box: Sandbox, connect: Connect) -> str:
    """A token that is good at ``box``; one sign-in serves all tests."""
    if box.url not in TOKENS:
        TOKENS[box.url] = connect(box.url).sign_in(15).token
    return TOKENS[box.url]


def test_health_says_which_release_it_is_and_that_it_is_open(box_a: Sandbox, box_b: Sandbox, connect: Connect) -> None:
    assert connect(box_a.url).get("/health").body == {"release": "a", "open": True}
    assert connect(box_b.url).get("/health").body == {"release": "b", "open": True}


def test_a_citizen_signs_in_lists_holds_books_and_finds_the_booking(box: Sandbox, connect: Connect) -> None:
    client = connect(box.url).sign_in(11)
    listed = client.get("/sessions?day=3")
    assert listed.status == 200
    assert listed.body["day"] == 3
    assert len(listed.body["free"]) == 40
    slot = listed.body["free"][7]
    assert set(slot) == {"id", "venue", "court", "starts"}
    hold = client.post("/holds", {"slot": slot["id"]})
    assert (hold.status, hold.body["expires_s"]) == (201, 120)
    assert slot["id"] not in {s["id"] for s in client.get("/sessions?day=3").body["free"]}
    booking = client.post("/bookings", {"hold": hold.body["hold"]})
    assert booking.status == 201
    mine = client.get("/bookings").body["bookings"]
    assert mine == [
        {
            "booking": booking.body["booking"],
            "slot": slot["id"],
            "day": 3,
            "venue": slot["venue"],
            "court": slot["court"],
            "starts": slot["starts"],
        }
    ]


def test_the_cookie_signs_a_citizen_in_as_the_token_does(box: Sandbox, connect: Connect) -> None:
    client, citizen = connect(box.url), patron(12)
    answer = client.post("/sign-in", {"patron": citizen.id, "pin": citizen.pin})
    cookie = answer.headers["set-cookie"]
    assert cookie == f"session={answer.body['token']}; Path=/; HttpOnly; SameSite=Lax"
    assert client.get("/bookings", {"Cookie": cookie.partition(";")[0]}).status == 200


def test_citizens_of_one_region_see_the_same_courts_and_others_see_others(box: Sandbox, connect: Connect) -> None:
    first, same, other = (
        [slot["id"] for slot in connect(box.url).sign_in(number).get("/sessions?day=6").body["free"]]
        for number in (20, 25, 21)
    )
    assert first == same
    assert not set(first) & set(other)


def test_a_wrong_pin_an_unknown_patron_and_a_wrong_token_are_refused(box: Sandbox, connect: Connect) -> None:
    client = connect(box.url)
    for body in ({"patron": "P000001", "pin": "0000"}, {"patron": "P999999", "pin": patron(999_999).pin}):
        answer = client.post("/sign-in", body)
        assert answer.status == 401
        assert set(answer.body) == {"error", "remedy"}
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "session=nonsense"}):
        assert client.get("/sessions?day=1", headers).status == 401


def test_a_held_court_a_used_hold_and_a_hold_of_somebody_else_are_refused(box: Sandbox, connect: Connect) -> None:
    mine, theirs = connect(box.url).sign_in(13), connect(box.url).sign_in(14)
    slot = mine.free_slot(4)
    hold = mine.post("/holds", {"slot": slot}).body["hold"]
    assert theirs.post("/holds", {"slot": slot}).status == 409
    assert theirs.post("/bookings", {"hold": hold}).status == 409
    assert mine.post("/bookings", {"hold": hold}).status == 201
    again = mine.post("/bookings", {"hold": hold})
    assert again.status == 409
    assert set(again.body) == {"error", "remedy"}
    assert mine.post("/bookings", {"hold": 999_999}).status == 409


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/sessions", None, 400),
        ("GET", "/sessions?day=0", None, 400),
        ("GET", "/sessions?day=8", None, 400),
        ("GET", "/sessions?day=three", None, 400),
        ("GET", "/sessions?day=%C2%B2", None, 400),
        ("POST", "/holds", {}, 400),
        ("POST", "/holds", {"slot": True}, 400),
        ("POST", "/holds", {"slot": "1"}, 400),
        ("POST", "/holds", {"slot": 2**64}, 400),
        ("POST", "/holds", {"slot": 999_999}, 404),
        ("POST", "/holds", [1], 400),
        ("POST", "/bookings", {"slot": 1}, 400),
        ("POST", "/sign-in", {"patron": 1, "pin": "1"}, 400),
        ("POST", "/sign-in", b"\xff{", 400),
        ("POST", "/sign-in", b"", 400),
        ("POST", "/sign-in", b"[" * 10_000, 400),
        ("POST", "/sign-in", b" " * 20_000, 413),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/bookings", None, 405),
        ("POST", "/faults", {"drip": 1}, 403),
    ],
)
def test_a_request_that_cannot_be_served_gets_an_error_and_a_remedy(
    method: str, path: str, body: object, status: int, *, box: Sandbox, token: str, connect: Connect
) -> None:
    client = connect(box.url)
    client.token = token
    client.send(method, path, body)
    answer = client.answer()
    assert answer.status == status
    assert set(answer.body) == {"error", "remedy"}
    assert all(isinstance(text, str) and text for text in answer.body.values())


def test_the_audit_counts_what_the_database_holds(box: Sandbox, connect: Connect) -> None:
    client = connect(box.url).sign_in(16)
    before = client.get("/audit").body["bookings"]
    assert client.book(client.free_slot(5)).status == 201
    assert client.get("/audit").body["bookings"] == before + 1
