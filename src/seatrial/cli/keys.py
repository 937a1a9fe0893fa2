"""``seatrial keys``: make signing keys, and join the public ones into a trust file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import new_passphrase, now_utc, time_of, write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Signing keys and the trust file.", no_args_is_help=True)
    keys.command("new")(keys_new)
    keys.command("trust")(keys_trust)
    app.add_typer(keys, name="keys")


def keys_new(
    out: Annotated[Path, typer.Argument(help="Name without ending: writes NAME.pem (private) and NAME.json (public).")],
    role: Annotated[str, typer.Option(help="The holder's part: tester, reviewer, confirming-officer, ...")],
    name: Annotated[str, typer.Option(help="Who holds the key.")],
    valid_from: Annotated[str, typer.Option(help="RFC 3339; default: now.")] = "",
    valid_until: Annotated[str, typer.Option(help="RFC 3339; default: 12 months after the start.")] = "",
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Leave the private key unencrypted.")] = False,
) -> None:
    """Make an Ed25519 key. The passphrase comes from SEATRIAL_KEY_PASSPHRASE or a prompt."""
    from seatrial.confirmation.statement import months_after
    from seatrial.errors import KeyFileError
    from seatrial.evidence.canonical import canonical_bytes
    from seatrial.evidence.keys import new_key

    start = time_of(valid_from, "--valid-from") or now_utc()
    end = time_of(valid_until, "--valid-until") or months_after(start, 12)
    public = out.with_name(out.name + ".json")
    if public.exists():
        raise KeyFileError(
            "a public key is never overwritten, and this file exists", value=public, remedy="Choose another name."
        )
    private = out.with_name(out.name + ".pem")
    passphrase = None if no_passphrase else new_passphrase()
    entry = new_key(private, role=role, name=name, valid_from=start, valid_until=end, passphrase=passphrase)
    write_file(public, canonical_bytes(entry.to_object()))
    typer.echo(f"private key {private} ({'encrypted' if passphrase else 'NOT encrypted'}): keep it")
    typer.echo(f"public key {public} (key id {entry.keyid}): hand it to whoever keeps the trust file")


def keys_trust(
    entries: Annotated[list[Path], typer.Argument(help="Public keys from 'keys new', or trust files to join.")],
    out: Annotated[Path, typer.Option(help="Where the trust file goes.")],
    threshold: Annotated[list[str] | None, typer.Option(help="ROLE=N: so many holders of a role must sign.")] = None,
) -> None:
    """Join public keys and trust files into one trust file."""
    from seatrial.evidence.canonical import parse_json, read_document
    from seatrial.evidence.keys import Trust, merge_trust, parse_key_entry, parse_trust

    parts = []
    for path in entries:
        data = read_document(path)
        document = parse_json(data, path.name)
        is_trust = isinstance(document, dict) and "keys" in document
        parts.append(parse_trust(data, path.name) if is_trust else Trust((parse_key_entry(document),)))
    merged = merge_trust(parts)
    if threshold:
        merged = Trust(merged.keys, {**merged.thresholds, **dict(_threshold(text) for text in threshold)})
    write_file(out, merged.to_bytes())
    for key in merged.keys:
        typer.echo(f"{key.role}: {key.name} ({key.keyid})")
    for role, number in sorted(merged.thresholds.items()):
        typer.echo(f"{number} holders of {role} must sign")


def _threshold(text: str) -> tuple[str, int]:
    from seatrial.errors import UsageError

    role, _, number = text.partition("=")
    if not number.isdecimal():
        raise UsageError("a threshold is written ROLE=N", value=text, remedy="For example confirming-officer=2.")
    return role, int(number)
