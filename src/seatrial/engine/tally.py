"""What a worker counts against a trial's limits while it runs, so that the run knows when to look closer.

A count of its own for each limit but capacity, over the judged steps that have ended:

    errors, goodput     steps that did not end ok
    errors of a kind    steps that ended in that way
    achieved            steps that were not sent
    a percentile        steps that took longer than the limit
    a mean              the sum of all times, in ns

Of admitted steps the clear refusals are left out. A limit on windows is judged when all is over.

The counts decide nothing: they tell when it is worth the while to judge the records (:mod:`seatrial.trials.prospect`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric, Objective
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import NEVER, REFUSALS, Outcome
from seatrial.samples.codec import Rows

__all__ = ["Tally"]


class Tally:
    """Counts one worker's rows of one stage.

    Args:
        plan: For the limits, and the names of journeys and steps.
        stage: The stage.
        start_ns: The instant that its arrivals count from.
    """

    def __init__(self, plan: Plan, stage: Stage, start_ns: int) -> None:
        self._judged_from_ns = start_ns + stage.judged_from_ns
        limits = [o for o in plan.trials[stage.trial].objectives if o.of_records]
        self._limits = [(limit, _scope(plan, limit)) for limit in limits]

    def count(self, rows: Rows) -> tuple[int, ...]:
        """Return for each limit what of these rows speaks against it.

        Args:
            rows: In the dtype of records, absolute times, shape (n,).
        """
        rows = rows[(rows["intended_ns"] >= self._judged_from_ns) & (rows["outcome"] != Outcome.RETRIED)]
        return tuple(
            _against(limit, rows if scope is None else rows[scope[rows["journey"], rows["step"]]])
            for limit, scope in self._limits
        )


def _scope(plan: Plan, limit: Objective) -> npt.NDArray[np.bool_] | None:
    """Return which steps a limit is on, shape (journeys, most steps); None for all."""
    if limit.step is None and limit.journey is None:
        return None
    labels = [journey.labels for journey in plan.journeys.values()]
    wanted = np.zeros((len(labels), max(map(len, labels))), dtype=np.bool_)
    for row, (name, steps) in enumerate(zip(plan.journeys, labels, strict=True)):
        wanted[row, : len(steps)] = [limit.step in (None, label) and limit.journey in (None, name) for label in steps]
    return wanted


_ENDS: Mapping[Metric, tuple[Outcome, ...]] = {
    Metric.TIMEOUTS: (Outcome.TIMEOUT, Outcome.IN_FLIGHT),
    Metric.HTTP_ERRORS: (Outcome.HTTP_ERROR,),
    Metric.FAILED_CHECKS: (Outcome.CHECK_FAILED,),
    Metric.CONNECTION_ERRORS: (Outcome.CONNECT_FAILED, Outcome.TLS_FAILED, Outcome.PROTOCOL_ERROR),
}


def _against(limit: Objective, rows: Rows) -> int:
    if limit.metric is Metric.REFUSALS or limit.admitted:
        refused = (rows["outcome"] == Outcome.HTTP_ERROR) & np.isin(rows["status"], REFUSALS)
        if not limit.admitted:
            return int(refused.sum())
        rows = rows[~refused]
    if limit.metric in (Metric.ERRORS, Metric.GOODPUT, Metric.GOODPUT_RATE):
        return int((rows["outcome"] != Outcome.OK).sum())
    if limit.metric in _ENDS:
        return int(np.isin(rows["outcome"], _ENDS[limit.metric]).sum())
    if limit.metric is Metric.ACHIEVED:
        return int((rows["sent_ns"] == NEVER).sum())
    since = rows["intended_ns"]
    if limit.metric is Metric.SERVICE_TIME:
        rows = rows[rows["sent_ns"] != NEVER]
        since = rows["sent_ns"]
    took = rows["done_ns"] - since
    return int(took.sum()) if limit.quantile is None else int((took > limit.limit).sum())
