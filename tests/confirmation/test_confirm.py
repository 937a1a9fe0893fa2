from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    PASSED,
    PLAN,
    POLICY_DIGEST,
    RELEASE,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    STRANGER_SIGNER,
    TESTER_KEY,
    TESTER_SIGNER,
    TRUST,
    make_bundle,
    recompute_as_sealed,
    verdict_document,
)

from seatrial.confirmation.confirm import ConfirmationRequest, confirm, countersign, obstacles
from seatrial.confirmation.gate import decide
from seatrial.confirmation.statement import (
    SIGNING_ROLES,
    Condition,
    Ruling,
    months_after,
    parse_confirmation,
)
from seatrial.errors import ConfirmationError, EnvelopeError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign, verify
from seatrial.evidence.keys import Trust
from seatrial.evidence.manifest import write_manifest
from seatrial.evidence.verifier import verify_bundle

BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]
UNTIL = months_after(NOW, 6)


def evidence(directory, verdict=PASSED, **more):
    return verify_bundle(make_bundle(directory, verdict=verdict, **more), TRUST, NOW, recompute_as_sealed)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return evidence(tmp_path_factory.mktemp("confirm") / "good")


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    verdict = verdict_document("FAIL", (("load", "load", "PASS"), ("stress", "stress", "FAIL")))
    return evidence(tmp_path_factory.mktemp("confirm") / "failing", verdict)


def request(ruling=Ruling.CONFIRMED, **more):
    return ConfirmationRequest(**({"ruling": ruling, "valid_until": UNTIL, "policy_digest": POLICY_DIGEST} | more))


def read(envelope):
    return parse_confirmation(verify(envelope, TRUST).payload)


def test_good_evidence_is_confirmed_by_two_roles_and_binds_everything(good):
    envelope = confirm(good, request(), BOTH, TRUST, NOW)
    confirmation = read(envelope)
    assert verify(envelope, TRUST).problems(SIGNING_ROLES, NOW) == ()
    assert confirmation.ruling is Ruling.CONFIRMED
    assert confirmation.subjects == RELEASE.subjects and confirmation.release == ("booking", "2.1")
    assert confirmation.evidence_digest == good.digest
    assert confirmation.policy_digest == good.policy_digest
    assert confirmation.test_result_digest == good.test_result_digest
    assert confirmation.tested_peak_per_s == 40.0
    assert (confirmation.issued_at, confirmation.valid_until) == (NOW, UNTIL)
    assert confirmation.to_statement().to_bytes() == verify(envelope, TRUST).payload


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (verdict_document("FAIL", (("load", "load", "PASS"), ("stress", "stress", "FAIL"))), "trial stress is FAIL"),
        (verdict_document("INVALID", (("load", "load", "INVALID"),)), "the verdict is INVALID"),
        (verdict_document("INCONCLUSIVE", (("load", "load", "INCONCLUSIVE"),)), "the verdict is INCONCLUSIVE"),
    ],
)
@pytest.mark.parametrize("ruling", [Ruling.CONFIRMED, Ruling.CONFIRMED_WITH_CONDITIONS])
def test_evidence_that_did_not_pass_every_trial_is_not_confirmed(tmp_path, verdict, said, ruling):
    conditions = (Condition("C1", "do", UNTIL),) if ruling is Ruling.CONFIRMED_WITH_CONDITIONS else ()
    with pytest.raises(ConfirmationError, match=said):
        confirm(evidence(tmp_path / "b", verdict), request(ruling, conditions=conditions), BOTH, TRUST, NOW)


def test_evidence_that_does_not_verify_is_not_confirmed(tmp_path):
    bundle = make_bundle(tmp_path / "b", verdict=PASSED)
    (bundle / "report.html").write_bytes(b"greener")
    with pytest.raises(ConfirmationError, match="does not verify"):
        confirm(verify_bundle(bundle, TRUST, NOW, recompute_as_sealed), request(), BOTH, TRUST, NOW)
    clean = make_bundle(tmp_path / "c", verdict=PASSED)
    with pytest.raises(ConfirmationError, match="recomputed"):
        confirm(verify_bundle(clean, TRUST, NOW, None), request(), BOTH, TRUST, NOW)


def test_evidence_verified_in_part_is_not_confirmed(good):
    with pytest.raises(ConfirmationError, match="in full"):
        confirm(replace(good, steps=good.steps[:5], complete=False), request(), BOTH, TRUST, NOW)


def test_evidence_without_a_release_is_never_confirmed_but_can_be_refused(tmp_path):
    report = evidence(tmp_path / "b", release=None)
    with pytest.raises(ConfirmationError, match="no release"):
        confirm(report, request(), BOTH, TRUST, NOW)
    refusal = read(confirm(report, request(Ruling.REFUSED), BOTH, TRUST, NOW))
    assert refusal.release is None and refusal.subjects[0].name == "manifest.json"


def test_evidence_under_another_policy_is_not_confirmed(good):
    with pytest.raises(ConfirmationError, match="another policy"):
        confirm(good, request(policy_digest="f" * 64), BOTH, TRUST, NOW)
    assert obstacles(good, good.policy_digest) == ()


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (PLAN["trials"][:1], "no stress trial, which the policy requires"),
        (PLAN["trials"][1:], "no load trial, which the policy requires"),
        ([PLAN["trials"][0] | {"for": "10s"}, PLAN["trials"][1]], "holds for 10 s, the policy requires 1 h"),
        ([PLAN["trials"][0] | {"at": "0.5 P"}, PLAN["trials"][1]], "reaches 0.5 P, the policy requires 1 P"),
        ([PLAN["trials"][0] | {"objectives": ["errors <= 5%"]}, PLAN["trials"][1]], "no limit as strict as"),
    ],
)
def test_a_pass_on_a_plan_that_asks_less_than_the_policy_is_not_confirmed(tmp_path, trials, said):
    bundle = make_bundle(tmp_path / "b", verdict=PASSED, plan=PLAN | {"trials": trials})
    with pytest.raises(ConfirmationError, match=said):
        confirm(verify_bundle(bundle, TRUST, NOW, recompute_as_sealed), request(), BOTH, TRUST, NOW)


def test_a_plan_that_can_not_be_read_is_not_confirmed(good):
    with pytest.raises(ConfirmationError, match="not known what was asked"):
        confirm(replace(good, plan={"demand": {"peak": "40/s"}}), request(), BOTH, TRUST, NOW)


def test_a_refusal_gives_the_reasons_of_the_evidence_and_of_the_officer(good, failing):
    refusal = read(confirm(failing, request(Ruling.REFUSED, reasons=("drill not held",)), BOTH, TRUST, NOW))
    assert refusal.ruling is Ruling.REFUSED
    assert refusal.reasons[0] == "drill not held"
    assert "the verdict is FAIL, not PASS" in refusal.reasons
    with pytest.raises(ConfirmationError, match="needs the officer's reason"):
        confirm(good, request(Ruling.REFUSED), BOTH, TRUST, NOW)
    assert read(confirm(good, request(Ruling.REFUSED, reasons=("no drill",)), BOTH, TRUST, NOW)).reasons == (
        "no drill",
    )


@pytest.mark.parametrize(
    "more",
    [
        {"valid_until": NOW},
        {"valid_until": months_after(NOW, 12) + timedelta(seconds=1)},
        {"conditions": (Condition("C1", "do", UNTIL),)},
        {"ruling": Ruling.CONFIRMED_WITH_CONDITIONS},
        {"ruling": Ruling.CONFIRMED_WITH_CONDITIONS, "conditions": (Condition("C1", "do", NOW),)},
        {"ruling": Ruling.CONFIRMED_WITH_CONDITIONS, "conditions": (Condition("C1", " ", UNTIL),)},
        {"ruling": Ruling.CONFIRMED_WITH_CONDITIONS, "conditions": (Condition("C", "a", UNTIL),) * 2},
        {"reasons": ("",)},
        {"reasons": ("x" * 5000,)},
    ],
)
def test_a_confirmation_that_breaks_a_rule_of_its_form_is_not_written(good, more):
    with pytest.raises(ConfirmationError):
        confirm(good, request(**more), BOTH, TRUST, NOW)


def test_twelve_months_are_the_longest_validity(good):
    assert read(confirm(good, request(valid_until=months_after(NOW, 12)), BOTH, TRUST, NOW)).valid_until.year == 2027


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-01", 12, "2027-12-01"),
    ],
)
def test_months_end_on_a_day_that_exists(start, months, end):
    assert months_after(datetime.fromisoformat(start).replace(tzinfo=UTC), months).date().isoformat() == end


@pytest.mark.parametrize(
    ("signers", "trust", "said"),
    [
        ([TESTER_SIGNER], TRUST, "who does not confirm"),
        ([STRANGER_SIGNER], TRUST, "not in the trust file"),
        ([REVIEWER_SIGNER, REVIEWER_SIGNER], TRUST, "two people"),
        (BOTH, Trust((REVIEWER_KEY, replace(OFFICER_KEY, name=REVIEWER_KEY.name))), "two people"),
        (BOTH, Trust((REVIEWER_KEY, replace(OFFICER_KEY, valid_until=NOW))), "not valid now"),
    ],
)
def test_who_may_not_sign_does_not(good, signers, trust, said):
    with pytest.raises(SignatureError, match=said):
        confirm(good, request(), signers, trust, NOW)


def test_the_tester_does_not_rule_on_the_own_evidence(good):
    both_hats = Trust((TESTER_KEY, REVIEWER_KEY, replace(OFFICER_KEY, name=TESTER_KEY.name.upper())))
    with pytest.raises(SignatureError, match="is the tester of this evidence"):
        confirm(good, request(), BOTH, both_hats, NOW)


def test_nobody_signs_nothing(good):
    with pytest.raises(SignatureError):
        confirm(good, request(), [], TRUST, NOW)


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_the_second_signature_is_added_later_to_the_same_envelope(good, order):
    first = confirm(good, request(), order[:1], TRUST, NOW)
    assert not decide(first, RELEASE, TRUST, NOW).allowed
    later = NOW + timedelta(days=2)
    second = countersign(first, good, order[1], trust=TRUST, now=later, policy_digest=POLICY_DIGEST)
    assert decide(second, RELEASE, TRUST, later).allowed
    assert verify(second, TRUST).payload == verify(first, TRUST).payload


def test_a_refusal_is_countersigned_too(failing):
    first = confirm(failing, request(Ruling.REFUSED), BOTH[:1], TRUST, NOW)
    both = countersign(first, failing, OFFICER_SIGNER, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)
    assert verify(both, TRUST).problems(SIGNING_ROLES, NOW) == ()


def test_the_second_signer_is_another_person_in_the_other_role(good):
    first = confirm(good, request(), [REVIEWER_SIGNER], TRUST, NOW)
    for signer, said in ((REVIEWER_SIGNER, "already"), (TESTER_SIGNER, "does not confirm"), (STRANGER_SIGNER, "trust")):
        with pytest.raises(SignatureError, match=said):
            countersign(first, good, signer, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)
    same = Trust((TESTER_KEY, REVIEWER_KEY, replace(OFFICER_KEY, name=REVIEWER_KEY.name)))
    with pytest.raises(SignatureError, match="has signed already"):
        countersign(first, good, OFFICER_SIGNER, trust=same, now=NOW, policy_digest=POLICY_DIGEST)
    young = Trust((TESTER_KEY, REVIEWER_KEY, replace(OFFICER_KEY, valid_from=NOW + timedelta(seconds=1))))
    with pytest.raises(SignatureError, match="its issue"):
        countersign(first, good, OFFICER_SIGNER, trust=young, now=NOW + timedelta(days=1), policy_digest=POLICY_DIGEST)


def test_the_second_signer_has_the_same_evidence_checked_again(good, failing):
    first = confirm(good, request(), [REVIEWER_SIGNER], TRUST, NOW)
    with pytest.raises(ConfirmationError, match=r"verdict is FAIL.*other evidence"):
        countersign(first, failing, OFFICER_SIGNER, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)
    with pytest.raises(ConfirmationError, match="another release"):
        countersign(
            first,
            replace(good, release=replace(RELEASE, subjects=RELEASE.subjects[:1])),
            OFFICER_SIGNER,
            trust=TRUST,
            now=NOW,
            policy_digest=POLICY_DIGEST,
        )
    for when in (UNTIL, NOW - timedelta(days=1)):
        with pytest.raises(ConfirmationError, match="not now"):
            countersign(first, good, OFFICER_SIGNER, trust=TRUST, now=when, policy_digest=POLICY_DIGEST)


def test_a_test_result_is_not_countersigned_as_a_confirmation(good):
    with pytest.raises(EnvelopeError, match="not of type"):
        countersign(
            sign(
                canonical_bytes(
                    {
                        "_type": "https://in-toto.io/Statement/v1",
                        "subject": [RELEASE.subjects[0].to_object()],
                        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
                        "predicate": {"result": "PASSED"},
                    }
                ),
                [REVIEWER_SIGNER],
            ),
            good,
            OFFICER_SIGNER,
            trust=TRUST,
            now=NOW,
            policy_digest=POLICY_DIGEST,
        )


def test_evidence_that_can_not_even_be_read_or_states_no_peak_is_not_ruled_on(tmp_path):
    nothing = verify_bundle(tmp_path / "absent", TRUST, NOW, None)
    with pytest.raises(ConfirmationError, match="nothing to decide on"):
        confirm(nothing, request(Ruling.REFUSED), BOTH, TRUST, NOW)
    report = evidence(tmp_path / "b")
    with pytest.raises(ConfirmationError, match="no peak"):
        confirm(replace(report, plan={"demand": {}}), request(Ruling.REFUSED), BOTH, TRUST, NOW)


def test_the_evidence_digest_is_that_of_the_manifest(tmp_path):
    bundle = make_bundle(tmp_path / "b", verdict=PASSED)
    report = verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)
    assert read(confirm(report, request(), BOTH, TRUST, NOW)).evidence_digest == sha256_hex(
        write_manifest(bundle).to_bytes()
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("tested_peak_per_s", 4000.0, "another tested peak"), ("release", ("booking", "2.2"), "another release")],
)
def test_what_the_first_signer_made_up_is_not_countersigned(good, field, value, said):
    honest = read(confirm(good, request(), [REVIEWER_SIGNER], TRUST, NOW))
    forged = sign(replace(honest, **{field: value}).to_statement().to_bytes(), [REVIEWER_SIGNER])
    with pytest.raises(ConfirmationError, match=said):
        countersign(forged, good, OFFICER_SIGNER, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)


def test_a_first_signature_by_the_tester_in_another_hat_is_not_countersigned(good):
    first = confirm(good, request(), [REVIEWER_SIGNER], TRUST, NOW)
    hats = Trust((TESTER_KEY, replace(REVIEWER_KEY, name=TESTER_KEY.name), OFFICER_KEY))
    with pytest.raises(SignatureError, match="is the tester"):
        countersign(first, good, OFFICER_SIGNER, trust=hats, now=NOW, policy_digest=POLICY_DIGEST)


@pytest.mark.parametrize("alike", ["  ", "\uff41"])
def test_one_holder_is_not_two_for_a_space_or_a_wide_letter(good, alike):
    one = replace(REVIEWER_KEY, name="Ann a Lee")
    two = replace(OFFICER_KEY, name="ANN" + (alike + "a" if alike.isspace() else " " + alike) + " Lee")
    with pytest.raises(SignatureError, match="two people"):
        confirm(good, request(), BOTH, Trust((one, two)), NOW)
