"""Services that their own clients make worse: retries, and a cache that begins empty.

The retries are those of a gateway before the service, so the generator sees one answer to each request.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tests.truth.services.queues import Float64, at_once
from tests.verdict.made import Answers, Int64, Law

from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.units import MS, SECOND


@dataclass(frozen=True)
class Storm:
    """What became of requests that were tried more than once.

    Attributes:
        wait_ns: From the first try to the answer, or to giving up; shape (n,).
        ok: Whether it was answered in time; shape (n,).
        attempts: Tries that the service met; shape (n,).
    """

    wait_ns: Float64
    ok: npt.NDArray[np.bool_]
    attempts: Int64


def storm(at_ns: Int64, work_ns: Float64, patience_ns: float, most: int, *, one_server: bool = True) -> Storm:
    """Return what becomes of requests whose gateway tries again, at once, what took longer than its patience.

    The service does not learn that nobody waits any more: abandoned work is done all the same. That is what makes a
    queue of timed-out work feed itself.

    Args:
        at_ns: When each request comes, ascending.
        work_ns: Work of each try, shape (n, most).
        patience_ns: How long a try may take.
        most: Tries of a request.
        one_server: First come, first served by one server; else every try is served at once.
    """
    wait, ok, tries = np.empty(len(at_ns)), np.zeros(len(at_ns), dtype=bool), np.zeros(len(at_ns), dtype=np.int64)
    first, work, again = at_ns.tolist(), work_ns.tolist(), deque[tuple[float, int, int]]()
    place, free = 0, 0.0
    while place < len(first) or again:
        if again and (place >= len(first) or again[0][0] <= first[place]):
            begin, request, number = again.popleft()
        else:
            begin, request, number = first[place], place, 0
            place += 1
        need = work[request][number]
        end = begin + need
        if one_server:
            end = free = max(free, begin) + need
        tries[request] = number + 1
        if end - begin <= patience_ns:
            wait[request], ok[request] = end - first[request], True
        elif number + 1 < most:
            again.append((begin + patience_ns, request, number + 1))  # patience is one for all: they stay in order
        else:
            wait[request] = (number + 1) * patience_ns
    return Storm(wait, ok, tries)


def retried(per_s: float, patience_ns: float, most: int) -> Law:
    """One server of rate ``per_s`` behind a gateway that tries ``most`` times and then says 504.

    While the backlog is longer than the patience, every request is tried ``most`` times and none is answered. So
    this state lasts for as long as ``most`` times the load is above ``per_s``, though the load alone is below it:
    metastable (Bronson et al., *HotOS* (2021)). With ``most`` times the load below ``per_s`` the backlog shrinks.
    """

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        result = storm(at, rng.exponential(SECOND / per_s, (len(at), most)), patience_ns, most)
        outcome = np.where(result.ok, Outcome.OK, Outcome.HTTP_ERROR)
        return at_once(result.wait_ns, outcome, np.where(result.ok, 200, 504))

    return law


def stampede(keys: int, fetch_ns: float, hit_ns: float = 5 * MS) -> Law:
    """A cache of ``keys``, each as much asked for as another, that begins empty and never lets go.

    Until a key has been fetched, everybody who asks for it fetches it too.
    """

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return at_once(np.where(misses(at, rng.integers(0, keys, len(at)), keys, fetch_ns), fetch_ns, hit_ns))

    return law


def misses(at_ns: Int64, key: Int64, keys: int, fetch_ns: float) -> npt.NDArray[np.bool_]:
    """Return which requests, ascending in time, come before their key is in the cache."""
    first = np.full(keys, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(first, key, at_ns)
    return np.asarray(at_ns - first[key] < fetch_ns)
