"""Steps that are taken once, outside the results: set-up, tear-down, and asking for a stop signal.

They go through the engine that the trial's own requests go through: one driver with one session, the plan's
transport, header fields, deadlines, checks, extraction, retries and redirects. What happened is told step by step; no
row of it enters the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any

from seatrial.engine.driver import Driver
from seatrial.engine.health import HealthMonitor
from seatrial.engine.http.target import Target
from seatrial.engine.recorder import Recorder
from seatrial.engine.session import Session
from seatrial.engine.stage import StageOrder
from seatrial.engine.worker import WorkerSpec, compile_journeys, make_driver
from seatrial.model.journey import Journey
from seatrial.model.phase import Phase
from seatrial.model.plan import Plan
from seatrial.model.profile import Profile, Segment, Stage
from seatrial.model.sample import Outcome
from seatrial.model.schedule import Schedule
from seatrial.model.steps import longest_ns
from seatrial.units import MS, SECOND

__all__ = ["Errand", "ErrandDone", "StepTaken"]

_NAME = "errand"
_ANY_DIGEST = "0" * 64
_SHORTEST_SECRET = 4
"""Shorter values stand in too many places to be taken out of a sentence."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One step of an errand.

    Attributes:
        step: Its name.
        outcome: What became of it.
        status: Of the answer; 0 where none came.
        took_ns: From its intention to its end.
        detail: Why it did not end ok; values that were extracted are left out.
        ends: Whether its failure is the errand's.
    """

    step: str
    outcome: Outcome
    status: int
    took_ns: int
    detail: str = ""
    ends: bool = True

    def as_document(self) -> dict[str, Any]:
        """Return the step as JSON-ready data."""
        told = {"step": self.step, "outcome": self.outcome.label, "status": self.status, "took_ns": self.took_ns}
        return told | ({"detail": self.detail} if self.detail else {})


@dataclass(frozen=True, slots=True)
class ErrandDone:
    """What became of an errand.

    Attributes:
        steps: Those that were taken, in order; attempts that were retried are left out.
        variables: What it was given and what it extracted, also where it failed half-way.
    """

    steps: tuple[StepTaken, ...]
    variables: dict[str, Any] = field(repr=False)

    @property
    def failure(self) -> StepTaken | None:
        """Return the first step whose failure is the errand's; None where all went well."""
        return next((step for step in self.steps if step.outcome is not Outcome.OK and step.ends), None)


class Errand:
    """Steps that can be taken again and again, on one thread at a time.

    Args:
        phase: The steps.
        plan: For everything that they share with its journeys.
        target: Where requests go.
        base: Folder that names in the plan refer to.
        given: Variables that the steps have from their beginning.
    """

    def __init__(
        self, phase: Phase, plan: Plan, target: Target, base: Path, given: Mapping[str, Any] | None = None
    ) -> None:
        journey = Journey(steps=phase.steps, auth=phase.auth)
        self._labels = journey.labels
        self._may_fail = {at for at, step in journey.indexed() if step.on_failure == "continue"}
        # A page's resources have the index after its own, and none of them fails an errand.
        self._may_fail |= {at + 1 for at, step in journey.indexed() if step.resources}
        once = plan.model_copy(update={"journeys": {_NAME: journey}, "max_sessions": 1, "connections": "session"})
        drain_ns = longest_ns(phase.steps, plan.step_wait_ns) + SECOND
        profile = Profile((Segment(MS, 1000.0, 1000.0),))
        self._stage = Stage(0, 0, _NAME, profile, "even", 0, drain_ns)
        self._schedule = Schedule(_ANY_DIGEST, plan.seed, self._stage, (1.0,))
        spec = WorkerSpec(once, _ANY_DIGEST, base, target, 0, 0, 1, base, ({},), dict(given or {}))
        self._sessions: list[Session] = []
        (compiled,) = compile_journeys(spec, {})
        start = compiled.start

        def remember(session: Session) -> Any:
            self._sessions.append(session)
            return start(session)

        compiled.start = remember
        self._driver: Driver = make_driver(spec, _Unwatched(), [compiled])

    def run(self, on_tick: Callable[[], object] = lambda: None) -> ErrandDone:
        """Take the steps. It lasts no longer than their deadlines and pauses do together.

        Args:
            on_tick: Called about once a second; what it raises ends the errand at once.

        Raises:
            EngineError: the engine can't go on.
        """
        self._sessions.clear()
        rows = _Rows()
        start_ns = monotonic_ns()
        order = StageOrder(
            schedule=self._schedule,
            stage=0,
            start_ns=start_ns,
            duration_ns=self._stage.profile.duration_ns,
            drain_ns=self._stage.drain_ns,
            worker=0,
            workers=1,
        )
        self._driver.run_stage(order, rows, on_tick)
        variables = self.variables
        return ErrandDone(tuple(self._told(rows.taken, variables)), variables)

    @property
    def variables(self) -> dict[str, Any]:
        """Return what the last run was given and extracted, also of one that was broken off."""
        return {name: value for session in self._sessions for name, value in session.variables.items()}

    def close(self) -> None:
        """Close every connection."""
        self._driver.close()

    def __enter__(self) -> Errand:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _told(self, rows: list[tuple[int, int, int, int, int]], variables: Mapping[str, Any]) -> Iterator[StepTaken]:
        why = {(step, outcome): detail for _, step, outcome, detail, _ in self._driver.diagnostics.take()}
        for step, outcome, status, intended_ns, done_ns in rows:
            detail = _without(variables, why.get((step, outcome), "")) if outcome != Outcome.OK else ""
            yield StepTaken(
                step=self._labels[step],
                outcome=Outcome(outcome),
                status=status,
                took_ns=done_ns - intended_ns,
                detail=detail,
                ends=step not in self._may_fail,
            )


class _Rows(Recorder):
    """A recorder whose rows stay where they are."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, int, int, int]] = []

    def add(
        self,
        journey: int,
        step: int,
        session: int,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        outcome: int,
        status: int,
        bytes_out: int,
        bytes_in: int,
    ) -> None:
        if outcome != Outcome.RETRIED:
            self.taken.append((step, outcome, status, intended_ns, done_ns))


class _Unwatched(HealthMonitor):
    """The health of a process that offers no load: nobody asks for it."""

    def __init__(self) -> None:
        """Keep nothing open."""

    def turn(self, took_ns: int) -> None:
        """Note nothing."""


def _without(variables: Mapping[str, Any], text: str) -> str:
    """Return a sentence without the values of variables: a token must not enter the evidence."""
    for value in sorted({str(value) for value in variables.values()}, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "…")
    return text
