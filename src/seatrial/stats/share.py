"""A share of records, with exact binomial bounds at an effective sample size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batched, Batches
from seatrial.stats.binomial import clopper_pearson

__all__ = ["bounded_share", "share_of"]


def bounded_share(hit: npt.NDArray[np.bool_], batches: Batches, confidence: float) -> Bounded:
    """Return the share of hits, a fraction of one, with Clopper-Pearson bounds.

    Hits and records are both divided by the design effect (Korn and Graubard 1998). Where all or none are hits, the
    batches say nothing about how they cluster, and the records count as independent.

    Args:
        hit: Shape (n,).
        batches: The same records grouped by time.
        confidence: Two-sided, in (0, 1).

    Returns:
        All None without records.
    """
    return share_of(batches.grid.counts(batches.at_ns[hit]), batches, confidence)


def share_of(hits_per_batch: npt.NDArray[np.int64], batched: Batched, confidence: float) -> Bounded:
    """Return the same from the hits of each batch, shape (batches,)."""
    n = batched.count
    if not n:
        return Bounded(estimate=None, lower=None, upper=None)
    hits, effect = int(hits_per_batch.sum()), batched.effect(hits_per_batch, confidence)
    lower, upper = clopper_pearson(hits / effect, n / effect, confidence)
    share = hits / n
    return Bounded(estimate=share, lower=min(lower, share), upper=max(upper, share))
