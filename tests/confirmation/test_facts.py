"""Facts given to the gate: who may state them, and how far they reach."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from confirmation_builders import (
    C1,
    CASE_KEY,
    CASE_SIGNER,
    CONDITIONAL,
    CONFIRMED,
    DAY,
    FACTS,
    HOUR,
    KEYS,
    SECOND,
    ask,
    bare,
    denied,
    digest_of,
    envelope_of,
    signed,
)
from evidence_builders import NOW, OFFICER_SIGNER, RELEASE, REVIEWER_SIGNER, STRANGER_SIGNER, TESTER_SIGNER, keyed
from hypothesis import given, settings
from hypothesis import strategies as st
from seal_desk import call, lay_desk

from seatrial.clock import SystemClock, to_rfc3339
from seatrial.confirmation.facts import (
    ClosedCondition,
    Facts,
    FalseDeclaration,
    Incident,
    Severity,
    parse_facts,
    read_facts,
    sign_facts,
)
from seatrial.confirmation.gate import decide
from seatrial.errors import EnvelopeError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import Trust

LATE = C1.due + HOUR
MET = replace(FACTS, as_of=LATE, closed=(ClosedCondition("C1", C1.due - HOUR),))


def test_a_case_officer_closes_a_condition_and_the_gate_stays_open():
    denied(CONDITIONAL, None, LATE, said="condition C1 is overdue")
    decision = ask(CONDITIONAL, signed(MET, CONDITIONAL), LATE)
    assert decision.allowed
    assert any("signed by a case officer, do not void it" in reason for reason in decision.reasons)
    assert "condition C1 was met at 2026-06-02T08:00:00Z: add two servers" in decision.reasons


def test_facts_that_are_not_signed_close_nothing_and_still_shut_the_gate():
    denied(CONDITIONAL, bare(MET), LATE, said="condition C1 is overdue")
    assert any("not signed" in reason for reason in ask(CONFIRMED, bare()).reasons)
    denied(CONFIRMED, bare(replace(FACTS, forecast_peak_per_s=45.0)), said="the forecast is 45")


@pytest.mark.parametrize("signer", [TESTER_SIGNER, REVIEWER_SIGNER, OFFICER_SIGNER, STRANGER_SIGNER])
def test_nobody_else_closes_a_condition(signer):
    envelope = sign(MET.to_statement(digest_of(CONDITIONAL)).to_bytes(), [signer])
    decision = denied(CONDITIONAL, envelope, LATE, said="condition C1 is overdue")
    assert any("can't be relied on" in reason for reason in decision.reasons)
    with pytest.raises(SignatureError):
        sign_facts(MET, digest_of(CONDITIONAL), [signer], KEYS, LATE)


def test_a_case_officer_whose_key_has_ended_closes_nothing():
    ended = Trust((*KEYS.keys[:3], replace(CASE_KEY, valid_until=LATE)))
    decision = decide(envelope_of(CONDITIONAL), RELEASE, ended, LATE, facts=signed(MET, CONDITIONAL))
    assert any("not valid at" in reason for reason in decision.reasons)
    assert any("condition C1 is overdue" in reason for reason in decision.reasons)
    with pytest.raises(SignatureError, match="not valid"):
        sign_facts(MET, digest_of(CONDITIONAL), [CASE_SIGNER], ended, LATE)


def test_facts_about_another_confirmation_are_not_played_here():
    other = replace(CONDITIONAL, system="Something else")
    decision = denied(CONDITIONAL, signed(MET, other), LATE, said="about another confirmation")
    assert any("condition C1 is overdue" in reason for reason in decision.reasons)


@pytest.mark.parametrize("form", [bare, lambda facts: signed(facts, CONDITIONAL)])
def test_facts_from_the_future_or_too_old_are_a_reason_and_close_nothing(form):
    early = replace(MET, as_of=LATE + SECOND)
    decision = denied(CONDITIONAL, form(early), LATE, said="from the future")
    assert any("condition C1 is overdue" in reason for reason in decision.reasons)
    old = form(MET)
    denied(CONDITIONAL, old, LATE + DAY + SECOND, said="older than 24 h")
    denied(CONDITIONAL, old, LATE + 2 * HOUR, facts_max_age=HOUR, said="older than 1 h")


def test_signed_facts_count_up_to_their_last_second_and_longer_where_that_is_asked_for():
    assert ask(CONDITIONAL, signed(MET, CONDITIONAL), LATE + DAY).allowed
    assert ask(CONDITIONAL, signed(MET, CONDITIONAL), LATE + 2 * DAY, facts_max_age=2 * DAY).allowed


def test_a_condition_that_was_met_too_late_does_not_bring_a_void_confirmation_back():
    for late in (C1.due, C1.due + SECOND):
        after = replace(MET, closed=(ClosedCondition("C1", late),))
        denied(CONDITIONAL, signed(after, CONDITIONAL), LATE, said="when it was overdue since")
    last = replace(MET, closed=(ClosedCondition("C1", C1.due - SECOND),))
    assert ask(CONDITIONAL, signed(last, CONDITIONAL), LATE).allowed


def test_a_condition_is_not_met_before_it_was_set():
    before = replace(MET, closed=(ClosedCondition("C1", NOW - SECOND),))
    denied(CONDITIONAL, signed(before, CONDITIONAL), LATE, said="before it was set")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(note="x"),
        lambda d: d.pop("incidents"),
        lambda d: d.update(format="seatrial-facts/2"),
        lambda d: d.update(asOf="now"),
        lambda d: d.update(forecastPeak=40),
        lambda d: d.update(forecastPeak={"journeysPerSecond": 0}),
        lambda d: d.update(forecastPeak={"journeysPerSecond": -1}),
        lambda d: d.update(dependencyLimits="1" * 64),
        lambda d: d.update(conditionsClosed={}),
        lambda d: d.update(conditionsClosed=[{"id": "C1"}]),
        lambda d: d.update(conditionsClosed=[{"id": "C1", "closedAt": to_rfc3339(NOW + SECOND)}]),
        lambda d: d.update(conditionsClosed=[{"id": "C1", "closedAt": to_rfc3339(NOW)}] * 2),
        lambda d: d.update(incidents=[{"severity": "catastrophic", "at": to_rfc3339(NOW), "text": "x"}]),
        lambda d: d.update(incidents=[{"severity": ["severe"], "at": to_rfc3339(NOW), "text": "x"}]),
        lambda d: d.update(incidents=[{"severity": "severe", "at": to_rfc3339(NOW), "text": " "}]),
        lambda d: d.update(independence=[{"declaration": "D", "provedFalseAt": "x", "text": "y"}]),
        lambda d: d.update(evidenceDigest={"sha256": "x"}),
    ],
)
def test_facts_that_are_not_understood_in_full_shut_the_gate_signed_or_not(change):
    document = FACTS.to_document()
    change(document)
    denied(CONFIRMED, canonical_bytes(document), said="the facts")
    statement = json.loads(FACTS.to_statement(digest_of()).to_bytes())
    change(statement["predicate"])
    statement["predicate"].pop("format", None)
    if statement["predicate"] != FACTS.to_predicate():
        denied(CONFIRMED, sign(json.dumps(statement).encode(), [CASE_SIGNER]), said="the facts")


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 9, b'{"payload": 1}'])
def test_facts_that_can_not_be_read_shut_the_gate(junk):
    denied(CONFIRMED, junk, said="the facts can't be relied on")


def test_a_confirmation_is_no_statement_of_facts_and_the_other_way_round():
    denied(CONFIRMED, envelope_of(), said="the facts can't be relied on")
    assert not decide(signed(), RELEASE, KEYS, NOW).allowed


MOMENTS = st.integers(0, 10**6).map(lambda s: NOW - s * SECOND)
TEXTS = st.text(min_size=1, max_size=30).filter(lambda t: t.strip() and t.isprintable())
DIGESTS = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)
ANY_FACTS = st.builds(
    Facts,
    as_of=st.just(NOW),
    forecast_peak_per_s=st.none() | st.floats(1e-6, 1e9),
    dependency_limits_digest=DIGESTS,
    closed=st.lists(st.builds(ClosedCondition, TEXTS, MOMENTS), max_size=3, unique_by=lambda c: c.id).map(tuple),
    incidents=st.lists(st.builds(Incident, st.sampled_from(Severity), MOMENTS, TEXTS), max_size=3).map(tuple),
    false_declarations=st.lists(st.builds(FalseDeclaration, TEXTS, MOMENTS, TEXTS), max_size=2).map(tuple),
    evidence_digest=DIGESTS,
)


@given(ANY_FACTS)
def test_facts_read_back_as_they_were_written_signed_or_not(facts):
    assert parse_facts(bare(facts)) == facts
    for form, trusted in ((bare(facts), False), (signed(facts), True)):
        given_facts = read_facts(form, KEYS, digest_of(), NOW)
        assert (given_facts.facts, given_facts.trusted, given_facts.problems) == (facts, trusted, ())


@given(ANY_FACTS, st.sampled_from([CONFIRMED, CONDITIONAL]), st.integers(0, 3))
def test_facts_that_are_not_signed_never_turn_a_denial_into_a_permission(facts, confirmed, days):
    now = NOW + days * DAY
    known = replace(facts, as_of=now)
    if ask(confirmed, bare(known), now).allowed:
        assert ask(confirmed, None, now).allowed


@settings(max_examples=150)
@given(st.data())
def test_after_any_single_flipped_byte_signed_facts_close_nothing(data):
    whole = bytearray(signed(MET, CONDITIONAL))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    assert not ask(CONDITIONAL, bytes(whole), LATE).allowed


def test_the_example_of_the_how_to_is_a_document_of_facts():
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "gate.md").read_text()
    block = text[text.index('{"format"') :].split("\n\n")[0]
    assert parse_facts(block.replace("...", "7" * 64).encode()).incidents[0].severity is Severity.MAJOR


def test_two_case_officers_sign_where_the_trust_file_asks_for_two():
    signer, key = keyed("case-officer", "Second case officer")
    two = Trust((*KEYS.keys, key), {"case-officer": 2})
    with pytest.raises(SignatureError, match="only 1 of 2"):
        sign_facts(MET, digest_of(CONDITIONAL), [CASE_SIGNER], two, LATE)
    both = sign_facts(MET, digest_of(CONDITIONAL), [CASE_SIGNER, signer], two, LATE)
    assert decide(envelope_of(CONDITIONAL), RELEASE, two, LATE, facts=both).allowed
    alone = decide(envelope_of(CONDITIONAL), RELEASE, two, LATE, facts=signed(MET, CONDITIONAL))
    assert not alone.allowed
    with pytest.raises(EnvelopeError, match="from the future"):
        sign_facts(MET, digest_of(CONDITIONAL), [CASE_SIGNER], KEYS, NOW)


def test_the_command_line_signs_facts_and_the_gate_takes_them(tmp_path, monkeypatch):
    lay_desk(tmp_path, monkeypatch)
    (tmp_path / "limits.yaml").write_text("registry: 100/s\n")
    call(
        *("confirm", "good", "--trust", "trust.json", "--policy", "policy.yaml", "--decision", "CONFIRMED"),
        *("--key", "reviewer.pem", "--key", "confirming-officer.pem", "--out", "c.json"),
        *("--dependency-limits", "limits.yaml"),
    )
    gate = ("gate", "--confirmation", "c.json", "--deployed", "release.json", "--trust", "trust.json")
    assert "no facts were given" in call(*gate, expect=1)
    assert len(json.loads(call(*gate, "--json", expect=1))["reasons"]) == 1
    stated = replace(
        FACTS,
        as_of=SystemClock().now().replace(microsecond=0),
        dependency_limits_digest=sha256_hex((tmp_path / "limits.yaml").read_bytes()),
    )
    (tmp_path / "facts.json").write_bytes(bare(stated))
    assert "no case officer" in call(*gate, "--facts", "facts.json", expect=1)
    signing = ("facts", "facts.json", "--confirmation", "c.json", "--trust", "trust.json", "--out", "f.json", "--key")
    with pytest.raises(SignatureError, match="case officer"):
        call(*signing, "reviewer.pem")
    call(*signing, "case-officer.pem")
    assert call(*gate, "--facts", "f.json").startswith("ALLOW")
    denying = ("--facts", "f.json", "--facts-max-age", "1us")
    assert "older than" in call(*gate, *denying, expect=1)
    call(*gate, "--facts", "f.json", "--facts-max-age", "a day", expect=2)
    assert "--facts:" in call(*gate, "--facts", "absent.json", expect=1)
