"""As whom a request is sent: RFC 7617 and RFC 6750."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.served import Engine, Request, Server, answering, each, ok

from seatrial.engine.arrivals import FeedRows
from seatrial.engine.requests import UnsetVariableError, compile_request
from seatrial.engine.scripted import compile_journey
from seatrial.model.journey import Journey, RequestStep
from seatrial.model.request import Auth
from seatrial.model.sample import Outcome
from seatrial.units import SECOND

BASIC = {"basic": {"user": "${who.id}", "password": "${who.pin}"}}
BEARER = {"bearer": "${token}"}
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)


def authorisation(step: dict[str, Any], variables: dict[str, Any], auth: dict[str, Any] | None = None) -> list[str]:
    general = None if auth is None else Auth.model_validate(auth)
    fields = {"host": "h", "Authorization": "of the plan"}
    render = compile_request(RequestStep.model_validate({"get": "/", **step}), "", fields, general)
    lines = render(variables, {}).decode().split("\r\n")
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")]


@given(user=PRINTABLE.filter(lambda text: ":" not in text), password=PRINTABLE)
def test_basic_is_user_and_password_in_base64_of_utf8(user: str, password: str) -> None:
    (value,) = authorisation({"auth": BASIC}, {"who": {"id": user, "pin": password}})
    kind, _, encoded = value.partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(encoded, validate=True).decode() == f"{user}:{password}"


def test_the_examples_of_rfc_7617() -> None:
    for user, password, value in (
        ("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123£", "dGVzdDoxMjPCow=="),
    ):
        assert authorisation({"auth": BASIC}, {"who": {"id": user, "pin": password}}) == [f"Basic {value}"]


def test_bearer_is_the_token() -> None:
    assert authorisation({"auth": BEARER}, {"token": "abc.def=="}) == ["Bearer abc.def=="]


def test_the_steps_word_stands_for_the_journeys_and_that_for_the_plans() -> None:
    variables = {"token": "t", "other": "o"}
    assert authorisation({}, variables) == ["of the plan"]
    assert authorisation({}, variables, BEARER) == ["Bearer t"]
    assert authorisation({"auth": {"bearer": "${other}"}}, variables, BEARER) == ["Bearer o"]
    assert authorisation({"headers": {"AUTHORIZATION": "own"}}, variables, BEARER) == ["own"]


def test_a_journeys_word_is_given_as_soon_as_its_variables_have_values_a_steps_must_have_them() -> None:
    assert authorisation({}, {}, BEARER) == []
    with pytest.raises(UnsetVariableError, match=r"\$\{token\} has no value"):
        authorisation({"auth": BEARER}, {})


@pytest.mark.parametrize(
    ("auth", "variables"),
    [
        (BASIC, {"who": {"id": "a:b", "pin": "1"}}),
        (BASIC, {"who": {"id": "a\nb", "pin": "1"}}),
        (BASIC, {"who": {"id": "a", "pin": "1\x7f"}}),
        (BEARER, {"token": "a\r\nx: y"}),
    ],
)
def test_data_that_can_not_stand_there_is_refused(auth: dict[str, Any], variables: dict[str, Any]) -> None:
    with pytest.raises(UnsetVariableError, match=r"colon|control characters"):
        authorisation({"auth": auth}, variables)


def test_each_session_signs_in_as_its_own_patron_and_goes_on_with_its_own_token(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.path == "/in":
            who = base64.b64decode(str(request.header("authorization")).partition(" ")[2]).decode()
            return ok(f"token={who.replace(':', '-')}".encode())
        return ok(b"", status=200 if request.header("authorization") == f"Bearer {request.path[1:]}" else 401)

    steps = [
        {"post": "/in", "auth": BASIC, "extract": {"token": {"regex": "token=(.*)"}}},
        {"get": "/${token}"},
        {"get": "/${token}", "name": "again"},
    ]
    journey = Journey.model_validate({"auth": BEARER, "steps": steps})
    rows = FeedRows(("id", "pin"), [(f"P{i}", f"{i}{i}") for i in range(8)], "unique")
    with Server(answering(answer)) as server:
        run = engine.offer(
            server, journeys=[compile_journey(journey, "", {"host": "h"}, SECOND)], feeds={"who": rows}, sessions=8
        )
        tokens = {request.path for request in server.requests} - {"/in"}
    assert [row.outcome for row in run.rows] == [Outcome.OK] * 24
    assert tokens == {f"/P{i}-{i}{i}" for i in range(8)}
    assert len(list(each(run.rows, 2))) == 8
