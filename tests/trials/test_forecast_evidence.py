"""A forecast is part of the evidence: kept, shown with its sources, and held against P by whoever verifies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.running import seatrial, service, write_plan

from seatrial.errors import BundleError
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.recompute import recompute
from seatrial.reports.html import render_html
from seatrial.reports.view import report_view
from seatrial.trials.replay import replay, replay_bytes

FORECAST = """\
forecast: 1
title: A visit
people: {count: 28800, of: registered users, source: "Register, <b>March</b>"}
coming: {share: 50%, source: "Last year's visitors"}
peak_hour: {share: 50%, source: "Last year's log"}
busiest_minute: {times: 10, source: "The same log"}
journeys: {visit: {lasts: 1s, source: "Measured"}}
cases: {high: {coming: {times: 2, source: "Judgement of the department"}}}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with service() as server:
        plan = write_plan(folder, server.url, ("{peak: 40/s}", "{peak: 40/s, forecast: forecast.yaml}"))
        (folder / "forecast.yaml").write_text(FORECAST, encoding="utf-8")
        done = seatrial("run", plan, "--policy", folder / "policy.yaml", "--out", folder / "bundle", "--json")
    assert done.code in (0, 3), done.err
    return folder / "bundle"


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    for path in bundle.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(bundle)).write_bytes(path.read_bytes())
    return tmp_path


def test_the_bundle_holds_the_forecast_as_it_was_read_and_its_manifest_lists_it(bundle: Path) -> None:
    assert (bundle / "forecast.yaml").read_text(encoding="utf-8") == FORECAST
    listed = {entry["path"] for entry in json.loads((bundle / "manifest.json").read_bytes())["files"]}
    assert {"forecast.yaml", "forecast.json"} <= listed


def test_the_verdict_replays_from_the_bundle_alone(bundle: Path) -> None:
    assert replay_bytes(bundle) == (bundle / "verdict.json").read_bytes()


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_report_lists_every_assumption_with_its_source(bundle: Path, language: str) -> None:
    page = render_html(report_view(bundle, replay(bundle)), language)  # type: ignore[arg-type]
    for source in ("Register, &lt;b&gt;March&lt;/b&gt;", "Judgement of the department", "The same log", "Measured"):
        assert source in page
    assert "<b>March" not in page
    assert {"en": "Where the forecast peak comes from", "zh-Hant": "預測高峰的由來"}[language] in page
    assert ("one of them was changed" in page or "其中一方曾被更改" in page) is False


def test_a_forecast_changed_afterwards_is_found_by_the_replay_and_shown_by_the_report(copy: Path) -> None:
    (copy / "forecast.yaml").write_text(FORECAST.replace("28800", "2880"), encoding="utf-8")
    with pytest.raises(BundleError, match=r"forecast\.json is not the forecast that stands in forecast\.yaml"):
        replay(copy)
    document = json.loads((copy / "forecast.json").read_bytes())
    document["people"]["count"] = 2880
    (copy / "forecast.json").write_bytes(canonical_bytes(document))
    with pytest.raises(BundleError, match="the plan's peak is not the forecast's high case, 4/s: 40/s"):
        replay(copy)
    assert "one of them was changed" in render_html(report_view(copy, recompute(copy)), "en")


@pytest.mark.parametrize("part", ["forecast.yaml", "forecast.json"])
def test_a_forecast_that_is_gone_is_named(copy: Path, part: str) -> None:
    (copy / part).unlink()
    with pytest.raises(BundleError, match=part.replace(".", r"\.")):
        replay(copy)


def test_a_forecast_that_is_none_is_named_with_its_first_problem(copy: Path) -> None:
    (copy / "forecast.yaml").write_text("forecast: 2\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"forecast\.yaml is not a forecast: forecast\.yaml:1"):
        replay(copy)
