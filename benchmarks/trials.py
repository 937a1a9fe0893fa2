"""What is measured: speed at saturation, send lag at half of it, the latency's error, the freeze drill, handshakes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arithmetic import Freeze, relative_error
from benchmarks.measure import Finished, run_pinned
from benchmarks.parsers import PARSERS, Said, UnreadableReportError
from benchmarks.servers import BenchError, Nginx, delay_server
from benchmarks.tools import Invocation, Job, Tool
from benchmarks.window import spread, steady

__all__ = ["Bench", "Settings", "bottleneck"]

_SPARE_S = 40.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often.

    Attributes:
        seconds: Of each run at saturation.
        repeats: Of each measurement.
        connections: Of each tool.
        freeze_s: Length of the freeze; its run takes ten times as long, at 100 requests a second.
        server_core: Where servers and the harness run.
        client_core: Where generators run.
    """

    seconds: int
    repeats: int
    connections: int
    freeze_s: float
    server_core: int
    client_core: int


Row = dict[str, Any]


class Bench:
    """Runs jobs one after another against one nginx.

    Args:
        settings: How long and how often.
        server: The nginx.
        source: The source of ours that is measured; nobody changes it meanwhile.
        say: Told what is going on.
    """

    def __init__(self, settings: Settings, server: Nginx, source: Path, say: Callable[[str], None]) -> None:
        self._source = source
        self._settings = settings
        self._server = server
        self._say = say
        self._saturation: dict[tuple[str, bool], float] = {}

    @property
    def freezes(self) -> bool:
        """Return whether the freeze drill is asked for."""
        return self._settings.freeze_s > 0

    # -- speed --------------------------------------------------------------------------------------------------

    def speed(self, kind: str, entries: Sequence[tuple[Tool, bool]]) -> list[Row]:
        """Measure tools at saturation, ``repeats`` times: all of them once, then all of them again.

        In turn, because what else the machine does changes by the minute, and should meet all of them.

        Args:
            kind: The job.
            entries: Each a tool, and whether every session opens a connection of its own.
        """
        runs: list[list[Row]] = [[] for _ in entries]
        errors: list[list[str]] = [[] for _ in entries]
        for _ in range(self._settings.repeats):
            for index, (tool, fresh) in enumerate(entries):
                try:
                    runs[index].append(self._one(tool, kind, fresh))
                except (BenchError, UnreadableReportError, ValueError, KeyError) as error:
                    errors[index].append(f"{type(error).__name__}: {error}")
        return [
            _speed_row(tool, kind, fresh, runs[index], errors[index]) for index, (tool, fresh) in enumerate(entries)
        ]

    def _one(self, tool: Tool, kind: str, fresh: bool) -> Row:
        rate = self._saturated(tool, kind, fresh) * 1.05 if tool.name == "ours" else 0.0
        with self._job(kind, rate, fresh) as job:
            finished, said, invocation = self._run(tool, job, count=True)
        part = steady(finished.samples)
        row = {**asdict(part), "peak_mb": finished.peak_bytes / 1e6, "errors": said.errors, "said": asdict(said)}
        row |= {"cpu_s_whole_run": finished.cpu_s, "command": invocation.command, "environment": invocation.environment}
        if tool.name == "ours":
            row["detail"] = json.loads(finished.out)
        self._say(f"{tool.name} {kind}: {part.rps:,.0f}/s, {part.cpu_us:.1f} µs, client {part.client_share:.0%}")
        return row

    def _saturated(self, tool: Tool, kind: str, fresh: bool) -> float:
        """Return the sessions a second at which ours saturates; looked for once."""
        if (kind, fresh) not in self._saturation:
            with self._job(kind, 0.0, fresh) as job:
                finished, _, _ = self._run(tool, job, count=False, parse=False, limit_s=90)
                found = json.loads(finished.out)
            self._saturation[kind, fresh] = float(found["saturation"])
            self._say(f"ours {kind}{' fresh' if fresh else ''} saturates at {found['saturation']:,.0f} sessions/s")
        return self._saturation[kind, fresh]

    def send_lag(self, tool: Tool) -> Row:
        """Offer half of what saturates the journey; return the lag of the sends, medians of the repeats."""
        rate = self._saturated(tool, "journey", False) / 2
        runs = []
        for _ in range(self._settings.repeats):
            with self._job("journey", rate, False) as job:
                finished, _, _ = self._run(tool, job, count=False)
                runs.append(json.loads(finished.out))
        lag = {f"lag_p{p}_ms": asdict(spread([run[f"lag_p{p}_ms"] for run in runs])) for p in (50, 95, 99)}
        self._say(f"send lag at half of saturation: p50 {lag['lag_p50_ms']['median']:.3f} ms")
        return {"tool": tool.name, "sessions_per_s": rate, **lag}

    # -- truthfulness -------------------------------------------------------------------------------------------

    def known_delay(self, tool: Tool, delay_s: float = 0.02, rate: float = 100.0) -> Row:
        """Compare a reported median with that of a server that knows its own."""
        settings = self._settings
        kind = "paced" if "paced" in tool.jobs else "get"
        errors = []
        for _ in range(settings.repeats):
            with (
                TemporaryDirectory(prefix="seatrial-bench-") as name,
                delay_server(settings.server_core, delay_s) as to,
            ):
                job = Job(kind, to.url, settings.seconds, 10, Path(name), rate, source=self._source)
                _, said, _ = self._run(tool, job, count=False)
                truth_ms = to.finish()["median_s"] * 1e3
            if said.p50_ms is None:
                return {"tool": tool.name, "error": "reports no median"}
            errors.append(abs(said.p50_ms - truth_ms))
        self._say(f"{tool.name}: median off by {spread(errors).median:.3f} ms")
        return {"tool": tool.name, "median_error_ms": asdict(spread(errors)), "closed_loop": kind == "get"}

    def freeze(self, tool: Tool, rate: float = 100.0, service_s: float = 0.005) -> Row:
        """Freeze a service for a tenth of a run and compare what is reported with arithmetic."""
        settings = self._settings
        seconds = round(settings.freeze_s * 10)
        with TemporaryDirectory(prefix="seatrial-bench-") as name:
            after = seconds / 3
            with delay_server(settings.server_core, service_s, after, settings.freeze_s) as to:
                job = Job("paced", to.url, seconds, 400, Path(name), rate, source=self._source)
                _, said, invocation = self._run(tool, job, count=False)
                served = to.finish()
        truth = Freeze(served["median_s"], served["frozen_s"], seconds)
        row: Row = {"tool": tool.name, "sent": said.requests, "meant": round(rate * seconds), "served": served}
        for q, reported in ((0.95, said.p95_ms), (0.99, said.p99_ms)):
            true_ms = truth.quantile(q) * 1e3
            off = None if reported is None else relative_error(reported, true_ms)
            row[f"p{q * 100:.0f}"] = {"reported_ms": reported, "true_ms": true_ms, "relative_error": off}
        self._say(f"{tool.name} freeze: p99 {said.p99_ms} ms, arithmetic {truth.quantile(0.99) * 1e3:.0f} ms")
        return row | {"command": invocation.command, "environment": invocation.environment}

    # -- TLS handshakes -----------------------------------------------------------------------------------------

    def handshakes(self, tool: Tool) -> list[Row]:
        """Count full TLS 1.3 handshakes a second: ours with a GET on each connection, and ``openssl s_time``."""
        rows = self.speed("tls", [(tool, True)])
        openssl = shutil.which("openssl")
        if openssl is None:
            return rows
        port = self._server.https.rpartition(":")[2]
        command = [openssl, "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-tls1_3", "-www", "/small"]
        command += ["-time", str(self._settings.seconds), "-CAfile", str(self._server.certificate)]
        rates = []
        for _ in range(self._settings.repeats):
            with TemporaryDirectory(prefix="seatrial-bench-") as name, self._counted() as count:
                core, limit_s = self._settings.client_core, self._settings.seconds + _SPARE_S
                done = run_pinned(command, core, Path(name), limit_s, count, self._server.worker)
            rates.append(steady(done.samples))
        row: Row = {"tool": "openssl s_time", "kind": "tls", "command": command}
        row["rps"] = asdict(spread([part.rps for part in rates]))
        rows.append(row | {"cpu_us": asdict(spread([part.cpu_us for part in rates]))})
        return rows

    # -- how a job is run ---------------------------------------------------------------------------------------

    @contextmanager
    def _job(self, kind: str, rate: float, fresh: bool) -> Iterator[Job]:
        settings, server = self._settings, self._server
        secure = kind == "tls"
        with TemporaryDirectory(prefix="seatrial-bench-") as name:
            url, ca = (server.https, server.certificate) if secure else (server.http, None)
            yield Job(kind, url, settings.seconds, settings.connections, Path(name), rate, ca, fresh, self._source)

    @contextmanager
    def _counted(self) -> Iterator[Callable[[], int]]:
        counter = self._server.counter()
        try:
            yield counter.read
        finally:
            counter.close()

    def _run(
        self, tool: Tool, job: Job, count: bool, parse: bool = True, limit_s: float = 0.0
    ) -> tuple[Finished, Said, Invocation]:
        program = tool.program()
        if program is None:
            raise BenchError(f"{tool.name} is not installed")
        invocation = tool.invoke(str(program), job)
        limit_s = limit_s or job.seconds + _SPARE_S
        core, environment = self._settings.client_core, invocation.environment
        if count:
            with self._counted() as read:
                finished = run_pinned(
                    invocation.command, core, job.folder, limit_s, read, self._server.worker, environment
                )
        else:
            finished = run_pinned(invocation.command, core, job.folder, limit_s, environment=environment)
        if finished.code < 0 or (finished.code > 0 and tool.name == "ours"):
            raise BenchError(f"{tool.name} ended with {finished.code}: {(finished.err or finished.out)[-300:]}")
        return finished, self._said(tool, invocation, finished) if parse else Said(0, 0), invocation

    def _said(self, tool: Tool, invocation: Invocation, finished: Finished) -> Said:
        if invocation.convert is not None:
            done = subprocess.run(invocation.convert, capture_output=True, text=True, timeout=60, check=True)
            return PARSERS[tool.name](done.stdout)
        if invocation.report is None:
            return PARSERS[tool.name](finished.out)
        if not invocation.report.exists():
            raise BenchError(f"{tool.name} left no report: {(finished.err or finished.out)[-300:]}")
        return PARSERS[tool.name](invocation.report.read_text(encoding="utf-8"))


def _speed_row(tool: Tool, kind: str, fresh: bool, runs: list[Row], errors: list[str]) -> Row:
    name = f"{tool.name} (fresh connections)" if fresh else tool.name
    row: Row = {"tool": name, "kind": kind, "note": tool.note, "failed_runs": errors, "runs": runs}
    if runs:
        keys = ("rps", "cpu_us", "client_share", "server_share", "others_share", "steal_share", "peak_mb", "errors")
        row |= {key: asdict(spread([run[key] for run in runs])) for key in keys}
        shares = (row[key]["median"] for key in ("client_share", "server_share", "others_share"))
        row["bottleneck"] = bottleneck(*shares)
    return row


def bottleneck(client_share: float, server_share: float, others_share: float) -> str:
    """Return who was at the limit: a process that took 93 % of its core or more.

    Where others took more than 5 % of the generator's core, the rate says nothing of the generator: "disturbed".
    """
    if others_share > 0.05:
        return "disturbed"
    names = [name for name, share in (("client", client_share), ("server", server_share)) if share >= 0.93]
    return " and ".join(names) or "neither"
