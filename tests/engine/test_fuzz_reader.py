"""The response reader against h11 and httptools: whole messages, damaged ones, and any cut into segments.

What the three may differ in is named in ``tests.fuzz.readings.DIFFERENCES`` and listed in ``docs/design/fuzzing.md``.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.test_message import CHUNKED, EARLY, FRAMINGS, GO_ON, OK, REFUSALS, responses
from tests.fuzz.readings import DIFFERENCES, REFUSED, WHOLE, by_ours, check, pieces_of

from seatrial.engine.http import message

DOCUMENT = Path(__file__).parents[2] / "docs" / "design" / "fuzzing.md"
SMALL = [data for data in REFUSALS.values() if len(data) < 3000]
TOKENS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"=",
        b'"',
        b"\x00",
        b"\x0b",
        b"\x7f",
        b"\xa0",
    ),
    *(
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"x: y\r\n",
        b"trailer: x\r\n",
    ),
    *(b"connection: keep-alive\r\n", b"connection: upgrade\r\nupgrade: x\r\n", b"Set-Cookie: a=b\r\n"),
    *(OK, b"HTTP/1.0 204 x\r\n", GO_ON, EARLY, CHUNKED, b"5\r\nhello\r\n", b"0\r\n\r\n", b"0", b"1", b"-", b"+", b"ff"),
    *(b"101", b"204", b"304", b"600", b"999"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a response, well-formed or not, to which up to four things were done."""
    made, _ = draw(responses())
    data = bytearray(draw(st.sampled_from([made, *(f[1] for f in FRAMINGS), *SMALL])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 8)))
        what = draw(st.sampled_from(["insert", "replace", "drop", "byte", "repeat", "case"]))
        if what in {"insert", "replace"}:
            data[at : until if what == "replace" else at] = draw(st.sampled_from(TOKENS))
        elif what == "drop":
            del data[at:until]
        elif what == "byte" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif what == "repeat":
            data[at:at] = data[at : at + draw(st.integers(0, 60))]
        elif what == "case":
            data[at:until] = data[at:until].swapcase()
    return bytes(data)


@settings(max_examples=600)
@given(data=damaged(), is_head=st.booleans(), ended=st.booleans(), size=st.integers(1, 12))
def test_whatever_comes_is_read_as_others_read_it_or_differs_in_a_known_way(
    data: bytes, is_head: bool, ended: bool, size: int
) -> None:
    check(data, is_head, ended, size)


@settings(max_examples=300)
@given(data=damaged(), is_head=st.booleans(), ended=st.booleans(), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_no_cut_changes_what_is_read_nor_what_is_refused(
    data: bytes, is_head: bool, ended: bool, cuts: list[int]
) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert by_ours(pieces, is_head, ended) == by_ours(pieces_of(data, 0), is_head, ended)


@settings(max_examples=300)
@given(made=responses(), extra=st.sampled_from([b"", b"", b"x", b"\r\n", OK]), size=st.integers(1, 40))
def test_a_well_formed_response_is_whole_and_one_with_more_after_it_is_not(
    made: tuple[bytes, bool], extra: bytes, size: int
) -> None:
    data, closes = made
    ours = by_ours(pieces_of(data + extra, size), False, closes)
    assert ours.kind == (REFUSED if extra and not closes else WHOLE)
    assert check(data + extra, ended=closes, size=size) in {"", "a body until close", "the same length twice"}


def test_a_value_keeps_the_bytes_that_look_like_space_in_latin_1() -> None:
    name = "加".encode()  # its last byte is A0, which Latin-1 takes for a space that does not break
    data = OK + b"set-cookie: name=" + name + b" \r\nx:\x85\x1c\r\ncontent-length: 0\r\n\r\n"
    ours = by_ours([data], False, False)
    assert [value.encode("latin-1") for _, value in ours.fields[:2]] == [b"name=" + name, b"\x85\x1c"]
    assert check(data) == "a control character in a field"


EXAMPLES = {
    "a line ends with a bare line feed": (b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", False),
    "line ends before the status line": (b"\r\n" + OK + b"content-length: 0\r\n\r\n", False),
    "a status below 100 or above 599": (b"HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n", False),
    "a version other than 1.0 and 1.1": (b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n", False),
    "NUL in the reason phrase": (b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n", False),
    "a folded field": (OK + b"x: y\r\n z\r\ncontent-length: 0\r\n\r\n", False),
    "a length beside chunked": (OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
    "a list of lengths": (OK + b"content-length: 1, 1\r\n\r\na", False),
    "a length of 16 to 20 digits": (OK + b"content-length: 0000000000000001\r\n\r\na", False),
    "a coding other than chunked": (b"HTTP/1.1 204 No Content\r\ntransfer-encoding: gzip\r\n\r\n", False),
    "a chunk or trailer not of the RFC's form": (CHUNKED + b"1;\r\na\r\n0\r\n\r\n", False),
    "a vertical tab or form feed": (OK + b"x: \x0by\r\ncontent-length: 0\r\n\r\n", False),
    "a control character in a field": (OK + b"x: \x11\r\ncontent-length: 0\r\n\r\n", False),
    "a chunk size with many zeros": (CHUNKED + b"0" * 22 + b"1\r\na\r\n0\r\n\r\n", False),
    "the same length twice": (OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\na", False),
    "an interim response that closes": (b"HTTP/1.0 100 Go on\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", False),
    "a tab beside chunked": (OK + b"transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n", False),
    "HTTP/1.0 with keep-alive": (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", False),
    "chunked in HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        False,
    ),
    "a body until close": (OK + b"\r\nhello", True),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_known_difference_is_real(name: str) -> None:
    data, ended = EXAMPLES[name]
    assert name in check(data, ended=ended).split(", ")


def test_every_known_difference_has_an_example_and_is_written_down() -> None:
    names = {name for name, _, _ in DIFFERENCES}
    assert names == set(EXAMPLES)
    told = DOCUMENT.read_text(encoding="utf-8")
    assert {name for name in names if f"| {name} |" not in told} == set()


def test_a_reader_that_takes_what_it_should_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracles are worth something: each of these breaks of the reader is seen, on a damaged message or a cut."""
    breaks = {
        "_FIELD_LINE": message.re.compile(rb"\r\n(?!)"),  # fields are not looked at
        "_END_OF_CHUNKS": message.re.compile(b""),  # line ends after a body in chunks pass
        "_CODING": message.re.compile(rb"\r\ntransfer-encoding:(chunked)"),  # a coding is not always found
        "MAX_HEAD": 30,
    }
    for name, broken in breaks.items():
        with monkeypatch.context() as patch:
            patch.setattr(message, name, broken)
            message._known_heads.clear()
            found = Counter(_disagreements())
        message._known_heads.clear()
        assert found[True] > 0, name


def _disagreements() -> list[bool]:
    rng = random.Random(1)
    made = [data + tail for _, data, *_ in FRAMINGS for tail in (b"", b"\r\n")] + SMALL
    found = []
    for data in made:
        try:
            check(data, ended=True, size=rng.randrange(1, 8))
            found.append(False)
        except AssertionError:
            found.append(True)
    return found
