"""Journeys from a plan's steps: compiled once per worker into a generator function."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Any, Final

from seatrial.engine.answers import MISSING
from seatrial.engine.cookies import store_cookies
from seatrial.engine.multipart import Files
from seatrial.engine.page import PageLoader
from seatrial.engine.program import BRANCH, Op, compile_steps, remaining
from seatrial.engine.redirects import follow
from seatrial.engine.requests import UnsetVariableError, compile_request
from seatrial.engine.session import PAUSE, REQUEST, Session, StepFailedError
from seatrial.engine.step import CompiledStep
from seatrial.model.journey import Journey
from seatrial.model.request import RequestStep
from seatrial.model.sample import Outcome

__all__ = ["CompiledJourney", "compile_journey"]

_OK: Final = Outcome.OK  # an enumeration's members are dear to look up


class CompiledJourney:
    """A journey ready to run.

    Attributes:
        start: Makes a session's generator.
        left: The index of each step that a session would still take, were it not to end now.
        loops: How many loops it counts.
    """

    __slots__ = ("left", "loops", "start")

    def __init__(
        self, start: Callable[[Session], Any], left: Callable[[Session], Iterator[int]], loops: int = 0
    ) -> None:
        self.start = start
        self.left = left
        self.loops = loops


def compile_journey(
    journey: Journey,
    base: str,
    fields: Mapping[str, str],
    response_wait_ns: int,
    hops: int = 0,
    files: Files | None = None,
) -> CompiledJourney:
    """Return the journey ready to run.

    Args:
        journey: With steps, not in Python.
        base: Path in front of every step's own.
        fields: Header fields of every request, ``host`` among them.
        response_wait_ns: Deadline of steps without their own.
        hops: Redirects that are followed by steps that don't say.
        files: Where the files of multipart bodies are read; needed only for those.

    Raises:
        EngineError: a file of a multipart body can't be read.
    """
    indexes = [index for index, _ in journey.indexed()]

    def make(place: int, step: RequestStep) -> CompiledStep:
        wait_ns = response_wait_ns if step.deadline is None else step.deadline
        own = hops if step.redirects is None else step.redirects
        render = compile_request(step, base, fields, journey.auth, files)
        made = CompiledStep(indexes[place], step, render, wait_ns, own)
        if step.resources:
            made.page = PageLoader(made, base, fields)
        return made

    ops, loops = compile_steps(journey.steps, make)
    for op in ops:
        if op.step is not None:
            op.index = op.step.index
    return CompiledJourney(partial(_run, ops), partial(remaining, ops), loops)


def _run(ops: list[Op], session: Session) -> Generator[int, Any, None]:
    """Run a program for one session. Every request of every trial passes through here."""
    variables, cookies = session.variables, session.cookies
    at, end = 0, len(ops)
    while at < end:
        op = ops[at]
        at += 1
        step = op.step
        if step is None:
            if op.kind == BRANCH:
                at = op.jump(session)
            else:
                session.at = at
                session.wake_ns = session.ready_ns + op.draw(session)
                session.forget_request()
                data = response = None  # a hundred thousand citizens who think must not hold a page each
                yield PAUSE
            continue
        if op.when is not None and not op.when(variables):
            continue
        session.at = at
        try:
            data = step.render(variables, cookies)
        except UnsetVariableError as error:
            failure = session.refuse(step.index, step.wait_ns, str(error))
            if step.ends:
                raise failure from error
            continue
        if step.special:
            yield from _special(session, step, data)
            continue
        session.prepare(step.index, data, step.wait_ns, step.is_head, step.repeatable)
        response = yield REQUEST
        if response.sets_cookies:
            store_cookies(cookies, response.headers("set-cookie"))
        if response.status >= 300 and step.hops:
            response = yield from follow(session, step, data, response)
        check = step.check
        outcome, detail = check(response)
        if step.extracts and outcome is _OK:
            outcome, detail = _extract(session, step, response)
        session.settle(response, outcome, detail)


def _special(session: Session, step: CompiledStep, data: bytes) -> Generator[int, Any, None]:
    """Take a step whose failure may be met with a reload, or shrugged off, or whose page has resources."""
    try:
        response = yield from _attempts(session, step, data)
    except StepFailedError:
        session.reloads = None
        if step.ends:
            raise
        return
    if step.page is not None:
        yield from step.page.load(session, session.asked, response)


def _attempts(session: Session, step: CompiledStep, data: bytes) -> Generator[int, Any, Any]:
    retry, attempts = step.retry, 0
    most = 0 if retry is None else retry.most
    while True:
        again = retry is not None and attempts < most
        wait_ns = retry.after if retry is not None and again else step.wait_ns
        if attempts:
            session.try_again(data, wait_ns, step.repeatable)
        else:
            session.prepare(step.index, data, wait_ns, step.is_head, step.repeatable)
        session.reloads = retry if again else None
        try:
            response = yield REQUEST
            if response.sets_cookies:
                store_cookies(session.cookies, response.headers("set-cookie"))
            if response.status >= 300 and step.hops:
                response = yield from follow(session, step, data, response)
        except StepFailedError as error:
            if error.outcome is not Outcome.RETRIED:
                raise
            waited = error.gave_up_waiting
        else:
            outcome, detail = step.check(response)
            if step.extracts and outcome is _OK:
                outcome, detail = _extract(session, step, response)
            if outcome is _OK or retry is None or not (again and retry.on_error):
                session.reloads = None
                session.settle(response, outcome, detail)
                return response
            session.give_up_attempt(response.status, response.size, session.ready_ns)
            waited = False
        attempts += 1
        if retry is not None and retry.pause and not waited:
            session.wake_ns = session.ready_ns + retry.pause
            yield PAUSE


def _extract(session: Session, step: CompiledStep, response: Any) -> tuple[Outcome, str]:
    for name, take, optional in step.extracts:
        value = take(response, session)
        if value is MISSING:
            if not optional:
                return Outcome.CHECK_FAILED, f"nothing to extract as {name!r}"
            session.variables.pop(name, None)
        else:
            session.variables[name] = value
    return _OK, ""
