"""Running one job of one generator against one nginx, and reading its report."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Finished, run_pinned
from benchmarks.parsers import PARSERS, Said
from benchmarks.servers import BenchError, Nginx
from benchmarks.tools import Invocation, Job, Tool

__all__ = ["SPARE_S", "Runner", "Settings"]

SPARE_S = 40.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often.

    Attributes:
        seconds: Of each run at saturation.
        repeats: Of each measurement.
        connections: Of each tool.
        freeze_s: Length of the freeze; its run takes ten times as long, at 100 requests a second.
        cores: That may be used, at least two: the server's first, the generator's next.
    """

    seconds: int
    repeats: int
    connections: int
    freeze_s: float
    cores: tuple[int, ...]

    @property
    def server_core(self) -> int:
        """Return where servers and the harness run."""
        return self.cores[0]

    @property
    def client_core(self) -> int:
        """Return where generators run."""
        return self.cores[1]


class Runner:
    """Runs jobs against one nginx.

    Args:
        settings: How long and how often.
        server: The nginx.
        source: The source of ours that is measured; nobody changes it meanwhile.
    """

    def __init__(self, settings: Settings, server: Nginx, source: Path) -> None:
        self.settings = settings
        self.server = server
        self.source = source

    @contextmanager
    def job(
        self,
        kind: str,
        rate: float = 0.0,
        fresh: bool = False,
        workers: int = 1,
        cores: tuple[int, ...] = (),
        seconds: int = 0,
    ) -> Iterator[Job]:
        """Give a job against the nginx, with a folder that lasts as long as the context. See :class:`Job`."""
        settings, server = self.settings, self.server
        secure = kind == "tls"
        with TemporaryDirectory(prefix="seatrial-bench-") as name:
            url, ca = (server.https, server.certificate) if secure else (server.http, None)
            length, count = seconds or settings.seconds, settings.connections
            yield Job(kind, url, length, count, Path(name), rate, ca, fresh, self.source, workers, cores)

    @contextmanager
    def counted(self) -> Iterator[Callable[[], int]]:
        """Give a reader of the server's request counter."""
        counter = self.server.counter()
        try:
            yield counter.read
        finally:
            counter.close()

    def run(
        self, tool: Tool, job: Job, count: bool, parse: bool = True, limit_s: float = 0.0
    ) -> tuple[Finished, Said, Invocation]:
        """Run a job to its end.

        Args:
            tool: Whose.
            job: What.
            count: Whether the nginx's counter is read meanwhile.
            parse: Whether the tool's report is read.
            limit_s: It is killed after so long; 0: some time more than the job takes.

        Raises:
            BenchError: it is not installed, was killed, or left no report.
            UnreadableReportError: its report does not say what it should.
        """
        program = tool.program()
        if program is None:
            raise BenchError(f"{tool.name} is not installed")
        invocation = tool.invoke(str(program), job)
        limit_s = limit_s or job.seconds + SPARE_S
        cores, environment = job.cores or (self.settings.client_core,), invocation.environment
        if count:
            with self.counted() as read:
                finished = run_pinned(
                    invocation.command, cores, job.folder, limit_s, read, self.server.workers, environment
                )
        else:
            finished = run_pinned(invocation.command, cores, job.folder, limit_s, environment=environment)
        if finished.code < 0 or (finished.code > 0 and tool.name == "ours"):
            raise BenchError(f"{tool.name} ended with {finished.code}: {(finished.err or finished.out)[-300:]}")
        return finished, self._said(tool, invocation, finished) if parse else Said(0, 0), invocation

    def _said(self, tool: Tool, invocation: Invocation, finished: Finished) -> Said:
        if invocation.convert is not None:
            done = subprocess.run(invocation.convert, capture_output=True, text=True, timeout=60, check=True)
            return PARSERS[tool.name](done.stdout)
        if invocation.report is None:
            return PARSERS[tool.name](finished.out)
        if not invocation.report.exists():
            raise BenchError(f"{tool.name} left no report: {(finished.err or finished.out)[-300:]}")
        return PARSERS[tool.name](invocation.report.read_text(encoding="utf-8"))
