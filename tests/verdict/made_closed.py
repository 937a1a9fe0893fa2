"""Evidence of a closed trial, made in virtual time: each user takes iteration after iteration, as the plan says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from tests.verdict.made import DIGEST, LAG_NS, STARTED_NS, Made, health, plan_of

from seatrial.model.journal import StageLog
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import Outcome
from seatrial.model.steps import PauseStep
from seatrial.model.users import UserDraws
from seatrial.units import MS
from seatrial.verdict.inputs import RECORD_SCHEMA

Wait = Callable[[np.random.Generator], tuple[float, Outcome]]
"""From a generator to how long the service takes, in ns, and what becomes of the step."""


def users(count: int, *objectives: str, hold: str = "40s", **more: Any) -> dict[str, Any]:
    return {"kind": "load", "users": count, "for": hold, "objectives": list(objectives) or ["errors <= 5%"]} | more


def closed_plan(count: int, steps: tuple[str, ...] = ("look", "book"), **more: Any) -> Plan:
    return plan_of(users(count, **more), steps=steps)


def prompt(mean_ns: float = 50 * MS) -> Wait:
    return lambda rng: (rng.exponential(mean_ns), Outcome.OK)


def make_closed(plan: Plan, wait: Wait, seed: int = 1, workers: int = 1) -> Made:
    """Return the evidence of a plan's first trial; the generator is healthy and does all that it should."""
    stage = plan.trials[0].stages(0, plan)[0]
    rows = closed_rows(plan, stage, wait, seed)
    frame = pl.DataFrame(rows, schema=RECORD_SCHEMA).sort(["session", "step"])
    end_ns = STARTED_NS + stage.profile.duration_ns
    drained_ns = max(end_ns, int(frame["done_ns"].max() or 0))  # type: ignore[arg-type]
    log = StageLog(0, STARTED_NS, end_ns, drained_ns, frame["session"].n_unique())
    count = stage.users.count if stage.users else 1
    rows_of_health = health((log,), workers, of=frame, users=count)
    return Made(plan, (log,), (), frame, rows_of_health, workers=workers)


def closed_rows(plan: Plan, stage: Stage, wait: Wait, seed: int) -> list[dict[str, Any]]:
    assert stage.users is not None
    draws = UserDraws(DIGEST, plan.seed, stage.trial, stage.index, stage.users, plan.weights)
    journeys, rng = tuple(plan.journeys.values()), np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for user in range(stage.users.count):
        begin_ns, iteration = stage.users.begins_ns(user), 0
        while begin_ns < stage.profile.duration_ns:
            journey = draws.journey(user, iteration)
            at_ns, step, alive, away = begin_ns, 0, True, False
            for item in journeys[journey].steps:
                if isinstance(item, PauseStep):
                    at_ns += item.longest_ns if alive else 0
                    continue
                took_ns, outcome = wait(rng) if alive else (0.0, Outcome.UNSENT if away else Outcome.ABORTED)
                if outcome is Outcome.UNSENT:  # for want of room: no step of the session is tried
                    alive, away = False, True
                sent_ns = at_ns + LAG_NS
                done_ns = sent_ns + int(took_ns) if alive else at_ns
                rows.append(
                    {
                        "journey": journey,
                        "step": step,
                        "session": iteration * stage.users.count + user,
                        "intended_ns": STARTED_NS + at_ns,
                        "sent_ns": STARTED_NS + sent_ns if alive else None,
                        "first_byte_ns": STARTED_NS + done_ns if outcome is Outcome.OK else None,
                        "done_ns": STARTED_NS + done_ns,
                        "outcome": int(outcome),
                        "status": 200 if outcome is Outcome.OK else 0,
                        "bytes_out": 100 if alive else 0,
                        "bytes_in": 500 if alive else 0,
                    }
                )
                alive = alive and outcome is Outcome.OK
                at_ns, step = done_ns, step + 1
            begin_ns = stage.users.next_ns(begin_ns, at_ns, draws.rest_ns(user, iteration), away)
            iteration += 1
    return rows
