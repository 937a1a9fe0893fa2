"""Selection and dossier: what a policy says of which systems are put to trial, and of what they must show for it.

The score of a system is the sum over all factors of weight × level / 4, with a level from 0 to 4 for each factor. With
weights that sum to 100 it lies between 0 and 100. An override selects whatever the score.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from seatrial.model.document import Identifier, Strict, rule_broken

__all__ = ["HIGHEST_LEVEL", "DossierItem", "Factor", "Override", "Selection", "Words"]

HIGHEST_LEVEL = 4
"""Levels go from 0 to this, in every factor."""

Level: TypeAlias = Annotated[int, Field(ge=0, le=HIGHEST_LEVEL)]
Score: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Sentence: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]


class Words(Strict):
    """A text in both languages.

    Attributes:
        en: English.
        zh: Traditional Chinese.
    """

    en: Sentence
    zh: Sentence


class Factor(Strict):
    """One thing that makes a system worth a trial.

    Attributes:
        name: Identifies it in scores and overrides.
        weight: Its share of the score at the highest level.
        title: For people.
        levels: What each level means, from 0 to 4: exactly five.
    """

    name: Identifier
    weight: Annotated[float, Field(gt=0, le=100)]
    title: Words
    levels: tuple[Words, ...] = Field(min_length=HIGHEST_LEVEL + 1, max_length=HIGHEST_LEVEL + 1)


class Override(Strict):
    """Levels that select a system whatever its score: all of those named here reached.

    Attributes:
        at_least: Lowest level by name of the factor; at least one.
    """

    at_least: dict[Identifier, Annotated[int, Field(ge=1, le=HIGHEST_LEVEL)]] = Field(min_length=1)


class Selection(Strict):
    """Which systems are selected.

    Attributes:
        selected_from: From this score on a system is selected.
        panel_from: From this score on, and below ``selected_from``, a panel decides with reasons; below it the
            department's own declaration is enough.
        expires_after_months: How long a decision not to select holds at the most.
        factors: What the score is made of; weights sum to 100.
        overrides: What selects regardless; any of them is enough.
    """

    selected_from: Score
    panel_from: Score
    expires_after_months: Annotated[int, Field(ge=1, le=60)]
    factors: tuple[Factor, ...] = Field(min_length=1)
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Selection:
        names = [factor.name for factor in self.factors]
        for name in names:
            if names.count(name) > 1:
                raise rule_broken(f"the factor {name} twice; name each factor once", "factors")
        total = sum(factor.weight for factor in self.factors)
        if abs(total - 100) > 1e-9:
            raise rule_broken(f"weights that sum to {total:g}; make them sum to 100", "factors")
        if self.panel_from > self.selected_from:
            raise rule_broken("panel_from above selected_from; put it at or below", "panel_from")
        for override in self.overrides:
            for name in override.at_least:
                if name not in names:
                    raise rule_broken(f"an override by {name}, which is no factor; name a factor", "overrides")
        return self


class DossierItem(Strict):
    """One document, or set of documents, that the readiness dossier must hold.

    Attributes:
        name: Identifies it.
        title: For people.
    """

    name: Identifier
    title: Words
