"""Soak trials: is a drift found, and is one seen where there is none?"""

from __future__ import annotations

import numpy as np
from tests.truth.cases.judged import APART, yes
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import aging
from tests.verdict.made import Law, make, plan_of

from seatrial.stats.drift import drift, time_to_limit
from seatrial.stats.window_series import mean_series, quantile_series, windows_for
from seatrial.units import SECOND

GROUP = "Soak trials: does anything drift?"
RATE, SERVICE, WARMUP_S, HOLD_S = 50, 100, 60, 7200
LETTER = {"rising": "R", "falling": "L", "none": "-"}


def case(name: str, service: str, law: Law, figures: tuple[Figure, ...]) -> Case:
    def trial(seed: int) -> Letters:
        kind = {"kind": "soak", "at": "1 P", "for": f"{HOLD_S}s", "warmup": f"{WARMUP_S}s"}
        plan = plan_of(kind | {"objectives": ["errors <= 1%"]}, peak=f"{RATE}/s", seed=seed)
        made = make(plan, law, seed=APART * (seed + 1))
        at, done = (made.records[name].to_numpy() for name in ("intended_ns", "done_ns"))
        from_ns = made.stages[0].started_ns + WARMUP_S * SECOND
        to_ns = from_ns + HOLD_S * SECOND
        windows = windows_for(int((at >= from_ns).sum()), HOLD_S * SECOND, 0.95)
        series = quantile_series(at, done - at, np.zeros(len(at), dtype=bool), 0.95, from_ns, to_ns, windows)
        return {"p95": LETTER[drift(series, 0.95).direction]}

    plan = f"p95 of {RATE}/s over 2 h"
    return Case(name, GROUP, service, plan, trial, figures, quick=2)


FOUND = (Figure("p95", "R", "a rise is found", least=0.95), Figure("p95", "L", "a fall is named"))
ALARM = (
    Figure("p95", "R", "false alarm: a rise is named", most=0.05),
    Figure("p95", "L", "a fall is named"),
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
    return Case(name, GROUP, service, "telemetry of 1/s over 2 h", trial, figures)


def _leak(growth: float) -> Law:
    return aging.leaking(SERVICE, RATE, growth, HOLD_S * SECOND, WARMUP_S * SECOND)


CASES = (
    case("drift-10", "M/M/1 at half its capacity whose response times grow by 10 %", _leak(0.1), FOUND),
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
