"""``seatrial summary``: what the gate says now, as a SLSA verification summary for other tools."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import TrustFile, now_utc, signer_of, write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("summary")(summary)


def summary(
    confirmation: Annotated[Path, typer.Option(help="The confirmation's envelope.")],
    deployed: Annotated[Path, typer.Option(help="Release manifest of what is about to be deployed.")],
    trust: TrustFile,
    key: Annotated[list[Path], typer.Option(help="A verifier's private key; as many as must sign.")],
    out: Annotated[Path, typer.Option(help="Where the envelope goes.")],
    revocations: Annotated[Path | None, typer.Option(help="The authority's revocation list.")] = None,
    least_sequence: Annotated[int, typer.Option(help="Lowest number the revocation list may have.")] = 1,
    remember: Annotated[Path | None, typer.Option(help="Keep the list's highest number here.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Facts since the confirmation, signed or not.")] = None,
    facts_max_age: Annotated[str, typer.Option(help="How old facts may be.")] = "24h",
    evidence: Annotated[Path | None, typer.Option(help="The bundle, to be the one that is bound.")] = None,
    log_proof: Annotated[Path | None, typer.Option(help="That the transparency log holds the confirmation.")] = None,
    verifier_id: Annotated[str, typer.Option(help="URI of the verifier; default: of the key's holder.")] = "",
    resource_uri: Annotated[str, typer.Option(help="URI of what is deployed; default: pkg:generic/NAME@VERSION.")] = "",
) -> None:
    """Ask the gate now and sign a verification summary of what it says; readers refuse one older than 15 minutes."""
    from seatrial.confirmation.summary import Question, summarise
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust

    def read(path: Path | None) -> bytes | None:
        return None if path is None else read_document(path.resolve())

    question = Question(
        confirmation=read_document(confirmation.resolve()),
        deployed=read_document(deployed.resolve()),
        revocations=read(revocations),
        facts=read(facts),
        least_sequence=least_sequence,
        remembering=remember,
        facts_max_age=_max_age(facts_max_age),
        evidence=evidence,
        log_proof=read(log_proof),
    )
    signers = [signer_of(path) for path in key]
    made = summarise(
        question, load_trust(trust), signers, now_utc(), verifier_id=verifier_id, resource_uri=resource_uri
    )
    write_file(out, made.envelope)
    typer.echo("PASSED" if made.decision.allowed else "FAILED")
    for reason in made.decision.reasons:
        typer.echo("- " + "".join(c if c.isprintable() else " " for c in reason))
    raise typer.Exit(0 if made.decision.allowed else 1)


def _max_age(text: str) -> timedelta:
    from seatrial.errors import UsageError
    from seatrial.units import parse_duration

    try:
        return timedelta(microseconds=parse_duration(text) / 1000)
    except (ValueError, OverflowError) as e:
        raise UsageError("--facts-max-age is no duration", value=repr(text), remedy="Write it like 24h.") from e
