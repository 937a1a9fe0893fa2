import json
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from evidence_builders import (
    NOW,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    make_bundle,
    recompute_as_sealed,
    verdict_document,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.evidence.bundle import TEST_RESULT, pack
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.envelope import sign
from seatrial.evidence.intoto import Statement
from seatrial.evidence.keys import Trust
from seatrial.evidence.manifest import write_manifest
from seatrial.evidence.statement import TEST_RESULT_TYPE, statement_by_tester
from seatrial.evidence.verification import StepStatus
from seatrial.evidence.verifier import TITLES, verify_bundle


def numbered(words: str) -> int:
    (title,) = [title for title in TITLES if words in title]
    return 1 + TITLES.index(title)


PRESENT, MISSING, EXTRA = numbered("manifest is present"), numbered("is missing"), numbered("is extra")
DIGESTS, CHAIN_STEP, DOCUMENTS = numbered("every digest"), numbered("chain"), numbered("documents parse")
SIGNED, BINDS, AGREES = numbered("is signed by"), numbered("result binds"), numbered("agrees with the verdict")
RECOMPUTED = numbered("recomputed")
ALL = set(range(1, len(TITLES) + 1))
STATEMENT_STEPS = {SIGNED, BINDS, AGREES}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    root = tmp_path_factory.mktemp("verifier")
    bundle = make_bundle(root / "bundle")
    pack(bundle, root / "bundle.tar")
    (root / "sealed-verdict").write_bytes((bundle / "verdict.json").read_bytes())
    return bundle, root / "bundle.tar"


@pytest.fixture
def copy(sealed, tmp_path):
    return Path(shutil.copytree(sealed[0], tmp_path / "copy"))


def check(path, trust=TRUST, now=NOW, recompute=recompute_as_sealed):
    return verify_bundle(path, trust, now, recompute)


def failed(report):
    return {step.number for step in report.failures}


def sentence(report, number):
    return report.steps[number - 1].sentence


def reseal(bundle, statement, signer=TESTER_SIGNER):
    (bundle / TEST_RESULT).write_bytes(sign(statement.to_bytes(), [signer]))


def test_a_good_bundle_passes_every_step_in_both_forms(sealed):
    for path, first in zip(sealed, (StepStatus.NOT_APPLICABLE, StepStatus.PASSED), strict=True):
        report = check(path)
        assert report.ok, report.failures
        assert [s.number for s in report.steps] == sorted(ALL)
        assert [s.status for s in report.steps] == [
            StepStatus.NOT_APPLICABLE if "authorised" in title else first if number == 1 else StepStatus.PASSED
            for number, title in enumerate(TITLES, start=1)
        ]
        assert all(s.sentence for s in report.steps)
        assert report.release is not None and report.digest and report.test_result_digest
        assert report.to_object()["ok"] is True


def test_a_bundle_that_can_not_be_opened_fails_every_step(tmp_path):
    (tmp_path / "x").write_bytes(b"no tar")
    for path in (tmp_path / "x", tmp_path / "absent"):
        report = check(path)
        assert not report.ok and failed(report) == ALL


def test_without_a_manifest_nothing_is_taken_as_complete(copy):
    (copy / "manifest.json").unlink()
    report = check(copy)
    assert {PRESENT, MISSING, EXTRA, DIGESTS, CHAIN_STEP, BINDS} <= failed(report)
    assert "manifest.json" in sentence(report, PRESENT)


def test_each_fault_is_found_in_its_step_and_the_rest_still_runs(copy):
    (copy / "health" / "load.parquet").unlink()
    (copy / "extra").write_bytes(b"")
    (copy / "report.html").write_bytes(b"<p>all green</p>")
    report = check(copy)
    assert failed(report) == {MISSING, EXTRA, DIGESTS, CHAIN_STEP}
    assert "health/load.parquet" in sentence(report, MISSING)
    assert "extra" in sentence(report, EXTRA)
    assert "report.html" in sentence(report, DIGESTS)


def test_an_attestation_that_is_not_known_is_not_passed_over(copy):
    (copy / "attestations" / "waiver.json").write_bytes(b"{}")
    assert failed(check(copy)) == {EXTRA}


def test_documents_that_do_not_parse_are_all_named(tmp_path):
    bundle = make_bundle(tmp_path / "b", sealed=False)
    (bundle / "environment.json").write_bytes(b'{"a":1,"a":2}')
    (bundle / "policy.json").write_bytes(b"{}")
    (bundle / "journal.jsonl").write_bytes(b"{}\nnot json\n")
    write_manifest(bundle)
    (bundle / "attestations").mkdir()
    reseal(bundle, statement_by_tester(bundle, NOW))
    report = check(bundle)
    assert DOCUMENTS in failed(report)
    for name in ("environment.json", "policy.json", "journal.jsonl line 2"):
        assert name in sentence(report, DOCUMENTS)


@pytest.mark.parametrize(("journal", "good"), [(b"", False), (b"[]\n", False), (b'{"a":1}\n{"cut', True)])
def test_a_journal_may_end_where_the_run_was_killed_but_not_be_empty(tmp_path, journal, good):
    bundle = make_bundle(tmp_path / "b", sealed=False)
    (bundle / "journal.jsonl").write_bytes(journal)
    write_manifest(bundle)
    (bundle / "attestations").mkdir()
    reseal(bundle, statement_by_tester(bundle, NOW))
    assert check(bundle).ok is good


@pytest.mark.parametrize("signer", [STRANGER_SIGNER, REVIEWER_SIGNER])
def test_a_seal_by_a_stranger_or_by_another_role_fails(copy, signer):
    reseal(copy, statement_by_tester(copy, NOW), signer)
    assert failed(check(copy)) == STATEMENT_STEPS


def test_a_seal_out_of_the_key_period_or_from_the_future_fails(copy):
    late = Trust((replace(TESTER_KEY, valid_from=NOW + timedelta(seconds=1)),))
    assert "not valid" in sentence(check(copy, trust=late), SIGNED)
    assert "future" in sentence(check(copy, now=NOW - timedelta(seconds=1)), SIGNED)
    assert check(copy, now=NOW + timedelta(days=900)).ok


def test_a_missing_seal_fails(copy):
    (copy / TEST_RESULT).unlink()
    assert failed(check(copy)) == STATEMENT_STEPS


def test_a_statement_of_another_bundle_or_release_does_not_bind_this_one(copy, tmp_path):
    other = make_bundle(tmp_path / "other", release=None)
    shutil.copy(other / TEST_RESULT, copy / TEST_RESULT)
    report = check(copy)
    assert failed(report) == {BINDS}
    for part in ("manifest.json", "app/main.py", "release.json"):
        assert part in sentence(report, BINDS)


def test_a_statement_that_says_more_than_the_verdict_fails(tmp_path):
    bundle = make_bundle(tmp_path / "b", verdict=verdict_document("FAIL", (("load", "load", "FAIL"),)))
    true = statement_by_tester(bundle, NOW)
    softened = {"result": "PASSED", "passedTests": ["load"], "failedTests": []}
    reseal(bundle, Statement(true.subjects, TEST_RESULT_TYPE, {**true.predicate, **softened}))
    report = check(bundle)
    assert failed(report) == {AGREES}
    reseal(bundle, Statement(true.subjects, TEST_RESULT_TYPE, {**true.predicate, "warnedTests": ["load"]}))
    assert failed(check(bundle)) == {AGREES}


def test_a_verdict_that_the_records_do_not_give_fails(copy):
    other = canonical_bytes(verdict_document("FAIL", (("load", "load", "FAIL"),)))
    report = check(copy, recompute=lambda directory: other)
    assert failed(report) == {RECOMPUTED}
    assert "byte" in sentence(report, RECOMPUTED)
    assert failed(check(copy, recompute=lambda d: (d / "verdict.json").read_bytes() + b"\n")) == {RECOMPUTED}


def test_a_verdict_that_can_not_be_recomputed_has_failed(copy):
    def broken(directory):
        raise ValueError("no records")

    assert failed(check(copy, recompute=None)) == {RECOMPUTED}
    assert "no records" in sentence(check(copy, recompute=broken), RECOMPUTED)


def test_a_bundle_without_a_release_verifies_and_says_that_it_binds_none(tmp_path):
    report = check(make_bundle(tmp_path / "b", release=None))
    assert report.ok and report.release is None
    assert "never be confirmed" in sentence(report, BINDS)


def test_many_faults_are_counted_and_not_all_spelt_out(copy):
    for number in range(50):
        (copy / f"extra{number}").write_bytes(b"")
    assert "and 30 more" in sentence(check(copy), EXTRA)


def test_a_verdict_that_changes_while_it_is_verified_is_noticed(copy, monkeypatch):
    from seatrial.evidence.checks import integrity

    def swap_after(directory, *more, real=integrity.compare_directory):
        found = real(directory, *more)
        (directory / "verdict.json").write_bytes(canonical_bytes(verdict_document("INVALID", ())))
        return found

    monkeypatch.setattr(integrity, "compare_directory", swap_after)
    assert any("changed while" in step.sentence for step in check(copy).failures)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_one_byte_in_any_file_is_found(sealed, data):
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(sealed[0], Path(temporary, "copy")))
        files = sorted(p for p in copy.rglob("*") if p.is_file())
        victim = data.draw(st.sampled_from(files))
        whole = bytearray(victim.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "truncate"])):
            case "flip":
                whole[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del whole[at]
            case "insert":
                whole.insert(at, data.draw(st.integers(0, 255)))
            case "truncate":
                del whole[at:]
        if bytes(whole) == victim.read_bytes():
            return
        victim.write_bytes(whole)
        report = check(copy, recompute=lambda d: (sealed[0].parent / "sealed-verdict").read_bytes())
        assert not report.ok
        name = str(victim.relative_to(copy))
        if name not in {"manifest.json", TEST_RESULT}:
            assert name in sentence(report, DIGESTS)


def test_the_report_is_one_json_object(sealed):
    document = json.loads(json.dumps(check(sealed[1]).to_object()))
    assert len(document["steps"]) == len(TITLES) and document["steps"][0]["status"] == "passed"
