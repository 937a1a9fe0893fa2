"""The view: what was gathered, and what is missing, by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from seatrial.model.sample import Outcome
from seatrial.reports.checks import busiest
from seatrial.reports.html import render_html
from seatrial.reports.view import report_view
from seatrial.units import SECOND

PARTS = (
    "plan.json",
    "policy.json",
    "release.json",
    "environment.json",
    "journal.jsonl",
    "health/01-load.parquet",
    "diagnostics/01-load.jsonl",
)


@pytest.fixture
def copy(interrupted: Any, tmp_path: Path) -> Path:
    """A small bundle that a test may damage."""
    return Path(shutil.copytree(interrupted.folder, tmp_path / "bundle"))


def test_a_whole_bundle_misses_nothing(healthy: Any) -> None:
    assert healthy.view.missing == ()
    assert [trial.name for trial in healthy.view.trials] == ["load", "stress"]


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_said_in_the_page(copy: Path, interrupted: Any, part: str) -> None:
    (copy / part).unlink()
    view = report_view(copy, interrupted.verdict)
    assert part in {missing.part for missing in view.missing}
    if part == "release.json":
        assert "bound to no release" in render_html(view)
    else:
        assert f"{part} is not in the bundle." in render_html(view)


@pytest.mark.parametrize("part", [*PARTS, "records/01-load/part-0000.parquet"])
def test_an_unreadable_part_is_said_in_the_page(copy: Path, interrupted: Any, part: str) -> None:
    (copy / part).write_bytes(b'{"torn": \xff\xfe\n}\n')
    view = report_view(copy, interrupted.verdict)
    found = [missing for missing in view.missing if missing.code == "unreadable"]
    assert len(found) == 1
    assert part.startswith(found[0].part)
    assert found[0].detail
    assert str(copy) not in render_html(view)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("outcome", 77, "86 records have an outcome that is not known"),
        ("done_ns", None, "values are missing in done_ns"),
    ],
)
def test_records_that_make_no_sense_are_not_drawn(
    copy: Path, interrupted: Any, column: str, value: int | None, said: str
) -> None:
    path = copy / "records/01-load/part-0000.parquet"
    records = pl.read_parquet(path)
    records.with_columns(pl.lit(value, dtype=records.schema[column]).alias(column)).write_parquet(path)
    view = report_view(copy, interrupted.verdict)
    assert [missing.detail for missing in view.missing if missing.code == "unreadable"] == [said]
    assert view.trials[0].timeline is None


def test_missing_records_leave_no_chart_and_a_sentence(copy: Path, interrupted: Any) -> None:
    shutil.rmtree(copy / "records")
    view = report_view(copy, interrupted.verdict)
    assert view.trials[0].timeline is None
    page = render_html(view)
    assert "records/01-load is not in the bundle." in page
    assert "There are no records of this trial, so there is nothing to draw." in page


def test_a_trial_that_did_not_take_place_is_named(interrupted: Any) -> None:
    assert ("trial", "stress") in {(missing.code, missing.part) for missing in interrupted.view.missing}
    assert "The trial “stress” did not take place." in interrupted.page


def test_counts_of_outcomes_are_those_of_the_records(collapsing: Any) -> None:
    for trial, folder in zip(collapsing.view.trials, ("01-load", "02-stress"), strict=True):
        records = pl.read_parquet(collapsing.folder / "records" / folder / "part-0000.parquet")
        assert trial.records == records.height
        assert trial.timeline is not None
        for outcome in Outcome:
            count = records.filter(pl.col("outcome") == int(outcome)).height
            assert trial.outcomes.get(outcome.label, 0) == count
            assert trial.timeline[outcome.label].sum() == count


def test_stages_are_apart_in_the_timeline_and_the_tail_has_no_rate(healthy: Any) -> None:
    stress = healthy.view.trials[1]
    assert stress.timeline is not None
    assert stress.timeline["width_ns"].null_count() == len(stress.spans) - 1
    for span, following in zip(stress.spans, stress.spans[1:], strict=False):
        assert span.end_ns is not None
        tail = stress.timeline.filter((pl.col("at_ns") >= span.end_ns) & (pl.col("at_ns") < following.start_ns))
        assert tail["offered_per_s"].null_count() == tail.height


def test_the_checks_agree_with_a_verdict_that_found_the_generator_too_busy(worker_lost: Any) -> None:
    checks = {check.code: check for check in worker_lost.view.trials[0].checks}
    assert checks["cpu"].kept is False
    assert checks["ending"].kept is False
    assert checks["lag"].kept is True
    said = next(
        r for r in worker_lost.verdict.trials[0].reasons if r.code == "validity.cpu" and r.params["worker"] == "1"
    )
    assert said.params["measured"] == f"{round(checks['cpu'].seen * 100, 2):g} %"


def test_the_checks_of_a_sound_run_are_all_kept_and_count_only_what_is_judged(healthy: Any) -> None:
    for trial in healthy.view.trials:
        assert all(check.kept for check in trial.checks), trial.name
    samples = next(check for check in healthy.view.trials[0].checks if check.code == "samples")
    assert samples.seen == healthy.verdict.trials[0].stages[0].intended
    assert samples.seen < healthy.view.trials[0].records


def test_a_busy_moment_counts_by_its_ten_seconds() -> None:
    at = [i * SECOND for i in range(1, 31)]
    share = [1.0 if 10 < i <= 15 else 0.0 for i in range(1, 31)]
    health = pl.DataFrame({"worker": [0] * 30, "at_ns": at, "busy_share": share})
    assert busiest(health)["busy_share"].max() == pytest.approx(0.5)
