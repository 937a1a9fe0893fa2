"""The view of a run while it runs: on a terminal, and in a log."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.cli.running import SEATRIAL, Done, seatrial, service, stopped, write_plan

from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.live import LiveView
from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.profile import Period, Profile, Segment, Stage, constant
from seatrial.model.sample import Outcome
from seatrial.model.verdict import StageResult
from seatrial.model.verdict_parts import PeriodResult
from seatrial.units import SECOND

HEALTH = {"busy_share": 0.25}
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


def report(worker: int, at_s: int, outcomes: dict[int, int], **facts: Any) -> Tick:
    histogram = {10 * BUCKETS_PER_OCTAVE: sum(outcomes.values())}  # 2**10 µs
    told = {"active": 3, "lag_p99_ns": 2_000_000, "health": HEALTH} | facts
    return Tick(worker, 40 * at_s, outcomes=outcomes, histogram=histogram, elapsed_ns=at_s * SECOND, **told)


def shown(made: LiveView, page: io.StringIO, stage: Stage, *ticks: Tick) -> str:
    """Return the last table that a terminal shows after these reports, on one line."""
    made.stage_started(0, stage)
    for tick in ticks:
        made.tick(0, stage, tick)
    table = made._live.renderable
    made._end_live()
    page.truncate(0)
    made._console.print(table)
    return " ".join(page.getvalue().split())


def test_the_table_adds_up_the_workers_last_second_and_names_errors_in_words(plan):
    made, page = view(terminal=True, width=110)
    stage = plan.trials[0].stages(0, plan)[0]
    made.run_started(plan, BUNDLE, 2)
    ticks = [
        report(worker, at_s, {Outcome.OK: 30 - 10 * worker, Outcome.TIMEOUT: 1 - worker}, active=3 + worker, **facts)
        for at_s in (1, 2)
        for worker, facts in ((0, {}), (1, {"lag_p99_ns": 1_000_000, "health": {"busy_share": 0.5}}))
    ]
    text = shown(made, page, stage, *ticks)
    for words in (
        "release A · load at 1 P",
        "offered 0/s journeys in progress 7",  # the second second is beyond the load of one
        "answered 50/s steps ended ok 50/s steps",
        "response time p50 1.02 ms p95, p99 1.02 ms, 1.02 ms",
        "errors so far 2 no answer in time",
        "send lag p99 2 ms generator CPU 50 %",
    ):
        assert words in text, text


def burst() -> Stage:
    shape = Profile((Segment(SECOND, 10, 10), Segment(SECOND, 80, 80), Segment(SECOND, 10, 10)))
    calm, up = Period("calm", "base", 0, SECOND), Period("burst", "burst", SECOND, 2 * SECOND, judged=True)
    after = Period("after burst", "after", 2 * SECOND, 3 * SECOND)
    return Stage(0, 0, "0.25 P → 2 P", shape, "poisson", 0, SECOND, periods=(calm, up, after))


def test_of_a_spike_the_table_names_the_period_and_each_leaves_a_line(plan):
    made, page = view(terminal=True, width=120)
    made.run_started(plan, BUNDLE, 1)
    for at_s, name in ((1, "burst"), (2, "after burst")):
        text = shown(made, page, burst(), *(report(0, second, {Outcome.OK: 1}) for second in range(1, at_s + 1)))
        assert f" {at_s} of 3 s {name} offered" in text
    figures = {"intended": 80, "ok": 60, "offered_per_s": 80.0, "goodput_per_s": 60.0, "p50_ns": 1e6, "p99_ns": None}
    period = PeriodResult(
        name="burst", role="burst", from_ns=SECOND, to_ns=2 * SECOND, refused=20, p95_ns=None, **figures
    )
    made.stage_ended(0, burst(), result(held=None).model_copy(update={"periods": (period,)}))
    assert "  burst: 60 of 80 steps/s ok, p95 hidden, 20 refused" in page.getvalue()


def test_on_a_ramp_the_table_shows_what_is_offered_then_and_not_the_mean(plan):
    made, page = view(terminal=True, width=110)
    ramp = Stage(0, 0, "0–1 P", Profile((Segment(10 * SECOND, 0, 100),)), "even", 0, SECOND)
    made.run_started(plan, BUNDLE, 1)
    assert "offered 5/s journeys" in shown(made, page, ramp)
    for at_s, offered in ((1, 5), (9, 45), (10, 50)):
        assert f"offered {offered}/s journeys" in shown(made, page, ramp, report(0, at_s, {Outcome.OK: 1}))
    ticks = [report(0, at_s, {Outcome.OK: 1}) for at_s in (1, 2, 3)]
    assert "offered 25/s journeys" in shown(made, page, ramp, *ticks)
    assert "3 of 10 s" in page.getvalue()


def test_users_who_come_back_are_shown_by_what_they_begin(plan):
    made, page = view(terminal=True, width=110)
    users = Stage(0, 0, "40 users", constant(0, 10 * SECOND), "even", 0, SECOND)
    made.run_started(plan, BUNDLE, 1)
    assert "begun 40/s journeys" in shown(made, page, users, report(0, 1, {Outcome.OK: 1}))
    assert "begun –" in shown(made, page, users)


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


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run_told(folder: Path, live: object, *more: object, seconds: int = 1, workers: int = 1) -> Done:
    """Run a small plan that tells of itself in lines."""
    with service() as server:
        write_plan(folder, server.url, ("for: 1s", f"for: {seconds}s"))
        arguments = ("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--workers", workers)
        return seatrial(*arguments, "--live", live, *more, cwd=folder)


def test_a_run_tells_of_itself_on_standard_output_while_people_are_told_on_standard_error(tmp_path):
    done = run_told(tmp_path, "-", seconds=2, workers=2)
    told = lines_of(done.out)
    assert (done.code, done.complaints) == (0, [])
    assert [line["event"] for line in told if line["event"] != "second"] == [
        *("run started", "stage started", "stage ended", "run ended"),
    ]
    seconds = [line for line in told if line["event"] == "second"]
    assert 2 <= len(seconds) <= 4
    assert sum(line["ok_steps"] for line in seconds) == told[-2]["steps"]["ok"] == told[-2]["steps"]["intended"]
    assert max(line["workers"] for line in seconds) == 2
    assert all(line["offered_journeys_per_s"] == pytest.approx(40, rel=0.01) for line in seconds[:-1])
    assert sum(line["covered_s"] for line in seconds) == pytest.approx(2, abs=0.3)
    assert told[-1]["verdict"] == "PASS"
    for words in ("2 workers, evidence in bundle", "load at 1 P", "PASS", "digest    sha256:"):
        assert words in done.err


def test_a_fifo_that_nobody_reads_changes_nothing_about_the_run(tmp_path):
    os.mkfifo(tmp_path / "live")
    done = run_told(tmp_path, "live", "--json")
    assert (done.code, done.json["verdict"]) == (0, "PASS")
    assert done.complaints == ["seatrial: --live live: nobody has opened it for reading; the run goes on all the same"]


def test_a_full_disk_for_the_lines_changes_nothing_about_the_run(tmp_path):
    done = run_told(tmp_path, "/dev/full", "--json")
    assert (done.code, done.json["verdict"]) == (0, "PASS")
    assert done.complaints == ["seatrial: --live /dev/full: No space left on device; the run goes on all the same"]


def test_a_reader_that_leaves_after_the_first_line_changes_nothing_about_the_run(tmp_path):
    with service() as server:
        write_plan(tmp_path, server.url)
        run = [*SEATRIAL, "run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--live", "-"]
        with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
            first = json.loads(process.stdout.readline())
            process.stdout.close()
            err = process.stderr.read()
    assert (first["event"], process.returncode) == ("run started", 0)
    assert err.count("seatrial: --live -: nobody reads it any more; the run goes on all the same\n") == 1
    assert "PASS" in err


def test_a_run_that_is_stopped_tells_so_up_to_its_verdict(tmp_path):
    live = tmp_path / "live.jsonl"
    with service() as server:
        write_plan(tmp_path, server.url, ("for: 1s", "for: 30s"))
        done = stopped(
            lambda process: process.send_signal(2),
            *("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--json", "--live", live),
            until=lambda: live.exists() and '"second"' in live.read_text(),
            cwd=tmp_path,
        )
    told = lines_of(live.read_text())
    assert done.code == 5
    assert [line["event"] for line in told if line["event"] != "second"] == [
        *("run started", "stage started", "stopping", "failed", "run ended"),
    ]
    assert (told[-1]["verdict"], told[-1]["trials"][0]["verdict"]) == ("INVALID", "INVALID")


@pytest.mark.parametrize(
    ("live", "complaint"),
    [
        ("-", "--json and --live - both write to standard output"),
        ("plan.yaml", "the file for the live lines holds something already: plan.yaml"),
        ("none/live", "the live lines can't be written (No such file or directory): none/live"),
    ],
)
def test_lines_that_have_no_place_are_bad_usage_and_nothing_is_sent(tmp_path, live, complaint):
    done = run_told(tmp_path, live, "--json")
    assert (done.code, done.out, len(done.complaints)) == (2, "", 1)
    assert complaint in done.complaints[0]
    assert not (tmp_path / "bundle").exists()
