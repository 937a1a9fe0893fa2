"""The part ``profile``: where the time goes on the hot path, the three-step journey near saturation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.accounting import tree
from benchmarks.measure import run_pinned
from benchmarks.runner import SPARE_S, Runner
from benchmarks.servers import BenchError, RequestCounter
from benchmarks.stacks import functions_of, layers_of
from benchmarks.tools import TOOLS
from benchmarks.window import steady

__all__ = ["MOST_SVG_BYTES", "profile"]

MOST_SVG_BYTES = 300_000
_TOP = 25
_NEAR = 0.9
_NEAR_FOR_PY_SPY = 0.6
_WARM_REQUESTS = 2_000
_LEAST_SECONDS = 15
Row = dict[str, Any]


@dataclass(slots=True)
class _Attached:
    """Reads the server's counter as the sampler asks it to, and starts a profiler once the load is on."""

    counter: RequestCounter
    command: Callable[[int], list[str]]
    profiler: subprocess.Popen[bytes] | None = None
    began: int = field(default=-1)

    def read(self) -> int:
        requests = self.counter.read()
        if self.began < 0:
            self.began = requests
        if self.profiler is None and requests - self.began > _WARM_REQUESTS:
            command = self.command(_worker(os.getpid()))
            self.profiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return requests

    def finish(self) -> None:
        """Wait for the profiler.

        Raises:
            BenchError: it never began, or failed.
        """
        if self.profiler is None:
            raise BenchError("the load never began, so nothing was profiled")
        try:
            _, said = self.profiler.communicate(timeout=SPARE_S)
        except subprocess.TimeoutExpired:
            self.profiler.kill()
            raise BenchError("the profiler does not end") from None
        if self.profiler.returncode:
            raise BenchError(f"the profiler ended with {self.profiler.returncode}: {said.decode()[-200:]}")


def _seconds(runner: Runner) -> int:
    """Return the length of each run: a profile needs a few thousand looks, whatever the other parts are given."""
    return max(_LEAST_SECONDS, runner.settings.seconds)


def _worker(root: int) -> int:
    for pid in tree(root):
        try:
            if b"seatrial.backends.worker_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except OSError:
            continue
    raise BenchError("no worker to profile")


def _under_load(runner: Runner, rate: float, command: Callable[[int], list[str]]) -> Row:
    """Offer ``rate`` journeys a second and profile the worker meanwhile; return what a request cost."""
    with runner.job("journey", rate, seconds=_seconds(runner)) as job:
        invocation = TOOLS["ours"].invoke(sys.executable, job)
        attached = _Attached(runner.server.counter(), command)
        try:
            finished = run_pinned(
                invocation.command, runner.settings.client_core, job.folder, job.seconds + SPARE_S,
                attached.read, runner.server.workers, invocation.environment,
            )  # fmt: skip
            attached.finish()
        finally:
            attached.counter.close()
    part = steady(finished.samples)
    return {
        "sessions_per_s": rate,
        "rps": part.rps,
        "cpu_us": part.cpu_us,
        "client_share": part.client_share,
        "others": part.others_share,
    }


def _by_perf(runner: Runner, rate: float, folder: Path) -> Row:
    perf = shutil.which("perf")
    if perf is None:
        return {"error": "perf is not installed"}
    data, seconds = folder / "perf.data", str(_seconds(runner) - 2)
    # Without a processor's own counters, as in most virtual machines, cpu-clock is what there is.
    record = [perf, "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", str(data), "-p"]
    cost = _under_load(runner, rate, lambda pid: [*record, str(pid), "--", "sleep", seconds])
    script = [perf, "script", "-i", str(data), "-F", "ip,sym,dso"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    seen = layers_of(done.stdout)
    top = {"layers": seen.layers.most_common(), "symbols": seen.symbols.most_common(_TOP)}
    return {"samples": seen.total, **cost, **top, "command": [*record, "WORKER"]}


def _by_py_spy(runner: Runner, rate: float, folder: Path, svg: Path) -> Row:
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        return {"error": "py-spy is not installed: pip install py-spy"}
    raw, seconds = folder / "stacks", str(_seconds(runner) - 2)
    record = [spy, "record", "--duration", seconds, "--rate", "500", "--function", "--pid"]

    def command(form: list[str]) -> Callable[[int], list[str]]:
        return lambda pid: [*record, str(pid), *form]

    cost = _under_load(runner, rate, command(["--native", "--format", "raw", "--output", str(raw)]))
    seen = functions_of(raw.read_text(encoding="utf-8"))
    _under_load(runner, rate, command(["--format", "flamegraph", "--output", str(svg)]))
    picture = re.sub(r"[^<>]*py-spy record[^<>]*", "The hot path, three-step journey", svg.read_text(encoding="utf-8"))
    drawn = len(picture) <= MOST_SVG_BYTES
    if drawn:
        svg.write_text(picture, encoding="utf-8")
    else:
        svg.unlink()
    top = {"functions": seen.functions.most_common(_TOP), "files": seen.files.most_common(_TOP)}
    shown = {"flame_graph": svg.name if drawn else None, "command": [Path(spy).name, *record[1:], "WORKER"]}
    return {"samples": seen.total, "outside": seen.outside, **cost, **top, **shown}


def profile(runner: Runner, saturation: float, svg: Path, say: Callable[[str], None]) -> Row:
    """Profile the worker at 90 % of saturation by perf, then twice at 60 % by py-spy, whose looks cost it time.

    Not above saturation: arrivals that are turned away would be in the picture.

    Args:
        runner: Its settings say for how long each.
        saturation: Journeys a second.
        svg: Where the flame graph goes; taken away again if it is larger than ``MOST_SVG_BYTES``.
        say: Told what is going on.
    """
    row: Row = {"saturation": saturation}
    with TemporaryDirectory(prefix="seatrial-bench-") as name:
        ways: dict[str, Callable[[], Row]] = {
            "perf": lambda: _by_perf(runner, _NEAR * saturation, Path(name)),
            "py_spy": lambda: _by_py_spy(runner, _NEAR_FOR_PY_SPY * saturation, Path(name), svg),
        }
        for key, take in ways.items():
            try:
                row[key] = take()
            except (BenchError, ValueError, OSError, subprocess.SubprocessError) as error:
                row[key] = {"error": f"failed: {error}"[:300]}
            say(f"profile by {key}: {row[key].get('error') or str(row[key]['samples']) + ' samples'}")
    return row
