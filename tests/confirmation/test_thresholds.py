"""n of m: a trust file may ask for more than one holder of a role."""

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
    TESTER_KEY,
    TRUST,
    keyed,
    make_bundle,
    recompute_as_sealed,
)
from hypothesis import given
from hypothesis import strategies as st
from seal_desk import call, lay_desk

from seatrial.confirmation.confirm import ConfirmationRequest, confirm, countersign
from seatrial.confirmation.gate import decide
from seatrial.confirmation.revocation import cosign_list, next_list, read_list
from seatrial.confirmation.statement import Ruling, months_after
from seatrial.errors import KeyFileError, SignatureError, UsageError
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.keys import Trust, parse_trust
from seatrial.evidence.verifier import verify_bundle

SECOND_SIGNER, SECOND_KEY = keyed("confirming-officer", "Lee Ka-yan")
THIRD_SIGNER, THIRD_KEY = keyed("confirming-officer", "Ho Wai-lam")
KEYS = (TESTER_KEY, REVIEWER_KEY, OFFICER_KEY, SECOND_KEY, THIRD_KEY)
TWO = Trust(KEYS, {"confirming-officer": 2})
REQUEST = ConfirmationRequest(Ruling.CONFIRMED, months_after(NOW, 6), POLICY_DIGEST)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    bundle = make_bundle(tmp_path_factory.mktemp("thresholds") / "b", verdict=PASSED)
    return verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)


def added(envelope, report, signer, trust=TWO):
    return countersign(envelope, report, signer, trust=trust, now=NOW, policy_digest=POLICY_DIGEST)


def test_two_officers_and_the_reviewer_open_the_gate_and_none_of_them_less(good):
    officers = [OFFICER_SIGNER, SECOND_SIGNER]
    whole = confirm(good, REQUEST, [REVIEWER_SIGNER, *officers], TWO, NOW)
    assert decide(whole, RELEASE, TWO, NOW).allowed
    lacking = confirm(good, REQUEST, [REVIEWER_SIGNER, OFFICER_SIGNER], TWO, NOW)
    said = decide(lacking, RELEASE, TWO, NOW).reasons
    assert said == ("only 1 of 2 holders of confirming-officer signed",)
    assert "no reviewer signed" in decide(confirm(good, REQUEST, officers, TWO, NOW), RELEASE, TWO, NOW).reasons


def test_the_signatures_are_added_one_by_one_and_no_more_than_are_asked_for(good):
    envelope = confirm(good, REQUEST, [OFFICER_SIGNER], TWO, NOW)
    with pytest.raises(SignatureError, match="has signed already"):
        added(envelope, good, OFFICER_SIGNER)
    for signer in (SECOND_SIGNER, REVIEWER_SIGNER):
        assert not decide(envelope, RELEASE, TWO, NOW).allowed
        envelope = added(envelope, good, signer)
    assert decide(envelope, RELEASE, TWO, NOW).allowed
    with pytest.raises(SignatureError, match="a confirming-officer has signed already"):
        added(envelope, good, THIRD_SIGNER)
    with pytest.raises(SignatureError, match="no more of a role"):
        confirm(good, REQUEST, [OFFICER_SIGNER, SECOND_SIGNER, THIRD_SIGNER], TWO, NOW)


def test_two_keys_of_one_holder_count_once(good):
    one = Trust((REVIEWER_KEY, OFFICER_KEY, replace(SECOND_KEY, name=OFFICER_KEY.name.upper()), THIRD_KEY), {})
    envelope = sign(b"x", [OFFICER_SIGNER, SECOND_SIGNER, REVIEWER_SIGNER])
    asked = Trust(one.keys, {"confirming-officer": 2})
    problems = verify(envelope, asked).problems({"reviewer", "confirming-officer"}, NOW)
    assert "only 1 of 2 holders of confirming-officer signed" in problems
    with pytest.raises(SignatureError, match="two people"):
        confirm(good, REQUEST, [OFFICER_SIGNER, SECOND_SIGNER], asked, NOW)


def test_an_officer_whose_key_had_ended_does_not_help(good):
    late = Trust((*KEYS[:3], replace(SECOND_KEY, valid_until=NOW)), {"confirming-officer": 2})
    envelope = confirm(good, REQUEST, [REVIEWER_SIGNER, OFFICER_SIGNER, SECOND_SIGNER], TWO, NOW)
    assert any("not valid at" in reason for reason in decide(envelope, RELEASE, late, NOW).reasons)


def test_a_revocation_list_needs_as_many_officers(good):
    def listed(signer, *cosigners):
        until = NOW + timedelta(days=7)
        return next_list(None, [], signer, trust=TWO, now=NOW, expires_at=until, cosigners=cosigners)

    assert read_list(listed(OFFICER_SIGNER, SECOND_SIGNER), TWO).sequence == 1
    for signers in ([OFFICER_SIGNER, OFFICER_SIGNER], [OFFICER_SIGNER, SECOND_SIGNER, THIRD_SIGNER]):
        with pytest.raises(SignatureError, match="by 2 confirming officers"):
            listed(*signers)
    one = listed(OFFICER_SIGNER)
    with pytest.raises(SignatureError, match="only 1 of 2"):
        read_list(one, TWO)
    assert read_list(cosign_list(one, SECOND_SIGNER, TWO, NOW + timedelta(days=1)), TWO).sequence == 1
    whole = cosign_list(one, THIRD_SIGNER, TWO, NOW)
    for envelope, signer, now, said in (
        (one, OFFICER_SIGNER, NOW, "has signed already"),
        (whole, SECOND_SIGNER, NOW, "all the signatures"),
        (one, REVIEWER_SIGNER, NOW, "by a confirming officer"),
        (one, SECOND_SIGNER, NOW + timedelta(days=7), "expired"),
    ):
        with pytest.raises(SignatureError, match=said):
            cosign_list(envelope, signer, TWO, now)
    young = Trust((*KEYS[:3], replace(SECOND_KEY, valid_from=NOW + timedelta(days=1))), {"confirming-officer": 2})
    with pytest.raises(SignatureError, match="its issue"):
        cosign_list(one, SECOND_SIGNER, young, NOW + timedelta(days=1))
    hats = Trust((OFFICER_KEY, replace(SECOND_KEY, name=OFFICER_KEY.name)))
    with pytest.raises(SignatureError, match="each once"):
        week = {"now": NOW, "expires_at": NOW + timedelta(days=7)}
        next_list(None, [], OFFICER_SIGNER, trust=hats, cosigners=[SECOND_SIGNER], **week)
    alone = next_list(None, [], OFFICER_SIGNER, trust=TRUST, now=NOW, expires_at=NOW + timedelta(days=7))
    with pytest.raises(SignatureError, match="only 1 of 2"):
        read_list(alone, TWO)


@pytest.mark.parametrize(
    "thresholds",
    [{}, [], {"confirming-officer": 0}, {"confirming-officer": -1}, {"confirming-officer": 4}, {"reviewer": 2},
     {"confirming-officer": True}, {"confirming-officer": 1.0}, {"confirming-officer": "2"}, {"case-officer": 1},
     {"emperor": 1}, None],
)  # fmt: skip
def test_a_threshold_that_can_not_be_meant_makes_the_trust_file_worthless(thresholds):
    document = json.loads(Trust(KEYS).to_bytes()) | {"thresholds": thresholds}
    with pytest.raises(KeyFileError, match="threshold"):
        parse_trust(canonical_bytes(document))


@given(st.integers(1, 3), st.integers(0, 3))
def test_the_gate_opens_exactly_from_the_threshold_on(needed, signed):
    trust = Trust(KEYS, {"confirming-officer": needed})
    envelope = sign(b"x", [REVIEWER_SIGNER, *[OFFICER_SIGNER, SECOND_SIGNER, THIRD_SIGNER][:signed]])
    problems = verify(envelope, trust).problems({"reviewer", "confirming-officer"}, NOW)
    assert (problems == ()) == (signed >= needed)


def test_a_trust_file_reads_back_with_its_thresholds_and_two_files_must_agree():
    assert parse_trust(TWO.to_bytes()) == TWO
    assert b"thresholds" not in TRUST.to_bytes()
    assert TRUST.merge(TWO).thresholds == {"confirming-officer": 2}
    with pytest.raises(KeyFileError, match="two thresholds for confirming-officer"):
        TWO.merge(Trust(KEYS, {"confirming-officer": 3}))


def test_the_command_line_states_thresholds_and_adds_signatures_until_they_are_met(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch, roles=("tester", "reviewer", "confirming-officer"))
    call("keys", "new", "second", "--role", "confirming-officer", "--name", "Second", "--no-passphrase")
    joined = ("keys", "trust", "trust.json", "second.json", "--out", "two.json")
    assert "2 holders of confirming-officer must sign" in call(*joined, "--threshold", "confirming-officer=2")
    with pytest.raises(UsageError, match="ROLE=N"):
        call(*joined, "--threshold", "confirming-officer")
    given_files = ("good", "--trust", "two.json", "--policy", "policy.yaml", "--out", "c.json")
    call("confirm", *given_files, "--decision", "CONFIRMED", "--key", "reviewer.pem")
    gate = ("gate", "--confirmation", "c.json", "--deployed", "release.json", "--trust", "two.json")
    for key in ("confirming-officer.pem", "second.pem"):
        call(*gate, expect=1)
        call("confirm", *given_files, "--add-signature", "c.json", "--key", key)
    assert call(*gate).startswith("ALLOW")
    revoke = ("revoke", "--trust", "two.json", "--key", "second.pem", "--out", "r.json")
    assert "only 1 of 2 holders" in call(*revoke)
    call(*gate, "--revocations", "r.json", expect=1)
    adding = ("revoke", "--trust", "two.json", "--out", "r.json", "--add-signature", "r.json")
    with pytest.raises(UsageError, match="nothing new"):
        call(*adding, "--key", "confirming-officer.pem", "--reason", "late")
    assert "not count" not in call(*adding, "--key", "confirming-officer.pem")
    call(*gate, "--revocations", "r.json")
