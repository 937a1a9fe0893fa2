"""What a round of trials offered, level by level, and the judged records of each step."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from seatrial.model.journal import StageLog
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.trial import LoadTrial
from seatrial.model.verdict import RunVerdict, TrialVerdict
from seatrial.stats.contrast import Run
from seatrial.units import SECOND
from seatrial.verdict.closed import scheduled
from seatrial.verdict.columns import StageColumns, joined
from seatrial.verdict.hopeless import offered
from seatrial.verdict.inputs import TrialData, TrialRecords
from seatrial.verdict.kinds.all import KINDS
from seatrial.verdict.periods import judged_ns, judged_part
from seatrial.verdict.search import search_of
from seatrial.verdict.stage import judged_records

__all__ = ["Level", "OfTrial", "Round", "Seen", "Step", "run_of", "trials_of"]

Step = tuple[str, str]
"""A journey and the label of one of its steps."""

_AGAIN = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True)
class Round:
    """The evidence of one run of a plan, and the verdict that it leads to.

    Attributes:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal.
        policy: The rules.
        trials: The evidence of each trial.
        verdict: What :func:`seatrial.verdict.judge.judge` makes of these.
    """

    plan: Plan
    plan_digest: str
    policy: Policy
    trials: Sequence[TrialData]
    verdict: RunVerdict


@dataclass(slots=True)
class Level:
    """All stages of a trial at the same load.

    Attributes:
        name: For people.
        stages: With when each began.
        broke: Whether one of them broke.
    """

    name: str
    stages: list[tuple[Stage, StageLog]] = field(default_factory=list)
    broke: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """The judged records of a level.

    Attributes:
        columns: All of them.
        seconds: How long the judged time was.
        places: Where each step of the plan stands: (journey, step) in the records.
    """

    columns: StageColumns
    seconds: float
    places: dict[Step, list[tuple[int, int]]]

    def of(self, step: Step | None) -> StageColumns:
        """Return the records of a step, none where there is no such step; of all steps for None."""
        if step is None:
            return self.columns
        wanted = np.zeros(len(self.columns), dtype=np.bool_)
        for journey, place in self.places.get(step, []):
            wanted |= (self.columns.journey == journey) & (self.columns.step == place)
        return self.columns.take(wanted)


def run_of(columns: StageColumns) -> Run:
    """Return records as what is compared: response times, from the intended start."""
    return Run(
        at_ns=columns.intended_ns.astype(np.int64),
        took_ns=(columns.done_ns - columns.intended_ns).astype(np.int64),
        censored=columns.censored,
        bad=~columns.ok,
    )


class OfTrial:
    """One trial of a round.

    Args:
        of: The round.
        index: Of the trial in its plan.
        data: Its evidence.
        verdict: Its verdict, which is valid.

    Attributes:
        levels: By what makes a load the same: its name, what is offered for how long where that changes, to whom.
        searches: Whether the trial looks for the load at which the service breaks.
    """

    def __init__(self, of: Round, index: int, data: TrialData, verdict: TrialVerdict) -> None:
        self._round, self._index, self.verdict = of, index, verdict
        self._records = TrialRecords(data.records)
        self._trial = of.plan.trials[index]
        self.searches = KINDS[self._trial.kind].breaks
        self.levels: dict[Hashable, Level] = {}
        logs = {log.index: log for log in data.log.stages}
        search = search_of(of.plan, of.policy, index)
        for result in verdict.stages:
            stage = search.next_stage()
            if stage is None or stage.index != result.index:  # a valid trial was replayed to its end
                break
            search.feed(result)
            # The runs of a load trial are one level, and so are the times that a search came back to one.
            name = self._trial.level if isinstance(self._trial, LoadTrial) else _AGAIN.sub("", stage.name)
            level = self.levels.setdefault((name, *_load(stage)), Level(_title(name, stage)))
            level.stages.append((stage, logs[stage.index]))
            level.broke = level.broke or result.held is False

    @property
    def steps(self) -> dict[Step, list[tuple[int, int]]]:
        """Return where each step of the plan stands in the records: (journey, step)."""
        found: dict[Step, list[tuple[int, int]]] = {}
        for row, (name, journey) in enumerate(self._round.plan.journeys.items()):
            for place, label in enumerate(journey.labels):
                found.setdefault((name, label), []).append((row, place))
        return found

    @property
    def mix(self) -> tuple[Hashable, ...]:
        """Return what must be equal for all steps together to be comparable: which there are, and their weights."""
        return (tuple(self.steps), tuple((name, j.weight) for name, j in self._round.plan.journeys.items()))

    def seen(self, level: Level) -> Seen:
        """Return the judged records of a level."""
        parts, seconds = zip(*self._judged(level), strict=True)
        return Seen(joined(parts), sum(seconds), self.steps)

    def _judged(self, level: Level) -> Iterator[tuple[StageColumns, float]]:
        of = self._round
        for stage, log in level.stages:
            rows, _, table = scheduled(of.plan, of.plan_digest, stage, self._records.stage(stage.index), log)
            part = offered(of.plan, of.policy, self._trial, stage, rows, table, log)
            judged = judged_records(part.columns, part.table)
            yield judged_part(part.stage, judged, log.started_ns).whole(), judged_ns(part.stage) / SECOND


def trials_of(of: Round) -> dict[tuple[str, str], OfTrial]:
    """Return the trials of a round by name and kind."""
    data = {trial.log.trial: trial for trial in of.trials}
    return {
        (verdict.name, verdict.kind): OfTrial(of, index, data[index], verdict)
        for index, verdict in enumerate(of.verdict.trials)
        if index in data
    }


def _load(stage: Stage) -> tuple[Hashable, ...]:
    judged = stage.judged
    constant = judged.peak == judged.lowest
    offered_load = judged.peak if constant else judged.segments
    users = None if stage.users is None else (stage.users.count, stage.users.pacing_ns, repr(stage.users.think))
    return offered_load, stage.arrivals, users, stage.periods


def _title(name: str, stage: Stage) -> str:
    """Return a level's name with its rate, for plans may mean other rates by the same name."""
    return name if stage.users is not None or "/s" in name else f"{name} ({stage.rate:.4g}/s)"
