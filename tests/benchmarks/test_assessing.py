"""The part ``assess``: bundles made in virtual time are whole evidence, and what assessing them takes is measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.assessing import measure
from benchmarks.made_bundles import STEPS, make_bundle
from benchmarks.servers import ROOT
from benchmarks.tables import ASSESS_HEAD, assess_rows
from benchmarks.targets import targets

from seatrial.evidence.recompute import recompute
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
