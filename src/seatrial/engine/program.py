"""A journey's steps as a flat program: groups, loops and choices become jumps, so one loop runs them all."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from math import exp, log
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from seatrial.model.request import Condition, RequestStep
from seatrial.model.steps import ChooseStep, GroupStep, PauseStep, RepeatStep, Step, ThinkTime

if TYPE_CHECKING:
    from seatrial.engine.session import Session

__all__ = ["BRANCH", "EXCHANGE", "PAUSE_OP", "Op", "Test", "compile_condition", "compile_steps", "remaining"]

EXCHANGE: Final = 0
PAUSE_OP: Final = 1
BRANCH: Final = 2

Test = Callable[[Mapping[str, Any]], bool]
_STEPS: Final = 2**53


class Op:
    """One instruction.

    Attributes:
        kind: ``EXCHANGE`` sends ``step``; ``PAUSE_OP`` waits ``draw(session)`` nanoseconds; ``BRANCH`` goes on at
            ``jump(session)``.
        when: Of an exchange: it is taken only then.
        step: Of an exchange: what the caller made of the request.
        index: Of an exchange: its request's place in the order in which they are written.
    """

    __slots__ = ("draw", "endless", "index", "jump", "kind", "step", "when")

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.when: Test | None = None
        self.step: Any = None
        self.index = -1
        self.draw: Callable[[Session], int] = _no_time
        self.jump: Callable[[Session], int] = _no_time
        self.endless: int | None = None
        """Of a loop with a condition: where it ends. What a session that broke off had left is told without it."""


def _no_time(session: Session) -> int:
    raise AssertionError("an instruction of another kind")


def compile_steps(steps: tuple[Step, ...], make: Callable[[int, RequestStep], Any]) -> tuple[list[Op], int]:
    """Return the program of ``steps`` and how many loops it counts.

    Args:
        steps: In order.
        make: From a request and its index (requests counted as they are written) to what its instruction carries.
    """
    compiler = _Compiler(make)
    compiler.sequence(steps)
    return compiler.ops, compiler.loops


class _Compiler:
    def __init__(self, make: Callable[[int, RequestStep], Any]) -> None:
        self.ops: list[Op] = []
        self.loops = 0
        self._make = make
        self._requests = 0

    def sequence(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, RequestStep):
                self._request(step)
            elif isinstance(step, PauseStep):
                self._op(PAUSE_OP).draw = _drawer(step.pause)
            elif isinstance(step, GroupStep):
                self._group(step)
            elif isinstance(step, RepeatStep):
                self._repeat(step)
            else:
                self._choose(step)

    def _op(self, kind: int) -> Op:
        op = Op(kind)
        self.ops.append(op)
        return op

    def _request(self, step: RequestStep) -> None:
        op = self._op(EXCHANGE)
        op.index = self._requests
        op.step = self._make(self._requests, step)
        op.when = None if step.when is None else compile_condition(step.when)
        self._requests += 1

    def _group(self, step: GroupStep) -> None:
        test, fork = compile_condition(step.when), self._op(BRANCH)
        then = len(self.ops)
        self.sequence(step.steps)
        leave = self._op(BRANCH) if step.otherwise else None
        otherwise = len(self.ops)
        self.sequence(step.otherwise)
        fork.jump = lambda session: then if test(session.variables) else otherwise
        if leave is not None:
            leave.jump = _always(len(self.ops))

    def _repeat(self, step: RepeatStep) -> None:
        slot, counter = self.loops, step.counter
        self.loops += 1
        fewest, spread = step.fewest, step.most - step.fewest + 1
        during = None if step.during is None else compile_condition(step.during)
        begin, top = self._op(BRANCH), len(self.ops)
        head = self._op(BRANCH)

        def enter(session: Session) -> int:
            session.rounds[slot] = (0, fewest + (session.draw(spread) if spread > 1 else 0))
            return top

        begin.jump = enter
        self.sequence(step.steps)
        self._op(BRANCH).jump = _always(top)
        end = len(self.ops)

        def again(session: Session) -> int:
            done, rounds = session.rounds[slot]
            if done >= rounds or (during is not None and not during(session.variables)):
                return end
            session.rounds[slot] = (done + 1, rounds)
            if counter is not None:
                session.variables[counter] = done + 1
            return top + 1

        head.jump = again
        head.endless = None if during is None else end

    def _choose(self, step: ChooseStep) -> None:
        fork, starts, leaves = self._op(BRANCH), [], []
        for option in step.choose:
            starts.append(len(self.ops))
            self.sequence(option.steps)
            leaves.append(self._op(BRANCH))
        end = len(self.ops)
        for leave in leaves:
            leave.jump = _always(end)
        bounds = list(accumulate(option.weight for option in step.choose))

        def pick(session: Session) -> int:
            at = bisect_right(bounds, session.draw(_STEPS) / _STEPS * bounds[-1])
            return starts[min(at, len(starts) - 1)]

        fork.jump = pick


def _always(target: int) -> Callable[[Session], int]:
    return lambda session: target


def remaining(ops: list[Op], session: Session) -> Iterator[int]:
    """Yield the index of each request that the session would still take, by what it knows now.

    Conditions are asked of its variables as they are, choices are drawn; a loop with a condition begins no further
    round, since nobody can know whether it would have.
    """
    at = session.at
    while at < len(ops):
        op = ops[at]
        at += 1
        if op.kind == BRANCH:
            at = op.jump(session) if op.endless is None else op.endless
        elif op.kind == EXCHANGE and (op.when is None or op.when(session.variables)):
            yield op.index


def compile_condition(condition: Condition) -> Test:
    """Return a function from a session's variables to whether the condition is fulfilled.

    A variable without a value fulfils no condition, and therefore every negated one.
    """
    negated, compare = condition.negated, _comparison(condition)
    name, dot, column = condition.value.partition(".")
    if dot:
        return _of_column(name, column, compare, negated)
    if compare is None:
        return (lambda v: v.get(name) is None) if negated else (lambda v: v.get(name) is not None)
    return lambda v: (v.get(name) is not None and compare(v[name])) is not negated


def _of_column(name: str, column: str, compare: Callable[[Any], bool] | None, negated: bool) -> Test:
    def test(variables: Mapping[str, Any]) -> bool:
        row = variables.get(name)
        found = row.get(column) if isinstance(row, Mapping) else None
        return (found is not None and (compare is None or compare(found))) is not negated

    return test


def _comparison(condition: Condition) -> Callable[[Any], bool] | None:
    if condition.equals is not None:
        wanted = condition.equals
        # In JSON 1 and true differ, in Python they don't.
        return lambda value: bool(value == wanted) and isinstance(value, bool) is isinstance(wanted, bool)
    if condition.matches is not None:
        search = re.compile(condition.matches).search
        return lambda value: search(str(value)) is not None
    if condition.above is not None:
        above = condition.above
        return lambda value: (number := _number(value)) is not None and number > above
    if condition.below is not None:
        below = condition.below
        return lambda value: (number := _number(value)) is not None and number < below
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # a whole number of hundreds of digits is beyond all floats
        return None


def _drawer(pause: int | ThinkTime) -> Callable[[Session], int]:
    """Return a function that draws a pause in nanoseconds, by the inverse of the distribution (Devroye 1986, ch. 2)."""
    if isinstance(pause, int):
        return lambda session: pause
    longest = pause.longest_ns
    if pause.uniform is not None:
        shortest = pause.uniform[0]
        return lambda session: shortest + session.draw(longest - shortest + 1)
    if pause.exponential is not None:
        mean = pause.exponential
        return lambda session: min(longest, round(-mean * log(_share(session))))
    median, sigma, inverse = pause.lognormal or 0, pause.sigma, NormalDist().inv_cdf
    return lambda session: min(longest, round(median * exp(sigma * inverse(_share(session)))))


def _share(session: Session) -> float:
    """Return a number strictly between 0 and 1."""
    return (session.draw(_STEPS) + 0.5) / _STEPS
