"""Journeys from a plan's steps: compiled once per worker into a generator function."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from seatrial.engine.answers import MISSING, compile_check, compile_extract
from seatrial.engine.cookies import store_cookies
from seatrial.engine.requests import Render, UnsetVariableError, compile_request
from seatrial.engine.session import PAUSE, REQUEST, Session
from seatrial.model.journey import Journey, PauseStep, RequestStep
from seatrial.model.sample import Outcome

__all__ = ["CompiledJourney", "compile_journey"]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class _CompiledStep:
    """A request with everything that never changes worked out."""

    __slots__ = ("check", "extracts", "index", "is_head", "render", "repeatable", "wait_ns", "when")

    def __init__(self, index: int, step: RequestStep, render: Render, wait_ns: int) -> None:
        self.index = index
        self.render = render
        self.wait_ns = wait_ns
        self.when = step.when
        self.is_head = step.method == "HEAD"
        self.repeatable = step.method in _IDEMPOTENT
        self.check = compile_check(step.expect)
        self.extracts = [(name, compile_extract(e), e.optional) for name, e in step.extract.items()]


class CompiledJourney:
    """A journey ready to run.

    Attributes:
        start: Makes a session's generator.
        steps: ``(index, when)`` of each request, in order: what is left when a session ends early.
    """

    __slots__ = ("start", "steps")

    def __init__(self, start: Callable[[Session], Any], steps: tuple[tuple[int, str | None], ...]) -> None:
        self.start = start
        self.steps = steps

    def left_after(self, session: Session) -> list[int]:
        """Return the indexes of the steps that were still intended when the session ended.

        A step that depends on a variable counts only if that variable has a value.
        """
        return [
            index
            for index, when in self.steps
            if index > session.step and (when is None or session.variables.get(when) is not None)
        ]


def compile_journey(journey: Journey, base: str, fields: Mapping[str, str], response_wait_ns: int) -> CompiledJourney:
    """Return the journey ready to run.

    Args:
        journey: With steps, not in Python.
        base: Path in front of every step's own.
        fields: Header fields of every request, ``host`` among them.
        response_wait_ns: Deadline of steps without their own.
    """
    program: list[_CompiledStep | int] = []
    steps: list[tuple[int, str | None]] = []
    for step in journey.steps:
        if isinstance(step, PauseStep):
            program.append(step.pause)
            continue
        wait_ns = response_wait_ns if step.deadline is None else step.deadline
        program.append(_CompiledStep(len(steps), step, compile_request(step, base, fields), wait_ns))
        steps.append((len(steps), step.when))

    def start(session: Session) -> Generator[int, Any, None]:
        variables, cookies = session.variables, session.cookies
        for item in program:
            if isinstance(item, int):
                session.wake_ns = session.ready_ns + item
                yield PAUSE
                continue
            if item.when is not None and variables.get(item.when) is None:
                continue
            try:
                data = item.render(variables, cookies)
            except UnsetVariableError as error:
                raise session.refuse(item.index, item.wait_ns, str(error)) from error
            session.prepare(item.index, data, item.wait_ns, item.is_head, item.repeatable)
            response = yield REQUEST
            if response.sets_cookies:
                store_cookies(cookies, response.headers("set-cookie"))
            outcome, detail = item.check(response)
            if item.extracts and outcome is Outcome.OK:
                outcome, detail = _extract(session, item, response)
            session.settle(response, outcome, detail)

    return CompiledJourney(start, tuple(steps))


def _extract(session: Session, step: _CompiledStep, response: Any) -> tuple[Outcome, str]:
    for name, take, optional in step.extracts:
        value = take(response, session)
        if value is MISSING:
            if not optional:
                return Outcome.CHECK_FAILED, f"nothing to extract as {name!r}"
            session.variables.pop(name, None)
        else:
            session.variables[name] = value
    return Outcome.OK, ""
