"""Reading the service's own figures while a trial is under way: one thread for each source.

The threads are of the run's own process and never of a worker: what they cost takes nothing from the load. However a
source fails (gone, slow, endless, not what it should be) each reading that was due is a row that says why it has no
value, and nothing is raised out of a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from seatrial.engine.http.target import Target, is_loopback, resolve
from seatrial.errors import NotAuthorisedError, RecordingError, SeatrialError, TargetError, UsageError
from seatrial.model.plan import Plan
from seatrial.model.telemetry import PROCESS_SERIES, Missing, Source
from seatrial.samples.codec import read_frames
from seatrial.samples.spool import Spool
from seatrial.samples.telemetry import TELEMETRY_DTYPE, empty_telemetry, pack_reading, readings_frame, telemetry_file
from seatrial.trials.local_process import read_process
from seatrial.trials.scrape import Page, ScrapeError, figures, sums_of
from seatrial.units import SECOND

__all__ = ["TelemetryWatch", "open_pages"]

READ_SECONDS: Final = 2.0
"""A reading that takes longer is none."""

_LEAVE_SECONDS: Final = 0.5

Figure: TypeAlias = tuple[float | None, Missing]


def open_pages(plan: Plan, base: Path, permitted: Collection[str] = ()) -> dict[str, Page]:
    """Return the addresses that the plan's telemetry is read from, by source; none where there is no telemetry.

    What may be asked is what may be loaded: this machine, the target's host on any port, and what the test order or
    the consent names. The resolved addresses decide, and are the only ones that are asked. No proxy is used.

    Args:
        plan: The plan.
        base: Folder that names of files in the plan refer to.
        permitted: ``host:port`` of everything that may be loaded, in lower case.

    Raises:
        NotAuthorisedError: an address is none of these.
        UsageError: its name does not resolve.
        TargetError: the CA file can't be read.
    """
    pages: dict[str, Page] = {}
    for name, source in plan.telemetry.sources.items() if plan.telemetry is not None else ():
        if source.prometheus is None:
            continue
        direct = plan.model_copy(update={"target": source.prometheus, "proxy": None, "source_addresses": ()})
        try:
            found = resolve(direct, base)
        except TargetError as error:
            raise UsageError(
                f"the address of telemetry {name} does not resolve",
                value=source.prometheus,
                remedy="Correct it, or the name service.",
            ) from error
        _refuse_strangers(plan, name, found, permitted)
        pages[name] = Page(source.prometheus, found)
    return pages


def _refuse_strangers(plan: Plan, name: str, found: Target, permitted: Collection[str]) -> None:
    own = (urlsplit(plan.target).hostname or "").lower()
    if found.host.lower() == own or found.host_port.lower() in permitted:
        return
    if not all(is_loopback(at[0]) for _, at in found.addresses):
        raise NotAuthorisedError(
            f"the telemetry {name} is beyond this machine and nothing shows that it may be asked",
            value=f"{found.host_port} ({', '.join(at[0] for _, at in found.addresses)})",
            remedy=f"Give a test order (--order) or a consent (--consent) with {found.host_port} among its targets.",
        )


class TelemetryWatch:
    """Reads while the ``with`` block is under way; does nothing where the plan has no telemetry.

    Attributes:
        failure: Why readings could not be written down; None while all could.

    Args:
        plan: For what is read and how often.
        base: Folder that names of files in the plan refer to.
        pages: The addresses, by source, as :func:`open_pages` gives them.
        spool: Folder for the trial's spools.
        epoch_ns: The run's epoch on the monotonic clock.
    """

    def __init__(self, plan: Plan, base: Path, pages: Mapping[str, Page], spool: Path, epoch_ns: int) -> None:
        self.failure: RecordingError | None = None
        self._file, self._epoch_ns = telemetry_file(spool), epoch_ns
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._spool: Spool | None = None
        self._threads: list[threading.Thread] = []
        telemetry = plan.telemetry
        if telemetry is None:
            return
        numbers = {series.name: series.number for series in telemetry.series}
        for name, source in telemetry.sources.items():
            reader = _page_reader(source, pages[name]) if source.prometheus else _process_reader(source, base)
            ticker = _Ticker(name, source, numbers, reader, telemetry.every, self._over, self._write)
            self._threads.append(threading.Thread(target=ticker.run, name=f"telemetry {name}", daemon=True))

    def __enter__(self) -> Self:
        if self._threads:
            self._spool = Spool(self._file, TELEMETRY_DTYPE.itemsize)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_LEAVE_SECONDS)  # they are daemons: a source that hangs keeps no run alive
        with self._lock:  # and who comes after this finds nothing to write to
            if self._spool is not None:
                self._spool.close()
                self._spool = None

    def so_far(self) -> pl.DataFrame:
        """Return the readings that were written down until now: every one up to this moment, for good."""
        if not self._threads:
            return empty_telemetry()
        with self._lock:
            arrays = list(read_frames(self._file, TELEMETRY_DTYPE))
        return readings_frame(np.concatenate(arrays) if arrays else np.empty(0, TELEMETRY_DTYPE), self._epoch_ns)

    def raise_failure(self) -> None:
        """Say that readings are missing that were there.

        Raises:
            RecordingError: they could not be written down.
        """
        if self.failure is not None:
            raise self.failure

    def _write(self, figures: Mapping[int, Figure]) -> None:
        with self._lock:
            if self._spool is None or self.failure is not None:
                return
            # Under the lock: what is dated before a call of so_far() stands in its answer, so that a decision made on
            # it is the one that the evidence leads to.
            now = time.monotonic_ns()
            rows = b"".join(pack_reading(number, now, *figure) for number, figure in figures.items())
            try:
                self._spool.append(rows)
            except RecordingError as error:
                self.failure = error


#: Returns the figures by name of series, those of counters as they stand; and what must stay the same for the
#: difference of two counters to mean anything.
_Reader: TypeAlias = Callable[[], tuple[dict[str, Figure], object]]


def _page_reader(source: Source, page: Page) -> _Reader:
    selectors = {name: series.selector for name, series in source.series.items()}

    def read() -> tuple[dict[str, Figure], object]:
        found = figures(page.read(READ_SECONDS), [selector.name for selector in selectors.values()])
        return dict(zip(selectors, sums_of(found, list(selectors.values())), strict=True)), None

    return read


def _process_reader(source: Source, base: Path) -> _Reader:
    file = base / str(source.process)

    def read() -> tuple[dict[str, Figure], object]:
        found = read_process(file)
        shown = {
            "cpu": found.cpu_seconds,
            "memory": found.memory,
            "open_files": found.open_files,
            "threads": found.threads,
        }
        figures = {
            name: (value, Missing.NO if value is not None else Missing.NO_SERIES) for name, value in shown.items()
        }
        return figures, found.identity

    return read


class _Ticker:
    """One source, asked at even distances; a reading that is due while the one before is under way is left out."""

    def __init__(
        self,
        name: str,
        source: Source,
        numbers: Mapping[str, int],
        read: _Reader,
        every_ns: int,
        over: threading.Event,
        write: Callable[[Mapping[int, Figure]], None],
    ) -> None:
        names = list(PROCESS_SERIES) if source.process is not None else list(source.series)
        self._numbers = {series: numbers[f"{name}.{series}"] for series in names}
        rates = {"cpu": source.of} if source.process is not None else _rates(source)
        self._of = {series: 1.0 if of is None else of for series, of in rates.items()}
        self._read, self._every_ns, self._over, self._write = read, every_ns, over, write
        self._before: dict[str, tuple[int, float]] = {}
        self._identity: object = None

    def run(self) -> None:
        """Read until it is over."""
        begun, tick = time.monotonic_ns(), 0
        while not self._over.wait(max(0, begun + tick * self._every_ns - time.monotonic_ns()) / SECOND):
            self._write(self._reading())
            due = max(tick + 1, -(-(time.monotonic_ns() - begun) // self._every_ns))
            for _ in range(tick + 1, due):
                self._write(self._nothing(Missing.LATE))
            tick = due

    def _nothing(self, missing: Missing) -> dict[int, Figure]:
        return {number: (None, missing) for number in self._numbers.values()}

    def _reading(self) -> dict[int, Figure]:
        asked = time.monotonic_ns()
        try:
            found, identity = self._read()
        except ScrapeError as error:
            return self._nothing(error.missing)
        except (SeatrialError, OSError, ValueError, MemoryError, RecursionError):
            return self._nothing(Missing.MALFORMED)
        anew = bool(self._before) and identity != self._identity
        if identity != self._identity:
            self._before, self._identity = {}, identity
        # The figures were true at some moment between the question and the answer.
        at_ns = (asked + time.monotonic_ns()) // 2
        written: dict[int, Figure] = {}
        for series, figure in found.items():
            shown = self._figure(series, figure, at_ns)
            if shown is None and anew:
                shown = None, Missing.RESET
            if shown is not None:
                written[self._numbers[series]] = shown
        return written

    def _figure(self, series: str, figure: Figure, at_ns: int) -> Figure | None:
        """Return a figure as it is written down; None for the first of a counter, which is no rate yet."""
        value = figure[0]
        if value is None or series not in self._of:
            return figure
        before, self._before[series] = self._before.get(series), (at_ns, value)
        if before is None:
            return None
        if value < before[1] or at_ns <= before[0]:
            return None, Missing.RESET
        return (value - before[1]) / ((at_ns - before[0]) / SECOND) / self._of[series], Missing.NO


def _rates(source: Source) -> dict[str, float | None]:
    return {name: series.of for name, series in source.series.items() if series.rate is not None}
