"""Running one generator on its core and looking at it from outside, alike for all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounting import core_busy_seconds, cpu_seconds, peak_memory_bytes, steal_seconds, tree
from benchmarks.servers import ROOT
from benchmarks.window import Sample

__all__ = ["Finished", "run_pinned"]

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Finished:
    """A generator's run.

    Attributes:
        code: Exit code; negative: the signal that ended it.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
        samples: Looks at it while it ran, 0.1 s apart.
        peak_bytes: Highest sum of the processes' own memory peaks at any look.
        cpu_s: User and system time of the whole tree from start to end (wait4), start-up included.
        wall_s: From start to end.
    """

    code: int
    out: str
    err: str
    samples: tuple[Sample, ...]
    peak_bytes: int
    cpu_s: float
    wall_s: float


def run_pinned(
    command: Sequence[str],
    cores: int | Sequence[int],
    folder: Path,
    limit_s: float,
    count_requests: Callable[[], int] = lambda: 0,
    servers: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run ``command`` pinned to ``cores`` and sample it until it ends.

    Args:
        command: Program and arguments.
        cores: The generator's core, or several; all of its children inherit them.
        folder: For what it writes.
        limit_s: It is killed with its children after so long; the code then says so.
        count_requests: The server's own counter.
        servers: Process ids of the server's workers.
        environment: Beside this process's own.
    """
    taskset, own = shutil.which("taskset") or "taskset", [cores] if isinstance(cores, int) else list(cores)
    paths = folder / "stdout", folder / "stderr"
    began = time.monotonic()
    with paths[0].open("wb") as out, paths[1].open("wb") as err:
        process = subprocess.Popen(
            [taskset, "-c", ",".join(map(str, own)), *command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT, start_new_session=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    samples: list[Sample] = []
    peak, gone, status, usage = 0, 0, 0, None
    try:
        while not gone:
            if time.monotonic() - began > limit_s:
                os.killpg(process.pid, signal.SIGKILL)
            pids = tree(process.pid)
            peak = max(peak, peak_memory_bytes(pids))
            cpu_s, busy_s = cpu_seconds(pids), sum(map(core_busy_seconds, own))
            look = (time.monotonic(), count_requests(), cpu_s, cpu_seconds(list(servers)), steal_seconds(), busy_s)
            samples.append(Sample(*look))
            time.sleep(_LOOK_S)
            gone, status, usage = os.wait4(process.pid, os.WNOHANG)
    finally:
        if gone:
            process.returncode = os.waitstatus_to_exitcode(status)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    out_text, err_text = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    cpu_s = usage.ru_utime + usage.ru_stime if usage is not None else 0.0
    wall_s = time.monotonic() - began
    return Finished(process.returncode, out_text, err_text, tuple(samples), peak, cpu_s, wall_s)
