"""Was the generator fit? Its health rows, its send lag, and whose fault it is that load was not sent.

Health is judged stage by stage, from the stage's start to the end of its drain: what a worker does between stages
disturbs nobody. Each worker must have rows with no gap of more than five seconds, the edges included: rows come once
a second, and five lost in a row are more than a busy moment. What counts as use of a core is the share of the time in
which the event loop was not waiting: the mean over any ten seconds (over the whole stage where it is shorter). To send
a step takes some of that time, so a row that tells of steps and of no busy time was not measured.

Unsent load is the service's doing only when all of this holds; otherwise the trial is INVALID:

1. no rule on health, CPU or send lag is broken in the trial, and the event loops' longest turns (p99 over the
   stage's health rows) are within the limit for send lag;
2. nine in ten of the unsent sessions came due when at least nine tenths of the permitted sessions were in progress,
   counted from the records;
3. the requests in progress while that was so took on average longer than the trial's tightest time limit (or, where
   it limits no time, than half the plan's deadline): with a prompt service the cap would not have been reached by
   waiting. A cap that a service within its limits already fills is the plan's fault, not the service's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.model.health import LAG_COLUMNS
from seatrial.model.journal import StageLog
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.trial import Trial
from seatrial.model.verdict import Reason
from seatrial.stats.batches import exact_sum
from seatrial.stats.binomial import rank_of
from seatrial.units import SECOND, format_duration, format_share
from seatrial.verdict.columns import by_session
from seatrial.verdict.facts import facts_of
from seatrial.verdict.inputs import Rows, StageColumns
from seatrial.verdict.machine import check_machine, check_skew, check_steal
from seatrial.verdict.validity import MAX_HEALTH_GAP_NS

__all__ = [
    "CPU_WINDOW_NS",
    "MAX_HEALTH_GAP_NS",
    "Unsent",
    "check_cpu",
    "check_generator",
    "check_health_rows",
    "check_send_lag",
    "stalls_within",
    "unsent_load",
]

Int64 = npt.NDArray[np.int64]

CPU_WINDOW_NS = 10 * SECOND
_ROW_NS = SECOND
_NEARLY = 0.9


def check_generator(
    policy: Policy, stages: Mapping[int, Stage], workers: int, finished: Sequence[StageLog], health: pl.DataFrame
) -> list[Reason]:
    """Return what the health rows say against the generator, over the finished stages of a trial."""
    found = [*check_cpu(policy, health, workers), *check_machine(health), *check_skew(policy, health)]
    for begun in finished:
        found.extend(check_steal(policy, health, stages[begun.index], begun))
        found.extend(check_health_rows(health, workers, stages[begun.index], begun))
    return found


def check_health_rows(health: pl.DataFrame, workers: int, stage: Stage, log: StageLog) -> Iterator[Reason]:
    """Yield a reason for every worker whose rows do not cover the stage, and for rows of workers nobody started."""
    end_ns = log.drained_ns if log.drained_ns is not None else log.started_ns
    for worker in range(workers):
        at = _rows(health, worker)["at_ns"].to_numpy()
        inside = at[(at >= log.started_ns) & (at <= end_ns)]
        params = {"worker": str(worker), "level": stage.name}
        gap = int(np.diff(np.concatenate([[log.started_ns], inside, [end_ns]])).max())
        if not len(at) or (not len(inside) and gap > MAX_HEALTH_GAP_NS):
            yield Reason(code="validity.health_missing", params=params)
        elif gap > MAX_HEALTH_GAP_NS:
            figures = {"measured": format_duration(gap), "limit": format_duration(MAX_HEALTH_GAP_NS)}
            yield Reason(code="validity.health_gap", params=params | figures)


def check_cpu(policy: Policy, health: pl.DataFrame, workers: int) -> Iterator[Reason]:
    """Yield a reason for every worker that was busy for more of its time than it may be, or did not measure it.

    And one for every worker that has rows and that nobody started.
    """
    for worker in sorted(set(health["worker"].to_list())):
        if not 0 <= worker < workers:
            params = {"worker": str(worker), "workers": str(workers)}
            yield Reason(code="validity.health_stranger", params=params)
            continue
        rows = _rows(health, worker)
        used = _busiest(rows["at_ns"].to_numpy(), rows["busy_share"].to_numpy())
        if used > policy.validity.generator_cpu:
            figures = {"measured": format_share(used), "limit": format_share(policy.validity.generator_cpu)}
            yield Reason(code="validity.cpu", params={"worker": str(worker)} | figures)
        # Zero among the others would lower the mean for want of data.
        blank = rows.filter(pl.col("busy_share") == 0, pl.any_horizontal(pl.col(LAG_COLUMNS) > 0)).height
        if blank:
            params = {"worker": str(worker), "measured": f"{blank:,}", "recorded": f"{len(rows):,}"}
            yield Reason(code="validity.cpu_unmeasured", params=params)


def _rows(health: pl.DataFrame, worker: int) -> pl.DataFrame:
    return health.filter(pl.col("worker") == worker).sort(["at_ns", "busy_share", "stall_ns"])


def _busiest(at_ns: Int64, busy_share: npt.NDArray[np.float64]) -> float:
    """Return the highest mean share of a core over ten seconds; over all of it where it is shorter.

    A row tells of the time since the row before it; the first is taken to tell of one second.
    """
    edges = np.concatenate([[at_ns[0] - _ROW_NS], at_ns]).astype(np.float64)
    used = np.concatenate([[0.0], np.cumsum(busy_share * np.diff(edges))])
    starts = np.maximum(edges[1:] - CPU_WINDOW_NS, edges[0])
    lengths = edges[1:] - starts
    full = lengths >= min(CPU_WINDOW_NS, float(edges[-1] - edges[0]))
    means = (used[1:] - np.interp(starts, edges, used))[full] / lengths[full]
    return round(float(means.max()), 6)


def check_send_lag(stage: Stage, judged: Rows, limit_ns: float) -> Iterator[Reason]:
    """Yield a reason when p99 of send lag, over the steps that were sent, is above ``limit_ns``."""
    p99 = facts_of(judged).send_lag(0.99)
    if p99 is not None and p99 > limit_ns:
        figures = {"measured": format_duration(p99), "limit": format_duration(limit_ns)}
        yield Reason(code="validity.send_lag", params={"level": stage.name} | figures)


@dataclass(frozen=True, slots=True)
class Unsent:
    """Load of a stage that was not sent, above the policy's limit.

    Attributes:
        by_service: Whether the service alone explains it.
        reason: The sentence: INVALID where the service does not explain it, else how the service broke.
    """

    by_service: bool
    reason: Reason


def unsent_load(
    plan: Plan,
    policy: Policy,
    trial: Trial,
    stage: Stage,
    columns: Rows,
    judged: Rows,
    healthy: bool,
) -> Unsent | None:
    """Return whose fault the unsent load of a stage is; None when it is within the limit.

    Args:
        plan: For the cap on sessions and the deadline.
        policy: For the limit.
        trial: For its time limits.
        stage: The stage.
        columns: All of its records: sessions of the warm-up are in progress as well.
        judged: Those that count.
        healthy: Whether the generator was fit (rule 1).
    """
    facts, limit = facts_of(judged), policy.validity.unsent
    if facts.unsent <= limit * facts.count:
        return None
    params = {
        "level": stage.name,
        "measured": format_share(facts.unsent / facts.count),
        "limit": format_share(limit),
    }
    blame = _cap_reached_by_waiting(plan, trial, columns) if healthy else None
    if blame is None:
        return Unsent(False, Reason(code="validity.unsent", params=params))
    return Unsent(True, Reason(code="service.unsent", params=params | blame))


def stalls_within(health: pl.DataFrame, log: StageLog, limit_ns: float) -> bool:
    """Return whether p99 of the longest turns of the event loops during a stage is within ``limit_ns``."""
    end_ns = log.drained_ns if log.drained_ns is not None else log.started_ns
    rows = health.filter((pl.col("at_ns") >= log.started_ns) & (pl.col("at_ns") <= end_ns + _ROW_NS))
    stalls = np.sort(rows["stall_ns"].to_numpy())
    return len(stalls) > 0 and int(stalls[rank_of(len(stalls), 0.99) - 1]) <= limit_ns


def _cap_reached_by_waiting(plan: Plan, trial: Trial, columns: Rows) -> dict[str, str] | None:
    """Return the figures that show rules 2 and 3; None when one of them does not hold."""
    unsent = [_first_of(part, part.outcome == Outcome.UNSENT) for part in columns.parts()]
    due = np.sort(np.concatenate(unsent))
    if not len(due):
        return None
    change = np.zeros(len(due) + 1, dtype=np.int64)
    for part in columns.parts():
        tried = _tried(part)
        begins, ends = _first_of(part, tried), -_first_per_session(part.session[tried], -part.done_ns[tried])
        for edges, by in ((begins, 1), (ends, -1)):
            change += by * np.bincount(np.searchsorted(due, edges, side="left"), minlength=len(change))
    in_progress = np.cumsum(change)[:-1]
    full = in_progress >= _NEARLY * plan.max_sessions
    if not in_progress.any() or int(full.sum()) < _NEARLY * len(due):
        return None
    first, last, count, total = int(due[full].min()), int(due[full].max()), 0, 0
    for part in columns.parts():
        during = _tried(part) & (part.intended_ns <= last) & (part.done_ns >= first)
        waited = (part.done_ns - part.intended_ns)[during]
        count, total = count + len(waited), total + exact_sum(waited)
    slow = min((o.limit for o in trial.objectives if o.is_time), default=plan.deadlines.response / 2)
    mean = total / count if count else 0.0
    if mean <= slow:
        return None
    return {"sessions": f"{int(in_progress.max()):,}", "cap": f"{plan.max_sessions:,}", "wait": format_duration(mean)}


def _tried(columns: StageColumns) -> npt.NDArray[np.bool_]:
    return ~np.isin(columns.outcome, [Outcome.UNSENT, Outcome.ABORTED])


def _first_of(columns: StageColumns, mask: npt.NDArray[np.bool_]) -> Int64:
    """Return when the first of each session's steps in ``mask`` was intended."""
    return _first_per_session(columns.session[mask], columns.intended_ns[mask])


def _first_per_session(session: Int64, value: Int64) -> Int64:
    """Return the smallest value of each session."""
    order = by_session(session, value)
    ordered = session[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(order) else order
    return np.asarray(value[order][first])
