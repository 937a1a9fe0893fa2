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

from benchmarks import tables
from benchmarks.accounting import machine_load
from benchmarks.parts import ON_REQUEST, PARTS
from benchmarks.servers import ROOT
from benchmarks.targets import TARGETS_HEAD, target_rows, targets
from benchmarks.tools import CACHE, TOOLS, Tool

__all__ = ["RESULTS", "flame_graph", "machine", "markdown", "now", "profile_page", "tool_version", "write"]

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


def _sections(document: Row) -> list[str]:
    """Return the parts that were taken, one after the other."""
    settings, parts = document["settings"], []
    for kind, title in _KINDS.items():
        if rows := document["speed"].get(kind):
            parts += [f"## {title}\n", tables.table(tables.SPEED_HEAD, tables.speed_rows(rows))]
    if lag := document.get("send_lag"):
        said = ", ".join(f"p{p} {tables.spread_text(lag[f'lag_p{p}_ms'], 3)} ms" for p in (50, 95, 99))
        parts.append(f"Ours at half of saturation ({lag['sessions_per_s']:,.0f} journeys/s), send lag: {said}.\n")
    if rows := document.get("paced"):
        parts += ["## CPU a request at fixed rates, GET\n", tables.table(tables.PACED_HEAD, tables.paced_rows(rows))]
    if rows := document["known_delay"]:
        parts += ["## A server with a known delay of 20 ms\n", tables.table(tables.DELAY_HEAD, tables.delay_rows(rows))]
    if rows := document["freeze"]:
        length = settings["freeze_s"]
        title = f"## The freeze drill: 5 ms service, frozen {length:g} s in {length * 10:g} s at 100/s\n"
        parts += [title, tables.table(tables.FREEZE_HEAD, tables.freeze_rows(rows))]
    held = (document.get("sessions") or []) + (document.get("connections") or [])
    if held:
        parts += ["## Held at once, two workers\n", tables.table(tables.HELD_HEAD, tables.held_rows(held))]
    if found := document.get("start"):
        parts += ["## From the command to the first request\n", *tables.start_lines(found)]
    if rows := document.get("assess"):
        parts += ["## seatrial assess, all cores\n", tables.table(tables.ASSESS_HEAD, tables.assess_rows(rows))]
    if rows := document.get("verify"):
        parts += ["## seatrial verify, all cores\n", tables.table(tables.VERIFY_HEAD, tables.verify_rows(rows))]
    if found := document.get("scaling"):
        parts += ["## Two workers against one\n", *tables.scaling_lines(found)]
    return parts


def _about(document: Row) -> str:
    about, settings = document["machine"], document["settings"]
    before, after = (
        ", ".join(f"{x:.2f}" for x in document["machine"][f"load_average_{w}"]) for w in ("before", "after")
    )
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, kernel {about['kernel']}; "
        f"commit `{about['commit'][:12]}`{' with changes' if about['changed_files'] else ''}; "
        f"Python {about['python']}; {document['server']}. Server on core {settings['cores'][0]}, generators on core "
        f"{settings['cores'][1]}, {settings['connections']} connections, {settings['seconds']} s, "
        f"{settings['repeats']} repeats: median (least–most). Load averages before {before}, after {after}.\n"
    )


def markdown(document: Row) -> str:
    """Return the results as a page."""
    parts = [
        f"# Benchmark of {document['date']}\n",
        f"{document['remark']}\n" if document["remark"] else "",
        _about(document),
        "Requests and CPU time are counted from outside, alike for all tools: `benchmarks/README.md` says how.\n",
        "## What is asked, and what was measured\n",
        tables.table(TARGETS_HEAD, target_rows(targets(document))),
        *_sections(document),
    ]
    if failed := document["failed_parts"]:
        parts += [
            "## Parts that failed\n",
            tables.table(["part", "why"], [[name, why] for name, why in failed.items()]),
        ]
    versions = [[name, version, TOOLS[name].note] for name, version in document["versions"].items()]
    missing = [[name, "not installed", why] for name, why in document["not_installed"].items()]
    parts += ["## Tools\n", tables.table(["tool", "version", "note"], versions + missing)]
    parts.append("The exact commands of every run stand in the JSON file beside this page.\n")
    return "\n".join(part for part in parts if part)


def profile_page(document: Row) -> str:
    """Return the profile as a page of its own."""
    lines = [f"# Profile of {document['date']}\n", f"{document['remark']}\n" if document["remark"] else ""]
    lines += [_about(document), *tables.profile_lines(document["profile"])]
    return "\n".join(line for line in lines if line)


def _place(document: Row, begin: str = "", end: str = "") -> Path:
    about = document["machine"]
    slug = re.sub(r"[^a-z0-9]+", "-", about["processor"].lower()).strip("-")
    name = f"{begin}{document['date'][:10]}-{slug}-{about['cores']}-cores{end}"
    return Path(os.environ.get("RESULTS") or RESULTS) / name


def flame_graph(document: Row) -> Path:
    """Return where a profile's flame graph goes."""
    return _place(document, "profile-", ".svg")


def files(document: Row) -> dict[Path, str]:
    """Return what is written, by path: the figures as JSON and as a page, a profile as a page of its own.

    A run of some parts alone has their names in its files', so that it does not take the place of a whole run.
    """
    parts = set(document["parts"])
    some = "" if parts >= set(PARTS) - ON_REQUEST else "-" + "-".join(name for name in PARTS if name in parts)
    found = {}
    if parts != {"profile"}:
        found[_place(document, end=f"{some}.json")] = json.dumps(document, indent=1) + "\n"
        found[_place(document, end=f"{some}.md")] = markdown(document)
    if document.get("profile"):
        found[_place(document, "profile-", ".md")] = profile_page(document)
    return found


def write(document: Row) -> tuple[Path, ...]:
    """Write the files; return their paths."""
    found = files(document)
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a run wrote into temporary folders is gone; nothing on this machine's disk is of use to a reader.
        path.write_text(text.replace(str(ROOT), ".").replace(str(Path.home()), "~"), encoding="utf-8")
    return tuple(found)


def now() -> str:
    """Return the local time with its offset, for the record."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
