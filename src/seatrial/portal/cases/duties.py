"""What rooms know that rights depend on: who had a duty in a case, and whom it asked to be its tester."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from seatrial.portal.rights import Duty

__all__ = ["candidates_from", "candidates_of", "duties_from", "duties_of"]

Duties: TypeAlias = Callable[[int], Iterable[tuple[Duty, int]]]
"""Given a case's number, names who had which duty in it, in any round: pairs of a duty and an account's id."""

Candidates: TypeAlias = Callable[[int], Iterable[int]]
"""Given a case's number, names the testing organisations that were asked to declare their independence for it."""

_DUTIES: list[Duties] = []
_CANDIDATES: list[Candidates] = []


def duties_from(source: Duties) -> Duties:
    """Let a room's own records (findings, advice, orders, …) count as duties, beside the moves of the case."""
    _DUTIES.append(source)
    return source


def candidates_from(source: Candidates) -> Candidates:
    """Let a room say whom a case asked."""
    _CANDIDATES.append(source)
    return source


def duties_of(case_id: int) -> frozenset[tuple[Duty, int]]:
    """Return all duties that rooms know of."""
    return frozenset(pair for source in _DUTIES for pair in source(case_id))


def candidates_of(case_id: int) -> frozenset[int]:
    """Return all candidates that rooms know of."""
    return frozenset(tester for source in _CANDIDATES for tester in source(case_id))
