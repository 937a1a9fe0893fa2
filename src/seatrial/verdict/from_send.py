"""Would a tool that counts from the send have given another answer?

Response time counts from the moment a step was meant to start, service time from the moment it was sent. Between them
lies whatever made the step wait, and a tool that sends when it can and counts from then never sees it (coordinated
omission: G. Tene, *How NOT to Measure Latency*, 2013). Both stand in every stage's result, and are a finding when

1. a limit on a percentile of response time is kept by one measured figure and broken by the other; or else
2. p99 from the intended start is more than one and a half times p99 from the send, and a millisecond longer.

The figures are compared as measured, without their bounds, as such a tool would show them. A figure that steps without
an answer hide is compared with nothing, nor is one that takes for granted what was not offered any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.model.objective import Metric, Objective
from seatrial.model.trial import StressTrial, Trial
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult
from seatrial.units import MS, format_duration
from seatrial.verdict.limits import Sample, limits_of
from seatrial.verdict.phrasing import objective_reason, times

__all__ = ["late_sends", "other_answers", "with_from_send"]

_RATIO, _LEAST_NS = 1.5, MS


def with_from_send(sample: Sample, limit: Objective, result: ObjectiveResult) -> ObjectiveResult:
    """Return the result of a limit on a percentile of response time with that percentile from the send beside it.

    Args:
        sample: The records.
        limit: Any limit that records keep or break.
        result: What the records say of it; returned as it is where it is of another kind, or on windows.
    """
    if limit.metric is not Metric.RESPONSE_TIME or limit.quantile is None or limit.window_ns is not None:
        return result
    sent = sample.from_send(limit.step, limit.journey, limit.admitted).estimate(limit.quantile)
    return result.model_copy(update={"from_send": sent})


def other_answers(trial: Trial, results: Sequence[StageResult]) -> list[Reason]:
    """Return a sentence for each limit that the other figure would have decided otherwise (rule 1), at its first level.

    Args:
        trial: The trial.
        results: Of its stages.
    """
    found: list[Reason] = []
    for place, limit in enumerate(limits_of(trial)):
        for stage in results:
            shown = stage.objectives[place]
            value, sent = shown.value.estimate, shown.from_send
            if value is None or sent is None or shown.best_case or limit.meets(value) == limit.meets(sent):
                continue
            level = stage.name if isinstance(trial, StressTrial) else None
            params = objective_reason(limit, shown, level).params | {"sent": format_duration(sent)}
            code = "objective.kept_from_send" if limit.meets(sent) else "objective.broken_from_send"
            found.append(Reason(code=code, params=params))
            break
    return found


def late_sends(results: Sequence[StageResult]) -> list[Reason]:
    """Return a sentence on the stage where both figures of p99 are furthest apart (rule 2), where they are far."""
    far = [
        (stage.p99_ns / stage.service_p99_ns, stage, stage.p99_ns, stage.service_p99_ns)
        for stage in results
        if stage.p99_ns and stage.service_p99_ns
        if stage.p99_ns > _RATIO * stage.service_p99_ns and stage.p99_ns - stage.service_p99_ns >= _LEAST_NS
    ]
    if not far:
        return []
    ratio, stage, response_ns, sent_ns = max(far, key=lambda one: one[0])
    figures = {"level": stage.name, "response": format_duration(response_ns), "sent": format_duration(sent_ns)}
    return [Reason(code="steps.sent_late", params=figures | {"times": times(ratio)})]
