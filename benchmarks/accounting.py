"""CPU time and memory of a process tree, from /proc (proc(5)); Linux alone has it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["core_busy_seconds", "cpu_seconds", "machine_load", "peak_memory_bytes", "steal_seconds", "tree"]

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Return the ids of ``root`` and of every process under it that still lives."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                queue.extend(int(child) for child in (task / "children").read_text().split())
        except OSError:  # ended between two looks
            continue
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time of the processes, and of their children that have ended, in seconds.

    A tick is 10 ms: over a steady part of some seconds the error is below a per cent.
    """
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total * _TICK_S


def peak_memory_bytes(pids: list[int]) -> int:
    """Return the sum of each process's own peak of resident memory, shared pages counted in each."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return total


def steal_seconds() -> float:
    """Return the time the hypervisor took from all cores since the machine started, in seconds."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) * _TICK_S


def core_busy_seconds(core: int) -> float:
    """Return the time since start that a core worked for anybody of this machine, interrupts included, in seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
            return (user + nice + system + irq + softirq) * _TICK_S
    return 0.0


def machine_load() -> tuple[float, float, float]:
    """Return the load averages over 1, 5 and 15 minutes."""
    return os.getloadavg()
