"""The seal of a plan: who may sign it, what it binds, and what the verifier says where it binds something else."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from evidence_builders import (
    NOW,
    OFFICER_SIGNER,
    PASSED,
    RELEASE,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    VALID_FROM,
    keyed,
    make_bundle,
    recompute_as_sealed,
    seal_the_plan,
)
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import BundleError, EnvelopeError, SignatureError
from seatrial.evidence.attempts import ATTEMPTS, read_attempt
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import TEST_ARRANGER, Trust
from seatrial.evidence.plan_seal import (
    SEAL,
    Criteria,
    PlanSeal,
    criteria_in_bundle,
    new_seal_id,
    parse_plan_seal,
    verify_seal,
)
from seatrial.evidence.seal import seal
from seatrial.evidence.verification import StepStatus
from seatrial.evidence.verifier import TITLES, verify_bundle
from seatrial.model.release import Subject

SEALED, LOG = "the plan was sealed before the trial", "the attempts log is whole"
ARRANGER_SIGNER, ARRANGER_KEY = keyed(TEST_ARRANGER, "Ho Ka-yan")
WITH_ARRANGER = Trust((*TRUST.keys, ARRANGER_KEY))
DIGEST = st.binary(max_size=4).map(sha256_hex)
NAMED = st.dictionaries(st.text(max_size=8), DIGEST, max_size=3)


@st.composite
def criteria(draw):
    always = {name: draw(DIGEST) for name in ("plan.yaml", "plan.json", "policy.json")}
    perhaps = {name: draw(st.none() | DIGEST) for name in ("release.json", "forecast.yaml", "forecast.json")}
    return Criteria(always | perhaps, draw(NAMED), draw(NAMED), draw(NAMED))


def sealed_with(bound, at=NOW):
    return PlanSeal(new_seal_id(), at, bound, (Subject("plan.yaml", bound.documents["plan.yaml"]),))


SOME = Criteria({name: "a" * 64 for name in ("plan.yaml", "plan.json", "policy.json")})


@given(criteria())
def test_a_seal_is_read_as_it_was_written(bound):
    read = parse_plan_seal(sealed_with(bound).to_statement().to_bytes())
    assert read.criteria == bound and read.sealed_at == NOW and len(read.id) == 32
    assert read.criteria.differences(bound) == ()


@given(criteria(), criteria())
def test_two_sets_of_criteria_differ_exactly_where_a_digest_does(one, other):
    parts = [(c.documents, c.feeds, c.uploads, c.code) for c in (one, other)]
    differing = sum(
        left.get(name) != right.get(name) for left, right in zip(*parts, strict=True) for name in {*left, *right}
    )
    assert len(one.differences(other)) == differing


def test_a_difference_names_the_thing_and_both_digests():
    other = replace(SOME, documents={**SOME.documents, "policy.json": "b" * 64}, feeds={"book.patron": "c" * 64})
    assert SOME.differences(other) == (
        f"policy.json was sealed as sha256:{'a' * 64}, found sha256:{'b' * 64}",
        f"feed book.patron was sealed as nothing, found sha256:{'c' * 64}",
    )


def test_two_seals_of_one_plan_are_two_seals():
    assert sealed_with(SOME).id != sealed_with(SOME).id


@pytest.mark.parametrize("signers", [[TESTER_SIGNER], [ARRANGER_SIGNER], [TESTER_SIGNER, ARRANGER_SIGNER]])
def test_a_tester_or_a_test_arranger_seals_or_both(signers):
    signed = verify_seal(sign(sealed_with(SOME).to_statement().to_bytes(), signers), WITH_ARRANGER)
    assert len(signed.signed_by) == len(signers)
    assert signed.digest == sha256_hex(signed.seal.to_statement().to_bytes())


@pytest.mark.parametrize(
    ("signers", "at", "said"),
    [
        ([REVIEWER_SIGNER], NOW, "neither a tester nor a test-arranger signed it"),
        ([TESTER_SIGNER, OFFICER_SIGNER], NOW, "confirming-officer, who has no part in this"),
        ([STRANGER_SIGNER], NOW, "none of the signatures is by a trusted key"),
        ([TESTER_SIGNER], VALID_FROM - timedelta(seconds=1), "was not valid at"),
    ],
)
def test_a_seal_that_is_not_rightly_signed_is_refused(signers, at, said):
    with pytest.raises(SignatureError, match=said):
        verify_seal(sign(sealed_with(SOME, at).to_statement().to_bytes(), signers), WITH_ARRANGER)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(note="x"),
        lambda p: p.pop("code"),
        lambda p: p.update(id="short"),
        lambda p: p.update(sealedAt="now"),
        lambda p: p["documents"].update({"plan.yaml": None}),
        lambda p: p["documents"].pop("release.json"),
        lambda p: p["documents"].update({"other.json": None}),
        lambda p: p["feeds"].update({"f": {"sha256": "A" * 64}}),
        lambda p: p.update(uploads=[]),
    ],
)
def test_a_seal_with_a_field_missing_unknown_or_malformed_is_unreadable(change):
    document = json.loads(sealed_with(SOME).to_statement().to_bytes())
    change(document["predicate"])
    with pytest.raises(EnvelopeError):
        parse_plan_seal(canonical_bytes(document))


def step(bundle, title, trust=TRUST):
    report = verify_bundle(bundle, trust, NOW, recompute_as_sealed)
    (found,) = [one for one in report.steps if one.title == title]
    return report, found


def resealed(bundle, change):
    """Change an unsealed bundle and let the tester seal it as if nothing were amiss."""
    change(bundle)
    seal(bundle, [TESTER_SIGNER], NOW)
    return bundle


def test_a_trial_that_was_sealed_first_says_by_whom_when_and_which_attempt_it_is(tmp_path):
    bundle = make_bundle(tmp_path / "b", verdict=PASSED, earlier=(("FAIL", "completed"), None))
    report, found = step(bundle, SEALED)
    assert report.ok and found.status is StepStatus.PASSED and "by tester Harbour Test Ltd at " in found.sentence
    assert report.plan_seal is not None
    assert step(bundle, LOG)[1].sentence == "attempt 3 of this seal; 1 and 2: FAIL, not ended"


def test_without_a_seal_both_steps_do_not_apply_and_the_report_has_none(tmp_path):
    bundle = make_bundle(tmp_path / "b", plan_sealed=False)
    report, found = step(bundle, SEALED)
    assert report.ok and found.status is StepStatus.NOT_APPLICABLE and "never be confirmed" in found.sentence
    assert step(bundle, LOG)[1].status is StepStatus.NOT_APPLICABLE
    assert report.plan_seal is None and read_attempt(bundle) is None


def test_every_title_stands_in_the_table_before_the_recomputation():
    assert TITLES.index(SEALED) < TITLES.index(LOG) < len(TITLES) - 1


def _rules(bundle):
    policy = json.loads((bundle / "policy.json").read_bytes())
    (bundle / "policy.json").write_bytes(canonical_bytes({**policy, "title": "A kinder policy"}))


def _environment(**facts):
    def change(bundle):
        environment = json.loads((bundle / "environment.json").read_bytes())
        (bundle / "environment.json").write_bytes(canonical_bytes(environment | facts))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_rules, "policy.json was sealed as sha256:"),
        (lambda b: (b / "plan.yaml").write_bytes(b"seatrial: 1\n"), "plan.yaml was sealed as sha256:"),
        (lambda b: (b / "forecast.json").write_bytes(b"{}"), "forecast.json was sealed as nothing"),
        (_environment(feeds={"book.patron": {"rows": 1, "sha256": "f" * 64}}), "feed book.patron was sealed as no"),
        (_environment(code={"book": {"file": "c.py", "sha256": "f" * 64}}), "code of journey book was sealed"),
        (_environment(uploads={"a": {"sha256": "short"}}), "does not say by digest which uploads were used"),
        (_environment(started_at="2026-06-01T08:59:59Z"), "after the run began"),
        (_environment(started_at=None), "started_at"),
        (lambda b: (b / "release.json").write_bytes(replace(RELEASE, version="9").to_bytes()), "release.json was"),
        (lambda b: (b / "release.json").unlink(), "release.json was sealed as sha256:"),
        (lambda b: (b / SEAL).unlink(), f"{ATTEMPTS} is there without {SEAL}"),
    ],
)  # fmt: skip
def test_a_trial_of_anything_else_than_was_sealed_fails_the_step_however_well_it_is_sealed_again(
    tmp_path, change, said
):
    bundle = resealed(make_bundle(tmp_path / "b", verdict=PASSED, sealed=False), change)
    report, found = step(bundle, SEALED)
    assert found.status is StepStatus.FAILED and said in found.sentence, found
    assert not report.ok and report.plan_seal is None


def test_a_seal_by_a_key_that_is_not_trusted_or_not_yet_valid_fails_the_step(tmp_path):
    bundle = make_bundle(tmp_path / "b", verdict=PASSED)
    late = Trust((replace(TESTER_KEY, valid_from=NOW + timedelta(seconds=1)),))
    assert "was not valid at" in step(bundle, SEALED, late)[1].sentence
    assert "trusted key" in step(bundle, SEALED, Trust((ARRANGER_KEY,)))[1].sentence
    assert step(bundle, LOG, late)[1].status is StepStatus.FAILED


def _cut(bundle):
    lines = (bundle / ATTEMPTS).read_bytes().splitlines(keepends=True)
    (bundle / ATTEMPTS).write_bytes(b"".join(lines[:-1]))


def _forget(bundle):
    """Leave out the earlier attempts: a log that is whole by itself, and not the one of this run's start."""
    whole = json.loads((bundle / "environment.json").read_bytes())
    other = bundle.parent / "other"
    shutil.copytree(bundle, other)
    (other / ATTEMPTS).unlink()
    seal_the_plan(other, RELEASE, TESTER_SIGNER, NOW)
    for name in (ATTEMPTS, SEAL):
        shutil.copy(other / name, bundle / name)
    (bundle / "environment.json").write_bytes(canonical_bytes(whole))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_cut, "its last line is not the start of this attempt"),
        (_forget, "does not end with the start that environment.json names"),
        (lambda b: (b / ATTEMPTS).unlink(), "attempts.jsonl"),
        (_environment(attempt=None), "does not end with the start that environment.json names"),
    ],
)
def test_a_log_from_which_something_was_taken_fails_its_step_and_gives_no_verdict(tmp_path, change, said):
    made = make_bundle(tmp_path / "b", verdict=PASSED, sealed=False, earlier=(("FAIL", "completed"),))
    bundle = resealed(made, change)
    report, found = step(bundle, LOG)
    assert found.status is StepStatus.FAILED and said in found.sentence, found
    assert not report.ok
    with pytest.raises(BundleError):
        read_attempt(bundle)


def test_what_the_builders_write_is_what_is_read(tmp_path):
    bundle = make_bundle(tmp_path / "b")
    bound = criteria_in_bundle(bundle, {})
    assert bound.documents["release.json"] == sha256_hex(RELEASE.to_bytes())
    assert bound.documents["forecast.json"] is None
