"""Fair rotation: who should take a case, in an order that anybody can compute again and nobody can choose.

order by   1. whether it had this department's last case
2. assignments of the last year ÷ trials that it can carry at once
3. SHA-256 of the case's and the organisation's numbers
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from seatrial.errors import UsageError

__all__ = ["Candidate", "order", "requires_reasons"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A testing organisation that may take the case.

    Attributes:
        tester: Its number.
        assignments: Cases of the last year that it was assigned to.
        capacity: Trials that it can carry at once, from 1.
        had_last_of_department: Whether it had this department's last case.
    """

    tester: int
    assignments: int
    capacity: int = 1
    had_last_of_department: bool = False

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.assignments < 0:
            raise UsageError(
                "a candidate's figures can't be", value=f"{self.assignments}/{self.capacity}", remedy="Correct them."
            )


def order(case: int, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates, the one whose turn it is first; empty where there is none."""

    def key(one: Candidate) -> tuple[bool, Fraction, str]:
        lot = hashlib.sha256(f"{case}:{one.tester}".encode()).hexdigest()
        return one.had_last_of_department, Fraction(one.assignments, one.capacity), lot

    return tuple(sorted(candidates, key=key))


def requires_reasons(chosen: int, case: int, candidates: Iterable[Candidate]) -> bool:
    """Whether choosing this organisation departs from the order, so that reasons must be given.

    Raises:
        UsageError: It is no candidate.
    """
    ordered = order(case, candidates)
    if chosen not in {one.tester for one in ordered}:
        raise UsageError("the chosen organisation is no candidate", value=chosen, remedy="Choose one of the list.")
    return ordered[0].tester != chosen
