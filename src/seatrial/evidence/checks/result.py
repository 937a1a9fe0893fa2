"""Steps on the test result: who signed it, what it binds, and whether the verdict is what it says."""

from __future__ import annotations

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError
from seatrial.evidence.bundle import (
    PLAN,
    POLICY,
    RELEASE,
    TEST_RESULT,
    VERDICT,
    plan_source,
    read_part,
)
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.checks.base import CannotRunError, Check, statement_of
from seatrial.evidence.envelope import verify
from seatrial.evidence.keys import TESTER
from seatrial.evidence.manifest import (
    MANIFEST,
)
from seatrial.evidence.statement import expected_names, parse_test_result
from seatrial.model.release import Subject, compare_releases

__all__ = ["agrees_with_verdict", "binds_this_bundle", "signed_by_tester", "verdict_recomputed"]


def signed_by_tester(check: Check) -> str:
    """Verify the seal: a trusted tester, a key valid at the time of sealing, not in the future."""
    # nothing of the statement is read before a trusted key has verified its bytes
    verified = verify(read_part(check.directory, TEST_RESULT), check.trust)
    result = parse_test_result(verified.payload)
    problems = list(verified.problems({TESTER}, result.sealed_at))
    if result.sealed_at > check.now:
        problems.append(f"it is sealed in the future ({to_rfc3339(result.sealed_at)})")
    if problems:
        raise BundleError("; ".join(problems), remedy="Ask the tester for a properly signed bundle.")
    check.test_result, check.test_result_digest = result, sha256_hex(verified.payload)
    check.sealed_by = verified.signed_by
    return f"sealed by {' and '.join(key.name for key in check.sealed_by)} at {to_rfc3339(result.sealed_at)}"


def binds_this_bundle(check: Check) -> str:
    """Compare what the test result binds with what is here."""
    result = statement_of(check)
    source = plan_source(check.directory)
    actual = {MANIFEST: check.digest, source: sha256_hex(read_part(check.directory, source))}
    actual |= {name: sha256_hex(data) for name, data in check.raw.items() if name in {PLAN, POLICY, RELEASE}}
    problems = [
        f"it binds {name} as {result.configuration.get(name, 'nothing')}, found {actual.get(name, 'nothing')}"
        for name in sorted({PLAN, POLICY} | actual.keys() | result.configuration.keys())
        if name not in actual or actual[name] != result.configuration.get(name)
    ]
    subjects = check.release.subjects if check.release else (Subject(MANIFEST, check.digest or ""),)
    problems += compare_releases(result.subjects, subjects).sentences()
    if problems:
        raise BundleError("; ".join(problems), remedy="This test result belongs to another bundle.")
    if check.release is None:
        return "plan, policy and manifest; no release is bound, so this can never be confirmed"
    return f"plan, policy, manifest and release {check.release.name} {check.release.version}"


def agrees_with_verdict(check: Check) -> str:
    """Compare the words of the test result with the verdict."""
    result = statement_of(check)
    if VERDICT not in check.documents:
        raise CannotRunError(f"{VERDICT} can't be read")
    word, passed, failed = expected_names(check.documents[VERDICT])
    if (result.result, result.passed, result.warned, result.failed) != (word, passed, (), failed):
        raise BundleError(
            f"the test result says {result.result} (passed {list(result.passed)}, warned "
            f"{list(result.warned)}, failed {list(result.failed)}), the verdict means {word} "
            f"(passed {list(passed)}, failed {list(failed)})",
            remedy="Do not rely on this bundle: the tester signed another outcome.",
        )
    return f"{result.result}, verdict {check.documents[VERDICT]['verdict']}"


def verdict_recomputed(check: Check) -> str:
    """Recompute the verdict from the raw records and compare it byte for byte."""
    if check.recompute is None:
        raise CannotRunError("no way to recompute the verdict was given")
    sealed = check.raw.get(VERDICT)
    if sealed is None:
        raise CannotRunError(f"{VERDICT} can't be read")
    recomputed = check.recompute(check.directory)
    if recomputed != sealed:
        at = next((i for i, (a, b) in enumerate(zip(recomputed, sealed, strict=False)) if a != b), None)
        at = min(len(recomputed), len(sealed)) if at is None else at
        raise BundleError(
            f"the raw records give another verdict.json, first at byte {at}: recomputed "
            f"{recomputed[at : at + 40].decode(errors='replace')!a}, sealed "
            f"{sealed[at : at + 40].decode(errors='replace')!a}",
            remedy="Do not rely on the sealed verdict: 'seatrial assess' shows the recomputed one.",
        )
    return f"{len(sealed)} bytes are equal"
