"""The reviewer's recommendation, and what a decision owes it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    PASSED,
    POLICY_DIGEST,
    RELEASE,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    keyed,
    make_bundle,
    recompute_as_sealed,
    verdict_document,
)
from hypothesis import given
from hypothesis import strategies as st
from seal_desk import call, lay_desk

from seatrial.confirmation.confirm import ConfirmationRequest, confirm, countersign
from seatrial.confirmation.gate import decide
from seatrial.confirmation.recommend import RecommendationRequest, recommend
from seatrial.confirmation.recommendation import Recommendation, Recommended, read_recommendation
from seatrial.confirmation.statement import Condition, Ruling, months_after, parse_confirmation
from seatrial.errors import ConfirmationError, EnvelopeError, EvidenceError, SignatureError, UsageError
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.keys import Trust
from seatrial.evidence.verifier import verify_bundle

C1 = Condition("C1", "add two servers", NOW + timedelta(days=30))
BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]
FINDINGS = ("every trial passed with headroom",)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    bundle = make_bundle(tmp_path_factory.mktemp("recommendation") / "good", verdict=PASSED)
    return verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    verdict = verdict_document("FAIL", (("load", "load", "PASS"), ("stress", "stress", "FAIL")))
    bundle = make_bundle(tmp_path_factory.mktemp("recommendation") / "failing", verdict=verdict)
    return verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)


def recommended(report, word="CONFIRM", signers=(REVIEWER_SIGNER,), trust=TRUST, now=NOW, **more):
    wanted = RecommendationRequest(Recommended(word), POLICY_DIGEST, **({"findings": FINDINGS} | more))
    return recommend(report, wanted, list(signers), trust, now)


def decided(report, ruling, envelope, **more):
    wanted = ConfirmationRequest(
        ruling=Ruling(ruling),
        valid_until=months_after(NOW, 6),
        policy_digest=POLICY_DIGEST,
        recommendation=read_recommendation(envelope, TRUST),
        **more,
    )
    return confirm(report, wanted, BOTH, TRUST, NOW)


def test_a_recommendation_binds_the_evidence_and_the_confirmation_names_it(good):
    envelope = recommended(good)
    signed = read_recommendation(envelope, TRUST)
    said = signed.recommendation
    assert (said.recommended, said.findings, said.issued_at) == (Recommended.CONFIRM, FINDINGS, NOW)
    assert said.subjects == RELEASE.subjects
    assert said.evidence_digest == good.digest and said.policy_digest == good.policy_digest
    assert said.test_result_digest == good.test_result_digest
    decision = decided(good, "CONFIRMED", envelope)
    assert parse_confirmation(verify(decision, TRUST).payload).recommendation_digest == signed.digest
    assert decide(decision, RELEASE, TRUST, NOW).allowed


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        ([TESTER_SIGNER], "who does not recommend"),
        ([OFFICER_SIGNER], "who does not recommend"),
        ([STRANGER_SIGNER], "not in the trust file"),
        ([REVIEWER_SIGNER, REVIEWER_SIGNER], "two keys"),
        ([], "0 of 1"),
    ],
)
def test_only_a_reviewer_recommends(good, signers, said):
    with pytest.raises(SignatureError, match=said):
        recommended(good, signers=signers)


def test_the_tester_recommends_nothing_on_the_own_evidence_in_no_other_hat(good):
    hats = Trust((TESTER_KEY, replace(REVIEWER_KEY, name=TESTER_KEY.name.upper())))
    with pytest.raises(SignatureError, match="tester of this evidence"):
        recommended(good, trust=hats)
    signed = read_recommendation(recommended(good), TRUST)
    worn = replace(signed, signed_by=(replace(REVIEWER_KEY, name=TESTER_KEY.name),))
    assert any("is the tester" in said for said in worn.objections(good, NOW))


def test_a_reviewer_whose_key_had_ended_recommended_nothing(good):
    envelope = recommended(good)
    ended = Trust((replace(REVIEWER_KEY, valid_until=NOW),))
    with pytest.raises(SignatureError, match="not valid at"):
        read_recommendation(envelope, ended)


def test_evidence_that_failed_is_not_recommended_and_its_reasons_become_findings(failing):
    for word, more in (("CONFIRM", {}), ("CONFIRM_WITH_CONDITIONS", {"conditions": (C1,)})):
        with pytest.raises(ConfirmationError, match="trial stress is FAIL"):
            recommended(failing, word, **more)
    said = read_recommendation(recommended(failing, "REFUSE", findings=()), TRUST).recommendation
    assert "trial stress is FAIL, not PASS" in said.findings


@pytest.mark.parametrize(
    ("word", "more"),
    [
        ("CONFIRM", {"findings": ()}),
        ("REFUSE", {"findings": ()}),
        ("CONFIRM", {"findings": (" ",)}),
        ("CONFIRM", {"findings": ("x" * 4001,)}),
        ("CONFIRM", {"conditions": (C1,)}),
        ("CONFIRM_WITH_CONDITIONS", {}),
        ("CONFIRM_WITH_CONDITIONS", {"conditions": (C1, C1)}),
        ("CONFIRM_WITH_CONDITIONS", {"conditions": (replace(C1, due=NOW),)}),
    ],
)
def test_a_recommendation_that_breaks_a_rule_of_its_form_is_not_written(good, word, more):
    with pytest.raises(ConfirmationError):
        recommended(good, word, **more)


def test_who_departs_from_the_recommendation_gives_a_reason(good):
    refuse, confirming = recommended(good, "REFUSE"), recommended(good)
    bound = recommended(good, "CONFIRM_WITH_CONDITIONS", conditions=(C1,))
    decided(good, "REFUSED", refuse, reasons=("the reviewer is right",))
    decided(good, "CONFIRMED_WITH_CONDITIONS", bound, conditions=(C1,))
    other = (replace(C1, due=C1.due + timedelta(days=1)),)
    for ruling, envelope, more in (
        ("CONFIRMED", refuse, {}),
        ("CONFIRMED", bound, {}),
        ("CONFIRMED_WITH_CONDITIONS", confirming, {"conditions": (C1,)}),
        ("CONFIRMED_WITH_CONDITIONS", bound, {"conditions": other}),
    ):
        with pytest.raises(ConfirmationError, match="departs from the recommendation"):
            decided(good, ruling, envelope, **more)
        assert decided(good, ruling, envelope, reasons=("the panel decided otherwise",), **more)


def test_who_recommended_does_not_take_the_decision_with_another_key(good):
    signer, key = keyed("reviewer", "Second reviewer")
    trust = Trust((*TRUST.keys, key))
    mine = read_recommendation(recommended(good, signers=[signer], trust=trust), trust)
    worn = replace(mine, signed_by=(replace(key, name=OFFICER_KEY.name),))
    until = months_after(NOW, 6)
    with pytest.raises(SignatureError, match="signed the recommendation"):
        confirm(
            good, ConfirmationRequest(Ruling.CONFIRMED, until, POLICY_DIGEST, recommendation=worn), BOTH, TRUST, NOW
        )
    request = ConfirmationRequest(Ruling.CONFIRMED, until, POLICY_DIGEST, recommendation=mine)
    assert confirm(good, request, BOTH, TRUST, NOW)
    for first, second in (BOTH, BOTH[::-1]):
        half = confirm(good, request, [first], TRUST, NOW)
        rules = {"trust": TRUST, "now": NOW, "policy_digest": POLICY_DIGEST}
        with pytest.raises(SignatureError, match="signed the recommendation"):
            countersign(half, good, second, **rules, recommendation=worn)
        assert countersign(half, good, second, **rules, recommendation=mine)


def test_a_recommendation_on_other_evidence_or_from_the_future_is_not_relied_on(good, failing):
    with pytest.raises(ConfirmationError, match="other evidence"):
        decided(good, "REFUSED", recommended(failing, "REFUSE"), reasons=("x",))
    later = recommended(good, now=NOW + timedelta(hours=1))
    with pytest.raises(ConfirmationError, match="from the future"):
        decided(good, "CONFIRMED", later)
    signed = read_recommendation(recommended(good), TRUST)
    moved = replace(signed.recommendation, subjects=RELEASE.subjects[:1])
    assert any("another release" in said for said in replace(signed, recommendation=moved).objections(good, NOW))


def test_the_second_signer_is_shown_the_recommendation_that_the_first_relied_on(good):
    wanted = ConfirmationRequest(
        Ruling.CONFIRMED,
        months_after(NOW, 6),
        POLICY_DIGEST,
        recommendation=read_recommendation(recommended(good), TRUST),
    )
    first = confirm(good, wanted, [REVIEWER_SIGNER], TRUST, NOW)
    rules = {"trust": TRUST, "now": NOW, "policy_digest": POLICY_DIGEST}
    other = read_recommendation(recommended(good, "REFUSE"), TRUST)
    for given_one in (None, other):
        with pytest.raises(ConfirmationError, match="not the one that the confirmation names"):
            countersign(first, good, OFFICER_SIGNER, **rules, recommendation=given_one)
    whole = countersign(first, good, OFFICER_SIGNER, **rules, recommendation=wanted.recommendation)
    assert decide(whole, RELEASE, TRUST, NOW).allowed


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(note="x"),
        lambda p: p.pop("findings"),
        lambda p: p.update(recommendation="APPROVE"),
        lambda p: p.update(recommendation=["CONFIRM"]),
        lambda p: p.update(findings=[]),
        lambda p: p.update(findings="fine"),
        lambda p: p.update(conditions=[{"id": "C"}]),
        lambda p: p.update(issuedAt="yesterday"),
        lambda p: p.update(evidenceDigest="2" * 64),
    ],
)
def test_a_signed_recommendation_that_is_not_understood_in_full_is_not_read(good, change):
    document = json.loads(verify(recommended(good), TRUST).payload)
    change(document["predicate"])
    with pytest.raises(EnvelopeError):
        read_recommendation(sign(json.dumps(document).encode(), [REVIEWER_SIGNER]), TRUST)


def test_a_confirmation_is_no_recommendation_and_the_other_way_round(good):
    envelope = recommended(good)
    with pytest.raises(EnvelopeError, match="not of type"):
        read_recommendation(decided(good, "CONFIRMED", envelope), TRUST)
    assert not decide(envelope, RELEASE, TRUST, NOW).allowed


def test_two_reviewers_sign_where_the_trust_file_asks_for_two(good):
    signer, key = keyed("reviewer", "Second reviewer")
    two = Trust((*TRUST.keys, key), {"reviewer": 2})
    with pytest.raises(SignatureError, match="1 of 2"):
        recommended(good, trust=two)
    assert len(read_recommendation(recommended(good, signers=[REVIEWER_SIGNER, signer], trust=two), two).signed_by) == 2


TEXTS = st.text(min_size=1, max_size=40).filter(lambda t: t.strip() and t.isprintable())


@given(st.sampled_from(Recommended), st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_every_recommendation_reads_back_as_it_was_signed(word, findings, texts):
    conditions = tuple(Condition(f"C{i}", t, C1.due) for i, t in enumerate(texts))
    said = Recommendation(
        word,
        tuple(findings),
        conditions if word is Recommended.CONFIRM_WITH_CONDITIONS else (),
        NOW,
        "1" * 64,
        "2" * 64,
        "3" * 64,
        RELEASE.subjects,
    )
    envelope = sign(said.to_statement().to_bytes(), [REVIEWER_SIGNER])
    assert read_recommendation(envelope, TRUST).recommendation == said


@given(st.data())
def test_after_any_single_flipped_byte_nothing_is_recommended(data):
    said = Recommendation(Recommended.CONFIRM, FINDINGS, (), NOW, "1" * 64, "2" * 64, "3" * 64, RELEASE.subjects)
    whole = bytearray(sign(said.to_statement().to_bytes(), [REVIEWER_SIGNER]))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        read_recommendation(bytes(whole), TRUST)


def test_the_command_line_recommends_and_the_officer_follows_or_gives_a_reason(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch, roles=("tester", "reviewer", "confirming-officer"))
    given_files = ("good", "--trust", "trust.json", "--policy", "policy.yaml")
    asked = ("recommend", *given_files, "--key", "reviewer.pem", "--out", "rec.json", "--recommendation")
    with pytest.raises(UsageError, match="none of the words"):
        call(*asked, "APPROVE")
    assert "finding: not yet" in call(*asked, "REFUSE", "--finding", "not yet", expect=1)
    ruled = ("confirm", *given_files, "--key", "confirming-officer.pem", "--out", "c.json", "--decision", "CONFIRMED")
    with pytest.raises(ConfirmationError, match="departs"):
        call(*ruled, "--recommendation", "rec.json")
    assert "reason: the panel" in call(*ruled, "--recommendation", "rec.json", "--reason", "the panel decided")
    signing = ("confirm", *given_files, "--key", "reviewer.pem", "--out", "c.json", "--add-signature", "c.json")
    with pytest.raises(ConfirmationError, match="not the one"):
        call(*signing)
    call(*signing, "--recommendation", "rec.json")
    gate = ("gate", "--confirmation", "c.json", "--deployed", "release.json", "--trust", "trust.json")
    assert call(*gate).startswith("ALLOW")
