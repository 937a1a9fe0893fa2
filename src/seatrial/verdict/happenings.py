"""Was everything done to the service that the trial says, and when it says?

A recovery trial whose fault was never made, or a size that the service was never given, shows nothing. A fault must
begin within a second of its moment: otherwise a good part of what is taken for the time before it is the time after.
What ends it counts from its last answer, and half of the time after it must then be left to see the service in.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.model.journal import StageLog, TrialLog
from seatrial.model.profile import Stage
from seatrial.model.trial import Trial
from seatrial.model.verdict import Reason
from seatrial.units import SECOND, format_duration

__all__ = ["MOST_LATE_NS", "check_happenings", "disturbance_end_ns"]

MOST_LATE_NS = SECOND


def check_happenings(
    trial: Trial, stage: Stage, last: Stage | None, begun: StageLog, log: TrialLog
) -> Iterator[Reason]:
    """Yield a reason for everything that was to be done in a stage, or before it, and was not, or not in time.

    Args:
        trial: The stage's.
        stage: As planned.
        last: The stage that was offered before it; None for the first.
        begun: When it ran.
        log: What the journal says of the trial.
    """
    done = {entry.name: entry for entry in log.happenings if entry.stage == stage.index}
    wanted = trial.beforehand(stage, last)
    if wanted is not None and (wanted.name not in done or done[wanted.name].ended_ns > begun.started_ns):
        yield Reason(code="validity.not_done", params={"name": wanted.name, "level": stage.name})
    for happening in trial.happenings(stage):
        entry = done.get(happening.name)
        if entry is None:
            yield Reason(code="validity.not_done", params={"name": happening.name, "level": stage.name})
            continue
        late_ns = entry.began_ns - (begun.started_ns + happening.at_ns)
        if not -SECOND // 10 <= late_ns <= MOST_LATE_NS:
            params = {"name": happening.name, "late": format_duration(abs(late_ns))}
            yield Reason(code="validity.done_late", params=params | {"limit": format_duration(MOST_LATE_NS)})
    for after in stage.periods:
        late_ns = max((entry.ended_ns for entry in done.values()), default=0) - begun.started_ns - after.from_ns
        limit_ns = (after.to_ns - after.from_ns) // 2
        if after.role == "after" and late_ns > limit_ns:
            params = {"late": format_duration(late_ns), "limit": format_duration(limit_ns)}
            name = max(done.values(), key=lambda entry: entry.ended_ns).name
            yield Reason(code="validity.done_late", params={"name": name} | params)


def disturbance_end_ns(stage: Stage, begun: StageLog, log: TrialLog, planned_ns: int) -> int:
    """Return when a disturbance was over, from the stage's start: as planned, or when its mending was sent.

    Not when that was answered: a service that answers only once it is well again would have recovered in no time. Of
    a fault that nobody mends it is the moment when the request that makes it was sent.

    Args:
        stage: The stage.
        begun: When it ran.
        log: What the journal says of the trial.
        planned_ns: As planned, from the stage's start.
    """
    sent = [entry.began_ns - begun.started_ns for entry in log.happenings if entry.stage == stage.index]
    return max([planned_ns, *sent])
