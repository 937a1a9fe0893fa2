"""What a permission limits while a run is under way: its window, and how many requests a second are sent.

Requests are counted from the rows that the workers have written, by the second in which each was sent; that costs the
workers nothing. The verifier counts the same rows by the same rule (:mod:`seatrial.stats.rate_limit`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seatrial.clock import to_rfc3339
from seatrial.errors import EvidenceError, PermissionEndedError
from seatrial.evidence.terms import Terms
from seatrial.model.sample import NEVER
from seatrial.samples.codec import ROW_DTYPE, frame_size, read_frames
from seatrial.stats.rate_limit import excess
from seatrial.trials.permission import Permission
from seatrial.units import SECOND

__all__ = ["Limits"]

_KEPT = "The evidence so far is kept and marked."
_BETWEEN_LOOKS_NS = SECOND // 2


class Limits:
    """Watches one run; without a permission there is nothing to watch.

    Args:
        permission: What the load stands on; None on loopback.
        now_ns: The monotonic clock.
    """

    def __init__(self, permission: Permission | None, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._permission, self._now_ns = permission, now_ns
        self._begun_ns = 0
        self._ends_ns = 0 if permission is None else permission.ends_ns(permission.terms)
        self._ends = "" if permission is None else to_rfc3339(permission.terms.not_after)
        self._rate = 0.0 if permission is None else permission.terms.max_per_second
        self._spool: Path | None = None
        self._read: dict[Path, int] = {}
        self._counts = np.zeros(0, np.int64)
        self._not_before_ns = 0
        self._withdrawn: str | None = None
        self._exceeded: str | None = None

    def watch(self, spool: Path, epoch_ns: int) -> None:
        """Take the folder in which the next trial's workers write, and the instant that seconds count from."""
        self._spool, self._begun_ns = spool, epoch_ns
        self._read.clear()

    def withdraw(self, why: str) -> None:
        """Take that the permission does not hold any more; may be called by another thread."""
        self._withdrawn = self._withdrawn or why

    def tighten(self, terms: Terms) -> None:
        """Take new terms of the same permission where they allow less; may be called by another thread."""
        if self._permission is None:
            return
        self._rate = min(self._rate, terms.max_per_second)
        ends_ns = self._permission.ends_ns(terms)
        if ends_ns < self._ends_ns:
            self._ends_ns, self._ends = ends_ns, to_rfc3339(terms.not_after)

    def ending(self) -> PermissionEndedError | None:
        """Return why the run is to end; None where it may go on."""
        if self._permission is None:
            return None
        why = self._withdrawn
        if why is None and self._now_ns() >= self._ends_ns:
            why = f"the permitted window ended at {self._ends}"
        why = why or self._too_fast()
        return None if why is None else PermissionEndedError(why, remedy=_KEPT)

    def count(self) -> None:
        """Count what the workers have written so far; called before a stage's rows go into the records."""
        self._not_before_ns = 0
        self._too_fast()

    def raise_excess(self) -> None:
        """Say that more was sent than is permitted, where it only shows when the load is over.

        Raises:
            PermissionEndedError: it was.
        """
        if self._exceeded is not None:
            raise PermissionEndedError(self._exceeded, remedy=_KEPT)

    def _too_fast(self) -> str | None:
        if self._permission is None or self._exceeded is not None or self._now_ns() < self._not_before_ns:
            return self._exceeded
        self._not_before_ns = self._now_ns() + _BETWEEN_LOOKS_NS
        for path in sorted(self._spool.glob("stage-*.rows")) if self._spool is not None else ():
            self._take(path)
        found = excess(self._counts, self._rate)
        if found is not None:
            self._exceeded = f"more requests were sent than the permitted {self._rate:g}/s: {found}"
        return self._exceeded

    def _take(self, path: Path) -> None:
        """Count the rows of whole frames that were not there before."""
        at = self._read.get(path, 0)
        try:
            for rows in read_frames(path, ROW_DTYPE, at):
                at += frame_size(len(rows), ROW_DTYPE.itemsize)
                sent = rows["sent_ns"][rows["sent_ns"] != NEVER]
                if len(sent):
                    self._add(np.bincount(np.maximum(sent - self._begun_ns, 0) // SECOND))
        except (EvidenceError, OSError):
            return  # the merge will say it
        finally:
            self._read[path] = at

    def _add(self, counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        if len(counts) > len(self._counts):
            self._counts = np.concatenate((self._counts, np.zeros(len(counts) - len(self._counts), np.int64)))
        self._counts[: len(counts)] += counts
