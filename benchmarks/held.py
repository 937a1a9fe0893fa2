"""``python -m benchmarks.held``: many sessions, or many connections, held at once by the real workers.

Sessions ask for something, think, and ask again. Before they come a few others warm the workers up, so that what is
loaded once is not counted as theirs. The program prints one JSON object: what each worker's resident memory was before
and while all were thinking, by the workers' own health rows, and what became of every step.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# What ``seatrial run`` keeps in its own process counts as well, so it is loaded here too.
import seatrial.trials.execute  # noqa: F401
from benchmarks.ours import GET_STEPS, SIGNED_IN_STEPS, plan_text, specs_of
from seatrial.backends.local import LocalBackend
from seatrial.engine.worker import Tick
from seatrial.model.profile import Stage, constant
from seatrial.model.sample import Outcome

__all__ = ["JOURNEYS", "Look", "held", "main", "think"]

JOURNEYS = {"get": GET_STEPS, "signed-in": SIGNED_IN_STEPS}
_SECOND_NS = 1_000_000_000
_WARM_UP = 200


def think(kind: str, seconds: int) -> str:
    """Return a journey that does something, thinks for ``seconds`` and asks once more."""
    last = "      - get: /small\n        name: again\n        expect: {status: 200}\n"
    return f"\n  think:\n    steps:{JOURNEYS[kind]}      - pause: {seconds}s\n{last}"


@dataclass(frozen=True, slots=True)
class Look:
    """A worker's health row.

    Attributes:
        worker: Which.
        sessions: In progress.
        connections: Held, open or opening.
        rss: Resident memory, bytes.
    """

    worker: int
    sessions: int
    connections: int
    rss: int


def held(looks: Sequence[Look], before: Sequence[int]) -> dict[str, Any]:
    """Return what the workers held when each of them held most, and what that took above ``before``.

    Of the rows with most sessions the last counts: by then the tail of the arrivals has its answers.

    Args:
        looks: In order of time.
        before: Resident memory of each worker before, bytes.

    Raises:
        ValueError: a worker that held nothing, or of which there is no row.
    """
    fullest: dict[int, Look] = {}
    for look in looks:
        if look.worker not in fullest or look.sessions >= fullest[look.worker].sessions:
            fullest[look.worker] = look
    if sorted(fullest) != list(range(len(before))) or not all(look.sessions for look in fullest.values()):
        raise ValueError(f"a worker without sessions: {fullest}")
    sessions = sum(look.sessions for look in fullest.values())
    grown = sum(look.rss - before[worker] for worker, look in fullest.items())
    return {
        "sessions": sessions,
        "connections": sum(look.connections for look in fullest.values()),
        "bytes_each": grown / sessions,
        "workers": [asdict(fullest[worker]) | {"rss_before": rss} for worker, rss in enumerate(before)],
    }


class _Run:
    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self._index = 0

    def offer(self, rate: float, duration_ns: int, drain_ns: int) -> tuple[list[Look], dict[str, int]]:
        looks: list[Look] = []
        outcomes: Counter[int] = Counter()

        def on_tick(tick: Tick) -> None:
            row = tick.health
            looks.append(Look(tick.worker, tick.active, int(row["open_files"]), int(row["rss_bytes"])))
            outcomes.update(tick.outcomes)

        stage = Stage(0, self._index, "held", constant(rate, duration_ns), "even", 0, drain_ns)
        self._index += 1
        self._backend.run_stage(stage, lambda _: None, on_tick)
        return looks, {Outcome(code).label: count for code, count in sorted(outcomes.items())}


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held", description=__doc__)
    parser.add_argument("--kind", choices=sorted(JOURNEYS), required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--connections", choices=("shared", "session"), required=True)
    parser.add_argument("--count", type=int, required=True, help="sessions that think at once")
    parser.add_argument("--rate", type=float, required=True, help="arrivals a second")
    parser.add_argument("--think", type=int, required=True, help="seconds; longer than all take to arrive")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    """Hold what the arguments say, and print what that took."""
    options = _arguments(words)
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        folder = Path(name)
        journeys = think(options.kind, options.think)
        text = plan_text(journeys, options.target, options.connections, 2 * options.count, options.ca)
        with LocalBackend() as backend:
            backend.start(specs_of(text, folder, options.workers))
            run = _Run(backend)
            warm, _ = run.offer(_WARM_UP, _SECOND_NS, _SECOND_NS // 2)
            before = [next(look.rss for look in reversed(warm) if look.worker == w) for w in range(options.workers)]
            arrivals_ns = round(options.count / options.rate * 1e9)
            looks, outcomes = run.offer(options.rate, arrivals_ns, (options.think + 60) * _SECOND_NS)
    sys.stdout.write(json.dumps({**held(looks, before), "outcomes": outcomes}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
