"""``seatrial report``, on bundles, as a person calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from seatrial.cli.reporting import register
from seatrial.errors import UsageError


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


def test_a_report_is_written_from_the_recomputed_verdict(app: typer.Typer, interrupted: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["report", str(interrupted.folder), "--html", str(page)], catch_exceptions=False)
    assert result.exit_code == 0
    assert page.read_text(encoding="utf-8") == interrupted.page
    assert result.output.strip() == str(page)


def test_the_language_is_chosen_by_its_tag(app: typer.Typer, interrupted: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ["report", str(interrupted.folder), "--html", str(page), "--lang", "zh-Hant"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert '<html lang="zh-Hant">' in page.read_text(encoding="utf-8")
    assert CliRunner().invoke(app, [*arguments[:-1], "fr"]).exit_code == 2


def test_without_a_file_the_verdict_is_printed(app: typer.Typer, interrupted: Any) -> None:
    result = CliRunner().invoke(app, ["report", str(interrupted.folder)], catch_exceptions=False)
    assert result.output.startswith("INVALID")


def test_no_bundle_and_no_place_to_write_are_named(app: typer.Typer, interrupted: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no bundle here"):
        CliRunner().invoke(app, ["report", str(tmp_path / "nothing")], catch_exceptions=False)
    arguments = ["report", str(interrupted.folder), "--html", str(tmp_path / "no" / "report.html")]
    with pytest.raises(UsageError, match="can't be written"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_page_is_not_written_into_the_sealed_folder(app: typer.Typer, interrupted: Any) -> None:
    before = sorted(interrupted.folder.rglob("*"))
    arguments = ["report", str(interrupted.folder), "--html", str(interrupted.folder / "r.html")]
    with pytest.raises(UsageError, match="would change the bundle"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert sorted(interrupted.folder.rglob("*")) == before
