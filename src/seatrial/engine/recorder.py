"""Records as they happen: one packed row per intended step, written to the spool in frames."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from seatrial.model.sample import Outcome
from seatrial.samples.codec import ROW, ROW_DTYPE, Rows
from seatrial.samples.spool import Spool

__all__ = ["Diagnostics", "Recorder"]

_ROWS: Final = 4096
_ROW_SIZE: Final = ROW.size
_MOST_DIAGNOSTICS: Final = 500


class Recorder:
    """Packs rows into a buffer and hands full buffers to the spool.

    Args:
        path: Spool file of this stage and worker; must not exist.

    Raises:
        RecordingError: from any method, when the spool can't be written.
    """

    __slots__ = ("_buffer", "_offset", "_pack", "_recent", "_size", "_spool")

    def __init__(self, path: Path) -> None:
        self._spool = Spool(path, ROW.size)
        self._size = ROW.size * _ROWS
        self._buffer = bytearray(self._size)
        self._offset = 0
        self._pack = ROW.pack_into
        self._recent: list[bytes] = []

    def add(
        self,
        journey: int,
        step: int,
        session: int,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        outcome: int,
        status: int,
        bytes_out: int,
        bytes_in: int,
    ) -> None:
        """Record one step; times are absolute monotonic nanoseconds."""
        pack, offset = self._pack, self._offset  # a function in a slot is called faster by way of a local name
        pack(
            self._buffer,
            offset,
            journey,
            step,
            session,
            intended_ns,
            sent_ns,
            first_byte_ns,
            done_ns,
            outcome,
            status,
            bytes_out,
            bytes_in,
        )
        self._offset = offset = offset + _ROW_SIZE
        if offset == self._size:
            self._flush()

    def _flush(self) -> None:
        rows = bytes(memoryview(self._buffer)[: self._offset])
        self._offset = 0
        self._spool.append(rows)
        self._recent.append(rows)

    def take(self) -> Rows:
        """Flush, and return every row since the last call as a structured array of shape (n,)."""
        self._flush()
        rows = b"".join(self._recent)
        self._recent.clear()
        return np.frombuffer(rows, dtype=ROW_DTYPE)

    def close(self) -> None:
        """Flush and close the spool."""
        try:
            self._flush()
        finally:
            self._spool.close()


class Diagnostics:
    """Why steps failed, counted: for engineers, not for the verdict. Bounded whatever a service sends."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int, int, str]] = Counter()

    def add(self, journey: int, step: int, outcome: Outcome, detail: str) -> None:
        """Count one failure; from the 500th different detail on, details are merged."""
        key = (journey, step, int(outcome), detail[:200])
        if key not in self._counts and len(self._counts) >= _MOST_DIAGNOSTICS:
            key = (journey, step, int(outcome), "(further details merged)")
        self._counts[key] += 1

    def take(self) -> list[tuple[int, int, int, str, int]]:
        """Return (journey, step, outcome, detail, count) since the last call, and start anew."""
        rows = [(*key, count) for key, count in sorted(self._counts.items())]
        self._counts.clear()
        return rows
