"""What was seen of the generator's own health, beside what the policy allows.

These figures explain; they do not judge. Whether a trial is INVALID is decided by the verdict alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from seatrial.model.journal import Ending, TrialLog
from seatrial.model.policy import Policy, Validity
from seatrial.model.sample import SESSION_STRIDE, Outcome
from seatrial.model.trial import LoadTrial, Trial
from seatrial.units import SECOND

__all__ = ["CPU_WINDOW_NS", "Check", "busiest", "health_checks", "send_lag_limit_ns"]

CPU_WINDOW_NS = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        code: ``samples``, ``cpu``, ``unsent``, ``lag`` or ``ending``: key below ``check.`` in the texts.
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
    """Return, per instant, the mean CPU share of the busiest worker over the ten seconds before it.

    Args:
        health: Ordered by worker and time.

    Returns:
        Columns ``at_ns`` (ascending, distinct) and ``cpu_share``.
    """
    smooth = health.select(
        "worker",
        "at_ns",
        pl.col("cpu_share")
        .rolling_mean_by(pl.col("at_ns").cast(pl.Datetime("ns")), window_size="10s", closed="right")
        .over("worker"),
    )
    return smooth.group_by("at_ns").agg(pl.col("cpu_share").max()).sort("at_ns")


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
    cpu = None if health is None or not health.height else busiest(health)["cpu_share"].max()
    lag_limit = send_lag_limit_ns(validity, trial) if validity else None
    whole = log.ending is Ending.COMPLETED if log.workers else None
    return (
        Check("ending", None, None, whole, "count"),
        _at_least("samples", samples, validity.min_samples if validity else None),
        _at_most("cpu", None if cpu is None else float(cpu), validity.generator_cpu if validity else None, "share"),  # type: ignore[arg-type]
        _at_most("unsent", unsent, validity.unsent if validity else None, "share"),
        _at_most("lag", lag, lag_limit, "ns"),
    )


def _judged(records: pl.LazyFrame | None, trial: Trial | None, log: TrialLog) -> pl.LazyFrame | None:
    """Return the records without the warm-up, which the verdict leaves out as well."""
    if records is None or not isinstance(trial, LoadTrial) or not trial.warmup or not log.stages:
        return records
    cut = {stage.index: stage.started_ns + trial.warmup for stage in log.stages}
    stage = (pl.col("session") // SESSION_STRIDE).replace_strict(cut, default=0, return_dtype=pl.Int64)
    return records.filter(pl.col("intended_ns") >= stage)


def _from_records(judged: pl.LazyFrame) -> tuple[float, float | None, float | None]:
    lag = pl.col("sent_ns") - pl.col("intended_ns")
    samples, unsent, lag_p99 = (
        judged.select(
            pl.len(),
            (pl.col("outcome") == int(Outcome.UNSENT)).mean().alias("unsent"),
            lag.quantile(0.99, interpolation="higher").alias("lag"),
        )
        .collect()
        .row(0)
    )
    return float(samples), unsent, None if lag_p99 is None else float(lag_p99)


def _at_most(code: str, seen: float | None, limit: float | None, unit: Literal["share", "ns"]) -> Check:
    return Check(code, seen, limit, None if seen is None or limit is None else seen <= limit, unit)


def _at_least(code: str, seen: float | None, limit: float | None) -> Check:
    return Check(code, seen, limit, None if seen is None or limit is None else seen >= limit, "count")
