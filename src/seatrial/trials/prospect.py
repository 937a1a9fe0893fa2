"""While a stage runs: can its limits still be kept?

The workers' own counts say when it is worth the while to look, and the records that lie in the spools then decide, by
the very function that the verdict asks again (:mod:`seatrial.verdict.hopeless`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seatrial.engine.worker import Tick
from seatrial.errors import EvidenceError
from seatrial.model.journal import Cut
from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage
from seatrial.model.sample import NEVER, SESSION_STRIDE, Outcome
from seatrial.model.verdict import ObjectiveResult, Verdict
from seatrial.samples.codec import ROW_DTYPE, read_frames
from seatrial.units import MS, SECOND
from seatrial.verdict.hopeless import most_records, prospects
from seatrial.verdict.inputs import StageColumns, Timetable, timetable
from seatrial.verdict.limits import in_scope, limits_of

__all__ = ["Hopeless", "Prospect"]

_LEAD_NS = 200 * MS
"""From the decision to the end of the load: every worker has heard of it by then."""
_UNSETTLED_NS = 100 * MS
"""A row may be written a little after the instant that it says its step ended at."""
_WORTH_A_LOOK = 0.9
_BETWEEN_LOOKS_NS = SECOND // 2
_SHARE_OF_TIME = 10
"""Looking takes at most one tenth of the time."""


@dataclass(frozen=True, slots=True)
class Hopeless:
    """That a limit can't be kept any more.

    Attributes:
        end_ns: When the load is to end, on the monotonic clock.
        cut: The same for the journal.
        limits: The limits that are broken even in the best case.
    """

    end_ns: int
    cut: Cut
    limits: tuple[ObjectiveResult, ...]


class Prospect:
    """Watches one stage.

    Attributes:
        found: That the stage is hopeless; None as long as it is not.

    Args:
        plan: The plan.
        plan_digest: SHA-256 of its source.
        policy: The rules.
        stage: The stage.
        spools: The workers' rows of this stage, one file per worker.
        epoch_ns: The run's epoch on the monotonic clock.
    """

    def __init__(
        self, plan: Plan, plan_digest: str, policy: Policy, stage: Stage, spools: Sequence[Path], epoch_ns: int
    ) -> None:
        self._plan, self._digest, self._policy, self._stage = plan, plan_digest, policy, stage
        self._spools, self._epoch_ns = tuple(spools), epoch_ns
        self._trial = plan.trials[stage.trial]
        self._limits = limits_of(self._trial)
        self._allowed = [_allowed(plan, stage, limit) for limit in self._limits]
        self._against = [0] * len(self._limits)
        self._told_ns: dict[int, int] = {}
        self._start_ns = 0
        self._not_before_ns = 0
        self._table: Timetable | None = None
        self.found: Hopeless | None = None

    def begin(self, start_ns: int) -> None:
        """Take the instant that arrivals count from."""
        self._start_ns = start_ns

    def take(self, tick: Tick) -> Hopeless | None:
        """Take one worker's report; return that the stage is hopeless, once, when it is."""
        self._told_ns[tick.worker] = tick.elapsed_ns
        for place, count in enumerate(tick.against):
            self._against[place] += count
        now_ns = time.monotonic_ns()
        worth = any(count > _WORTH_A_LOOK * most for count, most in zip(self._against, self._allowed, strict=True))
        if self.found or not worth or len(self._told_ns) < len(self._spools) or now_ns < self._not_before_ns:
            return None
        seen_ns = self._start_ns + min(self._told_ns.values()) - _UNSETTLED_NS
        broken = self._broken(seen_ns) if seen_ns > self._start_ns + self._stage.judged_from_ns else ()
        done_ns = time.monotonic_ns()
        self._not_before_ns = done_ns + max(_BETWEEN_LOOKS_NS, _SHARE_OF_TIME * (done_ns - now_ns))
        end_ns = done_ns + _LEAD_NS
        if not broken or end_ns >= self._start_ns + self._stage.profile.duration_ns:
            return None
        self.found = Hopeless(end_ns, Cut(seen_ns - self._epoch_ns, end_ns - self._epoch_ns), broken)
        return self.found

    def _broken(self, seen_ns: int) -> tuple[ObjectiveResult, ...]:
        if self._table is None:
            self._table = timetable(self._plan, self._digest, self._stage)
        cut = Cut(seen_ns - self._epoch_ns, seen_ns - self._epoch_ns)
        start_ns = self._start_ns - self._epoch_ns
        try:
            columns = self._columns()
        except EvidenceError:
            return ()  # the merge will say it
        found = prospects(self._plan, self._policy, self._trial, self._stage, columns, self._table, start_ns, cut)
        return tuple(result for result in found if result is not None and result.verdict is Verdict.FAIL)

    def _columns(self) -> StageColumns:
        """Return the rows so far as the verdict will see them."""
        arrays = [rows for path in self._spools if path.exists() for rows in read_frames(path, ROW_DTYPE)]
        rows = np.concatenate(arrays) if arrays else np.empty(0, ROW_DTYPE)
        rows = rows[rows["outcome"] != Outcome.RETRIED]
        column = {name: rows[name].astype(np.int64) for name in ("journey", "step", "outcome", "status")}
        sent = rows["sent_ns"]
        return StageColumns(
            journey=column["journey"],
            step=column["step"],
            session=rows["session"] % SESSION_STRIDE,
            intended_ns=rows["intended_ns"] - self._epoch_ns,
            sent_ns=np.where(sent == NEVER, NEVER, sent - self._epoch_ns),
            done_ns=rows["done_ns"] - self._epoch_ns,
            outcome=column["outcome"],
            status=column["status"],
        )


def _allowed(plan: Plan, stage: Stage, limit: Objective) -> float:
    """Return how much may speak against a limit over a whole stage; infinity where nobody knows how long that is."""
    scope, most = in_scope(plan, limit.step, limit.journey), most_records(plan)
    if limit.window_ns is not None or stage.users is not None or not scope.any() or (most[scope] < 0).any():
        return math.inf
    weights = np.array(plan.weights) / sum(plan.weights)
    steps = stage.judged.expected * float(weights @ np.where(scope, most, 0).sum(axis=1))
    if limit.metric is Metric.GOODPUT_RATE:
        return steps - limit.limit * stage.judged.duration_ns / SECOND
    if limit.is_share:
        return (limit.limit if limit.relation == "<=" else 1 - limit.limit) * steps
    return limit.limit * steps if limit.quantile is None else (1 - limit.quantile) * steps
