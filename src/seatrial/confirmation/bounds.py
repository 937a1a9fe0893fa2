"""The facts that a confirmation rests on: when one of them changes, it is void.

The field ``voidWhen`` of the confirmation:

    {"forecastAbove": {"journeysPerSecond": 44.0}, "dependencyLimits": {"sha256": "..."} | null,
     "drillValidUntil": "..." | null, "window": {"from": "...", "until": "..."} | null}
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.confirmation import reading
from seatrial.errors import EnvelopeError

__all__ = ["DRILL_VALIDITY", "VoidWhen", "highest_forecast_per_s", "parse_void_when"]

DRILL_VALIDITY = timedelta(days=90)
"""How long a contingency drill counts: the policy asks for one that is at most 90 days old."""

_FIELDS = {"forecastAbove", "dependencyLimits", "drillValidUntil", "window"}


def highest_forecast_per_s(tested_peak_per_s: float) -> float:
    """Return the highest forecast that a tested peak carries: 10 % above it, in journeys per second."""
    return tested_peak_per_s * 11 / 10


@dataclass(frozen=True, slots=True)
class VoidWhen:
    """What a confirmation rests on, beside its subjects.

    Attributes:
        forecast_above_per_s: The highest forecast that it carries, journeys per second; finite, above 0.
        dependency_limits_digest: SHA-256 of the document of dependency limits; None binds none.
        drill_valid_until: First moment at which the contingency drill no longer counts; None binds none.
        window: (from, until) of the event it is meant for, ``until`` not in it; None binds none.

    Raises:
        EnvelopeError: The rate is none, or the window is empty.
    """

    forecast_above_per_s: float
    dependency_limits_digest: str | None = None
    drill_valid_until: datetime | None = None
    window: tuple[datetime, datetime] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.forecast_above_per_s) and self.forecast_above_per_s > 0):
            _refuse("the highest forecast is not a rate above 0", self.forecast_above_per_s)
        if self.window is not None and self.window[1] <= self.window[0]:
            _refuse("the window ends before it begins", to_rfc3339(self.window[1]))

    def contradictions(self, issued_at: datetime, tested_peak_per_s: float, *, in_force: bool) -> tuple[str, ...]:
        """Say what no confirmation of this peak, issued then, can rest on.

        Args:
            issued_at: When the confirmation is issued, UTC.
            tested_peak_per_s: P in the trial.
            in_force: Whether it permits anything; a refusal may name a drill that is too old.
        """
        found = []
        if self.forecast_above_per_s > highest_forecast_per_s(tested_peak_per_s) * (1 + 1e-12):
            found.append(
                f"it carries a forecast of {self.forecast_above_per_s:g}/s, more than 10 % above the tested peak"
            )
        if self.drill_valid_until is not None and self.drill_valid_until > issued_at + DRILL_VALIDITY:
            found.append(f"its drill is in the future: valid until {to_rfc3339(self.drill_valid_until)}")
        if in_force and self.drill_valid_until is not None and self.drill_valid_until <= issued_at:
            found.append(f"its drill counted until {to_rfc3339(self.drill_valid_until)}, {DRILL_VALIDITY.days} days")
        if in_force and self.window is not None and self.window[1] <= issued_at:
            found.append(f"its window was over at {to_rfc3339(self.window[1])}")
        return tuple(found)

    def to_object(self) -> dict[str, Any]:
        """Return the field ``voidWhen``."""
        drill, window = self.drill_valid_until, self.window
        return {
            "forecastAbove": {"journeysPerSecond": self.forecast_above_per_s},
            "dependencyLimits": reading.maybe(self.dependency_limits_digest),
            "drillValidUntil": None if drill is None else to_rfc3339(drill),
            "window": None if window is None else {"from": to_rfc3339(window[0]), "until": to_rfc3339(window[1])},
        }


def parse_void_when(value: object) -> VoidWhen:
    """Read the field ``voidWhen``, strictly.

    Raises:
        EnvelopeError: A field missing, unknown or malformed.
    """
    found = reading.fields(value, _FIELDS, "voidWhen")
    limits, drill, window = found["dependencyLimits"], found["drillValidUntil"], found["window"]
    period = None if window is None else reading.fields(window, {"from", "until"}, "window")
    return VoidWhen(
        forecast_above_per_s=reading.rate(found["forecastAbove"], "forecastAbove"),
        dependency_limits_digest=None if limits is None else reading.digest(limits, "dependencyLimits"),
        drill_valid_until=None if drill is None else reading.moment(drill, "drillValidUntil"),
        window=None
        if period is None
        else (
            reading.moment(period["from"], "from of the window"),
            reading.moment(period["until"], "until of the window"),
        ),
    )


def _refuse(what: str, value: object) -> None:
    raise EnvelopeError(f"the bound facts can't stand: {what}", value=value, remedy="State them again.")
