"""Was the generator's machine fit? What it ran out of, what the hypervisor took, and whether its clock was set.

1. Files and local ports count as used up from 95 % of their limit on, at any second of the trial: what happens
   beyond that says nothing about the service. So does a single connection that the machine refused for want of one:
   ports that wait out a closed connection are taken too, and only the refusal shows them.
2. Steal is judged stage by stage, over the judged time, weighted by time: the mean share that the hypervisor took of
   the core that lost most. One stolen core is found however many others the machine has.
3. A wall clock that is set changes nothing that is measured, for all of it is on the monotonic clock. It is told,
   because dates in the evidence are the wall clock's.

4. The workers of a run share one machine, and so one monotonic clock: times of one are compared with those of another.
   Each tells once a second how far its wall clock is ahead of it. Where two of them differ in that, by more than the
   policy's floor for send lag at the same moment, they do not have one clock. The median over the trial counts: a
   worker that is interrupted between its two readings is not a worker with another clock.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from seatrial.model.journal import StageLog
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.verdict import Reason
from seatrial.units import SECOND, format_duration, format_share

__all__ = [
    "CLOCK_STEP_NS",
    "USED_UP",
    "check_machine",
    "check_skew",
    "check_steal",
    "clock_steps",
    "files_used",
    "ports_used",
    "steal_of",
]

USED_UP = 0.95
"""Share of a limit from which on it counts as reached."""

CLOCK_STEP_NS = SECOND // 2
"""Smallest step of the wall clock that is told."""

_ROW_NS = SECOND
_FRESH_NS = 2 * SECOND


def check_machine(health: pl.DataFrame) -> Iterator[Reason]:
    """Yield a reason for everything that the generator ran out of (rule 1)."""
    share = format_share(USED_UP)
    for worker, used, limit in files_used(health):
        if used >= USED_UP * limit:
            figures = {"measured": f"{used:,}", "limit": f"{limit:,}", "share": share}
            yield Reason(code="validity.files", params={"worker": str(worker)} | figures)
    if refused := int(health["files_refused"].cast(pl.Int64).sum()):
        yield Reason(code="validity.files_refused", params={"measured": f"{refused:,}"})
    used, limit = ports_used(health) or (0, 1)
    if used >= USED_UP * limit:
        figures = {"measured": f"{used:,}", "limit": f"{limit:,}", "share": share}
        yield Reason(code="validity.ports", params=figures)
    if refused := int(health["ports_refused"].cast(pl.Int64).sum()):
        yield Reason(code="validity.ports_refused", params={"measured": f"{refused:,}"})


def check_skew(policy: Policy, health: pl.DataFrame) -> Iterator[Reason]:
    """Yield a reason for every worker whose clock is not that of the first one (rule 4)."""
    workers = np.unique(health["worker"].to_numpy())
    if len(workers) < 2:
        return
    at_ns, offset_ns = _clock_of(health, int(workers[0]))
    limit = policy.validity.send_lag_floor
    for worker in workers[1:].tolist():
        own_at_ns, own_ns = _clock_of(health, worker)
        after = np.clip(np.searchsorted(at_ns, own_at_ns), 1, len(at_ns) - 1) if len(at_ns) > 1 else None
        if after is None:
            nearest = np.zeros(len(own_at_ns), dtype=np.int64)
        else:
            before = after - 1
            nearest = np.where(own_at_ns - at_ns[before] <= at_ns[after] - own_at_ns, before, after)
        skew = int(np.sort(np.abs(own_ns - offset_ns[nearest]))[(len(own_ns) - 1) // 2])
        if skew > limit:
            figures = {"measured": format_duration(skew), "limit": format_duration(limit)}
            yield Reason(code="validity.clock_skew", params={"worker": str(worker), "other": str(workers[0])} | figures)


def _clock_of(health: pl.DataFrame, worker: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows = health.filter(pl.col("worker") == worker).sort(["at_ns", "clock_offset_ns"])
    return rows["at_ns"].to_numpy(), rows["clock_offset_ns"].to_numpy()


def files_used(health: pl.DataFrame) -> list[tuple[int, int, int]]:
    """Return (worker, files, limit) of the second in which each worker came closest to its limit.

    Seconds in which the limit is not known are left out.
    """
    known = health.filter(pl.col("files_limit") > 0).with_columns(
        (pl.col("open_files") / pl.col("files_limit")).alias("share")
    )
    worst = known.sort(["worker", "share", "open_files"]).group_by("worker", maintain_order=True).last()
    return [(int(w), int(used), int(limit)) for w, used, limit in worst["worker", "open_files", "files_limit"].rows()]


def ports_used(health: pl.DataFrame) -> tuple[int, int] | None:
    """Return the most connections that all workers held together, and how many their local ports allow.

    Workers do not count at the same instant: to each row the latest of every other worker is added, of the last two
    seconds.

    Returns:
        None where the machine does not tell its ports, or there are no rows.
    """
    known = health.filter(pl.col("ports_limit") > 0)
    if known.is_empty():
        return None
    instants = np.unique(known["at_ns"].to_numpy())
    held = np.zeros(len(instants), dtype=np.int64)
    for worker in np.unique(known["worker"].to_numpy()):
        rows = known.filter(pl.col("worker") == worker).sort(["at_ns", "connections"])
        at_ns, count = rows["at_ns"].to_numpy(), rows["connections"].to_numpy()
        latest = np.searchsorted(at_ns, instants, side="right") - 1
        fresh = (latest >= 0) & (instants - at_ns[latest] <= _FRESH_NS)
        held += np.where(fresh, count[latest], 0)
    return int(held.max()), int(known["ports_limit"].to_numpy().min())


def check_steal(policy: Policy, health: pl.DataFrame, stage: Stage, log: StageLog) -> Iterator[Reason]:
    """Yield a reason when the hypervisor took more of a core than the policy allows (rule 2)."""
    stolen = steal_of(health, log.started_ns + stage.judged_from_ns, log.started_ns + stage.profile.duration_ns)
    if stolen is not None and stolen > policy.validity.steal:
        figures = {"measured": format_share(stolen), "limit": format_share(policy.validity.steal)}
        yield Reason(code="validity.steal", params={"level": stage.name} | figures)


def steal_of(health: pl.DataFrame, from_ns: int, to_ns: int) -> float | None:
    """Return the mean share of a core that the hypervisor took between two instants; of the worker that fared worst.

    A row tells of the time since the row before it, the first of one second.

    Returns:
        None where no row tells of that time.
    """
    means = []
    for worker in np.unique(health["worker"].to_numpy()):
        rows = health.filter(pl.col("worker") == worker).sort(["at_ns", "steal_share"])
        at_ns: npt.NDArray[np.float64] = rows["at_ns"].to_numpy().astype(np.float64)
        begins = np.concatenate([[at_ns[0] - _ROW_NS], at_ns[:-1]])
        inside = np.maximum(0.0, np.minimum(at_ns, to_ns) - np.maximum(begins, from_ns))
        if inside.sum() > 0:
            means.append(float((inside * rows["steal_share"].to_numpy()).sum() / inside.sum()))
    return round(max(means), 6) if means else None


def clock_steps(health: pl.DataFrame, before_ns: int | None = None) -> Reason | None:
    """Return how often and how far the wall clock was set; None where it never was by half a second (rule 3).

    Args:
        health: The rows of a trial.
        before_ns: Wall clock less monotonic clock before the first of them, so that a step in the first second is
            found too; None where it is not known.
    """
    known = [] if before_ns is None else [float(before_ns)]
    sizes: list[float] = []
    count = 0
    for worker in np.unique(health["worker"].to_numpy()):
        rows = health.filter(pl.col("worker") == worker).sort(["at_ns", "clock_offset_ns"])
        steps = np.abs(np.diff(rows["clock_offset_ns"].to_numpy().astype(np.float64), prepend=known))
        found = steps[steps > CLOCK_STEP_NS]
        count = max(count, len(found))
        sizes.extend(found.tolist())
    if not count:
        return None
    return Reason(code="generator.clock_stepped", params={"measured": format_duration(max(sizes)), "count": f"{count}"})
