"""Other attempts on the seal of some evidence, as they stand in the way of a confirmation: there is no best-of.

The evidence itself names the attempts before it. Those after it stand only in the log as it is now, which the authority
asks for, or keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from seatrial.errors import EvidenceError
from seatrial.evidence.attempts import attempts_in, parse_log
from seatrial.evidence.verification import VerificationReport
from seatrial.model.attempt import Attempt, EarlierAttempt, numbers, outcome

__all__ = ["WHY", "earlier_attempts", "explained", "later_attempts"]

WHY = ", and don't count because: "


def earlier_attempts(report: VerificationReport) -> str:
    """Return which earlier attempts on the same seal did not pass, as part of a sentence; empty where there is none."""
    document = (report.verdict or {}).get("attempt")
    if document is None:
        return ""
    try:
        attempt = Attempt.model_validate(document)
    except ValidationError:
        return "the verdict does not say which attempt on its seal it is"
    return _unpassed("earlier", attempt.earlier)


def later_attempts(report: VerificationReport, log: bytes) -> tuple[str, str]:
    """Return which later attempts did not pass, as :func:`earlier_attempts`, and what is wrong with the log itself.

    Args:
        report: The verification of the evidence.
        log: The attempts log as it stands now.

    Returns:
        Two texts, each empty where there is nothing to say.
    """
    if report.plan_seal is None:
        return "", ""  # an obstacle by itself
    try:
        found = attempts_in(parse_log(log, report.plan_seal.digest))
    except EvidenceError as error:
        return "", str(error).removesuffix(".")
    own = next((one for one in found if one.evidence is not None and one.evidence == report.digest), None)
    if own is None:
        return "", "the attempts log that was given has no end of this evidence's attempt"
    return _unpassed("later", [one for one in found if one.number > own.number]), ""


def _unpassed(which: str, attempts: Iterable[EarlierAttempt]) -> str:
    bad = [one for one in attempts if one.verdict != "PASS"]
    if not bad:
        return ""
    outcomes = ", ".join(outcome(one) for one in bad)
    return f"{which} attempts on this seal did not pass (number {numbers(one.number for one in bad)}: {outcomes})"


def explained(sentence: str, reasons: Sequence[str]) -> bool:
    """Whether the reasons of a decision say why these attempts, and no others, don't count."""
    return bool(sentence) and any(reason.startswith(f"{sentence}{WHY}") for reason in reasons)
