"""``python -m benchmarks``: run every generator that is installed, print the tables, write the results.

The environment shortens it: ``ONLY=wrk,locust,ours``, ``SECONDS=5``, ``REPEATS=3``, ``FREEZE=3`` (seconds; 0 leaves the
drill out), ``SESSIONS=100000``, ``HELD=20000``, ``ASSESS=100000000``, ``VERIFY=1000000000``, ``PARTS=speed,lag,...``
(``benchmarks.parts``; all but ``profile`` where left out); and it tells it more: ``REMARK="what else the machine was
doing"``, ``COMMITTED=1`` (ours as of the last commit instead of the working tree), ``RESULTS=folder`` (instead of
``benchmarks/results``).
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import results, tables
from benchmarks.accounting import machine_load
from benchmarks.install import failures
from benchmarks.parts import ON_REQUEST, PARTS, Context, take
from benchmarks.runner import Runner, Settings
from benchmarks.servers import ROOT, BenchError, nginx
from benchmarks.targets import TARGETS_HEAD, target_rows, targets
from benchmarks.tools import TOOLS, Tool
from benchmarks.trials import Bench

__all__ = ["main"]

_MOST_SECONDS, _MOST_REPEATS, _MOST_FREEZE_S = 60, 20, 6.0


def _settings() -> Settings:
    """Return what the environment asks for, within bounds."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("two cores are needed: one for the server, one for the generator")
    return Settings(
        seconds=_bounded("SECONDS", 5, 2, _MOST_SECONDS),
        repeats=_bounded("REPEATS", 3, 1, _MOST_REPEATS),
        connections=_bounded("CONNECTIONS", 64, 1, 256),
        freeze_s=min(_MOST_FREEZE_S, float(os.environ.get("FREEZE") or 3)),
        cores=tuple(cores),
    )


def _bounded(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BenchError(f"{name} is a whole number from {least} to {most}, not {text!r}")
    return int(text)


def _chosen(name: str, known: tuple[str, ...], on_request: frozenset[str] = frozenset()) -> list[str]:
    asked = [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]
    if unknown := sorted(set(asked) - set(known)):
        raise BenchError(f"{name} knows {', '.join(known)}, not {', '.join(unknown)}")
    return [word for word in known if word in asked or not (asked or word in on_request)]


def _snapshot(folder: Path, machine: dict[str, Any]) -> Path:
    """Copy the source of ours, so that a change made meanwhile can't enter; ``COMMITTED=1`` takes the last commit."""
    if os.environ.get("COMMITTED"):
        folder.mkdir()
        git = shutil.which("git") or "git"
        archive = subprocess.run([git, "archive", machine["commit"], "src"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        machine["changed_files"] = 0
        return folder / "src"
    return Path(shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__")))


def _save(document: dict[str, Any]) -> tuple[Path, ...]:
    document["machine"]["load_average_after"] = machine_load()
    return results.write(document)


def _show(console: Console, title: str, head: list[str], rows: list[list[str]]) -> None:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _show_all(console: Console, document: dict[str, Any]) -> None:
    for kind, rows in document["speed"].items():
        _show(console, kind, tables.SPEED_HEAD, tables.speed_rows(rows))
    for key, head, cells in (
        ("paced", tables.PACED_HEAD, tables.paced_rows),
        ("known_delay", tables.DELAY_HEAD, tables.delay_rows),
        ("freeze", tables.FREEZE_HEAD, tables.freeze_rows),
        ("sessions", tables.HELD_HEAD, tables.held_rows),
        ("connections", tables.HELD_HEAD, tables.held_rows),
    ):
        if document.get(key):
            _show(console, key.replace("_", " "), head, cells(document[key]))
    if set(document["parts"]) - ON_REQUEST:
        _show(console, "what is asked", TARGETS_HEAD, target_rows(targets(document)))


def _document(settings: Settings, names: list[str], parts: list[str]) -> tuple[dict[str, Any], list[Tool]]:
    """Return the results before anything is measured, and the tools that are there."""
    tools = [TOOLS[name] for name in names if TOOLS[name].program() is not None]
    reasons = failures()
    missing = {name: reasons.get(name, "not installed") for name in names if TOOLS[name].program() is None}
    return {
        "date": results.now(), "remark": os.environ.get("REMARK", ""), "machine": results.machine(),
        "settings": asdict(settings), "parts": parts, "failed_parts": {}, "speed": {}, "known_delay": [], "freeze": [],
        "versions": {tool.name: results.tool_version(tool) for tool in tools},
        "not_installed": missing | {name: why for name, why in reasons.items() if name not in TOOLS},
    }, tools  # fmt: skip


def main() -> int:
    """Measure, print, write. Return 0; 1 where a part failed; 2 when nothing can be measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    # A log file has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        settings = _settings()
        parts, names = _chosen("PARTS", tuple(PARTS), ON_REQUEST), _chosen("ONLY", tuple(TOOLS))
        counts = _bounded("SESSIONS", 100_000, 1_000, 400_000), _bounded("HELD", 20_000, 100, 25_000)
        counts = *counts, _bounded("ASSESS", 10_000_000, 1_000_000, 100_000_000)
        counts = *counts, _bounded("VERIFY", 1_000_000_000, 10_000_000, 4_000_000_000)
        document, tools = _document(settings, names, parts)
        # The harness shares the server's core, which is the idle one whenever a generator is at its limit.
        os.sched_setaffinity(0, {settings.server_core})
        with (
            tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name,
            nginx(Path(name) / "nginx", settings.server_core) as server,
        ):
            document["server"] = server.version
            runner = Runner(settings, server, _snapshot(Path(name) / "source", document["machine"]))

            def say(text: str) -> None:
                console.print(f"  {text}", highlight=False)

            svg = results.flame_graph(document)
            svg.parent.mkdir(parents=True, exist_ok=True)
            context = Context(Bench(runner, say), runner, tools, document, say, *counts, svg)
            take(context, parts, lambda: _save(document))
    except BenchError as error:
        console.print(f"benchmark: {error}", style="red", highlight=False)
        return 2
    paths = _save(document)
    _show_all(console, document)
    for path in paths:
        console.print(f"written: {path}", highlight=False)
    return 1 if document["failed_parts"] else 0


if __name__ == "__main__":
    sys.exit(main())
