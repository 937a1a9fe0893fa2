"""A bundle's two forms of the plan are one plan, or nothing in it is believed."""

import json

import pytest

from seatrial.authoring.yaml_plan import read_plan
from seatrial.errors import BundleError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.model.plan import plan_document
from seatrial.trials.replay import refuse_other_plan, replay_bytes

AGREED = b"""\
seatrial: 1
title: As agreed
target: http://127.0.0.1:8080
demand: {peak: 20/s}
journeys:
  visit: {feed: {who: not-in-the-bundle.csv}, steps: [get: "/${who.id}"]}
trials:
  - {kind: load, at: 1 P, for: 10s, objectives: [errors <= 0.1%]}
"""


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "plan.yaml").write_bytes(AGREED)
    (tmp_path / "plan.json").write_bytes(canonical_bytes(plan_document(read_plan(AGREED, "plan.yaml"))))
    (tmp_path / "environment.json").write_bytes(canonical_bytes({"plan_digest": sha256_hex(AGREED)}))
    return tmp_path


def test_a_plan_in_a_bundle_is_read_without_the_files_that_it_names(bundle):
    refuse_other_plan(bundle)


def test_limits_softened_in_the_normalised_plan_alone_are_found(bundle):
    document = json.loads((bundle / "plan.json").read_bytes())
    document["trials"][0]["objectives"] = ["errors <= 10%"]
    (bundle / "plan.json").write_bytes(canonical_bytes(document))
    with pytest.raises(BundleError, match=r"plan\.json is not the plan that stands in plan\.yaml"):
        replay_bytes(bundle)


def test_a_schedule_keyed_by_another_plan_is_found(bundle):
    (bundle / "environment.json").write_bytes(canonical_bytes({"plan_digest": "0" * 64}))
    with pytest.raises(BundleError, match=r"environment\.json names another plan than plan\.yaml: plan_digest 000"):
        replay_bytes(bundle)


def test_a_source_that_is_no_plan_is_found_with_its_first_problem(bundle):
    broken = AGREED.replace(b"demand: {peak: 20/s}", b"demand: {peak: often}")
    (bundle / "plan.yaml").write_bytes(broken)
    (bundle / "environment.json").write_bytes(canonical_bytes({"plan_digest": sha256_hex(broken)}))
    with pytest.raises(BundleError, match=r"plan\.yaml is not a plan: plan\.yaml:4: .*often"):
        replay_bytes(bundle)


@pytest.mark.parametrize("missing", ["plan.yaml", "plan.json", "environment.json"])
def test_a_missing_document_is_named(bundle, missing):
    (bundle / missing).unlink()
    with pytest.raises(BundleError, match="plan.yaml" if missing == "plan.yaml" else missing):
        replay_bytes(bundle)
