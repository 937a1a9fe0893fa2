"""Stress trials by rising steps: which level holds, and is the capacity wanted there?

Capacity is the rate of arrivals at which the limit is just met in the long run. It lies between two levels, so the
trial can bracket it and no more.
"""

from __future__ import annotations

import numpy as np
from tests.truth.cases.judged import APART, judged, letters_of, yes
from tests.truth.cases.load import errors, percentile
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import exact, queues
from tests.verdict.made import Law, make, plan_of

from seatrial.units import write_number

GROUP = "Stress trials by rising steps: is the capacity there?"
PLACES = {"10% beyond": 1.1, "10% inside": 0.9, "far beyond": 1.3, "far inside": 0.7}

FIGURES = (
    Figure("10% beyond", "P", "false PASS, capacity wanted 10 % above the true one", most=0.01),
    Figure("10% inside", "F", "false FAIL, capacity wanted 10 % below the true one", most=0.02),
    Figure("10% beyond", "I", "INCONCLUSIVE, 10 % above"),
    Figure("10% inside", "I", "INCONCLUSIVE, 10 % below"),
    Figure("far beyond", "F", "FAIL, capacity wanted 30 % above"),
    Figure("far inside", "P", "PASS, capacity wanted 30 % below"),
    Figure("covered", "+", "lower and upper bound hold the true capacity"),
)


def wanted(capacity: float) -> list[str]:
    """Return capacity limits at each place beside the true one."""
    return [f"capacity >= {write_number(round(capacity * place, 6))}/s" for place in PLACES.values()]


def case(name: str, service: str, law: Law, capacity: float, limit: str, step: float = 8, hold_s: int = 60) -> Case:
    """Return a case: ``capacity`` is in arrivals per second; the levels begin at half of it, off the round numbers."""
    first = round(capacity / 2 / step) * step + step / 4

    def trial(seed: int) -> Letters:
        kind = {"kind": "stress", "from": f"{first}/s", "to": f"{first + 12 * step}/s", "step": f"{step}/s"}
        kind |= {"hold": f"{hold_s}s", "objectives": [limit, *wanted(capacity)]}
        verdict = judged(make(plan_of(kind, seed=seed), law, seed=APART * (seed + 1)))
        assert verdict.capacity is not None
        lower, upper = verdict.capacity.lower or 0.0, verdict.capacity.upper or np.inf
        return letters_of(verdict, tuple(PLACES)) | {"covered": yes(lower <= capacity <= upper)}

    plan = f"{limit}, steps of {step:g}/s from {first:g}/s, {hold_s} s each; true capacity {capacity:.1f}/s"
    return Case(name, GROUP, service, plan, trial, FIGURES, quick=2)


def _capacity(tail: object, quantile: float, limit_s: float, most: float) -> float:
    def at(rate: float) -> float:
        return exact.quantile_of(tail(rate), quantile, limit_s)  # type: ignore[operator]

    return exact.load_at(at, limit_s, most)


MM1 = _capacity(lambda rate: exact.mm1_tail(rate, 100), 0.95, 0.15, 100)
SHEDDING = exact.load_at(lambda rate: exact.blocking(rate, 100, 10), 0.01, 100)

CASES = (
    case("steps-mm1", "M/M/1, 100/s", queues.mm1(100), MM1, percentile(95)(0.15)),
    case("steps-shedding", "M/M/1/10, 100/s, which refuses with 503", queues.bounded(100, 10), SHEDDING, errors(0.01)),
)
