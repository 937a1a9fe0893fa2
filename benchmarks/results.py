"""What is written down: the machine, the tables, the JSON and Markdown files."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.accounting import machine_load
from benchmarks.servers import ROOT
from benchmarks.tools import CACHE, TOOLS, Tool

__all__ = ["RESULTS", "machine", "markdown", "speed_rows", "tool_version", "write"]

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]
_KINDS = {
    "get": "GET of 110 bytes, kept alive, plain HTTP",
    "journey": "Three-step journey (sign in, list, book), plain HTTP",
    "tls": "GET of 110 bytes, kept alive, TLS 1.3",
    "handshakes": "Full TLS 1.3 handshakes (ours: each with a GET)",
}


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, cwd=ROOT)
    except OSError as error:
        return f"unknown: {error.strerror}"
    return (done.stdout + done.stderr).strip()


def tool_version(tool: Tool) -> str:
    """Return what a tool says of its version, its first line that holds a digit."""
    program = tool.program()
    if tool.name == "gatling":
        jars = (CACHE / "gatling" / "lib").glob("gatling-core-java-*.jar")
        return next((jar.stem.rpartition("-")[2] for jar in jars), "does not say")
    if program is None or not tool.version:
        return _debian_version(tool.name) or "does not say"
    lines = _output([str(program), *tool.version]).splitlines()
    line = next((line.strip() for line in lines if re.search(r"\d\.\d", line)), "")
    if tool.name == "vegeta":  # built by go install it carries its version in its build information alone
        found = re.search(r"mod\s+\S+\s+(v\S+)", _output([shutil.which("go") or "go", "version", "-m", str(program)]))
        return found[1] if found else line
    return re.sub(r" from /\S+", "", line)[:80] or "does not say"


def _debian_version(package: str) -> str:
    query = shutil.which("dpkg-query")
    return "" if query is None else _output([query, "-W", "-f", "${Version}", package])


def machine() -> Row:
    """Return what a reader must know of the machine; nothing that names its owner."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    memory = Path("/proc/meminfo").read_text(encoding="utf-8")
    model, kilobytes = re.search(r"model name\s*:\s*(.+)", info), re.search(r"MemTotal:\s+(\d+)", memory)
    git = shutil.which("git") or "git"
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(kilobytes[1]) / 1e6, 1) if kilobytes else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _output([git, "rev-parse", "HEAD"]),
        "changed_files": len(_output([git, "status", "--porcelain", "src"]).splitlines()),
        "load_average_before": machine_load(),
    }


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _range(spread: Row, digits: int = 0, scale: float = 1.0) -> str:
    median, least, most = (_number(spread[key] * scale, digits) for key in ("median", "least", "most"))
    return f"{median} ({least}–{most})"


def speed_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of a speed table, fastest first; a tool that failed stands at the end with its reason."""
    good = sorted((row for row in rows if "rps" in row), key=lambda row: -row["rps"]["median"])
    table = []
    for row in good:
        cells = [row["tool"], _range(row["rps"])]
        if "cpu_us" in row:
            cells.append(_range(row["cpu_us"], 1))
        if "peak_mb" in row:
            cells += [_number(row["peak_mb"]["median"], 0), _range(row["errors"])]
            cells += [f"{row[key]['median']:.0%}" for key in ("client_share", "server_share", "others_share")]
            cells.append(row["bottleneck"])
        table.append(cells + [""] * (len(SPEED_HEAD) - len(cells)))
    empty = [""] * (len(SPEED_HEAD) - 2)
    failed = [row for row in rows if "rps" not in row]
    return table + [[row["tool"], f"failed: {'; '.join(row['failed_runs'])[:160]}", *empty] for row in failed]


SPEED_HEAD = ["tool", "requests/s", "CPU µs/request", "peak MB", "errors", "client", "server", "others", "at its limit"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def freeze_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the freeze drill's table."""
    table = []
    for row in rows:
        if "error" in row:
            table.append([row["tool"], row["error"], "", "", "", ""])
            continue
        cells = [row["tool"], f"{row['sent']:,} of {row['meant']:,}"]
        for name in ("p95", "p99"):
            point = row[name]
            known = point["reported_ms"] is not None
            cells.append(f"{point['reported_ms']:,.0f} / {point['true_ms']:,.0f}" if known else "not reported")
            cells.append(f"{point['relative_error']:+.1%}" if known else "")
        table.append(cells)
    return table


FREEZE_HEAD = ["tool", "sent", "p95 reported / true, ms", "off by", "p99 reported / true, ms", "off by"]


def delay_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the table of latency errors."""
    return [
        [row["tool"], row["error"] if "error" in row else _range(row["median_error_ms"], 3),
         "closed loop, 10 connections" if row.get("closed_loop") else "100 requests/s"]
        for row in rows
    ]  # fmt: skip


DELAY_HEAD = ["tool", "error of the reported median, ms", "load"]


def markdown(document: Row) -> str:
    """Return the results as a page."""
    about, settings = document["machine"], document["settings"]
    before, after = (
        ", ".join(f"{x:.2f}" for x in document["machine"][f"load_average_{w}"]) for w in ("before", "after")
    )
    parts = [
        f"# Benchmark of {document['date']}\n",
        f"{document['remark']}\n" if document["remark"] else "",
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, kernel {about['kernel']}; "
        f"commit `{about['commit'][:12]}`{' with changes' if about['changed_files'] else ''}; "
        f"Python {about['python']}; {document['server']}. Server on core {settings['server_core']}, generators on core "
        f"{settings['client_core']}, {settings['connections']} connections, {settings['seconds']} s, "
        f"{settings['repeats']} repeats: median (least–most). Load averages before {before}, after {after}.\n",
        "Requests and CPU time are counted from outside, alike for all tools: `benchmarks/README.md` says how.\n",
    ]
    for kind, title in _KINDS.items():
        if rows := document["speed"].get(kind):
            parts += [f"## {title}\n", _table(SPEED_HEAD, speed_rows(rows))]
    if lag := document.get("send_lag"):
        said = ", ".join(f"p{p} {_range(lag[f'lag_p{p}_ms'], 3)} ms" for p in (50, 95, 99))
        parts.append(f"Ours at half of saturation ({lag['sessions_per_s']:,.0f} journeys/s), send lag: {said}.\n")
    if document["known_delay"]:
        parts += ["## A server with a known delay of 20 ms\n", _table(DELAY_HEAD, delay_rows(document["known_delay"]))]
    if document["freeze"]:
        length = settings["freeze_s"]
        title = f"## The freeze drill: 5 ms service, frozen {length:g} s in {length * 10:g} s at 100/s\n"
        parts += [title, _table(FREEZE_HEAD, freeze_rows(document["freeze"]))]
    versions = [[name, version, TOOLS[name].note] for name, version in document["versions"].items()]
    missing = [[name, "not installed", why] for name, why in document["not_installed"].items()]
    parts += ["## Tools\n", _table(["tool", "version", "note"], versions + missing)]
    parts.append("The exact commands of every run stand in the JSON file beside this page.\n")
    return "\n".join(part for part in parts if part)


def write(document: Row) -> tuple[Path, Path]:
    """Write the JSON and the Markdown file; return their paths."""
    RESULTS.mkdir(exist_ok=True)
    about = document["machine"]
    slug = re.sub(r"[^a-z0-9]+", "-", about["processor"].lower()).strip("-")
    stem = f"{document['date'][:10]}-{slug}-{about['cores']}-cores"
    paths = RESULTS / f"{stem}.json", RESULTS / f"{stem}.md"
    # What a run wrote into temporary folders is gone; nothing on this machine's disk is of use to a reader.
    text = json.dumps(document, indent=1).replace(str(ROOT), ".").replace(str(Path.home()), "~")
    paths[0].write_text(text + "\n", encoding="utf-8")
    paths[1].write_text(markdown(document), encoding="utf-8")
    return paths


def now() -> str:
    """Return the local time with its offset, for the record."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
