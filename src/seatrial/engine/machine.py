"""What the machine under a worker says of itself: processor, steal, network counters, from proc(5).

Every file is opened once and read by ``pread``: a worker that has run out of descriptors must still be able to say
so. A figure is the difference since the reading before. A machine that does not have a file or a column, as some
containers don't, gives ``UNKNOWN`` for it and not zero.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from seatrial.model.health import UNKNOWN

__all__ = ["COUNTERS", "CoreTimes", "Machine", "MachineRow", "core_times", "local_ports", "named_counters"]

CoreTimes = dict[str, tuple[int, ...]]
"""``cpu`` for all cores and ``cpu0``, ``cpu1``, ... for each, to jiffies: user, nice, system, idle, iowait, irq,
softirq, steal."""

_IDLE: Final = slice(3, 5)
_STEAL: Final = 7
_TIMES: Final = 8
_MOST_BYTES: Final = 64 * 1024

COUNTERS: Final = {
    "tcp_retransmits": ("/proc/net/snmp", "Tcp", "RetransSegs"),
    "listen_overflows": ("/proc/net/netstat", "TcpExt", "ListenOverflows"),
    "listen_drops": ("/proc/net/netstat", "TcpExt", "ListenDrops"),
    "udp_errors": ("/proc/net/snmp", "Udp", "InErrors"),
}
"""Figure to file, group and column. The counters are those of the network namespace, the service's own included
where it runs in the same one."""

_PORT_RANGE: Final = "/proc/sys/net/ipv4/ip_local_port_range"


@dataclass(frozen=True, slots=True)
class MachineRow:
    """What happened since the row before.

    Attributes:
        cpu: Busy share of all cores.
        steal: Share of its time that the most stolen of the cores in use lost to the hypervisor.
        counters: As in ``COUNTERS``; ``UNKNOWN`` where the machine does not tell.
    """

    cpu: float
    steal: float
    counters: dict[str, int]


class Machine:
    """Reads the machine's figures.

    Raises:
        OSError: there is no ``/proc/stat``: this is no Linux.
    """

    def __init__(self) -> None:
        self._stat = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        self._files = {path: _opened(path) for path in sorted({path for path, _, _ in COUNTERS.values()})}
        self._times = core_times(_text(self._stat))
        self._counts = self._read_counters()

    def sample(self) -> MachineRow:
        """Return what happened since the last call, or since the beginning."""
        times, counts = core_times(_text(self._stat)), self._read_counters()
        cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        row = MachineRow(
            cpu=busy_share(self._times, times),
            steal=steal_share(self._times, times, cores),
            counters={
                name: UNKNOWN if UNKNOWN in (count, self._counts[name]) else max(0, count - self._counts[name])
                for name, count in counts.items()
            },
        )
        self._times, self._counts = times, counts
        return row

    def _read_counters(self) -> dict[str, int]:
        found: dict[tuple[str, str], int] = {}
        for path, fd in self._files.items():
            if fd >= 0:
                found |= named_counters(
                    _text(fd), [(group, column) for at, group, column in COUNTERS.values() if at == path]
                )
        return {name: found.get((group, column), UNKNOWN) for name, (_, group, column) in COUNTERS.items()}

    def close(self) -> None:
        """Close the files."""
        for fd in (self._stat, *self._files.values()):
            if fd >= 0:
                os.close(fd)


def core_times(stat: str) -> CoreTimes:
    """Return the processor times of ``/proc/stat``; a core without a time for steal has none."""
    times: CoreTimes = {}
    for line in stat.split("\n")[:-1]:  # what is not ended by a newline was cut off
        if not line.startswith("cpu"):
            break  # the cores come first
        name, *fields = line.split()
        jiffies = [int(field) for field in fields[:_TIMES]]
        times[name] = (*jiffies, *[0] * (_TIMES - len(jiffies)))
    return times


def busy_share(before: CoreTimes, now: CoreTimes) -> float:
    """Return the share of all cores' time that was not idle; 0 where no time has passed."""
    passed = [b - a for a, b in zip(before["cpu"], now["cpu"], strict=True)]
    total = sum(passed)
    return min(1.0, max(0.0, 1 - sum(passed[_IDLE]) / total)) if total > 0 else 0.0


def steal_share(before: CoreTimes, now: CoreTimes, cores: Collection[str]) -> float:
    """Return the highest share of its time that one of ``cores`` lost to the hypervisor.

    A core that came or went meanwhile is left out; where none is left, the mean of all cores stands for them.
    """
    known = [name for name in cores if name in before and name in now] or ["cpu"]
    shares = []
    for name in known:
        total = sum(now[name]) - sum(before[name])
        # Some hypervisors let the counter run backwards when a guest is moved.
        shares.append(max(0, now[name][_STEAL] - before[name][_STEAL]) / total if total > 0 else 0.0)
    return min(1.0, max(shares))


def named_counters(text: str, columns: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the wanted counters, as far as they are there, of ``/proc/net/snmp`` or ``/proc/net/netstat``.

    Both are pairs of lines: the first names a group's columns and the second holds them. Kernels differ in both.

    Args:
        text: Of the file.
        columns: (group, column) pairs.
    """
    found: dict[tuple[str, str], int] = {}
    groups = {group for group, _ in columns}
    lines = text.split("\n")
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        group, _, rest = names.partition(":")
        if group not in groups or not values.startswith(f"{group}:"):
            continue
        places = {name: place for place, name in enumerate(rest.split(), start=1)}
        counts = values.split()
        for wanted in columns:
            place = places.get(wanted[1], len(counts)) if wanted[0] == group else len(counts)
            if place < len(counts):
                found[wanted] = int(counts[place])
    return found


def local_ports() -> int:
    """Return how many local ports the machine gives to one source address towards one target; UNKNOWN without proc."""
    try:
        with open(_PORT_RANGE, encoding="ascii") as file:
            low, high = (int(field) for field in file.read().split())
    except (OSError, ValueError):
        return UNKNOWN
    return high - low + 1


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return UNKNOWN


def _text(fd: int) -> str:
    return os.pread(fd, _MOST_BYTES, 0).decode("ascii", "replace")
