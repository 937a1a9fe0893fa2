"""Bundles of any size, made in virtual time: what a trial of a healthy service under load would have left behind.

Records are made and written a part at a time, so that a bundle of a hundred million needs the memory of one of a
million. Sessions take three steps with thinking between them, arrive as the plan's schedule says, and wait for a
service whose speed wanders: neighbours are alike, as they are under load.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.authoring.yaml_plan import read_plan
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.model.health import HEALTH_COLUMNS
from seatrial.model.journal import Event, EventKind
from seatrial.model.plan import Plan, plan_document, trial_slug
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.schedule import Schedule
from seatrial.samples.merge import PART_ROWS
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import RECORD_SCHEMA

__all__ = ["STEPS", "make_bundle"]

Int64 = npt.NDArray[np.int64]

STEPS = 3
_HOLD_S = 3_600
_STARTED_NS = 2 * SECOND
_LAG_NS, _THINK_NS = 200_000, 1500 * MS
_FAILING = 2e-4
_SESSIONS_AT_ONCE = 1 << 18
_ORDER = ("intended_ns", "session", "step", "done_ns", "outcome")
_POLICY = {
    "policy": 1,
    "title": "benchmark",
    "acceptance": {
        "mandatory": [{"kind": "load", "at_least": "1 P", "hold": "10m", "objectives": ["p95 response time <= 2s"]}]
    },
}
_LIMITS = (
    "p95 response time <= 400ms",
    "p99 response time <= 2s for step book",
    "mean service time <= 300ms",
    "errors <= 0.1%",
    "goodput >= 99% of offered",
)


def plan_source_for(records: int) -> bytes:
    """Return the source of a plan of one load trial of an hour that leaves about so many records."""
    steps = [{"get": f"/{name}", "name": name} for name in ("list", "seats", "book")]
    thinking = [steps[0], {"pause": "1500ms"}, steps[1], {"pause": "1500ms"}, steps[2]]
    document: dict[str, Any] = {"seatrial": 1, "title": "made", "target": "http://127.0.0.1:1"}
    document["demand"] = {"peak": f"{records / STEPS / _HOLD_S:.6f}/s"}
    document["journeys"] = {"reserve": {"steps": thinking}}
    document["trials"] = [{"kind": "load", "at": "1 P", "for": f"{_HOLD_S}s", "objectives": list(_LIMITS)}]
    return json.dumps(document).encode()  # JSON is YAML


@dataclass(slots=True)
class _Tally:
    """What health rows and the journal must say of the records."""

    begun: Int64
    over: Int64
    last_ns: int = 0
    sessions: int = 0
    records: int = 0

    def add(self, frame: pl.DataFrame, begin_ns: Int64, end_ns: Int64) -> None:
        for counts, at_ns in ((self.begun, begin_ns), (self.over, end_ns)):
            np.add.at(counts, np.minimum(-(-at_ns // SECOND), len(counts) - 1), 1)
        self.last_ns = max(self.last_ns, int(end_ns.max()))
        self.sessions += len(begin_ns)
        self.records += len(frame)


def make_bundle(folder: Path, records: int) -> int:
    """Write an unsealed bundle of about so many records; return how many there are.

    Args:
        folder: Where; must not exist.
        records: Wanted.
    """
    source = plan_source_for(records)
    plan, digest = read_plan(source, "plan.yaml"), sha256_hex(source)
    stage = plan.trials[0].stages(0, plan)[0]
    slug = trial_slug(0, plan.trial_names()[0])
    parts = folder / "records" / slug
    parts.mkdir(parents=True)
    (folder / "health").mkdir()
    seconds = _HOLD_S + 120
    tally = _Tally(np.zeros(seconds, np.int64), np.zeros(seconds, np.int64))
    pending: list[pl.DataFrame] = []
    number = 0
    for frame in _in_order(plan, digest, stage, tally):
        pending.append(frame)
        if sum(map(len, pending)) >= PART_ROWS:
            ready = pl.concat(pending)
            while len(ready) >= PART_ROWS:
                number, ready = _part(parts, number, ready)
            pending = [ready]
    for ready in [pl.concat(pending)]:
        if len(ready):
            _part(parts, number, ready)
    (folder / "plan.yaml").write_bytes(source)
    _rest(folder, plan, digest, stage, tally)
    return tally.records


def _part(folder: Path, number: int, ready: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    path = folder / f"part-{number:04d}.parquet"
    ready[:PART_ROWS].write_parquet(path, compression="zstd", compression_level=3)
    return number + 1, ready[PART_ROWS:]


def _in_order(plan: Plan, digest: str, stage: Stage, tally: _Tally) -> Iterator[pl.DataFrame]:
    """Yield the records by intended start; what later sessions may come before is kept back."""
    rng = np.random.default_rng(4)
    kept = pl.DataFrame(schema=RECORD_SCHEMA)
    level = 0.0
    for session, at_ns in _arrivals(plan, digest, stage):
        frame, level = _records(rng, session, _STARTED_NS + at_ns, level, tally)
        kept = pl.concat([kept, frame]).sort(*_ORDER)
        whole = int(kept["intended_ns"].search_sorted(_STARTED_NS + int(at_ns[-1]), side="left"))
        yield kept[:whole]
        kept = kept[whole:]
    yield kept


def _arrivals(plan: Plan, digest: str, stage: Stage) -> Iterator[tuple[Int64, Int64]]:
    gathered: list[tuple[Int64, Int64]] = []
    for block in Schedule(digest, plan.seed, stage, plan.weights).blocks():
        gathered.append((block.session, block.at_ns))
        if sum(len(session) for session, _ in gathered) >= _SESSIONS_AT_ONCE:
            yield np.concatenate([s for s, _ in gathered]), np.concatenate([a for _, a in gathered])
            gathered = []
    if gathered:
        yield np.concatenate([s for s, _ in gathered]), np.concatenate([a for _, a in gathered])


def _records(
    rng: np.random.Generator, session: Int64, at_ns: Int64, level: float, tally: _Tally
) -> tuple[pl.DataFrame, float]:
    """Return the records of some sessions and where the service's wandering speed has come to."""
    n = len(session)
    walk = level + np.cumsum(rng.normal(0.0, 1.0, 64)) * 0.02
    walk *= 0.95
    speed = np.interp(np.arange(n), np.linspace(0, n - 1, 64), walk)
    intended, alive, frames = at_ns, np.ones(n, dtype=np.bool_), []
    begin_ns, end_ns = at_ns + _LAG_NS, at_ns
    for step in range(STEPS):
        wait = (80 * MS * np.exp(speed + 0.5 * rng.standard_normal(n))).astype(np.int64)
        outcome = np.where(alive, np.where(rng.random(n) < _FAILING, Outcome.HTTP_ERROR, Outcome.OK), Outcome.ABORTED)
        sent = intended + _LAG_NS
        done = np.where(alive, sent + wait, intended)
        frames.append(_frame(step, session, intended, np.where(alive, sent, -1), done, outcome))
        end_ns = np.maximum(end_ns, done)
        alive = alive & (outcome == Outcome.OK)
        intended = np.where(alive, done + _THINK_NS, done)
    found = pl.concat(frames)
    tally.add(found, begin_ns, end_ns)
    return found, float(walk[-1])


def _frame(
    step: int, session: Int64, intended: Int64, sent: Int64, done: Int64, outcome: npt.NDArray[Any]
) -> pl.DataFrame:
    n, tried = len(session), sent >= 0
    frame = pl.DataFrame(
        {
            "journey": np.zeros(n, np.int16),
            "step": np.full(n, step, np.int16),
            "session": session,
            "intended_ns": intended,
            "sent_ns": sent,
            "first_byte_ns": np.where(tried, done - 1000, -1),
            "done_ns": done,
            "outcome": outcome.astype(np.int8),
            "status": np.where(tried, np.where(outcome == Outcome.OK, 200, 500), 0).astype(np.int16),
            "bytes_out": np.full(n, 140),
            "bytes_in": np.full(n, 900) + session % 64,
        }
    )
    never = [pl.when(pl.col(c) >= 0).then(pl.col(c)).alias(c) for c in ("sent_ns", "first_byte_ns")]
    return frame.with_columns(never).cast(dict(RECORD_SCHEMA))


def _rest(folder: Path, plan: Plan, digest: str, stage: Stage, tally: _Tally) -> None:
    """Write all but the records: health rows that know of every session, and the story."""
    slug = trial_slug(0, plan.trial_names()[0])
    end_ns = _STARTED_NS + stage.profile.duration_ns
    drained_ns = max(end_ns, tally.last_ns)
    at = np.arange(_STARTED_NS // SECOND, drained_ns // SECOND + 2)
    sessions = np.cumsum(tally.begun)[at] - np.cumsum(tally.over)[at]
    quiet: dict[str, Any] = {name: np.zeros(len(at)) for name, _ in HEALTH_COLUMNS}
    quiet |= {"at_ns": at * SECOND, "busy_share": np.full(len(at), 0.3), "cpu_share": np.full(len(at), 0.3)}
    quiet |= {"sessions": sessions, "connections": sessions, "stall_ns": np.full(len(at), MS)}
    quiet |= {"ports_limit": np.full(len(at), 1_000_000), "files_limit": np.full(len(at), 1_000_000)}
    kinds = {"<i2": pl.Int16, "<i4": pl.Int32, "<i8": pl.Int64, "<f8": pl.Float64}
    health = pl.DataFrame(quiet).cast({name: kinds[kind] for name, kind in HEALTH_COLUMNS})
    health.write_parquet(folder / "health" / f"{slug}.parquet")
    facts = {"load_end_ns": end_ns, "drained_ns": drained_ns, "sessions": tally.sessions}
    events = [
        Event(at_ns=1, event=EventKind.TRIAL_STARTED, trial=0, data={"workers": 1}),
        Event(at_ns=_STARTED_NS, event=EventKind.STAGE_STARTED, trial=0, stage=0),
        Event(at_ns=drained_ns, event=EventKind.STAGE_ENDED, trial=0, stage=0, data=facts),
        Event(at_ns=drained_ns + 1, event=EventKind.TRIAL_ENDED, trial=0),
    ]
    (folder / "journal.jsonl").write_text("".join(event.line() for event in events))
    documents = {
        "plan.json": plan_document(plan),
        "policy.json": Policy.model_validate(_POLICY).as_document(),
        "environment.json": {"plan_digest": digest},
    }
    for name, document in documents.items():
        (folder / name).write_bytes(canonical_bytes(document))


if __name__ == "__main__":
    sys.stdout.write(f"{make_bundle(Path(sys.argv[1]), int(sys.argv[2]))}\n")
