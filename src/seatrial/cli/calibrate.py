"""``seatrial calibrate``: what this machine's load generator can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seatrial.model.calibration import Calibration, CalibrationCase

__all__ = ["register"]

_STOPPED = {
    "unsent": "more was left unsent",
    "cpu": "more took too much CPU",
    "send lag": "more was sent late",
    "answers": "more was not answered by the null server",
    "time": "no higher rate was tried",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core where left out.", min=1)] = None,
    seconds: Annotated[float, typer.Option(help="About how long it may take.", min=15, max=600)] = 30,
    out: Annotated[Path, typer.Option(help="Where the calibration is written.")] = Path("calibration.json"),
    policy: Annotated[str, typer.Option(help="Whose rules for the generator: a shipped policy's name, or a file.")] = (
        "default"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the calibration as one JSON object.")] = False,
) -> None:
    """Find how much load this machine can offer, and how exact its times are, against a server that does nothing.

    Only a server of its own on 127.0.0.1 is loaded. Run it when the machine is as quiet as it is in a trial.
    """
    from seatrial.authoring.policies import load_policy
    from seatrial.cli.run import default_workers
    from seatrial.clock import SystemClock
    from seatrial.evidence.canonical import canonical_bytes
    from seatrial.trials.calibrate import calibrate as measure

    rules = load_policy(policy).policy
    _must_be_writable(out)
    count = default_workers() if workers is None else workers
    if not as_json:
        print(f"Calibrating {count} worker{'s' if count > 1 else ''} for about {seconds:g} s ...\n")
    found = measure(count, seconds, rules, SystemClock(), on_case=(lambda case: None) if as_json else _print_case)
    document = found.model_dump(mode="json")
    _write(out, canonical_bytes(document))
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        _print_rest(found, out)


def _print_case(case: CalibrationCase) -> None:
    from seatrial.units import format_duration, format_share

    requests = "1 request" if case.requests == 1 else f"{case.requests} requests"
    connections = "fresh connections" if case.connections == "session" else "shared connections"
    print(f"sessions of {requests}, {connections}")
    if not case.sessions_per_s:
        print(f"  no rate held: {_STOPPED[case.stopped_by]}\n")
        return
    print(
        f"  proven     {case.steps_per_s:,.0f} requests/s in {case.sessions_per_s:,.0f} sessions/s; "
        f"{_STOPPED[case.stopped_by]}\n"
        f"  there      {case.cpu_us_per_request:.1f} µs of CPU per request; busiest worker "
        f"{format_share(case.generator_cpu)} of its time, null server {format_share(case.server_cpu)}"
    )
    if case.send_lag_p50_ns is not None and case.send_lag_p99_ns is not None:
        p50, p99 = format_duration(case.send_lag_p50_ns), format_duration(case.send_lag_p99_ns)
        print(f"  at half    send lag p50 {p50}, p99 {p99}")
    print()


def _print_rest(found: Calibration, out: Path) -> None:
    from seatrial.units import format_duration

    timing = found.timing
    held = (
        "" if timing.held_p50_ns is None else f" (it held them {format_duration(timing.held_p50_ns)} by its own clock)"
    )
    print(
        f"timing     a delay of {format_duration(timing.delay_ns)} is reported as "
        f"{format_duration(timing.reported_p50_ns)}: off by {format_duration(timing.error_ns)}{held}\n"
        f"machine    {found.host}: {found.cores} cores, {found.processor}; workers: {found.workers}\n"
        f"written    {out}\n\n"
        f"Cite it in a run: seatrial run PLAN --workers {found.workers} --calibration {out}"
    )


def _must_be_writable(out: Path) -> None:
    """Refuse a place that can't be written before half a minute is spent on what goes there."""
    from seatrial.errors import UsageError

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError("the calibration can't be written there", value=out, remedy="Name a file in a folder.")


def _write(out: Path, content: bytes) -> None:
    from seatrial.errors import UsageError

    try:
        out.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"the calibration can't be written ({error.strerror})", value=out, remedy="Choose another --out."
        ) from error
