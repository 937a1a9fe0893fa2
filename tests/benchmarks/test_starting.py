"""When the first request has come, and what loading modules takes."""

from __future__ import annotations

import socket
import time

import pytest
from benchmarks.servers import BenchError
from benchmarks.starting import FirstRequest, by_package

IMPORTS = """import time: self [us] | cumulative | imported package
import time:       578 |      16242 |             pydantic_core
import time:      2000 |       2000 |   numpy.linalg
import time:      1000 |       3000 | numpy
import time:       500 |        500 | json.decoder
import time:       250 |        250 | seatrial.cli.main
some other line
"""


def test_a_connection_that_asks_for_nothing_is_no_request():
    first = FirstRequest()
    try:
        socket.create_connection(("127.0.0.1", first.port)).close()
        with pytest.raises(BenchError, match="no request within"):
            first.wait(0.05)
        with socket.create_connection(("127.0.0.1", first.port)) as asking:
            before_s = time.monotonic()
            asking.send(b"GET / HTTP/1.1\r\n\r\n")
            assert before_s <= first.wait(5) <= time.monotonic()
    finally:
        first.close()


def test_modules_count_for_their_package_and_the_standard_library_is_one():
    found = by_package(IMPORTS)
    assert list(found) == ["numpy", "pydantic_core", "(standard library)", "seatrial"]
    assert found == pytest.approx({"numpy": 3.0, "pydantic_core": 0.578, "(standard library)": 0.5, "seatrial": 0.25})


def test_a_program_that_loaded_nothing_was_not_measured():
    with pytest.raises(BenchError, match="importtime"):
        by_package("Traceback: no module named seatrial")
