"""What sessions and connections take, held at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.held import JOURNEYS, Look, held, think
from benchmarks.holding import Holding, hold
from benchmarks.ours import plan_text
from benchmarks.runner import Settings
from benchmarks.servers import BenchError, nginx_config, parse_status

from seatrial.authoring.yaml_plan import read_plan


def test_what_a_session_takes_is_what_memory_grew_by_while_most_were_there():
    looks = [
        Look(0, 400, 9, 60_000_000),
        Look(1, 500, 8, 61_000_000),
        Look(0, 500, 4, 61_500_000),
        Look(0, 500, 3, 62_000_000),  # of those with most sessions the last: the tail has its answers
        Look(1, 100, 2, 99_000_000),
        Look(0, 20, 2, 98_000_000),
    ]
    found = held(looks, before=[61_000_000, 60_000_000])
    assert (found["sessions"], found["connections"]) == (1000, 11)
    assert found["bytes_each"] == (1_000_000 + 1_000_000) / 1000
    assert [worker["rss_before"] for worker in found["workers"]] == [61_000_000, 60_000_000]


@pytest.mark.parametrize("looks", [[], [Look(0, 10, 1, 5)], [Look(0, 10, 1, 5), Look(1, 0, 0, 5)]])
def test_a_worker_that_held_nothing_makes_no_figure(looks: list[Look]):
    with pytest.raises(ValueError, match="without sessions"):
        held(looks, before=[1, 1])


@pytest.mark.parametrize("kind", sorted(JOURNEYS))
def test_the_journey_that_thinks_is_a_plan_and_asks_once_more_afterwards(kind: str):
    text = plan_text(think(kind, 30), "http://127.0.0.1:8081", "session", 2000, None)
    (journey,) = read_plan(text.encode(), "plan.yaml").journeys.values()
    assert len(journey.steps) == {"get": 3, "signed-in": 4}[kind]


def test_the_first_still_think_when_the_last_have_come():
    holding = Holding("some", "get", 100_000, 8_000.0)
    assert holding.think_s() > holding.count / holding.rate + 5


def test_the_servers_own_counter_leaves_out_who_asks():
    page = b"Active connections: 20001 \nserver accepts handled requests\n 20201 20201 40207 \nReading: 0 Writing: 1 \n"
    assert parse_status(page) == (20_000, 40_207)
    with pytest.raises(BenchError, match="stub_status"):
        parse_status(b"<html>404</html>")


def test_two_workers_of_nginx_have_a_listening_socket_each(tmp_path: Path):
    one, two = (nginx_config(tmp_path, 8081, 8443, 8082, workers) for workers in (1, 2))
    assert "reuseport" not in one
    assert two.count("reuseport;") == 2
    assert "worker_processes 2;" in two


@pytest.mark.real
def test_real_workers_hold_real_connections_and_the_server_sees_every_one():
    said: list[str] = []
    holding = Holding("a few", "get", 300, 600.0, own=True)
    cores = sorted(os.sched_getaffinity(0))
    settings = Settings(1, 1, 64, 0.0, (cores[0], cores[-1]))
    (row,) = hold(settings, Path(__file__).parents[2] / "src", [holding], said.append, settle_s=2)
    assert row.get("error") is None
    assert (row["sessions"], row["seen_by_server"]) == (300, 300)
    assert row["outcomes"] == {"ok": 600}
    assert 0 < row["bytes_each"] < 100_000
    assert row["generator_bytes"] > 100_000_000  # three processes with an interpreter each
    assert said[0].startswith("a few: 300 at once")
