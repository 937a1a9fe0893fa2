"""Recommend a decision on verified evidence: the reviewer's part, before the confirming officer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from seatrial.confirmation.confirm import obstacles
from seatrial.confirmation.recommendation import Recommendation, Recommended
from seatrial.confirmation.statement import Condition
from seatrial.confirmation.who_signs import check_signers
from seatrial.errors import ConfirmationError, EnvelopeError, SignatureError
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import REVIEWER, Signer, Trust
from seatrial.evidence.manifest import MANIFEST
from seatrial.evidence.verification import VerificationReport
from seatrial.model.release import Subject

__all__ = ["RecommendationRequest", "recommend"]


@dataclass(frozen=True)
class RecommendationRequest:
    """What the reviewer wants to say.

    Attributes:
        recommended: What is recommended.
        policy_digest: SHA-256 that the bundle's ``policy.json`` must have: that of the authority's own policy.
        findings: Sentences; at least one unless the evidence itself gives reasons to refuse.
        conditions: For CONFIRM_WITH_CONDITIONS only.
    """

    recommended: Recommended
    policy_digest: str
    findings: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


def recommend(
    report: VerificationReport,
    request: RecommendationRequest,
    signers: Sequence[Signer],
    trust: Trust,
    now: datetime,
) -> bytes:
    """Write a recommendation and sign it.

    Args:
        report: The verification of the evidence, made just now.
        request: What the reviewer wants to say.
        signers: Reviewers' keys, as many as the trust file asks for.
        trust: Must hold them, valid now.
        now: The time of issue, with a zone; whole seconds are kept.

    Returns:
        The DSSE envelope.

    Raises:
        ConfirmationError: The evidence does not allow it, or the request breaks a rule; every obstacle is listed.
        SignatureError: A signer is unknown, no reviewer, out of its period, or the tester; or there are too few.
    """
    # What the reviewer found of earlier attempts stands in the findings; whoever confirms says why they do not count.
    found = obstacles(report, request.policy_digest, attempts_explained=bool(request.findings))
    if request.recommended is not Recommended.REFUSE and found:
        raise ConfirmationError(
            f"{request.recommended} can't be recommended",
            value="; ".join(found),
            remedy="Recommend to refuse it, or have it tried again.",
        )
    if report.digest is None or report.policy_digest is None or report.test_result_digest is None:
        raise ConfirmationError(
            "there is nothing to recommend on: manifest, policy or a trusted test result is missing",
            value="; ".join(str(step) for step in report.failures),
            remedy="Return the evidence to the tester.",
        )
    checked = check_signers(signers, report, trust, now, roles=frozenset({REVIEWER}), act="recommend")
    needed = trust.thresholds.get(REVIEWER, 1)
    if len(checked) < needed:
        raise SignatureError(
            "a recommendation lacks reviewers' signatures",
            value=f"{len(checked)} of {needed}",
            remedy="Give --key once for each reviewer.",
        )
    try:
        said = Recommendation(
            recommended=request.recommended,
            findings=(*request.findings, *found),
            conditions=request.conditions,
            issued_at=now.replace(microsecond=0),
            policy_digest=report.policy_digest,
            evidence_digest=report.digest,
            test_result_digest=report.test_result_digest,
            subjects=report.release.subjects if report.release else (Subject(MANIFEST, report.digest),),
        )
    except EnvelopeError as e:
        raise ConfirmationError(e.what, value=e.value, remedy="Change what is recommended.") from e
    return sign(said.to_statement().to_bytes(), signers)
