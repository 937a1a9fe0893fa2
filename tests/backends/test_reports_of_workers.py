"""What a worker reports each second: steps and not attempts, on the stage's own time, with its connections."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.backends.test_local import nothing, plan_of, specs_of, stage
from tests.engine.served import Request, Server, always_ok, answering, ok, read_rows

from seatrial.backends.local import LocalBackend
from seatrial.engine.worker import Tick
from seatrial.errors import WorkerLostError
from seatrial.model.health import LAG_COLUMNS
from seatrial.model.sample import Outcome
from seatrial.samples.codec import HEALTH_DTYPE, read_frames
from seatrial.samples.spool import health_file
from seatrial.units import MS, SECOND


def total(ticks: list[Tick], *columns: str) -> int:
    return sum(int(tick.health[name]) for tick in ticks for name in columns)


def test_attempts_that_were_retried_are_in_no_histogram(tmp_path: Path) -> None:
    turn = itertools.count()

    def every_other(request: Request) -> bytes | None:
        return ok(b"sorry", status=503) if next(turn) % 2 == 0 else ok(b"fine")

    step = {"get": "/", "retry": {"after": "1s", "most": 9, "on_error": True}}
    ticks: list[Tick] = []
    with Server(answering(every_other)) as server, LocalBackend() as backend:
        backend.start(specs_of(plan_of(server.port, {"visit": {"steps": [step]}}), tmp_path))
        run = backend.run_stage(stage(60, 0.4), nothing, ticks.append)
    rows = [row for path in run.spools for row in read_rows(path)]
    steps = [row for row in rows if row.outcome is not Outcome.RETRIED]
    assert len(rows) - len(steps) > 5
    assert total(ticks, *LAG_COLUMNS) == len(steps)
    assert sum(sum(tick.histogram.values()) for tick in ticks) == len(steps)
    assert sum(tick.outcomes.get(Outcome.RETRIED, 0) for tick in ticks) == len(rows) - len(steps)


def test_a_report_counts_from_the_instant_that_arrivals_count_from(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    starts: list[int] = []
    with Server(always_ok) as server, LocalBackend() as backend:
        backend.start(specs_of(plan_of(server.port, {"visit": {"steps": [{"get": "/"}]}}), tmp_path))
        backend.run_stage(stage(40, 1.2), starts.append, ticks.append)
    assert len(ticks) == 2
    assert all(tick.elapsed_ns == tick.health["at_ns"] - starts[0] for tick in ticks)
    assert 0.5 * SECOND < ticks[0].elapsed_ns < ticks[1].elapsed_ns
    assert ticks[1].elapsed_ns >= 1.2 * SECOND - 50 * MS


def test_connections_that_are_held_are_counted_and_nothing_else_that_is_watched(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    with Server(answering(lambda _: None)) as server, LocalBackend() as backend:
        backend.start(specs_of(plan_of(server.port, {"visit": {"steps": [{"get": "/"}]}}), tmp_path))
        backend.run_stage(stage(30, 1.0, drain_ms=200), nothing, ticks.append)
        assert ticks[0].health["connections"] == ticks[0].active > 10
    assert ticks[-1].health["connections"] == 0
    assert ticks[0].health["open_files"] > ticks[0].health["connections"]


BREAKS_LATE = """
import pathlib, time
BEGAN = time.monotonic()

async def visit(session):
    await session.get("/", name="a")
    if time.monotonic() - BEGAN > 1.5:
        try:
            pathlib.Path(__file__).with_name("broken").touch(exist_ok=False)
        except FileExistsError:
            return
        raise RuntimeError("of its own")
    await session.pause(0.02)
    await session.get("/", name="b")
"""


def test_health_rows_around_a_journey_that_broke_count_no_connection_below_zero(tmp_path: Path) -> None:
    """One worker's journey breaks; the other, whose run is gone, still writes a row about itself as it leaves."""
    (tmp_path / "journeys.py").write_text(BREAKS_LATE)
    ticks: list[Tick] = []
    with Server(always_ok) as server, LocalBackend() as backend:
        plan = plan_of(server.port, {"own": {"python": "journeys.py:visit", "step_names": ["a", "b"]}})
        backend.start(specs_of(plan, tmp_path / "spool", 2, base=tmp_path))
        with pytest.raises(WorkerLostError, match="of its own"):
            backend.run_stage(stage(60, 4.0), nothing, ticks.append)
    assert (tmp_path / "broken").exists()
    assert {tick.worker for tick in ticks} == {0, 1}
    rows = [
        [row for frame in read_frames(health_file(tmp_path / "spool", worker), HEALTH_DTYPE) for row in frame]
        for worker in range(2)
    ]
    assert sum(map(len, rows)) > len(ticks)  # one more of the worker that was left, which nobody heard any more
    assert min(int(row["connections"]) for worker in rows for row in worker) == 0
