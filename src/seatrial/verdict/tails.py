"""What a level of a stress trial tells of its limits beside PASS and FAIL: how far it is on which side of each.

Capacity is fitted to these (:mod:`seatrial.verdict.capacity`). They are in the result of every stage, so that a search
needs nothing but results, and can be replayed from them.
"""

from __future__ import annotations

from seatrial.model.objective import Metric, Objective
from seatrial.model.trial import StressTrial, Trial
from seatrial.model.verdict import ObjectiveResult
from seatrial.model.verdict_capacity import Pace, Tail
from seatrial.stats.binomial import rank_of
from seatrial.verdict.limits import Sample

__all__ = ["pace_of", "with_tail"]

_DECIMALS = 12


def with_tail(trial: Trial, sample: Sample, limit: Objective, result: ObjectiveResult) -> ObjectiveResult:
    """Return the result of a limit at a level with what lies beyond it; as it is in other kinds of trial.

    Args:
        trial: The trial.
        sample: The level's records.
        limit: Any limit that records keep or break.
        result: What they say of it. A limit on windows is on what there was and no share of records, and what goodput
            per second asks falls as more is offered: nothing is fitted to these.
    """
    if not isinstance(trial, StressTrial) or limit.window_ns is not None or limit.metric is Metric.GOODPUT_RATE:
        return result
    if not result.samples:
        return result
    if not limit.is_time:
        return result.model_copy(update={"tail": _share_tail(sample, limit)})
    times = sample.times(limit.metric, limit.step, limit.journey, limit.admitted)
    if limit.quantile is None:
        mean, error = times.waited()
        hidden = result.value.estimate is None
        return result if hidden or not error or mean <= 0 else result.model_copy(update={"error": round(error, 3)})
    count = len(times)
    tail = Tail(
        allowed=1 - rank_of(count, limit.quantile) / count,
        share=1 - times.within(limit.limit, pessimistic=True) / count,
        least=1 - times.within(limit.limit, pessimistic=False) / count,
        effective=_effective(count, times.plain_effect_at(limit.limit, pessimistic=True)),
    )
    return result.model_copy(update={"tail": tail})


def _share_tail(sample: Sample, limit: Objective) -> Tail:
    hits, batched = sample.counted(limit)
    share = int(hits.sum()) / batched.count
    beyond = share if limit.relation == "<=" else 1 - share
    effect = batched.plain_effect(hits)
    return Tail(
        allowed=limit.limit if limit.relation == "<=" else 1 - limit.limit,
        share=beyond,
        least=beyond,
        effective=_effective(batched.count, effect),
    )


def _effective(count: int, effect: float) -> float:
    return round(count / effect, _DECIMALS)


def pace_of(trial: Trial, sample: Sample, count: int, seconds: float, confidence: float) -> Pace | None:
    """Return goodput and mean response time of a level of a stress trial; None of other kinds and without records.

    Args:
        trial: The trial.
        sample: The records.
        count: How many there are.
        seconds: Judged time.
        confidence: Of the bounds, two-sided.
    """
    if not isinstance(trial, StressTrial) or not count:
        return None
    mean_ns, error_ns = sample.times(Metric.RESPONSE_TIME, None, None).waited()
    goodput = sample.share_ok(confidence)
    rate = count / seconds
    bounds = {name: None if one is None else one * rate for name, one in goodput.model_dump().items()}
    return Pace.model_validate({"mean_ns": mean_ns, "error_ns": error_ns, "goodput_per_s": bounds})
