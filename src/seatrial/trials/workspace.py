"""The bundle while it is being made: its folder, its journal, and room kept for a full disk."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.clock import to_rfc3339
from seatrial.engine.worker import Tick
from seatrial.errors import RecordingError, UsageError
from seatrial.evidence.bundle import JOURNAL
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.chain import ChainWriter
from seatrial.model.journal import Event
from seatrial.model.plan import Plan, trial_slug
from seatrial.model.sample import Outcome

__all__ = ["Workspace", "environment_of", "new_bundle_folder"]

_BALLAST_BYTES = 8 * 1024 * 1024
_BALLAST = ".ballast"
_MAY_GO = "this folder may be deleted. A run keeps 8 MB of room from its beginning on"


def new_bundle_folder(out: Path | None, title: str, now: datetime) -> Path:
    """Create the folder of a new bundle and return it.

    Args:
        out: Where; a folder under ``seatrial-runs`` named after the plan and the time when None.
        title: The plan's.
        now: The time of the run.

    Raises:
        UsageError: the folder exists with something in it, or can't be created.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "run"
    folder = out if out is not None else Path("seatrial-runs") / f"{now:%Y%m%dT%H%M%SZ}-{slug}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(
                "the folder for the bundle is not empty", value=folder, remedy="Every run gets a folder of its own."
            )
    except OSError as error:
        raise UsageError(
            f"the folder for the bundle can't be made ({error.strerror})", value=folder, remedy="Choose another --out."
        ) from error
    return folder


class Workspace:
    """Writes the parts of a bundle.

    A few megabytes are put aside at the start and given back by :meth:`make_room`: when records fill the disk, the
    bundle can still be finished, marked and sealed.

    Attributes:
        folder: The bundle's folder.
        chain: Of its parts.

    Raises:
        RecordingError: from any method that writes, when the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / _BALLAST
        self._journal = -1
        self._recording = False
        self._guard(self._open)
        self._guard(self._begin_chain)
        self._diagnostics: dict[int, Counter[tuple[int, int, int, str]]] = {}

    def _open(self) -> None:
        try:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._journal = os.open(self.folder / JOURNAL, flags, 0o644)
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)  # says that this run is under way
        except OSError:
            self.close()
            raise

    def _begin_chain(self) -> None:
        try:
            self.chain = ChainWriter(self.folder)
        except OSError:
            self.close()
            raise

    def bring_in(self) -> None:
        """Append what has come into the records, health rows and telemetry to the chain of parts.

        Raises:
            EvidenceError: a part can't be read back.
        """
        self._guard(self.chain.bring_in)

    def _guard(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            kept = "what was recorded so far is kept" if self._recording else f"nothing was recorded yet, so {_MAY_GO}"
            raise RecordingError(
                f"the evidence can't be written ({error.strerror})",
                value=self.folder,
                remedy=f"Free some space or choose another --out; {kept}.",
            ) from error

    def make_room(self) -> None:
        """Give back what was put aside; a second call does nothing."""
        self._ballast.unlink(missing_ok=True)

    def spool(self, trial: int, name: str) -> Path:
        """Create and return the folder for a trial's spools."""
        folder = self.folder / "spool" / trial_slug(trial, name)
        self._guard(lambda: folder.mkdir(parents=True, exist_ok=True))
        self._recording = True
        return folder

    def records(self, trial: int, name: str) -> Path:
        """Return the folder of a trial's records."""
        return self.folder / "records" / trial_slug(trial, name)

    def health(self, trial: int, name: str) -> Path:
        """Return the file of a trial's health rows."""
        return self.folder / "health" / f"{trial_slug(trial, name)}.parquet"

    def telemetry(self, trial: int, name: str) -> Path:
        """Return the file of a trial's readings of the service's own figures."""
        return self.folder / "telemetry" / f"{trial_slug(trial, name)}.parquet"

    def write(self, name: str, content: bytes) -> None:
        """Write one document; folders in its name are made."""

        def write() -> None:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

        self._guard(write)

    def write_json(self, name: str, value: Any) -> None:
        """Write one document as canonical JSON."""
        self.write(name, canonical_bytes(value))

    def log(self, event: Event) -> None:
        """Append an event to the journal, whole or not at all."""
        self._guard(lambda: self._append(event.line().encode()))

    def _append(self, line: bytes) -> None:
        before = os.fstat(self._journal).st_size
        if os.write(self._journal, line) != len(line):  # a full disk takes what still fits
            os.ftruncate(self._journal, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def diagnose(self, trial: int, tick: Tick) -> None:
        """Add a tick's diagnostics to the trial's."""
        counts = self._diagnostics.setdefault(trial, Counter())
        for *key, count in tick.diagnostics:
            counts[tuple(key)] += count  # type: ignore[index]

    def write_diagnostics(self, plan: Plan, trial: int, name: str) -> None:
        """Write why steps of a trial failed, most frequent first: one JSON object a line."""
        lines = []
        journeys = list(plan.journeys.items())
        for (journey, step, outcome, detail), count in sorted(
            self._diagnostics.get(trial, Counter()).items(), key=lambda item: (-item[1], item[0])
        ):
            title, its = journeys[journey]
            label = its.labels[step] if 0 <= step < len(its.labels) else str(step)
            row = {"journey": title, "step": label, "outcome": Outcome(outcome).label, "detail": detail, "count": count}
            lines.append(canonical_bytes(row) + b"\n")
        self.write(f"diagnostics/{trial_slug(trial, name)}.jsonl", b"".join(lines))

    def close(self) -> None:
        """Close the journal and give the room back; a second call does nothing."""
        self.make_room()
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1


def environment_of(
    *,
    plan_digest: str,
    policy_digest: str,
    plan_name: str,
    command: Sequence[str],
    workers: int,
    backend: str,
    started: datetime,
    feeds: dict[str, dict[str, Any]],
    addresses: Sequence[str],
) -> dict[str, Any]:
    """Return where and how a run was made: provenance, no secrets (no environment variables are read)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "format": "seatrial-environment/1",
        "seatrial": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory,
        "host": platform.node(),
        "command": list(command),
        "executable": Path(sys.executable).name,
        "started_at": to_rfc3339(started),
        "plan_name": plan_name,
        "plan_digest": plan_digest,
        "policy_digest": policy_digest,
        "workers": workers,
        "backend": backend,
        "feeds": feeds,
        "target_addresses": list(addresses),
    }


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
