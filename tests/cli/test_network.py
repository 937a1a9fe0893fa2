"""Whole runs over the ways that a plan can name: source addresses, a proxy, a tunnel, a client's certificate.

The servers are nginx and proxy.py, which nobody here wrote, and what they saw is read from their own logs. Two runs
are made at once, and two ways are gone by the engine alone; every test looks at some of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.running import Done, free_port, nginx, seatrial, serving, write_plan
from tests.engine.certified import Authority
from tests.engine.served import Engine, Run

from seatrial.engine.http.target import Proxy
from seatrial.model.sample import Outcome

pytestmark = pytest.mark.real
SOURCES = "source_addresses: [127.0.0.2, 127.0.0.3]"
CERTIFICATE = "tls: {ca: CA, certificate: client.pem, key: client.key}"


@dataclass(frozen=True, slots=True)
class World:
    """Runs by name, and what the servers wrote down."""

    root: Path
    runs: dict[str, Done]
    ways: dict[str, Run]
    requests: list[dict[str, str]]
    proxied: str
    proxy: str

    def environment(self, name: str) -> dict[str, Any]:
        document = json.loads((self.root / name / "bundle" / "environment.json").read_text())
        assert isinstance(document, dict)
        return document

    def outcomes(self, name: str) -> Counter[tuple[Outcome, int]]:
        if name in self.ways:
            return Counter((row.outcome, row.status) for row in self.ways[name].rows)
        records = pl.read_parquet(self.root / name / "bundle" / "records" / "*" / "part-*.parquet")
        rows = zip(records["outcome"].to_list(), records["status"].to_list(), strict=True)
        return Counter((Outcome(outcome), status) for outcome, status in rows)

    def seen(self, name: str) -> list[dict[str, str]]:
        return [request for request in self.requests if request["path"] == f"/{name}"]


def asking_for_certificates(folder: Path, plain: int, tls: int, authority: Authority) -> list[str]:
    authority.context()
    (own,) = folder.glob("server-*.pem")
    fields = ("remote_addr", "ssl_client_verify", "ssl_session_reused", "uri")
    names = ("from", "verified", "reused", "path")
    log_format = ",".join(f'"{name}":"${field}"' for name, field in zip(names, fields, strict=True))
    return nginx(
        folder,
        f"log_format json escape=json '{{{log_format}}}'; access_log {folder}/access.log json;"
        f" server {{ listen 127.0.0.1:{plain}; location / {{ return 200 ok; }} }}"
        f" server {{ listen 127.0.0.1:{tls} ssl; ssl_certificate {own}; ssl_certificate_key {own};"
        f" ssl_client_certificate {authority.ca}; ssl_verify_client on; ssl_session_cache shared:all:1m;"
        " location / { return 200 ok; } }",
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("network")
    plain, tls, proxy = free_port(), free_port(), free_port()
    authority = Authority(root)
    certificate, key = authority.client("A tester")
    plans = {
        "sources": (f"http://127.0.0.1:{plain}", [SOURCES], 2),
        "tunnel": (f"https://127.0.0.1:{tls}", [f"proxy: http://127.0.0.1:{proxy}", CERTIFICATE], 1),
    }

    def run(name: str) -> Done:
        target, lines, workers = plans[name]
        more = "\n".join(["seatrial: 1", *lines]).replace("CA", str(authority.ca))
        write_plan(root / name, target, ("seatrial: 1", more), ("get: /", f"get: /{name}"))
        shutil.copy(certificate, root / name / "client.pem")
        shutil.copy(key, root / name / "client.key")
        options = ("--policy", "policy.yaml", "--out", "bundle", "--workers", workers, "--json")
        return seatrial("run", "plan.yaml", *options, cwd=root / name)

    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(proxy)]
    with (
        serving(asking_for_certificates(root, plain, tls, authority), [plain, tls], root / "nginx.txt"),
        serving([*command, "--num-workers", "1", "--num-acceptors", "1"], [proxy], root / "proxy.txt"),
        ThreadPoolExecutor(len(plans)) as pool,
    ):
        runs = dict(zip(plans, pool.map(run, plans), strict=True))
        engine, change = Engine(root), {"proxy": Proxy("127.0.0.1", proxy), "addresses": ((2, ("127.0.0.1", proxy)),)}
        ways = {
            "proxy": engine.offer(plain, {"get": "/proxy"}, sessions=20, within_ms=200, change=change),
            "bare": engine.offer(tls, {"get": "/bare"}, sessions=3, ca=authority.ca),
        }
    requests = [json.loads(line) for line in (root / "access.log").read_text().splitlines()]
    yield World(root, runs, ways, requests, (root / "proxy.txt").read_text(), f"127.0.0.1:{proxy}")


@pytest.mark.parametrize("name", ["sources", "proxy", "tunnel"])
def test_every_request_arrives_and_is_answered(world, name):
    outcomes = world.outcomes(name)
    assert set(outcomes) == {(Outcome.OK, 200)}
    assert len(world.seen(name)) == outcomes[Outcome.OK, 200] >= 20
    assert name in world.ways or world.runs[name].err == ""


def test_two_workers_come_from_each_source_address_as_often(world):
    seen = Counter(request["from"] for request in world.seen("sources"))
    assert set(seen) == {"127.0.0.2", "127.0.0.3"}
    assert abs(seen["127.0.0.2"] - seen["127.0.0.3"]) <= 2
    assert world.environment("sources")["network"] == {"source_addresses": ["127.0.0.2", "127.0.0.3"]}


def test_the_proxy_saw_what_went_through_it_and_the_evidence_names_it(world):
    assert world.proxied.count("GET 127.0.0.1:") == len(world.seen("proxy"))
    assert world.proxied.count("CONNECT 127.0.0.1:") >= len(world.seen("tunnel"))
    assert world.environment("tunnel")["network"]["proxy"] == world.proxy
    assert world.environment("tunnel")["target_addresses"] == ["127.0.0.1"]


def test_nginx_verifies_our_certificate_and_without_one_answers_400(world):
    assert {request["verified"] for request in world.seen("tunnel")} == {"SUCCESS"}
    assert set(world.outcomes("bare")) == {(Outcome.HTTP_ERROR, 400)}


def test_nginx_finds_no_session_resumed(world):
    assert {request["reused"] for request in world.seen("tunnel")} == {"."}


def test_the_fingerprint_is_evidence_and_nothing_of_the_key_is(world):
    done = subprocess.run(
        ["openssl", "x509", "-in", world.root / "tunnel" / "client.pem", "-noout", "-fingerprint", "-sha256"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = done.stdout.strip().partition("=")[2].replace(":", "").lower()
    assert world.environment("tunnel")["network"]["client_certificate_sha256"] == expected
    key = (world.root / "tunnel" / "client.key").read_bytes().splitlines()[1:-1]
    assert len(key) >= 3
    files = [path for path in (world.root / "tunnel" / "bundle").rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    assert len(files) > 8
    assert b"client.key" in kept  # its name, as the plan has it
    logs = (world.runs["tunnel"].out + world.runs["tunnel"].err).encode()
    for part in (b"PRIVATE KEY", *key):
        assert part not in kept
        assert part not in logs


# -- refusals before the run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("source_addresses: [192.0.2.7]", "a source address is not one of this machine's: 192.0.2.7"),
        ("source_addresses: ['::1']", "no source address is of the same family"),
        (
            "proxy: http://192.0.2.1:3128",
            "the proxy is beyond this machine (192.0.2.1) and nothing shows that it may be",
        ),
    ],
)
def test_what_can_t_be_is_refused_before_the_run_and_leaves_nothing(tmp_path, line, said):
    plan = write_plan(tmp_path, "http://127.0.0.1:9", ("seatrial: 1", f"seatrial: 1\n{line}"))
    done = seatrial("run", plan, "--out", tmp_path / "bundle", "--policy", tmp_path / "policy.yaml")
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "bundle").exists()
