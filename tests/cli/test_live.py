"""The view of a run while it runs: on a terminal, and in a log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.running import write_plan

from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.live import LiveView
from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.sample import Outcome
from seatrial.model.verdict import StageResult

HEALTH = {"cpu_share": 0.25}
BUNDLE = Path("/evidence/of-the-booking-service/20261109T070000Z-sports-facility-booking-opening-morning")


def view(*, terminal: bool, width: int) -> tuple[LiveView, io.StringIO]:
    page, made = io.StringIO(), LiveView("release A")
    made._console = Console(file=page, force_terminal=terminal, width=width, highlight=False, color_system=None)
    return made, page


@pytest.fixture
def plan(tmp_path):
    return load_plan(write_plan(tmp_path, "http://127.0.0.1:8080", ("A visit", "'[red]Opening[/red] 開場'"))).plan


def result(held: bool | None) -> StageResult:
    return StageResult(
        index=0,
        name="1 P",
        rate=40.0,
        duration_ns=10**9,
        intended=200,
        sent=200,
        ok=150,
        outcomes={},
        offered_per_s=200.0,
        achieved_per_s=200.0,
        goodput_per_s=150.0,
        p50_ns=1e6,
        p95_ns=None,
        p99_ns=None,
        held=held,
        objectives=(),
    )


def test_in_a_log_a_run_is_one_line_and_each_stage_is_one_whatever_the_width(plan):
    made, page = view(terminal=False, width=40)
    stage = plan.trials[0].stages(0, plan)[0]
    made.run_started(plan, BUNDLE, 2)
    for held in (True, False, None):
        made.stage_started(0, stage)
        made.tick(0, stage, Tick(0, 40, 1, {Outcome.OK: 40}, {0: 40}, 1000, HEALTH))
        made.stage_ended(0, stage, result(held))
    made.run_ended(None)
    figures = "150 of 200 steps/s ok, p95 hidden, errors 25 %"
    assert page.getvalue().splitlines() == [
        f"release A · [red]Opening[/red] 開場: http://127.0.0.1:8080, 2 workers, evidence in {BUNDLE}",
        f"release A · load at 1 P (40/s journeys): held; {figures}",
        f"release A · load at 1 P (40/s journeys): broke; {figures}",
        f"release A · load at 1 P (40/s journeys): undecided; {figures}",
    ]


def test_the_table_adds_up_the_workers_last_second_and_names_errors_in_words(plan):
    made, page = view(terminal=True, width=110)
    stage = plan.trials[0].stages(0, plan)[0]
    made.run_started(plan, BUNDLE, 2)
    bucket = 10 * BUCKETS_PER_OCTAVE  # 2**10 µs
    for _ in range(2):
        made.tick(0, stage, Tick(0, 40, 3, {Outcome.OK: 30, Outcome.TIMEOUT: 1}, {bucket: 31}, 2_000_000, HEALTH))
        made.tick(0, stage, Tick(1, 40, 4, {Outcome.OK: 20}, {bucket: 20}, 1_000_000, {"cpu_share": 0.5}))
    made._console.print(made._table(0, stage))
    shown = " ".join(page.getvalue().split())
    for words in (
        "release A · load at 1 P",
        "offered 40/s journeys in progress 7",
        "steps ended 51/s ended ok 50/s",
        "response time p50 1.02 ms p95 1.02 ms",
        "errors so far 2 no answer in time",
        "send lag p99 2 ms generator CPU 50 %",
    ):
        assert words in shown, shown


def test_a_terminal_shows_the_table_at_once_and_is_left_clean(plan):
    made, page = view(terminal=True, width=110)
    stage = plan.trials[0].stages(0, plan)[0]
    made.run_started(plan, BUNDLE, 1)
    made.stage_started(0, stage)
    assert "0 of 1 s" in page.getvalue()
    made.stopping()
    made.failed("a person stopped the run")
    made.run_ended(None)
    text = page.getvalue()
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")  # the cursor was hidden, and is back
    assert "Stopping: requests under way have a few seconds" in text
    assert text.endswith("seatrial: a person stopped the run\n")
