"""Screening: how much a system matters, in points, with each point accounted for.

    score = Σ weight_f × level_f / 4        weight_f: the factor's weight, all together 100; level_f: 0 to 4

Pure, and the whole of it comes from the policy (:mod:`seatrial.model.selection`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from seatrial.errors import UsageError
from seatrial.model.selection import HIGHEST_LEVEL, Factor, Override, Selection, Words

__all__ = ["Outcome", "Score", "ScoredFactor", "score"]


class Outcome(StrEnum):
    """What the score says. The panel decides; it can't leave unselected what must be selected."""

    SELECTED = "selected"
    PANEL = "panel"
    SELF_DECLARATION = "self_declaration"


@dataclass(frozen=True, slots=True)
class ScoredFactor:
    """One factor's part of the score.

    Attributes:
        factor: The policy's words about it.
        level: 0 to 4.
        points: weight × level / 4.
    """

    factor: Factor
    level: int
    points: float

    @property
    def meaning(self) -> Words:
        """What the policy says that this level means."""
        return self.factor.levels[self.level]


@dataclass(frozen=True, slots=True)
class Score:
    """A score, explained.

    Attributes:
        factors: Every factor of the policy, in its order.
        points: Their sum, 0 to 100.
        overrides: The policy's overrides that apply, each of which selects regardless of ``points``.
        outcome: What follows.
    """

    factors: tuple[ScoredFactor, ...]
    points: float
    overrides: tuple[Override, ...]
    outcome: Outcome


def score(selection: Selection, levels: Mapping[str, int]) -> Score:
    """Return the score of a system.

    Args:
        selection: The policy's rules.
        levels: A level of 0 to 4 for each factor of the policy, by the factor's name; none missing, none else.

    Raises:
        UsageError: A factor has no level, a level is out of range, or one is given for what is no factor.
    """
    names = {factor.name for factor in selection.factors}
    if unknown := sorted(set(levels) - names):
        raise UsageError("a level for what is no factor of the policy", value=unknown[0], remedy="Leave it out.")
    for name in (factor.name for factor in selection.factors):
        if name not in levels:
            raise UsageError("a factor has no level", value=name, remedy=f"Give it one from 0 to {HIGHEST_LEVEL}.")
        level = levels[name]
        if type(level) is not int or not 0 <= level <= HIGHEST_LEVEL:  # True is an int, and no level
            raise UsageError(
                f"the level of {name} is no whole number from 0 to {HIGHEST_LEVEL}",
                value=repr(level),
                remedy="Choose one of the policy's five levels.",
            )
    factors = tuple(
        ScoredFactor(factor, levels[factor.name], factor.weight * levels[factor.name] / HIGHEST_LEVEL)
        for factor in selection.factors
    )
    # Rounded far below a point, so that a sum of fractions that is 60 on paper is not 59.999… here.
    points = round(sum(part.points for part in factors), 9)
    overrides = tuple(
        override
        for override in selection.overrides
        if all(levels[name] >= least for name, least in override.at_least.items())
    )
    if overrides or points >= selection.selected_from:
        outcome = Outcome.SELECTED
    else:
        outcome = Outcome.PANEL if points >= selection.panel_from else Outcome.SELF_DECLARATION
    return Score(factors, points, overrides, outcome)
