"""Users who wait and people who try again, from the plan to the report: one whole run with two workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.running import Visit, seatrial, service, write_plan

from seatrial.evidence.recompute import recompute, recompute_verdict
from seatrial.model.reasons import Language
from seatrial.model.sample import Outcome
from seatrial.reports.html import render_html
from seatrial.reports.text import render_text
from seatrial.reports.view import report_view

PLAN = """\
seatrial: 1
title: Users and retries
target: TARGET
demand: {peak: 20/s}
journeys:
  visit:
    steps:
      - {get: /list, name: list, extract: {more: {regex: "(nowhere)", optional: true}}}
      - {get: /slow, name: slow, retry: {after: 80ms, most: 2}}
      - {get: /more, name: more, when: more}
trials:
  - kind: load
    name: users
    users: 12
    ramp: 500ms
    warmup: 500ms
    pacing: 300ms
    for: 2s
    objectives: [errors <= 20%]
"""
EVERY = 3


class Sluggish(Visit):
    """Every third request for /slow takes a quarter of a second."""

    asked = count()

    def do_GET(self) -> None:
        if self.path == "/slow" and next(self.asked) % EVERY == 0:
            time.sleep(0.25)
        super().do_GET()


@dataclass(frozen=True)
class RunDone:
    folder: Path
    bundle: Path
    verdict: dict[str, Any]

    @property
    def trial(self) -> dict[str, Any]:
        found: dict[str, Any] = self.verdict["trials"][0]
        return found

    @property
    def records(self) -> pl.DataFrame:
        return pl.read_parquet(self.bundle / "records" / "01-users" / "*.parquet")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunDone]:
    folder = tmp_path_factory.mktemp("users")
    with service(visit=Sluggish) as server:
        write_plan(folder, server.url, plan=PLAN)
        ran = seatrial(
            "run", "plan.yaml", "--policy", "policy.yaml", "--workers", 2, "--out", "out", "--json", cwd=folder
        )
    assert ran.code == 0, ran.out + ran.err
    yield RunDone(folder, folder / "out", ran.json)


def test_a_closed_run_of_two_workers_is_valid_and_says_what_it_is_worth(done: RunDone) -> None:
    assert done.trial["verdict"] == "PASS"
    codes = [reason["code"] for reason in done.trial["reasons"]]
    assert {"load.closed", "service.retried", "steps.never_taken"} <= set(codes)
    (stage,) = done.trial["stages"]
    assert (stage["name"], stage["users"]) == ("12 users", 12)
    assert 0 < stage["rate"] <= 40.1  # 12 users, at most one journey in 300 ms each


def test_retries_are_rows_beside_the_record_of_their_step(done: RunDone) -> None:
    rows = done.records
    attempts = rows.filter(pl.col("outcome") == int(Outcome.RETRIED))
    assert attempts.height >= 5
    assert attempts["step"].unique().to_list() == [1]
    steps = rows.filter(pl.col("outcome") != int(Outcome.RETRIED))
    assert steps.group_by("session", "step").len()["len"].max() == 1
    retries = done.trial["stages"][0]["retries"]
    assert 0 < retries["count"] <= attempts.height
    assert retries["amplification"] > 1.05
    assert retries == done.trial["retries"]


def test_the_bundle_leads_to_the_same_verdict_again(done: RunDone) -> None:
    assert recompute_verdict(done.bundle) == (done.bundle / "verdict.json").read_bytes()
    assert recompute(done.bundle).as_document()["trials"] == done.verdict["trials"]


@pytest.mark.parametrize(
    ("language", "users", "retries", "waits"),
    [
        ("en", "as 12 users began them", "Retries: ", "wait for the service"),
        ("zh-Hant", "由 12 名用戶開始", "重試：", "會等候該服務"),
    ],
)
def test_the_report_shows_users_and_retries_and_takes_no_attempt_for_a_step(
    done: RunDone, language: Language, users: str, retries: str, waits: str
) -> None:
    verdict = recompute(done.bundle)
    view = report_view(done.bundle, verdict)
    page = render_html(view, language)
    assert retries in render_text(verdict, language)
    assert users in page
    assert retries in page
    assert waits in page
    steps = done.records.filter(pl.col("outcome") != int(Outcome.RETRIED)).height
    (trial,) = view.trials
    assert trial.records == sum(trial.outcomes.values()) == steps
    assert "retried" not in trial.outcomes
    assert trial.timeline is not None
    assert trial.timeline["offered_per_s"].drop_nulls().len() > 0
