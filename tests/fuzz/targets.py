"""What is fuzzed: a function of bytes for each reader of what a service sends, and bytes to begin with.

A target returns normally for every input whatever; anything it raises is a finding.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import brotli
import zstandard
from tests.engine.test_message import FRAMINGS, REFUSALS
from tests.fuzz.readings import check

from seatrial.engine.cookies import MAX_COOKIES, cookie_bytes, store_cookies
from seatrial.engine.http.coding import CODINGS, decoded
from seatrial.engine.http.message import MAX_BODY, ProtocolError

__all__ = ["TARGETS", "reader_input", "seeds"]

_HEAD, _ENDED = 1, 2
_LONGEST_SEED: Final = 3000
_NAMES: Final = sorted(CODINGS)
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")


def reader_input(data: bytes, is_head: bool = False, ended: bool = False, size: int = 1) -> bytes:
    """Return what :func:`fuzz_reader` takes for ``data``: two bytes say how it is read."""
    return bytes([_HEAD * is_head | _ENDED * ended, size]) + data


def fuzz_reader(data: bytes) -> None:
    """Read a connection's bytes, in pieces and whole, and compare with h11 and httptools."""
    if len(data) > 2:
        check(data[2:], bool(data[0] & _HEAD), bool(data[0] & _ENDED), data[1] % 16)


def fuzz_coding(data: bytes) -> None:
    """Undo a content coding: what succeeds is bounded, the same again, and what the library itself says."""
    if not data:
        return
    name, body = _NAMES[data[0] % len(_NAMES)], data[1:]
    try:
        content = decoded(body, [name])
    except ProtocolError:
        return
    assert len(content) <= MAX_BODY
    assert decoded(body, [name]) == content
    if body and name == "gzip":
        assert content.startswith(zlib.decompressobj(31).decompress(body))
    if body and name == "zstd":
        assert content.startswith(zstandard.ZstdDecompressor().decompressobj().decompress(body))


def fuzz_cookies(data: bytes) -> None:
    """Keep the cookies of several fields: the jar stays bounded, and a request with it stays one request."""
    fields = [line.decode("latin-1") for line in data.split(b"\n")]
    jar: dict[str, str] = {}
    store_cookies(jar, fields)
    assert len(jar) <= MAX_COOKIES
    assert all(name and len(name) + len(value) <= 4096 for name, value in jar.items())
    sent = cookie_bytes(jar)
    assert not _CONTROL.search(sent)
    for name, value in jar.items():
        assert name.encode("latin-1") in data
        assert value.encode("latin-1") in data
    again: dict[str, str] = {}
    store_cookies(again, fields)
    assert cookie_bytes(again) == sent


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "reader": fuzz_reader,
    "coding": fuzz_coding,
    "cookies": fuzz_cookies,
}


def seeds(target: str) -> Iterator[bytes]:
    """Return inputs to begin with: small, valid and invalid, of every kind that the tests know."""
    if target == "reader":
        for _, data, head, ended, *_ in FRAMINGS:
            yield reader_input(data, head, ended)
        for data in REFUSALS.values():
            if len(data) <= _LONGEST_SEED:
                yield reader_input(data)
                yield reader_input(data, ended=True, size=3)
    elif target == "coding":
        encoders: dict[str, Callable[[bytes], bytes]] = {
            "gzip": lambda body: gzip.compress(body, mtime=0),
            "deflate": zlib.compress,
            "br": brotli.compress,
            "zstd": zstandard.ZstdCompressor().compress,
        }
        for name, encode in encoders.items():
            for body in (b"", b"court" * 20, bytes(range(256))):
                yield bytes([_NAMES.index(name)]) + encode(body)
                yield bytes([_NAMES.index(name)]) + encode(body) * 2
    else:
        yield b"sid=1; Path=/; HttpOnly\nlang=zh-Hant; Max-Age=3600\nsid=; Max-Age=0"
        yield b"a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT\na=c; expires=Thu, 01-Jan-70 00:00:00 +0800"
        yield "name=\u52a0; SameSite=Lax; Secure; Domain=.hk".encode()
        yield b"=x\nx\n;\na=\x01\na=;;max-age=-1;expires=;"
