"""Who may sign on evidence: a known key of the right role, valid now, whose holder has no other part in the case.

The tester rules on nothing, and the confirming officer is neither who arranged the trial nor who recommended on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from seatrial.clock import to_rfc3339
from seatrial.confirmation.statement import SIGNING_ROLES
from seatrial.errors import SignatureError
from seatrial.evidence.keys import CONFIRMING_OFFICER, TEST_ARRANGER, Signer, Trust, TrustedKey
from seatrial.evidence.verification import VerificationReport

__all__ = ["check_signers", "other_part", "recommended_it"]


def check_signers(
    signers: Sequence[Signer],
    report: VerificationReport,
    trust: Trust,
    now: datetime,
    *,
    roles: frozenset[str] = SIGNING_ROLES,
    act: str = "confirm",
) -> list[TrustedKey]:
    """Return the trusted keys of who wants to sign on this evidence.

    Args:
        signers: Who wants to sign.
        report: The verification of the evidence, which says who the tester is.
        trust: Must hold the keys, valid now.
        now: The time of signing, with a zone.
        roles: Who may.
        act: What they want to do, for messages.

    Raises:
        SignatureError: A signer is unknown, of another role, out of its period, the tester or, to confirm, the test
            arranger; or too many of a role or one holder twice want to sign.
    """
    found: list[TrustedKey] = []
    for signer in signers:
        key = trust.find(signer.public_key)
        if key is None:
            raise SignatureError(
                "a signing key is not in the trust file", value=signer.public_key.keyid, remedy="Add its entry first."
            )
        if key.role not in roles:
            raise SignatureError(
                f"{key.name} holds the role {key.role}, who does not {act}",
                remedy=f"Use the key of a {' or '.join(sorted(roles, reverse=True))}.",
            )
        if not key.valid_at(now):
            raise SignatureError(
                f"the key of {key.role} {key.name} is not valid now", value=to_rfc3339(now), remedy="Use a valid key."
            )
        part = other_part(key, report)
        if part:
            raise SignatureError(
                f"{key.name} {part}, and can't {act} as {key.role}",
                remedy="Reviewer and confirming officer are no testers, and the officer is not the arranger.",
            )
        found.append(key)
    crowded = any([key.role for key in found].count(role) > trust.thresholds.get(role, 1) for role in SIGNING_ROLES)
    if crowded or len({key.holder for key in found}) < len(found):
        raise SignatureError(
            "reviewer and confirming officer are two people with two keys, and no more of a role sign than must",
            value=", ".join(f"{key.role} {key.name}" for key in found),
            remedy="Each signs with a key of their own.",
        )
    return found


def other_part(key: TrustedKey, report: VerificationReport) -> str:
    """Return the part in the trial that keeps a holder from signing in this role, whatever key; empty where none does.

    Args:
        key: Of who wants to sign, or has signed.
        report: The verification of the evidence.
    """
    if key.holder in {tester.holder for tester in report.sealed_by}:
        return "is the tester of this evidence"
    sealers = report.plan_seal.signed_by if report.plan_seal else ()
    arrangers = {sealer.holder for sealer in sealers if sealer.role == TEST_ARRANGER}
    if key.role == CONFIRMING_OFFICER and key.holder in arrangers:
        return "arranged this trial"
    return ""


def recommended_it(keys: Sequence[TrustedKey], reviewers: Sequence[TrustedKey]) -> list[str]:
    """Say which confirming officers are among those who signed the recommendation, whatever key; empty when none is."""
    holders = {reviewer.holder for reviewer in reviewers}
    return [
        f"{key.name} signed the recommendation"
        for key in keys
        if key.role == CONFIRMING_OFFICER and key.holder in holders
    ]
