"""``seatrial compare``: this round against the last."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli import exit_codes
from seatrial.cli.bundles import must_exist
from seatrial.cli.reporting import PageLanguage, write_page
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.model.reasons import Language
    from seatrial.stats.contrast import Smallest

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the ``compare`` command to ``app``."""
    app.command("compare")(compare)


def compare(
    old: Annotated[Path, typer.Argument(help="The last round: a bundle's folder or its packed file.")],
    new: Annotated[Path, typer.Argument(help="This round.")],
    smallest_ratio: Annotated[float, typer.Option(help="Times: the smallest change that matters, a factor.")] = 1.05,
    smallest_points: Annotated[
        float, typer.Option(help="Errors: the smallest change that matters, in percentage points.")
    ] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page here: one file that needs nothing else.", show_default=False)
    ] = None,
    lang: Annotated[PageLanguage, typer.Option(help="Of the text and the page.")] = PageLanguage.EN,
) -> None:
    """Compare two rounds of trials: what got worse, by how much, and whether chance would do as much.

    PASS: a worsening that matters is excluded. FAIL: something got worse. Neither says that limits are kept.
    """
    from seatrial.reports.comparison_text import render_comparison
    from seatrial.trials.compare import compare_bundles

    smallest = _smallest(smallest_ratio, smallest_points)
    for bundle in (old, new):
        must_exist(bundle)
        if html is not None and bundle.is_dir() and html.resolve().is_relative_to(bundle.resolve()):
            raise UsageError(
                "the page would change the bundle, which then no longer verifies",
                value=html,
                remedy="Name a file outside the bundle's folder.",
            )
    compared = compare_bundles(old, new, smallest)
    found, language = compared.comparison, _language(lang)
    sides = {"old": (old, compared.old_digest), "new": (new, compared.new_digest)}
    if html is not None:
        from seatrial.reports.comparison_html import render_comparison_html

        called = [path.name if digest is None else f"{path.name} (sha256:{digest})" for path, digest in sides.values()]
        write_page(html, render_comparison_html(found, called[0], called[1], language))
    if as_json:
        of: dict[str, str | None] = {f"{side}_bundle": str(path) for side, (path, _) in sides.items()}
        of |= {f"{side}_digest": digest for side, (_, digest) in sides.items()}
        print(json.dumps(found.as_document() | of, indent=2))
    else:
        print(render_comparison(found, language, colour=sys.stdout.isatty()))
    raise typer.Exit(exit_codes.OF_VERDICT[found.verdict.value])


def _smallest(ratio: float, points: float) -> Smallest:
    from seatrial.stats.contrast import Smallest

    if not (math.isfinite(ratio) and ratio > 1):
        raise UsageError("no factor above 1", value=ratio, remedy="Write for example --smallest-ratio 1.05.")
    if not 0 < points <= 100:
        raise UsageError(
            "no percentage points between 0 and 100", value=points, remedy="Write for example --smallest-points 0.1."
        )
    return Smallest(ratio, points / 100)


def _language(lang: PageLanguage) -> Language:
    return "zh-Hant" if lang is PageLanguage.ZH_HANT else "en"
