"""What the service tells of itself, in Prometheus' text format.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. Names of the process's own figures
are those that every Prometheus client library uses.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

__all__ = ["CONTENT_TYPE", "NO_ANSWER", "Traffic", "metrics_page", "resident_bytes"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NO_ANSWER = "none"
_STATM = Path("/proc/self/statm")


class Traffic:
    """How many requests there were; those to the back doors are none.

    Attributes:
        in_progress: Requests that have not been answered yet.
        answered: Number by HTTP status; ``none`` for those that got no answer or a broken one.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self.answered: Counter[str] = Counter()


def resident_bytes() -> int:
    """Return the process's resident memory: the second field of proc_pid_statm(5)."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def metrics_page(traffic: Traffic, *, queue: int, bookings: int) -> str:
    """Return the page.

    Args:
        traffic: Requests so far.
        queue: Requests that wait for a desk now.
        bookings: Bookings in the database.
    """
    figures: tuple[tuple[str, str, str, float], ...] = (
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time of the service, user and system.",
            time.process_time(),
        ),
        ("process_resident_memory_bytes", "gauge", "Resident memory of the service.", resident_bytes()),
        ("http_requests_in_progress", "gauge", "Requests that have not been answered yet.", traffic.in_progress),
        ("booking_queue_length", "gauge", "Requests that wait for a desk.", queue),
        ("bookings_total", "counter", "Bookings in the database.", bookings),
    )
    lines = [
        line
        for name, kind, told, value in figures
        for line in (f"# HELP {name} {told}", f"# TYPE {name} {kind}", f"{name} {value}")
    ]
    lines += [
        "# HELP http_requests_total Requests by the status of their answer.",
        "# TYPE http_requests_total counter",
    ]
    lines += [f'http_requests_total{{code="{code}"}} {count}' for code, count in sorted(traffic.answered.items())]
    return "\n".join(lines) + "\n"
