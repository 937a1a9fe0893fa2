"""``python -m benchmarks``: run every generator that is installed, print the tables, write the results.

The environment shortens it: ``ONLY=wrk,locust,ours``, ``SECONDS=5``, ``REPEATS=3``, ``FREEZE=3`` (seconds; 0 leaves
the drill out), ``PARTS=speed,lag,handshakes,delay,freeze``; and it tells it more: ``REMARK="what else the machine was
doing"``, ``COMMITTED=1`` (ours as of the last commit instead of the working tree).
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
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.accounting import machine_load
from benchmarks.install import failures
from benchmarks.servers import ROOT, BenchError, nginx
from benchmarks.tools import TOOLS, Tool
from benchmarks.trials import Bench, Settings

__all__ = ["main"]

_PARTS = ("speed", "lag", "handshakes", "delay", "freeze")
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
        server_core=cores[0],
        client_core=cores[1],
    )


def _bounded(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BenchError(f"{name} is a whole number from {least} to {most}, not {text!r}")
    return int(text)


def _chosen(name: str, known: tuple[str, ...]) -> list[str]:
    asked = [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]
    if unknown := sorted(set(asked) - set(known)):
        raise BenchError(f"{name} knows {', '.join(known)}, not {', '.join(unknown)}")
    return [word for word in known if word in asked or not asked]


def _guarded(tool: Tool, measure: Callable[[Tool], dict[str, Any]]) -> dict[str, Any]:
    try:
        return measure(tool)
    except (BenchError, ValueError, KeyError) as error:
        return {"tool": tool.name, "error": f"failed: {error}"[:200]}


def _measure(
    bench: Bench, tools: list[Tool], parts: list[str], document: dict[str, Any], save: Callable[[], object]
) -> None:
    """Take the parts one after the other; what is known is saved after each, should the next one be stopped."""
    ours = TOOLS["ours"]
    if "speed" in parts:
        for kind in ("get", "journey", "tls"):
            entries = [(tool, False) for tool in tools if kind in tool.jobs]
            if kind == "journey" and ours in tools:
                entries.append((ours, True))
            document["speed"][kind] = bench.speed(kind, entries)
            save()
    if "lag" in parts and ours in tools:
        document["send_lag"] = bench.send_lag(ours)
    if "handshakes" in parts and ours in tools:
        document["speed"]["handshakes"] = bench.handshakes(ours)
        save()
    if "delay" in parts:
        document["known_delay"] = [_guarded(tool, bench.known_delay) for tool in tools]
        save()
    if "freeze" in parts and bench.freezes:
        document["freeze"] = [_guarded(tool, bench.freeze) for tool in tools if "paced" in tool.jobs]


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


def _save(document: dict[str, Any]) -> tuple[Path, Path]:
    document["machine"]["load_average_after"] = machine_load()
    return results.write(document)


def _show(console: Console, title: str, head: list[str], rows: list[list[str]]) -> None:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main() -> int:
    """Measure, print, write. Return 0, or 2 when nothing can be measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    # A log file has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        settings, parts, names = _settings(), _chosen("PARTS", _PARTS), _chosen("ONLY", tuple(TOOLS))
        tools = [TOOLS[name] for name in names if TOOLS[name].program() is not None]
        reasons = failures()
        missing = {name: reasons.get(name, "not installed") for name in names if TOOLS[name].program() is None}
        document: dict[str, Any] = {
            "date": results.now(), "remark": os.environ.get("REMARK", ""), "machine": results.machine(),
            "settings": asdict(settings), "speed": {}, "known_delay": [], "freeze": [],
            "versions": {tool.name: results.tool_version(tool) for tool in tools},
            "not_installed": missing | {name: why for name, why in reasons.items() if name not in TOOLS},
        }  # fmt: skip
        # The harness shares the server's core, which is the idle one whenever a generator is at its limit.
        os.sched_setaffinity(0, {settings.server_core})
        with (
            tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name,
            nginx(Path(name) / "nginx", settings.server_core) as server,
        ):
            document["server"] = server.version
            source = _snapshot(Path(name) / "source", document["machine"])
            bench = Bench(settings, server, source, lambda text: console.print(f"  {text}", highlight=False))
            _measure(bench, tools, parts, document, lambda: _save(document))
    except BenchError as error:
        console.print(f"benchmark: {error}", style="red", highlight=False)
        return 2
    paths = _save(document)
    for kind, rows in document["speed"].items():
        _show(console, kind, results.SPEED_HEAD, results.speed_rows(rows))
    _show(console, "known delay", results.DELAY_HEAD, results.delay_rows(document["known_delay"]))
    _show(console, "freeze drill", results.FREEZE_HEAD, results.freeze_rows(document["freeze"]))
    for path in paths:
        console.print(f"written: {path}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
