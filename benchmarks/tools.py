"""The generators: where each is found, how each is asked to do a job, where it leaves its report."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CACHE", "TOOLS", "Invocation", "Job", "Tool", "ours_command"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial-bench"
SCRIPTS = Path(__file__).parent / "scripts"
_PACED_WORKERS = 10


@dataclass(frozen=True, slots=True)
class Job:
    """What a generator is asked to do.

    Attributes:
        kind: ``get``, ``journey``, ``tls`` (GET, kept alive) are done as fast as the tool can; ``paced`` is the GET at
            ``rate``.
        url: Base URL.
        seconds: For how long; whole seconds, several tools know nothing finer.
        connections: How many at once.
        folder: For the tool's files; empty.
        rate: Requests a second, for ``paced``; sessions a second for ours.
        ca: Certificate of the TLS listener.
        fresh: Whether every session opens a connection of its own; asked of ours alone.
        source: The source of ours that is measured, a copy; None: what is installed.
        workers: Processes that offer the load; asked of ours alone.
        cores: Where it runs; empty: on the generator's core.
    """

    kind: str
    url: str
    seconds: int
    connections: int
    folder: Path
    rate: float = 0.0
    ca: Path | None = None
    fresh: bool = False
    source: Path | None = None
    workers: int = 1
    cores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command that does a job.

    Attributes:
        command: Program and arguments.
        environment: Beside the harness's own.
        report: File that holds the report; None: standard output.
        convert: A command that turns the report into what the parser reads, run after the measurement.
    """

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    report: Path | None = None
    convert: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A generator.

    Attributes:
        name: Its name in ``ONLY`` and in the results.
        program: Where it is when installed.
        version: Arguments that make it print its version.
        jobs: Kinds of job that it can do.
        invoke: Program and job to a command.
        note: What a reader must know about the way it is run.
    """

    name: str
    program: Callable[[], Path | None]
    version: tuple[str, ...]
    jobs: frozenset[str]
    invoke: Callable[[str, Job], Invocation]
    note: str = ""


def _on_path(name: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        found = shutil.which(name)
        return None if found is None else Path(found)

    return find


def _in_cache(*parts: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        path = CACHE.joinpath(*parts)
        return path if path.exists() else None

    return find


def _wrk(program: str, job: Job) -> Invocation:
    connections = str(job.connections)
    if job.kind == "journey":
        script = str(SCRIPTS / "journey.lua")
        return Invocation(
            [program, "-t", connections, "-c", connections, "-d", f"{job.seconds}s", "--latency", "-s", script, job.url]
        )
    return Invocation([program, "-t1", "-c", connections, "-d", f"{job.seconds}s", "--latency", f"{job.url}/small"])


def _h2load(program: str, job: Job) -> Invocation:
    command = [program, "--h1", "-t1", "-c", str(job.connections), "-D", str(job.seconds), f"{job.url}/small"]
    return Invocation(command)


def _hey(program: str, job: Job) -> Invocation:
    count = _PACED_WORKERS if job.kind == "paced" else job.connections
    pace = ["-q", f"{job.rate / count:g}"] if job.kind == "paced" else []
    return Invocation([program, "-cpus", "1", "-z", f"{job.seconds}s", "-c", str(count), *pace, f"{job.url}/small"])


def _ab(program: str, job: Job) -> Invocation:
    most = ["-n", "50000000", "-c", str(job.connections)]  # after -t, which would set it to 50,000
    return Invocation([program, "-q", "-k", "-t", str(job.seconds), *most, f"{job.url}/small"])


def _locust(program: str, job: Job) -> Invocation:
    users = _PACED_WORKERS if job.kind == "paced" else job.connections
    prefix = job.folder / "locust"
    command = [program, "-f", str(SCRIPTS / "locustfile.py"), "--headless", "-H", job.url, "-u", str(users)]
    command += ["-r", str(users), "-t", f"{job.seconds}s", "--only-summary", "--csv", str(prefix)]
    environment = {"BENCH_KIND": job.kind, "BENCH_PER_USER": f"{job.rate / users:g}"}
    return Invocation(command, environment, report=Path(f"{prefix}_stats.csv"))


def _autocannon(program: str, job: Job) -> Invocation:
    if job.kind == "journey":
        environment = {
            "BENCH_URL": job.url, "BENCH_CONNECTIONS": str(job.connections), "BENCH_SECONDS": str(job.seconds),
            "BENCH_MODULES": str(CACHE / "npm"),
        }  # fmt: skip
        return Invocation([shutil.which("node") or "node", str(SCRIPTS / "autocannon.cjs")], environment)
    count = _PACED_WORKERS if job.kind == "paced" else job.connections
    pace = ["-R", f"{job.rate:g}"] if job.kind == "paced" else []
    return Invocation(
        [program, "-j", "-c", str(count), "-d", str(job.seconds), *pace, f"{job.url}/small"], _trusting(job)
    )


def _trusting(job: Job) -> dict[str, str]:
    """Return what lets a program on Node.js load a listener whose certificate nobody knows."""
    return {"NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"} if job.kind == "tls" else {}


_SIGNED_IN = {"Authorization": "Bearer {{ token }}"}
_ARTILLERY_JOURNEY = [
    {
        "post": {
            "url": "/sign-in",
            "json": {"patron": "A123456", "pin": "2468"},
            "capture": {"json": "$.token", "as": "token"},
        }
    },
    {"get": {"url": "/list", "headers": _SIGNED_IN, "capture": {"json": "$.free[0].id", "as": "slot"}}},
    {"post": {"url": "/book", "headers": _SIGNED_IN, "json": {"slot": "{{ slot }}"}}},
]


def _artillery(program: str, job: Job) -> Invocation:
    get: list[dict[str, object]] = [{"get": {"url": "/small"}}]
    phase: dict[str, float] = {"duration": 1, "arrivalCount": job.connections}
    flow: list[dict[str, object]] = get
    if job.kind == "paced":
        phase = {"duration": job.seconds, "arrivalRate": job.rate}
    else:  # the clock is asked once in twenty rounds, so that asking costs nothing to speak of
        rounds = {"loop": _ARTILLERY_JOURNEY if job.kind == "journey" else get, "count": 20}
        flow = [{"loop": [rounds], "whileTrue": "notYet"}]
    plan = {
        "config": {
            "target": job.url,
            "processor": str(SCRIPTS / "artillery.cjs"),
            "http": {"maxSockets": job.connections},
            "phases": [phase],
        },
        "scenarios": [{"flow": flow}],
    }
    plan_file, report = job.folder / "artillery.json", job.folder / "report.json"
    plan_file.write_text(json.dumps(plan), encoding="utf-8")
    environment = {"BENCH_SECONDS": str(job.seconds), "ARTILLERY_DISABLE_TELEMETRY": "true", **_trusting(job)}
    return Invocation([program, "run", "--quiet", "--output", str(report), str(plan_file)], environment, report)


def _k6(program: str, job: Job) -> Invocation:
    environment = {
        "BENCH_KIND": job.kind, "BENCH_URL": job.url, "BENCH_SECONDS": str(job.seconds),
        "BENCH_RATE": f"{job.rate:g}", "BENCH_CONNECTIONS": str(job.connections), "K6_NO_USAGE_REPORT": "true",
        "K6_ADDRESS": "localhost:0",
    }  # fmt: skip
    return Invocation([program, "run", "--quiet", str(SCRIPTS / "k6.js")], environment)


def _vegeta(program: str, job: Job) -> Invocation:
    targets, report = job.folder / "targets", job.folder / "vegeta.bin"
    targets.write_text(f"GET {job.url}/small\n", encoding="utf-8")
    pace = [f"-rate={job.rate:g}/1s"] if job.kind == "paced" else ["-rate=0", f"-max-workers={job.connections}"]
    trust = [f"-root-certs={job.ca}"] if job.ca else []
    command = [
        program,
        "attack",
        *pace,
        f"-duration={job.seconds}s",
        f"-targets={targets}",
        f"-output={report}",
        *trust,
    ]
    return Invocation(command, report=report, convert=[program, "report", "-type=json", str(report)])


def _oha(program: str, job: Job) -> Invocation:
    pace = ["-q", f"{job.rate:g}", "--latency-correction"] if job.kind == "paced" else []
    command = [program, "--no-tui", "--output-format", "json", "-z", f"{job.seconds}s", "-c", str(job.connections)]
    trust = ["--insecure"] if job.ca else []
    return Invocation([*command, *pace, *trust, f"{job.url}/small"])


def ours_command(module: str, source: Path | None) -> tuple[list[str], dict[str, str]]:
    """Return the command, without arguments, and the environment that run ``module`` on the source of ours."""
    return [sys.executable, "-m", module], {"PYTHONPATH": str(source)} if source else {}


def _ours(program: str, job: Job) -> Invocation:
    kind = "journey" if job.kind == "journey" else "get"
    command, environment = ours_command("benchmarks.ours", job.source)
    command += ["--kind", kind, "--target", job.url, "--rate", f"{job.rate:g}"]
    command += ["--seconds", str(job.seconds), "--connections", "session" if job.fresh else "shared"]
    command += ["--workers", str(job.workers)]
    if job.kind == "paced":  # below saturation no cap is needed; a frozen service must not run into one
        command += ["--sessions", "20000"]
    return Invocation([*command, *(["--ca", str(job.ca)] if job.ca else [])], environment)


def _gatling(program: str, job: Job) -> Invocation:
    environment = {
        "BENCH_KIND": job.kind,
        "BENCH_URL": job.url,
        "BENCH_SECONDS": str(job.seconds),
        "BENCH_RATE": f"{job.rate:g}",
        "BENCH_CONNECTIONS": str(job.connections),
    }
    home = CACHE / "gatling"
    options = ["--add-opens=java.base/java.lang=ALL-UNNAMED", f"-Dlogback.configurationFile={SCRIPTS / 'logback.xml'}"]
    command = [program, *options, "-cp", f"{home}/lib/*:{home}/classes", "io.gatling.app.Gatling", "-s", "Bench"]
    return Invocation([*command, "-rf", str(job.folder / "gatling")], environment)


def _java() -> Path | None:
    found = shutil.which("java")
    return Path(found) if found and (CACHE / "gatling" / "classes" / "Bench.class").exists() else None


_ALL, _UNSCRIPTED = frozenset({"get", "tls", "paced", "journey"}), frozenset({"get", "tls", "paced"})
_CLOSED = frozenset({"get", "tls"})
_NODE_BIN = ("npm", "node_modules", ".bin")

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("ours", lambda: Path(sys.executable), ("-c", "import seatrial; print(seatrial.__version__)"), _ALL, _ours,
             "open loop, even arrivals, 5 % above the saturation found before; every step recorded; <= 256 sessions"),
        Tool("wrk", _on_path("wrk"), ("-v",), _CLOSED | {"journey"}, _wrk,
             "the journey needs a thread for each connection; no rate can be set"),
        Tool("h2load", _on_path("h2load"), ("--version",), _CLOSED, _h2load, "cannot extract; reports no percentiles"),
        Tool("hey", _on_path("hey"), (), _UNSCRIPTED, _hey, "cannot script"),
        Tool("ab", _on_path("ab"), ("-V",), _CLOSED, _ab, "cannot script; latencies in whole ms"),
        Tool("locust", _in_cache("locust", "bin", "locust"), ("--version",), _ALL, _locust,
             "FastHttpUser; paced: 10 users at constant throughput"),
        Tool("autocannon", _in_cache(*_NODE_BIN, "autocannon"), ("--version",), _ALL, _autocannon,
             "reports p97.5, no p95"),
        Tool("artillery", _in_cache(*_NODE_BIN, "artillery"), ("--version",), _ALL, _artillery),
        Tool("k6", _in_cache("go", "bin", "k6"), ("version",), _ALL, _k6),
        Tool("vegeta", _in_cache("go", "bin", "vegeta"), ("-version",), _UNSCRIPTED, _vegeta, "cannot extract"),
        Tool("oha", _in_cache("cargo", "bin", "oha"), ("--version",), _UNSCRIPTED, _oha,
             "cannot script; paced with its latency correction"),
        Tool("gatling", _java, (), _ALL, _gatling, "Java simulation, default heap"),
    )
}  # fmt: skip
