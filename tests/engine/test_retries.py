"""People who reload: an attempt that is given up is a record of its own, the step's record waits as the person did."""

from __future__ import annotations

from typing import Any

from tests.engine.served import Engine, Request, Row, Run, Server, answering, ok, refusing_port

from seatrial.model.sample import Outcome


def steps_and_attempts(run: Run) -> tuple[list[Row], list[Row]]:
    """Return the steps' records and the attempts that were given up, each in order of time."""
    rows = sorted(run.rows, key=lambda row: row.done_ns)
    return [r for r in rows if r.outcome is not Outcome.RETRIED], [r for r in rows if r.outcome is Outcome.RETRIED]


def nth(*answers: bytes | None) -> Any:
    """Answer the first requests so, and every later one with the last."""
    count = iter(range(1_000))
    return answering(lambda request: answers[min(next(count), len(answers) - 1)])


def test_who_waits_too_long_reloads_on_a_new_connection_and_has_waited_all_the_time(engine: Engine) -> None:
    with Server(nth(None, None, ok(b"at last"))) as server:
        run = engine.offer(server, {"get": "/", "retry": {"after": "60ms", "most": 3}}, once=False)
        assert (len(server.requests), server.connections) == (3, 3)
    (step,), attempts = steps_and_attempts(run)
    assert [row.status for row in attempts] == [0, 0]
    assert step.outcome is Outcome.OK
    assert (step.intended_ns, step.sent_ns) == (attempts[0].intended_ns, attempts[0].sent_ns)
    assert step.done_ns - step.intended_ns >= 120e6
    assert attempts[0].done_ns <= attempts[1].intended_ns <= attempts[1].done_ns <= step.done_ns
    assert "no complete answer in 0.06 s" in run.details


def test_the_last_attempt_waits_for_the_steps_own_deadline(engine: Engine) -> None:
    with Server(nth(None)) as server:
        step = {"get": "/", "retry": {"after": "30ms", "most": 2}, "deadline": "90ms"}
        run = engine.offer(server, step, {"get": "/after"}, once=False)
        assert len(server.requests) == 3
    (last, left), attempts = steps_and_attempts(run)
    assert (last.outcome, left.outcome) == (Outcome.TIMEOUT, Outcome.ABORTED)
    assert len(attempts) == 2
    assert 150e6 <= last.done_ns - last.intended_ns < 400e6


def test_an_error_page_is_reloaded_only_by_who_reloads_on_errors(engine: Engine) -> None:
    bad = ok(b"sorry", status=503)
    with Server(nth(bad, ok(b"fine"))) as server:
        patient = engine.offer(server, {"get": "/", "retry": {"after": "500ms"}}, once=False)
    with Server(nth(bad, ok(b"fine"))) as server:
        retry = {"after": "500ms", "on_error": True, "pause": "20ms"}
        hasty = engine.offer(server, {"get": "/", "retry": retry}, once=False)
    assert patient.only.outcome is Outcome.HTTP_ERROR
    (step,), (attempt,) = steps_and_attempts(hasty)
    assert (attempt.status, step.status, step.outcome) == (503, 200, Outcome.OK)
    assert attempt.bytes_in == len(bad)
    assert step.done_ns - attempt.done_ns >= 20e6


def test_the_last_error_stands_when_every_attempt_met_one(engine: Engine) -> None:
    with Server(nth(ok(b"sorry", status=500))) as server:
        run = engine.offer(server, {"get": "/", "retry": {"after": "1s", "most": 2, "on_error": True}}, once=False)
    (step,), attempts = steps_and_attempts(run)
    assert (step.outcome, step.status, len(attempts)) == (Outcome.HTTP_ERROR, 500, 2)


def test_a_refused_connection_is_tried_again_too(engine: Engine) -> None:
    retry = {"after": "1s", "most": 2, "on_error": True}
    run = engine.offer(refusing_port(), {"get": "/", "retry": retry}, once=False)
    (step,), attempts = steps_and_attempts(run)
    assert (step.outcome, len(attempts)) == (Outcome.CONNECT_FAILED, 2)


def test_a_step_after_a_reload_that_failed_is_not_reloaded_itself(engine: Engine) -> None:
    with Server(answering(lambda request: None)) as server:
        first = {"get": "/a", "retry": {"after": "30ms", "most": 1}, "deadline": "40ms", "on_failure": "continue"}
        run = engine.offer(server, first, {"get": "/b", "deadline": "50ms"}, once=False)
    steps, attempts = steps_and_attempts(run)
    assert [row.outcome for row in steps] == [Outcome.TIMEOUT, Outcome.TIMEOUT]
    assert [row.step for row in attempts] == [0]


def test_a_step_that_may_fail_lets_the_session_go_on(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        return ok(b"no", status=500 if request.path == "/a" else 200)

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/a", "on_failure": "continue"}, {"get": "/b"})
    assert run.outcomes == [Outcome.HTTP_ERROR, Outcome.OK]


def test_a_stage_that_ends_while_people_reload_closes_every_step(engine: Engine) -> None:
    with Server(nth(None)) as server:
        step = {"get": "/", "retry": {"after": "40ms", "most": 50}, "deadline": "10s"}
        run = engine.offer(server, step, {"get": "/after"}, sessions=3, drain_ms=100, once=False)
    steps, attempts = steps_and_attempts(run)
    assert sorted(row.outcome for row in steps) == [Outcome.ABORTED] * 3 + [Outcome.IN_FLIGHT] * 3
    assert len(attempts) >= 3
