"""Redirects: followed on the target, one record for a step with all its hops."""

from __future__ import annotations

import time

import pytest
from tests.engine.served import Engine, Request, Server, answering, ok

from seatrial.engine.python_session import PythonSession
from seatrial.model.sample import NEVER, Outcome


def moved(to: str, status: int = 302, *fields: str) -> bytes:
    return ok(b"", f"Location: {to}", *fields, status=status)


def chain(request: Request) -> bytes:
    if request.path.startswith("/hop"):
        left = int(request.path.removeprefix("/hop"))
        return moved("/end" if left == 1 else f"/hop{left - 1}", 302, f"Set-Cookie: h{left}=1")
    return ok(b"the end")


def test_a_chain_is_one_record_with_the_bytes_of_all_hops_and_its_cookies(engine: Engine) -> None:
    with Server(answering(chain)) as server:
        run = engine.offer(server, {"get": "/hop3", "expect": {"contains": "the end"}}, hops=10)
        assert [request.path for request in server.requests] == ["/hop3", "/hop2", "/hop1", "/end"]
        assert server.requests[-1].header("cookie") == "h3=1; h2=1; h1=1"
    assert (run.only.outcome, run.only.status) == (Outcome.OK, 200)
    assert run.only.bytes_out == sum(len(request.head) + 4 for request in server.requests)
    answers = [moved("/hop2", 302, "Set-Cookie: h3=1"), moved("/hop1", 302, "Set-Cookie: h2=1")]
    answers += [moved("/end", 302, "Set-Cookie: h1=1"), ok(b"the end")]
    assert run.only.bytes_in == sum(map(len, answers))
    assert server.connections == 1


def test_nothing_is_followed_where_the_redirect_itself_is_expected(engine: Engine) -> None:
    with Server(answering(chain)) as server:
        run = engine.offer(server, {"get": "/hop3", "expect": {"status": 302}}, hops=10)
    assert (run.only.outcome, run.only.status, len(server.requests)) == (Outcome.OK, 302, 1)


def test_a_step_may_follow_fewer_than_the_plan(engine: Engine) -> None:
    with Server(answering(chain)) as server:
        run = engine.offer(server, {"get": "/hop3", "redirects": 2}, hops=10)
    assert run.only.outcome is Outcome.CHECK_FAILED
    assert "more than 2 redirects" in run.details
    assert len(server.requests) == 3


@pytest.mark.parametrize("retry", [{}, {"retry": {"after": "160ms", "most": 1}, "deadline": "160ms"}])
def test_all_hops_share_the_steps_deadline(retry: dict[str, object], engine: Engine) -> None:
    def slowly(request: Request) -> bytes:
        time.sleep(0.07)
        return moved(f"{request.path}x")

    with Server(answering(slowly)) as server:
        run = engine.offer(server, {"get": "/", **retry}, hops=20, response_ms=160, once=False)
    attempts = sorted(run.rows, key=lambda row: row.done_ns)
    assert [row.outcome for row in attempts] == [Outcome.RETRIED, Outcome.TIMEOUT][-len(attempts) :]
    assert len(attempts) == 1 + len(retry) // 2
    begun = attempts[0].intended_ns
    for row in attempts:
        # An eighth of it may come on top, and what a busy machine takes; without it 20 hops take 1.4 s.
        assert 160e6 <= row.done_ns - begun < 400e6
        begun = row.done_ns


def test_a_redirect_that_leads_nowhere_is_reloaded_by_who_reloads_on_errors(engine: Engine) -> None:
    answers = iter([moved("http://elsewhere.test/"), moved("/round"), moved("/round"), ok(b"fine")])
    with Server(answering(lambda request: next(answers))) as server:
        step = {"get": "/", "redirects": 1, "retry": {"after": "1s", "on_error": True}}
        run = engine.offer(server, step, once=False)
        assert [request.path for request in server.requests] == ["/", "/", "/round", "/"]
    rows = sorted(run.rows, key=lambda row: row.done_ns)
    assert [(row.outcome, row.status) for row in rows] == [
        (Outcome.RETRIED, 302), (Outcome.RETRIED, 302), (Outcome.OK, 200),
    ]  # fmt: skip
    assert rows[-1].intended_ns == rows[0].intended_ns
    assert "a redirect to another host" in run.details


def test_a_redirect_in_a_circle_ends(engine: Engine) -> None:
    with Server(answering(lambda request: moved(request.path))) as server:
        run = engine.offer(server, {"get": "/round"}, hops=10)
    assert run.only.outcome is Outcome.CHECK_FAILED
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    "location",
    ["http://example.org/", "https://127.0.0.1/", "//example.org/x", "http://127.0.0.1:1/", "mailto:a@b", "http://[x/"],
)
def test_another_host_is_never_asked(location: str, engine: Engine) -> None:
    with Server(answering(lambda request: moved(location))) as server:
        run = engine.offer(server, {"get": "/"}, hops=10)
    assert run.only.outcome is Outcome.CHECK_FAILED
    assert "redirect to another host" in run.details
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("next", "/a/next"),
        ("?q=1", "/a/b?q=1"),
        ("/x#part", "/x"),
        ("/sp ace", "/sp%20ace"),
        ("/caf\u00e9?\u00e9", "/caf%E9?%E9"),
        ("/already%20coded?a=b&c", "/already%20coded?a=b&c"),
        ("HTTP://127.0.0.1:{port}", "/"),
    ],
)
def test_a_location_is_read_as_browsers_read_it(location: str, path: str, engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        to = location.format(port=server.port).encode("latin-1").decode("latin-1")
        if request.path == "/a/b":
            return b"HTTP/1.1 302 Found\r\nLocation: " + to.encode("latin-1") + b"\r\ncontent-length: 0\r\n\r\n"
        return ok(b"there")

    with Server(answering(answer)) as server:
        run = engine.offer(server, {"get": "/a/b"}, hops=10)
        assert [request.path for request in server.requests] == ["/a/b", path]
    assert run.only.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("status", "method", "after", "body"),
    [
        (301, "post", "GET", b""),
        (302, "post", "GET", b""),
        (303, "post", "GET", b""),
        (303, "put", "GET", b""),
        (302, "put", "PUT", b"a=1"),
        (307, "post", "POST", b"a=1"),
        (308, "post", "POST", b"a=1"),
        (303, "head", "HEAD", b""),
    ],
)
def test_the_method_after_a_redirect_is_the_one_browsers_take(
    status: int, method: str, after: str, body: bytes, engine: Engine
) -> None:
    def answer(request: Request) -> bytes:
        whole = moved("/next", status) if request.path == "/" else ok(b"" if request.method == "HEAD" else b"x")
        return whole

    step = {method: "/"} | ({} if method == "head" else {"form": {"a": 1}})
    with Server(answering(answer)) as server:
        run = engine.offer(server, step, {"get": "/after"}, hops=10)
        second = server.requests[1]
    assert (second.method, second.body) == (after, body)
    assert (second.header("content-type") is None) == (not body)
    assert run.outcomes == [Outcome.OK, Outcome.OK]


def test_a_status_of_another_kind_or_without_a_location_is_an_answer(engine: Engine) -> None:
    with Server(answering(lambda request: ok(b"", status=int(request.path[1:])))) as server:
        run = engine.offer(server, *({"get": f"/{status}"} for status in (300, 302, 304)), hops=10)
    assert [row.status for row in run.rows] == [300, 302, 304]
    assert run.outcomes == [Outcome.OK] * 3


def test_a_service_that_dies_among_hops_leaves_one_record(engine: Engine) -> None:
    with Server(answering(lambda request: moved("/b") if request.path == "/a" else None)) as server:
        run = engine.offer(server, {"get": "/a"}, {"get": "/never"}, hops=10, response_ms=80)
    assert run.outcomes == [Outcome.TIMEOUT, Outcome.ABORTED]
    assert run.rows[0].sent_ns != NEVER
    assert run.rows[0].done_ns - run.rows[0].sent_ns >= 80e6


def test_a_journey_in_python_follows_them_too_unless_it_expects_them(engine: Engine) -> None:
    async def wander(session: PythonSession) -> None:
        end = await session.get("/hop3", name="far")
        assert end.body == b"the end"
        hop = await session.get("/hop1", name="near", status=302)
        assert hop.header("location") == "/end"
        await session.get("/hop3", name="short", redirects=1)

    with Server(answering(chain)) as server:
        run = engine.offer(server, python={("far", "near", "short"): wander}, hops=10)
    assert run.outcomes == [Outcome.OK, Outcome.OK, Outcome.CHECK_FAILED]
