"""Give or refuse a confirmation on verified evidence.

A confirmation is written only when the evidence verifies, binds a release, every trial passed, and the plan asked for
at least what the sealed policy makes mandatory; there is no average, no best-of and no waiver. A refusal can always be
written, with reasons. The reviewer and the confirming officer sign, both at once or one after the other; whoever signs
second has the same evidence checked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from seatrial.clock import to_rfc3339
from seatrial.confirmation.attempts import WHY, earlier_attempts, explained, later_attempts
from seatrial.confirmation.bounds import DRILL_VALIDITY, VoidWhen, highest_forecast_per_s
from seatrial.confirmation.recommendation import SignedRecommendation
from seatrial.confirmation.statement import (
    SIGNING_ROLES,
    Condition,
    Confirmation,
    Ruling,
    parse_confirmation,
)
from seatrial.confirmation.who_signs import check_signers, other_part, recommended_it
from seatrial.errors import ConfirmationError, EnvelopeError, SignatureError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import add_signature, sign, verify
from seatrial.evidence.keys import TEST_ARRANGER, TESTER, Signer, Trust, TrustedKey
from seatrial.evidence.manifest import MANIFEST
from seatrial.evidence.verification import VerificationReport
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.release import Release, Subject
from seatrial.units import parse_rate
from seatrial.verdict.acceptance import shortfalls

__all__ = [
    "ConfirmationRequest",
    "confirm",
    "countersign",
    "digest_of",
    "obstacles",
]


@dataclass(frozen=True)
class ConfirmationRequest:
    """What the authority wants to say.

    Attributes:
        ruling: The decision.
        valid_until: End of validity, UTC; at most 12 months from now.
        reasons: Sentences; a refusal on evidence that passed needs at least one.
        conditions: For CONFIRMED_WITH_CONDITIONS only.
        system: The system's name; empty takes the release's, or the plan's title.
        policy_digest: SHA-256 that the bundle's ``policy.json`` must have: that of the authority's own policy.
        attempts_reason: Why other attempts on the same seal that did not pass don't count; it is written down.
        attempts_log: The attempts log as it stands now, which shows later attempts too; None where it is not asked for.
        recommendation: The reviewer's; who departs from it gives a reason.
        dependency_limits_digest: SHA-256 of the dependency limits that the confirmation rests on.
        drill_held_at: When the contingency drill was held that it rests on; at most 90 days ago.
        window: (from, until) of the event that it is meant for.
    """

    ruling: Ruling
    valid_until: datetime
    policy_digest: str
    reasons: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    system: str = ""
    attempts_reason: str = ""
    attempts_log: bytes | None = None
    recommendation: SignedRecommendation | None = None
    dependency_limits_digest: str | None = None
    drill_held_at: datetime | None = None
    window: tuple[datetime, datetime] | None = None


def obstacles(report: VerificationReport, policy_digest: str, *, attempts_explained: bool = False) -> tuple[str, ...]:
    """Say everything that stands between this evidence and a confirmation; empty when nothing does.

    Args:
        report: The verification of the evidence.
        policy_digest: SHA-256 that the bundle's ``policy.json`` must have: that of the authority's own policy.
        attempts_explained: Whether the confirmation says why earlier attempts that did not pass don't count.
    """
    found = [f"the evidence does not verify: {step}" for step in report.failures]
    if not report.ok and not found:
        found.append("the evidence was not verified in full")
    if report.release is None:
        found.append("the evidence binds no release")
    if report.policy_digest != policy_digest:
        found.append(
            f"the trial was judged by another policy: sha256:{report.policy_digest}, "
            f"the authority's is sha256:{policy_digest}"
        )
    if report.plan_seal is None:
        found.append("the criteria were not sealed before the trial")
    elif not attempts_explained and (earlier := earlier_attempts(report)):
        found.append(f"{earlier}; every attempt counts, unless a reason is given why it does not")
    verdict = report.verdict or {}
    if verdict.get("verdict") != "PASS":
        found.append(f"the verdict is {verdict.get('verdict', 'not known')}, not PASS")
    trials = verdict.get("trials")
    found += [
        f"trial {trial.get('name')} is {trial.get('verdict')}, not PASS"
        for trial in (trials if isinstance(trials, list) else [])
        if isinstance(trial, dict) and trial.get("verdict") != "PASS"
    ]
    return (*found, *_below_the_policy(report))


def _below_the_policy(report: VerificationReport) -> tuple[str, ...]:
    """Say where the plan asked for less, or was sealed by less, than the policy in the evidence makes mandatory.

    Every trial of the plan must have passed anyway, so a plan that asks enough, and passed, has shown enough.
    """
    try:
        plan, policy = Plan.model_validate(report.plan), Policy.model_validate(report.policy)
    except ValidationError:
        return ("plan and policy can't be read, so it is not known what was asked",)
    found = [f"the plan asks too little: {lack}" for lack in shortfalls(plan, policy)]
    sealers = report.plan_seal.signed_by if report.plan_seal else ()
    if sealers and policy.acceptance.sealed_by != TESTER and TEST_ARRANGER not in {key.role for key in sealers}:
        names = ", ".join(f"{key.role} {key.name}" for key in sealers)
        found.append(f"the criteria were sealed by {names} and by no test arranger, whose seal the policy asks for")
    return tuple(found)


def digest_of(policy: Policy) -> str:
    """Return the SHA-256 that ``policy.json`` has in a bundle that was judged by this policy."""
    return sha256_hex(canonical_bytes(policy.as_document()))


def confirm(
    report: VerificationReport,
    request: ConfirmationRequest,
    signers: Sequence[Signer],
    trust: Trust,
    now: datetime,
) -> bytes:
    """Write a confirmation or refusal and sign it.

    Args:
        report: The verification of the evidence, made just now.
        request: What the authority wants to say.
        signers: Reviewer, confirming officer, or both, and no more of each than the trust file's threshold. The gate
            opens only when all have signed.
        trust: Must hold the signers' keys, valid now.
        now: The time of issue, with a zone; whole seconds are kept.

    Returns:
        The DSSE envelope.

    Raises:
        ConfirmationError: The evidence does not allow this decision, or the request breaks a rule; the message
            lists every obstacle.
        SignatureError: A signer is unknown, of the wrong role, out of its period, the other signer or the tester.
    """
    reasons, found = _attempts_weighed(report, request)
    found += obstacles(report, request.policy_digest, attempts_explained=explained(earlier_attempts(report), reasons))
    if request.ruling is not Ruling.REFUSED and found:
        raise ConfirmationError(
            f"{request.ruling} can't be written", value="; ".join(found), remedy="Refuse it, or have it tried again."
        )
    if request.ruling is Ruling.REFUSED:
        if not found and not reasons:
            raise ConfirmationError(
                "a refusal of evidence that passed needs the officer's reason", remedy="Give --reason."
            )
        reasons = (*reasons, *found)
    _heed_recommendation(report, request, now)
    keys = check_signers(signers, report, trust, now)
    _refuse_own_recommendation(keys, request.recommendation)
    return sign(_statement(report, request, reasons, now).to_statement().to_bytes(), signers)


def _attempts_weighed(
    report: VerificationReport, request: ConfirmationRequest
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the reasons, with that for other attempts before the rest, and obstacles that the attempts log shows."""
    later, wrong = ("", "") if request.attempts_log is None else later_attempts(report, request.attempts_log)
    why = request.attempts_reason.strip()
    if why:
        named = (f"{sentence}{WHY}{why}" for sentence in (earlier_attempts(report), later) if sentence)
        return (*named, *request.reasons), (wrong,) if wrong else ()
    return request.reasons, tuple(said for said in (later, wrong) if said)


def _heed_recommendation(report: VerificationReport, request: ConfirmationRequest, now: datetime) -> None:
    if request.recommendation is None:
        return
    objections = request.recommendation.objections(report, now)
    if objections:
        raise ConfirmationError(
            "the recommendation can't be relied on", value="; ".join(objections), remedy="Have it reviewed again."
        )
    departures = request.recommendation.recommendation.departures(request.ruling, request.conditions)
    if departures and not request.reasons:
        raise ConfirmationError(
            "who departs from the recommendation gives a reason", value="; ".join(departures), remedy="Give --reason."
        )


def _refuse_own_recommendation(keys: Sequence[TrustedKey], recommendation: SignedRecommendation | None) -> None:
    problems = recommended_it(keys, recommendation.signed_by if recommendation else ())
    if problems:
        raise SignatureError(
            "who recommended a decision does not take it", value="; ".join(problems), remedy="Another officer decides."
        )


def _void_when(request: ConfirmationRequest, tested_peak_per_s: float) -> VoidWhen:
    drill = request.drill_held_at
    return VoidWhen(
        forecast_above_per_s=highest_forecast_per_s(tested_peak_per_s),
        dependency_limits_digest=request.dependency_limits_digest,
        drill_valid_until=None if drill is None else drill + DRILL_VALIDITY,
        window=request.window,
    )


def _statement(
    report: VerificationReport, request: ConfirmationRequest, reasons: tuple[str, ...], now: datetime
) -> Confirmation:
    if report.digest is None or report.policy_digest is None or report.test_result_digest is None:
        raise ConfirmationError(
            "there is nothing to decide on: manifest, policy or a trusted test result is missing",
            value="; ".join(str(step) for step in report.failures),
            remedy="Return the evidence to the tester.",
        )
    release = report.release
    plan = report.plan or {}
    system = request.system or (release.name if release else str(plan.get("title", "")))
    peak_per_s = _tested_peak_per_s(report)
    try:
        return Confirmation(
            ruling=request.ruling,
            reasons=reasons,
            conditions=request.conditions,
            issued_at=now.replace(microsecond=0),
            valid_until=request.valid_until,
            system=system,
            release=_named(release),
            tested_peak_per_s=peak_per_s,
            policy_digest=report.policy_digest,
            evidence_digest=report.digest,
            test_result_digest=report.test_result_digest,
            subjects=release.subjects if release else (Subject(MANIFEST, report.digest),),
            void_when=_void_when(request, peak_per_s),
            recommendation_digest=request.recommendation.digest if request.recommendation else None,
        )
    except EnvelopeError as e:
        raise ConfirmationError(e.what, value=e.value, remedy="Change the request.") from e


def _named(release: Release | None) -> tuple[str, str] | None:
    return (release.name, release.version) if release else None


def _tested_peak_per_s(report: VerificationReport) -> float:
    demand = (report.plan or {}).get("demand")
    peak = demand.get("peak") if isinstance(demand, dict) else None
    try:
        return parse_rate(str(peak))
    except ValueError as e:
        raise ConfirmationError(
            "the plan states no peak", value=repr(peak), remedy="A plan says demand: {peak: 40/s}."
        ) from e


def countersign(
    envelope: bytes,
    report: VerificationReport,
    signer: Signer,
    *,
    trust: Trust,
    now: datetime,
    policy_digest: str,
    recommendation: SignedRecommendation | None = None,
    attempts_log: bytes | None = None,
) -> bytes:
    """Add one more signature to a confirmation, on the same evidence.

    Args:
        envelope: Signed by the reviewer or the confirming officer so far.
        report: The verification of the same evidence, made just now.
        signer: The key of the other role.
        trust: Must hold both keys.
        now: The time of signing, with a zone.
        policy_digest: As in :class:`ConfirmationRequest`.
        recommendation: The reviewer's, exactly when the confirmation names one.
        attempts_log: As in :class:`ConfirmationRequest`; who signed before may not have had it.

    Raises:
        ConfirmationError: The envelope speaks about other evidence, has expired, or the evidence does not allow it.
        EnvelopeError: The envelope is malformed.
        SignatureError: The first signature is not good, or this signer may not be the second.
    """
    verified = verify(envelope, trust)
    confirmation = parse_confirmation(verified.payload)
    (second,) = check_signers([signer], report, trust, now)
    problems = list(verified.faults(SIGNING_ROLES, confirmation.issued_at))
    if [key.role for key in verified.signed_by].count(second.role) >= trust.thresholds.get(second.role, 1):
        problems.append(f"a {second.role} has signed already")
    problems += [f"{k.name}, who signed it, {part}" for k in verified.signed_by if (part := other_part(k, report))]
    problems += recommended_it((second, *verified.signed_by), recommendation.signed_by if recommendation else ())
    if any(key.holder == second.holder for key in verified.signed_by):
        problems.append(f"{second.name} has signed already")
    if not second.valid_at(confirmation.issued_at):
        problems.append(f"the key of {second.name} was not valid at {to_rfc3339(confirmation.issued_at)}, its issue")
    if problems:
        raise SignatureError("this can't be countersigned", value="; ".join(problems), remedy="Issue it anew.")
    found = [*_still_in_the_way(report, confirmation, policy_digest, attempts_log)]
    found += _other_than(report, confirmation)
    found += recommendation.objections(report, now) if recommendation else ()
    if confirmation.recommendation_digest != (recommendation.digest if recommendation else None):
        found.append("the recommendation that was given is not the one that the confirmation names")
    if not confirmation.issued_at <= now < confirmation.valid_until:
        found.append(
            f"the confirmation is valid from {to_rfc3339(confirmation.issued_at)} until "
            f"{to_rfc3339(confirmation.valid_until)}, not now"
        )
    if found:
        raise ConfirmationError("this can't be countersigned", value="; ".join(found), remedy="Issue it anew.")
    return add_signature(envelope, signer, trust)


def _still_in_the_way(
    report: VerificationReport, confirmation: Confirmation, policy_digest: str, attempts_log: bytes | None
) -> tuple[str, ...]:
    """Say what stands between this evidence and a confirmation that gives these reasons; nothing where it refuses."""
    if confirmation.ruling is Ruling.REFUSED:
        return ()
    said = confirmation.reasons
    found = obstacles(report, policy_digest, attempts_explained=explained(earlier_attempts(report), said))
    if attempts_log is None:
        return found
    later, wrong = later_attempts(report, attempts_log)
    return (*found, *(text for text in ("" if explained(later, said) else later, wrong) if text))


def _other_than(report: VerificationReport, confirmation: Confirmation) -> list[str]:
    """Say in what a confirmation speaks about something else than this evidence."""
    found = []
    bound = (confirmation.evidence_digest, confirmation.policy_digest, confirmation.test_result_digest)
    if bound != (report.digest, report.policy_digest, report.test_result_digest):
        found.append("the confirmation speaks about other evidence")
    release = report.release
    subjects = release.subjects if release else (Subject(MANIFEST, report.digest or "0" * 64),)
    if (confirmation.subjects, confirmation.release) != (subjects, _named(release)):
        found.append("the confirmation speaks about another release")
    if confirmation.tested_peak_per_s != _tested_peak_per_s(report):
        found.append(f"the confirmation states another tested peak: {confirmation.tested_peak_per_s:g}/s")
    return found
