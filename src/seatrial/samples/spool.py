"""Writing rows while a trial runs, so that a kill loses at most the rows since the last flush."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seatrial.errors import RecordingError
from seatrial.samples.codec import frame

__all__ = ["Spool", "health_file", "stage_file"]


def stage_file(folder: Path, stage: int, worker: int) -> Path:
    """Return where a worker writes the rows of one stage."""
    return folder / f"stage-{stage:04d}-worker-{worker:03d}.rows"


def health_file(folder: Path, worker: int) -> Path:
    """Return where a worker writes its health rows."""
    return folder / f"health-worker-{worker:03d}.rows"


class Spool:
    """A file that frames are appended to.

    Each flush is one ``write`` into the page cache: it survives the death of this process at once, and a power
    cut after the kernel's own write-back.

    Args:
        path: Must not exist yet.
        row_size: Bytes of one row.

    Raises:
        RecordingError: the file can't be created.
    """

    def __init__(self, path: Path, row_size: int) -> None:
        self._path = path
        self._row_size = row_size
        self._whole = 0
        self._failure: RecordingError | None = None
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def append(self, rows: bytes | bytearray | memoryview) -> None:
        """Write packed rows as one frame; writes nothing for no rows.

        Raises:
            RecordingError: the rows could not all be written, for example because the disk is full. From then on
                every call raises it: rows are missing, and a journey that swallows an error must not hide that.
        """
        if self._failure is not None:
            raise self._failure
        if not rows:
            return
        data = frame(rows, self._row_size)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            with suppress(OSError):  # half a frame must not stand where another may follow
                os.ftruncate(self._fd, self._whole)
            self._failure = _cannot_write(self._path, error)
            raise self._failure from error
        self._whole += len(data)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _cannot_write(path: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"the records can't be written ({error.strerror})",
        value=path,
        remedy="Free some space or choose another --out; what was recorded so far is kept.",
    )
