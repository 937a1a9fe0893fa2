"""Is there still a warm-up in what a load trial judges? It is said, never cut: what is judged is the plan's to say."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.model.profile import Stage
from seatrial.model.trial import LoadTrial, Trial
from seatrial.model.verdict import Reason, StageResult, WarmUp
from seatrial.stats.warmup import Observed
from seatrial.units import format_duration
from seatrial.verdict.columns import Rows, StageColumns
from seatrial.verdict.facts import Facts, facts_of

__all__ = ["Warming", "warm_up_of", "warm_ups"]


class Warming:
    """Looks for a warm-up in a stage's judged records.

    Only a load that stays as it is can be told from its beginning: a level, or users who are all there. Where the load
    itself changes, or rises from step to step, response times change with it: then nothing is looked for.

    Args:
        trial: The stage's.
        stage: What of it was offered.
        facts: Of its judged records.
    """

    def __init__(self, trial: Trial, stage: Stage, facts: Facts) -> None:
        profile = stage.judged
        level = isinstance(trial, LoadTrial) and facts.count > 0 and profile.peak == profile.lowest
        self._first_ns = facts.first_ns
        self._observed = Observed(profile.duration_ns, facts.count) if level else None

    def take(self, columns: StageColumns) -> None:
        """Take some of the records in."""
        if self._observed is not None:
            self._observed.add(columns.intended_ns - self._first_ns, columns.done_ns - columns.intended_ns)

    def found(self) -> WarmUp | None:
        """Return the warm-up that all of the records show; None where there is none, or nothing is held."""
        found = None if self._observed is None else self._observed.warm_up()
        return None if found is None else WarmUp(**{name: getattr(found, name) for name in WarmUp.model_fields})


def warm_up_of(trial: Trial, stage: Stage, judged: Rows) -> WarmUp | None:
    """Return the warm-up in a stage's judged records; None where none is found or nothing is held."""
    warming = Warming(trial, stage, facts_of(judged))
    for part in judged.parts():
        warming.take(part)
    return warming.found()


def warm_ups(results: Sequence[StageResult]) -> list[Reason]:
    """Return a sentence for each stage that was judged with a warm-up in it."""
    return [
        Reason(
            code="load.warm_up",
            params={
                "length": format_duration(result.warm_up.length_ns),
                "judged": format_duration(result.duration_ns),
                "before": format_duration(result.warm_up.before_ns),
                "after": format_duration(result.warm_up.after_ns),
            },
        )
        for result in results
        if result.warm_up is not None
    ]
