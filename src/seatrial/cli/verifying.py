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
    bundle: Annotated[Path, typer.Argument(help="Bundle directory or packed bundle.")],
    trust: TrustFile,
    as_json: Json = False,
) -> None:
    """Verify a bundle: integrity, seal and recomputation, step by step."""
    import json

    from seatrial.evidence.keys import load_trust

    report = verified(bundle, load_trust(trust))
    if as_json:
        typer.echo(json.dumps(report.to_object(), ensure_ascii=False))
    else:
        print_steps(report)
        typer.echo(
            "VERIFIED" if report.ok else f"NOT VERIFIED: {len(report.failures)} of {len(report.steps)} steps failed"
        )
    raise typer.Exit(0 if report.ok else 1)
