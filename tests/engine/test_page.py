"""A page's resources: several at a time, each once, of the target alone."""

from __future__ import annotations

import threading

import pytest
from tests.engine.served import Engine, Peer, Request, Server, answering, ok

from seatrial.model.sample import Outcome

PAGE = b"""<!doctype html><html><head>
<link rel="stylesheet" href="/a.css"><link rel="icon" href="icon.png"><link rel="canonical" href="/never">
<script src="https://cdn.example.org/x.js"></script><script src="/app.js?v=2"></script>
</head><body><img src="one.png"><img src="one.png"><img src="data:image/png;base64,AA=="><img>
<a href="/never-either">x</a></body></html>"""
HTML = "Content-Type: text/html; charset=utf-8"


def site(request: Request) -> bytes:
    if request.path in ("/in/", "/in/two"):
        return ok(PAGE, HTML)
    return ok(b"x" * 10, status=404 if request.path == "/a.css" else 200)


def test_what_a_page_names_on_the_target_is_fetched_once_and_recorded_under_its_own_name(engine: Engine) -> None:
    with Server(answering(site)) as server:
        run = engine.offer(server, {"get": "/in/", "resources": True}, {"get": "/after"}, once=False)
        asked = sorted(request.path for request in server.requests)
    assert asked == ["/a.css", "/after", "/app.js?v=2", "/in/", "/in/icon.png", "/in/one.png"]
    assert [row.step for row in sorted(run.rows, key=lambda row: row.done_ns)] == [0, 1, 1, 1, 1, 2]
    assert sorted(row.outcome for row in run.rows if row.step == 1) == [*[Outcome.OK] * 3, Outcome.HTTP_ERROR]
    last = max(row.done_ns for row in run.rows if row.step == 1)
    (after,) = (row for row in run.rows if row.step == 2)
    assert (after.outcome, after.intended_ns) == (Outcome.OK, last)


def test_resources_are_intended_from_their_page_on_whatever_the_generator_took_to_read_it(engine: Engine) -> None:
    names = "".join(f'<img src="/i{i}">' for i in range(9)).encode()
    with Server(answering(lambda request: ok(names if request.path == "/" else b"x", HTML))) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, once=False)
    (page,) = (row for row in run.rows if row.step == 0)
    begun = sorted(row.intended_ns for row in run.rows if row.step == 1)
    assert begun[:6] == [page.done_ns] * 6
    ended = {row.done_ns for row in run.rows if row.step == 1}
    assert set(begun[6:]) <= ended  # the others wait for one of the six connections


def test_a_session_keeps_what_it_has_as_a_browsers_cache_does(engine: Engine) -> None:
    with Server(answering(site)) as server:
        steps = [{"get": path, "name": path, "resources": True} for path in ("/in/", "/in/two")]
        engine.offer(server, *steps, once=False)
        assert [r.path for r in server.requests].count("/in/one.png") == 1
        engine.offer(server, *steps, sessions=2, once=False)
        assert [r.path for r in server.requests].count("/in/one.png") == 3


def test_six_connections_fetch_at_the_same_time_and_serve_the_next_page_too(engine: Engine) -> None:
    together = threading.Barrier(6, timeout=5)

    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.path in ("/", "/next"):
                names = "".join(f'<img src="{request.path}-{i}">' for i in range(12))
                peer.send(ok(names.encode(), HTML))
            else:
                together.wait()
                peer.send(ok(b"x"))

    with Server(script) as server:
        steps = [{"get": path, "name": path, "resources": True} for path in ("/", "/next")]
        run = engine.offer(server, *steps, once=False)
        assert server.connections == 6
    assert [row.outcome for row in run.rows] == [Outcome.OK] * 26


@pytest.mark.parametrize("shared", [False, True])
def test_resources_that_fail_in_every_way_are_one_record_each_and_the_visit_goes_on(
    shared: bool, engine: Engine
) -> None:
    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.path == "/i1":
                peer.reset()
                return
            if request.path == "/i2":
                peer.send(b"garbage\r\n\r\n")
                return
            if request.path == "/i3":
                peer.wait_for_close()
                return
            if request.path == "/i4":
                peer.send(ok(b"", "Location: http://elsewhere.test/", status=302))
            elif request.path == "/i5":
                peer.send(ok(b"", status=404))
            else:
                names = "".join(f"<img src=/i{i}>" for i in range(8)).encode()
                peer.send(ok(names if request.path == "/" else b"x", HTML))

    with Server(script) as server:
        run = engine.offer(
            server, {"get": "/", "resources": True}, {"get": "/after"}, sessions=3, response_ms=150, hops=3,
            shared=shared, once=False,
        )  # fmt: skip
    wanted = (
        [Outcome.OK] * 3 + [Outcome.CHECK_FAILED, Outcome.HTTP_ERROR, Outcome.TIMEOUT] + [Outcome.PROTOCOL_ERROR] * 2
    )
    for number in range(3):
        rows = [row for row in run.rows if row.session == number]
        assert sorted(row.outcome for row in rows if row.step == 1) == sorted(wanted)
        assert [row.outcome for row in rows if row.step in (0, 2)] == [Outcome.OK] * 2
        (after,) = (row for row in rows if row.step == 2)
        assert after.intended_ns == max(row.done_ns for row in rows if row.step == 1)


def test_a_page_that_was_reloaded_names_what_the_last_answer_names(engine: Engine) -> None:
    answers = iter([ok(b"<img src=/never>", HTML, status=503), ok(b"<img src=/one><img src=/two>", HTML)])

    def answer(request: Request) -> bytes:
        return next(answers) if request.path == "/" else ok(b"x")

    with Server(answering(answer)) as server:
        step = {"get": "/", "resources": True, "retry": {"after": "1s", "on_error": True}}
        run = engine.offer(server, step, {"get": "/after"}, once=False)
        assert sorted(r.path for r in server.requests) == ["/", "/", "/after", "/one", "/two"]
    assert sorted((row.step, row.outcome) for row in run.rows) == sorted(
        [(0, Outcome.RETRIED), (0, Outcome.OK), (1, Outcome.OK), (1, Outcome.OK), (2, Outcome.OK)]
    )


def test_what_is_no_page_names_nothing(engine: Engine) -> None:
    with Server(answering(lambda request: ok(PAGE, "Content-Type: application/json"))) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, once=False)
    assert run.only.outcome is Outcome.OK


def test_a_page_that_fails_names_nothing(engine: Engine) -> None:
    with Server(answering(lambda request: ok(PAGE, HTML, status=500))) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, once=False)
    assert run.only.outcome is Outcome.HTTP_ERROR


def test_resources_under_way_and_waiting_at_the_end_of_a_stage_are_closed(engine: Engine) -> None:
    names = "".join(f'<img src="/i{i}">' for i in range(9)).encode()
    with Server(answering(lambda request: ok(names, HTML) if request.path == "/" else None)) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, {"get": "/after"}, drain_ms=80, once=False)
    outcomes = [row.outcome for row in run.rows if row.step == 1]
    assert sorted(outcomes) == [Outcome.ABORTED] * 3 + [Outcome.IN_FLIGHT] * 6
    assert [row.outcome for row in run.rows if row.step == 2] == [Outcome.ABORTED]


def test_the_address_of_a_resource_may_be_redirected_and_its_cookies_are_the_sessions(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.path == "/":
            return ok(b'<img src="/old">', HTML)
        if request.path == "/old":
            return ok(b"", "Location: /new", "Set-Cookie: seen=1", status=301)
        return ok(b"x")

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, {"get": "/after"}, hops=5, once=False)
        assert [r.path for r in server.requests] == ["/", "/old", "/new", "/after"]
        assert server.requests[-1].header("cookie") == "seen=1"
    assert [row.outcome for row in run.rows] == [Outcome.OK] * 3
