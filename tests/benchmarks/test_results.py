"""The tables a reader sees, and the jobs that tools are given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from benchmarks.ours import PLANS, plan_text
from benchmarks.parts import ON_REQUEST, PARTS
from benchmarks.results import files, flame_graph, markdown
from benchmarks.servers import nginx_config
from benchmarks.tables import delay_rows, freeze_rows, held_rows, import_rows, paced_rows, profile_lines, speed_rows
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


def document(*parts: str) -> dict[str, Any]:
    """Return the results of a run of these parts before anything was measured."""
    about = {
        "processor": "Some (R) Processor", "cores": 2, "memory_gb": 8.0, "kernel": "6.1", "python": "3.11.7",
        "commit": "0123456789abcdef", "changed_files": 0,
        "load_average_before": (0.1, 0.2, 0.3), "load_average_after": (1.0, 0.5, 0.4),
    }  # fmt: skip
    settings = {"seconds": 5, "repeats": 3, "connections": 64, "freeze_s": 3.0, "cores": (0, 1)}
    return {
        "date": "2026-11-23T18:00:00+00:00", "remark": "", "machine": about, "settings": settings, "server": "nginx/1",
        "parts": list(parts), "failed_parts": {}, "speed": {}, "known_delay": [], "freeze": [],
        "versions": {"ours": "0.1.0"}, "not_installed": {"oha": "cargo is not installed"},
    }  # fmt: skip


PROFILE = {
    "saturation": 12_000.0,
    "perf": {
        "sessions_per_s": 10_800.0, "samples": 1000, "cpu_us": 15.25,
        "layers": [("interpreter", 600), ("kernel: sendto", 400)],
        "symbols": [("_PyEval_EvalFrameDefault (interpreter)", 300)],
    },
    "py_spy": {
        "sessions_per_s": 7_200.0, "outside": 500, "functions": [("Recorder.add (seatrial/engine/recorder.py)", 50)],
        "files": [("seatrial/engine/recorder.py", 60)], "flame_graph": "profile.svg",
    },
}  # fmt: skip


def test_what_was_held_and_what_a_tool_could_not_do_stand_in_one_table():
    row = {
        "name": "sessions", "asked": 1000, "sessions": 999, "seen_by_server": 12, "bytes_each": 1234.5,
        "generator_bytes": 2.5e8, "outcomes": {"ok": 1990, "timeout": 3, "aborted": 2},
    }  # fmt: skip
    rows = held_rows([row, {"name": "connections", "error": "failed: too few files"}])
    assert rows[0] == ["sessions", "1,000", "999", "12", "1,234", "250", "5"]
    assert rows[1][:2] == ["connections", "failed: too few files"]
    assert len(rows[0]) == len(rows[1])


def test_a_rate_that_was_not_reached_stands_beside_the_one_that_was_asked():
    row = {
        "tool": "some", "rate": 5000.0, "rps": one(4200), "cpu_us": one(75.25), "client_share": one(0.9),
        "others_share": one(0.0),
    }  # fmt: skip
    rows = paced_rows([row, {"tool": "broken", "error": "failed: no report"}])
    assert rows[0][:4] == ["some", "5,000", "4,200 (4,199–4,201)", "75.2 (74.2–76.2)"]
    assert rows[1][:2] == ["broken", "failed: no report"]


def test_the_rest_of_the_packages_is_one_row_and_the_sum_is_of_all():
    imports = {f"package{i}": float(i) for i in range(1, 11)}
    rows = import_rows(imports, most=3)
    assert rows == [["package10", "10"], ["package9", "9"], ["package8", "8"], ["7 others", "28"], ["all", "55"]]


def test_a_page_says_what_was_asked_even_where_nothing_was_measured():
    page = markdown(document("start"))
    assert "| from the command to the first request | ≤ 1.5 s |  | not measured |" in page
    assert "| oha | not installed | cargo is not installed |" in page


def test_a_part_that_failed_is_on_the_page_with_its_reason():
    results = document("start")
    results["failed_parts"]["start"] = "BenchError: no request within 20 s"
    assert "| start | BenchError: no request within 20 s |" in markdown(results)


def test_a_run_of_some_parts_does_not_take_the_place_of_a_whole_run(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("RESULTS", str(tmp_path))
    whole = [path.name for path in files(document(*(set(PARTS) - ON_REQUEST)))]
    some = [path.name for path in files(document("lag", "speed"))]
    assert whole == ["2026-11-23-some-r-processor-2-cores.json", "2026-11-23-some-r-processor-2-cores.md"]
    assert some == [f"2026-11-23-some-r-processor-2-cores-speed-lag.{kind}" for kind in ("json", "md")]


def test_a_profile_is_a_page_of_its_own_beside_its_flame_graph(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("RESULTS", str(tmp_path))
    results = document("profile") | {"profile": PROFILE}
    ((path, page),) = files(results).items()
    assert path.with_suffix(".svg") == flame_graph(results)
    assert path.name == "profile-2026-11-23-some-r-processor-2-cores.md"
    assert "| interpreter | 60.0% |" in page
    assert "| Recorder.add (seatrial/engine/recorder.py) | 10.0% |" in page
    assert "[The flame graph](profile.svg)" in page


def test_a_profiler_that_is_not_there_is_said_and_the_other_one_is_shown():
    lines = "".join(profile_lines({**PROFILE, "py_spy": {"error": "py-spy is not installed"}}))
    assert "py-spy is not installed" in lines
    assert "kernel: sendto" in lines
