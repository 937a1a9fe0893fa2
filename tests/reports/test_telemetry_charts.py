"""The drawing of the service's own figures: every series with its limits, whatever was read."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import polars as pl
import pytest

from seatrial.model.objective import parse_objective
from seatrial.model.plan import Plan
from seatrial.model.telemetry import NamedSeries
from seatrial.model.verdict import RunVerdict
from seatrial.reports.charts_telemetry import MAX_SERIES, series_limits, telemetry_chart, telemetry_figure
from seatrial.reports.html import render_html
from seatrial.reports.texts import say_in
from seatrial.reports.view import TrialView, report_view
from seatrial.samples.telemetry import TELEMETRY_SCHEMA

SAY = say_in("en")
CPU = NamedSeries(0, "app.cpu", "app", "share", None)
MEMORY = NamedSeries(1, "app.memory", "app", "B", 1e9)
QUEUE = NamedSeries(2, "app.queue", "app", "number", None)
SECOND = 10**9


def readings(*values: float | None) -> pl.DataFrame:
    columns = {"at_ns": [at * SECOND for at in range(len(values))], "value": list(values)}
    return pl.DataFrame(columns, schema={"at_ns": pl.Int64, "value": pl.Float64})


def trial_with(
    base: TrialView, *telemetry: tuple[NamedSeries, pl.DataFrame], limits: tuple[str, ...] = ()
) -> TrialView:
    assert base.trial is not None
    trial = base.trial.model_copy(update={"objectives": tuple(parse_objective(limit) for limit in limits)})
    return replace(base, trial=trial, telemetry=telemetry)


def points(documents: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    lines = [layer for layer in documents["wide"]["layer"] if layer["mark"]["type"] == "line"]
    return list(lines[0]["data"]["values"])


def test_a_chart_is_valid_vega_lite_and_holds_its_limits(healthy: Any) -> None:
    view = trial_with(healthy.view.trials[0])
    for series, frame in ((CPU, readings(0.1, None, 0.3)), (MEMORY, readings(*range(900))), (QUEUE, readings(-5, 3))):
        documents = telemetry_chart(view, series, frame, [("limit", 2000.0)], SAY)
        assert set(documents) == {"wide", "narrow"}
        for document in documents.values():
            altair.LayerChart.from_dict(document, validate=True)
            (rule,) = [layer for layer in document["layer"] if {"limit": 2000.0} in layer["data"]["values"]]
            assert rule["encoding"]["y"]["scale"]["domain"][1] >= 2000


def test_a_missing_reading_breaks_the_line(healthy: Any) -> None:
    view = trial_with(healthy.view.trials[0])
    drawn = points(telemetry_chart(view, CPU, readings(0.1, None, 0.3), [], SAY))
    assert [point["mean"] for point in drawn] == [0.1, None, 0.3]


def test_many_readings_share_points_and_the_highest_of_them_stays_in_sight(healthy: Any) -> None:
    view = trial_with(healthy.view.trials[0])
    values = [1.0] * 50_000
    values[31_007] = 700.0
    documents = telemetry_chart(view, QUEUE, readings(*values), [], SAY)
    assert len(points(documents)) <= 240
    (bars,) = [layer for layer in documents["wide"]["layer"] if "y2" in layer["encoding"]]
    assert [row["high"] for row in bars["data"]["values"]] == [700.0]
    assert bars["encoding"]["y"]["scale"]["domain"][1] >= 700


def test_a_series_that_is_nothing_all_the_time_has_a_scale_that_people_read(healthy: Any) -> None:
    view = trial_with(healthy.view.trials[0])
    documents = telemetry_chart(view, QUEUE, readings(0, 0), [], SAY)
    (line,) = [layer for layer in documents["wide"]["layer"] if layer["mark"]["type"] == "line"]
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 1.5]


def test_limits_are_drawn_and_all_there_is_where_it_is_near_or_is_to_last() -> None:
    mean, highest, lasts = (
        parse_objective("mean telemetry app.memory <= 1 GB"),
        parse_objective("max telemetry app.memory <= 2 GB"),
        parse_objective("telemetry app.memory exhausted after >= 36h"),
    )
    other = parse_objective("max telemetry app.cpu <= 70%")
    far, near = readings(1e8), readings(3e8)
    assert series_limits(MEMORY, far, [mean, highest, other], SAY) == [
        ("limit: mean ≤ 1 GB", 1e9),
        ("limit: highest ≤ 2 GB", 2e9),
    ]
    everything = [("all there is: 1 GB", 1e9)]
    assert series_limits(MEMORY, near, [], SAY) == everything
    assert series_limits(MEMORY, far, [lasts], SAY) == everything
    assert series_limits(MEMORY, readings(None), [], SAY) == []


def test_the_finding_says_what_was_read_and_what_is_missing(healthy: Any) -> None:
    limits = ("mean telemetry app.memory <= 1 GB",)
    series = ((CPU, readings(None, None)), (MEMORY, readings(1e8, None, 3e8)))
    view = trial_with(healthy.view.trials[0], *series, limits=limits)
    figure = telemetry_figure(view, SAY)
    assert figure is not None
    memory = "app.memory: mean 200 MB, highest 300 MB. Missing readings: 1 of 3."
    assert figure.finding == f"{memory} app.cpu: not one reading."
    assert figure.svg.count("<svg") == 2
    assert "limit: mean ≤ 1 GB" in figure.svg
    chinese = telemetry_figure(view, say_in("zh-Hant"))
    assert chinese is not None
    assert "限值：平均 ≤ 1 GB" in chinese.svg


def test_no_more_series_are_drawn_than_can_be_read(healthy: Any) -> None:
    series = [(NamedSeries(n, f"app.s{n}", "app", "number", None), readings(1)) for n in range(MAX_SERIES + 3)]
    figure = telemetry_figure(trial_with(healthy.view.trials[0], *series), SAY)
    assert figure is not None
    assert figure.svg.count("<svg") == 2 * MAX_SERIES
    assert figure.finding.endswith("3 more series are in the evidence.")


def test_a_trial_of_which_nothing_was_read_has_no_such_figure(healthy: Any) -> None:
    assert telemetry_figure(trial_with(healthy.view.trials[0]), SAY) is None
    assert SAY("figure.telemetry") not in healthy.page


@pytest.fixture
def bundle(healthy: Any, tmp_path: Path) -> Path:
    """Return a bundle whose plan reads two series, and their readings."""
    folder = Path(shutil.copytree(healthy.folder, tmp_path / "bundle"))
    document = json.loads((folder / "plan.json").read_text())
    series = {"cpu": {"rate": "cpu_total", "of": 2}, "queue": {"value": "queue"}}
    document["telemetry"] = {"sources": {"app": {"prometheus": "http://127.0.0.1:1/", "series": series}}}
    Plan.model_validate(document)
    (folder / "plan.json").write_text(json.dumps(document))
    return folder


def write(folder: Path, slug: str, frame: pl.DataFrame) -> None:
    (folder / "telemetry").mkdir(exist_ok=True)
    frame.write_parquet(folder / "telemetry" / f"{slug}.parquet")


def page_of(folder: Path, verdict: RunVerdict) -> str:
    return render_html(report_view(folder, verdict))


def test_a_page_shows_what_its_bundle_holds_and_says_what_it_does_not(bundle: Path, healthy: Any) -> None:
    slugs = [path.stem for path in sorted((bundle / "health").glob("*.parquet"))]
    start_ns = healthy.view.trials[0].log.stages[0].started_ns
    rows = [[0, start_ns, 0.25, 0], [1, start_ns, 7.0, 0], [1, start_ns + SECOND, None, 1], [9, start_ns, 1.0, 0]]
    write(bundle, slugs[0], pl.DataFrame(rows, schema=TELEMETRY_SCHEMA, orient="row"))
    page = page_of(bundle, healthy.verdict)
    assert "app.cpu: mean 25 %, highest 25 %. app.queue: mean 7, highest 7. Missing readings: 1 of 2." in page
    for slug in slugs[1:]:
        assert f"telemetry/{slug}.parquet" in page


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])
def test_a_page_can_be_drawn_of_any_value(bundle: Path, healthy: Any, value: float) -> None:
    slug = min((bundle / "health").glob("*.parquet")).stem
    start_ns = healthy.view.trials[0].log.stages[0].started_ns
    rows = [[1, start_ns, value, 0], [1, start_ns + SECOND, 1.0, 0]]
    write(bundle, slug, pl.DataFrame(rows, schema=TELEMETRY_SCHEMA, orient="row"))
    assert "app.queue: mean" in page_of(bundle, healthy.verdict)


def test_a_file_that_can_not_be_read_is_named(bundle: Path, healthy: Any) -> None:
    slug = min((bundle / "health").glob("*.parquet")).stem
    (bundle / "telemetry").mkdir()
    (bundle / "telemetry" / f"{slug}.parquet").write_bytes(b"nonsense")
    assert f"telemetry/{slug}.parquet" in page_of(bundle, healthy.verdict)
