"""Steps on what was sealed before the trial: the criteria, and the log of attempts on them."""

from __future__ import annotations

import os

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError
from seatrial.evidence.attempts import ATTEMPTS, attempt_of, check_own_start, parse_log
from seatrial.evidence.bundle import ENVIRONMENT, PLAN_SOURCES, read_part
from seatrial.evidence.canonical import parse_rfc3339, sha256_hex
from seatrial.evidence.checks.base import CannotRunError, Check, NotApplicableError
from seatrial.evidence.plan_seal import SEAL, criteria_in_bundle, verify_seal
from seatrial.model.attempt import numbers, outcome
from seatrial.model.release import Subject, compare_releases

__all__ = ["attempts_log_is_whole", "plan_was_sealed_first"]

_UNSEALED = "the criteria were not sealed before the trial, so this can never be confirmed"


def plan_was_sealed_first(check: Check) -> str:
    """Verify the seal of the plan: who signed, that it was before the run, and that it binds what is here."""
    if not os.path.lexists(check.directory / SEAL):
        if os.path.lexists(check.directory / ATTEMPTS):
            raise BundleError(f"{ATTEMPTS} is there without {SEAL}", remedy="Take the bundle from its source again.")
        raise NotApplicableError(_UNSEALED)
    signed = verify_seal(_read(check, SEAL), check.trust)
    seal = signed.seal
    problems = list(seal.criteria.differences(criteria_in_bundle(check.directory, check.raw)))
    plan = Subject(PLAN_SOURCES[0], str(seal.criteria.documents[PLAN_SOURCES[0]]))
    bound = check.release.subjects if check.release else (plan,)
    problems += compare_releases(seal.subjects, bound).sentences()
    environment = check.documents.get(ENVIRONMENT)
    stated = environment.get("started_at") if isinstance(environment, dict) else None
    started = parse_rfc3339(stated, f"started_at of {ENVIRONMENT}")
    if seal.sealed_at > started:
        problems.append(f"it was sealed at {to_rfc3339(seal.sealed_at)}, after the run began at {to_rfc3339(started)}")
    if problems:
        raise BundleError("; ".join(problems), remedy="This trial is not the one that was sealed.")
    check.plan_seal = signed
    signers = " and ".join(f"{key.role} {key.name}" for key in signed.signed_by)
    return f"seal {seal.id} by {signers} at {to_rfc3339(seal.sealed_at)}, the run began at {to_rfc3339(started)}"


def attempts_log_is_whole(check: Check) -> str:
    """Follow the log of attempts from the seal to the start of this attempt."""
    if not os.path.lexists(check.directory / SEAL) and not os.path.lexists(check.directory / ATTEMPTS):
        raise NotApplicableError("without a seal there is no log of attempts on it")
    if check.plan_seal is None:
        raise CannotRunError(f"there is no {SEAL} with a good signature")
    lines = parse_log(_read(check, ATTEMPTS), check.plan_seal.digest)
    attempt = attempt_of(lines)
    check_own_start(check.directory, lines)
    if not attempt.earlier:
        return "attempt 1 of this seal"
    ended = ", ".join(outcome(one) for one in attempt.earlier)
    return f"attempt {attempt.number} of this seal; {numbers(one.number for one in attempt.earlier)}: {ended}"


def _read(check: Check, name: str) -> bytes:
    """Return a document's bytes; they must be those that the step on digests saw."""
    data = read_part(check.directory, name)
    entry = check.manifest.entry(name) if check.manifest else None
    if entry is None or entry.sha256 != sha256_hex(data):
        raise BundleError(f"{name} is not what the manifest lists", remedy="Take the bundle from its source again.")
    return data
