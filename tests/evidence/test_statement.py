import json
from datetime import UTC, datetime

import google.protobuf.json_format as pb_json
import pytest
from evidence_builders import NOW, RELEASE, TESTER_SIGNER, make_bundle, verdict_document
from hypothesis import given
from hypothesis import strategies as st
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InTotoStatement

from seatrial.errors import BundleError, EnvelopeError
from seatrial.evidence.bundle import bundle_digest
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.seal import seal
from seatrial.evidence.statement import (
    TEST_RESULT_TYPE,
    expected_names,
    parse_test_result,
    statement_by_tester,
)
from seatrial.model.release import Subject

MIXED = verdict_document(
    "INVALID", (("load", "load", "PASS"), ("stress", "stress", "INVALID"), ("尖峰", "spike", "FAIL"))
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("statement") / "bundle", verdict=MIXED)


def test_the_in_toto_library_reads_and_validates_our_statement(bundle):
    payload = statement_by_tester(bundle, NOW).to_bytes()
    parsed = pb_json.Parse(payload, statement_pb2.Statement())
    InTotoStatement.copy_from_pb(parsed).validate()
    assert [s.name for s in parsed.subject] == ["app/main.py", "image"]
    assert parsed.predicate_type == TEST_RESULT_TYPE
    predicate = pb_json.ParseDict(json.loads(payload)["predicate"], test_result_pb2.TestResult())
    assert predicate.result == "FAILED"
    assert list(predicate.passed_tests) == ["load"]
    assert list(predicate.failed_tests) == ["stress: INVALID", "尖峰: FAIL"]
    assert [d.name for d in predicate.configuration] == [
        "plan.yaml",
        "plan.json",
        "policy.json",
        "release.json",
        "manifest.json",
    ]


def test_the_statement_reads_back_with_everything_it_binds(bundle):
    result = parse_test_result(statement_by_tester(bundle, NOW).to_bytes())
    assert result.subjects == RELEASE.subjects
    assert result.sealed_at == NOW
    assert result.configuration["manifest.json"] == bundle_digest(bundle)
    assert result.configuration["policy.json"] == sha256_hex((bundle / "policy.json").read_bytes())


def test_without_a_release_the_subject_is_the_manifest_itself(tmp_path):
    bundle = make_bundle(tmp_path / "b", release=None)
    assert statement_by_tester(bundle, NOW).subjects == (Subject("manifest.json", bundle_digest(bundle)),)


@pytest.mark.parametrize(
    ("document", "result", "passed", "failed"),
    [
        (verdict_document(), "PASSED", ("load",), ()),
        (verdict_document("FAIL", (("load", "load", "FAIL"),)), "FAILED", (), ("load: FAIL",)),
        (MIXED, "FAILED", ("load",), ("stress: INVALID", "尖峰: FAIL")),
        (verdict_document("INCONCLUSIVE"), "FAILED", ("load",), ("plan: INCONCLUSIVE",)),
        (verdict_document("INVALID", ()), "FAILED", (), ("plan: INVALID",)),
    ],
)
def test_only_pass_is_passed_and_every_other_verdict_keeps_its_name(document, result, passed, failed):
    assert expected_names(document) == (result, passed, failed)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"verdict": "PASS"},
        {"verdict": "PASSED", "trials": []},
        verdict_document("PASS", ()),
        verdict_document("PASS", (("load", "load", "FAIL"),)),
        verdict_document("PASS", (("load", "load", "PASS"), ("load", "load", "PASS"))),
        verdict_document("FAIL", (("", "load", "FAIL"),)),
        verdict_document("FAIL", (("load", "load", "GREEN"),)),
        {"verdict": "FAIL", "trials": ["load"]},
    ],
)
def test_a_verdict_that_says_nothing_or_contradicts_its_trials_is_not_sealed(document):
    with pytest.raises(BundleError):
        expected_names(document)


def edited(bundle, change):
    document = json.loads(statement_by_tester(bundle, NOW).to_bytes())
    change(document, document["predicate"])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d, p: d.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda d, p: d.update(predicateType="urn:seatrial:confirmation:v1"),
        lambda d, p: d.update(subject=[]),
        lambda d, p: d["subject"].reverse(),
        lambda d, p: d["subject"][0].update(digest={}),
        lambda d, p: d.update(comment="x"),
        lambda d, p: d.update(predicate={}),
        lambda d, p: d.update(predicate=[]),
        lambda d, p: p.update(result="GREEN"),
        lambda d, p: p.update(url="https://example.org"),
        lambda d, p: p.pop("warnedTests"),
        lambda d, p: p.update(passedTests="load"),
        lambda d, p: p.update(failedTests=[1]),
        lambda d, p: p.update(configuration=None),
        lambda d, p: p.update(configuration=[]),
        lambda d, p: p["configuration"].pop(),
        lambda d, p: p["configuration"].append(p["configuration"][0]),
        lambda d, p: p["configuration"][0].update(name=1),
        lambda d, p: p["configuration"][0].update(uri="x"),
        lambda d, p: p["configuration"][0].update(digest={"sha256": "x"}),
        lambda d, p: p["configuration"][-1].update(annotations={}),
        lambda d, p: p["configuration"][-1].update(annotations={"sealedAt": "yesterday"}),
    ],
)
def test_a_test_result_with_anything_odd_is_refused(bundle, change):
    with pytest.raises(EnvelopeError):
        parse_test_result(edited(bundle, change))


def test_a_bundle_is_sealed_once(bundle):
    with pytest.raises(BundleError, match="sealed already"):
        seal(bundle, [TESTER_SIGNER], NOW)


def test_a_bundle_without_its_plan_or_with_an_unwritable_seal_is_not_sealed(tmp_path):
    lacking = make_bundle(tmp_path / "a", sealed=False)
    (lacking / "plan.yaml").unlink()
    with pytest.raises(BundleError, match=r"plan\.yaml and plan\.py"):
        seal(lacking, [TESTER_SIGNER], NOW)
    blocked = make_bundle(tmp_path / "b", sealed=False)
    (blocked / "attestations").write_bytes(b"")
    with pytest.raises(BundleError, match="seal can't be written"):
        seal(blocked, [TESTER_SIGNER], NOW)


names = st.text(min_size=1, max_size=12).filter(lambda s: s.isprintable() and s.strip())
predicates = st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.lists(st.booleans()), min_size=1)


@given(st.sets(names, min_size=1, max_size=4), predicates)
def test_statements_round_trip(subjects, predicate):
    statement = Statement(tuple(Subject(n, "a" * 64) for n in sorted(subjects)), "urn:x", predicate)
    try:
        payload = statement.to_bytes()
    except Exception as refused:  # half a surrogate pair, which no reader would accept either
        assert "surrogate" in str(refused)
        return
    assert parse_statement(payload, "urn:x") == statement
    with pytest.raises(EnvelopeError):
        parse_statement(payload, "urn:y")


def test_the_time_of_sealing_is_kept_in_whole_seconds(bundle):
    late = datetime(2026, 6, 1, 9, 0, 0, 999_999, tzinfo=UTC)
    assert parse_test_result(statement_by_tester(bundle, late).to_bytes()).sealed_at == NOW
