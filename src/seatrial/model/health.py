"""The generator's own health: one row per worker and second."""

from __future__ import annotations

__all__ = ["HEALTH_COLUMNS"]

HEALTH_COLUMNS: tuple[tuple[str, str], ...] = (
    # name, numpy type
    ("worker", "<i2"),
    ("at_ns", "<i8"),
    ("cpu_share", "<f8"),
    ("stall_ns", "<i8"),
    ("gc_ns", "<i8"),
    ("rss_bytes", "<i8"),
    ("open_files", "<i4"),
    ("sessions", "<i4"),
    ("machine_cpu", "<f8"),
    ("steal_share", "<f8"),
)
"""``at_ns`` from the run's epoch; ``cpu_share`` of one core used by the worker since its last row; ``stall_ns`` the
longest turn of the event loop since then; ``gc_ns`` time in garbage collection since then; ``sessions`` in
progress; ``machine_cpu`` the busy share of all cores and ``steal_share`` the share that the hypervisor took."""
