"""A good confirmation, facts about it, and the keys of who signs them."""

from dataclasses import replace
from datetime import timedelta

from evidence_builders import NOW, OFFICER_SIGNER, RELEASE, REVIEWER_SIGNER, TRUST, keyed

from seatrial.confirmation.bounds import VoidWhen
from seatrial.confirmation.facts import Facts, sign_facts
from seatrial.confirmation.gate import decide
from seatrial.confirmation.statement import Condition, Confirmation, Ruling, months_after
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import Trust

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
CASE_SIGNER, CASE_KEY = keyed("case-officer", "Ng Mei-ling")
VERIFIER_SIGNER, VERIFIER_KEY = keyed("verifier", "The gate's verifier")
KEYS = Trust((*TRUST.keys, CASE_KEY, VERIFIER_KEY))
BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]
C1 = Condition("C1", "add two servers", NOW + DAY)
CONFIRMED = Confirmation(
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
CONDITIONAL = replace(CONFIRMED, ruling=Ruling.CONFIRMED_WITH_CONDITIONS, conditions=(C1,))
FACTS = Facts(
    as_of=NOW,
    forecast_peak_per_s=40.0,
    dependency_limits_digest=None,
    closed=(),
    incidents=(),
    false_declarations=(),
    evidence_digest=None,
)


def envelope_of(confirmed=CONFIRMED):
    return sign(confirmed.to_statement().to_bytes(), BOTH)


def digest_of(confirmed=CONFIRMED):
    return sha256_hex(confirmed.to_statement().to_bytes())


def bare(facts=FACTS):
    return canonical_bytes(facts.to_document())


def signed(facts=FACTS, confirmed=CONFIRMED, signers=(CASE_SIGNER,)):
    return sign_facts(facts, digest_of(confirmed), list(signers), KEYS, facts.as_of)


def ask(confirmed=CONFIRMED, facts=None, now=NOW, **more):
    return decide(envelope_of(confirmed), RELEASE, KEYS, now, facts=facts, **more)


def denied(*args, said, **more):
    decision = ask(*args, **more)
    assert not decision.allowed
    assert any(said in reason for reason in decision.reasons), decision.reasons
    return decision
