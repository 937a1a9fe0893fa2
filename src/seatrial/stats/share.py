"""A share of records, with exact binomial bounds at an effective sample size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.model.verdict import Bounded
from seatrial.stats.batches import Batches
from seatrial.stats.binomial import clopper_pearson

__all__ = ["bounded_share"]


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
    n = len(hit)
    if not n:
        return Bounded(estimate=None, lower=None, upper=None)
    hits, effect = int(hit.sum()), batches.design_effect(hit, confidence)
    lower, upper = clopper_pearson(hits / effect, n / effect, confidence)
    share = hits / n
    return Bounded(estimate=share, lower=min(lower, share), upper=max(upper, share))
