"""``seatrial recommend``: the reviewer says what the evidence bears, before the confirming officer decides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.confirming import condition_of
from seatrial.cli.sealing import TrustFile, now_utc, print_steps, signer_of, verified, write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recommend")(recommend)


def recommend(
    bundle: Annotated[Path, typer.Argument(help="Bundle directory or packed bundle.")],
    trust: TrustFile,
    key: Annotated[list[Path], typer.Option(help="A reviewer's private key; as many as must sign.")],
    out: Annotated[Path, typer.Option(help="Where the envelope goes.")],
    recommendation: Annotated[str, typer.Option(help="CONFIRM, CONFIRM_WITH_CONDITIONS or REFUSE.")],
    finding: Annotated[list[str] | None, typer.Option(help="What the review found, as a sentence.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="ID;DUE;TEXT with DUE in RFC 3339.")] = None,
    policy: Annotated[str, typer.Option(help="The authority's policy: a shipped one's name, or a file.")] = "default",
) -> None:
    """Recommend a decision on verified evidence."""
    from seatrial.authoring.policies import load_policy
    from seatrial.confirmation.confirm import digest_of
    from seatrial.confirmation.recommend import RecommendationRequest
    from seatrial.confirmation.recommend import recommend as recommend_on
    from seatrial.confirmation.recommendation import Recommended, read_recommendation
    from seatrial.errors import UsageError
    from seatrial.evidence.keys import load_trust

    if recommendation not in set(Recommended):
        raise UsageError(
            "--recommendation is none of the words", value=repr(recommendation), remedy=" or ".join(Recommended) + "."
        )
    trusted, now = load_trust(trust), now_utc()
    request = RecommendationRequest(
        recommended=Recommended(recommendation),
        policy_digest=digest_of(load_policy(policy).policy),
        findings=tuple(finding or ()),
        conditions=tuple(condition_of(text) for text in condition or ()),
    )
    report = verified(bundle, trusted)
    print_steps(report)
    envelope = recommend_on(report, request, [signer_of(path) for path in key], trusted, now)
    written = read_recommendation(envelope, trusted).recommendation
    write_file(out, envelope)
    typer.echo(str(written.recommended))
    for sentence in written.findings:
        typer.echo(f"finding: {sentence}")
    raise typer.Exit(1 if written.recommended is Recommended.REFUSE else 0)
