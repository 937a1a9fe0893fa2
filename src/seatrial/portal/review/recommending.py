"""Handing in a signed recommendation."""

from __future__ import annotations

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from seatrial.confirmation.recommendation import SignedRecommendation, read_recommendation
from seatrial.errors import EvidenceError
from seatrial.portal.accounts.models import User
from seatrial.portal.cases.evidence import SealedEvidence, evidence_of
from seatrial.portal.cases.models import Case, CaseEvent
from seatrial.portal.cases.states import Action
from seatrial.portal.cases.transitions import move
from seatrial.portal.files.store import store
from seatrial.portal.project.trust import portal_trust, require_own_key
from seatrial.portal.review.models import RecommendationRecord

__all__ = ["hand_in"]

MAX_ENVELOPE_BYTES = 1024 * 1024


def hand_in(case: Case, version: int, upload: UploadedFile[bytes], reasons: str, *, by: User) -> CaseEvent:
    """Verify a recommendation, keep it, and move the case.

    Raises:
        SeatrialError: The envelope is malformed, wrongly signed, not by a key of this person, or about other evidence
            than what is sealed in this round; or the case can't be moved.
    """
    with transaction.atomic():
        kept = store(upload, upload.name or "", by=by, most_bytes=MAX_ENVELOPE_BYTES, types={"application/json"})
        signed = read_recommendation(kept.path.read_bytes(), portal_trust())
        require_own_key(by, signed.signed_by)
        sealed = evidence_of(case)
        if sealed is None:
            raise EvidenceError(_("No evidence is sealed in this round"), remedy=_("Wait for the trial's bundle."))
        _about(signed, sealed)
        said = signed.recommendation
        record = RecommendationRecord.objects.create(
            case=case,
            round=case.round,
            envelope=kept,
            digest=signed.digest,
            recommended=str(said.recommended),
            findings=list(said.findings),
            conditions=[condition.to_object() for condition in said.conditions],
            evidence_sha256=said.evidence_digest,
            by=by,
        )
        particulars = {"recommendation": record.recommended, "digest": record.digest, "evidence": sealed.digest}
        return move(case.pk, version, Action.RECOMMEND, by=by, reasons=reasons, particulars=particulars)


def _about(signed: SignedRecommendation, sealed: SealedEvidence) -> None:
    said = signed.recommendation
    same = (said.evidence_digest, said.policy_digest, said.test_result_digest) == (
        *(sealed.digest, sealed.policy_digest, sealed.test_result_digest),
    )
    if not same:
        raise EvidenceError(
            _("The recommendation speaks about other evidence than what is sealed in this round"),
            value=said.evidence_digest,
            remedy=_("Recommend on the bundle of this round."),
        )
    if said.issued_at > timezone.now():
        raise EvidenceError(_("The recommendation is from the future"), value=said.issued_at.isoformat())
    if {key.fingerprint for key in signed.signed_by} & set(sealed.sealed_by):
        raise EvidenceError(_("Who recommends has sealed the evidence"), remedy=_("Another reviewer recommends."))
