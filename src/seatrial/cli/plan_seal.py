"""``seatrial plan seal``: fix what a trial will be judged on, before it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["seal"]


def seal(
    plan: Annotated[Path, typer.Argument(help="The plan (YAML).")],
    key: Annotated[list[Path], typer.Option(help="Private key of a tester or test-arranger; give two for both.")],
    out: Annotated[Path, typer.Option(help="Where the seal goes; must not exist.")],
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a file.")] = "default",
    release: Annotated[Path | None, typer.Option(help="Release manifest that will be put to trial.")] = None,
) -> None:
    """Seal a plan, its policy, its release and its feeds before the trial; the run then refuses anything else."""
    from seatrial.authoring.policies import load_policy
    from seatrial.authoring.yaml_plan import load_plan
    from seatrial.cli.run import read_release
    from seatrial.cli.sealing import now_utc, signer_of, write_file
    from seatrial.errors import UsageError
    from seatrial.evidence.envelope import payload_of
    from seatrial.evidence.plan_seal import parse_plan_seal
    from seatrial.trials.documents import read_feeds
    from seatrial.trials.sealed import seal_plan

    loaded, rules = load_plan(plan), load_policy(policy)
    content = read_release(release)
    if out.exists() or out.is_symlink():
        raise UsageError("a seal is never overwritten, and this file exists", value=out, remedy="Name a new one.")
    signers = [signer_of(path) for path in key]
    envelope = seal_plan(loaded, rules, content, read_feeds(loaded), signers, now_utc())
    write_file(out, envelope)
    sealed = parse_plan_seal(payload_of(envelope))
    typer.echo(f"seal {sealed.id}")
    criteria = sealed.criteria
    for name, digest in criteria.documents.items():
        if digest is not None:
            typer.echo(f"  {name}  sha256:{digest}")
    for noun, group in (("feed", criteria.feeds), ("upload", criteria.uploads), ("code", criteria.code)):
        for name, digest in group.items():
            typer.echo(f"  {noun} {name}  sha256:{digest}")
    if content is None:
        typer.echo("  no release: what is tried under this seal can't be confirmed")
