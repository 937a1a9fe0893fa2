"""No confirmation without criteria sealed first, and none on the best of several attempts without a word about it."""

from dataclasses import replace

import pytest
from evidence_builders import (
    NOW,
    OFFICER_KEY,
    OFFICER_SIGNER,
    PASSED,
    POLICY_DIGEST,
    REVIEWER_KEY,
    REVIEWER_SIGNER,
    TESTER_KEY,
    TRUST,
    keyed,
    make_bundle,
    recompute_as_sealed,
)

from seatrial.confirmation.attempts import earlier_attempts
from seatrial.confirmation.confirm import ConfirmationRequest, confirm, countersign, obstacles
from seatrial.confirmation.statement import Ruling, months_after, parse_confirmation
from seatrial.errors import ConfirmationError, SignatureError
from seatrial.evidence.attempts import ATTEMPTS, AttemptsLog, parse_log
from seatrial.evidence.envelope import verify
from seatrial.evidence.verifier import verify_bundle

BOTH = [REVIEWER_SIGNER, OFFICER_SIGNER]
_, ARRANGER_KEY = keyed("test-arranger", "Ho Ka-yan")
FAILED_AND_KILLED = (("FAIL", "completed"), None)
WHY = "the generator's own network was cut, see the log of 31 May"
SAID = "earlier attempts on this seal did not pass (number 1 and 2: FAIL, not ended)"


def evidence(directory, **more):
    return verify_bundle(make_bundle(directory, verdict=PASSED, **more), TRUST, NOW, recompute_as_sealed)


def request(ruling=Ruling.CONFIRMED, **more):
    return ConfirmationRequest(ruling=ruling, valid_until=months_after(NOW, 6), policy_digest=POLICY_DIGEST, **more)


def reasons(envelope):
    return parse_confirmation(verify(envelope, TRUST).payload).reasons


def test_criteria_that_were_not_sealed_first_are_an_obstacle(tmp_path):
    report = evidence(tmp_path / "b", plan_sealed=False)
    assert obstacles(report, POLICY_DIGEST) == ("the criteria were not sealed before the trial",)
    with pytest.raises(ConfirmationError, match="not sealed before the trial"):
        confirm(report, request(attempts_reason=WHY), BOTH, TRUST, NOW)
    refusal = confirm(report, request(Ruling.REFUSED), BOTH, TRUST, NOW)
    assert reasons(refusal) == ("the criteria were not sealed before the trial",)


def sealed_by(report, *keys):
    return replace(report, plan_seal=replace(report.plan_seal, signed_by=keys))


@pytest.mark.parametrize("asked", [None, "test-arranger"])
def test_a_tester_who_sealed_alone_is_an_obstacle_unless_the_policy_says_that_this_suffices(tmp_path, asked):
    report = evidence(tmp_path / "b")
    assert report.policy["acceptance"]["sealed_by"] == "tester" and obstacles(report, POLICY_DIGEST) == ()
    acceptance = {key: value for key, value in report.policy["acceptance"].items() if key != "sealed_by"}
    strict = replace(
        report, policy={**report.policy, "acceptance": acceptance | ({"sealed_by": asked} if asked else {})}
    )
    (said,) = obstacles(strict, POLICY_DIGEST)
    assert said.startswith(f"the criteria were sealed by tester {TESTER_KEY.name} and by no test arranger")
    with pytest.raises(ConfirmationError, match="by no test arranger"):
        confirm(strict, request(), BOTH, TRUST, NOW)
    with pytest.raises(ConfirmationError, match="by no test arranger"):
        first = confirm(report, request(), [REVIEWER_SIGNER], TRUST, NOW)
        countersign(first, strict, OFFICER_SIGNER, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)
    for keys in ((ARRANGER_KEY,), (TESTER_KEY, ARRANGER_KEY)):
        assert obstacles(sealed_by(strict, *keys), POLICY_DIGEST) == ()


def test_who_arranged_the_trial_may_review_it_and_never_confirm_it_whatever_key(tmp_path):
    report = evidence(tmp_path / "b")
    officer = sealed_by(report, replace(ARRANGER_KEY, name=OFFICER_KEY.name.upper()))
    for ruling, why in ((Ruling.CONFIRMED, ()), (Ruling.REFUSED, ("no",))):
        with pytest.raises(SignatureError, match="arranged this trial"):
            confirm(officer, request(ruling, reasons=why), BOTH, TRUST, NOW)
    first = confirm(report, request(), [OFFICER_SIGNER], TRUST, NOW)
    with pytest.raises(SignatureError, match="who signed it, arranged this trial"):
        countersign(first, officer, REVIEWER_SIGNER, trust=TRUST, now=NOW, policy_digest=POLICY_DIGEST)
    reviewer = sealed_by(report, replace(ARRANGER_KEY, name=REVIEWER_KEY.name))
    assert confirm(reviewer, request(), BOTH, TRUST, NOW)


def test_attempts_that_passed_too_need_no_reason(tmp_path):
    report = evidence(tmp_path / "b", earlier=(("PASS", "completed"),))
    assert earlier_attempts(report) == "" and obstacles(report, POLICY_DIGEST) == ()
    assert reasons(confirm(report, request(attempts_reason=WHY), BOTH, TRUST, NOW)) == ()


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (("FAIL", "completed"), "1: FAIL"),
        (("INVALID", "interrupted"), r"1: INVALID \(interrupted\)"),
        (("INCONCLUSIVE", "completed"), "1: INCONCLUSIVE"),
        (None, "1: not ended"),
    ],
)
def test_an_earlier_attempt_that_did_not_pass_is_an_obstacle_until_a_reason_is_given(tmp_path, ended, said):
    report = evidence(tmp_path / "b", earlier=(ended,))
    for nothing in ("", "  "):
        with pytest.raises(ConfirmationError, match=said):
            confirm(report, request(attempts_reason=nothing), BOTH, TRUST, NOW)
    with pytest.raises(ConfirmationError, match="every attempt counts"):  # another reason is no word about attempts
        confirm(report, request(reasons=("all is well",)), BOTH, TRUST, NOW)
    (written,) = reasons(confirm(report, request(attempts_reason=WHY), BOTH, TRUST, NOW))
    assert written.endswith(f", and don't count because: {WHY}")


def test_the_reason_names_every_attempt_and_stands_before_the_others(tmp_path):
    report = evidence(tmp_path / "b", earlier=FAILED_AND_KILLED)
    signed = confirm(report, request(attempts_reason=WHY, reasons=("all is well",)), BOTH, TRUST, NOW)
    assert reasons(signed) == (f"{SAID}, and don't count because: {WHY}", "all is well")


def test_a_refusal_names_the_earlier_attempts_unless_they_are_explained(tmp_path):
    report = evidence(tmp_path / "b", earlier=FAILED_AND_KILLED)
    refused = confirm(report, request(Ruling.REFUSED, reasons=("too often",)), BOTH, TRUST, NOW)
    assert reasons(refused)[0] == "too often" and reasons(refused)[1].startswith(SAID)


def test_who_signs_second_needs_the_reason_to_stand_there_for_these_very_attempts(tmp_path):
    report = evidence(tmp_path / "b", earlier=FAILED_AND_KILLED)
    first = confirm(report, request(attempts_reason=WHY), [REVIEWER_SIGNER], TRUST, NOW)
    how = {"trust": TRUST, "now": NOW, "policy_digest": POLICY_DIGEST}
    assert len(verify(countersign(first, report, OFFICER_SIGNER, **how), TRUST).signed_by) == 2
    fewer = evidence(tmp_path / "fewer", earlier=FAILED_AND_KILLED[:1])
    other = confirm(fewer, request(attempts_reason=WHY), [REVIEWER_SIGNER], TRUST, NOW)
    with pytest.raises(ConfirmationError, match="every attempt counts"):
        countersign(other, report, OFFICER_SIGNER, **how)


def log_now(tmp_path, bundle, report, *ends):
    """Return the log as it goes on after the evidence: its end, then an attempt for each of ``ends``."""
    path = tmp_path / "log"
    path.write_bytes((bundle / ATTEMPTS).read_bytes())
    log = AttemptsLog(path, report.plan_seal.digest)
    log.end(log.lines[-1], NOW, evidence=report.digest, verdict="PASS", ending="completed")
    for number, end in enumerate(ends):
        start = log.start(f"later-{number}", NOW)
        if end:
            log.end(start, NOW, evidence="0" * 64, verdict=end[0], ending=end[1])
    log.close()
    return path.read_bytes()


def test_a_later_attempt_that_failed_stands_in_the_way_of_an_earlier_that_passed(tmp_path):
    report = evidence(tmp_path / "b")
    log = log_now(tmp_path, tmp_path / "b", report, ("FAIL", "completed"), None, ("PASS", "completed"))
    said = "later attempts on this seal did not pass (number 2 and 3: FAIL, not ended)"
    with pytest.raises(ConfirmationError) as refused:
        confirm(report, request(attempts_log=log), BOTH, TRUST, NOW)
    assert said in str(refused.value)
    signed = confirm(report, request(attempts_log=log, attempts_reason=WHY), BOTH, TRUST, NOW)
    assert reasons(signed) == (f"{said}, and don't count because: {WHY}",)
    alone = log_now(tmp_path, tmp_path / "b", report, ("PASS", "completed"))
    assert reasons(confirm(report, request(attempts_log=alone), BOTH, TRUST, NOW)) == ()


def test_who_signs_second_sees_the_later_attempts_that_the_first_was_not_shown(tmp_path):
    report = evidence(tmp_path / "b")
    log = log_now(tmp_path, tmp_path / "b", report, ("FAIL", "completed"))
    how = {"trust": TRUST, "now": NOW, "policy_digest": POLICY_DIGEST}
    blind = confirm(report, request(), [REVIEWER_SIGNER], TRUST, NOW)
    with pytest.raises(ConfirmationError, match="later attempts on this seal did not pass"):
        countersign(blind, report, OFFICER_SIGNER, **how, attempts_log=log)
    with pytest.raises(ConfirmationError, match="is cut"):
        countersign(blind, report, OFFICER_SIGNER, **how, attempts_log=log[:-9])
    seen = confirm(report, request(attempts_log=log, attempts_reason=WHY), [REVIEWER_SIGNER], TRUST, NOW)
    assert countersign(seen, report, OFFICER_SIGNER, **how, attempts_log=log)
    refusal = confirm(report, request(Ruling.REFUSED, reasons=("x",)), [REVIEWER_SIGNER], TRUST, NOW)
    assert countersign(refusal, report, OFFICER_SIGNER, **how, attempts_log=log)


def test_a_log_that_is_broken_or_knows_nothing_of_the_evidence_is_an_obstacle_that_no_reason_removes(tmp_path):
    report = evidence(tmp_path / "b")
    log = log_now(tmp_path, tmp_path / "b", report)
    first = parse_log(log, report.plan_seal.digest)[0].to_bytes()
    for wrong, said in ((log[:-9], "is cut"), (b"", "no end of this evidence"), (first, "no end of this evidence")):
        with pytest.raises(ConfirmationError, match=said):
            confirm(report, request(attempts_log=wrong, attempts_reason=WHY), BOTH, TRUST, NOW)
