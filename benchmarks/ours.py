"""Ours: the real worker on the real local backend, without the judging that comes after: ``python -m benchmarks.ours``.

Open loop. ``--rate 0`` looks for saturation first: the offered rate rises by half until less than 97 % of it is
answered twice; the most that was answered in any step is where the worker saturates. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.authoring.yaml_plan import load_plan
from seatrial.backends.local import LocalBackend
from seatrial.engine.http.target import resolve
from seatrial.engine.worker import Tick, WorkerSpec
from seatrial.model.profile import Stage, constant
from seatrial.model.sample import NEVER, Outcome
from seatrial.samples.codec import ROW_DTYPE, Rows, read_frames

__all__ = ["GET_STEPS", "PLANS", "SIGNED_IN_STEPS", "main", "plan_text", "specs_of"]

GET_STEPS = """
      - get: /small
        expect: {status: 200}
"""
SIGNED_IN_STEPS = """
      - post: /sign-in
        name: sign in
        json: {patron: A123456, pin: "2468"}
        expect: {status: 200}
        extract: {token: {json: "$.token"}}
      - get: /list
        name: list
        headers: {Authorization: "Bearer ${token}"}
        expect: {status: 200}
        extract: {slot: {json: "$.free[0].id"}}
"""
_BOOK_STEP = """\
      - post: /book
        name: book
        headers: {Authorization: "Bearer ${token}"}
        json: {slot: "${slot}"}
        expect: {status: 201}
"""
PLANS = {
    "get": f"\n  get:\n    steps:{GET_STEPS}",
    "journey": f"\n  book:\n    steps:{SIGNED_IN_STEPS}{_BOOK_STEP}",
}
_STEPS = {"get": 1, "journey": 3}
_FIRST_RATE = {"get": 6000.0, "journey": 2500.0}
_STEP_NS, _DRAIN_NS = 1_500_000_000, 5_000_000_000
_MOST_STEPS = 12


def plan_text(journeys: str, target: str, connections: str, sessions: int, ca: str | None) -> str:
    """Return a plan with ``journeys``; its trial is not run, the benchmark drives stages of its own."""
    tls = f"tls: {{ca: {ca}}}\n" if ca else ""
    return f"""seatrial: 1
title: Benchmark
target: {target}
demand: {{peak: 100/s, source: The benchmark's own}}
deadlines: {{connect: 10s, response: 10s}}
connections: {connections}
max_sessions: {sessions}
arrivals: even
{tls}journeys:{journeys}trials:
  - {{kind: load, at: 1.0 P, for: 5s, objectives: [errors <= 1%]}}
"""


def specs_of(text: str, folder: Path, workers: int) -> list[WorkerSpec]:
    """Write a plan into ``folder`` and return what its workers need, for the stages of the benchmark's own.

    Args:
        text: The plan; see :func:`plan_text`.
        folder: For the plan and the workers' rows; exists.
        workers: How many.
    """
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    loaded = load_plan(folder / "plan.yaml")
    target = resolve(loaded.plan, folder)
    return [
        WorkerSpec(loaded.plan, loaded.digest, folder, target, 0, worker, workers, folder, ({},))
        for worker in range(workers)
    ]


@dataclass(slots=True)
class _Seen:
    outcomes: Counter[int]
    cpu_share: float = 0.0


class _Bench:
    def __init__(self, backend: LocalBackend, spool: Path, steps: int) -> None:
        self._backend, self._spool, self._steps = backend, spool, steps
        self._index = 0

    def offer(self, rate: float, duration_ns: int, keep: bool = False) -> dict[str, Any]:
        """Offer ``rate`` sessions a second; return what became of them."""
        seen = _Seen(Counter())

        def on_tick(tick: Tick) -> None:
            seen.outcomes.update(tick.outcomes)
            seen.cpu_share = max(seen.cpu_share, float(tick.health.get("cpu_share", 0.0)))

        stage = Stage(0, self._index, f"{rate:g}/s", constant(rate, duration_ns), "even", 0, _DRAIN_NS)
        self._index += 1
        run = self._backend.run_stage(stage, lambda _: None, on_tick)
        answered = seen.outcomes[Outcome.OK]
        seconds = (run.drained_ns - run.started_ns) / 1e9
        result: dict[str, Any] = {
            "offered_rps": rate * self._steps,
            "answered_rps": answered / max(seconds, duration_ns / 1e9),
            "requests": answered,
            "outcomes": {Outcome(code).label: count for code, count in sorted(seen.outcomes.items())},
            "worker_cpu_share": round(seen.cpu_share, 3),
        }
        if keep:
            result |= _quantiles(np.concatenate([rows for path in run.spools for rows in read_frames(path, ROW_DTYPE)]))
        for path in run.spools:
            path.unlink()
        return result

    def saturation(self, first: float) -> tuple[float, list[dict[str, Any]]]:
        """Return the sessions a second at which the worker saturates, and the steps that led there."""
        rate, missed = first, 0
        steps: list[dict[str, Any]] = []
        while len(steps) < _MOST_STEPS and missed < 2:
            steps.append(self.offer(rate, _STEP_NS))
            if steps[-1]["answered_rps"] < 0.97 * steps[-1]["offered_rps"]:
                missed += 1  # once may be somebody else's burst on this machine: the same rate again
            else:
                rate, missed = rate * 1.5, 0
        return max(step["answered_rps"] for step in steps) / self._steps, steps


def _quantiles(rows: Rows) -> dict[str, float]:
    sent = rows[rows["sent_ns"] != NEVER]
    lag_ms = (sent["sent_ns"] - sent["intended_ns"]) / 1e6
    response_ms = (rows["done_ns"] - rows["intended_ns"]) / 1e6
    service_ms = (sent["done_ns"] - sent["sent_ns"]) / 1e6
    named: dict[str, float] = {}
    for name, values in (("lag", lag_ms), ("response", response_ms), ("service", service_ms)):
        for percent in (50, 95, 99):
            named[f"{name}_p{percent}_ms"] = float(np.percentile(values, percent))
    return named


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ours", description=__doc__)
    parser.add_argument("--kind", choices=sorted(PLANS), required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--connections", choices=("shared", "session"), default="shared")
    parser.add_argument("--sessions", type=int, default=256, help="cap on sessions in progress")
    parser.add_argument("--rate", type=float, default=0.0, help="sessions a second; 0 finds saturation")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    """Run as the arguments say, and print what became of every step."""
    options = _arguments(words)
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        folder = Path(name)
        text = plan_text(PLANS[options.kind], options.target, options.connections, options.sessions, options.ca)
        with LocalBackend() as backend:
            backend.start(specs_of(text, folder, options.workers))
            bench = _Bench(backend, folder, _STEPS[options.kind])
            if options.rate > 0:
                result = bench.offer(options.rate, round(options.seconds * 1e9), keep=True)
            else:
                found, steps = bench.saturation(_FIRST_RATE[options.kind])
                result = {"saturation": found, "steps": steps}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
