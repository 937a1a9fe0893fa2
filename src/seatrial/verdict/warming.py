"""Is there still a warm-up in what a load trial judges? It is said, never cut: what is judged is the plan's to say."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.model.profile import Stage
from seatrial.model.trial import LoadTrial, Trial
from seatrial.model.verdict import Reason, StageResult, WarmUp
from seatrial.stats.warmup import warm_up
from seatrial.units import format_duration
from seatrial.verdict.inputs import StageColumns

__all__ = ["warm_up_of", "warm_ups"]


def warm_up_of(trial: Trial, stage: Stage, judged: StageColumns) -> WarmUp | None:
    """Return the warm-up in a stage's judged records; None where none is found or nothing is held.

    Only a load that stays as it is can be told from its beginning: a level, or users who are all there. Where the load
    itself changes, or rises from step to step, response times change with it.

    Args:
        trial: The stage's.
        stage: What of it was offered.
        judged: Its judged records.
    """
    if not isinstance(trial, LoadTrial) or not len(judged):
        return None
    profile = stage.judged
    if profile.peak != profile.lowest:
        return None
    at_ns = judged.intended_ns - judged.intended_ns.min()
    found = warm_up(at_ns, judged.done_ns - judged.intended_ns, profile.duration_ns)
    return None if found is None else WarmUp(**{name: getattr(found, name) for name in WarmUp.model_fields})


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
