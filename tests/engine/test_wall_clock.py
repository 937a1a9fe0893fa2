"""The system's clock may be set while a trial runs: nothing that is measured is read from it."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
import time_machine
from tests.engine.served import Engine, Request, Server, answering, ok

import seatrial
from seatrial.engine.python_session import PythonSession
from seatrial.model.sample import Outcome
from seatrial.units import MS

ROOT = Path(seatrial.__file__).parent
MEASURING = ("engine", "samples", "backends", "model", "stats", "verdict", "trials")
WALL_CLOCKS = {
    *("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "clock_gettime", "clock_gettime_ns"),
    *("now", "utcnow", "today", "fromtimestamp", "CLOCK_REALTIME", "st_mtime", "st_ctime", "st_atime", "getmtime"),
}
PERMITTED = {
    ("engine/cookies.py", "_is_past", "time"),  # the Expires of a cookie is a wall clock's time
    ("engine/health.py", "clock_offset_ns", "time_ns"),  # to notice that somebody sets the wall clock
}
"""Beside ``now`` of ``seatrial.clock`` in the use cases: dates in the evidence say when, never how long."""


def wall_clocks(source: str) -> set[tuple[str, str]]:
    """Return (function, name) for each name in a module by which the wall clock can be read."""
    found = set()

    def look(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Attribute) and node.attr in WALL_CLOCKS:
            found.add((function, node.attr))
        elif isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"}:
            found.update((function, name.name) for name in node.names if name.name in WALL_CLOCKS)
        for child in ast.iter_child_nodes(node):
            look(child, function)

    look(ast.parse(source), "")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "from time import time as t",
        "import datetime as d\nd.datetime.now()",
        "import time\ntime.clock_gettime(time.CLOCK_REALTIME)",
        "from time import gmtime",
    ],
)
def test_a_reading_of_the_wall_clock_is_found(source: str) -> None:
    assert wall_clocks(source)
    assert not wall_clocks("from time import monotonic_ns\nmonotonic_ns()")


def test_no_module_that_measures_reads_the_wall_clock() -> None:
    modules = [path for room in MEASURING for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(modules) > 60
    found = {
        (str(path.relative_to(ROOT)), *where) for path in modules for where in wall_clocks(path.read_text("utf-8"))
    }
    assert found >= PERMITTED
    others = found - PERMITTED
    assert {(path, name) for path, _, name in others if (path[:7], name) != ("trials/", "now")} == set()


@pytest.mark.parametrize("hours", [-1000, 1000])
def test_a_clock_that_is_set_in_the_middle_changes_no_time_no_pause_and_no_deadline(engine: Engine, hours: int) -> None:
    """The wall clock of the whole process is set, in C, while one session pauses and another waits for an answer."""

    async def visit(session: PythonSession) -> None:
        number = session._session.number
        if number == 0:
            await session.pause(0.05)
            clock.shift(hours * 3600)
        if number == 1:
            await session.get("/never", name="a")
        await session.pause(0.1)
        await session.get("/", name="a")

    def answer(request: Request) -> bytes | None:
        return None if request.path == "/never" else ok(b"hello")

    before = time.monotonic()
    with time_machine.travel(time.time(), tick=True) as clock, Server(answering(answer)) as server:
        began = time.time()
        run = engine.offer(server, python={("a",): visit}, sessions=3, within_ms=30, response_ms=120)
        assert abs(time.time() - began - hours * 3600) < 10  # it was set indeed
    assert time.monotonic() - before < 10
    assert run.outcomes == [Outcome.OK, Outcome.TIMEOUT, Outcome.OK]
    paused, waited, other = sorted(run.rows, key=lambda row: row.session)
    assert 120 * MS <= waited.done_ns - waited.sent_ns < 500 * MS
    for row, pause_ns in ((paused, 150 * MS), (other, 100 * MS)):
        arrived = run.scheduled[row.session][2]
        assert row.intended_ns == arrived + pause_ns
        assert 0 <= row.sent_ns - row.intended_ns < 300 * MS
        assert 0 < row.done_ns - row.sent_ns < 500 * MS
