"""``seatrial report``: the evidence drawn for people."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.bundles import invalid_where_unreadable, must_exist
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.model.reasons import Language

__all__ = ["PageLanguage", "register", "write_page"]


class PageLanguage(StrEnum):
    """The languages that a report can be written in."""

    EN = "en"
    ZH_HANT = "zh-Hant"


def register(app: typer.Typer) -> None:
    """Add the ``report`` command to ``app``."""
    app.command("report")(report)


def report(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory, or a packed bundle.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(help="Write the page here: one file that needs nothing else.", show_default=False)
    ] = None,
    lang: Annotated[PageLanguage, typer.Option(help="The page's language.")] = PageLanguage.EN,
) -> None:
    """Draw a bundle's evidence for people. The verdict is recomputed from the raw records first.

    Without --html the verdict is printed. A report is no check of integrity: that is `seatrial verify`.
    """
    must_exist(bundle)
    if html is not None and bundle.is_dir() and html.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(
            "the report would change the bundle, which then no longer verifies",
            value=html,
            remedy="Name a file outside the bundle's folder.",
        )
    from seatrial.evidence.bundle import open_bundle
    from seatrial.evidence.recompute import recompute
    from seatrial.reports.text import render_text

    language: Language = "zh-Hant" if lang is PageLanguage.ZH_HANT else "en"
    with invalid_where_unreadable(), open_bundle(bundle) as directory:
        verdict = recompute(directory)
        if html is None:
            typer.echo(render_text(verdict, language, colour=sys.stdout.isatty()))
            return
        from seatrial.reports.html import render_html
        from seatrial.reports.view import report_view

        page = render_html(report_view(directory, verdict), language)
    write_page(html, page)
    typer.echo(str(html))


def write_page(path: Path, page: str) -> None:
    """Write a page.

    Raises:
        UsageError: it can't be written there.
    """
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report can't be written ({error.strerror})",
            value=path,
            remedy="Name a file in a directory you can write.",
        ) from error
