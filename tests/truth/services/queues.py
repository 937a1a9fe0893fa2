"""Queues in virtual time: M/M/1, M/D/1, M/M/c, M/M/1 with processor sharing, and M/M/1/K, which refuses.

Arrivals are the product's own schedule, so they are a Poisson process given its number of arrivals. Every service
begins empty. What each answers in the long run stands in :mod:`tests.truth.services.exact`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace

import numpy as np
import numpy.typing as npt
from tests.verdict.made import Answers, Int64, Law

from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.units import MS, SECOND

Float64 = npt.NDArray[np.float64]

REFUSAL_NS = MS
"""A refusal takes so long: it is no work."""


def at_once(wait_ns: Float64, outcome: Int64 | None = None, status: Int64 | None = None) -> Answers:
    """Return answers to requests that were sent the moment they were intended: response time is the sojourn."""
    return Answers(wait_ns, outcome, status, np.zeros(len(wait_ns), dtype=np.int64))


def first_come(at_ns: Int64 | Float64, work_ns: Float64) -> Float64:
    """Return when one server ends each job, first come, first served: Lindley's recursion in closed form.

    e_i = max_{j <= i} (a_j + sum of the work of j ... i)
    """
    ends = np.cumsum(work_ns)
    return np.asarray(ends + np.maximum.accumulate(at_ns - (ends - work_ns)))


def mm1(per_s: float) -> Law:
    """M/M/1, first come, first served; ``per_s`` is the rate of service."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return at_once(first_come(at, rng.exponential(SECOND / per_s, len(at))) - at)

    return law


def md1(per_s: float) -> Law:
    """M/D/1, first come, first served: each job is the same work."""
    return lambda at, stage, rng: at_once(first_come(at, np.full(len(at), SECOND / per_s)) - at)


def mmc(per_s: float, servers: int) -> Law:
    """M/M/c, one line before ``servers`` of rate ``per_s`` each, first come, first served."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        work = rng.exponential(SECOND / per_s, len(at)).tolist()
        free = [0.0] * servers
        heapify(free)
        done = []
        for begin, need in zip(at.tolist(), work, strict=True):
            end = max(free[0], begin) + need
            heapreplace(free, end)
            done.append(end)
        return at_once(np.array(done) - at)

    return law


def processor_sharing(per_s: float) -> Law:
    """M/M/1 whose server gives each of n jobs 1/n of itself at every moment."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return at_once(shared(at, rng.exponential(SECOND / per_s, len(at))) - at)

    return law


def shared(at_ns: Int64, work_ns: Float64) -> Float64:
    """Return when each job ends under processor sharing.

    v is the work that a job has received that was there from the beginning: dv/dt = 1/n. A job that comes at v with
    work x ends when v + x is reached, so the jobs end in the order of those sums.
    """
    done, jobs = np.empty(len(at_ns)), list[tuple[float, int]]()
    now = received = 0.0

    def until(limit: float) -> None:
        nonlocal now, received
        while jobs and (end := now + (jobs[0][0] - received) * len(jobs)) <= limit:
            received, job = heappop(jobs)
            now = done[job] = end

    for job, (begin, work) in enumerate(zip(at_ns.tolist(), work_ns.tolist(), strict=True)):
        until(begin)
        received += (begin - now) / len(jobs) if jobs else 0.0
        now = float(begin)
        heappush(jobs, (received + work, job))
    until(np.inf)
    return done


def bounded(per_s: float, room: int) -> Law:
    """M/M/1/K: whoever finds ``room`` requests in the service is refused with 503."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        work = rng.exponential(SECOND / per_s, len(at)).tolist()
        inside: deque[float] = deque()
        waits = []
        for begin, need in zip(at.tolist(), work, strict=True):
            while inside and inside[0] <= begin:
                inside.popleft()
            if len(inside) >= room:
                waits.append(-1.0)
                continue
            inside.append((inside[-1] if inside else begin) + need)
            waits.append(inside[-1] - begin)
        wait = np.array(waits)
        refused = wait < 0
        outcome = np.where(refused, Outcome.HTTP_ERROR, Outcome.OK)
        return at_once(np.where(refused, REFUSAL_NS, wait), outcome, np.where(refused, 503, 200))

    return law


def with_work(per_s: Callable[[Float64], Float64]) -> Law:
    """M/M/1, first come, first served, whose rate of service changes: ``per_s`` at each time in ns from the start."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        mean_ns = SECOND / per_s(at.astype(np.float64))
        return at_once(first_come(at, rng.exponential(1.0, len(at)) * mean_ns) - at)

    return law
