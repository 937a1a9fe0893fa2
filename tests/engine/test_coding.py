"""Bodies that a service compresses are read as it meant them, and what is not what it says is refused."""

import gzip
import time
import zlib
from contextlib import suppress

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


EMPTY = {
    "gzip": gzip.compress(b""),
    "zstd": zstandard.ZstdCompressor().compress(b""),
    "skippable zstd": b"\x50\x2a\x4d\x18" + bytes(4),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_body_of_countless_members_is_refused_at_once(name):
    began = time.process_time()
    with pytest.raises(ProtocolError, match="more than 4096 compressed members"):
        decoded(EMPTY[name] * 100_000, [name.split()[-1]])
    assert time.process_time() - began < 2


def test_as_many_members_as_are_permitted_are_read_wherever_they_lie():
    for size in (1, 1000, 20_000):
        member = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert decoded(gzip.compress(member, 1) * 64, ["gzip"]) == member * 64
        assert decoded(ENCODERS["zstd"](member) * 64, ["zstd"]) == member * 64


def test_codings_piled_on_each_other_are_bounded():
    body = b"court"
    for _ in range(5):
        body = gzip.compress(body)
    assert decoded(body, ["gzip, gzip", "gzip, gzip, gzip"]) == b"court"
    with pytest.raises(ProtocolError, match="6 content codings"):
        decoded(gzip.compress(body), ["gzip," * 6])


@given(body=st.binary(max_size=200), name=st.sampled_from(sorted(ENCODERS)), data=st.data())
def test_a_damaged_body_is_read_or_refused_and_nothing_else(body, name, data):
    encoded = bytearray(ENCODERS[name](body))
    for _ in range(data.draw(st.integers(1, 4))):
        if encoded:
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):
        decoded(bytes(encoded), [name])
