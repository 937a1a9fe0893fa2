"""The demand challenge: what P would be if more came by as much as came elsewhere. A question, not a rule.

The incidents are data (``incidents.toml``): each has what was planned and what came from one public report, which is
named. What was planned is not the same thing everywhere, and five incidents are no distribution: nothing is averaged.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from seatrial.model.demand import round_up
from seatrial.model.reasons import Language

__all__ = ["Challenge", "Incident", "challenges", "incidents"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of which both figures are public.

    Attributes:
        what: Service, place and time, by language.
        against: What was planned: expected, built for, or seen before, by language.
        unit: Of both figures, by language.
        planned: Above zero.
        came: In the same unit.
        source: The public report, with its address.
    """

    what: dict[Language, str]
    against: dict[Language, str]
    unit: dict[Language, str]
    planned: float
    came: float
    source: str

    @property
    def multiple(self) -> float:
        """Return how many times what was planned came."""
        return self.came / self.planned


@dataclass(frozen=True, slots=True)
class Challenge:
    """One incident, and P at its multiple.

    Attributes:
        incident: What happened.
        peak: Journeys per second, rounded up to three significant figures.
    """

    incident: Incident
    peak: float


@cache
def incidents() -> tuple[Incident, ...]:
    """Return the incidents, the smallest multiple first."""
    text = resources.files("seatrial.authoring").joinpath("incidents.toml").read_text(encoding="utf-8")
    found = (Incident(**each) for each in tomllib.loads(text)["incident"])
    return tuple(sorted(found, key=lambda incident: incident.multiple))


def challenges(peak: float) -> tuple[Challenge, ...]:
    """Return what ``peak``, P in journeys per second, would be at the multiple of each incident."""
    return tuple(Challenge(incident, round_up(peak * incident.multiple)) for incident in incidents())
