"""``seatrial log``: the authority's transparency log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import TrustFile, now_utc, signer_of, write_file

__all__ = ["register"]

Folder = Annotated[Path, typer.Argument(help="The log's folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    log = typer.Typer(help="The transparency log of confirmations and revocations.", no_args_is_help=True)
    for command in (append, prove, export):
        log.command(command.__name__)(command)
    app.add_typer(log, name="log")


def append(
    folder: Folder,
    envelopes: Annotated[list[Path], typer.Argument(help="Confirmations, revocation lists, test results.")],
    key: Annotated[Path, typer.Option(help="The log operator's private key.")],
    trust: TrustFile,
    origin: Annotated[str, typer.Option(help="A new log's name, as log.example.gov.")] = "",
) -> None:
    """Enter envelopes in the log, and sign its new checkpoint."""
    from seatrial.confirmation.logged import entry_of
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust
    from seatrial.evidence.log import append as enter

    trusted, now = load_trust(trust), now_utc()
    read = [read_document(path) for path in envelopes]
    entries = [(entry_of(data, trusted, now), data) for data in read]
    checkpoint = enter(folder, entries, signer_of(key), trusted, origin)
    typer.echo(f"{checkpoint.origin}: {checkpoint.size} entries, {len(entries)} of them new")


def prove(
    folder: Folder,
    envelope: Annotated[Path, typer.Argument(help="An envelope that the log holds.")],
    trust: TrustFile,
    out: Annotated[Path, typer.Option(help="Where the proof goes.")],
) -> None:
    """Write the proof that the log holds an envelope; the gate and verify take it with --log-proof."""
    from seatrial.confirmation.logged import prove as proof_of
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust

    write_file(out, proof_of(folder, read_document(envelope), load_trust(trust)))
    typer.echo(f"proof {out}")


def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    trust: TrustFile,
) -> None:
    """Copy what belongs to the log's checkpoint, and nothing else, as static files for a web server."""
    from seatrial.errors import UsageError
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust
    from seatrial.evidence.log import CHECKPOINT, ENVELOPES, parse_entry, read_checkpoint, read_entries, tiles_of

    if out.exists():
        raise UsageError("the folder is there already", value=out, remedy="Name a new one.")
    signed = read_document(folder / CHECKPOINT)
    checkpoint, _ = read_checkpoint(signed, load_trust(trust))
    leaves = read_entries(folder, checkpoint.size)
    names = [f"{ENVELOPES}/{parse_entry(leaf).envelope}.json" for leaf in leaves]
    try:
        for name, data in [*tiles_of(leaves), *((n, read_document(folder / n)) for n in names), (CHECKPOINT, signed)]:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    except OSError as e:
        shutil.rmtree(out, ignore_errors=True)
        raise UsageError(f"the copy can't be written ({e.strerror})", value=out, remedy="Free some space.") from e
    typer.echo(f"{checkpoint.origin}: {checkpoint.size} entries in {out}")
