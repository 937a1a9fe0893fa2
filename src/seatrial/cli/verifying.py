"""``seatrial verify``: a bundle step by step, a transparency log, or a proof that a log holds a statement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from seatrial.cli.sealing import Json, TrustFile, now_utc, print_steps, verified

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
    since: Annotated[Path | None, typer.Option(help="Of a log: a checkpoint seen earlier.")] = None,
    log_proof: Annotated[Path | None, typer.Option(help="Of a statement: the proof that a log holds it.")] = None,
) -> None:
    """Verify a bundle, a transparency log's folder, or that a log holds a signed statement."""
    import json
    import sys

    from seatrial.errors import UsageError
    from seatrial.evidence.keys import load_trust

    if log_proof is not None:
        _logged(bundle, log_proof, trust)
    if (bundle / "checkpoint").is_file():
        _log(bundle, trust, since, as_json)
    if since is not None:
        raise UsageError("--since is for a log's folder", value=bundle, remedy="Leave it out for a bundle.")
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


def _log(folder: Path, trust: Path, since: Path | None, as_json: bool) -> NoReturn:
    import json

    from seatrial.confirmation.logged import verify_log
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust
    from seatrial.evidence.verification import VerificationReport

    steps = verify_log(folder, load_trust(trust), now_utc(), None if since is None else read_document(since))
    report = VerificationReport(steps, complete=True)
    if as_json:
        typer.echo(json.dumps(report.to_object(), ensure_ascii=False))
    else:
        print_steps(report)
        typer.echo("VERIFIED" if report.ok else f"NOT VERIFIED: {len(report.failures)} of {len(steps)} steps failed")
    raise typer.Exit(0 if report.ok else 1)


def _logged(statement: Path, proof: Path, trust: Path) -> NoReturn:
    from seatrial.confirmation.logged import check_proof, entry_of
    from seatrial.errors import EvidenceError
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust

    trusted, now = load_trust(trust), now_utc()
    try:
        entry = entry_of(read_document(statement), trusted, now)
        typer.echo(f"VERIFIED: {check_proof(read_document(proof), entry.payload, trusted, now)}")
    except EvidenceError as e:
        typer.echo(f"NOT VERIFIED: {e}")
        raise typer.Exit(1) from e
    raise typer.Exit(0)
