"""What stands in an answer, however made, ends a step and never a run: each reader of content meets the worst of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.served import Engine, Request, Server, answering

from seatrial.model.sample import Outcome

SEEN = {"status": [200, 301, 302, 303, 307, 308, 404, 500]}
TAKEN = {
    "j": {"json": "$..id", "pick": "random", "optional": True},
    "p": {"json": "$.free[*].id", "optional": True},
    "r": {"regex": "id=(\\w+)", "optional": True},
    "c": {"css": "a[href]", "attribute": "href", "optional": True},
    "h": {"header": "location", "optional": True},
    "k": {"cookie": "sid", "optional": True},
}
FLOWS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"get": "/", "expect": SEEN | {"contains": "加"}},),
    ({"get": "/", "expect": SEEN | {"headers": {"x": "y"}, "matches": "a+b"}},),
    ({"get": "/", "expect": SEEN | {"json": {"$..a": 1}, "size": {"at_most": 10}}},),
    ({"get": "/x?y=1"}, {"post": "/", "form": {"a": "b"}}, {"head": "/"}),
    ({"get": "/", "resources": True}, {"get": "/p/q?r", "resources": True}),
    (
        {"get": "/", "expect": SEEN, "extract": TAKEN},
        {"post": "/d", "json": {"j": "${j}"}, "when": "j", "expect": SEEN},
        {"post": "/d", "form": {"p": "${p}"}, "when": "p", "expect": SEEN},
        {"get": "/e/${r}", "when": "r", "expect": SEEN},
        {"get": "/f", "headers": {"x-last": "${h}"}, "when": "h", "expect": SEEN},
        {"get": "/h?k=${k}", "when": "k", "expect": SEEN},
        {"get": "/g/${c}", "when": "c", "expect": SEEN},
    ),
)

VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20)
LOCATIONS = st.one_of(
    VALUES,
    st.sampled_from(
        [
            *("/x", "//", "http://", "http://[::1", "http://127.0.0.1:99999/", "/a b", "?", "#", "/../..", "/%zz"),
            *("http://127.0.0.1:x/", "javascript:1", "///x", "http://\u00b2/", "https://127.0.0.1/", "\\\\x", "/\t/"),
            "\u00e5\u008a\u00a0",
        ]
    ),
)
CHARSETS = [
    "utf-8",
    "big5",
    "hex",
    "rot13",
    "zlib",
    "idna",
    "punycode",
    "undefined",
    "mbcs",
    "x" * 300,
    "\u00ff",
    "",
    "'",
]
TYPES = st.sampled_from(CHARSETS).map(lambda name: f"text/html; charset={name}")
NAMED = {
    "location": LOCATIONS,
    "content-type": TYPES,
    "set-cookie": VALUES.map(lambda value: f"sid={value}"),
    "x": VALUES,
}
FIELDS = st.lists(
    st.one_of([st.tuples(st.just(name), values) for name, values in NAMED.items()])
    | st.tuples(st.just("content-encoding"), st.sampled_from([*["identity"] * 12, ",", "gzip", "br", "zstd", "x"])),
    max_size=4,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(
                b'{"id": 1e999}',
                b'{"free": [{"id": null}, {"id": [1]}]}',
                b"[" * 5000,
                b'{"a":' * 3000,
                b"NaN",
                b'"\\ud800"',
            ),
            *(
                b'{"free": {"id": 1}, "id": "\\u0000\\r\\nx: y"}',
                b'{"id": 1' + b"0" * 5000 + b"}",
                b'{"a": 1, "id": true}',
            ),
            *(
                b'<a href="\x00"><img src="http://[">',
                b"<a href='/ \r\n'>id=\xff</a>",
                b"<img src='//'>" * 300,
                b"<" * 9000,
            ),
            *(
                b"<base href='http://x/'><img src=y><script src='/s.js'>",
                "id=加 加ab".encode(),
                b"\xef\xbb\xbf{}",
                b"id=" * 900,
            ),
        ]
    ),
)
ANSWERS = st.lists(
    st.tuples(st.sampled_from([200, 200, 200, 301, 302, 303, 307, 308, 404, 500]), FIELDS, BODIES),
    min_size=1,
    max_size=6,
)


Answer = tuple[int, list[tuple[str, str]], bytes]


@settings(max_examples=60, deadline=None)
@given(answers=ANSWERS, steps=st.sampled_from(FLOWS))
def test_no_content_ends_a_run(answers: list[Answer], steps: tuple[dict[str, Any], ...]) -> None:
    count = iter(range(10**6))

    def answer(request: Request) -> bytes:
        status, fields, body = answers[next(count) % len(answers)]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")
        return b"HTTP/1.1 %d x\r\n%scontent-length: %d\r\n\r\n%s" % (status, lines, len(body), body)

    with tempfile.TemporaryDirectory() as folder, Server(answering(answer)) as server:
        run = Engine(Path(folder)).offer(server, *steps, sessions=3, hops=3, response_ms=2000)
    assert {row.session for row in run.rows} == {0, 1, 2}
    assert Outcome.IN_FLIGHT not in run.outcomes
    assert Outcome.UNSENT not in run.outcomes
