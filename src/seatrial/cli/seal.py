"""Commands of the seal: keys, releases, verification, confirmation, revocation and the gate.

Imports are inside the commands: the gate is called by deployment pipelines and must start in a fraction of a
second. Exit codes: 0 ok, CONFIRMED or ALLOW; 1 verification failed, REFUSED or DENY; 2 bad usage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from securesystemslib.signer import Signer  # type: ignore[attr-defined] # public there, not marked re-exported

    from seatrial.confirmation.statement import Condition
    from seatrial.evidence.keys import Trust
    from seatrial.evidence.verification import VerificationReport

__all__ = ["register", "signer_of"]

PASSPHRASE_VARIABLE = "SEATRIAL_KEY_PASSPHRASE"  # noqa: S105 -- the variable's name, not a passphrase

TrustFile = Annotated[Path, typer.Option("--trust", help="Trust file: which key holds which role, and when.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the seal's commands to ``app``."""
    keys = typer.Typer(help="Signing keys and the trust file.", no_args_is_help=True)
    keys.command("new")(keys_new)
    keys.command("trust")(keys_trust)
    release = typer.Typer(help="The release that is tried and rolled out.", no_args_is_help=True)
    release.command("digest")(release_digest)
    app.add_typer(keys, name="keys")
    app.add_typer(release, name="release")
    app.command("verify")(verify)
    app.command("confirm")(confirm)
    app.command("revoke")(revoke)
    app.command("gate")(gate)


def keys_new(
    out: Annotated[Path, typer.Argument(help="Name without ending: writes NAME.pem (private) and NAME.json (public).")],
    role: Annotated[str, typer.Option(help="tester, reviewer or confirming-officer.")],
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

    start = _time(valid_from, "--valid-from") or _now()
    end = _time(valid_until, "--valid-until") or months_after(start, 12)
    public = out.with_name(out.name + ".json")
    if public.exists():
        raise KeyFileError(
            "a public key is never overwritten, and this file exists", value=public, remedy="Choose another name."
        )
    private = out.with_name(out.name + ".pem")
    passphrase = None if no_passphrase else _new_passphrase()
    entry = new_key(private, role=role, name=name, valid_from=start, valid_until=end, passphrase=passphrase)
    _write(public, canonical_bytes(entry.to_object()))
    typer.echo(f"private key {private} ({'encrypted' if passphrase else 'NOT encrypted'}): keep it")
    typer.echo(f"public key {public} (key id {entry.keyid}): hand it to whoever keeps the trust file")


def keys_trust(
    entries: Annotated[list[Path], typer.Argument(help="Public keys from 'keys new', or trust files to join.")],
    out: Annotated[Path, typer.Option(help="Where the trust file goes.")],
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
    _write(out, merged.to_bytes())
    for key in merged.keys:
        typer.echo(f"{key.role}: {key.name} ({key.keyid})")


def release_digest(
    sources: Annotated[list[str] | None, typer.Argument(help="PATH or LABEL=PATH, files and directories.")] = None,
    name: Annotated[str, typer.Option(help="The system's name.")] = "",
    version: Annotated[str, typer.Option(help="The version.")] = "",
    image: Annotated[list[str] | None, typer.Option(help="LABEL=sha256:HEX, for a container image.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where it goes; default: standard output.")] = None,
) -> None:
    """Compute a release manifest: what is tried, and later what is deployed."""
    from seatrial.errors import UsageError
    from seatrial.model.release import release_of

    paths, images = [], []
    for source in sources or []:
        label, equals, path = source.partition("=")
        paths.append((label, Path(path)) if equals else (Path(source).name, Path(source)))
    for item in image or []:
        label, equals, digest = item.partition("=sha256:")
        if not equals:
            raise UsageError("an image is written LABEL=sha256:HEX", value=item, remedy="Give its digest, not its tag.")
        images.append((label, digest))
    release = release_of(name, version, paths, images)
    if out is None:
        typer.echo(release.to_bytes().decode())
    else:
        _write(out, release.to_bytes())
        typer.echo(f"{release.name} {release.version}: {len(release.subjects)} subjects")


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle directory or packed bundle.")],
    trust: TrustFile,
    as_json: Json = False,
) -> None:
    """Verify a bundle: integrity, seal and recomputation, step by step."""
    import json

    from seatrial.evidence.keys import load_trust

    report = _verified(bundle, load_trust(trust))
    if as_json:
        typer.echo(json.dumps(report.to_object(), ensure_ascii=False))
    else:
        _print_steps(report)
        typer.echo(
            "VERIFIED" if report.ok else f"NOT VERIFIED: {len(report.failures)} of {len(report.steps)} steps failed"
        )
    raise typer.Exit(0 if report.ok else 1)


def confirm(
    bundle: Annotated[Path, typer.Argument(help="Bundle directory or packed bundle.")],
    trust: TrustFile,
    key: Annotated[list[Path], typer.Option(help="Private key; give two to sign as both roles at once.")],
    out: Annotated[Path, typer.Option(help="Where the envelope goes.")],
    decision: Annotated[str, typer.Option(help="CONFIRMED, CONFIRMED_WITH_CONDITIONS or REFUSED.")] = "",
    reason: Annotated[list[str] | None, typer.Option(help="A reason, as a sentence.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="ID;DUE;TEXT with DUE in RFC 3339.")] = None,
    valid_until: Annotated[str, typer.Option(help="RFC 3339; default: 6 months; at most 12.")] = "",
    system: Annotated[str, typer.Option(help="The system's name; default: the release's.")] = "",
    policy: Annotated[str, typer.Option(help="The authority's policy: a shipped one's name, or a file.")] = "default",
    add_signature: Annotated[Path | None, typer.Option(help="Envelope to countersign with --key.")] = None,
) -> None:
    """Confirm or refuse on verified evidence, or add the second signature."""
    from seatrial.authoring.policies import load_policy
    from seatrial.confirmation.confirm import ConfirmationRequest, countersign, digest_of
    from seatrial.confirmation.confirm import confirm as confirm_evidence
    from seatrial.confirmation.statement import Ruling, months_after, parse_confirmation
    from seatrial.errors import UsageError
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.envelope import verify as verify_envelope
    from seatrial.evidence.keys import load_trust

    trusted, now = load_trust(trust), _now()
    if add_signature is not None and (decision or reason or condition or valid_until or system or len(key) != 1):
        raise UsageError("--add-signature takes one --key and no new decision", remedy="It signs what stands there.")
    if add_signature is None and decision not in set(Ruling):
        raise UsageError("--decision is none of the words", value=repr(decision), remedy=" or ".join(Ruling) + ".")
    policy_digest = digest_of(load_policy(policy).policy)
    report = _verified(bundle, trusted)
    _print_steps(report)
    signers = [signer_of(path) for path in key]
    if add_signature is not None:
        envelope = countersign(
            read_document(add_signature),
            report,
            signers[0],
            trust=trusted,
            now=now,
            policy_digest=policy_digest,
        )
    else:
        request = ConfirmationRequest(
            ruling=Ruling(decision),
            valid_until=_time(valid_until, "--valid-until") or months_after(now, 6),
            reasons=tuple(reason or ()),
            conditions=tuple(_condition(text) for text in condition or ()),
            system=system,
            policy_digest=policy_digest,
        )
        envelope = confirm_evidence(report, request, signers, trusted, now)
    _write(out, envelope)
    written = parse_confirmation(verify_envelope(envelope, trusted).payload)
    typer.echo(str(written.ruling))
    for sentence in written.reasons:
        typer.echo(f"reason: {sentence}")
    raise typer.Exit(1 if written.ruling is Ruling.REFUSED else 0)


def revoke(
    key: Annotated[Path, typer.Option(help="A confirming officer's private key.")],
    trust: TrustFile,
    out: Annotated[Path, typer.Option(help="Where the next revocation list goes.")],
    confirmation: Annotated[Path | None, typer.Argument(help="The confirmation; none renews the list.")] = None,
    reason: Annotated[str, typer.Option(help="Why, as a sentence.")] = "",
    previous: Annotated[Path | None, typer.Option("--list", help="The current list; none starts one.")] = None,
    expires: Annotated[str, typer.Option(help="RFC 3339; default: in 7 days.")] = "",
) -> None:
    """Revoke a confirmation: write the next edition of the revocation list."""
    from datetime import timedelta

    from seatrial.confirmation.revocation import Revocation, next_list, read_list
    from seatrial.confirmation.statement import parse_confirmation
    from seatrial.errors import UsageError
    from seatrial.evidence.canonical import read_document, sha256_hex
    from seatrial.evidence.envelope import verify as verify_envelope
    from seatrial.evidence.keys import load_trust

    trusted, now = load_trust(trust), _now()
    if (confirmation is None) != (not reason.strip()):
        raise UsageError("a revocation takes a confirmation and --reason, a renewal neither", remedy="Give both.")
    if previous is None and out.exists():
        raise UsageError(
            "a new list would take the place of this file and forget what it revoked",
            value=out,
            remedy="Name the current list with --list, or write to another file.",
        )
    entries = []
    if confirmation is not None:
        payload = verify_envelope(read_document(confirmation), trusted).payload
        parse_confirmation(payload)  # else a slip of the hand would revoke some other statement, and nothing
        digest = sha256_hex(payload)
        entries.append(Revocation(digest, reason, now))
    current = None if previous is None else read_list(read_document(previous), trusted)
    until = _time(expires, "--expires") or now + timedelta(days=7)
    envelope = next_list(current, entries, signer_of(key), trust=trusted, now=now, expires_at=until)
    _write(out, envelope)
    written = read_list(envelope, trusted)
    typer.echo(f"revocation list number {written.sequence}: {len(written.entries)} revoked")


def gate(
    confirmation: Annotated[Path, typer.Option(help="The confirmation's envelope.")],
    deployed: Annotated[Path, typer.Option(help="Release manifest of what is about to be deployed.")],
    trust: TrustFile,
    revocations: Annotated[Path | None, typer.Option(help="The authority's revocation list.")] = None,
    least_sequence: Annotated[int, typer.Option(help="Lowest number the revocation list may have.")] = 1,
    as_json: Json = False,
) -> None:
    """Say whether the release may be rolled out: ALLOW or DENY, with every reason."""
    from seatrial.cli.gate import answer

    raise typer.Exit(answer(confirmation, deployed, trust, revocations, least_sequence=least_sequence, as_json=as_json))


def _now() -> datetime:
    from seatrial.clock import SystemClock

    return SystemClock().now()


def _time(text: str, option: str) -> datetime | None:
    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import parse_rfc3339

    try:
        return parse_rfc3339(text, option) if text else None
    except EvidenceError as e:
        raise UsageError(e.what, value=e.value, remedy=e.remedy) from e


def _condition(text: str) -> Condition:
    from seatrial.confirmation.statement import Condition
    from seatrial.errors import UsageError

    parts = [part.strip() for part in text.split(";", 2)]
    due = _time(parts[1], "the condition's due time") if len(parts) == 3 else None
    if due is None:
        raise UsageError("a condition is written ID;DUE;TEXT", value=text, remedy="C1;2026-12-01T00:00:00Z;Do this.")
    return Condition(parts[0], parts[2], due)


def _verified(bundle: Path, trust: Trust) -> VerificationReport:
    from seatrial.evidence.verifier import verify_bundle
    from seatrial.trials.replay import replay_bytes

    return verify_bundle(bundle, trust, _now(), replay_bytes)


def _print_steps(report: VerificationReport) -> None:
    for step in report.steps:
        typer.echo(str(step))


def _write(path: Path, data: bytes) -> None:
    from seatrial.errors import UsageError

    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as e:
        raise UsageError(f"the file can't be written ({e.strerror})", value=path, remedy="Choose another place.") from e


def _new_passphrase() -> str:
    import os
    import sys

    from seatrial.errors import UsageError

    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            "a private key needs a passphrase",
            remedy=f"Set {PASSPHRASE_VARIABLE}, or say --no-passphrase when the key need not be protected.",
        )
    return str(typer.prompt("Passphrase for the private key", hide_input=True, confirmation_prompt=True))


def signer_of(path: Path) -> Signer:
    """Load a private key; where it is encrypted, its passphrase comes from SEATRIAL_KEY_PASSPHRASE or a prompt.

    Raises:
        KeyFileError: Unreadable, open to others, no private key, or the passphrase is missing or wrong.
    """
    import os
    import sys

    from seatrial.evidence.keys import is_encrypted, load_signer

    passphrase = None
    if is_encrypted(path):
        passphrase = os.environ.get(PASSPHRASE_VARIABLE)
        if not passphrase and sys.stdin.isatty():
            passphrase = str(typer.prompt(f"Passphrase of {path.name}", hide_input=True))
    return load_signer(path, passphrase)
