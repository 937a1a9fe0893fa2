"""Bundles made without an engine: a queue simulated by numpy stands for the service, and writes what a run writes.

The verdicts are those that the bundles lead to, found as ``seatrial assess`` finds them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from seatrial.evidence.recompute import recompute
from seatrial.model.health import LAG_COLUMNS, lag_counts
from seatrial.model.journal import Event, EventKind
from seatrial.model.plan import Plan, plan_document, trial_slug
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.release import Release, Subject
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.schedule import Schedule
from seatrial.model.verdict import RunVerdict
from seatrial.units import SECOND
from seatrial.verdict.inputs import HEALTH_SCHEMA
from seatrial.verdict.search import search_of
from seatrial.verdict.stage import summarise_stage

DEADLINE_NS = 8 * SECOND
PLAN_DIGEST = "00" * 32

_TYPES = {
    "journey": pl.Int16,
    "step": pl.Int16,
    "session": pl.Int64,
    "intended_ns": pl.Int64,
    "sent_ns": pl.Int64,
    "first_byte_ns": pl.Int64,
    "done_ns": pl.Int64,
    "outcome": pl.Int8,
    "status": pl.Int16,
    "bytes_out": pl.Int64,
    "bytes_in": pl.Int64,
}


def plan(**changes: Any) -> Plan:
    """Return the plan of all made bundles: one load trial of 100 s, one stress trial from 1 P to 6 P."""
    document: dict[str, Any] = {
        "seatrial": 1,
        "title": "Sports facility booking",
        "target": "http://127.0.0.1:8080",
        "demand": {"peak": "40/s", "source": "Opening morning of the last three years, highest, doubled"},
        "journeys": {
            "reserve": {
                "weight": 3,
                "steps": [
                    {"get": "/sessions?day=3", "name": "list sessions"},
                    {"post": "/bookings", "name": "book", "json": {"slot": 1}},
                ],
            },
            "look": {"steps": [{"get": "/bookings", "name": "my bookings"}]},
        },
        "trials": [
            {
                "kind": "load",
                "at": "1.0 P",
                "for": "100s",
                "warmup": "5s",
                "objectives": [
                    "p95 response time <= 2s",
                    "p99 response time <= 5s",
                    "errors <= 0.1%",
                    "goodput >= 99% of offered",
                ],
            },
            {
                "kind": "stress",
                "from": "1.0 P",
                "to": "6 P",
                "step": "1 P",
                "hold": "30s",
                "objectives": ["p95 response time <= 4s", "errors <= 1%", "capacity >= 2.0 P"],
            },
        ],
    }
    return Plan.model_validate({**document, **changes})


def policy() -> Policy:
    return Policy.model_validate(
        {
            "policy": 1,
            "title": "Seatrial demonstration policy",
            "note": "Shortened holds. Not for a real confirmation.",
            "validity": {"send_lag_floor": "50ms"},
            "acceptance": {
                "mandatory": [
                    {"kind": "load", "at_least": "1.0 P", "hold": "15s", "objectives": ["p95 response time <= 2s"]}
                ]
            },
        }
    )


@dataclass
class Made:
    """A bundle being made.

    Attributes:
        folder: Where it is written.
        capacity_per_s: Steps per second that the simulated service can do.
        wanted: The plan.
        cpu: The generator's CPU share at 1 P.
    """

    folder: Path
    capacity_per_s: float
    wanted: Plan = field(default_factory=plan)
    cpu: float = 0.18
    sluggish: bool = False
    cut_ns: int | None = None
    events: list[Event] = field(default_factory=list)
    now_ns: int = SECOND

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.random = np.random.Generator(np.random.Philox(7))
        self.say(EventKind.RUN_STARTED, data={"attempt": 1, "workers": 2})

    def say(self, event: EventKind, **facts: Any) -> None:
        self.events.append(Event(at_ns=self.now_ns, event=event, **facts))

    def documents(self, release: bool = True) -> None:
        """Write everything but records, health and diagnostics."""
        write = {
            "plan.json": json.dumps(plan_document(self.wanted), ensure_ascii=False),
            "policy.json": json.dumps(policy().as_document(), ensure_ascii=False),
            "environment.json": json.dumps(
                {
                    "seatrial": "0.1.0",
                    "plan_digest": PLAN_DIGEST,
                    "python": "3.11.9",
                    "machine": {"system": "Linux 6.12", "cores": 2, "memory_bytes": 8_234_567_680},
                    "started": "2026-11-23T07:00:00Z",
                    "finished": "2026-11-23T07:03:11Z",
                    "libraries": {"numpy": "2.4.6", "polars": "2.1.0", "uvloop": "0.22.1"},
                }
            ),
            "journal.jsonl": "".join(event.line() for event in self.events),
        }
        for name, text in write.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        if release:
            subjects = (Subject("app/server.py", "ab" * 32), Subject("config/production.toml", "cd" * 32))
            (self.folder / "release.json").write_bytes(Release("booking", "2.1", subjects).to_bytes())

    def slug(self, trial: int) -> str:
        return trial_slug(trial, self.wanted.trial_names()[trial])

    def trial(self, index: int) -> None:
        """Run one trial against the simulated service, stage by stage, as its search decides."""
        self.say(EventKind.TRIAL_STARTED, trial=index, data={"workers": 2})
        search = search_of(self.wanted, policy(), index)
        frames, first_ns = [], self.now_ns
        while (stage := search.next_stage()) is not None:
            frames.append(self._stage(index, stage))
            if self.cut_ns is not None:
                break
            result = summarise_stage(self.wanted, PLAN_DIGEST, policy(), index, stage, frames[-1])
            decision = search.feed(result)
            if self.wanted.trials[index].kind == "stress":
                facts = {"next": decision.next, "held": decision.held}
                self.say(EventKind.DECISION, trial=index, stage=stage.index, data=facts)
        records = pl.concat(frames).sort("intended_ns", "session", "step")
        part = self.folder / "records" / self.slug(index) / "part-0000.parquet"
        part.parent.mkdir(parents=True)
        records.write_parquet(part)
        self._health(index, first_ns, records)
        self._diagnostics(index, records)
        if self.cut_ns is None:
            self.say(EventKind.TRIAL_ENDED, trial=index)
        self.now_ns += SECOND

    def _stage(self, index: int, stage: Stage) -> pl.DataFrame:
        self.say(EventKind.STAGE_STARTED, trial=index, stage=stage.index)
        start = self.now_ns
        blocks = list(Schedule(PLAN_DIGEST, self.wanted.seed, stage, self.wanted.weights).blocks())
        at = np.concatenate([b.at_ns for b in blocks])
        journey = np.concatenate([b.journey for b in blocks])
        session = np.concatenate([b.session for b in blocks])
        if self.cut_ns is not None:
            keep = at < self.cut_ns
            at, journey, session = at[keep], journey[keep], session[keep]
        records = self._serve(at + start, journey, session + stage.index * SESSION_STRIDE)
        end_ns = start + stage.profile.duration_ns
        drained = max(end_ns, int(records["done_ns"].max() or 0))  # type: ignore[arg-type]
        if self.cut_ns is None:
            self.now_ns = drained
            facts = {"sessions": len(at), "load_end_ns": end_ns, "drained_ns": drained}
            self.say(EventKind.STAGE_ENDED, trial=index, stage=stage.index, data=facts)
        else:
            self.now_ns = start + self.cut_ns
        self.now_ns += SECOND // 2
        return records

    def _serve(self, at: np.ndarray, journey: np.ndarray, session: np.ndarray) -> pl.DataFrame:
        """Queue every step before one server; a step that waits beyond the deadline is a timeout."""
        two = journey == 0
        second_at = at[two] + np.int64(60_000_000)
        arrive = np.concatenate([at, second_at])
        order = np.argsort(arrive, kind="stable")
        work = self.random.exponential(1e9 / self.capacity_per_s, len(arrive))
        if self.sluggish:  # a service that gets slower as more wait
            work *= 1 + 1.5 * (self.random.random(len(arrive)) < 0.08)
        sorted_work, sorted_at = work[order], arrive[order].astype(np.float64)
        total = np.cumsum(sorted_work)
        done = total + np.maximum.accumulate(sorted_at - (total - sorted_work))
        waited = np.empty(len(arrive))
        waited[order] = done - sorted_at + self.random.lognormal(16.9, 0.45, len(arrive))
        first, second = waited[: len(at)], waited[len(at) :]
        lost = first > DEADLINE_NS
        first_rows = self._rows(at, first, journey, np.zeros(len(at)), session)
        intended = at[two] + np.minimum(first[two], DEADLINE_NS).astype(np.int64)
        second_rows = self._rows(intended, second, journey[two], np.ones(two.sum()), session[two])
        given_up = lost[two]
        aborted = pl.Series(given_up)
        second_rows = second_rows.with_columns(
            pl.when(aborted).then(int(Outcome.ABORTED)).otherwise("outcome").alias("outcome").cast(pl.Int8),
            pl.when(aborted).then(None).otherwise("sent_ns").alias("sent_ns"),
            pl.when(aborted).then(None).otherwise("first_byte_ns").alias("first_byte_ns"),
            pl.when(aborted).then("intended_ns").otherwise("done_ns").alias("done_ns"),
        )
        return pl.concat([first_rows, second_rows])

    def _rows(
        self, at: np.ndarray, waited: np.ndarray, journey: np.ndarray, step: np.ndarray, session: np.ndarray
    ) -> pl.DataFrame:
        sent = at + self.random.exponential(400_000, len(at)).astype(np.int64)
        timeout = waited > DEADLINE_NS
        refused = ~timeout & (waited > DEADLINE_NS / 2) & (self.random.random(len(at)) < 0.25)
        outcome = np.where(timeout, Outcome.TIMEOUT, np.where(refused, Outcome.HTTP_ERROR, Outcome.OK))
        done = at + np.minimum(waited, DEADLINE_NS).astype(np.int64)
        return pl.DataFrame(
            {
                "journey": journey,
                "step": step,
                "session": session,
                "intended_ns": at,
                "sent_ns": np.minimum(sent, done),
                "first_byte_ns": pl.Series(np.maximum(done - 1000, sent)).set(pl.Series(timeout), None),
                "done_ns": np.maximum(done, sent),
                "outcome": outcome,
                "status": np.where(timeout, 0, np.where(refused, 503, 200)),
                "bytes_out": np.full(len(at), 220),
                "bytes_in": np.where(timeout, 0, 1800),
            }
        ).cast(_TYPES)  # type: ignore[arg-type]

    def _health(self, index: int, first_ns: int, records: pl.DataFrame) -> None:
        def in_progress(worker: int) -> np.ndarray:
            mine = records.filter((pl.col("session") % SESSION_STRIDE) % 2 == worker).group_by("session")
            spans = mine.agg(pl.col("sent_ns").min(), pl.col("done_ns").max()).drop_nulls()
            begun, over = (
                np.searchsorted(spans[name].sort().to_numpy(), at, side="right") for name in spans.columns[1:]
            )
            return begun - over

        at = np.arange(first_ns + SECOND, max(self.now_ns, first_ns + 2 * SECOND), SECOND)
        frames = [
            pl.DataFrame(
                {
                    "worker": pl.Series([worker] * len(at), dtype=pl.Int16),
                    "at_ns": at,
                    "cpu_share": self.cpu * (1 + 0.001 * np.arange(len(at))) + self.random.normal(0, 0.01, len(at)),
                    "busy_share": self.cpu * (1 + 0.001 * np.arange(len(at))) + self.random.normal(0, 0.01, len(at)),
                    "stall_ns": self.random.integers(200_000, 3_000_000, len(at)),
                    "rss_bytes": np.full(len(at), 90_000_000),
                    "sessions": in_progress(worker),
                    "connections": in_progress(worker),
                    "ports_limit": np.full(len(at), 28_232),
                    "open_files": in_progress(worker) + 20,
                    "files_limit": np.full(len(at), 20_000),
                    "machine_cpu": np.clip(0.45 + 0.001 * np.arange(len(at)), 0, 0.97),
                    "steal_share": np.where(np.arange(len(at)) % 10, 0.0, 0.02),
                    "clock_offset_ns": np.full(len(at), 1_795_000_000 * SECOND),
                    "tcp_retransmits": np.where(np.arange(len(at)) % 10, 0, 1),
                    **self._lags(records, worker, at),
                }
            )
            .with_columns(pl.lit(0).alias(name) for name in ("long_turns", "gc_ns", "ports_refused", "files_refused"))
            .with_columns(pl.lit(0).alias(name) for name in ("listen_overflows", "listen_drops", "udp_errors"))
            .select(pl.col(name).cast(kind) for name, kind in HEALTH_SCHEMA.items())
            for worker in range(2)
        ]
        path = self.folder / "health" / f"{self.slug(index)}.parquet"
        path.parent.mkdir(exist_ok=True)
        pl.concat(frames).sort("at_ns", "worker").write_parquet(path)

    def _lags(self, records: pl.DataFrame, worker: int, at: np.ndarray) -> dict[str, np.ndarray]:
        """Return the histogram of send lag by the second in which a step ended."""
        mine = records.filter((pl.col("session") % SESSION_STRIDE) % 2 == worker, pl.col("sent_ns").is_not_null())
        row = np.minimum(np.searchsorted(at, mine["done_ns"].to_numpy()), len(at) - 1)
        lag = (mine["sent_ns"] - mine["intended_ns"]).to_numpy()
        counts = np.array([lag_counts(lag[row == index]) for index in range(len(at))])
        return dict(zip(LAG_COLUMNS, counts.T, strict=True))

    def _diagnostics(self, index: int, records: pl.DataFrame) -> None:
        names = list(self.wanted.journeys)
        labels = [journey.labels for journey in self.wanted.journeys.values()]
        details = {Outcome.TIMEOUT: "no answer within 8 s", Outcome.HTTP_ERROR: "503 Service Unavailable: try later"}
        found = records.filter(pl.col("outcome") > 0).group_by("journey", "step", "outcome").len().sort(pl.all())
        path = self.folder / "diagnostics" / f"{self.slug(index)}.jsonl"
        path.parent.mkdir(exist_ok=True)
        lines = [
            {
                "journey": names[journey],
                "step": labels[journey][step],
                "outcome": Outcome(outcome).label,
                "detail": details.get(Outcome(outcome), "the step before it failed"),
                "count": count,
            }
            for journey, step, outcome, count in found.iter_rows()
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def healthy(folder: Path) -> RunVerdict:
    """A release that passes its load trial and breaks above 2 P."""
    made = Made(folder, capacity_per_s=320)
    made.trial(0)
    made.trial(1)
    made.say(EventKind.RUN_ENDED)
    made.documents()
    return recompute(folder)


def collapsing(folder: Path) -> RunVerdict:
    """A release that can't keep up with the forecast peak."""
    made = Made(folder, capacity_per_s=50, sluggish=True)
    made.trial(0)
    made.trial(1)
    made.say(EventKind.RUN_ENDED)
    made.documents()
    return recompute(folder)


def worker_lost(folder: Path) -> RunVerdict:
    """A run that lost a worker of its generator, which was also too busy; the stress trial was not begun."""
    made = Made(folder, capacity_per_s=200, cpu=0.82)
    made.trial(0)
    lost = Event(
        at_ns=9 * SECOND,
        event=EventKind.WORKER_LOST,
        trial=0,
        worker=1,
        data={"detail": "worker 1 ended with signal 9 (SIGKILL)"},
    )
    made.events = [event for event in made.events if event.event is not EventKind.TRIAL_ENDED]
    made.events.insert(3, lost)
    made.say(EventKind.RUN_ENDED)
    made.documents(release=False)
    return recompute(folder)


def interrupted(folder: Path) -> RunVerdict:
    """A run that a person stopped after a second and a half: a handful of records, no finished stage."""
    made = Made(folder, capacity_per_s=200, cut_ns=3 * SECOND // 2)
    made.trial(0)
    made.say(EventKind.INTERRUPTED, trial=0, data={"detail": "stopped by a person (Ctrl-C)"})
    made.documents()
    return recompute(folder)
