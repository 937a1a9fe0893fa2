"""Fetching peers into a cache folder outside the repository: ``python -m benchmarks.install [NAME ...]``.

One at a time and each in bounded time: builds are heavy. What cannot be installed is written down with the reason,
and the results list it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

from benchmarks.tools import CACHE, SCRIPTS, TOOLS

__all__ = ["failures", "install"]

_FAILED = CACHE / "failed.json"
_DEBIAN = {"wrk": "wrk", "h2load": "nghttp2-client", "hey": "hey", "ab": "apache2-utils"}
_LIMIT_S = 600


def _recipes() -> dict[str, list[list[str]]]:
    """Return, for each tool that is not Debian's, the commands that install it."""
    locust, npm = str(CACHE / "locust"), str(CACHE / "npm")
    node = ["npm", "install", "--prefix", npm, "--ignore-scripts", "--no-audit", "--no-fund"]
    return {
        "locust": [[sys.executable, "-m", "venv", locust], [f"{locust}/bin/pip", "install", "--quiet", "locust"]],
        "autocannon": [[*node, "autocannon"]],
        "artillery": [[*node, "artillery"]],
        "k6": [["go", "install", "go.k6.io/k6@latest"]],
        "vegeta": [["go", "install", "github.com/tsenart/vegeta/v12@latest"]],
        "gatling": _gatling(),
        "oha": [["cargo", "install", "--quiet", "--locked", "--root", str(CACHE / "cargo"), "oha"]],
    }


def _gatling() -> list[list[str]]:
    home = CACHE / "gatling"
    fetch = ["mvn", "-q", "-B", "-f", str(SCRIPTS / "gatling-pom.xml"), "dependency:copy-dependencies"]
    build = ["javac", "-cp", f"{home}/lib/*", "-d", f"{home}/classes", str(SCRIPTS / "Bench.java")]
    return [[*fetch, f"-DoutputDirectory={home}/lib", "-DincludeScope=runtime"], build]


def failures() -> dict[str, str]:
    """Return why tools could not be installed, by name."""
    known: dict[str, str] = json.loads(_FAILED.read_text(encoding="utf-8")) if _FAILED.exists() else {}
    return known


def _try(name: str) -> str | None:
    """Install one tool; return why it did not work, None when it did."""
    if name in _DEBIAN:
        return f"not on PATH; apt-get install {_DEBIAN[name]}"
    environment = {**os.environ, "GOBIN": str(CACHE / "go" / "bin"), "GOPATH": str(CACHE / "go")}
    for words in _recipes()[name]:
        program = shutil.which(words[0])
        if program is None:
            return f"{words[0]} is not installed"
        try:
            command = [program, *words[1:]]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{' '.join(words[:2])} took longer than {_LIMIT_S} s"
        if done.returncode:
            return f"{' '.join(words[:2])} ended with {done.returncode}: {done.stderr.strip()[-200:]}"
    return None


def install(names: list[str]) -> dict[str, str]:
    """Install the tools named that are missing; return why each of the others could not be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "npm").mkdir(exist_ok=True)
    reasons: dict[str, str] = {}
    for name in names:
        if TOOLS[name].program() is None and (why := _try(name)) is not None:
            reasons[name] = why
    _FAILED.write_text(json.dumps(reasons, indent=2), encoding="utf-8")
    return reasons


if __name__ == "__main__":
    for tool, why in install(sys.argv[1:] or list(TOOLS)).items():
        sys.stderr.write(f"{tool}: {why}\n")
