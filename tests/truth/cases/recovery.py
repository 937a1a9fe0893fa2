"""Recovery trials: is a metastable service known for what it is, and no other called that? And how long did it take?"""

from __future__ import annotations

import polars as pl
from tests.truth.cases.judged import APART, LETTER, judged
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import clients, queues
from tests.verdict.made import Law, Made, make, plan_of

from seatrial.model.plan import Plan
from seatrial.model.sample import Outcome
from seatrial.units import SECOND, write_duration

GROUP = "Recovery trials: does the service come back?"
STATE = {"recovered": "R", "slow": "S", "metastable": "M", "undecided": "I"}
CALM, OVERLOAD, BEFORE_S, FOR_S, LIMIT_S = 40, 120, 120, 60, 2.0
PLACES = {"10% inside": 0.9, "10% beyond": 1.1}


def case(name: str, service: str, law: Law, figures: tuple[Figure, ...], takes_s: float | None = None) -> Case:
    """Return a case: 40/s for two minutes, a minute of 120/s, five minutes of 40/s.

    Args:
        name: Of the case.
        service: What it is.
        law: What it does.
        figures: What is counted.
        takes_s: What the limits are set by where the service does not come back in time; None where it does, and each
            trial's own truth is used: how long after the overload the last request came that was not served in time.
    """

    def trial(seed: int) -> Letters:
        made = make(_plan(["recovery time <= 1m"], seed), law, seed=APART * (seed + 1))
        truth_s = _last_bad_s(made) if takes_s is None else takes_s
        times = [f"recovery time <= {write_duration(round(truth_s / place * SECOND))}" for place in PLACES.values()]
        verdict = judged(made.but(plan=_plan(times, seed)))
        if verdict.verdict == "INVALID" or not verdict.recovery:
            return dict.fromkeys([*PLACES, "state"], "X")
        each = {o.objective: LETTER[o.verdict] for o in verdict.objectives}
        letters = {place: each[text] for place, text in zip(PLACES, times, strict=True)}
        return letters | {"state": STATE[verdict.recovery[0].state]}

    return Case(name, GROUP, service, f"40/s, 1 min of 120/s, 5 min of 40/s; p95 <= {LIMIT_S:g}s", trial, figures)


def _plan(times: list[str], seed: int) -> Plan:
    overload = {"to": f"{OVERLOAD}/s", "for": f"{FOR_S}s"}
    kind = {"kind": "recovery", "at": f"{CALM}/s", "before": f"{BEFORE_S}s", "after": "5m", "overload": overload}
    limits = [f"p95 response time <= {LIMIT_S:g}s", "errors <= 1%", *times]
    return plan_of(kind | {"objectives": limits}, peak=f"{CALM}/s", seed=seed)


def _last_bad_s(made: Made) -> float:
    """Return how long after the overload the last request came that failed or took longer than the limit."""
    rows = made.records.filter(
        (pl.col("outcome") != Outcome.OK) | (pl.col("done_ns") - pl.col("intended_ns") > LIMIT_S * SECOND)
    )
    last = rows["intended_ns"].to_numpy().max()
    return float(last - made.stages[0].started_ns) / SECOND - BEFORE_S - FOR_S


def drained_s(per_s: float) -> float:
    """Return how long after the overload requests wait for less than the limit again, in the mean.

    The overload leaves (o - m) f requests; each second takes away m - l of them; whoever comes waits 1/m for each.
    """
    return ((OVERLOAD - per_s) * FOR_S - per_s * LIMIT_S) / (per_s - CALM)


CALLED = Figure("state", "M", "falsely called metastable", most=0.01)
TIMES = (
    Figure("10% beyond", "P", "false PASS, recovery takes 10 % longer than the limit", most=0.01),
    Figure("10% inside", "F", "false FAIL, recovery takes 10 % less than the limit", most=0.02),
    Figure("10% beyond", "F", "FAIL, 10 % beyond"),
    Figure("10% inside", "P", "PASS, 10 % inside"),
)
CASES = (
    case(
        "metastable",
        "60/s behind a gateway that tries twice what takes 2 s: 80/s once it is behind, for ever",
        clients.retried(60, 2 * SECOND, 2),
        (
            Figure("state", "M", "called metastable", least=0.99),
            Figure("10% beyond", "P", "false PASS of recovery time", most=0.01),
            Figure("10% beyond", "F", "FAIL of recovery time"),
        ),
        takes_s=200,
    ),
    case(
        "recovers",
        "60/s behind a gateway that tries once: whoever waits for 2 s is given up, until the backlog is gone",
        clients.retried(60, 2 * SECOND, 1),
        (CALLED, Figure("state", "R", "called recovered"), *TIMES),
    ),
    case(
        "drains",
        "M/D/1 of 60/s: its backlog shrinks in a straight line",
        queues.md1(60),
        (CALLED, Figure("state", "R", "called recovered"), *TIMES),
    ),
    case(
        "slow",
        "M/M/1 of 50/s: its backlog shrinks, and would be gone after seven minutes",
        queues.mm1(50),
        (
            CALLED,
            Figure("state", "S", "called slow"),
            Figure("10% beyond", "P", "false PASS of recovery time", most=0.01),
        ),
        takes_s=drained_s(50),
    ),
)
