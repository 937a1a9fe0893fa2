"""Load trials: a level that is held, and limits on percentiles, means and errors whose truth is known.

Each trial is judged by the same limit at five places, told by how large the truth is beside it: half of it, 10 %
inside, on it, 10 % beyond, twice it. A trial with one limit has that limit's verdict; here all five are one plan's, so
that each simulated trial is judged once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.truth.cases.judged import APART, judged, letters_of, yes
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import aging, clients, exact, queues
from tests.verdict.made import Answers, Int64, Law, load, make, plan_of

from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.units import MS, SECOND, write_duration, write_number

GROUP = "Load trials: is a limit kept?"
PLACES = {"half": 0.5, "10% inside": 0.9, "on it": 1.0, "10% beyond": 1.1, "twice": 2.0}

Sentence = Callable[[float], str]
"""From a limit, in seconds or as a share, to the objective."""


def percentile(number: int) -> Sentence:
    return lambda limit: f"p{number} response time <= {write_duration(round(limit * 1e9))}"


def mean(limit: float) -> str:
    return f"mean response time <= {write_duration(round(limit * 1e9))}"


def errors(limit: float) -> str:
    return f"errors <= {write_number(round(limit * 100, 9))}%"


FIGURES = (
    Figure("10% beyond", "P", "false PASS, 10 % beyond the limit", most=0.01),
    Figure("10% inside", "F", "false FAIL, 10 % inside the limit", most=0.02),
    Figure("10% beyond", "I", "INCONCLUSIVE, 10 % beyond"),
    Figure("10% inside", "I", "INCONCLUSIVE, 10 % inside"),
    Figure("half", "P", "PASS at half the limit"),
    Figure("twice", "F", "FAIL at twice the limit"),
    Figure("covered", "+", "the 95 % interval holds the truth"),
)


RATE = 40
"""Journeys per second of every case."""


def case(
    name: str,
    service: str,
    law: Law,
    truth: float,
    sentence: Sentence,
    limit: str,
    hold_s: int,
    warmup_s: int = 30,
    figures: tuple[Figure, ...] = FIGURES,
) -> Case:
    """Return a case: ``truth`` in seconds or as a share, judged for ``hold_s`` after ``warmup_s``."""

    def trial(seed: int) -> Letters:
        limits = [sentence(truth / place) for place in PLACES.values()]
        plan = plan_of(load(*limits, hold=f"{hold_s}s", warmup=f"{warmup_s}s"), peak=f"{RATE}/s", seed=seed)
        verdict = judged(make(plan, law, seed=APART * (seed + 1)))
        letters = letters_of(verdict, tuple(PLACES))
        value = verdict.objectives[0].value
        scaled = truth * (1e9 if sentence is not errors else 1)
        above = value.upper is None or value.upper >= scaled
        holds = above and value.lower is not None and value.lower <= scaled
        letters |= {"covered": yes(holds), "warm": yes(verdict.stages[0].warm_up is not None)}
        return {figure.question: letters[figure.question] for figure in figures} | {"on it": letters["on it"]}

    plan = f"{limit}, {RATE}/s, {hold_s // 60} min judged after {warmup_s} s"
    return Case(name, GROUP, service, plan, trial, figures, quick=min(5, max(1, 3000 // hold_s)))


def mistakes(share: float) -> Law:
    """A prompt service of whose answers an independent share are errors."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        outcome = np.where(rng.random(len(at)) < share, Outcome.HTTP_ERROR, Outcome.OK)
        return queues.at_once(rng.exponential(20 * MS, len(at)), outcome, np.where(outcome == Outcome.OK, 200, 500))

    return law


def _of(tail: exact.Tail, quantile: float) -> float:
    return exact.quantile_of(tail, quantile, 0.05)


_STAMPEDE = 0.005 + (0.5 - 0.005) * exact.stampede_share(1000, RATE, 0.5, 600)
_MM1, _BUSY = exact.mm1_tail(40, 80), exact.mm1_tail(40, 50)

CASES = (
    case("mm1-p95", "M/M/1 at 50 % of its capacity", queues.mm1(80), _of(_MM1, 0.95), percentile(95), "p95", 600),
    case("mm1-p99", "M/M/1 at 50 % of its capacity", queues.mm1(80), _of(_MM1, 0.99), percentile(99), "p99", 1200),
    case("mm1-mean", "M/M/1 at 50 % of its capacity", queues.mm1(80), 1 / 40, mean, "mean", 300),
    case("mm1-busy", "M/M/1 at 80 % of its capacity", queues.mm1(50), _of(_BUSY, 0.95), percentile(95), "p95", 3600),
    case(
        "mmc-p95",
        "M/M/4 at 80 % of its capacity",
        queues.mmc(12.5, 4),
        _of(exact.mmc_tail(40, 12.5, 4), 0.95),
        percentile(95),
        "p95",
        1200,
    ),
    case(
        "md1-p95",
        "M/D/1 at 70 % of its capacity",
        queues.md1(40 / 0.7),
        _of(exact.md1_tail(40, 40 / 0.7), 0.95),
        percentile(95),
        "p95",
        1200,
    ),
    case(
        "sharing-p95",
        "M/M/1 processor sharing at 70 % of its capacity",
        queues.processor_sharing(40 / 0.7),
        _of(exact.sharing_tail(40, 40 / 0.7), 0.95),
        percentile(95),
        "p95",
        1200,
    ),
    case(
        "freeze-p95",
        "a prompt service that stands still for 1 s in every 10 s",
        aging.freezing(20 * MS, SECOND, 10 * SECOND),
        exact.freeze_quantile(0.02, 1, 10, 0.95),
        percentile(95),
        "p95",
        1200,
    ),
    case("errors-1", "independent errors, 1 %", mistakes(0.01), 0.01, errors, "errors", 1200),
    case("errors-0.1", "independent errors, 0.1 %", mistakes(0.001), 0.001, errors, "errors", 3600),
    case(
        "shedding",
        "M/M/1/10 at 80 % of its capacity, which refuses with 503: errors in bursts",
        queues.bounded(50, 10),
        exact.blocking(40, 50, 10),
        errors,
        "errors",
        1200,
    ),
    case(
        "stampede",
        "a cache of 1,000 keys that begins empty: all who ask before a key is there fetch it, for 500 ms",
        clients.stampede(1000, 500 * MS),
        _STAMPEDE,
        mean,
        "mean",
        600,
        warmup_s=0,
        figures=(*FIGURES[:4], Figure("warm", "+", "a warm-up is named")),
    ),
)
