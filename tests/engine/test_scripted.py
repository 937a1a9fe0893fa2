"""Journeys from a plan: what is sent, what is taken from the answers, when."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.served import Engine, Request, Run, Server, always_ok, answering, each, numbered, ok

from seatrial.engine.answers import MISSING, _json_finder, compile_check, compile_extract
from seatrial.engine.arrivals import FeedRows
from seatrial.engine.cookies import MAX_COOKIES, cookie_bytes, store_cookies
from seatrial.engine.http.message import Reader, Response
from seatrial.engine.requests import UnsetVariableError, compile_request
from seatrial.engine.session import Session
from seatrial.model.journey import Check, Extract, RequestStep
from seatrial.model.sample import NEVER, Outcome
from seatrial.units import MS

TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3),
    max_leaves=8,
)


def request_of(step: dict[str, Any], variables: dict[str, Any], base: str = "", **cookies: str) -> tuple[str, bytes]:
    """Return head (without its empty line) and body of the request a step makes."""
    render = compile_request(RequestStep.model_validate(step), base, {"host": "h", "x-plan": "p"})
    head, _, body = render(variables, cookies).partition(b"\r\n\r\n")
    return head.decode("utf-8", "surrogatepass"), body


def response_of(body: bytes, *fields: str) -> Response:
    response = Reader().feed(ok(body, *fields))
    assert response is not None
    return response


class Draws:
    """A session as extraction sees it."""

    def __init__(self, seed: int) -> None:
        self._session = Session(None, 0, 0, seed, 1)  # type: ignore[arg-type]

    def draw(self, below: int) -> int:
        return self._session.draw(below)


def extracted(extract: dict[str, Any], response: Response, seed: int = 1) -> Any:
    return compile_extract(Extract.model_validate(extract))(response, Draws(seed))  # type: ignore[arg-type]


@given(value=TEXT)
def test_data_in_a_path_or_query_is_percent_encoded(value: str) -> None:
    head, _ = request_of({"get": "/a/${x}?q=${x}", "query": {"r": "${x}", "s&": "1 2"}}, {"x": value})
    line, *fields = head.split("\r\n")
    method, target, version = line.split(" ")
    assert (method, version, fields) == ("GET", "HTTP/1.1", ["host: h", "x-plan: p"])
    parts = urlsplit(target)
    sent = value.encode(errors="surrogatepass")
    assert unquote(parts.path, errors="surrogatepass").encode(errors="surrogatepass") == b"/a/" + sent
    query = parse_qs(parts.query, keep_blank_values=True, errors="surrogatepass")
    assert query == {"q": [value], "r": [value], "s&": ["1 2"]}


@given(value=TEXT)
def test_data_in_a_header_stays_one_value_or_is_refused(value: str) -> None:
    step = {"get": "/", "headers": {"x-token": "Bearer ${x}"}}
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        with pytest.raises(UnsetVariableError, match="control characters"):
            request_of(step, {"x": value})
    else:
        assert request_of(step, {"x": value})[0].split("\r\n")[3:] == [f"x-token: Bearer {value}"]


@given(value=JSON)
def test_json_keeps_the_type_of_a_variable_that_stands_alone(value: Any) -> None:
    step = {"post": "/", "json": {"alone": "${x}", "list": ["${x}", 1, None], "in text": "<${x}>", "plain": "${"[:1]}}
    head, body = request_of(step, {"x": value})
    sent = json.loads(body.decode("utf-8", "surrogatepass"))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    assert sent == {"alone": value, "list": [value, 1, None], "in text": f"<{text}>", "plain": "$"}
    assert "content-type: application/json" in head
    assert f"content-length: {len(body)}" in head


@given(value=TEXT, other=TEXT)
def test_a_form_carries_data_to_the_letter(value: str, other: str) -> None:
    _, body = request_of({"post": "/", "form": {"a&=": "${x} & ${y}", "n": 5}}, {"x": value, "y": other})
    sent = parse_qs(body.decode(), keep_blank_values=True, errors="surrogatepass")
    assert sent == {"a&=": [f"{value} & {other}"], "n": ["5"]}


def test_a_body_is_sent_as_it_is() -> None:
    head, body = request_of({"put": "/", "body": "${a}\n數", "headers": {"content-type": "text/plain"}}, {"a": "é"})
    assert body == "é\n數".encode()
    assert "content-length: 6" in head


def test_the_steps_own_header_stands_for_the_plans_whatever_its_case() -> None:
    head, _ = request_of({"post": "/", "json": {}, "headers": {"X-Plan": "mine", "Content-Type": "a/b"}}, {})
    assert head.split("\r\n")[1:] == ["host: h", "X-Plan: mine", "Content-Type: a/b", "content-length: 2"]


def test_a_content_type_of_the_plan_is_not_sent_twice() -> None:
    step = RequestStep.model_validate({"post": "/", "json": {}})
    head = compile_request(step, "", {"host": "h", "Content-Type": "application/vnd.api+json"})({}, {})
    assert head.lower().count(b"content-type") == 1


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("/slots/7?day=3&x=%20", "/app/slots/7?day=3&x=%20"),
        ("/app/slots/7", "/app/slots/7"),
        ("/apples", "/app/apples"),
        ("/場 #part", "/app/%E5%A0%B4%20"),
    ],
)
def test_a_path_from_an_answer_is_followed(value: str, sent: str) -> None:
    head, _ = request_of({"get": "${next}"}, {"next": value}, base="/app")
    assert head.startswith(f"GET {sent} HTTP/1.1\r\n")


@pytest.mark.parametrize("value", ["http://elsewhere.test/", "//elsewhere.test/", "relative", "", 7])
def test_a_path_that_leads_elsewhere_is_refused(value: object) -> None:
    with pytest.raises(UnsetVariableError, match="begin with one slash"):
        request_of({"get": "${next}"}, {"next": value})


def test_a_variable_without_a_value_names_itself() -> None:
    for variables in ({}, {"x": {}}, {"x": "text"}, {"x": [1]}):
        with pytest.raises(UnsetVariableError, match=r"\$\{x\.id\} has no value"):
            request_of({"get": "/${x.id}"}, variables)


PATHS = ["$", "$.a", "$.a.b", "$.a[*].id", "$[*]", "$[0]", "$.a[1].b", "$[*][*]", "$.b[0][0]", "$.id[*].a"]


@given(document=JSON, path=st.sampled_from(PATHS))
def test_the_short_way_through_json_is_the_librarys_way(document: Any, path: str) -> None:
    # The library takes a text for a document that is still to be parsed.
    wanted = [] if isinstance(document, str) else jsonpath.compile(path).findall(document)
    assert _json_finder(path)(document) == ([document] if path == "$" else wanted)


def test_other_json_paths_go_to_the_library() -> None:
    document = {"free": [{"id": 1, "n": 2}, {"id": 2, "n": 0}, {"id": 3, "n": 5}]}
    assert _json_finder("$.free[?@.n > 1].id")(document) == [1, 3]
    assert _json_finder("$..id")(document) == [1, 2, 3]
    assert _json_finder("$.free[-1].id")(document) == [3]


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": [1]}', ""])
def test_an_answer_that_is_a_json_text_is_not_parsed_once_more(text: str) -> None:
    response = response_of(json.dumps(text).encode())
    for path in ("$..*", "$[?@.a]", "$.a[0:1]", "$[-1]"):
        assert extracted({"json": path}, response) is MISSING
        assert compile_check(Check.model_validate({"json": {path: 1}}))(response)[0] is Outcome.CHECK_FAILED
    assert extracted({"json": "$"}, response) == text


def test_extraction_takes_json_regex_and_header() -> None:
    response = response_of(b'{"free": [{"id": 4}, {"id": 9}], "t": "a1 b2"}', "Location: /x/5", "location: /y")
    assert extracted({"json": "$.free[*].id"}, response) == 4
    assert extracted({"json": "$.free[*].id", "pick": "last"}, response) == 9
    assert extracted({"regex": "[a-z]([0-9])"}, response) == "1"
    assert extracted({"regex": "[a-z][0-9]", "pick": "last"}, response) == "b2"
    assert extracted({"header": "LOCATION"}, response) == "/x/5"
    assert extracted({"header": "location", "pick": "last"}, response) == "/y"
    for missing in ({"json": "$.no"}, {"regex": "zzz"}, {"header": "x-no"}):
        assert extracted(missing, response) is MISSING


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 50_000, b"1" * 5000])
def test_a_body_that_is_not_json_yields_nothing_and_breaks_nothing(body: bytes) -> None:
    response = response_of(body)
    for path in ("$.a", "$..a"):
        assert extracted({"json": path}, response) is MISSING
    check = compile_check(Check.model_validate({"json": {"$.a": 1}}))
    assert check(response) == (Outcome.CHECK_FAILED, "body is not JSON")


PAGE = """<form id=book><input name=token value="a&amp;b"><input name=empty><input checked name=no>
<p class=slot data-id=1> Hall <b>一</b>\n</p><p class=slot>  </p><p class=slot data-id="2">Hall 2</p></form>"""


def test_a_css_selector_takes_texts_or_an_attribute_of_a_page() -> None:
    response = response_of(PAGE.encode(), "Content-Type: text/html")
    assert extracted({"css": "input[name=token]", "attribute": "value"}, response) == "a&b"
    assert extracted({"css": ".slot"}, response) == "Hall 一"
    assert extracted({"css": ".slot", "pick": "last"}, response) == "Hall 2"
    assert extracted({"css": ".slot", "attribute": "data-id", "pick": "last"}, response) == "2"
    assert extracted({"css": "input[name=no]", "attribute": "checked"}, response) == ""
    picked = {extracted({"css": ".slot", "pick": "random"}, response, seed) for seed in range(20)}
    assert picked == {"Hall 一", "Hall 2"}
    for nothing in ({"css": "h1"}, {"css": ".slot:nth-child(5)"}, {"css": "input", "attribute": "href"}):
        assert extracted(nothing, response) is MISSING


@given(body=st.binary(max_size=60) | st.text('<>/=p a"&;!-\0', max_size=60).map(str.encode))
def test_any_bytes_give_texts_or_nothing_to_a_selector(body: bytes) -> None:
    response = response_of(body, "Content-Type: text/html")
    for source in ({"css": "p"}, {"css": "*", "pick": "last"}, {"css": "p", "attribute": "a"}):
        found = extracted(source, response)
        assert found is MISSING or isinstance(found, str)


def test_a_page_in_another_charset_is_read_as_its_head_says() -> None:
    page = "<p>康樂</p>".encode("big5")
    response = response_of(page, 'Content-Type: text/html; charset="Big5"')
    assert extracted({"css": "p"}, response) == "康樂"
    assert extracted({"regex": "康."}, response) == "康樂"
    for check in ({"contains": "康樂"}, {"matches": "^<p>康樂<"}):
        assert compile_check(Check.model_validate(check))(response)[0] is Outcome.OK
    for head in ("text/html; charset=klingon", "text/html; charset=zlib", "text/html"):
        assert extracted({"css": "p"}, response_of(page, f"Content-Type: {head}")).strip() != "康樂"
    assert extracted({"css": "p"}, response_of("<p>é</p>".encode(), "Content-Type: text/html; charset=big5")) == "é"


def test_a_cookie_is_taken_as_the_session_holds_it(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        return ok(b"", "Set-Cookie: csrf=one", "Set-Cookie: csrf=two") if request.path == "/" else ok(b"")

    steps = [
        {"get": "/", "extract": {"csrf": {"cookie": "csrf"}}},
        {"get": "/later", "extract": {"still": {"cookie": "csrf"}, "none": {"cookie": "x", "optional": True}}},
        {"get": "/${csrf}-${still}", "expect": {"status": 200}},
        {"get": "/never", "extract": {"needed": {"cookie": "x"}}},
    ]
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps)
        assert server.requests[2].path == "/two-two"
    assert run.outcomes == [*[Outcome.OK] * 3, Outcome.CHECK_FAILED]
    assert "nothing to extract as 'needed'" in run.details


@given(seed=st.integers(0, 2**64 - 1), count=st.integers(1, 50))
def test_a_random_pick_is_the_same_for_the_same_seed(seed: int, count: int) -> None:
    response = response_of(json.dumps(list(range(count))).encode())
    pick = {"json": "$[*]", "pick": "random"}
    first = extracted(pick, response, seed)
    assert first == extracted(pick, response, seed)
    assert 0 <= first < count


def test_random_picks_reach_every_match() -> None:
    response = response_of(b"[0, 1, 2, 3, 4, 5, 6, 7]")
    assert {extracted({"json": "$[*]", "pick": "random"}, response, seed) for seed in range(200)} == set(range(8))


CHECKS = [
    ({}, True, ""),
    ({"status": 200}, True, ""),
    ({"status": [201, 204]}, False, "status 200"),
    ({"contains": "數"}, True, ""),
    ({"contains": "nothing"}, False, "does not contain 'nothing'"),
    ({"matches": r"\d{3}"}, True, ""),
    ({"matches": r"\d{4}"}, False, "does not match"),
    ({"json": {"$.n": 123, "$.list[*]": 1, "$.t": True, "$.x": None}}, True, ""),
    ({"json": {"$.n": 124}}, False, "$.n is 123, not 124"),
    ({"json": {"$.n": "123"}}, False, "$.n is 123, not '123'"),
    ({"json": {"$.t": 1}}, False, "$.t is True, not 1"),
    ({"json": {"$.no": None}}, False, "$.no is not in the body"),
    ({"size": {"at_least": 60, "at_most": 60}}, True, ""),
    ({"size": {"at_least": 61}}, False, "a body of 60 bytes, fewer than 61"),
    ({"size": {"at_most": 59}}, False, "a body of 60 bytes, more than 59"),
    ({"headers": {"X-Kind": "json"}}, True, ""),
    ({"headers": {"x-kind": "xml"}}, False, "header x-kind does not contain 'xml'"),
    ({"headers": {"x-none": ""}}, False, "header x-none"),
]


@pytest.mark.parametrize(("check", "holds", "reason"), CHECKS)
def test_every_kind_of_check_holds_and_fails(check: dict[str, Any], holds: bool, reason: str) -> None:
    body = '{"n": 123, "list": [1, 2], "t": true, "x": null, "c": "數"}'.encode()
    outcome, detail = compile_check(Check.model_validate(check))(response_of(body, "x-kind: application/json"))
    assert outcome is (Outcome.OK if holds else Outcome.CHECK_FAILED)
    assert reason in detail
    assert holds == (detail == "")


def jar_of(*fields: str) -> dict[str, str]:
    jar: dict[str, str] = {"kept": "k"}
    store_cookies(jar, fields)
    return jar


@pytest.mark.parametrize(
    ("fields", "jar"),
    [
        (["a=1; Path=/; HttpOnly"], {"a": "1"}),
        (["a=1", "a=2"], {"a": "2"}),
        (["a=x=y=="], {"a": "x=y=="}),
        (["a=1", "a=; Max-Age=0"], {}),
        (["a=1", "a=; max-age=-5"], {}),
        (["a=1", "a=; Max-Age=00"], {}),
        (["a=1; Max-Age=60"], {"a": "1"}),
        (["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], {}),
        (["a=1", "a=; expires=Tue, 12-Oct-1999 00:00:00 GMT"], {}),
        (["a=1; Expires=Fri, 31 Dec 2199 23:59:59 GMT"], {"a": "1"}),
        (["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=3600"], {"a": "1"}),
        (["a=1; Expires=Thu, 01 Jan 19700 00:00:00 GMT"], {"a": "1"}),
        (["a=1; Expires=nonsense; Max-Age=soon"], {"a": "1"}),
        (["nonsense", "=1", "a=\x01", "a\x7f=1", "a=" + "x" * 5000], {}),
    ],
)
def test_cookies_are_kept_replaced_and_removed(fields: list[str], jar: dict[str, str]) -> None:
    assert jar_of(*fields) == {"kept": "k"} | jar


def test_a_jar_is_bounded() -> None:
    jar = jar_of(*(f"c{i}=1" for i in range(200)), "kept=new")
    assert len(jar) == MAX_COOKIES
    assert jar["kept"] == "new"


def test_a_cookie_goes_back_byte_for_byte(engine: Engine) -> None:
    value = "é數".encode()

    def answer(request: Request) -> bytes:
        return b"HTTP/1.1 200 OK\r\nset-cookie: s=" + value + b"\r\ncontent-length: 0\r\n\r\n"

    with Server(answering(answer)) as server:
        engine.offer(server, {"get": "/"}, {"get": "/again"})
    assert b"cookie: s=" + value in server.requests[1].head
    assert cookie_bytes({"a": "1", "b": "2"}) == b"a=1; b=2"


def test_cookies_belong_to_their_session(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        return ok(b"", f"set-cookie: id={request.header('x-id')}; Path=/", "set-cookie: b=2")

    step = {"get": "/", "headers": {"x-id": "${p.id}"}}
    with Server(answering(answer)) as server:
        engine.offer(server, step, step | {"get": "/2"}, sessions=3, feeds={"p": numbered("n", 3)})
    again = [request for request in server.requests if request.path == "/2"]
    assert len(again) == 3
    assert all(request.header("cookie") == f"id={request.header('x-id')}; b=2" for request in again)


def test_an_extracted_value_and_a_feed_reach_the_next_request(engine: Engine) -> None:
    def answer(request: Request) -> bytes:
        return ok(b'{"free": [{"id": 7}]}')

    steps = [
        {"get": "/sessions", "extract": {"slot": {"json": "$.free[*].id", "pick": "random"}}},
        {"post": "/book", "json": {"slot": "${slot}", "patron": "${p.id}"}},
    ]
    with Server(answering(answer)) as server:
        run = engine.offer(server, *steps, feeds={"p": numbered("n", 1)})
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert json.loads(server.requests[1].body) == {"slot": 7, "patron": "n0"}


def test_nothing_to_extract_fails_the_step_unless_it_is_optional(engine: Engine) -> None:
    def steps(optional: bool) -> list[dict[str, Any]]:
        extract = {"token": {"json": "$.token", "optional": optional}}
        return [{"get": "/", "extract": extract}, {"get": "/t/${token}", "when": "token"}, {"get": "/end"}]

    with Server(answering(lambda _: ok(b"{}"))) as server:
        missing = engine.offer(server, *steps(optional=False))
        optional = engine.offer(server, *steps(optional=True))
    assert missing.outcomes == [Outcome.CHECK_FAILED, Outcome.ABORTED]
    assert "nothing to extract as 'token'" in missing.details
    assert [row.step for row in missing.rows] == [0, 2]
    assert [(row.step, row.outcome) for row in optional.rows] == [(0, Outcome.OK), (2, Outcome.OK)]


def test_a_step_is_taken_when_its_variable_has_a_value(engine: Engine) -> None:
    steps = [{"get": "/", "extract": {"t": {"json": "$.t", "optional": True}}}, {"get": "/${t}", "when": "t"}]
    for body, taken in ((b'{"t": 5}', 2), (b'{"t": null}', 1), (b'{"t": false}', 2), (b"{}", 1)):
        with Server(answering(lambda _, body=body: ok(body))) as server:
            assert len(engine.offer(server, *steps).rows) == taken


def test_a_condition_on_a_column_asks_the_sessions_own_row(engine: Engine) -> None:
    rows = FeedRows(("kind", "age"), [("child", 9), ("adult", 40), (None, 30)], "unique")
    steps = [
        {"get": "/all"},
        {"get": "/adult", "when": {"value": "who.kind", "equals": "adult"}},
        {"get": "/kind", "when": "who.kind"},
        {"get": "/old", "when": {"value": "who.age", "above": 20}},
        {"get": "/young", "when": {"value": "who.age", "above": 20, "not": True}},
    ]
    with Server(always_ok) as server:
        run = engine.offer(server, *steps, sessions=3, feeds={"who": rows})
    assert [sorted(row.session for row in each(run.rows, step)) for step in range(5)] == [
        [0, 1, 2], [1], [0, 1], [1, 2], [0],
    ]  # fmt: skip


def test_control_characters_from_data_end_the_session_and_nothing_is_sent(engine: Engine) -> None:
    rows = FeedRows(("id",), [("a\r\nx-evil: 1",)], "unique")
    steps = [{"get": "/", "headers": {"x-id": "${p.id}"}}, {"get": "/next"}]
    with Server(always_ok) as server:
        run = engine.offer(server, *steps, feeds={"p": rows})
    assert run.outcomes == [Outcome.ABORTED, Outcome.ABORTED]
    assert "control characters can't stand in a header" in run.details
    assert (server.requests, server.connections) == ([], 0)


def test_half_a_surrogate_from_an_answer_breaks_nothing(engine: Engine) -> None:
    step = {"post": "/${x}", "json": ["${x}"], "headers": {"x-x": "${x}"}}
    with Server(answering(lambda _: ok(b'{"x": "\\ud800"}'))) as server:
        run = engine.offer(server, {"get": "/", "extract": {"x": {"json": "$.x"}}}, step)
    assert run.outcomes == [Outcome.OK, Outcome.OK]
    assert server.requests[1].path == "/%ED%A0%80"


def test_a_pause_counts_from_the_end_of_the_previous_answer(engine: Engine) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, {"get": "/"}, {"pause": "30ms"}, {"pause": "20ms"}, {"get": "/b"})
    first, second = run.rows
    assert second.intended_ns == first.done_ns + 50 * MS
    assert second.sent_ns - second.intended_ns < 40 * MS


def test_a_step_without_a_pause_is_intended_at_the_end_of_the_previous_answer(engine: Engine) -> None:
    with Server(always_ok) as server:
        first, second = engine.offer(server, {"get": "/"}, {"get": "/b"}).rows
    assert second.intended_ns == first.done_ns


def feed_ids(engine: Engine, order: str, workers: int) -> dict[int, str]:
    """Return session to the row it drew, over all workers."""
    rows = FeedRows(("id",), [(f"r{i}",) for i in range(6 if order != "unique" else 12)], order)  # type: ignore[arg-type]
    drawn: dict[int, str] = {}
    for worker in range(workers):
        with Server(always_ok) as server:
            run = engine.offer(
                server,
                {"get": "/${p.id}"},
                sessions=12,
                within_ms=24,
                feeds={"p": rows},
                worker=worker,
                workers=workers,
            )
        assert run.outcomes == [Outcome.OK] * len(run.rows)
        by_time = sorted(run.rows, key=lambda row: row.session)
        requests = sorted(server.requests, key=lambda request: request.connection)
        assert len(by_time) == len(requests)
        for row, request in zip(by_time, requests, strict=True):
            drawn[row.session] = request.path
    return drawn


@pytest.mark.parametrize("order", ["unique", "cycle", "random"])
def test_feeds_give_the_same_rows_to_any_number_of_workers(engine: Engine, order: str) -> None:
    alone = feed_ids(engine, order, 1)
    assert sorted(alone) == list(range(12))
    if order == "unique":
        assert sorted(alone.values(), key=lambda path: int(path[2:])) == [f"/r{i}" for i in range(12)]
    if order == "cycle":
        assert list(dict(sorted(alone.items())).values()) == [f"/r{i % 6}" for i in range(12)]
    assert feed_ids(engine, order, 3) == alone


def test_a_checked_step_that_fails_keeps_its_answers_times(engine: Engine) -> None:
    with Server(always_ok) as server:
        row = engine.offer(server, {"get": "/", "expect": {"contains": "goodbye"}}).only
    assert (row.outcome, row.status) == (Outcome.CHECK_FAILED, 200)
    assert NEVER < row.first_byte_ns <= row.done_ns
    assert row.bytes_in == len(ok(b"hello"))


@pytest.mark.parametrize("count", [lambda run: len(run.rows), lambda run: run.done.sessions])
def test_every_scheduled_session_has_a_record_of_every_step(engine: Engine, count: Callable[[Run], int]) -> None:
    with Server(always_ok) as server:
        run = engine.offer(server, {"get": "/"}, sessions=50, within_ms=50)
    assert count(run) == 50
    assert {row.session: row.intended_ns for row in each(run.rows, 0)} == {s: at for s, _, at in run.scheduled}
