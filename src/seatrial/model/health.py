"""The generator's own health: one row per worker and second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from seatrial.units import MS

__all__ = [
    "HEALTH_COLUMNS",
    "LAG_COLUMNS",
    "LAG_EDGES_NS",
    "LONG_TURN_NS",
    "UNKNOWN",
    "lag_counts",
    "lag_quantile_bounds",
]

UNKNOWN = -1
"""A figure that the machine does not tell; never zero, which would be an answer."""

LONG_TURN_NS = 10 * MS
"""A turn of the event loop that is longer is counted."""

LAG_EDGES_NS = (100_000, 300_000, MS, 3 * MS, 10 * MS, 30 * MS, 100 * MS)
"""Upper edges, each of its own bucket, of the send-lag histogram; what is above the last is in a bucket of its own."""

LAG_COLUMNS = (
    "lag_to_100us",
    "lag_to_300us",
    "lag_to_1ms",
    "lag_to_3ms",
    "lag_to_10ms",
    "lag_to_30ms",
    "lag_to_100ms",
    "lag_above_100ms",
)
"""One column per bucket: the steps that were sent with a lag above the bucket before and up to its own edge."""

HEALTH_COLUMNS: tuple[tuple[str, str], ...] = (
    # name, numpy type
    ("worker", "<i2"),
    ("at_ns", "<i8"),
    ("cpu_share", "<f8"),
    ("busy_share", "<f8"),
    ("stall_ns", "<i8"),
    ("long_turns", "<i4"),
    ("gc_ns", "<i8"),
    ("rss_bytes", "<i8"),
    ("sessions", "<i4"),
    ("connections", "<i4"),
    ("ports_limit", "<i4"),
    ("ports_refused", "<i4"),
    ("open_files", "<i4"),
    ("files_limit", "<i8"),
    ("files_refused", "<i4"),
    ("machine_cpu", "<f8"),
    ("steal_share", "<f8"),
    ("clock_offset_ns", "<i8"),
    ("tcp_retransmits", "<i8"),
    ("listen_overflows", "<i8"),
    ("listen_drops", "<i8"),
    ("udp_errors", "<i8"),
    *((name, "<i4") for name in LAG_COLUMNS),
)
"""Of the worker, since its last row where nothing else is said:

``at_ns`` from the run's epoch, on the monotonic clock; ``cpu_share`` of one core; ``busy_share`` the share of the time
in which the event loop was not waiting, whether it worked or was kept from it: at 1 it is saturated, while the
processor's share also counts what a virtual machine takes for every wait; ``stall_ns`` the longest turn of
the event loop and ``long_turns`` how many were longer than ``LONG_TURN_NS``; ``gc_ns`` time in garbage collection;
``rss_bytes`` memory now; ``sessions`` and ``connections`` now; ``open_files`` descriptors now and ``files_limit`` how
many it may have; ``files_refused`` and ``ports_refused`` connections that failed for want of a descriptor or of a
local port; ``lag_*`` the histogram of send lag, over the steps that ended, whatever becomes of their records.

Of the machine, the same in every worker's rows: ``ports_limit`` how many connections its local ports allow towards
the target, for all workers together; ``machine_cpu`` the busy share of all cores; ``steal_share`` what the hypervisor
took of one core, of the one that lost most among those that the worker may run on: a mean over many cores would hide
the one that is taken; ``clock_offset_ns`` the wall clock less the monotonic clock now, which changes only when the
wall clock is set; ``tcp_retransmits`` segments sent again, ``listen_overflows`` and ``listen_drops`` connections
that a full queue turned away on this machine, ``udp_errors`` datagrams that were received and lost. Each of the last
six is ``UNKNOWN`` where the machine does not tell, and so are the limits."""


def lag_counts(lag_ns: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Return the histogram of send lags in the order of ``LAG_COLUMNS``; its sum is the number of lags.

    Args:
        lag_ns: From the intended start to the actual send, one for each step that was sent; possibly none.
    """
    up_to = [int(np.count_nonzero(lag_ns <= edge)) for edge in LAG_EDGES_NS]
    return tuple(np.diff([0, *up_to, len(lag_ns)]).tolist())


def lag_quantile_bounds(counts: Sequence[int], share: float) -> tuple[int, int | None] | None:
    """Return between which edges a quantile of send lag lies, in ns: above the first and up to the second.

    The quantile is the smallest lag that at least ``share`` of all lags do not exceed. The first bucket has no lower
    edge but zero, which a lag may equal; the last has no upper edge: None.

    Args:
        counts: A histogram, or the sum of several.
        share: Above 0, at most 1; its rank is found as for the records (:func:`seatrial.stats.binomial.rank_of`).

    Returns:
        None for a histogram of nothing.
    """
    total = sum(counts)
    if not total:
        return None
    rank = max(1, math.ceil(round(total * share, 9)))
    place = next(place for place, seen in enumerate(accumulate(counts)) if seen >= rank)
    upper = LAG_EDGES_NS[place] if place < len(LAG_EDGES_NS) else None
    return (LAG_EDGES_NS[place - 1] if place else 0), upper
