"""Which records a limit is about, and which of them it counts.

"Of admitted" leaves out what the service refused clearly (an answer with status 429 or 503 that the step does not
expect), and with it the steps that a session gave up for that reason: those that were not tried any more in a session
in which nothing else went wrong. Where something else did, they count, since it may have been the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from seatrial.model.objective import Metric
from seatrial.model.sample import REFUSALS, Outcome
from seatrial.verdict.columns import StageColumns

__all__ = ["admitted", "hits", "refused"]

Bool = npt.NDArray[np.bool_]

_NO_ANSWER = (Outcome.TIMEOUT, Outcome.IN_FLIGHT)
_NO_CONNECTION = (Outcome.CONNECT_FAILED, Outcome.TLS_FAILED, Outcome.PROTOCOL_ERROR)


def refused(columns: StageColumns) -> Bool:
    """Return which steps the service refused clearly, shape (n,)."""
    return np.asarray((columns.outcome == Outcome.HTTP_ERROR) & np.isin(columns.status, REFUSALS))


def admitted(columns: StageColumns) -> Bool:
    """Return which steps the service did not refuse, shape (n,).

    Args:
        columns: Whole sessions: what a step of a session is left out for may be another step of it.
    """
    turned_away = refused(columns)
    given_up = columns.outcome == Outcome.ABORTED
    if not turned_away.any() or not given_up.any():
        return np.asarray(~turned_away)
    otherwise = ~(turned_away | given_up | columns.ok)
    only_refused = np.setdiff1d(columns.session[turned_away], columns.session[otherwise])
    return np.asarray(~(turned_away | (given_up & np.isin(columns.session, only_refused))))


_HITS: Mapping[Metric, Callable[[StageColumns], Bool]] = {
    Metric.ERRORS: lambda columns: ~columns.ok,
    Metric.TIMEOUTS: lambda columns: np.isin(columns.outcome, _NO_ANSWER),
    Metric.REFUSALS: refused,
    Metric.HTTP_ERRORS: lambda columns: np.asarray(columns.outcome == Outcome.HTTP_ERROR),
    Metric.FAILED_CHECKS: lambda columns: np.asarray(columns.outcome == Outcome.CHECK_FAILED),
    Metric.CONNECTION_ERRORS: lambda columns: np.isin(columns.outcome, _NO_CONNECTION),
    Metric.GOODPUT: lambda columns: columns.ok,
    Metric.GOODPUT_RATE: lambda columns: columns.ok,
    Metric.ACHIEVED: lambda columns: columns.sent,
}


def hits(metric: Metric, columns: StageColumns) -> Bool:
    """Return which steps a share counts, shape (n,).

    Raises:
        KeyError: the metric is no share of steps.
    """
    return _HITS[metric](columns)
