"""``seatrial keys``: make signing keys, and join the public ones into a trust file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import Json, new_passphrase, now_utc, pin_of, time_of, write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Signing keys and the trust file.", no_args_is_help=True)
    keys.command("new")(keys_new)
    keys.command("trust")(keys_trust)
    keys.command("import")(keys_import)
    keys.command("list")(keys_list)
    keys.command("end")(keys_end)
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


def keys_import(
    uri: Annotated[str, typer.Argument(help="hsm:NUMBER?label=TOKEN, awskms:ID, gcpkms:ID, azurekms:..., hv:NAME.")],
    out: Annotated[Path, typer.Option(help="Name without ending: writes NAME.key.json and NAME.json (public).")],
    role: Annotated[str, typer.Option(help="The holder's part: tester, reviewer, confirming-officer, ...")],
    name: Annotated[str, typer.Option(help="Who holds the key.")],
    valid_from: Annotated[str, typer.Option(help="RFC 3339; default: now.")] = "",
    valid_until: Annotated[str, typer.Option(help="RFC 3339; default: 12 months after the start.")] = "",
) -> None:
    """Take a key that stays in its device or service: PKCS#11, or a cloud's key management."""
    from seatrial.confirmation.statement import months_after
    from seatrial.errors import KeyFileError
    from seatrial.evidence.canonical import canonical_bytes
    from seatrial.evidence.signers import import_key

    start = time_of(valid_from, "--valid-from") or now_utc()
    end = time_of(valid_until, "--valid-until") or months_after(start, 12)
    reference, public = out.with_name(out.name + ".key.json"), out.with_name(out.name + ".json")
    for path in (reference, public):
        if path.exists():
            raise KeyFileError("a key is never overwritten, and this file exists", value=path, remedy="Name another.")
    made = import_key(uri, role=role, name=name, valid_from=start, valid_until=end, secrets=pin_of)
    write_file(reference, made.to_bytes())
    write_file(public, canonical_bytes(made.public.to_object()))
    typer.echo(f"key reference {reference}: give it to --key; it holds no secret")
    typer.echo(f"public key {public} (key id {made.public.keyid}): hand it to whoever keeps the trust file")


def keys_list(
    trust: Annotated[Path, typer.Argument(help="A trust file.")],
    at: Annotated[str, typer.Option(help="RFC 3339; default: now.")] = "",
    as_json: Json = False,
) -> None:
    """Say which key holds which role, and whether it is valid."""
    import json

    from seatrial.clock import to_rfc3339
    from seatrial.evidence.keys import load_trust

    moment = time_of(at, "--at") or now_utc()
    rows = []
    for key in load_trust(trust).keys:
        state = "valid" if key.valid_at(moment) else "not yet valid" if moment < key.valid_from else "ended"
        rows.append(key.to_object() | {"fingerprint": key.fingerprint, "state": state})
        if not as_json:
            until = to_rfc3339(key.valid_until)
            typer.echo(f"{key.role}: {key.name}: {state}, until {until}, sha256:{key.fingerprint}")
    if as_json:
        typer.echo(json.dumps({"at": to_rfc3339(moment), "keys": rows}, ensure_ascii=False))


def keys_end(
    trust: Annotated[Path, typer.Argument(help="A trust file.")],
    fingerprint: Annotated[str, typer.Option(help="Of the key, as 'keys list' shows it; eight digits or more.")],
    at: Annotated[str, typer.Option(help="RFC 3339: the first moment at which it is valid no more.")],
    out: Annotated[Path, typer.Option(help="Where the new trust file goes.")],
) -> None:
    """End a key's period early: what it signs with a later date no longer counts."""
    from dataclasses import replace

    from seatrial.errors import KeyFileError
    from seatrial.evidence.keys import load_trust

    moment, trusted = time_of(at, "--at"), load_trust(trust)
    wanted = fingerprint.removeprefix("sha256:")
    found = [key for key in trusted.keys if len(wanted) >= 8 and key.fingerprint.startswith(wanted)]
    if len(found) != 1 or moment is None:
        raise KeyFileError(
            f"{len(found)} keys have this fingerprint", value=fingerprint, remedy="See 'seatrial keys list'."
        )
    (key,) = found
    if moment >= key.valid_until:
        raise KeyFileError("a key's period is only ever shortened", value=at, remedy="Give an earlier time.")
    if moment <= key.valid_from:
        raise KeyFileError("the key's period begins later than that", value=at, remedy="Take its entry out.")
    keys = tuple(replace(key, valid_until=moment) if item is key else item for item in trusted.keys)
    write_file(out, replace(trusted, keys=keys).to_bytes())
    typer.echo(f"{key.role} {key.name}: ended at {at}")
