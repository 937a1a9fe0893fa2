"""Steps that are taken once, by the engine, outside the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine.fronted import fronted
from tests.engine.served import Server, always_ok, answering, ok

from seatrial.engine.errand import Errand, ErrandDone
from seatrial.engine.http.stop_field import stop_requests
from seatrial.engine.http.target import resolve
from seatrial.model.phase import Phase
from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome

SECRET = "tok-4711-secret"


def plan_of(server: Server | int, **more: Any) -> Plan:
    port = server if isinstance(server, int) else server.port
    document = {
        "seatrial": 1,
        "title": "errands",
        "target": f"http://127.0.0.1:{port}/base",
        "demand": {"peak": "1/s"},
        "deadlines": {"connect": "500ms", "response": "500ms"},
        "journeys": {"visit": {"steps": [{"get": "/"}]}},
        "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
    }
    return Plan.model_validate(document | more)


def run(server: Server | int, folder: Path, *steps: Any, given: Any = None, **more: Any) -> ErrandDone:
    plan = plan_of(server, **more)
    with Errand(Phase.model_validate({"steps": steps}), plan, resolve(plan, folder), folder, given) as errand:
        return errand.run()


def sign_in(request: Any) -> bytes:
    if request.path == "/base/sign-in":
        return ok(json.dumps({"token": SECRET}).encode(), "set-cookie: a=1")
    return ok(b"fine") if request.header("authorization") == f"Bearer {SECRET}" else ok(b"who?", status=401)


def test_what_one_step_extracts_the_next_one_uses_with_the_plan_s_headers_and_base(tmp_path):
    with Server(answering(sign_in)) as server:
        done = run(
            server,
            tmp_path,
            {"post": "/sign-in", "json": {"who": "${who}"}, "extract": {"token": {"json": "$.token"}}},
            {"get": "/list", "auth": {"bearer": "${token}"}, "expect": {"contains": "fine"}},
            given={"who": "tester"},
            headers={"x-tester": "yes"},
        )
    assert done.failure is None
    assert [(step.step, step.outcome, step.status) for step in done.steps] == [
        ("POST /sign-in", Outcome.OK, 200),
        ("GET /list", Outcome.OK, 200),
    ]
    assert done.variables == {"who": "tester", "token": SECRET}
    assert json.loads(server.requests[0].body) == {"who": "tester"}
    assert [request.header("x-tester") for request in server.requests] == ["yes", "yes"]
    assert server.requests[1].header("cookie") == "a=1"
    assert server.connections == 1


def test_a_step_that_fails_ends_it_and_is_told_with_its_reason_but_without_what_was_extracted(tmp_path):
    with Server(answering(sign_in)) as server:
        done = run(
            server,
            tmp_path,
            {"post": "/sign-in", "extract": {"token": {"json": "$.token"}}},
            {"get": "/sign-in", "expect": {"json": {"$.token": "another"}}},
            {"get": "/never"},
        )
    assert done.failure is not None
    assert (done.failure.step, done.failure.outcome) == ("GET /sign-in", Outcome.CHECK_FAILED)
    assert done.failure.detail == "$.token is '…', not 'another'"
    assert [step.outcome for step in done.steps] == [Outcome.OK, Outcome.CHECK_FAILED, Outcome.ABORTED]
    assert done.variables["token"] == SECRET  # what was made must be cleared away
    assert SECRET not in repr(done)
    assert SECRET not in json.dumps([step.as_document() for step in done.steps])


def test_a_step_that_may_fail_does_not_fail_the_errand(tmp_path):
    with Server(answering(lambda request: ok(status=500 if request.path == "/base/a" else 200))) as server:
        done = run(server, tmp_path, {"get": "/a", "on_failure": "continue"}, {"pause": "5ms"}, {"get": "/b"})
    assert done.failure is None
    assert [step.outcome for step in done.steps] == [Outcome.HTTP_ERROR, Outcome.OK]


@pytest.mark.parametrize("listens", [True, False])
def test_it_lasts_no_longer_than_its_deadlines(tmp_path, listens):
    with Server(answering(lambda request: None)) as server:
        port = server.port
        if listens:
            done = run(port, tmp_path, {"get": "/", "deadline": "150ms"})
    if not listens:
        done = run(port, tmp_path, {"get": "/", "deadline": "150ms"})
    wanted = Outcome.TIMEOUT if listens else Outcome.CONNECT_FAILED
    assert done.failure is not None
    assert done.failure.outcome is wanted
    assert done.failure.took_ns < 1_000_000_000


def test_it_can_be_run_again_and_attempts_are_not_steps(tmp_path):
    answers = iter([ok(status=503), ok(b"1"), ok(b"2")])
    with Server(answering(lambda request: next(answers))) as server:
        plan = plan_of(server)
        step = {"get": "/", "retry": {"after": "400ms", "on_error": True}, "extract": {"n": {"regex": r"\d"}}}
        with Errand(Phase.model_validate({"steps": [step]}), plan, resolve(plan, tmp_path), tmp_path) as errand:
            assert [errand.run().variables["n"] for _ in range(2)] == ["1", "2"]
        assert len(server.requests) == 3


def test_what_its_tick_raises_ends_it_at_once(tmp_path):
    class EnoughError(Exception):
        pass

    def enough() -> None:
        raise EnoughError

    with Server(answering(lambda request: None)) as server:
        plan = plan_of(server, deadlines={"connect": "5s", "response": "20s"})
        phase = Phase.model_validate({"steps": [{"get": "/"}]})
        with Errand(phase, plan, resolve(plan, tmp_path), tmp_path) as errand, pytest.raises(EnoughError):
            errand.run(enough)


def test_a_head_with_the_stop_field_is_counted_each_time_it_comes(tmp_path):
    with Server(answering(lambda request: ok(b"", "Seatrial-Stop: now"))) as server:
        before = stop_requests()
        run(server, tmp_path, {"get": "/"}, {"get": "/again"})
        assert stop_requests() - before == 2
    with Server(always_ok) as server:
        before = stop_requests()
        run(server, tmp_path, {"get": "/"})
        assert stop_requests() == before


@pytest.mark.parametrize(("transport", "spoken"), [("http/1.1", "HTTP/1.1"), ("http/2", "HTTP/2.0")])
def test_it_speaks_the_plan_s_transport_with_the_plan_s_proof_of_the_certificate(
    tmp_path, authority, transport, spoken
):
    def answer(request: Any) -> bytes:
        return ok(b"token=abcdef", "seatrial-stop: yes") if request.path == "/base/a" else ok(b"")

    steps = ({"get": "/a", "extract": {"t": {"regex": "=(.*)"}}}, {"get": "/b?${t}", "redirects": 0})
    with Server(answering(answer)) as server, fronted(tmp_path, server.port, authority.pem()) as front:
        trusted: Any = {"target": f"https://127.0.0.1:{front.secure}/base", "transport": transport}
        before = stop_requests()
        done = run(server, tmp_path, *steps, tls={"ca": str(authority.ca)}, **trusted)
        assert stop_requests() - before == 1
        unproven = run(server, tmp_path, *steps, **trusted)
    assert done.failure is None, done.steps
    assert [(request.header("x-protocol"), request.path) for request in server.requests] == [
        (spoken, "/base/a"),
        (spoken, "/base/b?abcdef"),
    ]
    assert unproven.failure is not None
    assert unproven.failure.outcome is Outcome.TLS_FAILED
