"""``seatrial facts``: the case officer signs what has happened since a confirmation, for the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import TrustFile, now_utc, signer_of, write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("facts")(facts)


def facts(
    document: Annotated[Path, typer.Argument(help="The facts, a document of format seatrial-facts/1.")],
    confirmation: Annotated[Path, typer.Option(help="The confirmation that they are about.")],
    key: Annotated[list[Path], typer.Option(help="A case officer's private key; as many as must sign.")],
    trust: TrustFile,
    out: Annotated[Path, typer.Option(help="Where the envelope goes.")],
) -> None:
    """Sign facts for the gate: only signed ones can show that a condition was met."""
    from seatrial.clock import to_rfc3339
    from seatrial.confirmation.facts import parse_facts, sign_facts
    from seatrial.confirmation.statement import parse_confirmation
    from seatrial.evidence.canonical import read_document, sha256_hex
    from seatrial.evidence.envelope import verify as verify_envelope
    from seatrial.evidence.keys import load_trust

    trusted = load_trust(trust)
    payload = verify_envelope(read_document(confirmation), trusted).payload
    parse_confirmation(payload)  # facts about some other statement would help no one
    stated = parse_facts(read_document(document))
    signers = [signer_of(path) for path in key]
    write_file(out, sign_facts(stated, sha256_hex(payload), signers, trusted, now_utc()))
    typer.echo(f"signed: facts of {to_rfc3339(stated.as_of)}")
