"""What a series of the service's own figures showed, as it stands in a verdict."""

from __future__ import annotations

from seatrial.model.document import Strict
from seatrial.model.verdict_parts import Bounded
from seatrial.units import AmountUnit

__all__ = ["TelemetryResult"]


class TelemetryResult(Strict):
    """One series over the judged time of a stage.

    Attributes:
        series: ``source.series``.
        unit: Of the figures.
        due: Readings that were due.
        readings: Those that are there.
        mean: With bounds; all None without readings.
        p95: Of the readings; None without any.
        highest: Likewise.
    """

    series: str
    unit: AmountUnit
    due: int
    readings: int
    mean: Bounded
    p95: float | None
    highest: float | None
