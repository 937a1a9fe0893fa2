"""The fuzzer's functions, over the bytes it begins with and over all it has found."""

from __future__ import annotations

import pytest
from tests.fuzz.readings import check
from tests.fuzz.targets import TARGETS, seeds

OK = b"HTTP/1.1 200 OK\r\n"
FOUND = {
    "a value whose last byte is a space in Latin-1": (OK + b"x: \xe5\x8a\xa0\r\ncontent-length: 0\r\n\r\n", False),
    "a value that is a unit separator": (OK + b"x: \x1f\r\n\r\n", True),
    "a line end after the last chunk": (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n\r\n", False),
    "a body after 304, its head seen before": (b"HTTP/1.1 304 Same\r\ncontent-length: 7\r\n\r\n1234567", False),
    "garbage after an interim response": (b"HTTP/1.1 100 Go on\r\n\r\nwhat\r\n\r\n", False),
    "an option that only begins like close": (OK + b"connection: closed\r\ncontent-length: 0\r\n\r\n", False),
    "an interim response of HTTP/1.0": (b"HTTP/1.0 100 Go on\r\n\r\nHTTP/1.1 204 No\r\n\r\n", False),
}
"""What the fuzzers and the laws found in the reader, and in the laws themselves."""


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_passes_and_so_does_each_of_its_beginnings(target: str) -> None:
    count = 0
    for data in seeds(target):
        for end in {len(data), len(data) // 2, len(data) - 1}:
            TARGETS[target](data[:end])
            count += 1
    assert count >= 10


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_found(name: str) -> None:
    data, ended = FOUND[name]
    for size in range(1, len(data) + 1):
        check(data, ended=ended, size=size)


@pytest.mark.parametrize(
    "data", [b"a= 1 0\n\xff\xffc; exp\x8fres=Thu", b"a=\xe5\x8a\xa0\nb=\x85", b"\x85=\xa0; expires=\xb2"]
)
def test_cookies_that_were_found_once_stay_found(data: bytes) -> None:
    TARGETS["cookies"](data)
