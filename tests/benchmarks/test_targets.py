"""What is asked of the engine, held against a run."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.targets import Target, target_rows, targets


def one(value: float) -> dict[str, float]:
    return {"median": value, "least": value, "most": value}


def speed(tool: str, rps: float, cpu_us: float) -> dict[str, Any]:
    return {"tool": tool, "rps": one(rps), "cpu_us": one(cpu_us)}


WHOLE: dict[str, Any] = {
    "speed": {
        "get": [speed("ours", 60_000, 14), speed("hey", 40_000, 25), speed("autocannon", 75_000, 13)],
        "journey": [
            speed("ours (fresh connections)", 20_000, 46),
            speed("ours", 50_000, 15.0),
            speed("wrk", 60_000, 8),
            speed("k6", 10_000, 95),
            speed("locust", 6_000, 160),
            {"tool": "gatling", "failed_runs": ["no report"]},
        ],
        "tls": [speed("ours", 43_000, 23.0)],
    },
    "send_lag": {"lag_p50_ms": one(0.016), "lag_p99_ms": one(0.17)},
    "sessions": [
        {"name": "a", "sessions": 100_000, "bytes_each": 1_200.0, "generator_bytes": 4e8},
        {"name": "b", "sessions": 100_000, "bytes_each": 2_100.0, "generator_bytes": 5e8},
    ],
    "connections": [{"name": "plain", "seen_by_server": 20_000}, {"name": "TLS", "error": "failed: too few files"}],
    "start": {"workers_1": {"seconds": one(0.9)}, "workers_2": {"seconds": one(1.6)}},
    "scaling": {"free_cores": False, "measured_ratio": 1.0, "ratio_by_cost": 1.9},
    "known_delay": [
        {"tool": "wrk", "median_error_ms": one(5.0)},
        {"tool": "ours", "median_error_ms": one(0.2)},
    ],
    "freeze": [{"tool": "ours", "p95": {"relative_error": -0.06}, "p99": {"relative_error": 0.01}}],
}
EMPTY: dict[str, Any] = {"speed": {}, "known_delay": [], "freeze": []}


def said(document: dict[str, Any]) -> dict[str, tuple[float | None, str]]:
    return {target.name: (target.measured, target.said) for target in targets(document)}


def test_each_figure_is_met_missed_or_not_measured():
    found = said(WHOLE)
    assert found["three-step journey: client CPU a request"] == (15.0, "met")
    assert found["three-step journey: requests/s against Locust"] == (pytest.approx(50 / 6), "met")
    assert found["three-step journey: CPU a request against wrk"] == (pytest.approx(1.875), "met")
    assert found["GET: requests/s against hey"] == (1.5, "met")
    assert found["GET: requests/s against autocannon"] == (0.8, "missed")
    assert found["GET: requests/s against vegeta"] == (None, "not measured")
    assert found["three-step journey: requests/s against gatling"] == (None, "not measured")
    assert found["freeze drill: p95 against arithmetic"] == (pytest.approx(6), "missed")
    assert found["known delay: the reported median is off by"] == (0.2, "met")


def test_of_several_figures_the_worst_is_held_against_the_target():
    found = said(WHOLE)
    assert found["100,000 sessions in think time: memory each"] == (2_100.0, "missed")
    assert found["100,000 sessions in think time: the whole generator"] == (0.5, "met")
    assert found["from the command to the first request"] == (1.6, "missed")


def test_connections_that_one_transport_could_not_hold_are_not_called_held():
    assert said(WHOLE)["open connections held"] == (None, "not measured")
    both = {**WHOLE, "connections": [{"seen_by_server": 20_000}, {"seen_by_server": 19_000}]}
    assert said(both)["open connections held"] == (19_000, "missed")


def test_fewer_sessions_than_asked_for_prove_nothing():
    fewer = {**WHOLE, "sessions": [{"name": "a", "sessions": 99_999, "bytes_each": 10.0, "generator_bytes": 1.0}]}
    assert said(fewer)["100,000 sessions in think time: memory each"] == (None, "not measured")


def test_two_workers_are_judged_by_cost_where_no_cores_are_free_and_the_name_says_so():
    found = said(WHOLE)
    assert found["two workers against one, by cost: no free cores here"] == (1.9, "met")
    free = {**WHOLE, "scaling": {"free_cores": True, "measured_ratio": 1.7, "ratio_by_cost": 1.9}}
    assert said(free)["two workers against one"] == (1.7, "missed")


def test_a_run_that_measured_nothing_meets_nothing():
    assert {word for _, word in said(EMPTY).values()} == {"not measured"}


def test_a_limit_is_shown_with_its_sense_and_unit():
    rows = target_rows([Target("memory", 2_000, True, 1_234.4, "bytes", 0), Target("held", 20_000, False, None, "", 0)])
    assert rows == [
        ["memory", "≤ 2,000 bytes", "1,234 bytes", "met"],
        ["held", "≥ 20,000", "", "not measured"],
    ]
