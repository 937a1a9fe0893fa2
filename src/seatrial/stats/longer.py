"""How much longer a trial would have to be to decide.

A bound closes in on its estimate with 1/sqrt(n). For shares, and for quantiles (whether a quantile keeps a limit is
whether the share of records within the limit keeps q), the length is found by asking the exact bound itself, with
the same share and clustering, at growing n; that is right for small counts too, where 1/sqrt(n) is not.
"""

from __future__ import annotations

import math

from seatrial.stats.binomial import clopper_pearson

__all__ = ["HOPELESS", "longer_for_mean", "longer_for_share"]

HOPELESS = 100.0
"""From this multiple on, no practical length decides."""

_LEAST = 1.1
_HALVINGS = 30


def longer_for_share(share: float, effective: float, threshold: float, confidence: float) -> float | None:
    """Return the multiple of the present length at which the bound of ``share`` clears ``threshold``.

    Args:
        share: Measured, in [0, 1], taken to persist.
        effective: Effective records now, above zero.
        threshold: The share to be told apart from, in [0, 1].
        confidence: Two-sided.

    Returns:
        At least 1.1; None when not even a hundred times the length would do.
    """

    def clears(multiple: float) -> bool:
        m = effective * multiple
        lower, upper = clopper_pearson(share * m, m, confidence)
        return lower >= threshold if share > threshold else upper <= threshold

    if share == threshold or not clears(HOPELESS):
        return None
    low, high = 0.0, math.log(HOPELESS)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if clears(math.exp(middle)) else (middle, high)
    return max(_LEAST, math.ceil(math.exp(high) * 10 - 1e-6) / 10)


def longer_for_mean(half_width: float, gap: float) -> float | None:
    """Return (half_width / gap)^2, at least 1.1; None from a hundred on, or without a gap.

    Args:
        half_width: From the estimate to its bound.
        gap: From the estimate to the limit, in the same unit.
    """
    if gap <= 0 or half_width / gap >= math.sqrt(HOPELESS):
        return None
    return max(_LEAST, math.ceil((half_width / gap) ** 2 * 10 - 1e-6) / 10)
