"""``seatrial verify``: integrity, seal and recomputation of a bundle, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import Json, TrustFile, print_steps, verified

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("verify")(verify)


def verify(
    bundle: Annotated[
        Path, typer.Argument(help="Bundle directory or packed bundle; - reads a packed one from standard input.")
    ],
    trust: TrustFile,
    as_json: Json = False,
) -> None:
    """Verify a bundle: integrity, seal and recomputation, step by step."""
    import json
    import sys

    from seatrial.errors import UsageError
    from seatrial.evidence.keys import load_trust

    streamed = str(bundle) == "-"
    if streamed and sys.stdin.isatty():
        raise UsageError("standard input is a terminal", remedy="Pipe a packed bundle in: seatrial verify - < BUNDLE.")
    report = verified(sys.stdin.buffer if streamed else bundle, load_trust(trust))
    if as_json:
        typer.echo(json.dumps(report.to_object(), ensure_ascii=False))
    else:
        print_steps(report)
        typer.echo(
            "VERIFIED" if report.ok else f"NOT VERIFIED: {len(report.failures)} of {len(report.steps)} steps failed"
        )
    raise typer.Exit(0 if report.ok else 1)
