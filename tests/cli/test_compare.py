"""``seatrial compare`` on real runs against the sandbox, one of them with a fault, and on bundles not to be trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.running import seatrial, write_plan

from seatrial.cli.app import app
from seatrial.errors import UsageError
from seatrial.model.verdict import Verdict
from seatrial.sandbox.process import Sandbox
from seatrial.stats.contrast import Smallest
from seatrial.trials.compare import compare_bundles

pytestmark = pytest.mark.real

PLAN = """\
seatrial: 1
title: A visit
target: TARGET
demand: {peak: 150/s}
arrivals: even
journeys:
  visit: {steps: [{get: /health, name: health}, {get: /metrics, name: figures}]}
trials:
  - kind: load
    at: 1 P
    for: 2s
    objectives: [p50 response time <= 1s, errors <= 20%]
"""
SMALLEST = ("--smallest-ratio", 4, "--smallest-points", 5)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One round of a prompt service, and one in which every answer takes 60 ms longer."""
    root = tmp_path_factory.mktemp("compare")
    found = {}
    for name, faults in {"first": {}, "slow": {"latency_ms": 60}}.items():
        with Sandbox("b", faults=faults) as sandbox:
            plan = write_plan(root / name, sandbox.url, plan=PLAN)
            found[name] = root / name / "bundle"
            done = seatrial("run", plan, "--policy", root / name / "policy.yaml", "--out", found[name])
        assert done.code == 0, done.out + done.err
    return found


def test_a_slower_service_fails_and_the_worst_is_named_first(rounds, tmp_path):
    page = tmp_path / "page.html"
    done = seatrial("compare", rounds["first"], rounds["slow"], *SMALLEST, "--json", "--html", page)
    assert done.code == 1, done.out + done.err
    document = done.json
    assert document["verdict"] == "FAIL"
    assert document["reasons"][0]["code"] == "comparison.slower"
    first = document["parts"][0]
    assert {figure["what"]: figure["change"] for figure in first["figures"]}["p50"] == "worse"
    assert first["superiority"]["lower"] > 0.5
    assert document["new_bundle"] == str(rounds["slow"])
    assert len(document["old_digest"]) == len(document["new_digest"]) == 64
    assert document["differences"][0]["where"] == "target"
    text = page.read_text(encoding="utf-8")
    assert document["new_digest"] in text
    assert '<html lang="en">' in text
    assert 'class="chart wide"' in text


def test_the_other_way_round_it_got_better(rounds):
    comparison = compare_bundles(rounds["slow"], rounds["first"], Smallest(4, 0.05)).comparison
    assert comparison.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE}
    assert "better" in {one.change for part in comparison.parts for one in part.figures}


def test_text_and_page_are_in_chinese_when_asked(rounds, tmp_path):
    page = tmp_path / "page.html"
    done = seatrial("compare", rounds["first"], rounds["slow"], *SMALLEST, "--lang", "zh-Hant", "--html", page)
    assert done.out.startswith("不通過")
    assert "變差" in done.out
    assert '<html lang="zh-Hant">' in page.read_text(encoding="utf-8")


def test_a_packed_bundle_is_as_good_as_its_folder(rounds, tmp_path):
    packed = tmp_path / "slow.seatrial"
    assert seatrial("pack", rounds["slow"], packed).code == 0
    assert compare_bundles(rounds["first"], packed) == compare_bundles(rounds["first"], rounds["slow"])


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_bundle_with_a_flipped_byte_is_no_basis_and_its_round_is_named(rounds, tmp_path, side):
    torn = tmp_path / "torn"
    shutil.copytree(rounds["slow"], torn)
    part = next((torn / "records").rglob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    pair = {"old": (torn, rounds["first"]), "new": (rounds["first"], torn)}[side]
    comparison = compare_bundles(*pair).comparison
    assert comparison.verdict is Verdict.INVALID
    assert [reason.code for reason in comparison.reasons] == [f"comparison.{side}_unreadable"]
    assert part.name in comparison.reasons[0].text


def test_a_round_that_was_not_sealed_is_no_basis(rounds, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(rounds["slow"], torn)
    (torn / "manifest.json").unlink()
    assert "not sealed" in compare_bundles(rounds["first"], torn).comparison.reasons[0].text


def test_what_is_no_archive_is_no_basis(rounds, tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(b"\x00\xff" * 500)
    done = seatrial("compare", noise, rounds["first"])
    assert (done.code, done.out.startswith("INVALID")) == (4, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{first}", "{first}"), "the same evidence"),
        (("{first}", "nowhere"), "there is no bundle here"),
        (("{first}", "{slow}", "--smallest-ratio", "1"), "no factor above 1"),
        (("{first}", "{slow}", "--smallest-ratio", "nan"), "no factor above 1"),
        (("{first}", "{slow}", "--smallest-points", "0"), "no percentage points"),
        (("{first}", "{slow}", "--html", "{slow}/page.html"), "would change the bundle"),
    ],
)
def test_what_can_not_be_compared_is_bad_usage(rounds, arguments, said):
    with pytest.raises(UsageError, match=said):
        app(["compare", *(argument.format(**rounds) for argument in arguments)], standalone_mode=False)
