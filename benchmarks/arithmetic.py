"""What percentiles must be when a service freezes, by arithmetic. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Freeze", "relative_error"]


@dataclass(frozen=True, slots=True)
class Freeze:
    """Load at an even rate against a service that answers in a fixed time and stands still once.

    An arrival u seconds before the end of the freeze waits u and is then served: response time is u + service time,
    all those who waited being served side by side. The arrivals that fall into the freeze are a share
    ``freeze_s / total_s`` of all, their u even between 0 and ``freeze_s``; everybody else takes ``service_s``.

    Attributes:
        service_s: Service time, seconds.
        freeze_s: Length of the freeze, seconds, within the run.
        total_s: Length of the run, seconds.
    """

    service_s: float
    freeze_s: float
    total_s: float

    def __post_init__(self) -> None:
        if not 0 < self.freeze_s < self.total_s or self.service_s < 0:
            raise ValueError(f"a freeze lies within its run: {self}")

    def quantile(self, q: float) -> float:
        """Return the q-quantile of response time in seconds, 0 < q < 1.

        Of all arrivals a share 1 - q is slower; if that is less than the freeze's share f = freeze/total, the
        quantile is ``service + freeze * (1 - (1 - q) / f)``.
        """
        if not 0 < q < 1:
            raise ValueError(f"a quantile lies between 0 and 1, both excluded: {q}")
        slower, frozen = 1 - q, self.freeze_s / self.total_s
        return self.service_s + (self.freeze_s * (1 - slower / frozen) if slower < frozen else 0.0)


def relative_error(reported: float, truth: float) -> float:
    """Return how far a report is from the truth as a share of the truth; negative: it reports less.

    Raises:
        ValueError: the truth is not above zero.
    """
    if truth <= 0:
        raise ValueError(f"no truth to compare with: {truth}")
    return reported / truth - 1
