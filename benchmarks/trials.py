"""What is measured: speed at saturation, send lag at half of it, the latency's error, the freeze drill, handshakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arithmetic import Freeze, relative_error
from benchmarks.measure import run_pinned
from benchmarks.parsers import UnreadableReportError
from benchmarks.runner import SPARE_S, Runner
from benchmarks.servers import BenchError, delay_server
from benchmarks.tools import Job, Tool
from benchmarks.window import spread, steady

__all__ = ["Bench", "below_saturation", "bottleneck"]

Row = dict[str, Any]
_ABOVE, _RAISE, _RAISES = 1.05, 1.15, 5


class Bench:
    """Runs jobs one after another against one nginx.

    Args:
        runner: Runs a job.
        say: Told what is going on.
    """

    def __init__(self, runner: Runner, say: Callable[[str], None]) -> None:
        self._runner = runner
        self._source = runner.source
        self._settings = runner.settings
        self._server = runner.server
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
        """Run a tool once as fast as it can.

        Ours is offered a little more than it answers. Should it answer all of that, what was taken for saturation was
        somebody else's burst on this machine: it is offered more, a few times, and the later runs begin there.
        """
        for _ in range(_RAISES + 1):
            rate = self.saturated(tool, kind, fresh) * _ABOVE if tool.name == "ours" else 0.0
            with self._runner.job(kind, rate, fresh) as job:
                finished, said, invocation = self._runner.run(tool, job, count=True)
            detail = json.loads(finished.out) if tool.name == "ours" else {}
            if not below_saturation(detail):
                break
            self._saturation[kind, fresh] *= _RAISE
        part = steady(finished.samples)
        row = {**asdict(part), "peak_mb": finished.peak_bytes / 1e6, "errors": said.errors, "said": asdict(said)}
        row |= {"cpu_s_whole_run": finished.cpu_s, "command": invocation.command, "environment": invocation.environment}
        row |= {"detail": detail} if detail else {}
        self._say(f"{tool.name} {kind}: {part.rps:,.0f}/s, {part.cpu_us:.1f} µs, client {part.client_share:.0%}")
        return row

    def saturated(self, tool: Tool, kind: str, fresh: bool) -> float:
        """Return the sessions a second at which ours saturates; looked for once."""
        if (kind, fresh) not in self._saturation:
            with self._runner.job(kind, 0.0, fresh) as job:
                finished, _, _ = self._runner.run(tool, job, count=False, parse=False, limit_s=90)
                found = json.loads(finished.out)
            self._saturation[kind, fresh] = float(found["saturation"])
            self._say(f"ours {kind}{' fresh' if fresh else ''} saturates at {found['saturation']:,.0f} sessions/s")
        return self._saturation[kind, fresh]

    def send_lag(self, tool: Tool) -> Row:
        """Offer half of what saturates the journey; return the lag of the sends, medians of the repeats."""
        rate = self.saturated(tool, "journey", False) / 2
        runs = []
        for _ in range(self._settings.repeats):
            with self._runner.job("journey", rate, False) as job:
                finished, _, _ = self._runner.run(tool, job, count=False)
                runs.append(json.loads(finished.out))
        lag = {f"lag_p{p}_ms": asdict(spread([run[f"lag_p{p}_ms"] for run in runs])) for p in (50, 95, 99)}
        self._say(f"send lag at half of saturation: p50 {lag['lag_p50_ms']['median']:.3f} ms")
        return {"tool": tool.name, "sessions_per_s": rate, **lag}

    def paced(self, tool: Tool, rates: Sequence[float] = (1_000.0, 5_000.0, 20_000.0)) -> list[Row]:
        """Offer fixed rates far below saturation; return what a request costs there."""
        rows = []
        for rate in rates:
            runs = []
            for _ in range(self._settings.repeats):
                with self._runner.job("paced", rate) as job:
                    finished, _, invocation = self._runner.run(tool, job, count=True)
                runs.append(steady(finished.samples))
            row: Row = {"tool": tool.name, "rate": rate, "command": invocation.command}
            keys = ("rps", "cpu_us", "client_share", "others_share")
            rows.append(row | {key: asdict(spread([getattr(run, key) for run in runs])) for key in keys})
            self._say(f"{tool.name} at {rate:,.0f}/s: {rows[-1]['cpu_us']['median']:.0f} µs")
            if rows[-1]["rps"]["median"] < 0.95 * rate:  # what it can't do, it can't do at a higher rate
                break
        return rows

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
                _, said, _ = self._runner.run(tool, job, count=False)
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
                _, said, invocation = self._runner.run(tool, job, count=False)
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
            with TemporaryDirectory(prefix="seatrial-bench-") as name, self._runner.counted() as count:
                core, limit_s = self._settings.client_core, self._settings.seconds + SPARE_S
                done = run_pinned(command, core, Path(name), limit_s, count, self._server.workers)
            rates.append(steady(done.samples))
        row: Row = {"tool": "openssl s_time", "kind": "tls", "command": command}
        row["rps"] = asdict(spread([part.rps for part in rates]))
        rows.append(row | {"cpu_us": asdict(spread([part.cpu_us for part in rates]))})
        return rows


def _speed_row(tool: Tool, kind: str, fresh: bool, runs: list[Row], errors: list[str]) -> Row:
    name = f"{tool.name} (fresh connections)" if fresh else tool.name
    row: Row = {"tool": name, "kind": kind, "note": tool.note, "failed_runs": errors, "runs": runs}
    if runs:
        keys = ("rps", "cpu_us", "client_share", "server_share", "others_share", "steal_share", "peak_mb", "errors")
        row |= {key: asdict(spread([run[key] for run in runs])) for key in keys}
        shares = (row[key]["median"] for key in ("client_share", "server_share", "others_share"))
        row["bottleneck"] = bottleneck(*shares)
    return row


def below_saturation(detail: Row) -> bool:
    """Return whether ours answered all but a hundredth of what it was offered, so that it could have done more."""
    return bool(detail) and detail["answered_rps"] >= 0.99 * detail["offered_rps"]


def bottleneck(client_share: float, server_share: float, others_share: float) -> str:
    """Return who was at the limit: a process that took 93 % of its core or more.

    Where others took more than 5 % of the generator's core, the rate says nothing of the generator: "disturbed".
    """
    if others_share > 0.05:
        return "disturbed"
    names = [name for name, share in (("client", client_share), ("server", server_share)) if share >= 0.93]
    return " and ".join(names) or "neither"
