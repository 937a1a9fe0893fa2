"""Journeys where services, pages and stages end otherwise than one hopes: what the records say then, on real sockets."""

from __future__ import annotations

import socket
from collections import Counter

import pytest
from tests.engine.served import Engine, Peer, Request, Run, Server, answering, ok

from seatrial.engine.arrivals import FeedRows
from seatrial.model.sample import Outcome

HTML = "Content-Type: text/html; charset=utf-8"


def by_step(run: Run) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in run.rows:
        found.setdefault(row.step, []).append(row.outcome.label)
    return {step: sorted(outcomes) for step, outcomes in sorted(found.items())}


def page_of(*names: str) -> bytes:
    return "".join(f'<img src="{name}">' for name in names).encode()


# -- a page's resources ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent", "closed", "nonsense"])
def test_a_resource_that_fails_last_ends_neither_the_session_nor_adds_steps(how: str, engine: Engine) -> None:
    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.path == "/bad" and how == "silent":
                peer.wait_for_close()
            elif request.path == "/bad":
                peer.send(b"" if how == "closed" else b"nonsense\r\n\r\n")
                return
            else:
                peer.send(ok(page_of("/good", "/bad") if request.path == "/" else b"x", HTML))

    with Server(script) as server:
        steps = [{"get": "/", "resources": True}, {"repeat": 2, "steps": [{"get": "/after"}]}]
        run = engine.offer(server, *steps, response_ms=80, once=False)
    failed = "timeout" if how == "silent" else "protocol_error"
    assert by_step(run) == {0: ["ok"], 1: sorted([failed, "ok"]), 2: ["ok", "ok"]}


def test_resources_stand_relative_to_where_a_redirect_led(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.path == "/zh":
            return ok(b"", "Location: /zh/", status=301)
        return ok(page_of("logo.png"), HTML) if request.path == "/zh/" else ok(b"x")

    with Server(answering(answer)) as server:
        engine.offer(server, {"get": "/zh", "resources": True}, hops=5, once=False)
        assert [request.path for request in server.requests] == ["/zh", "/zh/", "/zh/logo.png"]


def test_a_name_in_chinese_is_asked_for_in_utf_8_as_browsers_do(engine: Engine) -> None:
    with Server(
        answering(lambda r: ok(page_of("/圖.png", "/café.png?a=é") if r.path == "/" else b"x", HTML))
    ) as server:
        engine.offer(server, {"get": "/", "resources": True}, once=False)
        assert sorted(r.path for r in server.requests)[1:] == ["/%E5%9C%96.png", "/caf%C3%A9.png?a=%C3%A9"]


def test_a_path_of_two_slashes_on_a_page_does_not_end_the_run(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        page = page_of(f"//127.0.0.1:{server.port}//img/a.png", "/.//b.png")
        return ok(page if request.path == "/" else b"x", HTML)

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/", "resources": True}, {"get": "/after"}, once=False)
        assert sorted(r.path for r in server.requests) == ["/", "//b.png", "//img/a.png", "/after"]
    assert by_step(run) == {0: ["ok"], 1: ["ok", "ok"], 2: ["ok"]}


def test_resources_are_relative_to_the_pages_base(engine: Engine) -> None:
    head = b'<base href="/app/"><img src="a.png"><img src="../b.png"><img src="/c.png">'
    with Server(answering(lambda r: ok(head if r.path == "/deep/page" else b"x", HTML))) as server:
        engine.offer(server, {"get": "/deep/page", "resources": True}, once=False)
        assert sorted(r.path for r in server.requests)[:3] == ["/app/a.png", "/b.png", "/c.png"]


@pytest.mark.parametrize("base", ["https://cdn.example.org/", "http://[x/", "mailto:a@b"])
def test_a_base_elsewhere_leaves_nothing_relative_to_fetch(base: str, engine: Engine) -> None:
    page = f'<base href="{base}"><img src="a.png">'.encode()
    with Server(answering(lambda r: ok(page, HTML))) as server:
        engine.offer(server, {"get": "/", "resources": True}, once=False)
        assert len(server.requests) == 1


# -- a session that goes on after a failure ----------------------------------------------------------------------


def test_what_was_drawn_is_not_drawn_again_when_the_last_step_failed(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()

    with Server(script) as server:
        first = {"get": "/a", "on_failure": "continue"}
        rest = {"choose": [{"weight": 1}, {"weight": 1, "steps": [{"get": "/b", "on_failure": "continue"}]}]}
        run = engine.offer(server, first, rest, sessions=40, within_ms=100)
        asked = Counter(request.path for request in server.requests)
    assert 5 < asked["/b"] < 35
    assert by_step(run) == {0: ["protocol_error"] * 40, 1: ["protocol_error"] * asked["/b"]}


def test_a_number_beyond_all_fractions_ends_no_run(engine: Engine) -> None:
    steps = [
        {"get": "/", "extract": {"n": {"json": "$.n"}}},
        {"get": "/above", "when": {"value": "n", "above": 5}},
        {"get": "/after"},
    ]
    with Server(answering(lambda _: ok(b'{"n": 1' + b"0" * 400 + b"}"))) as server:
        run = engine.offer(server, *steps)
    assert by_step(run)[2] == ["ok"]


def test_json_at_any_depth_goes_back_or_is_refused(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        if request.method == "POST":
            return ok()
        depth = int(request.path[1:])
        return ok(b'{"v": ' + b"[" * depth + b"]" * depth + b"}")

    steps = [
        {"get": "/${row.id}", "extract": {"v": {"json": "$.v"}}},
        {"post": "/", "json": {"x": "${v}"}},
    ]
    rows = FeedRows(("id",), [(depth,) for depth in range(700, 1030, 3)], "unique")
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps, sessions=110, within_ms=300, feeds={"row": rows})
    assert len(run.rows) == 220


# -- what a record says ------------------------------------------------------------------------------------------


def test_an_attempt_that_nobody_took_has_no_bytes_of_the_one_before(engine: Engine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        server._listener.shutdown(socket.SHUT_RDWR)
        server._listener.close()
        peer.send(ok(b"sorry", status=503))

    retry = {"after": "500ms", "most": 1, "on_error": True, "pause": "30ms"}
    with Server(script) as server:
        step = {"get": "/", "retry": retry, "headers": {"connection": "close"}}
        run = engine.offer(server, step, once=False)
    done = [row for row in run.rows if row.outcome is not Outcome.RETRIED]
    assert [row.bytes_out for row in done if row.outcome is Outcome.CONNECT_FAILED] in ([0], [])
    assert sum(row.bytes_out for row in run.rows) == sum(len(r.head) + 4 for r in server.requests)


def test_a_pause_between_attempts_at_the_end_of_a_stage_counts_no_bytes_twice(engine: Engine) -> None:
    with Server(answering(lambda _: ok(b"sorry", status=503))) as server:
        retry = {"after": "500ms", "most": 1, "on_error": True, "pause": "10s"}
        run = engine.offer(server, {"get": "/", "retry": retry}, drain_ms=60, once=False)
    assert by_step(run) == {0: ["in_flight", "retried"]}
    assert sum(row.bytes_out for row in run.rows) == sum(len(r.head) + 4 for r in server.requests)


@pytest.mark.parametrize("end", ["elsewhere", "too many"])
def test_a_step_that_fails_among_redirects_has_the_bytes_of_all_hops(end: str, engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        to = "http://example.org/" if request.path == "/b" and end == "elsewhere" else "/b"
        return ok(b"moved", f"Location: {to}", status=302)

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/a"}, hops=2)
        sent = sum(len(r.head) + 4 for r in server.requests)
        received = sum(len(answer(r)) for r in server.requests)
    assert run.only.outcome is Outcome.CHECK_FAILED
    assert (run.only.bytes_out, run.only.bytes_in) == (sent, received)
