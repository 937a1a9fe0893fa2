"""All rules on the records of one finished stage, in one place."""

from __future__ import annotations

import polars as pl

from seatrial.model.journal import StageLog
from seatrial.model.plan import Plan
from seatrial.model.verdict import Reason
from seatrial.verdict.attempts import check_attempts
from seatrial.verdict.closed import check_users
from seatrial.verdict.hopeless import Offered
from seatrial.verdict.inputs import Rows
from seatrial.verdict.littles_law import check_littles_law
from seatrial.verdict.validity import check_stage

__all__ = ["contradictions"]


def contradictions(
    plan: Plan,
    plan_digest: str,
    part: Offered,
    log: StageLog,
    rows: tuple[Rows, Rows],
    health: pl.DataFrame,
    workers: int,
    lag_limit: float,
) -> list[Reason]:
    """Return what the records of a finished stage say against themselves, or the health rows against them.

    Args:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal.
        part: What of the stage was offered.
        log: When it ran.
        rows: All of its records and its retried attempts, by the sessions' own numbers.
        health: Health rows of the trial; sound.
        workers: Workers that were started.
        lag_limit: The limit for send lag in ns.
    """
    stage = part.stage
    torn = [
        *check_stage(plan, stage, log, part.columns, part.table, lag_limit),
        *check_users(plan, plan_digest, stage, log, rows[0], lag_limit),
        *check_attempts(plan, stage, *rows),
    ]
    if torn:  # the law speaks of complete records; what is missing from others is said already
        return torn
    numbered = part.columns if stage.users is None else rows[0]
    return list(check_littles_law(plan, stage, log, numbered, health, workers))
