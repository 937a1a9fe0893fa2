"""Time, injected.

Durations come from the monotonic clock, which on Linux is one clock for every process of a machine; the wall
clock is for provenance only. Tests pass a :class:`ManualClock` and do not sleep.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock", "to_rfc3339"]


class Clock(Protocol):
    """What the rest of the house asks of time."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds from an arbitrary origin; never runs backwards."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, for provenance and validity periods."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def now(self) -> datetime:
        """Return the current UTC time."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to; both of its faces move together."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, 7, 0, tzinfo=UTC)
        self._mono = 0

    def monotonic_ns(self) -> int:
        """Return nanoseconds advanced since creation."""
        return self._mono

    def now(self) -> datetime:
        """Return the start time plus everything advanced."""
        return self._now

    def advance(self, ns: int) -> None:
        """Move both faces forward by ``ns`` nanoseconds; raises ValueError when negative."""
        if ns < 0:
            raise ValueError(f"time does not run backwards: {ns} ns")
        self._mono += ns
        self._now += timedelta(microseconds=ns / 1000)


def to_rfc3339(moment: datetime) -> str:
    """Return ``moment`` as ``2026-01-31T07:00:00Z`` (UTC, whole seconds).

    Raises:
        ValueError: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone is ambiguous: {moment!r}")
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
