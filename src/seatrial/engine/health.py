"""How well the generator itself is: sampled once a second, into the evidence."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

from seatrial.samples.codec import HEALTH_ROW
from seatrial.samples.spool import Spool

__all__ = ["HealthMonitor", "HealthRow"]

HealthRow = dict[str, float]
_PAGE = os.sysconf("SC_PAGE_SIZE")


class HealthMonitor:
    """Samples this process and its machine.

    Attributes:
        stall_ns: Longest turn of the event loop since the last sample.

    Args:
        path: Spool file for the rows; must not exist.
        worker: Index of this worker.
    """

    def __init__(self, path: Path, worker: int) -> None:
        self.stall_ns = 0
        self._spool = Spool(path, HEALTH_ROW.size)
        self._worker = worker
        self._gc_ns = 0
        self._gc_began_ns = 0
        # Opened once: a worker that has run out of descriptors must still be able to say so.
        self._stat = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        gc.callbacks.append(self._on_gc)
        self._last_ns = time.monotonic_ns()
        self._last_cpu_ns = time.process_time_ns()
        self._last_machine = _machine_times(self._stat)

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began_ns = time.monotonic_ns()
        else:
            self._gc_ns += time.monotonic_ns() - self._gc_began_ns

    def turn(self, took_ns: int) -> None:
        """Note how long a turn of the event loop took, from its waking to its next wait."""
        self.stall_ns = max(self.stall_ns, took_ns)

    def sample(self, sessions: int, open_files: int) -> HealthRow:
        """Take one row since the last one, write it and return it.

        Args:
            sessions: Sessions in progress.
            open_files: Connections the driver holds open.
        """
        now_ns, cpu_ns, machine = time.monotonic_ns(), time.process_time_ns(), _machine_times(self._stat)
        wall = max(now_ns - self._last_ns, 1)
        jiffies = max(sum(machine) - sum(self._last_machine), 1)
        idle = machine[3] + machine[4] - self._last_machine[3] - self._last_machine[4]
        row: HealthRow = {
            "worker": self._worker,
            "at_ns": now_ns,
            "cpu_share": (cpu_ns - self._last_cpu_ns) / wall,
            "stall_ns": self.stall_ns,
            "gc_ns": self._gc_ns,
            "rss_bytes": _rss_bytes(self._statm),
            "open_files": open_files,
            "sessions": sessions,
            "machine_cpu": max(0.0, 1 - idle / jiffies),
            "steal_share": (machine[7] - self._last_machine[7]) / jiffies,
        }
        self._spool.append(HEALTH_ROW.pack(*row.values()))
        self._last_ns, self._last_cpu_ns, self._last_machine = now_ns, cpu_ns, machine
        self.stall_ns = self._gc_ns = 0
        return row

    def close(self) -> None:
        """Stop listening to the collector and close the spool."""
        gc.callbacks.remove(self._on_gc)
        os.close(self._stat)
        os.close(self._statm)
        self._spool.close()


def _machine_times(stat: int) -> tuple[int, ...]:
    """Return user, nice, system, idle, iowait, irq, softirq, steal jiffies of all cores (proc(5))."""
    return tuple(int(field) for field in os.pread(stat, 512, 0).split(b"\n", 1)[0].split()[1:9])


def _rss_bytes(statm: int) -> int:
    return int(os.pread(statm, 256, 0).split()[1]) * _PAGE
