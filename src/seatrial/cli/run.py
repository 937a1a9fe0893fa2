"""``seatrial run``: execute a plan."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

from seatrial.cli import exit_codes

if TYPE_CHECKING:
    from seatrial.evidence.keys import Signer, Trust
    from seatrial.trials.finish import RunResult
    from seatrial.trials.observer import Observer

__all__ = ["default_workers", "exit_code", "log_beside", "print_result", "read_release", "register", "stop_at_once"]


_StopFile = Annotated[
    Path | None, typer.Option(help="End the run when this file appears; what was recorded is judged and sealed.")
]
_Seal = Annotated[
    Path | None, typer.Option(help="What plan seal wrote; anything else than what was sealed is refused.")
]
_Attempts = Annotated[
    Path | None, typer.Option(help="Log of attempts on the seal; attempts.jsonl beside it where left out.")
]
_Order = Annotated[
    Path | None, typer.Option(help="The authority's test order, which permits a target beyond loopback.")
]
_Consent = Annotated[
    bool, typer.Option("--consent", help="Load what the target's own consent permits; it is asked for first.")
]
_Live = Annotated[
    str | None,
    typer.Option(help="Tell of the run in JSON lines, one a second, in a new file or a FIFO; - for standard output."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    plan: Annotated[Path, typer.Argument(help="The plan (YAML).")],
    out: Annotated[Path | None, typer.Option(help="Folder for the bundle; new or empty.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core where left out.", min=1)] = None,
    backend: Annotated[str, typer.Option(help="Where workers run: local.")] = "local",
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a file.")] = "default",
    release: Annotated[Path | None, typer.Option(help="Release manifest that is put to trial.")] = None,
    key: Annotated[Path | None, typer.Option(help="The tester's private key; signs the bundle.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What seatrial calibrate wrote on this machine; cited in the evidence.")
    ] = None,
    stop_file: _StopFile = None,
    seal: _Seal = None,
    attempts: _Attempts = None,
    order: _Order = None,
    consent: _Consent = False,
    trust: Annotated[Path | None, typer.Option(help="Trust file: who may seal plans and sign test orders.")] = None,
    trust_python: Annotated[bool, typer.Option(help="Let the plan run its author's Python journeys.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    live: _Live = None,
) -> None:
    """Run a plan's trials, judge them and seal the evidence."""
    from seatrial.authoring.policies import load_policy
    from seatrial.authoring.yaml_plan import load_plan
    from seatrial.errors import UsageError

    if backend != "local":
        raise UsageError("no such backend", value=backend, remedy="This installation has: local.")
    if as_json and live == "-":
        raise UsageError("--json and --live - both write to standard output", remedy="Name a file for --live.")
    loaded, rules = load_plan(plan), load_policy(policy)
    # The rest once the plan is known to be good: who wrote a wrong one should not wait for it.
    from seatrial.backends.local import LocalBackend
    from seatrial.cli.live import LiveView, OnlyFailures
    from seatrial.clock import SystemClock
    from seatrial.trials.execute import RunOptions, execute

    options = RunOptions(
        out=out,
        workers=default_workers() if workers is None else workers,
        release=read_release(release),
        signers=() if key is None else (_signer(key),),
        trust_python=trust_python,
        command=["seatrial", *sys.argv[1:]],
        calibration=_read_calibration(calibration),
        seal=None if seal is None else _read_seal(seal),
        attempts=log_beside(seal, attempts),
        stop_file=stop_file,
        order=None if order is None else _read_order(order),
        trust=None if trust is None else _trust(trust),
        consent=consent,
    )
    with _told_in_lines(OnlyFailures() if as_json else LiveView(), live) as observer:
        result = execute(loaded, rules, options, LocalBackend, observer, SystemClock(), stop_at_once)
    print_result(result, as_json, sys.stderr if live == "-" else sys.stdout)
    raise typer.Exit(exit_code(result))


@contextmanager
def _told_in_lines(view: Observer, live: str | None) -> Iterator[Observer]:
    """Give an observer that is the view, and writes JSON lines as well where ``live`` says where to."""
    if live is None:
        yield view
        return
    from seatrial.cli.line_writer import LineWriter
    from seatrial.clock import SystemClock
    from seatrial.errors import SeatrialError
    from seatrial.trials.live_lines import LiveLines
    from seatrial.trials.observer import Observers

    def say(trouble: str) -> None:
        print(f"seatrial: --live {live}: {trouble}; the run goes on all the same", file=sys.stderr, flush=True)

    writer = LineWriter(live, say)
    lines = LiveLines(writer.write, SystemClock())
    try:
        yield Observers(view, lines)
    except SeatrialError as error:
        lines.failed(str(error))
        raise
    finally:
        writer.close()


def exit_code(result: RunResult) -> int:
    """Return the exit code of a run: interrupted outranks the verdict that it leads to."""
    from seatrial.errors import InterruptedRunError

    if isinstance(result.ending, InterruptedRunError):
        return exit_codes.INTERRUPTED
    return exit_codes.OF_VERDICT[result.verdict.verdict.value]


def stop_at_once() -> NoReturn:
    """Leave the program now: a person asked a second time. Workers see that the run is gone and end by themselves."""
    # Not through sys.stderr, which a live view may hold; it also hides the cursor.
    shown = "\x1b[?25h" if os.isatty(2) else ""
    os.write(2, f"{shown}\nseatrial: stopped at once; the bundle is neither judged nor sealed\n".encode())
    os._exit(exit_codes.INTERRUPTED)


def default_workers() -> int:
    """Return one per core that this process may use."""
    return len(os.sched_getaffinity(0))


def print_result(result: RunResult, as_json: bool, to: TextIO | None = None) -> None:
    """Print what a run showed and where its evidence is; to standard output where nothing else is said."""
    page = to or sys.stdout
    if as_json:
        document = {**result.verdict.as_document(), "bundle": str(result.bundle), "digest": result.digest}
        print(json.dumps(document, indent=2), file=page)
        return
    from seatrial.reports.text import render_text

    print(render_text(result.verdict, colour=page.isatty()), file=page)
    print(f"report    {result.bundle / 'report.html'}", file=page)
    print(f"evidence  {result.bundle}", file=page)
    print(f"digest    sha256:{result.digest}", file=page)
    if result.unlogged:
        print(f"unlogged  the attempts log has no end of this attempt: {result.unlogged}", file=page)
    if not result.signed:
        print("unsigned  no tester's key was given (--key): this evidence can't be confirmed", file=page)


def read_release(path: Path | None) -> bytes | None:
    """Return the bytes of a release manifest that reads well; None for none.

    Raises:
        UsageError: it can't be read, or is none.
    """
    if path is None:
        return None
    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import read_document
    from seatrial.model.release import parse_release

    try:
        content = read_document(path)
        parse_release(content, str(path))
    except EvidenceError as error:
        raise UsageError(error.what, value=error.value, remedy=error.remedy) from error
    return content


def _read_calibration(path: Path | None) -> bytes | None:
    if path is None:
        return None
    from pydantic import ValidationError

    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import parse_json, read_document
    from seatrial.model.calibration import Calibration

    try:
        content = read_document(path)
        Calibration.model_validate(parse_json(content, path.name))
    except EvidenceError as error:
        raise UsageError(error.what, value=error.value, remedy=error.remedy) from error
    except ValidationError as error:
        first = str(error).split("\n")[0]
        raise UsageError(
            "this is no calibration", value=f"{path}: {first}", remedy="Write one with seatrial calibrate."
        ) from error
    return content


def _read_order(path: Path) -> bytes:
    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import read_document

    try:
        return read_document(path.resolve())
    except (EvidenceError, OSError) as error:
        raise UsageError("the test order can't be read", value=path, remedy="Give a readable file.") from error


def _read_seal(path: Path) -> bytes:
    from seatrial.errors import EvidenceError, UsageError
    from seatrial.evidence.canonical import read_document

    try:
        return read_document(path.resolve())
    except (EvidenceError, OSError) as error:
        raise UsageError("the seal can't be read", value=path, remedy="Write one with seatrial plan seal.") from error


def log_beside(seal: Path | None, attempts: Path | None) -> Path | None:
    """Return where the log of attempts on a seal is: as given, or beside the seal.

    Raises:
        UsageError: a log without a seal.
    """
    from seatrial.errors import UsageError
    from seatrial.evidence.attempts import ATTEMPTS

    if seal is None:
        if attempts is not None:
            raise UsageError("--attempts is the log of a seal", value=attempts, remedy="Add --seal.")
        return None
    return seal.absolute().parent / ATTEMPTS if attempts is None else attempts


def _trust(path: Path) -> Trust:
    from seatrial.evidence.keys import load_trust

    return load_trust(path)


def _signer(path: Path) -> Signer:
    from seatrial.cli.sealing import signer_of

    return signer_of(path)
