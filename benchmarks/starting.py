"""The part ``start``: from the command to the first request as the server sees it, and what takes the time."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.ours import PLANS, plan_text
from benchmarks.servers import BenchError
from benchmarks.tools import ours_command
from benchmarks.window import spread

__all__ = ["FirstRequest", "by_package", "start"]

_LIMIT_S = 20.0
_LEAST_REPEATS = 7
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
Row = dict[str, Any]


class FirstRequest:
    """Listens on a port of 127.0.0.1 and notes when the first byte of the first request has come.

    Attributes:
        port: Where it listens.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._at_s = 0.0
        self._seen = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        accepted = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._over and not self._seen.is_set():
                for key, _ in selector.select(0.1):
                    if key.fileobj is self._listener:
                        accepted.append(self._listener.accept()[0])
                        selector.register(accepted[-1], selectors.EVENT_READ)
                    elif key.fileobj.recv(1):  # type: ignore[union-attr]
                        self._at_s = time.monotonic()
                        self._seen.set()
                        break
                    else:  # a connection that asked for nothing is no request
                        selector.unregister(key.fileobj)
        for sock in accepted:
            sock.close()

    def wait(self, seconds: float) -> float:
        """Return the instant on the monotonic clock.

        Raises:
            BenchError: none came in time.
        """
        if not self._seen.wait(seconds):
            raise BenchError(f"no request within {seconds:g} s of the command")
        return self._at_s

    def close(self) -> None:
        """Stop listening."""
        self._over = True
        self._thread.join()
        self._listener.close()


@contextmanager
def _listening() -> Iterator[FirstRequest]:
    first = FirstRequest()
    try:
        yield first
    finally:
        first.close()


def _once(source: Path, workers: int, cores: Sequence[int]) -> tuple[float, list[str]]:
    """Return seconds from the command to the first request, and the command."""
    taskset = shutil.which("taskset") or "taskset"
    with TemporaryDirectory(prefix="seatrial-bench-") as name, _listening() as first:
        plan = Path(name) / "plan.yaml"
        target = f"http://127.0.0.1:{first.port}"
        plan.write_text(plan_text(PLANS["get"], target, "shared", 256, None), encoding="utf-8")
        command, environment = ours_command("seatrial.cli.main", source)
        command += ["run", str(plan), "--out", f"{name}/out", "--workers", str(workers)]
        pinned = [taskset, "-c", ",".join(map(str, cores)), *command]
        began_s = time.monotonic()
        process = subprocess.Popen(
            pinned, env={**os.environ, **environment}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return first.wait(_LIMIT_S) - began_s, command
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # its workers with it
            process.wait()


def by_package(import_time: str) -> dict[str, float]:
    """Return milliseconds by package, most first, from what ``python -X importtime`` wrote.

    A module's own time counts for the package in front of its first dot; ours for ours, the standard library's, which
    has no common name, for ``(standard library)``.

    Raises:
        BenchError: there is no line of it.
    """
    total: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(import_time):
        package = module.partition(".")[0]
        total["(standard library)" if package in sys.stdlib_module_names else package] += int(microseconds)
    if not total:
        raise BenchError(f"not the output of -X importtime: {import_time[-100:]!r}")
    return {package: count / 1e3 for package, count in total.most_common()}


def _imports(source: Path, words: Sequence[str]) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return by_package(done.stderr)


def start(source: Path, repeats: int, cores: Sequence[int], say: Callable[[str], None]) -> Row:
    """Measure ``seatrial run`` on all cores with one worker and with two, and what the modules of each process take.

    The first run is not counted: it compiles modules and fills the disk's cache, as the first use after an
    installation does.
    """
    _once(source, 1, cores)
    rows: Row = {"repeats": max(_LEAST_REPEATS, repeats)}
    for workers in (1, 2):
        taken: list[float] = []
        command: list[str] = []
        for _ in range(rows["repeats"]):
            seconds, command = _once(source, workers, cores)
            taken.append(seconds)
        rows[f"workers_{workers}"] = {"seconds": asdict(spread(taken)), "command": command}
        say(f"{workers} worker{'s' * (workers > 1)}: first request after {spread(taken).median:.2f} s")
    # What the run loads in its own process, in the order of the command; nothing is run.
    parent = "import seatrial.cli.app, seatrial.cli.live, seatrial.backends.local, seatrial.trials.execute"
    rows["parent_imports_ms"] = _imports(source, ["-c", parent])
    rows["worker_imports_ms"] = _imports(source, ["-c", "import seatrial.backends.worker_main"])
    return rows
