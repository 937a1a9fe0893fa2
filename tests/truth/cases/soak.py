"""Soak trials: is a drift found, and is one seen where there is none?"""

from __future__ import annotations

import numpy as np
from tests.truth.cases.judged import APART, judged, letters_of, yes
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import aging
from tests.verdict.made import Law, make, plan_of

from seatrial.stats.drift import drift, time_to_limit
from seatrial.stats.window_series import mean_series, windows_for
from seatrial.units import SECOND

GROUP = "Soak trials: does anything drift?"
RATE, SERVICE, WARMUP_S, HOLD_S = 50, 100, 60, 7200
LETTER = {"rising": "R", "falling": "L", "none": "-"}


def case(name: str, service: str, law: Law, figures: tuple[Figure, ...]) -> Case:
    """Return a case of a soak whose plan allows p95 to drift by 10 %."""

    def trial(seed: int) -> Letters:
        kind = {"kind": "soak", "at": "1 P", "for": f"{HOLD_S}s", "warmup": f"{WARMUP_S}s"}
        plan = plan_of(kind | {"objectives": ["p95 response time drift <= 10%"]}, peak=f"{RATE}/s", seed=seed)
        verdict = judged(make(plan, law, seed=APART * (seed + 1)))
        letters = letters_of(verdict, ("limit",))
        return letters | {"p95": LETTER[verdict.drift[0].direction] if verdict.drift else "X"}

    return Case(name, GROUP, service, f"p95 response time drift <= 10%, {RATE}/s, 2 h", trial, figures, quick=1)


FOUND = (Figure("p95", "R", "a rise is found", least=0.95), Figure("p95", "L", "a fall is named"))
TWICE = (
    Figure("p95", "R", "a rise is found", least=0.95),
    Figure("limit", "P", "false PASS", most=0.01),
    Figure("limit", "F", "FAIL"),
)
ALARM = (
    Figure("p95", "R", "false alarm: a rise is named", most=0.05),
    Figure("p95", "L", "a fall is named"),
    Figure("limit", "F", "false FAIL", most=0.02),
    Figure("limit", "P", "PASS"),
)


def memory_case(name: str, growth: float, figures: tuple[Figure, ...]) -> Case:
    """Return a case of the memory that a service says it uses, once a second: when is it half as much again?"""
    limit = 1.5

    def trial(seed: int) -> Letters:
        at = np.arange(HOLD_S, dtype=np.int64) * SECOND
        used = aging.memory(at, 1.0, growth, HOLD_S * SECOND, 0.03, seed)
        series = mean_series(at, used, 0, HOLD_S * SECOND, windows_for(HOLD_S * 1000, HOLD_S * SECOND))
        letters = {"memory": LETTER[drift(series, 0.95).direction]}
        if not growth:
            return letters
        after, true_ns = time_to_limit(series, limit, 0.95).after_ns, HOLD_S * SECOND * (limit - 1) / growth
        held = (after.lower or 0) <= true_ns and (after.upper is None or after.upper >= true_ns)
        return letters | {"exhausted": yes(held)}

    service = f"memory that grows by {growth:.0%} in 2 h, under the saw of its garbage collection and slow noise"
    return Case(
        name,
        GROUP,
        service,
        "one reading a second over 2 h, by the statistic alone (`stats/drift.py`)",
        trial,
        figures,
        quick=40,
    )


def _leak(growth: float) -> Law:
    return aging.leaking(SERVICE, RATE, growth, HOLD_S * SECOND, WARMUP_S * SECOND)


CASES = (
    case("drift-10", "M/M/1 at half its capacity whose response times grow by 10 %", _leak(0.1), FOUND),
    case("drift-20", "the same, by 20 %", _leak(0.2), TWICE),
    case("drift-none", "the same, unchanging", _leak(0.0), ALARM),
    memory_case(
        "leak-10",
        0.1,
        (
            Figure("memory", "R", "a rise is found", least=0.95),
            Figure("exhausted", "+", "the 95 % interval holds the time to exhaustion"),
        ),
    ),
    memory_case(
        "leak-none",
        0.0,
        (Figure("memory", "R", "false alarm: a rise is named", most=0.05), Figure("memory", "L", "a fall is named")),
    ),
)
