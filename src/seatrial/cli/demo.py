"""``seatrial demo``: the whole measure on the embedded booking service, in a few minutes."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from seatrial.confirmation.gate import Decision
    from seatrial.evidence.keys import Trust
    from seatrial.trials.finish import RunResult

__all__ = ["register"]

_PATRONS = 20_000
_ROLES = ("tester", "reviewer", "confirming-officer")


class _Office(NamedTuple):
    """The demonstration's authority and tester: where everything lies, and whose keys sign."""

    folder: Path
    keys: dict[str, Path]
    trust_file: Path
    trust: Trust


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for everything that the demonstration leaves.")] = None,
    workers: Annotated[int, typer.Option(help="Worker processes of the load generator.", min=1)] = 1,
) -> None:
    """Put two releases of a booking service on trial: one is refused, one is confirmed, and the gate obeys."""
    from seatrial.clock import SystemClock
    from seatrial.trials.workspace import new_bundle_folder

    now = SystemClock().now()
    folder = new_bundle_folder(out or Path("seatrial-demo") / f"{now:%Y%m%dT%H%M%SZ}", "demo", now).resolve()
    office = _open_office(folder)
    plan = _write_plan(folder)
    print(
        "A sports-facility booking service is about to open at 07:00. Two releases of it stand trial:\n"
        "the same plan, the same limits, sealed before the first request.\n"
    )
    verdicts = [_put_on_trial(name, office, plan, workers) for name in ("a", "b")]
    _summary(office, verdicts)
    expected = [(False, "REFUSED"), (True, "CONFIRMED")]
    found = [(decision.allowed, ruling) for _, _, ruling, decision in verdicts]
    raise typer.Exit(0 if found == expected else 1)


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


def _write_plan(folder: Path) -> Path:
    """Write the plan and its patrons; both releases will be served at the same free port."""
    from importlib.resources import files

    from seatrial.sandbox.patrons import patrons_csv

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    template = files("seatrial.sandbox").joinpath("plan.yaml").read_text(encoding="utf-8")
    plan = folder / "plan.yaml"
    plan.write_text(template.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), encoding="utf-8")
    (folder / "patrons.csv").write_text(patrons_csv(_PATRONS), encoding="utf-8")
    return plan


def _put_on_trial(name: str, office: _Office, plan_file: Path, workers: int) -> tuple[str, RunResult, str, Decision]:
    from seatrial.authoring.policies import load_policy
    from seatrial.authoring.yaml_plan import load_plan
    from seatrial.backends.local import LocalBackend
    from seatrial.cli.live import LiveView
    from seatrial.clock import SystemClock
    from seatrial.evidence.keys import load_signer
    from seatrial.model.release import release_of
    from seatrial.reports.text import render_text
    from seatrial.sandbox.process import Sandbox
    from seatrial.sandbox.release import release_files
    from seatrial.trials.execute import RunOptions, execute

    loaded = load_plan(plan_file)
    release = release_of("Court booking", f"release {name.upper()}", release_files(name))
    manifest = office.folder / f"release-{name}.json"
    manifest.write_bytes(release.to_bytes())
    options = RunOptions(
        out=office.folder / f"release-{name}",
        workers=workers,
        release=release.to_bytes(),
        signers=(load_signer(office.keys["tester"]),),
        trust_python=False,
        command=["seatrial", *sys.argv[1:]],
    )
    label = f"release {name.upper()}"
    port = int(loaded.plan.target.rpartition(":")[2])
    with Sandbox(release=name, port=port) as box:
        result = execute(loaded, load_policy("demo"), options, LocalBackend, LiveView(label), SystemClock())
        sold = _audit(box.url)
    print(f"\n── {label} " + "─" * 60)
    print(render_text(result.verdict, colour=sys.stdout.isatty()))
    print(sold)
    ruling = _decide(name, office, result)
    decision = _gate(name, office, manifest)
    print(f"the authority's decision, signed by reviewer and confirming officer: {ruling}")
    print(f"the rollout gate: {decision.answer}")
    for reason in decision.reasons:
        print(f"  - {reason}")
    print()
    return label, result, ruling, decision


def _audit(url: str) -> str:
    """Return what the service's own database says of courts sold twice."""
    import json
    from urllib.request import urlopen

    with urlopen(f"{url}/audit", timeout=30) as answer:  # noqa: S310 -- our own sandbox on loopback
        audit = json.load(answer)
    twice = len(audit["double_booked"])
    return f"the service's own books: {audit['bookings']:,} bookings, {twice:,} courts sold twice"


def _decide(name: str, office: _Office, result: RunResult) -> str:
    """Confirm on PASS, refuse otherwise: what the officers of the demonstration do."""
    from seatrial.clock import SystemClock
    from seatrial.confirmation.confirm import ConfirmationRequest, confirm
    from seatrial.confirmation.statement import Ruling, months_after
    from seatrial.evidence.keys import load_signer
    from seatrial.evidence.recompute import recompute_verdict
    from seatrial.evidence.verifier import verify_bundle
    from seatrial.model.verdict import Verdict

    now = SystemClock().now()
    report = verify_bundle(result.bundle, office.trust, now, recompute_verdict)
    passed = result.verdict.verdict is Verdict.PASS
    request = ConfirmationRequest(
        ruling=Ruling.CONFIRMED if passed else Ruling.REFUSED,
        valid_until=months_after(now, 6),
        reasons=tuple(reason.text for trial in result.verdict.trials for reason in trial.reasons) if not passed else (),
        conditions=(),
        system="Court booking",
        policy_digest=None,
    )
    signers = [load_signer(office.keys[role]) for role in ("reviewer", "confirming-officer")]
    envelope = confirm(report, request, signers, office.trust, now)
    (office.folder / f"confirmation-{name}.json").write_bytes(envelope)
    return str(request.ruling)


def _gate(name: str, office: _Office, manifest: Path) -> Decision:
    from seatrial.clock import SystemClock
    from seatrial.confirmation.gate import decide

    confirmation = (office.folder / f"confirmation-{name}.json").read_bytes()
    return decide(confirmation, manifest.read_bytes(), office.trust_file.read_bytes(), SystemClock().now(), None)


def _summary(office: _Office, verdicts: list[tuple[str, RunResult, str, Decision]]) -> None:
    here = office.folder
    print("─" * 72)
    for label, result, ruling, decision in verdicts:
        print(f"{label}: {result.verdict.verdict}, {ruling}, gate {decision.answer}")
        print(f"  report    {result.bundle / 'report.html'}")
        print(f"  evidence  {result.bundle}")
    print("\nNobody has to believe this. Recompute, verify, and ask the gate yourself:")
    print(f"  seatrial assess {verdicts[0][1].bundle}")
    print(f"  seatrial verify {verdicts[1][1].bundle} --trust {office.trust_file}")
    print(
        f"  seatrial gate --confirmation {here / 'confirmation-b.json'} "
        f"--deployed {here / 'release-b.json'} --trust {office.trust_file}"
    )
