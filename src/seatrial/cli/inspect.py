"""``seatrial assess``: recompute a verdict from the raw records."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli import exit_codes

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("assess")(assess)


def assess(
    bundle: Annotated[Path, typer.Argument(help="A bundle: its folder or its packed file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Recompute the verdict from the raw records. The load engine is not needed."""
    from seatrial.evidence.bundle import bundle_digest, open_bundle
    from seatrial.evidence.recompute import recompute
    from seatrial.reports.text import render_text

    with open_bundle(bundle) as folder:
        verdict = recompute(folder)
        if as_json:
            print(
                json.dumps({**verdict.as_document(), "bundle": str(bundle), "digest": bundle_digest(folder)}, indent=2)
            )
        else:
            print(render_text(verdict, colour=sys.stdout.isatty()))
    raise typer.Exit(exit_codes.OF_VERDICT[verdict.verdict.value])
