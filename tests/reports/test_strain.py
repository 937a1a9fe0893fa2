"""What a page says of the generator's machine: what was checked, and what was seen besides."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from seatrial.model.health import LAG_COLUMNS, UNKNOWN
from seatrial.reports.checks import Check, health_checks
from seatrial.reports.html import render_html
from seatrial.reports.strain import strain_rows
from seatrial.reports.texts import say_in
from seatrial.reports.view import TrialView
from seatrial.units import MS, SECOND
from seatrial.verdict.inputs import HEALTH_SCHEMA
from seatrial.verdict.machine import USED_UP

SAY = say_in("en")


def rows(*told: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(HEALTH_SCHEMA, 0) | row for row in told], schema=HEALTH_SCHEMA)


def checks(bundle: Any, health: pl.DataFrame | None) -> dict[str, Check]:
    view: TrialView = bundle.view.trials[0]
    found = health_checks(bundle.view.policy, view.trial, view.log, None, health)
    return {check.code: check for check in found}


def spoilt(bundle: Any, **told: float) -> pl.DataFrame:
    """Return the health of the load trial on the run's clock, other than it was in one row within the judged time."""
    view = bundle.view.trials[0]
    frame = view.health.with_columns(pl.col("at_ns") + view.log.stages[0].started_ns)
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 100)
        .then(pl.lit(value).cast(frame.schema[name]))
        .otherwise(pl.col(name))
        .alias(name)
        for name, value in told.items()
    )


def test_the_machine_s_means_are_checked_beside_their_limits(healthy: Any) -> None:
    found = checks(healthy, spoilt(healthy, open_files=10_000, connections=14_000, steal_share=0.5))
    assert (found["files"].seen, found["files"].limit, found["files"].kept) == (0.5, USED_UP, True)
    assert found["ports"].seen == pytest.approx(0.496, abs=0.01)
    assert 0.005 < (found["steal"].seen or 0) < 0.02
    assert (found["steal"].limit, found["steal"].kept) == (healthy.view.policy.validity.steal, True)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"open_files": 19_000}, "files"),
        ({"files_refused": 1}, "files"),
        ({"connections": 26_900}, "ports"),
        ({"ports_refused": 1}, "ports"),
    ],
)
def test_what_was_used_up_or_refused_is_not_kept(healthy: Any, told: dict[str, float], code: str) -> None:
    found = checks(healthy, spoilt(healthy, **told))
    assert [check.code for check in found.values() if check.kept is False] == [code]


def test_a_core_that_was_stolen_is_not_kept_and_agrees_with_the_limit(healthy: Any) -> None:
    frame = spoilt(healthy).with_columns(pl.lit(0.06).alias("steal_share"))
    found = checks(healthy, frame)["steal"]
    assert (found.seen, found.kept) == (0.06, False)


@pytest.mark.parametrize("health", [None, rows()])
def test_without_rows_nothing_is_said_to_be_kept(healthy: Any, health: pl.DataFrame | None) -> None:
    found = checks(healthy, health)
    assert {found[code].kept for code in ("cpu", "steal", "files", "ports")} == {None}
    assert strain_rows(health, SAY) == []


def test_the_strain_is_told_in_four_lines() -> None:
    first = {"stall_ns": 12 * MS, "long_turns": 1, "gc_ns": 3 * MS, "rss_bytes": 80_000_000, "tcp_retransmits": 2}
    second = {"worker": 1, "stall_ns": 40 * MS, "long_turns": 2, "gc_ns": MS, "rss_bytes": 91_000_000}
    lags = {"lag_to_100us": 1200, "lag_to_3ms": 7, "lag_above_100ms": 1}
    seen = dict(strain_rows(rows(first | lags, second | {"lag_to_3ms": 3, "listen_drops": UNKNOWN}), SAY))
    assert seen == {
        "Steps sent, by send lag": "0 to 100 µs: 1,200; 1 ms to 3 ms: 10; above 100 ms: 1",
        "Event loops": "longest turn 40 ms; 3 turns above 10 ms",
        "Memory": "91 MB at most in a worker; 4 ms of garbage collection in all",
        "The machine's network": (
            "TCP segments sent again: 2; connections turned away by full queues: 0; datagrams lost: 0"
        ),
    }
    unknown = rows({"tcp_retransmits": UNKNOWN})
    assert "sent again: not told;" in dict(strain_rows(unknown, SAY))["The machine's network"]
    assert dict(strain_rows(unknown, SAY))["Steps sent, by send lag"] == "–"


def test_every_worker_counts_the_same_machine_which_is_not_added_up() -> None:
    frame = rows(
        *({"worker": worker, "at_ns": at * SECOND, "tcp_retransmits": 3} for worker in (0, 1) for at in (1, 2))
    )
    assert "sent again: 6;" in dict(strain_rows(frame, SAY))["The machine's network"]


def test_the_histogram_of_a_made_trial_holds_its_steps_and_is_in_the_page(healthy: Any) -> None:
    view = healthy.view.trials[0]
    sent = pl.read_parquet(healthy.folder / "records/01-load/part-0000.parquet")["sent_ns"].count()
    assert view.health.select(pl.sum_horizontal(LAG_COLUMNS).sum()).item() == sent
    shown = dict(strain_rows(view.health, SAY))["Steps sent, by send lag"]
    assert shown in healthy.page
    assert "0 至 100 µs：" in render_html(healthy.view, "zh-Hant")
