"""``seatrial histogram``: a bundle's times for other tools, against its records, and logs read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from typer.testing import CliRunner, Result

from seatrial.cli.app import app as whole_app
from seatrial.cli.histogram import register
from seatrial.errors import BundleError, UsageError
from seatrial.model.plan import trial_slug
from seatrial.model.sample import CENSORED, Outcome
from seatrial.reports.histograms import bundle_intervals, totals
from seatrial.stats.binomial import rank_of
from seatrial.stats.hdr_log import read_log, tag_parts
from seatrial.stats.histogram import TIMES
from seatrial.units import SECOND


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


def call(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["histogram", *map(str, arguments)], catch_exceptions=False)


def records(folder: Path) -> pl.DataFrame:
    frame = pl.concat([pl.read_parquet(part) for part in sorted(folder.glob("records/*/part-*.parquet"))])
    return frame.filter(pl.col("outcome") != int(Outcome.RETRIED))


def counted(folder: Path) -> dict[str, int]:
    found = dict.fromkeys(("response", "service", "unanswered"), 0)
    for tag, histogram in totals(bundle_intervals(folder)).items():
        found[tag_parts(tag)[-1]] += histogram.total
    return found


def test_every_step_is_counted_once_from_its_intended_start_and_once_from_its_send(collapsing: Any) -> None:
    frame = records(collapsing.folder)
    unanswered = int(frame["outcome"].is_in([int(outcome) for outcome in CENSORED]).sum())
    assert unanswered > 0
    assert counted(collapsing.folder) == {
        "response": len(frame),
        "service": len(frame) - frame["sent_ns"].null_count(),
        "unanswered": unanswered,
    }


def test_intervals_are_seconds_in_order_and_each_holds_what_was_intended_in_it(collapsing: Any) -> None:
    intervals = list(bundle_intervals(collapsing.folder))
    starts = [interval.start_ns for interval in intervals]
    assert starts == sorted(starts)
    assert {interval.length_ns for interval in intervals} == {SECOND}
    assert len({(interval.start_ns, interval.tag) for interval in intervals}) == len(intervals)
    second = starts[len(starts) // 2]
    inside = records(collapsing.folder).filter(pl.col("intended_ns") // SECOND == second // SECOND)
    shown = [one for one in intervals if one.start_ns == second and one.tag.endswith("/response")]
    assert sum(one.histogram.total for one in shown) == len(inside)


def test_a_second_that_is_cut_in_two_by_a_part_is_one_interval(healthy: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(healthy.folder, tmp_path / "bundle"))
    for part in sorted(folder.glob("records/*/part-0000.parquet")):
        frame = pl.concat([pl.read_parquet(one) for one in sorted(part.parent.glob("part-*.parquet"))])
        for old in part.parent.glob("part-*.parquet"):
            old.unlink()
        size = len(frame) // 7 + 1
        for number in range(7):
            frame.slice(number * size, size).write_parquet(part.parent / f"part-{number:04d}.parquet")
    assert list(bundle_intervals(folder)) == list(bundle_intervals(healthy.folder))


def test_the_file_is_read_by_hdrhistogram_and_by_us_to_the_same_figures(
    app: typer.Typer, healthy: Any, tmp_path: Path
) -> None:
    path = tmp_path / "made.hlog"
    result = call(app, healthy.folder, "--out", path)
    assert result.exit_code == 0
    sums: dict[str, HdrHistogram] = {}
    reader = HistogramLogReader(str(path), HdrHistogram(1, TIMES.highest, 3))
    while (one := reader.get_next_interval_histogram()) is not None:
        sums.setdefault(one.get_tag(), HdrHistogram(1, TIMES.highest, 3)).add(one)
    reader.input_file.close()
    with path.open(encoding="utf-8") as file:
        ours = totals(read_log(file))
    assert ours == totals(bundle_intervals(healthy.folder))
    assert {tag: one.get_total_count() for tag, one in sums.items()} == {tag: one.total for tag, one in ours.items()}
    assert {tag: one.get_max_value() for tag, one in sums.items()} == {tag: one.max for tag, one in ours.items()}


def test_a_percentile_of_the_log_is_that_of_the_records_to_a_thousandth(healthy: Any) -> None:
    plan, sums = healthy.view.plan, totals(bundle_intervals(healthy.folder))
    names, journeys = list(plan.trial_names()), list(plan.journeys)
    for tag, histogram in sums.items():
        trial, journey, step, measure = tag_parts(tag)
        folder = healthy.folder / "records" / trial_slug(names.index(trial), trial)
        frame = pl.concat([pl.read_parquet(part) for part in sorted(folder.glob("part-*.parquet"))])
        frame = frame.filter(pl.col("journey") == journeys.index(journey))
        frame = frame.filter(pl.col("step") == plan.journeys[journey].labels.index(step))
        if measure == "unanswered":
            continue
        times = (frame["done_ns"] - frame["intended_ns" if measure == "response" else "sent_ns"]).drop_nulls().sort()
        assert histogram.total == len(times) > 0
        for quantile in (0.5, 0.95, 0.99):
            exact = times[rank_of(len(times), quantile) - 1]
            assert exact <= histogram.quantile(quantile) <= exact * 1.001


def test_a_log_and_a_bundle_are_summed_up_alike(app: typer.Typer, healthy: Any, tmp_path: Path) -> None:
    path = tmp_path / "made.hlog"
    call(app, healthy.folder, "--out", path)
    assert call(app, path).output == call(app, healthy.folder).output
    document = json.loads(call(app, path, "--json").output)
    first = document["tags"][0]
    assert set(first) == {
        *("tag", "count", "mean_ns", "p50_ns", "p95_ns", "p99_ns", "p99_9_ns", "max_ns", "relative_error")
    }
    assert first["p50_ns"] <= first["p99_ns"] <= first["max_ns"]


def test_a_foreign_log_is_summed_up_and_what_would_steer_a_terminal_is_not_printed(
    app: typer.Typer, tmp_path: Path
) -> None:
    theirs = HdrHistogram(1, 3_600_000_000, 3)
    for value in (1000, 2000, 3000):
        theirs.record_value(value)
    path = tmp_path / "theirs.hlog"
    path.write_text(
        f"#[StartTime: 5.0 (seconds since epoch)]\nTag=a\x1b[31m%1B,0.1,1.0,0.003,{theirs.encode().decode()}\n"
    )
    result = call(app, path)
    assert "\x1b" not in result.output
    assert "2 µs" in result.output


def test_what_is_no_log_is_refused_with_the_code_for_evidence_that_can_t_be_read(
    app: typer.Typer, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.hlog"
    path.write_text("nothing of the kind\n")
    assert call(app, path).exit_code == 4


def test_records_out_of_order_and_a_bundle_without_records_are_refused(healthy: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(healthy.folder, tmp_path / "bundle"))
    part = sorted(folder.glob("records/*/part-*.parquet"))[0]
    pl.read_parquet(part).reverse().write_parquet(part)
    with pytest.raises(BundleError, match="out of order"):
        list(bundle_intervals(folder))
    shutil.rmtree(folder / "records")
    with pytest.raises(BundleError, match="no records"):
        list(bundle_intervals(folder))


def test_nothing_is_written_into_a_bundle_or_where_nothing_can_be_and_no_draft_is_left(
    app: typer.Typer, healthy: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="in the bundle itself"):
        call(app, healthy.folder, "--out", healthy.folder / "a.hlog")
    with pytest.raises(UsageError, match="can't be written"):
        call(app, healthy.folder, "--out", tmp_path / "no" / "a.hlog")
    with pytest.raises(UsageError, match="nothing here"):
        call(app, tmp_path / "nothing")
    (tmp_path / "a.hlog").write_text("#\n")
    with pytest.raises(UsageError, match="already"):
        call(app, tmp_path / "a.hlog", "--out", tmp_path / "b.hlog")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hlog"]


def test_the_command_is_one_of_seatrial_s() -> None:
    assert "histogram" in [command.name for command in whole_app.registered_commands]
