"""A local process as ``/proc`` shows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.model.telemetry import Missing
from seatrial.trials.scrape import ScrapeError

__all__ = ["ProcessFigures", "read_process"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MOST_PID_FILE: Final = 64


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """What is known of a process.

    Attributes:
        identity: Number and start of the process: another process under the same number is another one.
        cpu_seconds: Processor time since its start, all its threads together, its children not.
        memory: Resident bytes.
        open_files: Descriptors; None where this user may not count them.
        threads: How many.
    """

    identity: tuple[int, int]
    cpu_seconds: float
    memory: float
    open_files: float | None
    threads: float


def read_process(pid_file: Path) -> ProcessFigures:
    """Return the figures of the process whose number stands in ``pid_file``.

    The file is read each time: a service that is started anew writes another number.

    Raises:
        ScrapeError: there is no such file or process, or the file holds no number.
    """
    try:
        with pid_file.open("rb") as file:
            written = file.read(_MOST_PID_FILE + 1).strip()
        if not written.isdigit() or len(written) > 10:
            raise ScrapeError(Missing.NO_PROCESS)
        folder = Path("/proc") / written.decode("ascii")
        # The program's name stands in brackets and may hold anything, brackets too: the fields begin after the last.
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        resident = int((folder / "statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError) as error:
        raise ScrapeError(Missing.NO_PROCESS) from error
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):  # ended, and nobody has fetched its status yet
        raise ScrapeError(Missing.NO_PROCESS)
    return ProcessFigures(
        identity=(int(written), int(fields[19])),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        memory=float(resident * _PAGE),
        open_files=_count(folder / "fd"),
        threads=float(fields[17]),
    )


def _count(folder: Path) -> float | None:
    try:
        return float(len(os.listdir(folder)))
    except OSError:
        return None
