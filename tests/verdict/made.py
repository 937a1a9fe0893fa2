"""Records, health rows and logs for a plan's schedule, made in virtual time from a latency law.

A law is a function from a session's arrivals to what the service did: it sees the whole stage at once, so that it can
be a queue. Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.model.journal import Ending, StageLog, TrialLog
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import NEVER, SESSION_STRIDE, Outcome
from seatrial.samples.telemetry import empty_telemetry
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import HEALTH_SCHEMA, RECORD_SCHEMA, TrialData, timetable
from seatrial.verdict.search import search_of
from seatrial.verdict.stage import summarise_stage

Int64 = npt.NDArray[np.int64]

DIGEST = "ab" * 32
STARTED_NS = 2 * SECOND
LAG_NS = 200_000
WALL_NS = 1_795_000_000 * SECOND

POLICY = Policy.model_validate(
    {
        "policy": 1,
        "title": "made",
        "acceptance": {
            "mandatory": [{"kind": "load", "at_least": "1 P", "hold": "1m", "objectives": ["p95 response time <= 2s"]}]
        },
    }
)


@dataclass(frozen=True)
class Answers:
    """What the service made of one step of every session of a stage.

    Attributes:
        wait_ns: From the actual send to the answer, or to giving up; shape (sessions,).
        outcome: Shape (sessions,); OK everywhere where it is left out.
        status: HTTP status; 200 for OK and 0 for the rest where it is left out.
        lag_ns: Send lag of each; 0.2 ms where it is left out.
    """

    wait_ns: npt.NDArray[Any]
    outcome: npt.NDArray[Any] | None = None
    status: npt.NDArray[Any] | None = None
    lag_ns: npt.NDArray[Any] | None = None


Law: TypeAlias = Callable[[Int64, Stage, np.random.Generator], Answers]
"""From intended times within the stage (ns, ascending for the first step), the stage and a seeded generator."""


def plan_of(*trials: dict[str, Any], peak: str = "40/s", steps: Sequence[str] = ("book",), **more: Any) -> Plan:
    """Return a plan of one journey with the given steps."""
    journeys = {"visit": {"steps": [{"get": f"/{name}", "name": name} for name in steps]}}
    document = {"seatrial": 1, "title": "made", "target": "http://127.0.0.1:1", "demand": {"peak": peak}}
    return Plan.model_validate(document | {"journeys": journeys, "trials": list(trials)} | more)


def load(*objectives: str, at: str = "1 P", hold: str = "60s", **more: Any) -> dict[str, Any]:
    return {"kind": "load", "at": at, "for": hold, "objectives": list(objectives)} | more


def stress(*objectives: str, first: str = "1 P", to: str = "3 P", step: str = "0.5 P", **more: Any) -> dict[str, Any]:
    kind = {"kind": "stress", "from": first, "to": to, "step": step, "hold": "30s"}
    return kind | {"objectives": list(objectives)} | more


def exponential(mean_ns: float) -> Law:
    """Independent exponential times."""
    return lambda at, stage, rng: Answers(rng.exponential(mean_ns, len(at)))


def constant(wait_ns: float) -> Law:
    return lambda at, stage, rng: Answers(np.full(len(at), wait_ns))


def queue(mean_ns: float) -> Law:
    """M/M/1, first come first served: exponential service on one server, arrivals as the schedule has them."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        work = rng.exponential(mean_ns, len(at))
        ends = np.cumsum(work)
        done = ends + np.maximum.accumulate(at - (ends - work))
        return Answers(done - at)

    return law


def frozen(service_ns: int, from_ns: int, for_ns: int) -> Law:
    """A prompt service that stands still once: whoever comes then waits for its end."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return Answers(np.where((at >= from_ns) & (at < from_ns + for_ns), from_ns + for_ns - at, 0) + service_ns)

    return law


def failing(law: Law, share: float, outcome: Outcome, status: int = 0) -> Law:
    """Another law, of whose sessions a random share ends otherwise."""

    def failed(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        answers = law(at, stage, rng)
        hit = rng.random(len(at)) < share
        before = np.full(len(at), Outcome.OK) if answers.outcome is None else answers.outcome
        was = np.where(before == Outcome.OK, 200, 0) if answers.status is None else answers.status
        ended, said = np.where(hit, outcome, before), np.where(hit, status, was)
        return replace(answers, outcome=ended, status=said)

    return failed


def records(plan: Plan, stage: Stage, law: Law, seed: int = 1, started_ns: int = STARTED_NS) -> pl.DataFrame:
    """Return the records of one stage: every session of the schedule, every step of its journey, one after another.

    After a step that is not ok, the rest of its session is ABORTED.
    """
    table, rng = timetable(plan, DIGEST, stage), np.random.default_rng(seed)
    intended, alive = table.at_ns.copy(), np.ones(len(table), dtype=bool)
    lengths = np.array([len(journey.labels) for journey in plan.journeys.values()])[table.journey]
    frames = []
    for step in range(int(lengths.max(initial=1))):
        answers = law(intended, stage, rng)
        outcome = np.full(len(table), Outcome.OK) if answers.outcome is None else np.asarray(answers.outcome)
        status = np.where(outcome == Outcome.OK, 200, 0) if answers.status is None else np.asarray(answers.status)
        outcome, status = np.where(alive, outcome, Outcome.ABORTED), np.where(alive, status, 0)
        lag = np.full(len(table), LAG_NS) if answers.lag_ns is None else np.asarray(answers.lag_ns)
        tried = ~np.isin(outcome, [Outcome.ABORTED, Outcome.UNSENT])
        sent = intended + lag.astype(np.int64)
        done = np.where(tried, sent + answers.wait_ns.astype(np.int64), intended)
        here = lengths > step
        frame = {
            "journey": table.journey,
            "step": np.full(len(table), step),
            "session": stage.index * SESSION_STRIDE + np.arange(len(table)),
            "intended_ns": started_ns + intended,
            "sent_ns": np.where(tried, started_ns + sent, NEVER),
            "first_byte_ns": np.where(status > 0, started_ns + done, NEVER),
            "done_ns": started_ns + done,
            "outcome": outcome,
            "status": status,
            "bytes_out": np.full(len(table), 100),
            "bytes_in": np.full(len(table), 500),
        }
        frames.append(pl.DataFrame({name: column[here] for name, column in frame.items()}))
        intended, alive = done, alive & (outcome == Outcome.OK)
    made = pl.concat(frames) if frames else pl.DataFrame(schema=RECORD_SCHEMA)
    never = [pl.when(pl.col(c) == NEVER).then(None).otherwise(pl.col(c)).alias(c) for c in ("sent_ns", "first_byte_ns")]
    return made.with_columns(never).cast(dict(RECORD_SCHEMA)).sort(["session", "step"])


def spans(frame: pl.DataFrame, worker: int, workers: int, users: int = SESSION_STRIDE) -> tuple[Int64, Int64]:
    """Return when a worker's sessions began and ended, each ascending; for journeys without pauses at their edges."""
    mine = frame.filter((pl.col("session") % SESSION_STRIDE) % users % workers == worker)
    if mine["session"].n_unique() < mine.height:
        mine = mine.group_by("session").agg(pl.col("sent_ns").min(), pl.col("done_ns").max())
    mine = mine.drop_nulls(["sent_ns", "done_ns"])
    return np.sort(mine["sent_ns"].to_numpy()), np.sort(mine["done_ns"].to_numpy())


def health(
    logs: Sequence[StageLog],
    workers: int = 1,
    cpu: float = 0.2,
    stall_ns: int = MS,
    of: pl.DataFrame | None = None,
    users: int = SESSION_STRIDE,
) -> pl.DataFrame:
    """Return one row per worker and second over the stages, every worker alike but for the sessions of records ``of``.

    Without records there is one session in progress at all times.
    """
    end_ns = max((log.drained_ns or log.started_ns for log in logs), default=0)
    start_ns = min((log.started_ns for log in logs), default=0)
    at_ns = np.arange(start_ns, end_ns + SECOND, SECOND)

    def rows(worker: int) -> pl.DataFrame:
        inside = np.ones(len(at_ns), dtype=np.int64)
        if of is not None:
            begun, over = (np.searchsorted(edges, at_ns, side="right") for edges in spans(of, worker, workers, users))
            inside = begun - over
        shown = {
            **dict.fromkeys(HEALTH_SCHEMA, 0),
            "worker": worker,
            "at_ns": at_ns,
            "cpu_share": cpu,
            "busy_share": cpu,
            "stall_ns": stall_ns,
            "rss_bytes": 50_000_000,
            "sessions": inside,
            "connections": inside,
            "ports_limit": 28_232,
            "open_files": 20 + inside,
            "files_limit": 20_000,
            "machine_cpu": cpu / 2,
            "clock_offset_ns": WALL_NS,
        }
        return pl.DataFrame({name: np.broadcast_to(value, len(at_ns)) for name, value in shown.items()})

    every = [rows(worker).cast(dict(HEALTH_SCHEMA)) for worker in range(workers)]
    return pl.concat([pl.DataFrame(schema=HEALTH_SCHEMA), *every])


def stage_log(plan: Plan, stage: Stage, frame: pl.DataFrame, started_ns: int = STARTED_NS) -> StageLog:
    """Return the log of a finished stage with these records."""
    last = frame["done_ns"].max()
    end_ns = started_ns + stage.profile.duration_ns
    drained_ns = max(end_ns, int(last) if isinstance(last, int) else end_ns)
    return StageLog(stage.index, started_ns, end_ns, drained_ns, len(timetable(plan, DIGEST, stage)))


@dataclass(frozen=True)
class Made:
    """A trial's evidence, part by part, so that a test can spoil one."""

    plan: Plan
    stages: tuple[StageLog, ...]
    decisions: tuple[tuple[int, int | None], ...]
    records: pl.DataFrame
    health: pl.DataFrame
    trial: int = 0
    workers: int = 1
    ending: Ending = Ending.COMPLETED
    details: tuple[str, ...] = ()
    policy: Policy = field(default=POLICY)
    telemetry: pl.DataFrame = field(default_factory=empty_telemetry)

    @property
    def data(self) -> TrialData:
        log = TrialLog(self.trial, self.workers, self.stages, self.decisions, self.ending, self.details)
        return TrialData(log, self.records, self.health, telemetry=self.telemetry)

    def but(self, **changes: Any) -> Made:
        return replace(self, **changes)


def make(plan: Plan, law: Law, trial: int = 0, seed: int = 1, workers: int = 1, policy: Policy = POLICY) -> Made:
    """Return the evidence of one trial of ``plan`` on a healthy generator, the search obeyed as a runner does."""
    kind, started_ns = plan.trials[trial], STARTED_NS
    logs: list[StageLog] = []
    frames: list[pl.DataFrame] = []
    decisions: list[tuple[int, int | None]] = []

    def offer(stage: Stage) -> pl.DataFrame:
        nonlocal started_ns
        frame = records(plan, stage, law, seed + stage.index, started_ns)
        logs.append(stage_log(plan, stage, frame, started_ns))
        frames.append(frame)
        started_ns = (logs[-1].drained_ns or 0) + SECOND
        return frame

    if kind.adapts:
        search = search_of(plan, policy, trial)
        while (stage := search.next_stage()) is not None:
            decision = search.feed(summarise_stage(plan, DIGEST, policy, trial, stage, offer(stage)))
            decisions.append((decision.stage, decision.next))
    else:
        for each in kind.stages(trial, plan):
            offer(each)
    return Made(
        plan=plan,
        stages=tuple(logs),
        decisions=tuple(decisions),
        records=pl.concat(frames),
        health=health(logs, workers, of=pl.concat(frames)),
        trial=trial,
        workers=workers,
        policy=policy,
    )
