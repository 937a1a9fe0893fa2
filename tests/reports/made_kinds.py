"""Bundles of trials of every kind, unsealed: the evidence that :mod:`tests.verdict.made` makes in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.verdict.made import DIGEST, POLICY, Answers, Law, Made, exponential, load, make, plan_of, queue, stress

from seatrial.model.journal import Event, EventKind, HappeningLog
from seatrial.model.plan import plan_document, trial_slug
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.verdict import RunVerdict
from seatrial.reports.view import ReportView, report_view
from seatrial.units import MS, SECOND
from seatrial.verdict.judge import judge

NORMAL = ("p95 response time <= 500ms", "errors <= 5%")
PEAK = "40/s"


@dataclass(frozen=True)
class Shown:
    """A bundle, what was made of it, and what a report shows."""

    folder: Path
    verdict: RunVerdict
    view: ReportView


@dataclass
class Story:
    """What stands in the journal of one made trial."""

    made: Made
    happenings: tuple[HappeningLog, ...] = ()
    events: list[Event] = field(default_factory=list)

    def tell(self) -> list[Event]:
        """Return the events in order."""
        decisions = dict(self.made.decisions)
        self.add(SECOND, EventKind.TRIAL_STARTED, data={"workers": self.made.workers})
        for log in self.made.stages:
            self.add(log.started_ns, EventKind.STAGE_STARTED, stage=log.index)
            for done in self.happenings:
                if done.stage == log.index:
                    span = {"name": done.name, "began_ns": done.began_ns, "ended_ns": done.ended_ns, "steps": []}
                    self.add(done.ended_ns, EventKind.HAPPENED, stage=log.index, data=span)
            end_ns, drained_ns = log.load_end_ns or 0, log.drained_ns or 0
            facts = {"sessions": log.sessions, "load_end_ns": end_ns, "drained_ns": drained_ns}
            self.add(drained_ns, EventKind.STAGE_ENDED, stage=log.index, data=facts)
            if log.index in decisions:
                data = {"next": decisions[log.index], "held": None}
                self.add(drained_ns, EventKind.DECISION, stage=log.index, data=data)
        self.add(self.events[-1].at_ns, EventKind.TRIAL_ENDED)
        return self.events

    def add(self, at_ns: int, event: EventKind, **facts: Any) -> None:
        self.events.append(Event(at_ns=at_ns, event=event, trial=0, **facts))


def bundle(folder: Path, made: Made, happenings: tuple[HappeningLog, ...] = ()) -> Shown:
    """Write a trial's evidence and return what a report shows of it."""
    slug = trial_slug(0, made.plan.trial_names()[0])
    (folder / "records" / slug).mkdir(parents=True)
    (folder / "health").mkdir()
    made.records.sort("intended_ns", "session", "step").write_parquet(folder / "records" / slug / "part-0000.parquet")
    made.health.write_parquet(folder / "health" / f"{slug}.parquet")
    documents = {"plan.json": plan_document(made.plan), "policy.json": POLICY.as_document()}
    documents["environment.json"] = {"plan_digest": DIGEST, "machine": {"cores": 2}}
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    events = Story(made, happenings).tell()
    (folder / "journal.jsonl").write_text("".join(event.line() for event in events), encoding="utf-8")
    data = replace(made.data, log=replace(made.data.log, happenings=happenings))
    verdict = judge(made.plan, DIGEST, made.policy, [data])
    return Shown(folder, verdict, report_view(folder, verdict))


def _from(when_s: float, before: Law, after: Law, until_s: float = 1e9) -> Law:
    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        first, second = before(at, stage, rng), after(at, stage, rng)
        turned = (at >= when_s * SECOND) & (at < until_s * SECOND)
        outcome = [np.full(len(at), Outcome.OK) if a.outcome is None else a.outcome for a in (first, second)]
        chosen = np.where(turned, outcome[1], outcome[0])
        wait = np.where(turned, second.wait_ns, first.wait_ns)
        return Answers(wait, chosen, np.where(chosen == Outcome.OK, 200, 0))

    return law


def down(wait_ns: int = 5 * SECOND) -> Law:
    return lambda at, stage, rng: Answers(np.full(len(at), wait_ns), np.full(len(at), Outcome.TIMEOUT))


def spike(*objectives: str, **more: Any) -> dict[str, Any]:
    shape = {"base": "0.25 P", "to": "2 P", "rise": "2s", "hold": "20s", "rest": "60s"}
    return {"kind": "spike", **shape, "objectives": [*NORMAL, *objectives], **more}


def recovery(*objectives: str, **how: Any) -> dict[str, Any]:
    shape = {"at": "1 P", "before": "60s", "after": "120s"}
    how = how or {"overload": {"to": "4 P", "for": "20s"}}
    return {"kind": "recovery", **shape, **how, "objectives": [*NORMAL, *objectives]}


FAULT = {"begin": {"steps": [{"post": "/faults"}]}, "end": {"steps": [{"delete": "/faults"}]}, "for": "20s"}


def spiking(folder: Path, times: int = 1) -> Shown:
    """A queue that works off its backlog."""
    return bundle(folder, make(plan_of(spike("recovery time <= 40s", times=times)), queue(20 * MS)))


def stuck(folder: Path) -> Shown:
    """A service that an overload leaves down."""
    law = _from(62, exponential(50 * MS), down())
    return bundle(folder, make(plan_of(recovery("recovery time <= 90s")), law))


def mended(folder: Path) -> Shown:
    """A fault of twenty seconds, from which it takes eight to come back."""
    made = make(plan_of(recovery("recovery time <= 30s", fault=FAULT)), _from(60.1, exponential(50 * MS), down(), 88.5))
    start_ns = made.stages[0].started_ns
    span = [start_ns + round(at * SECOND) for at in (60.1, 60.11, 80.5, 80.51)]
    done = HappeningLog("fault", 0, span[0], span[1]), HappeningLog("end of fault", 0, span[2], span[3])
    return bundle(folder, made, done)


def soaking(folder: Path, share: float = 0.5) -> Shown:
    """Response times that grow by a share over forty minutes."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        grown = 100 * MS * (1 + share * at / stage.profile.duration_ns)
        wrong = rng.random(len(at)) < 0.01 * at / stage.profile.duration_ns
        outcome = np.where(wrong, Outcome.HTTP_ERROR, Outcome.OK)
        return Answers(rng.exponential(1.0, len(at)) * grown, outcome, np.where(wrong, 500, 200))

    limits = ["errors <= 5%", "p95 response time drift <= 20%", "errors drift <= 2%"]
    soak = {"kind": "soak", "at": "1 P", "for": "40m", "warmup": "2m", "objectives": limits}
    return bundle(folder, make(plan_of(soak), law))


def of_size(capacity: Callable[[int], float]) -> Law:
    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        over = stage.rate > capacity(int(stage.name.split(" ")[0]))
        outcome = np.full(len(at), Outcome.TIMEOUT if over else Outcome.OK)
        return Answers(rng.exponential(50 * MS, len(at)), outcome)

    return law


def scaling(folder: Path, power: float = 0.7, units: Sequence[int] = (1, 2, 4)) -> Shown:
    """Units that bring less and less."""
    levels = {"from": "0.25 P", "to": "1.5 P", "step": "0.125 P", "hold": "60s"}
    limits = [*NORMAL, "efficiency >= 80%"]
    trial = {"kind": "scalability", "sizes": [{"units": n} for n in units], **levels, "objectives": limits}
    return bundle(folder, make(plan_of(trial), of_size(lambda units: 50.0 * units**power)))


def searching(folder: Path) -> Shown:
    """A queue of 80 steps a second, whose capacity is looked for."""
    limits = ["p95 response time <= 500ms", "errors <= 1%", "capacity >= 1.5 P"]
    trial = stress(*limits, first="0.5 P", to="3 P", step="0.5 P", within="0.1 P", hold="60s")
    return bundle(folder, make(plan_of(trial), queue(12.5 * MS)))


def running(folder: Path) -> Shown:
    """Three runs of a load, of which the last is slow."""

    def law(at: Any, stage: Stage, rng: np.random.Generator) -> Answers:
        return Answers(rng.exponential((400 if stage.index == 2 else 80) * MS, len(at)))

    return bundle(folder, make(plan_of(load(*NORMAL, hold="60s", warmup="5s", runs=3)), law))


def rising(folder: Path) -> Shown:
    """Rising steps of a queue of 80 steps a second: levels held, levels not decided, a level broken."""
    limits = ["p95 response time <= 500ms", "errors <= 1%", "capacity >= 1.5 P"]
    return bundle(folder, make(plan_of(stress(*limits, first="0.5 P", to="3 P", step="0.25 P")), queue(12.5 * MS)))


def many_bursts(folder: Path) -> Shown:
    """Five bursts, after each of which the service works off a backlog."""
    return spiking(folder, times=5)
