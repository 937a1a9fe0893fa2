"""A step that is about to be tried again when the drain ends has its record all the same."""

from __future__ import annotations

from tests.engine.served import Engine, Server, answering, ok

from seatrial.model.sample import Outcome


def test_a_step_between_two_attempts_is_in_flight_when_the_drain_ends(engine: Engine) -> None:
    step = {"get": "/", "retry": {"after": "1s", "most": 3, "on_error": True, "pause": "2s"}}
    with Server(answering(lambda request: ok(status=503))) as server:
        run = engine.offer(server, step, {"get": "/b", "name": "b"}, drain_ms=150, once=False)
    kinds = sorted((row.step, row.outcome) for row in run.rows)
    assert kinds == [(0, Outcome.IN_FLIGHT), (0, Outcome.RETRIED), (1, Outcome.ABORTED)]
    by_outcome = {row.outcome: row for row in run.rows}
    final, attempt = by_outcome[Outcome.IN_FLIGHT], by_outcome[Outcome.RETRIED]
    assert final.intended_ns == attempt.intended_ns
    assert final.done_ns >= attempt.done_ns
