"""The parts ``assess`` and ``verify``: bundles made in virtual time are whole evidence; what they take is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.assessing import measure
from benchmarks.made_bundles import STEPS, make_bundle
from benchmarks.servers import ROOT, BenchError
from benchmarks.tables import ASSESS_HEAD, VERIFY_HEAD, assess_rows, verify_rows
from benchmarks.targets import targets
from benchmarks.verifying import make_sealed
from benchmarks.verifying import measure as verified

from seatrial.evidence.recompute import recompute
from seatrial.evidence.verifier import TITLES
from seatrial.model.verdict import Verdict


def test_a_made_bundle_is_valid_evidence_and_its_assessment_is_measured(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    records = make_bundle(bundle, 60_000)
    assert records == 60_000 // STEPS * STEPS
    verdict = recompute(bundle)
    assert verdict.verdict is not Verdict.INVALID
    assert not [reason.code for reason in verdict.trials[0].reasons if reason.code.startswith("validity")]
    row = measure(ROOT / "src", bundle, (0,))
    assert row["verdict"] == verdict.verdict.value
    assert row["judged"] == records
    assert 20e6 < row["peak_bytes"] < 1e9
    assert 0 < row["cpu_s"] <= row["wall_s"] * 1.5


def test_what_was_assessed_is_held_against_what_is_asked() -> None:
    row = {"records": 9_999_999, "bundle_bytes": 1.7e8, "wall_s": 16.0, "cpu_s": 9.0, "peak_bytes": 6e8}
    document = {"speed": {}, "known_delay": [], "freeze": [], "assess": [row | {"verdict": "PASS"}]}
    said = {target.name: target.said for target in targets(document)}
    assert said["assess 10 million records: time"] == "missed"
    assert said["assess 10 million records: memory"] == "met"
    assert said["assess 100 million records: memory"] == "not measured"
    assert len(assess_rows(document["assess"])[0]) == len(ASSESS_HEAD)


def test_a_sealed_bundle_is_verified_and_held_against_what_is_asked(tmp_path: Path) -> None:
    records = make_sealed(tmp_path, 1_000_000)
    packed = tmp_path / "bundle.seatrial"
    assert 0.5e6 < packed.stat().st_size < 2e6
    row = verified(ROOT / "src", packed, tmp_path / "trust.json", (0,))
    assert row["steps"] == len(TITLES)
    assert 0 < row["cpu_s"] <= row["wall_s"] * 1.5
    row |= {"records": records, "bundle_bytes": 1e8}
    document = {"speed": {}, "known_delay": [], "freeze": [], "assess": [], "verify": [row, row]}
    said = {target.name: target.said for target in targets(document)}
    assert said["verify a bundle of 1 GB: time"] == "not measured"
    large = row | {"bundle_bytes": 1e9, "wall_s": 21.0, "peak_bytes": row["peak_bytes"] * 1.2}
    said = {target.name: target.said for target in targets(document | {"verify": [row, large]})}
    assert said["verify a bundle of 1 GB: time"] == "missed"
    assert said["verify a bundle of 1 GB: memory against 0.1 GB"] == "met"
    assert len(verify_rows([large])[0]) == len(VERIFY_HEAD)


def test_a_bundle_that_is_not_verified_makes_no_figure(tmp_path: Path) -> None:
    make_sealed(tmp_path, 500_000)
    packed = tmp_path / "bundle.seatrial"
    packed.write_bytes(packed.read_bytes()[:-1])
    with pytest.raises(BenchError, match="cut off"):
        verified(ROOT / "src", packed, tmp_path / "trust.json", (0,))
