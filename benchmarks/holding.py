"""The parts ``sessions`` and ``connections``: how many at once, and what each of them takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import run_pinned
from benchmarks.runner import Settings
from benchmarks.servers import BenchError, Nginx, RequestCounter, nginx
from benchmarks.tools import ours_command

__all__ = ["Holding", "hold"]

_SETTLE_S = 8
_SPARE_S = 60.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """What is to be held.

    Attributes:
        name: Of the row.
        kind: What sessions do before they think (``benchmarks.held.JOURNEYS``).
        count: Sessions at once.
        rate: Arrivals a second.
        own: Whether each keeps a connection of its own while it thinks.
        secure: Whether by TLS.
    """

    name: str
    kind: str
    count: int
    rate: float
    own: bool = False
    secure: bool = False

    def think_s(self, settle_s: int = _SETTLE_S) -> int:
        """Return the think time, seconds: the first still think ``settle_s`` after the last have come."""
        return ceil(self.count / self.rate) + settle_s


@dataclass(slots=True)
class _Watch:
    """Reads the server's counter, as the sampler asks it to, and keeps the most connections it ever said."""

    counter: RequestCounter
    most: int = field(default=0)

    def read(self) -> int:
        requests = self.counter.read()
        self.most = max(self.most, self.counter.active)
        return requests


def hold(
    settings: Settings, source: Path, holdings: list[Holding], say: Callable[[str], None], settle_s: int = _SETTLE_S
) -> list[Row]:
    """Hold one after the other against an nginx of two workers; return a row for each.

    Two workers on either side: no process may open as many files as the connections asked for on every machine.
    """
    rows: list[Row] = []
    with TemporaryDirectory(prefix="seatrial-bench-") as name:
        for index, holding in enumerate(holdings):
            with nginx(Path(name) / f"nginx-{index}", settings.server_core, workers=2) as server:
                try:
                    rows.append(_hold(settings, source, holding, server, Path(name), holding.think_s(settle_s)))
                except (BenchError, ValueError, KeyError) as error:
                    rows.append({"name": holding.name, "error": f"failed: {error}"[:300]})
            said = rows[-1].get("error") or f"{rows[-1]['sessions']:,} at once, {rows[-1]['bytes_each']:,.0f} B each"
            say(f"{holding.name}: {said}")
    return rows


def _hold(settings: Settings, source: Path, holding: Holding, server: Nginx, folder: Path, think_s: int) -> Row:
    url, ca = (server.https, ["--ca", str(server.certificate)]) if holding.secure else (server.http, [])
    command, environment = ours_command("benchmarks.held", source)
    command += ["--kind", holding.kind, "--target", url, *ca, "--connections", "session" if holding.own else "shared"]
    command += ["--count", str(holding.count), "--rate", f"{holding.rate:g}", "--think", str(think_s)]
    watch = _Watch(server.counter())
    try:
        limit_s = 2 * think_s + _SPARE_S
        done = run_pinned(command, settings.client_core, folder, limit_s, watch.read, server.workers, environment)
    finally:
        watch.counter.close()
    if done.code != 0:
        raise BenchError(f"ours ended with {done.code}: {(done.err or done.out)[-300:]}")
    row: Row = {"name": holding.name, "asked": holding.count, "think_s": think_s, **json.loads(done.out)}
    row |= {"seen_by_server": watch.most, "generator_bytes": done.peak_bytes, "command": command}
    return row
