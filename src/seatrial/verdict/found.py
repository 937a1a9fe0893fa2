"""What is gathered on one trial before its verdict, and what its kind then concludes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.model.profile import Stage
from seatrial.model.verdict import ObjectiveResult, Reason, StageResult, Verdict
from seatrial.units import format_duration
from seatrial.verdict.calibration import OfferedLoad
from seatrial.verdict.hopeless import Offered

__all__ = ["Conclusion", "Found", "worst_first"]


@dataclass(slots=True)
class Found:
    """What is gathered on one trial before its verdict.

    Attributes:
        invalid: Why the evidence can't be believed.
        by_service: Load that was not sent because of the service alone, and stages of which not one step ended ok.
        results: Of the finished stages, in the order in which they were offered.
        unsent: Stage index to steps not sent.
        loads: What was offered, for the calibration.
        cut: Sentences on stages that were ended early, and rightly.
        taken: (journey, step) pairs of which some record is of a step that was tried.
        observed: Stage index to what the kind looks for in its records, beside the limits.
        decisions: What replaying the search led to.
        off: Whether a stage was offered that the search would not have asked for.
        stages: Those that were replayed, by index.
    """

    invalid: list[Reason] = field(default_factory=list)
    by_service: list[Reason] = field(default_factory=list)
    results: list[StageResult] = field(default_factory=list)
    unsent: dict[int, int] = field(default_factory=dict)
    loads: list[OfferedLoad] = field(default_factory=list)
    cut: list[Reason] = field(default_factory=list)
    taken: set[tuple[int, int]] = field(default_factory=set)
    observed: dict[int, Any] = field(default_factory=dict)
    decisions: list[tuple[int, int | None]] = field(default_factory=list)
    off: bool = False
    stages: dict[int, Stage] = field(default_factory=dict)

    def note_cut(self, planned: Stage, part: Offered) -> None:
        """Take note of a stage that was ended early, rightly or not."""
        if part.prospects is None:
            return
        if not part.rightly:
            self.invalid.append(Reason(code="validity.not_hopeless", params={"level": planned.name}))
            return
        over, whole = (format_duration(s.profile.duration_ns) for s in (part.stage, planned))
        params = {"level": planned.name, "measured": over, "planned": whole}
        self.cut.append(Reason(code="service.cut", params=params))


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a trial shows of the service, supposing that the evidence is valid.

    Attributes:
        verdict: PASS, FAIL or INCONCLUSIVE; INVALID where there is nothing to conclude from.
        reasons: Sentences; those that matter most first.
        objectives: The limits that the verdict rests on.
        parts: Further fields of the trial's verdict, those of its kind.
    """

    verdict: Verdict
    reasons: list[Reason]
    objectives: tuple[ObjectiveResult, ...]
    parts: dict[str, Any] = field(default_factory=dict)


def worst_first(reasons: Sequence[Reason], results: Sequence[ObjectiveResult]) -> list[Reason]:
    """Return the reasons of what is broken, then of what is undecided, then of what is kept."""
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    pairs = sorted(zip(reasons, results, strict=True), key=lambda pair: order.index(pair[1].verdict))
    return [reason for reason, _ in pairs]
