"""How well the generator itself is: sampled once a second, into the evidence."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from seatrial.engine.machine import Machine, local_ports
from seatrial.model.health import LAG_COLUMNS, LONG_TURN_NS, UNKNOWN
from seatrial.samples.codec import HEALTH_ROW
from seatrial.samples.spool import Spool
from seatrial.units import MS

__all__ = ["HealthMonitor", "HealthRow", "clock_offset_ns"]

HealthRow = dict[str, float]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NO_LAGS = (0,) * len(LAG_COLUMNS)


class HealthMonitor:
    """Samples this process and its machine.

    Attributes:
        stall_ns: Longest turn of the event loop since the last sample.
        long_turns: Turns since then that were longer than ``LONG_TURN_NS``.

    Args:
        path: Spool file for the rows; must not exist.
        worker: Index of this worker.
        routes: Pairs of a source address and a target address that connections are spread over: each has the
            machine's local ports to itself.
    """

    def __init__(self, path: Path, worker: int, routes: int = 1) -> None:
        self.stall_ns = 0
        self.long_turns = 0
        self._spool = Spool(path, HEALTH_ROW.size)
        self._worker = worker
        ports = local_ports()
        self._ports_limit = UNKNOWN if ports == UNKNOWN else ports * routes
        self._busy_ns = 0
        self._gc_ns = 0
        self._gc_began_ns = 0
        # Opened once: a worker that has run out of descriptors must still be able to say so.
        self._machine = Machine()
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._files = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._other_files = len(os.listdir(self._files)) - 1  # less the one that lists them
        gc.callbacks.append(self._on_gc)
        self._last_ns = time.monotonic_ns()
        self._last_cpu_ns = time.process_time_ns()

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began_ns = time.monotonic_ns()
        else:
            self._gc_ns += time.monotonic_ns() - self._gc_began_ns

    def turn(self, took_ns: int) -> None:
        """Note how long a turn of the event loop took, from its waking to its next wait."""
        self._busy_ns += took_ns
        if took_ns > self.stall_ns:  # noqa: PLR1730 -- at every turn of the loop, and max() takes three times as long
            self.stall_ns = took_ns
        if took_ns > LONG_TURN_NS:
            self.long_turns += 1

    def sample(
        self,
        sessions: int,
        connections: int,
        lags: Sequence[int] = _NO_LAGS,
        files_refused: int = 0,
        ports_refused: int = 0,
    ) -> HealthRow:
        """Take one row since the last one, write it and return it.

        Args:
            sessions: Sessions in progress.
            connections: Connections open or being opened.
            lags: Histogram of send lag since the last row, as ``LAG_COLUMNS``.
            files_refused: Connections that failed since then because there was no descriptor left...
            ports_refused: ...or no local port.
        """
        now_ns, cpu_ns, machine = time.monotonic_ns(), time.process_time_ns(), self._machine.sample()
        row: HealthRow = {
            "worker": self._worker,
            "at_ns": now_ns,
            "cpu_share": (cpu_ns - self._last_cpu_ns) / max(now_ns - self._last_ns, 1),
            "busy_share": min(1.0, self._busy_ns / max(now_ns - self._last_ns, 1)),
            "stall_ns": self.stall_ns,
            "long_turns": self.long_turns,
            "gc_ns": self._gc_ns,
            "rss_bytes": _rss_bytes(self._statm),
            "sessions": sessions,
            "connections": connections,
            "ports_limit": self._ports_limit,
            "ports_refused": ports_refused,
            "open_files": self._open_files(connections),
            "files_limit": _files_limit(),
            "files_refused": files_refused,
            "machine_cpu": machine.cpu,
            "steal_share": machine.steal,
            "clock_offset_ns": clock_offset_ns(),
            **machine.counters,
            **dict(zip(LAG_COLUMNS, lags, strict=True)),
        }
        self._spool.append(HEALTH_ROW.pack(*row.values()))
        self._last_ns, self._last_cpu_ns = now_ns, cpu_ns
        self.stall_ns = self._gc_ns = self.long_turns = self._busy_ns = 0
        return row

    def _open_files(self, connections: int) -> int:
        """Return the descriptors that are open. Listing them would cost milliseconds where there are thousands."""
        told = os.fstat(self._files).st_size  # since Linux 6.2 their number; before that 0
        return told or self._other_files + connections

    def close(self) -> None:
        """Stop listening to the collector and close the files."""
        gc.callbacks.remove(self._on_gc)
        self._machine.close()
        os.close(self._statm)
        os.close(self._files)
        self._spool.close()


def clock_offset_ns() -> int:
    """Return wall clock less monotonic clock; read again where the worker lost its core between the two."""
    before = wall = after = 0
    for _ in range(3):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < MS:
            break
    return wall - (before + after) // 2


def _files_limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNKNOWN if limit == resource.RLIM_INFINITY else limit


def _rss_bytes(statm: int) -> int:
    return int(os.pread(statm, 256, 0).split()[1]) * _PAGE
