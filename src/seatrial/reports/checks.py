"""What was seen of the generator's own health, beside what the policy allows.

These figures explain; they do not judge. Whether a trial is INVALID is decided by the verdict alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import polars as pl

from seatrial.model.journal import Ending, TrialLog
from seatrial.model.policy import Policy, Validity
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.trial import LoadTrial, Trial
from seatrial.stats.timeline import rank_index
from seatrial.units import SECOND
from seatrial.verdict.machine import USED_UP, files_used, ports_used, steal_of

__all__ = ["CPU_WINDOW_NS", "Check", "busiest", "health_checks", "send_lag_limit_ns"]

CPU_WINDOW_NS = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        code: ``samples``, ``cpu``, ``steal``, ``unsent``, ``lag``, ``files``, ``ports`` or ``ending``: key below
            ``check.`` in the texts.
        seen: In ``unit``; None when it is not known.
        limit: In ``unit``; None when the policy can't be read.
        kept: Whether the limit was kept; None when that can't be said.
        unit: Of both figures.
    """

    code: str
    seen: float | None
    limit: float | None
    kept: bool | None
    unit: Literal["count", "share", "ns"]


def send_lag_limit_ns(validity: Validity, trial: Trial | None) -> float:
    """Return the policy's limit on the p99 of send lag: a share of the trial's tightest time limit, with a floor."""
    times = [objective.limit for objective in trial.objectives if objective.is_time] if trial else []
    return (
        max(float(validity.send_lag_floor), validity.send_lag_share * min(times))
        if times
        else float(validity.send_lag_floor)
    )


def busiest(health: pl.DataFrame) -> pl.DataFrame:
    """Return the mean CPU share of the busiest worker over each ten seconds, weighted by time.

    The same windows as the verdict's: a row tells of the time since the row before it, the first of one second, and
    a window is the whole of the rows where they are shorter.

    Args:
        health: Ordered by worker and time, at least one row.

    Returns:
        Columns ``at_ns`` (the window's end; ascending, distinct) and ``busy_share``.
    """
    frames = []
    for _, rows in health.group_by("worker", maintain_order=True):
        at = rows["at_ns"].to_numpy().astype(np.float64)
        edges = np.concatenate([[at[0] - SECOND], at])
        used = np.concatenate([[0.0], np.cumsum(rows["busy_share"].to_numpy() * np.diff(edges))])
        starts = np.maximum(at - CPU_WINDOW_NS, edges[0])
        lengths = at - starts
        full = lengths >= min(CPU_WINDOW_NS, edges[-1] - edges[0])
        means = (used[1:] - np.interp(starts, edges, used))[full] / lengths[full]
        frames.append(pl.DataFrame({"at_ns": at[full].astype(np.int64), "busy_share": means.round(6)}))
    return pl.concat(frames).group_by("at_ns").agg(pl.col("busy_share").max()).sort("at_ns")


def health_checks(
    policy: Policy | None,
    trial: Trial | None,
    log: TrialLog,
    records: pl.LazyFrame | None,
    health: pl.DataFrame | None,
) -> tuple[Check, ...]:
    """Return what was checked of the generator in one trial, over its judged records."""
    validity = policy.validity if policy else None
    judged = _judged(records, trial, log)
    samples, unsent, lag = (None, None, None) if judged is None else _from_records(judged)
    cpu = None if health is None or not health.height else busiest(health)["busy_share"].max()
    steal = None if health is None else _worst_steal(health, trial, log)
    lag_limit = send_lag_limit_ns(validity, trial) if validity else None
    whole = log.ending is Ending.COMPLETED if log.workers else None
    return (
        Check("ending", None, None, whole, "count"),
        _at_least("samples", samples, validity.min_samples if validity else None),
        _at_most("cpu", None if cpu is None else float(cpu), validity.generator_cpu if validity else None, "share"),  # type: ignore[arg-type]
        _at_most("steal", steal, validity.steal if validity else None, "share"),
        _at_most("unsent", unsent, validity.unsent if validity else None, "share"),
        _at_most("lag", lag, lag_limit, "ns"),
        *(_used(code, health) for code in ("files", "ports")),
    )


def _worst_steal(health: pl.DataFrame, trial: Trial | None, log: TrialLog) -> float | None:
    """Return the steal of the stage that had most, over its judged time."""
    skipped = trial.unjudged_ns if isinstance(trial, LoadTrial) else 0
    stages = [(s.started_ns + skipped, s.load_end_ns) for s in log.stages if s.load_end_ns is not None]
    found = [steal_of(health, from_ns, to_ns) for from_ns, to_ns in stages]
    return max((share for share in found if share is not None), default=None)


def _used(code: str, health: pl.DataFrame | None) -> Check:
    """Return how far the generator used up its files or ports; below their limit none may have been refused."""
    if health is None or not health.height:
        return Check(code, None, USED_UP, None, "share")
    if code == "files":
        shares = [used / limit for _, used, limit in files_used(health)]
    else:
        ports = ports_used(health)
        shares = [] if ports is None else [ports[0] / ports[1]]
    refused = int(cast("int", health[f"{code}_refused"].cast(pl.Int64).sum())) > 0
    seen = max(shares, default=None)
    return Check(code, seen, USED_UP, False if refused else None if seen is None else seen < USED_UP, "share")


def _judged(records: pl.LazyFrame | None, trial: Trial | None, log: TrialLog) -> pl.LazyFrame | None:
    """Return the records without the sessions that began in the warm-up, which the verdict leaves out as well."""
    if records is None or not isinstance(trial, LoadTrial) or not trial.unjudged_ns or not log.stages:
        return records
    cut = {stage.index: stage.started_ns + trial.unjudged_ns for stage in log.stages}
    stage = (pl.col("session") // SESSION_STRIDE).replace_strict(cut, default=0, return_dtype=pl.Int64)
    return records.filter(pl.col("intended_ns").min().over("session") >= stage)


def _from_records(judged: pl.LazyFrame) -> tuple[float, float | None, float | None]:
    """Return the number of records, and the worst stage's share of unsent steps and p99 of send lag."""
    unsent = pl.col("outcome") == int(Outcome.UNSENT)
    given_up = (pl.col("outcome") == int(Outcome.ABORTED)) & unsent.any().over("session")
    lag = pl.col("sent_ns") - pl.col("intended_ns")
    sent = pl.col("sent_ns").count()
    samples, worst, lag_p99 = (
        judged.with_columns(
            (pl.col("session") // SESSION_STRIDE).alias("stage"),
            (unsent | given_up).alias("not_sent"),
        )
        .group_by("stage")
        .agg(
            pl.len().alias("samples"),
            pl.col("not_sent").mean(),
            lag.drop_nulls().sort().get(rank_index(0.99, sent), null_on_oob=True).alias("lag"),
        )
        .select(pl.col("samples").sum(), pl.col("not_sent").max(), pl.col("lag").max())
        .collect()
        .row(0)
    )
    return float(samples), worst, None if lag_p99 is None else float(lag_p99)


def _at_most(code: str, seen: float | None, limit: float | None, unit: Literal["share", "ns"]) -> Check:
    return Check(code, seen, limit, None if seen is None or limit is None else seen <= limit, unit)


def _at_least(code: str, seen: float | None, limit: float | None) -> Check:
    return Check(code, seen, limit, None if seen is None or limit is None else seen >= limit, "count")
