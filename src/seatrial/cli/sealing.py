"""What the commands of the seal have in common: signers, passphrases, times, files, the steps of a verification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime
    from typing import BinaryIO

    from securesystemslib.signer import Signer  # type: ignore[attr-defined] # public there, not marked re-exported

    from seatrial.evidence.keys import Trust
    from seatrial.evidence.verification import VerificationReport

__all__ = [
    "Json",
    "TrustFile",
    "new_passphrase",
    "now_utc",
    "pin_of",
    "print_steps",
    "signer_of",
    "time_of",
    "verified",
    "write_file",
]

PIN_VARIABLE = "SEATRIAL_KEY_PIN"
PASSPHRASE_VARIABLE = "SEATRIAL_KEY_PASSPHRASE"  # noqa: S105 -- the variable's name, not a passphrase

TrustFile = Annotated[Path, typer.Option("--trust", help="Trust file: which key holds which role, and when.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def now_utc() -> datetime:
    """Return the current time, with a zone."""
    from seatrial.clock import SystemClock

    return SystemClock().now()


def time_of(text: str, option: str) -> datetime | None:
    """Read a time that a person gave; None for empty text.

    Raises:
        UsageError: It is not RFC 3339; the message names the option.
    """
    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import parse_rfc3339

    try:
        return parse_rfc3339(text, option) if text else None
    except EvidenceError as e:
        raise UsageError(e.what, value=e.value, remedy=e.remedy) from e


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        UsageError: It can't be written.
    """
    from seatrial.errors import UsageError

    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as e:
        raise UsageError(f"the file can't be written ({e.strerror})", value=path, remedy="Choose another place.") from e


def verified(bundle: Path | BinaryIO, trust: Trust) -> VerificationReport:
    """Verify a bundle now, its verdict recomputed; a packed one may come from a stream."""
    from seatrial.evidence.verifier import verify_bundle
    from seatrial.trials.replay import replay_bytes

    return verify_bundle(bundle, trust, now_utc(), replay_bytes)


def print_steps(report: VerificationReport) -> None:
    """Print the steps of a verification, one a line."""
    for step in report.steps:
        typer.echo(str(step))


def new_passphrase() -> str:
    """Return the passphrase of a new key, from the environment or a prompt.

    Raises:
        UsageError: There is neither.
    """
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


def pin_of(what: str) -> str:
    """Return the PIN of a device, from the environment or a prompt.

    Args:
        what: What the device asks for.

    Raises:
        KeyFileError: There is neither.
    """
    import os
    import sys

    from seatrial.errors import KeyFileError

    given = os.environ.get(PIN_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise KeyFileError("the device asks for its PIN", value=what, remedy=f"Set {PIN_VARIABLE}.")
    return str(typer.prompt(f"PIN ({what})", hide_input=True))


def signer_of(path: Path) -> Signer:
    """Load a private key, or open the device or service that a key reference names.

    A passphrase comes from SEATRIAL_KEY_PASSPHRASE or a prompt, a PIN from SEATRIAL_KEY_PIN or a prompt.

    Raises:
        KeyFileError: Unreadable, open to others, no key, or passphrase, PIN, device or library is missing or wrong.
    """
    import os
    import sys

    from seatrial.evidence.keys import is_encrypted, load_signer
    from seatrial.evidence.signers import is_reference, load_reference, open_signer

    if is_reference(path):
        return open_signer(load_reference(path), pin_of)
    passphrase = None
    if is_encrypted(path):
        passphrase = os.environ.get(PASSPHRASE_VARIABLE)
        if not passphrase and sys.stdin.isatty():
            passphrase = str(typer.prompt(f"Passphrase of {path.name}", hide_input=True))
    return load_signer(path, passphrase)
