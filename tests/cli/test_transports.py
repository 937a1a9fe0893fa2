"""Whole runs over HTTP/2 and HTTP/3, seen from the other side: by nginx, and by aioquic's server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests.cli.running import Done, seatrial, write_plan
from tests.engine.certified import Authority
from tests.engine.fronted import fronted
from tests.engine.quic import QuicServer, saying
from tests.engine.served import Server, always_ok

from seatrial.model.sample import Outcome

pytestmark = pytest.mark.real


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    yield Authority(tmp_path)


def run(folder: Path, target: str, authority: Authority, transport: str, more: str = "") -> Done:
    head = f"seatrial: 1\ntransport: {transport}\ntls: {{ca: {authority.ca}}}\n{more}"
    write_plan(folder, target, ("seatrial: 1", head))
    options = ("--policy", "policy.yaml", "--out", "bundle", "--workers", 2, "--json")
    return seatrial("run", "plan.yaml", *options, cwd=folder)


def recorded(folder: Path) -> Counter[tuple[Outcome, int]]:
    records = pl.read_parquet(folder / "bundle" / "records" / "*" / "part-*.parquet")
    rows = zip(records["outcome"].to_list(), records["status"].to_list(), strict=True)
    return Counter((Outcome(outcome), status) for outcome, status in rows)


def test_a_run_over_http2_passes_and_nginx_saw_a_connection_for_every_session(
    tmp_path: Path, authority: Authority
) -> None:
    with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem()) as front:
        done = run(tmp_path / "run", f"https://127.0.0.1:{front.secure}", authority, "http/2")
    assert (done.code, done.err) == (0, "")
    assert done.json["verdict"] == "PASS"
    outcomes = recorded(tmp_path / "run")
    assert set(outcomes) == {(Outcome.OK, 200)}
    visits = [request for request in server.requests if request.method == "GET"]
    assert len(visits) == outcomes[Outcome.OK, 200] >= 20
    assert {request.header("x-protocol") for request in server.requests} == {"HTTP/2.0"}
    assert len({request.header("x-connection") for request in visits}) == len(visits)
    assert json.loads((tmp_path / "run" / "bundle" / "plan.json").read_text())["transport"] == "http/2"


def test_a_run_over_http3_needs_no_tcp_and_shares_connections_where_the_plan_says_so(
    tmp_path: Path, authority: Authority
) -> None:
    set_up = "connections: shared\nset_up: {steps: [{get: /ready}]}\n"
    with QuicServer(saying(), authority.pem()) as quic:
        done = run(tmp_path / "run", f"https://127.0.0.1:{quic.port}", authority, "http/3", set_up)
    assert (done.code, done.err) == (0, "")
    outcomes = recorded(tmp_path / "run")
    assert set(outcomes) == {(Outcome.OK, 200)}
    paths = Counter((request.method, request.path) for request in quic.requests)
    assert paths == {("OPTIONS", "*"): 1, ("GET", "/ready"): 1, ("GET", "/"): outcomes[Outcome.OK, 200]}
    assert quic.connections == 1 + 1 + 2  # the question before the run, the set-up, and one for each worker


def test_a_target_without_the_version_is_not_put_under_load(tmp_path: Path, authority: Authority) -> None:
    with Server(always_ok) as server, fronted(tmp_path, server.port, authority.pem(), http2=False) as front:
        done = run(tmp_path / "run", f"https://127.0.0.1:{front.secure}", authority, "http/2")
    assert done.code not in {0, 1}
    assert "HTTP/2 is not spoken there" in done.out + done.err
    assert server.requests == []
