"""Recovery trials: is a metastable service known for what it is, and no other called that? And how long did it take?"""

from __future__ import annotations

from tests.truth.cases.judged import APART, LETTER, judged
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import clients, queues
from tests.verdict.made import Law, make, plan_of

from seatrial.units import SECOND, write_duration

GROUP = "Recovery trials: does the service come back?"
STATE = {"recovered": "R", "slow": "S", "metastable": "M", "undecided": "I"}
CALM, OVERLOAD, FOR_S, LIMIT_S = 40, 120, 60, 2.0
PLACES = {"10% inside": 0.9, "10% beyond": 1.1}


def case(name: str, service: str, law: Law, takes_s: float, figures: tuple[Figure, ...]) -> Case:
    """Return a case: 40/s for two minutes, a minute of 120/s, five minutes of 40/s.

    Args:
        name: Of the case.
        service: What it is.
        law: What it does.
        takes_s: How long it takes to come back; any time where it does not.
        figures: What is counted.
    """

    def trial(seed: int) -> Letters:
        overload = {"to": f"{OVERLOAD}/s", "for": f"{FOR_S}s"}
        kind = {"kind": "recovery", "at": f"{CALM}/s", "before": "2m", "after": "5m", "overload": overload}
        times = [f"recovery time <= {write_duration(round(takes_s / place * SECOND))}" for place in PLACES.values()]
        limits = [f"p95 response time <= {LIMIT_S:g}s", "errors <= 1%", *times]
        plan = plan_of(kind | {"objectives": limits}, peak=f"{CALM}/s", seed=seed)
        verdict = judged(make(plan, law, seed=APART * (seed + 1)))
        if verdict.verdict == "INVALID" or not verdict.recovery:
            return dict.fromkeys([*PLACES, "state"], "X")
        each = {o.objective: LETTER[o.verdict] for o in verdict.objectives}
        letters = {place: each[text] for place, text in zip(PLACES, times, strict=True)}
        return letters | {"state": STATE[verdict.recovery[0].state]}

    return Case(name, GROUP, service, f"40/s, 1 min of 120/s, 5 min of 40/s; p95 <= {LIMIT_S:g}s", trial, figures)


def drained_s(per_s: float) -> float:
    """Return how long after the overload requests wait for less than the limit again: a backlog that shrinks evenly.

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
        200,
        (
            Figure("state", "M", "called metastable", least=0.99),
            Figure("10% beyond", "P", "false PASS of recovery time", most=0.01),
            Figure("10% beyond", "F", "FAIL of recovery time"),
        ),
    ),
    case(
        "recovers",
        "60/s behind a gateway that tries once: whoever waits for 2 s is given up, until the backlog is gone",
        clients.retried(60, 2 * SECOND, 1),
        drained_s(60),
        (CALLED, Figure("state", "R", "called recovered"), *TIMES),
    ),
    case(
        "drains",
        "M/D/1 of 60/s: its backlog shrinks in a straight line",
        queues.md1(60),
        drained_s(60),
        (CALLED, Figure("state", "R", "called recovered"), *TIMES),
    ),
    case(
        "slow",
        "M/M/1 of 50/s: its backlog shrinks, and would be gone after seven minutes",
        queues.mm1(50),
        drained_s(50),
        (
            CALLED,
            Figure("state", "S", "called slow"),
            Figure("10% beyond", "P", "false PASS of recovery time", most=0.01),
        ),
    ),
)
