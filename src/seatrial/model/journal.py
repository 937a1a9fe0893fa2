"""The journal of a run: what happened, when, in order; and the log of one trial read from it.

One JSON object a line, appended and flushed as things happen, so that a run that dies leaves its story behind.
``at_ns`` counts from the run's epoch, like the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seatrial.errors import BundleError
from seatrial.model.document import Strict

__all__ = [
    "Cut",
    "Ending",
    "Event",
    "EventKind",
    "HappeningLog",
    "PhaseLog",
    "StageLog",
    "TrialLog",
    "read_journal",
    "trial_log",
]


class EventKind(StrEnum):
    """What can happen. Closed."""

    RUN_STARTED = "run started"
    TRIAL_STARTED = "trial started"
    STAGE_STARTED = "stage started"
    STAGE_ENDED = "stage ended"
    DECISION = "decision"
    WORKER_LOST = "worker lost"
    RECORDING_FAILED = "recording failed"
    TARGET_FAILED = "target failed"
    INTERRUPTED = "interrupted"
    TARGET_STOPPED = "target stopped"
    PERMISSION_ENDED = "permission ended"
    SET_UP_STARTED = "set up started"
    SET_UP_ENDED = "set up ended"
    SET_UP_FAILED = "set up failed"
    TEAR_DOWN_STARTED = "tear down started"
    TEAR_DOWN_ENDED = "tear down ended"
    TEAR_DOWN_FAILED = "tear down failed"
    HAPPENED = "happened"
    HAPPENING_FAILED = "happening failed"
    HOPELESS = "hopeless"
    STOP_SIGNAL_ASKED = "stop signal asked"
    TRIAL_ENDED = "trial ended"
    RUN_ENDED = "run ended"


class Event(Strict):
    """One line of the journal.

    Attributes:
        at_ns: Nanoseconds from the run's epoch.
        event: What happened.
        trial: Index of the trial it happened in; None outside any.
        stage: Index of the stage; None outside any.
        worker: Index of the worker it happened to; None when it concerns all.
        data: Further facts. ``stage ended``: ``sessions`` (intended by all workers, from their own counts),
            ``load_end_ns``, ``drained_ns``. ``trial started``: ``workers``. ``decision``: ``next`` (stage index or
            null) and ``held``. Losses: ``detail``. ``hopeless``: ``limits`` (as the plan writes them), ``seen_ns``,
            ``cut_ns``. Set-up and tear-down, when over: ``steps`` (``step``, ``outcome``, ``status``, ``took_ns``,
            ``detail``); no value that they extracted. ``happened``: ``name``, ``began_ns``, ``ended_ns`` and ``steps``
            of what the runner did to the service; ``happening failed`` likewise, with ``detail``. ``stop signal
            asked``: ``asked``, ``unanswered``.
    """

    at_ns: Annotated[int, Field(ge=0, le=2**53)]
    event: EventKind
    trial: int | None = None
    stage: int | None = None
    worker: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    def line(self) -> str:
        """Return the event as one line of JSON, newline included."""
        return self.model_dump_json(exclude_none=True) + "\n"


class Ending(StrEnum):
    """How a trial came to its end."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    WORKER_LOST = "worker lost"
    RECORDING_FAILED = "recording failed"
    TARGET_FAILED = "target failed"
    TARGET_STOPPED = "target stopped"
    PERMISSION_ENDED = "permission ended"
    SET_UP_FAILED = "set up failed"
    HAPPENING_FAILED = "happening failed"
    UNKNOWN = "unknown"
    """The journal stops: the run itself was killed."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stage that was ended early because a limit was hopeless; times from the run's epoch.

    Attributes:
        seen_ns: What had ended by then was known when it was found.
        at_ns: Sessions due before that instant were offered, those due later were not.
    """

    seen_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class PhaseLog:
    """A set-up or tear-down that was begun.

    Attributes:
        name: ``set_up`` or ``tear_down``.
        state: ``ended``, ``failed``, or ``begun`` where the journal does not tell its end.
        steps: For each step that was taken: its name, its outcome's label, and why where it did not end ok.
    """

    name: str
    state: str
    steps: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HappeningLog:
    """What the runner did to the service, and when; times from the run's epoch.

    Attributes:
        name: As the trial names it.
        stage: Index of the stage in which, or before which, it was done.
        began_ns: When its first request was sent.
        ended_ns: When its last request was answered.
    """

    name: str
    stage: int
    began_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class StageLog:
    """What is known of one stage that was begun.

    Attributes:
        index: Stage index.
        started_ns: When its schedule began, from the run's epoch.
        load_end_ns: When its last arrival was due; None when it was cut short.
        drained_ns: When its last session was over or given up; None when it was cut short.
        sessions: Sessions that the workers intended, by their own count; None when it was cut short.
        cut: How its load was ended early because a limit was hopeless; None when it was not.
    """

    index: int
    started_ns: int
    load_end_ns: int | None = None
    drained_ns: int | None = None
    sessions: int | None = None
    cut: Cut | None = None

    @property
    def finished(self) -> bool:
        """Return whether the stage ran to its end on every worker."""
        return self.sessions is not None


@dataclass(frozen=True, slots=True)
class TrialLog:
    """What the journal says of one trial.

    Attributes:
        trial: Index in the plan.
        workers: Workers that were started; 0 when the trial never began.
        stages: Stages begun, in order.
        decisions: For each decision: (stage it followed, next stage index or None).
        ending: How it ended.
        details: Sentences that came with losses and failures.
        phases: Set-up and tear-down, as far as they were begun.
        happenings: What the runner did to the service, in order; what failed is left out.
        clock_offset_ns: Wall clock less monotonic clock before the first record; None where the journal does not tell.
    """

    trial: int
    workers: int
    stages: tuple[StageLog, ...]
    decisions: tuple[tuple[int, int | None], ...]
    ending: Ending
    details: tuple[str, ...]
    phases: tuple[PhaseLog, ...] = ()
    happenings: tuple[HappeningLog, ...] = ()
    clock_offset_ns: int | None = None


def read_journal(path: Path) -> tuple[Event, ...]:
    """Return the events of a journal file; a last line cut off by a crash is left out.

    Raises:
        BundleError: the file is missing, or a line other than the last is not an event.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            "the journal can't be read", value=path, remedy="Use a bundle made by seatrial run."
        ) from error
    complete, events = lines[:-1], []
    for number, line in enumerate(complete, start=1):
        try:
            events.append(Event.model_validate(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"line {number} of the journal is not an event",
                value=line[:200],
                remedy="The journal was changed.",
            ) from error
    return tuple(events)


_FAILURES = {
    EventKind.INTERRUPTED: Ending.INTERRUPTED,
    EventKind.WORKER_LOST: Ending.WORKER_LOST,
    EventKind.RECORDING_FAILED: Ending.RECORDING_FAILED,
    EventKind.TARGET_FAILED: Ending.TARGET_FAILED,
    EventKind.TARGET_STOPPED: Ending.TARGET_STOPPED,
    EventKind.PERMISSION_ENDED: Ending.PERMISSION_ENDED,
    EventKind.SET_UP_FAILED: Ending.SET_UP_FAILED,
    EventKind.HAPPENING_FAILED: Ending.HAPPENING_FAILED,
}

_PHASES = {
    EventKind.SET_UP_STARTED: PhaseLog("set_up", "begun"),
    EventKind.SET_UP_ENDED: PhaseLog("set_up", "ended"),
    EventKind.SET_UP_FAILED: PhaseLog("set_up", "failed"),
    EventKind.TEAR_DOWN_STARTED: PhaseLog("tear_down", "begun"),
    EventKind.TEAR_DOWN_ENDED: PhaseLog("tear_down", "ended"),
    EventKind.TEAR_DOWN_FAILED: PhaseLog("tear_down", "failed"),
}


_MOST_WORKERS = 10_000
_MOST_NS = 2**53
"""104 days. Up to there a number of nanoseconds is exact in floating point too."""
_MOST_WALL_NS = 2**62


def _whole(value: object, most: int = _MOST_NS, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"not a whole number from {least} to {most}: {value!r}")
    return value


def _clock_offset_ns(value: object) -> int | None:
    """Return what a trial's beginning says of its clock; below zero where the wall clock is set to before the boot."""
    if value is not None:
        _whole(abs(value) if type(value) is int else value, _MOST_WALL_NS)
    return value if isinstance(value, int) else None


def trial_log(events: Iterable[Event], trial: int) -> TrialLog:
    """Return what the journal says of one trial; a trial that is not mentioned has no workers and no stages.

    Raises:
        KeyError, ValueError: an event lacks what its kind must have, or has something else there.
    """
    workers, ending, ended = 0, Ending.UNKNOWN, False
    clock_offset_ns: int | None = None
    stages: dict[int, StageLog] = {}
    decisions: list[tuple[int, int | None]] = []
    details: list[str] = []
    phases: dict[str, PhaseLog] = {}
    happenings: list[HappeningLog] = []
    for event in events:
        # A loss that names no trial is every trial's: it is not known which one it spared.
        if event.trial != trial and not (event.trial is None and event.event in _FAILURES):
            continue
        if (phase := _PHASES.get(event.event)) is not None:
            phases[phase.name] = PhaseLog(phase.name, phase.state, _phase_steps(event.data.get("steps", [])))
        if event.event is EventKind.TRIAL_STARTED:
            workers = max(workers, _whole(event.data["workers"], _MOST_WORKERS))
            clock_offset_ns = _clock_offset_ns(event.data.get("clock_offset_ns"))
        elif event.event is EventKind.STAGE_STARTED and event.stage is not None:
            stages[event.stage] = StageLog(event.stage, event.at_ns)
        elif event.event is EventKind.STAGE_ENDED and event.stage is not None:
            begun = stages[event.stage]
            facts = {key: _whole(event.data[key]) for key in ("load_end_ns", "drained_ns", "sessions")}
            stages[event.stage] = StageLog(begun.index, begun.started_ns, **facts, cut=begun.cut)
        elif event.event is EventKind.HOPELESS and event.stage is not None:
            cut = Cut(_whole(event.data["seen_ns"]), _whole(event.data["cut_ns"]))
            stages[event.stage] = replace(stages[event.stage], cut=cut)
        elif event.event is EventKind.HAPPENED and event.stage is not None:
            began_ns, ended_ns = (_whole(event.data[key]) for key in ("began_ns", "ended_ns"))
            span = (began_ns, _whole(ended_ns, least=began_ns))
            happenings.append(HappeningLog(str(event.data["name"]), event.stage, *span))
        elif event.event is EventKind.DECISION and event.stage is not None:
            following = event.data["next"]
            decisions.append((event.stage, None if following is None else _whole(following)))
        elif event.event in _FAILURES:
            ending = _FAILURES[event.event]
            details.append(str(event.data.get("detail", event.event.value)))
        elif event.event is EventKind.TRIAL_ENDED:
            ended = True
    if ended and ending is Ending.UNKNOWN:
        ending = Ending.COMPLETED
    story = (tuple(stages.values()), tuple(decisions), ending, tuple(details))
    return TrialLog(trial, workers, *story, tuple(phases.values()), tuple(happenings), clock_offset_ns)


def _phase_steps(steps: Any) -> tuple[tuple[str, str, str], ...]:
    return tuple((str(step["step"]), str(step["outcome"]), str(step.get("detail", ""))) for step in steps)
