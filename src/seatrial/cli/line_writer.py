"""Writing lines to a reader that may be slow, absent or gone, without ever waiting for it.

A thread writes; the run only puts lines into a queue that has an end. So nothing a reader does or leaves undone (a
FIFO that nobody opens, a pipe that nobody empties, a full disk, a dead file server) can hold up a run. What goes wrong
is said once, and the run goes on without its reader.
"""

from __future__ import annotations

import os
import queue
import select
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from seatrial.errors import UsageError

__all__ = ["MOST_WAITING", "STANDARD_OUTPUT", "LineWriter"]

STANDARD_OUTPUT: Final = "-"
MOST_WAITING: Final = 4096
"""Lines that may wait for a reader: more than an hour of a run."""

_GONE: Final = "nobody reads it any more"
_SLOW: Final = "its reader is too slow, lines are left out"
_UNOPENED: Final = "nobody has opened it for reading"
_UNREAD: Final = "its reader did not take all of it"


class LineWriter:
    """Writes lines to a file, a pipe, a FIFO or a terminal.

    Args:
        where: A path, or ``-`` for standard output. A plain file must be new or empty.
        say: Told once, in half a sentence, what keeps the lines from being written.
        most_waiting: Lines that may wait for the reader; further ones are left out.

    Raises:
        UsageError: the file can't be written, or holds something already.
    """

    def __init__(self, where: str, say: Callable[[str], object], most_waiting: int = MOST_WAITING) -> None:
        self._where = where
        self._say = say
        self._said = False
        self._trouble = ""
        self._dead = False
        self._lines: queue.Queue[bytes | None] = queue.Queue(most_waiting)
        self._fd, self._plain = _opened(where)
        self._thread = threading.Thread(target=self._work, name="live lines", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line with its newline; returns at once, whatever becomes of it."""
        if not self._dead:
            try:
                # A path may hold what is no text; as a JSON escape it stays readable.
                self._lines.put_nowait(line.encode("utf-8", "backslashreplace"))
            except queue.Full:
                self._trouble = self._trouble or _SLOW
        self._speak()

    def close(self, seconds: float = 1.0) -> None:
        """Give the reader so long to take what waits, then leave it; a second call does nothing."""
        if not self._dead:
            with suppress(queue.Full):
                self._lines.put(None, timeout=seconds)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._dead = True
            self._trouble = self._trouble or (_UNREAD if self._fd >= 0 else _UNOPENED)
        self._speak()

    def _speak(self) -> None:
        """Say what went wrong, once, in the thread of the run: a live view may hold the terminal."""
        if self._trouble and not self._said:
            self._said = True
            self._say(self._trouble)

    def _work(self) -> None:
        try:
            if self._fd < 0:
                self._fd = os.open(self._where, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)  # a FIFO waits for its reader
            while (line := self._lines.get()) is not None:
                self._write_whole(line)
        except OSError as error:
            self._dead = True  # before the trouble is told: no line is kept for a reader that is gone
            self._trouble = _GONE if isinstance(error, BrokenPipeError) else (error.strerror or str(error))
        finally:
            if self._fd >= 0:
                os.close(self._fd)

    def _write_whole(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:  # a pipe that its owner has set so: only this thread waits
                    select.select([], [self._fd], [])
        except OSError:
            if self._plain and len(rest) < len(line):  # half a line must not stand at the end
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - (len(line) - len(rest)))
            raise


def _opened(where: str) -> tuple[int, bool]:
    """Return a descriptor and whether it is of a plain file; -1 for what only opens once somebody reads it."""
    if where == STANDARD_OUTPUT:
        return os.dup(1), False
    try:
        facts = Path(where).stat() if Path(where).exists() else None
        if facts and not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            return -1, False
        if facts and stat.S_ISREG(facts.st_mode) and facts.st_size:
            raise _unusable("the file for the live lines holds something already", where)
        return os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644), True
    except OSError as error:
        raise _unusable(f"the live lines can't be written ({error.strerror})", where) from error


def _unusable(what: str, where: str) -> UsageError:
    return UsageError(
        what, value=where, remedy="Name a new file that can be written, a FIFO, or - for standard output."
    )
