"""``seatrial assess``, ``pack`` and ``recover``: what can be done with a bundle that is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli import exit_codes
from seatrial.cli.bundles import invalid_where_unreadable, must_exist

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("assess")(assess)
    app.command("pack")(pack)
    app.command("recover")(recover)


def assess(
    bundle: Annotated[Path, typer.Argument(help="A bundle: its folder or its packed file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Recompute the verdict from the raw records. The load engine is not needed."""
    from seatrial.evidence.bundle import bundle_digest, open_bundle
    from seatrial.evidence.manifest import MANIFEST
    from seatrial.evidence.recompute import recompute
    from seatrial.reports.text import render_text
    from seatrial.trials.recheck import rows_left

    must_exist(bundle)
    with invalid_where_unreadable(), open_bundle(bundle) as folder:
        verdict = recompute(folder)
        sealed = (folder / MANIFEST).exists()
        left = 0 if sealed else rows_left(folder)
        if as_json:
            digest = bundle_digest(folder) if sealed else None
            document = {**verdict.as_document(), "bundle": str(bundle), "digest": digest}
            print(json.dumps(document | ({} if sealed else {"rows_left": left}), indent=2))
        else:
            print(render_text(verdict, colour=sys.stdout.isatty()))
            if not sealed:
                print(
                    f"unsealed  the run did not come to its end; {left:,} rows that its workers wrote are not yet "
                    f"among the records.\n          Bring them in and close the bundle: seatrial recover {bundle}"
                )
    raise typer.Exit(exit_codes.OF_VERDICT[verdict.verdict.value])


def pack(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    file: Annotated[Path, typer.Argument(help="Where the one file goes; must not exist.")],
) -> None:
    """Write a bundle as one file, always the same bytes; assess, verify and report take it as they take the folder."""
    from seatrial.errors import UsageError
    from seatrial.evidence.archive import pack as pack_bundle
    from seatrial.evidence.canonical import sha256_file

    must_exist(bundle)
    if not bundle.is_dir():
        raise UsageError("this is no bundle's folder", value=bundle, remedy="A packed bundle is one file already.")
    if file.exists() or file.is_symlink():
        raise UsageError("the file exists", value=file, remedy="Name a new one: evidence is never overwritten.")
    if file.resolve().is_relative_to(bundle.resolve()):
        raise UsageError("the file would lie in the bundle itself", value=file, remedy="Name a place outside of it.")
    with invalid_where_unreadable():
        pack_bundle(bundle, file)
    print(f"{file}  sha256:{sha256_file(file)[0]}")


def recover(
    bundle: Annotated[Path, typer.Argument(help="The folder that a killed run left behind.")],
    key: Annotated[Path | None, typer.Option(help="The tester's private key; signs the bundle.")] = None,
    attempts: Annotated[
        Path | None, typer.Option(help="Log of attempts on its seal; the one that the bundle names where left out.")
    ] = None,
) -> None:
    """Close the bundle of a run that was killed: bring in its workers' rows, judge (never PASS), report and seal."""
    from seatrial.cli.run import exit_code, print_result
    from seatrial.cli.sealing import signer_of
    from seatrial.clock import SystemClock
    from seatrial.trials.recheck import recover as recover_bundle

    must_exist(bundle)
    signers = () if key is None else (signer_of(key),)
    with invalid_where_unreadable():
        result = recover_bundle(bundle, signers, SystemClock(), attempts)
    print_result(result, as_json=False)
    raise typer.Exit(exit_code(result))
