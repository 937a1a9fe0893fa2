"""``seatrial confirm`` and ``seatrial revoke``: the authority decides, and takes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from seatrial.cli.sealing import TrustFile, now_utc, print_steps, signer_of, time_of, verified, write_file

if TYPE_CHECKING:
    from datetime import datetime

    from seatrial.confirmation.recommendation import SignedRecommendation
    from seatrial.confirmation.statement import Condition, Confirmation
    from seatrial.evidence.keys import Signer, Trust
    from seatrial.evidence.verification import VerificationReport

__all__ = ["condition_of", "register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("confirm")(confirm)
    app.command("revoke")(revoke)


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
    earlier_attempts: Annotated[
        str, typer.Option(help="Why other attempts on the same seal that did not pass don't count, as a sentence.")
    ] = "",
    attempts: Annotated[
        Path | None, typer.Option(help="The attempts log as it stands now: later attempts count as earlier ones do.")
    ] = None,
    add_signature: Annotated[Path | None, typer.Option(help="Envelope to countersign with --key.")] = None,
    recommendation: Annotated[Path | None, typer.Option(help="The reviewer's recommendation on this evidence.")] = None,
    dependency_limits: Annotated[Path | None, typer.Option(help="Dependency limits; void when they change.")] = None,
    drill: Annotated[str, typer.Option(help="When the drill was held, RFC 3339 or a date; void 90 days later.")] = "",
    window: Annotated[str, typer.Option(help="FROM/UNTIL of the event, RFC 3339; void outside.")] = "",
) -> None:
    """Confirm or refuse on verified evidence, or add a further signature."""
    from seatrial.confirmation.confirm import ConfirmationRequest
    from seatrial.confirmation.confirm import confirm as confirm_evidence
    from seatrial.confirmation.statement import Ruling, months_after
    from seatrial.errors import UsageError
    from seatrial.evidence.canonical import read_document, sha256_file

    said = (decision, reason, condition, valid_until, system, earlier_attempts)
    bound = (dependency_limits, drill, window)
    if add_signature is not None and (any((*said, *bound)) or len(key) != 1):
        raise UsageError("--add-signature takes one --key and no new decision", remedy="It signs what stands there.")
    if add_signature is None and decision not in set(Ruling):
        raise UsageError("--decision is none of the words", value=repr(decision), remedy=" or ".join(Ruling) + ".")
    desk = _desk(bundle, trust, policy, recommendation)
    signers = [signer_of(path) for path in key]
    log = None if attempts is None else read_document(attempts)
    if add_signature is not None:
        _finish(out, _countersigned(desk, add_signature, signers[0], log), desk.trust)
    period = _window(window)
    request = ConfirmationRequest(
        ruling=Ruling(decision),
        valid_until=time_of(valid_until, "--valid-until") or (period[1] if period else months_after(desk.now, 6)),
        reasons=tuple(reason or ()),
        conditions=tuple(condition_of(text) for text in condition or ()),
        system=system,
        policy_digest=desk.policy_digest,
        attempts_reason=earlier_attempts,
        attempts_log=log,
        recommendation=desk.recommended,
        dependency_limits_digest=None if dependency_limits is None else sha256_file(dependency_limits)[0],
        drill_held_at=_drill(drill),
        window=period,
    )
    _finish(out, confirm_evidence(desk.report, request, signers, desk.trust, desk.now), desk.trust)


@dataclass(frozen=True)
class _Desk:
    """What lies before whoever decides: the evidence, verified just now, and what it is measured by."""

    trust: Trust
    now: datetime
    policy_digest: str
    report: VerificationReport
    recommended: SignedRecommendation | None


def _desk(bundle: Path, trust: Path, policy: str, recommendation: Path | None) -> _Desk:
    from seatrial.authoring.policies import load_policy
    from seatrial.confirmation.confirm import digest_of
    from seatrial.confirmation.recommendation import read_recommendation
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust

    trusted, now = load_trust(trust), now_utc()
    policy_digest = digest_of(load_policy(policy).policy)
    report = verified(bundle, trusted)
    print_steps(report)
    recommended = None if recommendation is None else read_recommendation(read_document(recommendation), trusted)
    return _Desk(trusted, now, policy_digest, report, recommended)


def _countersigned(desk: _Desk, path: Path, signer: Signer, attempts_log: bytes | None) -> bytes:
    from seatrial.confirmation.confirm import countersign
    from seatrial.evidence.canonical import read_document

    return countersign(
        read_document(path),
        desk.report,
        signer,
        trust=desk.trust,
        now=desk.now,
        policy_digest=desk.policy_digest,
        recommendation=desk.recommended,
        attempts_log=attempts_log,
    )


def _finish(out: Path, envelope: bytes, trust: Trust) -> NoReturn:
    """Write the envelope, print what it says, and leave with the exit code of the decision."""
    from seatrial.confirmation.statement import Ruling, parse_confirmation
    from seatrial.evidence.envelope import verify as verify_envelope

    write_file(out, envelope)
    written = parse_confirmation(verify_envelope(envelope, trust).payload)
    _print(written)
    raise typer.Exit(1 if written.ruling is Ruling.REFUSED else 0)


def revoke(
    key: Annotated[list[Path], typer.Option(help="A confirming officer's private key; as many as must sign.")],
    trust: TrustFile,
    out: Annotated[Path, typer.Option(help="Where the next revocation list goes.")],
    confirmation: Annotated[Path | None, typer.Argument(help="The confirmation; none renews the list.")] = None,
    reason: Annotated[str, typer.Option(help="Why, as a sentence.")] = "",
    previous: Annotated[Path | None, typer.Option("--list", help="The current list; none starts one.")] = None,
    expires: Annotated[str, typer.Option(help="RFC 3339; default: in 7 days.")] = "",
    add_signature: Annotated[Path | None, typer.Option(help="List to sign as a further officer.")] = None,
) -> None:
    """Revoke a confirmation: write the next edition of the revocation list."""
    from datetime import timedelta

    from seatrial.confirmation.revocation import Revocation, cosign_list, next_list, read_list
    from seatrial.confirmation.statement import parse_confirmation
    from seatrial.errors import UsageError
    from seatrial.evidence.canonical import read_document, sha256_hex
    from seatrial.evidence.envelope import verify as verify_envelope
    from seatrial.evidence.keys import load_trust

    trusted, now = load_trust(trust), now_utc()
    first, *others = [signer_of(path) for path in key]
    if add_signature is not None:
        if confirmation is not None or reason or previous is not None or expires or others:
            raise UsageError("--add-signature takes one --key and nothing new", remedy="It signs what stands there.")
        _write_list(out, cosign_list(read_document(add_signature), first, trusted, now), trusted)
        return
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
    until = time_of(expires, "--expires") or now + timedelta(days=7)
    envelope = next_list(current, entries, first, trust=trusted, now=now, expires_at=until, cosigners=others)
    _write_list(out, envelope, trusted)


def _write_list(out: Path, envelope: bytes, trust: Trust) -> None:
    """Write a revocation list and say whether it counts yet."""
    from seatrial.confirmation.revocation import signed_so_far

    write_file(out, envelope)
    written, lacks = signed_so_far(envelope, trust)
    typer.echo(f"revocation list number {written.sequence}: {len(written.entries)} revoked")
    for problem in lacks:
        typer.echo(f"it does not count yet: {problem}")


def _print(written: Confirmation) -> None:
    """Print the decision, its reasons, and what it rests on: whoever signs next must see it."""
    from seatrial.clock import to_rfc3339
    from seatrial.confirmation.bounds import DRILL_VALIDITY

    typer.echo(str(written.ruling))
    for sentence in written.reasons:
        typer.echo(f"reason: {sentence}")
    bound = written.void_when
    typer.echo(f"void when the forecast exceeds {bound.forecast_above_per_s:g} journeys per second")
    if bound.dependency_limits_digest is not None:
        typer.echo(f"void when the dependency limits are not sha256:{bound.dependency_limits_digest}")
    if bound.drill_valid_until is not None:
        typer.echo(f"void from {to_rfc3339(bound.drill_valid_until)}, when the drill is {DRILL_VALIDITY.days} days old")
    if bound.window is not None:
        typer.echo(f"void before {to_rfc3339(bound.window[0])} and from {to_rfc3339(bound.window[1])}")


def _drill(text: str) -> datetime | None:
    """Read when the drill was held; a date is its first moment, UTC, so that it never counts too long."""
    return time_of(f"{text}T00:00:00Z" if text and "T" not in text else text, "--drill")


def _window(text: str) -> tuple[datetime, datetime] | None:
    from seatrial.errors import UsageError

    if not text:
        return None
    start, _, end = text.partition("/")
    opens, closes = time_of(start, "the window's start"), time_of(end, "the window's end")
    if opens is None or closes is None:
        raise UsageError(
            "a window is written FROM/UNTIL", value=text, remedy="2026-12-01T07:00:00Z/2026-12-02T07:00:00Z."
        )
    return opens, closes


def condition_of(text: str) -> Condition:
    """Read a condition that a person gave as ID;DUE;TEXT.

    Raises:
        UsageError: It is written in another way.
    """
    from seatrial.confirmation.statement import Condition
    from seatrial.errors import UsageError

    parts = [part.strip() for part in text.split(";", 2)]
    due = time_of(parts[1], "the condition's due time") if len(parts) == 3 else None
    if due is None:
        raise UsageError("a condition is written ID;DUE;TEXT", value=text, remedy="C1;2026-12-01T00:00:00Z;Do this.")
    return Condition(parts[0], parts[2], due)
