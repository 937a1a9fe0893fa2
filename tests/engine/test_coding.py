"""Bodies that a service compresses are read as it meant them, and what is not what it says is refused."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.answers import compile_check
from seatrial.engine.http import coding
from seatrial.engine.http.coding import CODINGS, decoded
from seatrial.engine.http.message import ProtocolError, Reader
from seatrial.model.journey import Check
from seatrial.model.sample import Outcome


def bare_deflate(body: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(body) + squeeze.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": lambda body: body,
}


@given(body=st.binary(max_size=2000), names=st.lists(st.sampled_from(sorted(ENCODERS)), max_size=3))
def test_what_was_encoded_comes_back_in_any_order_of_codings(body, names):
    encoded = body
    for name in names:
        encoded = ENCODERS[name](encoded)
    assert decoded(encoded, [", ".join(names).upper()]) == body


def test_every_coding_that_is_undone_is_tried_here():
    assert set(CODINGS) == set(ENCODERS)


def test_bare_deflate_and_gzip_and_zstd_of_several_members_are_read():
    assert decoded(bare_deflate(b"court" * 50), ["deflate"]) == b"court" * 50
    assert decoded(gzip.compress(b"a") + gzip.compress(b"b"), ["gzip"]) == b"ab"
    assert decoded(ENCODERS["zstd"](b"a" * 5000) + ENCODERS["zstd"](b"b"), ["zstd"]) == b"a" * 5000 + b"b"


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_cut_off_or_is_something_else_is_refused_by_name(name):
    whole = ENCODERS[name](bytes(range(256)) * 20)
    for broken in (whole[:-5], whole[:1], b"<html>" + whole):
        with pytest.raises(ProtocolError, match=f"not valid {name}"):
            decoded(broken, [name])


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_small_body_can_not_fill_the_memory(name, monkeypatch):
    monkeypatch.setattr(coding, "MAX_BODY", 100_000)
    assert decoded(ENCODERS[name](bytes(100_000)), [name]) == bytes(100_000)
    with pytest.raises(ProtocolError, match="grows beyond"):
        decoded(ENCODERS[name](bytes(10_000_000)), [name])


def test_an_unknown_coding_is_refused_and_nothing_needs_no_undoing():
    with pytest.raises(ProtocolError, match="unknown content coding: 'snappy'"):
        decoded(b"x", ["snappy"])
    assert decoded(b"", ["gzip"]) == b""
    assert decoded(b"x", []) == b"x"


def answer(body: bytes, name: str):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    response = Reader().feed(head + body)
    assert response is not None
    return response


def test_checks_look_at_the_body_as_it_was_meant():
    response = answer(gzip.compress(b'{"free": 3}'), "gzip")
    assert compile_check(Check.model_validate({"json": {"$.free": 3}}))(response) == (Outcome.OK, "")
    assert response.body == b'{"free": 3}'


def test_an_answer_that_can_not_be_read_is_no_answer_even_where_nobody_looks_at_it():
    outcome, detail = compile_check(Check())(answer(b"plain", "br"))
    assert outcome is Outcome.CHECK_FAILED
    assert detail.startswith("the body is not valid br")
