import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    RELEASE,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    STRANGER_KEY,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    keyed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.confirmation import gate
from seatrial.confirmation.bounds import VoidWhen
from seatrial.confirmation.gate import decide
from seatrial.confirmation.revocation import Revocation, RevocationList, next_list, read_list
from seatrial.confirmation.statement import Condition, Confirmation, Ruling, months_after
from seatrial.errors import EnvelopeError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.intoto import Statement
from seatrial.evidence.keys import Trust
from seatrial.model.release import Release, Subject

BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]
DAY = timedelta(days=1)
CONFIRMATION = Confirmation(
    ruling=Ruling.CONFIRMED,
    reasons=(),
    conditions=(),
    issued_at=NOW,
    valid_until=months_after(NOW, 6),
    system="Booking",
    release=(RELEASE.name, RELEASE.version),
    tested_peak_per_s=40.0,
    policy_digest="1" * 64,
    evidence_digest="2" * 64,
    test_result_digest="3" * 64,
    subjects=RELEASE.subjects,
    void_when=VoidWhen(44.0),
    recommendation_digest=None,
)
PAYLOAD = CONFIRMATION.to_statement().to_bytes()
SIGNED = sign(PAYLOAD, BOTH)
DIGEST = sha256_hex(PAYLOAD)


def signed(signers=BOTH, **changes):
    return sign(replace(CONFIRMATION, **changes).to_statement().to_bytes(), signers)


def edited_payload(change):
    document = json.loads(PAYLOAD)
    change(document, document["predicate"])
    return sign(json.dumps(document).encode(), BOTH)


def denied(*args, said, **more):
    decision = decide(*args, **more)
    assert not decision.allowed and decision.answer == "DENY"
    assert any(said in reason for reason in decision.reasons), decision.reasons
    return decision


def test_a_good_confirmation_opens_the_gate_and_says_on_what_it_rests():
    decision = decide(SIGNED, RELEASE.to_bytes(), TRUST.to_bytes(), NOW)
    assert decision.allowed and decision.to_object()["decision"] == "ALLOW"
    assert decision.confirmation_digest == DIGEST
    assert any("no revocation list" in reason for reason in decision.reasons)


def test_every_reason_is_given_not_just_the_first():
    deployed = Release("booking", "2.2", (Subject("app/main.py", "c" * 64), Subject("new", "d" * 64)))
    envelope = signed([REVIEWER_SIGNER], ruling=Ruling.REFUSED, reasons=("stress failed",))
    decision = decide(envelope, deployed, TRUST, NOW.replace(year=2028), b"{}")
    for said in (
        "no confirming-officer signed",
        "refused: stress failed",
        "expired",
        "subject image is bound but not deployed",
        "subject new is deployed but not bound",
        "subject app/main.py differs",
        "calls itself booking 2.2",
        "revocation list",
    ):
        assert any(said in reason for reason in decision.reasons), said
    assert len(decision.reasons) >= 8


def test_a_refusal_keeps_it_shut():
    denied(signed(ruling=Ruling.REFUSED, reasons=("drill failed",)), RELEASE, TRUST, NOW, said="drill failed")


def test_it_opens_at_the_moment_of_issue_and_shuts_at_the_moment_of_expiry():
    denied(SIGNED, RELEASE, TRUST, NOW - timedelta(seconds=1), said="not yet valid")
    end = CONFIRMATION.valid_until
    assert decide(SIGNED, RELEASE, TRUST, end - timedelta(seconds=1)).allowed
    denied(SIGNED, RELEASE, TRUST, end, said="expired")


def test_a_condition_is_named_and_shuts_the_gate_when_it_is_overdue():
    envelope = signed(ruling=Ruling.CONFIRMED_WITH_CONDITIONS, conditions=(Condition("C1", "add servers", NOW + DAY),))
    decision = decide(envelope, RELEASE, TRUST, NOW)
    assert decision.allowed and any("C1" in reason and "add servers" in reason for reason in decision.reasons)
    denied(envelope, RELEASE, TRUST, NOW + DAY, said="condition C1 is overdue")


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        ([REVIEWER_SIGNER], "no confirming-officer signed"),
        ([OFFICER_SIGNER], "no reviewer signed"),
        ([TESTER_SIGNER], "no reviewer signed"),
        ([STRANGER_SIGNER], "none of the signatures"),
        ([*BOTH, STRANGER_SIGNER], "no trusted key"),
        ([*BOTH, TESTER_SIGNER], "no part in this"),
    ],
)
def test_both_roles_and_nobody_else_must_have_signed(signers, said):
    denied(signed(signers), RELEASE, TRUST, NOW, said=said)


def test_one_key_twice_or_one_holder_with_two_keys_does_not_open_it():
    document = json.loads(signed([REVIEWER_SIGNER]))
    document["signatures"] *= 2
    denied(canonical_bytes(document), RELEASE, TRUST, NOW, said="signed twice")
    same = Trust((REVIEWER_KEY, replace(OFFICER_KEY, name=REVIEWER_KEY.name)))
    denied(SIGNED, RELEASE, same, NOW, said="one holder")


def test_two_reviewers_are_no_confirming_officer():
    signer, key = keyed("reviewer", "Second reviewer")
    denied(signed([REVIEWER_SIGNER, signer]), RELEASE, Trust((*TRUST.keys, key)), NOW, said="no confirming-officer")


def test_a_key_out_of_its_period_at_issue_does_not_open_it():
    for late in (replace(OFFICER_KEY, valid_from=NOW + DAY), replace(OFFICER_KEY, valid_until=NOW)):
        denied(SIGNED, RELEASE, Trust((REVIEWER_KEY, late)), NOW + DAY, said="not valid at")


def test_one_key_under_two_roles_makes_the_trust_file_worthless():
    keys = [REVIEWER_KEY.to_object(), OFFICER_KEY.to_object() | {"keyval": {"public": REVIEWER_KEY.public}}]
    trust = canonical_bytes({"format": "seatrial-trust/1", "keys": keys})
    denied(SIGNED, RELEASE, trust, NOW, said="twice")


@pytest.mark.parametrize(
    "change",
    [
        lambda d, p: p.update(waiver=True),
        lambda d, p: d.update(note="x"),
        lambda d, p: p.pop("validUntil"),
        lambda d, p: p.pop("conditions"),
        lambda d, p: p.pop("voidWhen"),
        lambda d, p: p.pop("recommendationDigest"),
        lambda d, p: p.update(recommendationDigest="1" * 64),
        lambda d, p: p.update(voidWhen=None),
        lambda d, p: p["voidWhen"].pop("window"),
        lambda d, p: p["voidWhen"].update(unless="x"),
        lambda d, p: p["voidWhen"].update(forecastAbove={"journeysPerSecond": 44.1}),
        lambda d, p: p["voidWhen"].update(forecastAbove={"journeysPerSecond": 0}),
        lambda d, p: p["voidWhen"].update(forecastAbove=None),
        lambda d, p: p["voidWhen"].update(dependencyLimits="1" * 64),
        lambda d, p: p["voidWhen"].update(drillValidUntil="2026-06-01T09:00:00Z"),
        lambda d, p: p["voidWhen"].update(drillValidUntil="2026-08-30T09:00:01Z"),
        lambda d, p: p["voidWhen"].update(window={"from": "2026-06-02T00:00:00Z"}),
        lambda d, p: p["voidWhen"].update(window={"from": "2026-06-02T00:00:00Z", "until": "2026-06-02T00:00:00Z"}),
        lambda d, p: p["voidWhen"].update(window={"from": "2026-05-02T00:00:00Z", "until": "2026-06-01T09:00:00Z"}),
        lambda d, p: p.update(decision="PROBABLY"),
        lambda d, p: p.update(decision=["CONFIRMED"]),
        lambda d, p: p.update(decision="CONFIRMED_WITH_CONDITIONS"),
        lambda d, p: p.update(conditions=[{"id": "C", "text": "t", "due": "2026-08-01T00:00:00Z"}]),
        lambda d, p: p.update(conditions=[{"id": "C", "text": "t"}]),
        lambda d, p: p.update(conditions={}),
        lambda d, p: p.update(reasons="none"),
        lambda d, p: p.update(reasons=[1]),
        lambda d, p: p.update(validUntil="2028-01-01T00:00:00Z"),
        lambda d, p: p.update(validUntil="9999-12-31T23:59:59Z"),
        lambda d, p: p.update(validUntil=None),
        lambda d, p: p.update(issuedAt="2026-06-01"),
        lambda d, p: p.update(issuedAt="9999-06-01T00:00:00Z", validUntil="9999-07-01T00:00:00Z"),
        lambda d, p: p.update(testedPeak=40),
        lambda d, p: p.update(testedPeak={"journeysPerSecond": True}),
        lambda d, p: p.update(testedPeak={"journeysPerSecond": 0}),
        lambda d, p: p.update(testedPeak={"journeysPerSecond": 10**400}),
        lambda d, p: p.update(release=None),
        lambda d, p: p.update(release={"name": "booking"}),
        lambda d, p: p.update(release={"name": "booking", "version": 2.1}),
        lambda d, p: p.update(system=""),
        lambda d, p: p.update(policyDigest="1" * 64),
        lambda d, p: p.update(evidenceDigest={"sha256": "x"}),
        lambda d, p: p.update(testResultDigest={}),
        lambda d, p: d.update(subject=[]),
        lambda d, p: d.update(predicateType="https://in-toto.io/attestation/test-result/v0.1"),
        lambda d, p: d.update(predicate=None),
        lambda d, p: d.update(_type="x"),
    ],
)
def test_a_properly_signed_statement_that_is_not_understood_in_full_does_not_open_it(change):
    assert not decide(edited_payload(change), RELEASE, TRUST, NOW).allowed


def test_a_confirmation_without_a_release_can_not_even_be_made():
    with pytest.raises(EnvelopeError, match="binds no release"):
        replace(CONFIRMATION, release=None)
    replace(CONFIRMATION, release=None, ruling=Ruling.REFUSED, reasons=("no release",))


def test_a_confirmation_of_more_or_less_than_is_deployed_does_not_open_it():
    fewer = replace(RELEASE, subjects=RELEASE.subjects[:1])
    denied(SIGNED, fewer, TRUST, NOW, said="subject image is bound but not deployed")
    more = replace(RELEASE, subjects=(*RELEASE.subjects, Subject("zz", "e" * 64)))
    denied(SIGNED, more, TRUST, NOW, said="subject zz is deployed but not bound")


@pytest.mark.parametrize("junk", [b"", b"{}", b"null", b"\xff", b"[" * 10_000, SIGNED[:-1], SIGNED + b"\n"])
def test_anything_malformed_anywhere_keeps_it_shut(junk):
    files = {"confirmation": SIGNED, "deployed": RELEASE.to_bytes(), "trust": TRUST.to_bytes(), "revocations": None}
    assert decide(**files, now=NOW).allowed
    for name in files:
        assert not decide(**(files | {name: junk}), now=NOW).allowed, name


def test_what_nobody_thought_of_keeps_it_shut(monkeypatch):
    assert not decide(None, RELEASE, TRUST, NOW).allowed  # type: ignore[arg-type]
    naive = denied(SIGNED, RELEASE, TRUST, datetime(2026, 6, 1), said="could not decide")  # noqa: DTZ001
    assert naive.confirmation_digest is None

    def broken(*args):
        raise MemoryError("too much")

    monkeypatch.setattr(gate, "verify", broken)
    denied(SIGNED, RELEASE, TRUST, NOW, said="too much")
    assert gate.deny().reasons


@settings(max_examples=300)
@given(st.data())
def test_after_any_single_change_of_the_confirmation_the_gate_never_opens(data):
    whole = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "double"])):
        case "flip":
            whole[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del whole[at : at + data.draw(st.integers(1, 80))]
        case "insert":
            whole.insert(at, data.draw(st.integers(0, 255)))
        case "double":
            whole[at:at] = whole[at : at + data.draw(st.integers(1, 200))]
    assert bytes(whole) == SIGNED or not decide(bytes(whole), RELEASE, TRUST, NOW).allowed


@settings(max_examples=200)
@given(st.data())
def test_after_any_single_change_of_the_deployed_manifest_the_gate_never_opens(data):
    whole = bytearray(RELEASE.to_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at]
    assert not decide(SIGNED, bytes(whole), TRUST, NOW).allowed


@settings(max_examples=200)
@given(st.data())
def test_after_a_change_of_the_trust_file_the_gate_opens_only_for_the_same_keys_roles_and_periods(data):
    whole = bytearray(Trust((REVIEWER_KEY, OFFICER_KEY)).to_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    if decide(SIGNED, RELEASE, bytes(whole), NOW).allowed:
        keys = json.loads(whole)["keys"]
        expected = [REVIEWER_KEY, OFFICER_KEY]
        assert [(k["role"], bytes.fromhex(k["keyval"]["public"]), k["keyid"]) for k in keys] == [
            (k.role, bytes.fromhex(k.public), k.keyid) for k in expected
        ]
        assert all(k["valid_from"] <= "2026-06-01T09:00:00Z" < k["valid_until"] for k in keys)


@pytest.mark.parametrize(
    "keys",
    [
        (REVIEWER_KEY,),
        (OFFICER_KEY,),
        (TESTER_KEY, STRANGER_KEY),
        (replace(REVIEWER_KEY, role="confirming-officer"), OFFICER_KEY),
        (replace(REVIEWER_KEY, role="confirming-officer"), replace(OFFICER_KEY, role="tester")),
        (replace(REVIEWER_KEY, public=STRANGER_KEY.public), OFFICER_KEY),
        (replace(REVIEWER_KEY, keyid="other"), OFFICER_KEY),
        (replace(REVIEWER_KEY, valid_until=NOW), OFFICER_KEY),
    ],
)
def test_a_trust_file_without_the_right_keys_in_the_right_roles_keeps_it_shut(keys):
    assert not decide(SIGNED, RELEASE, Trust(keys), NOW).allowed


def test_swapped_roles_open_it_only_because_both_roles_still_signed():
    swapped = Trust((replace(REVIEWER_KEY, role="confirming-officer"), replace(OFFICER_KEY, role="reviewer")))
    assert decide(SIGNED, RELEASE, swapped, NOW).allowed


ENTRY = Revocation(DIGEST, "the database was replaced", NOW + DAY)


def revocations(entries=(), previous=None, signer=OFFICER_SIGNER, trust=TRUST, now=NOW):
    return next_list(previous, entries, signer, trust=trust, now=now, expires_at=now + 7 * DAY)


def test_a_revoked_confirmation_no_longer_opens_it_and_the_reason_is_said():
    denied(
        SIGNED, RELEASE, TRUST, NOW + DAY, revocations([ENTRY]), said="revoked at 2026-06-02T09:00:00Z: the database"
    )


def test_a_signature_more_does_not_escape_revocation():
    other = sign(PAYLOAD, BOTH[::-1])
    denied(other, RELEASE, TRUST, NOW, revocations([ENTRY]), said="was revoked")


def test_a_current_list_without_it_leaves_the_gate_open():
    for entries in ([], [replace(ENTRY, confirmation_digest="4" * 64)]):
        decision = decide(SIGNED, RELEASE, TRUST, NOW + DAY, revocations(entries))
        assert decision.allowed and "it is not on the revocation list" in decision.reasons


def test_an_expired_an_early_or_an_old_list_keeps_it_shut():
    listed = revocations()
    denied(SIGNED, RELEASE, TRUST, NOW + 7 * DAY, listed, said="list expired")
    denied(SIGNED, RELEASE, TRUST, NOW, revocations(now=NOW + DAY), said="from the future")
    denied(SIGNED, RELEASE, TRUST, NOW, listed, least_sequence=2, said="older than number 2")


def test_who_asks_for_a_number_of_the_list_and_gives_no_list_is_not_let_through():
    denied(SIGNED, RELEASE, TRUST, NOW, least_sequence=2, said="number 2 or later is asked for, and none was given")
    assert decide(SIGNED, RELEASE, TRUST, NOW, least_sequence=1).allowed


def list_statement(**changes):
    statement = RevocationList(1, NOW, NOW + 7 * DAY, (replace(ENTRY, confirmation_digest="4" * 64),)).to_statement()
    return Statement(statement.subjects, statement.predicate_type, {**statement.predicate, **changes})


@pytest.mark.parametrize(
    ("changes", "signers"),
    [
        ({}, [REVIEWER_SIGNER]),
        ({}, [TESTER_SIGNER]),
        ({}, [STRANGER_SIGNER]),
        ({}, [OFFICER_SIGNER, REVIEWER_SIGNER]),
        ({"entries": []}, [OFFICER_SIGNER]),
        ({"entries": {}}, [OFFICER_SIGNER]),
        ({"entries": ["x"]}, [OFFICER_SIGNER]),
        ({"entries": [{"confirmation": {}, "reason": "x", "revokedAt": "2026-06-01T00:00:00Z"}]}, [OFFICER_SIGNER]),
        ({"entries": [{"confirmation": {"sha256": "4"}, "reason": "x", "revokedAt": "x"}]}, [OFFICER_SIGNER]),
        ({"sequence": 0}, [OFFICER_SIGNER]),
        ({"sequence": "1"}, [OFFICER_SIGNER]),
        ({"sequence": True}, [OFFICER_SIGNER]),
        ({"expiresAt": "2026-06-01T09:00:00Z"}, [OFFICER_SIGNER]),
        ({"expiresAt": "never"}, [OFFICER_SIGNER]),
        ({"note": "x"}, [OFFICER_SIGNER]),
    ],
)
def test_a_list_that_is_malformed_or_by_the_wrong_signer_keeps_it_shut(changes, signers):
    assert decide(SIGNED, RELEASE, TRUST, NOW, sign(list_statement().to_bytes(), [OFFICER_SIGNER])).allowed
    envelope = sign(list_statement(**changes).to_bytes(), signers)
    denied(SIGNED, RELEASE, TRUST, NOW, envelope, said="revocation list can't be relied on")


def test_a_confirmation_is_no_revocation_list_and_the_other_way_round():
    assert not decide(SIGNED, RELEASE, TRUST, NOW, SIGNED).allowed
    assert not decide(revocations(), RELEASE, TRUST, NOW).allowed


def test_each_edition_carries_every_earlier_entry_and_the_next_number():
    first = read_list(revocations([ENTRY]), TRUST)
    other = replace(ENTRY, confirmation_digest="0" * 64, reason="wrong declaration")
    second = read_list(revocations([other, replace(ENTRY, reason="again")], first), TRUST)
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.entries == (other, ENTRY)


def test_only_a_confirming_officer_with_a_valid_key_revokes():
    for signer in (REVIEWER_SIGNER, STRANGER_SIGNER):
        with pytest.raises(SignatureError):
            revocations(signer=signer)
    with pytest.raises(SignatureError):
        revocations(trust=Trust((replace(OFFICER_KEY, valid_until=NOW),)))
    with pytest.raises(EnvelopeError):
        next_list(None, [], OFFICER_SIGNER, trust=TRUST, now=NOW, expires_at=NOW)
    with pytest.raises(EnvelopeError):
        revocations([replace(ENTRY, reason=" ")])
