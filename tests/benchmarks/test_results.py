"""The tables a reader sees, and the jobs that tools are given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.ours import PLANS, plan_text
from benchmarks.servers import nginx_config
from benchmarks.tables import delay_rows, freeze_rows, speed_rows
from benchmarks.tools import TOOLS, Job

from seatrial.authoring.yaml_plan import read_plan


def one(value: float) -> dict[str, float]:
    return {"median": value, "least": value - 1, "most": value + 1}


def speed(tool: str, rps: float) -> dict[str, object]:
    shares = {
        "client_share": one(0.97),
        "server_share": one(0.5),
        "others_share": one(0.01),
        "peak_mb": one(20),
        "errors": one(1),
    }
    return {"tool": tool, "rps": one(rps), "cpu_us": one(9.96), "bottleneck": "client", **shares}


def test_the_fastest_stands_first_and_a_tool_that_failed_is_not_left_out():
    table = speed_rows([speed("slow", 100), {"tool": "broken", "failed_runs": ["no report"]}, speed("fast", 20_000)])
    assert [row[0] for row in table] == ["fast", "slow", "broken"]
    assert table[0][1:3] == ["20,000 (19,999–20,001)", "10.0 (9.0–11.0)"]
    assert table[2][1] == "failed: no report"
    assert len({len(row) for row in table}) == 1


def test_a_percentile_that_a_tool_does_not_report_is_not_a_zero():
    point = {"reported_ms": 12.0, "true_ms": 2705.0, "relative_error": -0.9956}
    silent = {"reported_ms": None, "true_ms": 1505.0, "relative_error": None}
    rows = freeze_rows([{"tool": "some", "sent": 2700, "meant": 3000, "p95": silent, "p99": point}])
    assert rows == [["some", "2,700 of 3,000", "not reported", "", "12 / 2,705", "-99.6%"]]
    assert delay_rows([{"tool": "other", "error": "reports no median"}])[0][1] == "reports no median"


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_every_job_a_tool_takes_becomes_a_command_on_loopback(name: str, tmp_path: Path):
    tool = TOOLS[name]
    for kind in sorted(tool.jobs):
        invocation = tool.invoke("program", Job(kind, "http://127.0.0.1:8081", 3, 64, tmp_path, 100.0))
        words = [*invocation.command, *invocation.environment.values()]
        words += [path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file()]
        addresses = re.findall(r"https?://([^/:\"\s]+)", " ".join(words))
        assert set(addresses) == {"127.0.0.1"}
        assert any(re.search(r"\b3s?\b", word) for word in words)  # its length is bounded


@pytest.mark.parametrize("kind", ["get", "journey"])
@pytest.mark.parametrize("connections", ["shared", "session"])
def test_the_plan_of_ours_is_a_plan(kind: str, connections: str):
    plan = read_plan(plan_text(PLANS[kind], "http://127.0.0.1:8081", connections, 256, None).encode(), "plan.yaml")
    assert (plan.connections, plan.max_sessions) == (connections, 256)
    (journey,) = plan.journeys.values()
    assert len(journey.steps) == {"get": 1, "journey": 3}[kind]


def test_nginx_listens_on_loopback_alone_with_one_worker(tmp_path: Path):
    config = nginx_config(tmp_path, 8081, 8443, 8082)
    assert re.findall(r"listen (\S+?)[ ;]", config) == ["127.0.0.1:8081", "127.0.0.1:8443", "127.0.0.1:8082"]
    assert "worker_processes 1;" in config
    assert config.count("{") == config.count("}")
