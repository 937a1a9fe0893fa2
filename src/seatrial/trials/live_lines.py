"""A run as JSON lines, for programs that watch it: one object per event, one line per object.

The fields and their units are documented in ``docs/how-to/live.md``. Times end in ``_s`` (seconds) or ``_ms``
(milliseconds), rates in ``_per_s``; what is not known is null and never zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from seatrial.clock import Clock
from seatrial.engine.worker import Tick
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Reason, RunVerdict, StageResult
from seatrial.trials.snapshots import Snapshot, Snapshots
from seatrial.units import MS, SECOND

__all__ = ["FORMAT", "LiveLines"]

FORMAT = "seatrial-live/1"
"""Of the first line. A reader must pass over events and fields that it does not know."""


class LiveLines:
    """Tells of a run in JSON lines. See :class:`seatrial.trials.observer.Observer`.

    Args:
        write: Takes one line with its newline; must neither block nor raise.
        clock: For the wall-clock time of each line.
    """

    def __init__(self, write: Callable[[str], object], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._names: tuple[str, ...] = ()
        self._workers = 1
        self._snapshots: Snapshots | None = None

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Tell what is about to be done."""
        self._names, self._workers = plan.trial_names(), workers
        self._tell(
            "run started",
            format=FORMAT,
            title=plan.title,
            target=plan.target,
            bundle=str(bundle),
            workers=workers,
            trials=list(self._names),
        )

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Tell what the stage will offer."""
        self._snapshots = Snapshots(stage, self._workers)
        self._tell(
            "stage started",
            **self._place(trial, stage),
            duration_s=_seconds(stage.profile.duration_ns),
            judged_from_s=_seconds(stage.judged_from_ns),
            mean_journeys_per_s=_rounded(stage.rate or None),  # users who come back have no planned rate
            peak_journeys_per_s=_rounded(stage.profile.peak or None),
        )

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Take a worker's report; tell of the second once all workers have reported."""
        if self._snapshots is not None:
            self._tell_second(trial, stage, self._snapshots.take(tick))

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Tell what the stage showed."""
        if self._snapshots is not None:
            self._tell_second(trial, stage, self._snapshots.flush())
            self._snapshots = None
        self._tell(
            "stage ended",
            **self._place(trial, stage),
            held=result.held,
            steps={"intended": result.intended, "sent": result.sent, **result.outcomes},
            offered_steps_per_s=_rounded(result.offered_per_s),
            sent_steps_per_s=_rounded(result.achieved_per_s),
            goodput_steps_per_s=_rounded(result.goodput_per_s),
            p50_ms=_ms(result.p50_ns),
            p95_ms=_ms(result.p95_ns),
            p99_ms=_ms(result.p99_ns),
        )

    def stopping(self) -> None:
        """Tell that the run ends early, and that what is under way may finish."""
        self._tell("stopping")

    def noted(self, sentence: str) -> None:
        """Tell what people want to know while they wait."""
        self._tell("noted", detail=sentence)

    def failed(self, sentence: str) -> None:
        """Tell why the run can't go on."""
        self._tell("failed", reason=sentence)

    def run_ended(self, verdict: RunVerdict) -> None:
        """Tell the verdict."""
        trials = [
            {"name": trial.name, "kind": trial.kind, "verdict": str(trial.verdict), "reasons": _texts(trial.reasons)}
            for trial in verdict.trials
        ]
        self._tell("run ended", verdict=str(verdict.verdict), reasons=_texts(verdict.reasons), trials=trials)

    def _place(self, trial: int, stage: Stage) -> dict[str, Any]:
        name = self._names[trial] if trial < len(self._names) else str(trial)
        return {"trial": trial, "trial_name": name, "stage": stage.index, "stage_name": stage.name}

    def _tell_second(self, trial: int, stage: Stage, second: Snapshot | None) -> None:
        if second is None:
            return
        self._tell(
            "second",
            **self._place(trial, stage),
            phase=second.phase,
            elapsed_s=_seconds(second.elapsed_ns),
            covered_s=_seconds(second.covered_ns),
            workers=second.workers,
            offered_journeys_per_s=_rounded(second.offered_per_s),
            due_journeys_per_s=_rounded(second.due_per_s),
            achieved_steps_per_s=_rounded(second.achieved_per_s),
            goodput_steps_per_s=_rounded(second.goodput_per_s),
            ok_steps=second.outcomes.get(Outcome.OK, 0),
            errors=_labelled(second.errors),
            unsent_steps=second.unsent,
            retried_attempts=second.retried,
            p50_ms=_ms(second.p50_ns),
            p95_ms=_ms(second.p95_ns),
            p99_ms=_ms(second.p99_ns),
            send_lag_p99_ms=_ms(second.lag_p99_ns),
            sessions=second.sessions,
            generator_cpu=_rounded(second.cpu),
        )

    def _tell(self, event: str, **facts: Any) -> None:
        now = self._clock.now().astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        self._write(json.dumps({"event": event, "time": f"{now}Z", **facts}, ensure_ascii=False) + "\n")


def _labelled(outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.label: count for outcome, count in outcomes.items()}


def _texts(reasons: Iterable[Reason]) -> list[str]:
    return [reason.text for reason in reasons]


def _seconds(ns: float) -> float:
    return round(ns / SECOND, 3)


def _ms(ns: float | None) -> float | None:
    return None if ns is None else round(ns / MS, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
