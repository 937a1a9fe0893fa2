"""The verification summary, and every statement of ours as other libraries read them."""

import inspect
import json
from dataclasses import fields, replace

import google.protobuf.json_format as pb_json
import pytest
from confirmation_builders import (
    BOTH,
    CASE_KEY,
    CASE_SIGNER,
    CONDITIONAL,
    CONFIRMED,
    DAY,
    FACTS,
    KEYS,
    SECOND,
    VERIFIER_KEY,
    VERIFIER_SIGNER,
    bare,
    envelope_of,
    signed,
)
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    RELEASE,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    keyed,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InTotoStatement
from seal_desk import call, lay_desk
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError

from seatrial.cli import gate, summaries
from seatrial.clock import SystemClock
from seatrial.confirmation.facts import FACTS_TYPE
from seatrial.confirmation.recommendation import RECOMMENDATION_TYPE, Recommendation, Recommended
from seatrial.confirmation.revocation import REVOCATIONS_TYPE, Revocation, next_list
from seatrial.confirmation.statement import CONFIRMATION_TYPE, Ruling
from seatrial.confirmation.summary import SUMMARY_TYPE, Question, summarise
from seatrial.errors import EnvelopeError, EvidenceError, SignatureError, UsageError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import PAYLOAD_TYPE, sign, verify
from seatrial.evidence.keys import Trust
from seatrial.model.release import Subject

ASKED = Question(envelope_of(), RELEASE.to_bytes())
RECOMMENDED = Recommendation(
    Recommended.CONFIRM, ("it bears the load",), (), NOW, "1" * 64, "2" * 64, "3" * 64, RELEASE.subjects
)


def revocations(*entries, now=NOW):
    return next_list(None, entries, OFFICER_SIGNER, trust=TRUST, now=now, expires_at=now + 7 * DAY)


def summary(question=ASKED, now=NOW, signers=(VERIFIER_SIGNER,), trust=KEYS, **more):
    return summarise(question, trust, list(signers), now, **more)


def predicate(made):
    document = json.loads(verify(made.envelope, KEYS).payload)
    assert document["predicateType"] == SUMMARY_TYPE
    return document["predicate"]


def test_an_open_gate_is_summed_up_as_passed_with_everything_that_was_read():
    listed, facts = revocations(), signed()
    made = summary(replace(ASKED, revocations=listed, facts=facts))
    assert made.decision.allowed
    assert predicate(made) == {
        "verifier": {"id": "urn:seatrial:verifier:The%20gate%27s%20verifier"},
        "timeVerified": "2026-06-01T09:00:00Z",
        "resourceUri": "pkg:generic/booking@2.1",
        "policy": {"uri": "urn:seatrial:policy", "digest": {"sha256": "1" * 64}},
        "inputAttestations": [
            {"uri": CONFIRMATION_TYPE, "digest": {"sha256": sha256_hex(envelope_of())}},
            {"uri": REVOCATIONS_TYPE, "digest": {"sha256": sha256_hex(listed)}},
            {"uri": FACTS_TYPE, "digest": {"sha256": sha256_hex(facts)}},
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": ["SEATRIAL_CONFIRMED"],
        "slsaVersion": "1.1",
    }
    assert verify(made.envelope, KEYS).problems({"verifier"}, NOW) == ()
    conditional = summary(replace(ASKED, confirmation=envelope_of(CONDITIONAL)))
    assert predicate(conditional)["verifiedLevels"] == ["SEATRIAL_CONFIRMED_WITH_CONDITIONS"]


def test_a_shut_gate_is_summed_up_as_failed_whatever_shut_it():
    digest = sha256_hex(CONFIRMED.to_statement().to_bytes())
    refused = replace(CONFIRMED, ruling=Ruling.REFUSED, reasons=("too slow",))
    elsewhere = replace(RELEASE, subjects=(Subject("other", "f" * 64),))
    for question, now in (
        (replace(ASKED, confirmation=envelope_of(refused)), NOW),
        (replace(ASKED, deployed=elsewhere.to_bytes()), NOW),
        (replace(ASKED, revocations=revocations(Revocation(digest, "data was lost", NOW))), NOW),
        (replace(ASKED, facts=bare(replace(FACTS, forecast_peak_per_s=99.0))), NOW),
        (replace(ASKED, confirmation=sign(CONFIRMED.to_statement().to_bytes(), BOTH[:1])), NOW),
        (ASKED, CONFIRMED.valid_until),
        (ASKED, NOW - SECOND),
    ):
        made = summary(question, now)
        assert not made.decision.allowed
        assert (predicate(made)["verificationResult"], predicate(made)["verifiedLevels"]) == ("FAILED", ["FAILED"])


@pytest.mark.parametrize("signer", [TESTER_SIGNER, REVIEWER_SIGNER, OFFICER_SIGNER, CASE_SIGNER])
def test_only_a_verifier_sums_up(signer):
    for signers in ([signer], [VERIFIER_SIGNER, signer]):
        with pytest.raises(SignatureError, match="no part in this"):
            summary(signers=signers)


def test_a_verifier_that_is_unknown_ended_absent_or_one_of_two_signs_no_summary():
    stranger, key = keyed("verifier", "Another verifier")
    ended = Trust((*TRUST.keys, replace(VERIFIER_KEY, valid_until=NOW)))
    two = Trust((*KEYS.keys, key), {"verifier": 2})
    for signers, trust in (([stranger], KEYS), ([VERIFIER_SIGNER], ended), ([], KEYS), ([VERIFIER_SIGNER], two)):
        with pytest.raises(SignatureError):
            summary(signers=signers, trust=trust)
    assert summary(signers=[VERIFIER_SIGNER, stranger], trust=two).decision.allowed


def test_there_is_no_summary_of_what_can_not_be_read():
    forged = sign(CONFIRMED.to_statement().to_bytes(), [keyed("reviewer", "Nobody")[0]])
    for wrong in ({"confirmation": b"{}"}, {"confirmation": forged}, {"deployed": b"{}"}):
        with pytest.raises(EvidenceError):
            summary(replace(ASKED, **wrong))
    for uri in ("booking", ":", "booking:"):
        with pytest.raises(EnvelopeError, match="no scheme"):
            summary(resource_uri=uri)
    assert predicate(summary(resource_uri="https://booking.example/"))["resourceUri"] == "https://booking.example/"


def statements():
    digest = "4" * 64
    return {
        RECOMMENDATION_TYPE: sign(RECOMMENDED.to_statement().to_bytes(), [REVIEWER_SIGNER]),
        CONFIRMATION_TYPE: envelope_of(CONDITIONAL),
        FACTS_TYPE: signed(),
        REVOCATIONS_TYPE: revocations(Revocation(digest, "data was lost", NOW)),
        SUMMARY_TYPE: summary().envelope,
    }


@pytest.mark.parametrize("kind", [RECOMMENDATION_TYPE, CONFIRMATION_TYPE, FACTS_TYPE, REVOCATIONS_TYPE, SUMMARY_TYPE])
def test_the_in_toto_library_reads_and_validates_each_of_our_statements(kind):
    payload = verify(statements()[kind], KEYS).payload
    parsed = pb_json.Parse(payload, statement_pb2.Statement())
    InTotoStatement.copy_from_pb(parsed).validate()
    assert parsed.predicate_type == kind
    assert all(subject.digest["sha256"] for subject in parsed.subject)


def test_the_in_toto_library_reads_our_summary_as_a_verification_summary():
    ours = predicate(summary())
    # The library has one text where the specification, which decides, has an array.
    (level,) = ours["verifiedLevels"]
    found = pb_json.ParseDict(ours | {"verifiedLevels": level}, vsa_pb2.VerificationSummary())
    assert found.verification_result == "PASSED"
    assert found.time_verified.ToDatetime(tzinfo=NOW.tzinfo) == NOW
    assert found.policy.digest["sha256"] == "1" * 64
    assert found.input_attestations[0].uri == CONFIRMATION_TYPE


SIGNERS = {
    TESTER_KEY: TESTER_SIGNER,
    REVIEWER_KEY: REVIEWER_SIGNER,
    OFFICER_KEY: OFFICER_SIGNER,
    CASE_KEY: CASE_SIGNER,
    VERIFIER_KEY: VERIFIER_SIGNER,
}


@given(st.binary(min_size=1, max_size=200), st.lists(st.sampled_from(list(SIGNERS)), min_size=1, unique=True))
def test_securesystemslib_reads_and_verifies_every_envelope_that_we_write(payload, keys):
    written = sign(payload, [SIGNERS[key] for key in keys])
    read = Envelope.from_dict(json.loads(written))
    assert (read.payload, read.payload_type) == (payload, PAYLOAD_TYPE)
    public = [key.key for key in keys]
    assert set(read.verify(public, len(keys))) == {key.keyid for key in keys}
    with pytest.raises(VerificationError):
        read.verify([*public, keyed("tester", "Nobody")[1].key], len(keys) + 1)


@given(st.binary(min_size=1, max_size=200), st.lists(st.sampled_from(list(SIGNERS)), min_size=1, unique=True))
def test_we_read_and_verify_every_envelope_that_securesystemslib_writes(payload, keys):
    made = Envelope(payload, PAYLOAD_TYPE, {})
    for key in keys:
        made.sign(SIGNERS[key])
    verified = verify(json.dumps(made.to_dict()).encode(), KEYS)
    assert verified.payload == payload
    assert {key.fingerprint for key in verified.signed_by} == {key.fingerprint for key in keys}


@settings(max_examples=60)
@given(st.sampled_from(sorted(statements().items())), st.data())
def test_a_flipped_bit_of_a_payload_fails_with_both_readers(item, data):
    document = json.loads(item[1])
    made = Envelope.from_dict(json.loads(item[1]))
    whole = bytearray(made.payload)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    made.payload = bytes(whole)
    with pytest.raises(VerificationError):
        made.verify([key.key for key in KEYS.keys], 1)
    changed = {**made.to_dict(), "signatures": document["signatures"]}
    with pytest.raises(SignatureError):
        verify(json.dumps(changed).encode(), KEYS)


@pytest.mark.parametrize("kind", [RECOMMENDATION_TYPE, CONFIRMATION_TYPE, FACTS_TYPE, REVOCATIONS_TYPE, SUMMARY_TYPE])
def test_securesystemslib_verifies_each_of_our_statements_with_the_threshold_of_its_signers(kind):
    read = Envelope.from_dict(json.loads(statements()[kind]))
    assert len(read.verify([key.key for key in KEYS.keys], len(read.signatures))) == len(read.signatures)


def test_the_command_line_sums_up_what_the_gate_says(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch)
    call(
        *("confirm", "good", "--trust", "trust.json", "--policy", "policy.yaml", "--out", "c.json"),
        *("--decision", "REFUSED", "--reason", "too slow", "--key", "reviewer.pem", "--key", "confirming-officer.pem"),
        expect=1,
    )
    asked = ("summary", "--confirmation", "c.json", "--deployed", "release.json", "--trust", "trust.json")
    said = call(*asked, "--key", "verifier.pem", "--out", "vsa.json", expect=1)
    assert said.startswith("FAILED\n") and "- the authority refused: too slow" in said
    document = json.loads(Envelope.from_dict(json.loads((tmp_path / "vsa.json").read_bytes())).payload)
    assert document["predicate"]["verificationResult"] == "FAILED"
    with pytest.raises(SignatureError, match="signed by a verifier"):
        call(*asked, "--key", "reviewer.pem", "--out", "other.json")
    assert not (tmp_path / "other.json").exists()


def test_the_command_line_asks_with_every_option_that_the_gate_has(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch)
    call(
        *("confirm", "good", "--trust", "trust.json", "--policy", "policy.yaml", "--out", "c.json"),
        *("--decision", "CONFIRMED", "--key", "reviewer.pem", "--key", "confirming-officer.pem"),
    )
    two_days_old = replace(FACTS, as_of=SystemClock().now() - 2 * DAY)
    (tmp_path / "facts.json").write_bytes(canonical_bytes(two_days_old.to_document()))
    asked = ("summary", "--confirmation", "c.json", "--deployed", "release.json", "--trust", "trust.json")
    asked += ("--key", "verifier.pem", "--out", "vsa.json", "--facts", "facts.json")
    assert "older than 24 h" in call(*asked, expect=1)
    assert call(*asked, "--facts-max-age", "72h").startswith("PASSED")
    (tmp_path / "proof.json").write_text("{}")
    said = call(*asked, "--facts-max-age", "72h", "--log-proof", "proof.json", expect=1)
    assert "not shown to stand in the log" in said
    with pytest.raises(UsageError, match="--facts-max-age is no duration"):
        call(*asked, "--facts-max-age", "soon")
    gate_asks = {field.name for field in fields(gate.Question)}
    assert gate_asks <= set(inspect.signature(summaries.summary).parameters)
