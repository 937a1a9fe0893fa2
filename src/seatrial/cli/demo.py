"""``seatrial demo``: the whole measure on the embedded booking service, in a few minutes."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from seatrial.cli import exit_codes

if TYPE_CHECKING:
    from seatrial.authoring.policies import LoadedPolicy
    from seatrial.authoring.yaml_plan import LoadedPlan
    from seatrial.confirmation.gate import Decision
    from seatrial.evidence.keys import Trust
    from seatrial.trials.finish import RunResult

__all__ = ["register"]

_PATRONS = 20_000
_ROLES = ("test-arranger", "tester", "reviewer", "confirming-officer")


class _Office(NamedTuple):
    """The demonstration's authority and tester: where everything lies, and whose keys sign."""

    folder: Path
    keys: dict[str, Path]
    trust_file: Path
    trust: Trust


class _Story(NamedTuple):
    """What became of one release."""

    label: str
    result: RunResult
    sold_twice: int
    ruling: str
    decision: Decision

    @property
    def outcome(self) -> tuple[str, bool, str, str]:
        """Verdict, whether courts were sold twice, ruling, the gate's answer."""
        return str(self.result.verdict.verdict), self.sold_twice > 0, self.ruling, str(self.decision.answer)


_EXPECTED = [("FAIL", True, "REFUSED", "DENY"), ("PASS", False, "CONFIRMED", "ALLOW")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for everything that the demonstration leaves.")] = None,
    workers: Annotated[int, typer.Option(help="Worker processes of the load generator.", min=1)] = 1,
    plan: Annotated[
        Path | None, typer.Option(help="Another plan for the same service, for example a shorter one.")
    ] = None,
    policy: Annotated[str, typer.Option(help="The rules that both releases are judged by.")] = "demo",
) -> None:
    """Put two releases of a booking service on trial: one is refused, one is confirmed, and the gate obeys."""
    from seatrial.authoring.policies import load_policy
    from seatrial.clock import SystemClock
    from seatrial.trials.workspace import new_bundle_folder

    rules, template = load_policy(policy), _read_plan(plan)
    now = SystemClock().now()
    folder = new_bundle_folder(out or Path("seatrial-demo") / f"{now:%Y%m%dT%H%M%SZ}", "demo", now)
    office = _open_office(folder)
    loaded = _write_plan(folder, template)
    print(
        "A sports-facility booking service is about to open at 07:00. Two releases of it stand trial:\n"
        "the same plan, the same limits, sealed by the authority before the first request.\n"
    )
    stories = [_put_on_trial(name, office, loaded, rules, workers) for name in ("a", "b")]
    after = _take_back(office)
    _summary(office, stories)
    if [story.outcome for story in stories] != _EXPECTED or after.allowed:
        print(
            "\nThis is not what the demonstration is to show: release A refused, release B confirmed. "
            "The reasons stand above;\non a machine that is busy with other things, run it again when it is quiet.",
            file=sys.stderr,
        )
        raise typer.Exit(exit_codes.FAILED)


def _open_office(folder: Path) -> _Office:
    from seatrial.clock import SystemClock
    from seatrial.evidence.keys import Trust, new_key

    now = SystemClock().now()
    keys = folder / "keys"
    keys.mkdir()
    files = {role: keys / f"{role}.pem" for role in _ROLES}
    entries = [
        new_key(
            path,
            role=role,
            name=f"Demonstration {role}",
            valid_from=now - timedelta(minutes=1),
            valid_until=now + timedelta(days=30),
            passphrase=None,
        )
        for role, path in files.items()
    ]
    trust = Trust(tuple(entries))
    trust_file = folder / "trust.json"
    trust_file.write_bytes(trust.to_bytes())
    return _Office(folder, files, trust_file, trust)


def _read_plan(other: Path | None) -> str:
    from importlib.resources import files

    from seatrial.errors import UsageError

    own = files("seatrial.sandbox").joinpath("plan.yaml")
    try:
        return (own if other is None else other).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the plan can't be read ({error})", value=other, remedy="Name a YAML file.") from error


def _write_plan(folder: Path, template: str) -> LoadedPlan:
    """Write the plan and its patrons; both releases will be served at the same free port."""
    from seatrial.authoring.yaml_plan import load_plan
    from seatrial.sandbox.patrons import patrons_csv

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    plan = folder / "plan.yaml"
    plan.write_text(re.sub(r"(?m)^target:.*$", f"target: http://127.0.0.1:{port}", template), encoding="utf-8")
    (folder / "patrons.csv").write_text(patrons_csv(_PATRONS), encoding="utf-8")
    return load_plan(plan)


def _put_on_trial(name: str, office: _Office, loaded: LoadedPlan, rules: LoadedPolicy, workers: int) -> _Story:
    from seatrial.backends.local import LocalBackend
    from seatrial.cli.live import LiveView
    from seatrial.cli.run import stop_at_once
    from seatrial.clock import SystemClock
    from seatrial.errors import InterruptedRunError
    from seatrial.evidence.keys import load_signer
    from seatrial.model.release import release_of
    from seatrial.reports.text import render_text
    from seatrial.sandbox.process import Sandbox
    from seatrial.sandbox.release import release_files
    from seatrial.trials.execute import RunOptions, execute

    release = release_of("Court booking", name.upper(), release_files(name))
    manifest = office.folder / f"release-{name}.json"
    manifest.write_bytes(release.to_bytes())
    options = RunOptions(
        out=office.folder / f"release-{name}",
        workers=workers,
        release=release.to_bytes(),
        signers=(load_signer(office.keys["tester"]),),
        trust_python=False,
        command=["seatrial", *sys.argv[1:]],
        seal=_seal(name, office, loaded, rules, release.to_bytes()),
        attempts=office.folder / f"attempts-{name}.jsonl",
        trust=office.trust,
    )
    label = f"release {name.upper()}"
    port = int(loaded.plan.target.rpartition(":")[2])
    with Sandbox(release=name, port=port) as box:
        result = execute(loaded, rules, options, LocalBackend, LiveView(label), SystemClock(), stop_at_once)
        if isinstance(result.ending, InterruptedRunError):
            raise result.ending
        bookings, sold_twice = _audit(box.url)
    print(f"\n── {label} " + "─" * 60)
    print(render_text(result.verdict, colour=sys.stdout.isatty()))
    print(f"the service's own books: {bookings:,} bookings, {sold_twice:,} courts sold twice")
    ruling = _decide(name, office, rules, result)
    decision = _gate(name, office, manifest)
    print(f"the authority's decision, signed by reviewer and confirming officer: {ruling}")
    print(f"the rollout gate: {decision.answer}")
    for reason in decision.reasons:
        print(f"  - {reason}")
    print()
    return _Story(label, result, sold_twice, ruling, decision)


def _seal(name: str, office: _Office, loaded: LoadedPlan, rules: LoadedPolicy, release: bytes) -> bytes:
    """Seal what the release will be judged on, as the authority's test arranger; the run refuses anything else."""
    from seatrial.clock import SystemClock
    from seatrial.evidence.keys import load_signer
    from seatrial.trials.documents import read_feeds
    from seatrial.trials.sealed import seal_plan

    signers = [load_signer(office.keys["test-arranger"])]
    envelope = seal_plan(loaded, rules, release, read_feeds(loaded), signers, SystemClock().now())
    path = office.folder / f"seal-{name}.json"
    path.write_bytes(envelope)
    print(f"sealed by the test arranger, for release {name.upper()}: plan, policy, release, patrons  ({path})")
    return envelope


def _audit(url: str) -> tuple[int, int]:
    """Return what the service's own database says: bookings, and courts sold twice."""
    import json
    from urllib.request import urlopen

    with urlopen(f"{url}/audit", timeout=30) as answer:  # noqa: S310 -- our own sandbox on loopback
        audit = json.load(answer)
    return int(audit["bookings"]), len(audit["double_booked"])


def _decide(name: str, office: _Office, rules: LoadedPolicy, result: RunResult) -> str:
    """Confirm on PASS, refuse otherwise: what the officers of the demonstration do."""
    from seatrial.clock import SystemClock
    from seatrial.confirmation.confirm import ConfirmationRequest, confirm, digest_of
    from seatrial.confirmation.statement import Ruling, months_after
    from seatrial.evidence.keys import load_signer
    from seatrial.evidence.verifier import verify_bundle
    from seatrial.model.verdict import Verdict
    from seatrial.trials.replay import replay_bytes

    now = SystemClock().now()
    report = verify_bundle(result.bundle, office.trust, now, replay_bytes)
    passed = result.verdict.verdict is Verdict.PASS
    request = ConfirmationRequest(
        ruling=Ruling.CONFIRMED if passed else Ruling.REFUSED,
        valid_until=months_after(now, 6),
        reasons=() if passed else _against(result),
        conditions=(),
        system="Court booking",
        policy_digest=digest_of(rules.policy),
    )
    signers = [load_signer(office.keys[role]) for role in ("reviewer", "confirming-officer")]
    envelope = confirm(report, request, signers, office.trust, now)
    (office.folder / f"confirmation-{name}.json").write_bytes(envelope)
    return str(request.ruling)


def _against(result: RunResult) -> tuple[str, ...]:
    """Return what speaks against the release: what is broken, or, where nothing is, what stays open."""
    reasons = [reason for trial in result.verdict.trials if trial.verdict != "PASS" for reason in trial.reasons]
    broken = tuple(reason.text for reason in reasons if ".broken" in reason.code)
    return broken or tuple(reason.text for reason in reasons if not reason.code.endswith((".kept", ".none")))


def _gate(name: str, office: _Office, manifest: Path, revocations: bytes | None = None) -> Decision:
    from seatrial.clock import SystemClock
    from seatrial.confirmation.gate import decide

    confirmation, trust = (office.folder / f"confirmation-{name}.json").read_bytes(), office.trust_file.read_bytes()
    return decide(confirmation, manifest.read_bytes(), trust, SystemClock().now(), revocations)


def _take_back(office: _Office) -> Decision:
    """Revoke the confirmation of release B, as after an incident, and ask the gate once more."""
    from seatrial.clock import SystemClock
    from seatrial.confirmation.revocation import Revocation, next_list
    from seatrial.evidence.canonical import sha256_hex
    from seatrial.evidence.envelope import verify
    from seatrial.evidence.keys import load_signer

    now = SystemClock().now().replace(microsecond=0)
    payload = verify((office.folder / "confirmation-b.json").read_bytes(), office.trust).payload
    entry = Revocation(sha256_hex(payload), "Shown by the demonstration: an incident after the rollout.", now)
    signer, until = load_signer(office.keys["confirming-officer"]), now + timedelta(days=7)
    revocations = next_list(None, [entry], signer, trust=office.trust, now=now, expires_at=until)
    (office.folder / "revocations.json").write_bytes(revocations)
    decision = _gate("b", office, office.folder / "release-b.json", revocations)
    print("A week later there is an incident, and the authority revokes the confirmation of release B.")
    print(f"the rollout gate, with the revocation list: {decision.answer}")
    for reason in decision.reasons:
        print(f"  - {reason}")
    print()
    return decision


def _summary(office: _Office, stories: list[_Story]) -> None:
    here = office.folder
    print("─" * 72)
    for story in stories:
        print(f"{story.label}: {story.result.verdict.verdict}, {story.ruling}, gate {story.decision.answer}")
        print(f"  report    {story.result.bundle / 'report.html'}")
        print(f"  evidence  {story.result.bundle}")
    print("\nNobody has to believe this. Recompute, verify, and ask the gate yourself:")
    command = _command()
    print(f"  {command} assess {stories[0].result.bundle}")
    print(f"  {command} verify {stories[1].result.bundle} --trust {office.trust_file}")
    gate = (
        f"{command} gate --confirmation {here / 'confirmation-b.json'} "
        f"--deployed {here / 'release-b.json'} --trust {office.trust_file}"
    )
    print(f"  {gate}")
    print(f"  {gate} --revocations {here / 'revocations.json'}")


def _command() -> str:
    """Return how a person here calls this program: by its name, or by its path where the name is not found."""
    if shutil.which("seatrial"):
        return "seatrial"
    path = Path(sys.argv[0])
    return str(path) if path.is_absolute() or path.parent != Path() else f"./{path}"
