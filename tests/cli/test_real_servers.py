"""The whole command line against servers that nobody here wrote: nginx, and Datasette over a SQLite file.

Three runs are made at once, of the examples as they are but for their ports; every test looks at one of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from tests.cli.running import Done, free_port, nginx, seatrial, serving

from seatrial.model.sample import Outcome

pytestmark = pytest.mark.real
EXAMPLES = Path(__file__).parents[2] / "examples"
CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "INVALID": 4}
NAMES = ("nginx", "datasette", "first-plan")


@dataclass(frozen=True, slots=True)
class Run:
    done: Done
    bundle: Path
    trust: Path


def files(folder: Path, port: int) -> list[str]:
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("<!doctype html><title>Opens at 07:00</title>")
    server = f"server {{ listen 127.0.0.1:{port}; root {folder}/www; }}"
    return nginx(folder, f"access_log off; types {{ text/html html; }} {server}")


def datasette(folder: Path, port: int) -> list[str]:
    make = [sys.executable, EXAMPLES / "datasette" / "make_data.py", folder / "leisure.db"]
    subprocess.run(make, check=True, timeout=30)
    return [sys.executable, "-m", "datasette", "serve", str(folder / "leisure.db"), "--port", str(port)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    root = tmp_path_factory.mktemp("real")
    key = seatrial("keys", "new", root / "tester", "--role", "tester", "--name", "A tester", "--no-passphrase")
    assert key.code == 0, key.err
    assert seatrial("keys", "trust", root / "tester.json", "--out", root / "trust.json").code == 0
    servers: dict[str, Callable[[Path, int], list[str]]] = {"nginx": files, "datasette": datasette}
    ports = {name: free_port() for name in servers}
    with ExitStack() as stack, ThreadPoolExecutor(len(NAMES)) as pool:
        for name, command in servers.items():
            (root / name).mkdir()
            log = root / name / "log.txt"
            stack.enter_context(serving(command(root / name, ports[name]), [ports[name]], log))

        def run(name: str) -> Run:
            source = EXAMPLES / "first-plan.yaml" if name == "first-plan" else EXAMPLES / name / "plan.yaml"
            text = source.read_text(encoding="utf-8")
            head, _, rest = text.partition("target: http://127.0.0.1:")
            plan = root / f"{name}.yaml"
            plan.write_text(f"{head}target: http://127.0.0.1:{ports.get(name, ports['nginx'])}{rest[4:]}")
            bundle = root / f"bundle-{name}"
            options = ("--out", bundle, "--workers", 1, "--key", root / "tester.pem", "--json")
            return Run(seatrial("run", plan, *options), bundle, root / "trust.json")

        yield dict(zip(NAMES, pool.map(run, NAMES), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_one_json_object_of_the_documented_shape(runs, name):
    document = runs[name].done.json
    assert set(document) == {"verdict", "reasons", "trials", "attempt", "bundle", "digest"}
    assert document["bundle"] == str(runs[name].bundle)
    assert len(document["digest"]) == 64
    for trial in document["trials"]:
        assert set(trial) >= {"name", "kind", "verdict", "reasons", "objectives"}
        assert trial["reasons"]
        assert all(given["text"] for given in trial["reasons"])
        for objective in trial["objectives"]:
            assert set(objective) >= {"objective", "verdict", "value", "limit", "unit", "samples"}
        assert (trial["capacity"] is not None) == (trial["kind"] == "stress")
        if trial["kind"] == "stress":
            assert set(trial["capacity"]) == {"estimate", "lower", "upper", "unit"}
    expected = ["load"] if name == "first-plan" else ["load", "stress"]
    assert [trial["kind"] for trial in document["trials"]] == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_exit_code_is_the_verdict_and_nothing_is_complained_of(runs, name):
    done = runs[name].done
    assert done.code == CODES[done.json["verdict"]]
    assert done.err == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_step_was_answered_as_the_plan_expects(runs, name):
    records = pl.read_parquet(runs[name].bundle / "records" / "*" / "part-*.parquet")
    assert records.height > 150
    assert records["outcome"].unique().to_list() == [Outcome.OK]
    assert set(records["status"].unique().to_list()) == {200}
    for diagnostics in runs[name].bundle.glob("diagnostics/*.jsonl"):
        assert diagnostics.read_bytes() == b""


@pytest.mark.parametrize("name", ["nginx", "datasette"])
def test_a_healthy_server_is_never_failed(runs, name):
    # PASS, unless the machine that runs the tests is too busy for the measurement to count.
    for trial in runs[name].done.json["trials"]:
        assert trial["verdict"] != "FAIL", trial["reasons"]
        if trial["kind"] == "stress" and trial["verdict"] == "PASS":
            assert trial["capacity"] == {"estimate": 3.0, "lower": 3.0, "upper": None, "unit": "P"}


def test_the_verdict_is_recomputed_to_the_same_bytes_twice_and_is_that_of_the_run(runs):
    run = runs["nginx"]
    first, second = (seatrial("assess", run.bundle, "--json") for _ in range(2))
    assert first.out == second.out
    assert first.out == run.done.out
    assert first.code == second.code == run.done.code
    people = seatrial("assess", run.bundle)
    assert people.out == seatrial("assess", run.bundle).out
    assert people.out.startswith(run.done.json["verdict"])


def test_a_signed_bundle_is_verified_step_by_step(runs):
    done = seatrial("verify", runs["nginx"].bundle, "--trust", runs["nginx"].trust)
    assert done.code == 0, done.out + done.err
    assert done.out.splitlines()[-1] == "VERIFIED"


@pytest.mark.parametrize(
    "part", ["records/01-load/part-0000.parquet", "plan.json", "plan.yaml", "verdict.json", "report.html"]
)
def test_one_flipped_byte_is_found_and_its_file_named(runs, tmp_path, part):
    shutil.copytree(runs["nginx"].bundle, tmp_path / "bundle")
    content = bytearray((tmp_path / "bundle" / part).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bundle" / part).write_bytes(content)
    done = seatrial("verify", tmp_path / "bundle", "--trust", runs["nginx"].trust)
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("NOT VERIFIED")
    assert f"{part} was changed" in done.out


def test_a_packed_bundle_is_one_file_that_is_assessed_and_verified_alike(runs, tmp_path):
    run, packed = runs["datasette"], tmp_path / "evidence.seatrial"
    done = seatrial("pack", run.bundle, packed)
    assert done.code == 0, done.err
    assessed = seatrial("assess", packed, "--json")
    assert assessed.code == run.done.code
    assert assessed.json == {**run.done.json, "bundle": str(packed)}
    assert seatrial("verify", packed, "--trust", run.trust).out.splitlines()[-1] == "VERIFIED"
    again = seatrial("pack", run.bundle, tmp_path / "again.seatrial")
    assert again.out.split()[-1] == done.out.split()[-1]
    assert (tmp_path / "again.seatrial").read_bytes() == packed.read_bytes()
    refused = seatrial("pack", run.bundle, packed)
    assert (refused.code, len(refused.complaints)) == (2, 1)


def test_the_report_is_there_and_names_the_verdict_and_the_service(runs):
    for name in NAMES:
        page = (runs[name].bundle / "report.html").read_text(encoding="utf-8")
        assert runs[name].done.json["verdict"] in page
        assert json.loads((runs[name].bundle / "plan.json").read_text())["title"] in page
