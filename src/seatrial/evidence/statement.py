"""The tester's statement: what was tried, under which plan and policy, with which result.

Formats: in-toto Statement v1 (https://in-toto.io/Statement/v1) and its predicate test-result v0.1
(https://in-toto.io/attestation/test-result/v0.1). The predicate knows PASSED, WARNED and FAILED; a verdict of
PASS becomes PASSED, and FAIL, INCONCLUSIVE and INVALID all become FAILED, with the exact verdict beside the name
in ``failedTests``, for example ``stress: INVALID``. ``configuration`` names the plan as read, ``plan.json``,
``policy.json``, ``manifest.json`` (whose digest is the evidence digest) and, where there is one, ``release.json``.
The time of sealing is an annotation on ``manifest.json``, because the predicate has no field for it.

The subjects are the release's. A bundle without a release speaks about itself: its one subject is its manifest,
and such a statement can never be confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError, EnvelopeError, EvidenceError
from seatrial.evidence.bundle import PLAN, POLICY, RELEASE, VERDICT, bundle_digest, plan_source, read_part
from seatrial.evidence.canonical import is_sha256_hex, parse_json, parse_rfc3339, sha256_hex
from seatrial.evidence.intoto import Statement, parse_statement
from seatrial.evidence.manifest import MANIFEST
from seatrial.model.release import Release, Subject, parse_release

__all__ = [
    "TEST_RESULT_TYPE",
    "VERDICTS",
    "SealedResult",
    "expected_names",
    "parse_test_result",
    "statement_by_tester",
]

TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "INVALID")
_SOURCE = "Take the statement from its signer again."
_PREDICATE_FIELDS = {"result", "configuration", "passedTests", "warnedTests", "failedTests"}


@dataclass(frozen=True)
class SealedResult:
    """The tester's statement, read.

    Attributes:
        subjects: The release's subjects, or the manifest alone.
        result: PASSED, WARNED or FAILED.
        passed: Names of the tests that passed.
        warned: Names of the tests with warnings; we write none.
        failed: Names of the tests that did not pass, each with its exact verdict.
        configuration: SHA-256 as hex of each bound file, by its name in the bundle.
        sealed_at: When the tester says that the bundle was sealed, UTC.
    """

    subjects: tuple[Subject, ...]
    result: str
    passed: tuple[str, ...]
    warned: tuple[str, ...]
    failed: tuple[str, ...]
    configuration: Mapping[str, str]
    sealed_at: datetime


def expected_names(verdict: object) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return (result, passedTests, failedTests) as the statement must show a ``verdict.json``.

    Args:
        verdict: The parsed document: ``verdict`` and ``trials`` with ``name`` and ``verdict`` each.

    Returns:
        PASSED only for a verdict of PASS with at least one trial, all of them PASS. Where the verdict is not PASS
        though every trial is, ``plan: <verdict>`` stands in failedTests, so that it is never empty beside FAILED.

    Raises:
        BundleError: The document lacks these fields, names a trial twice, or says PASS over trials that do not.
    """
    remedy = "Recompute the verdict with 'seatrial assess'."
    overall = verdict.get("verdict") if isinstance(verdict, dict) else None
    trials = verdict.get("trials") if isinstance(verdict, dict) else None
    if overall not in VERDICTS or not isinstance(trials, list):
        raise BundleError(f"{VERDICT} has no verdict or no trials", value=repr(overall), remedy=remedy)
    passed: list[str] = []
    failed: list[str] = []
    names: set[str] = set()
    for trial in trials:
        name = trial.get("name") if isinstance(trial, dict) else None
        if not isinstance(name, str) or not name or trial.get("verdict") not in VERDICTS:
            raise BundleError(f"a trial in {VERDICT} has no name or no verdict", value=repr(name), remedy=remedy)
        if name in names:
            raise BundleError(f"{VERDICT} names a trial twice", value=name, remedy=remedy)
        names.add(name)
        if trial["verdict"] == "PASS":
            passed.append(name)
        else:
            failed.append(f"{name}: {trial['verdict']}")
    if overall == "PASS":
        if failed or not passed:
            raise BundleError(f"{VERDICT} says PASS, but its trials do not", value=failed, remedy=remedy)
        return "PASSED", tuple(passed), ()
    return "FAILED", tuple(passed), tuple(failed or [f"plan: {overall}"])


def statement_by_tester(directory: Path, sealed_at: datetime) -> Statement:
    """Make the tester's statement over a bundle directory whose manifest is written.

    Args:
        directory: The bundle.
        sealed_at: Wall-clock time of sealing, with a zone.

    Raises:
        BundleError: A part is missing or contradicts itself.
        EvidenceError: ``release.json`` or ``verdict.json`` is malformed.
    """
    result, passed, failed = expected_names(parse_json(read_part(directory, VERDICT), VERDICT))
    source = plan_source(directory)
    names = [source, PLAN, POLICY]
    release: Release | None = None
    if (directory / RELEASE).exists():
        release = parse_release(read_part(directory, RELEASE))
        names.append(RELEASE)
    evidence = bundle_digest(directory)
    configuration: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": sha256_hex(read_part(directory, name))}} for name in names
    ]
    configuration.append(
        {
            "name": MANIFEST,
            "digest": {"sha256": evidence},
            "annotations": {"sealedAt": to_rfc3339(sealed_at)},
        }
    )
    predicate = {
        "result": result,
        "configuration": configuration,
        "passedTests": list(passed),
        "warnedTests": [],
        "failedTests": list(failed),
    }
    return Statement(release.subjects if release else (Subject(MANIFEST, evidence),), TEST_RESULT_TYPE, predicate)


def parse_test_result(payload: bytes) -> SealedResult:
    """Read a verified payload as the tester's statement, strictly.

    Raises:
        EnvelopeError: Of another type, a field missing, unknown or malformed, or no time of sealing.
    """
    statement = parse_statement(payload, TEST_RESULT_TYPE)
    predicate = statement.predicate
    if predicate.keys() != _PREDICATE_FIELDS:
        odd = ", ".join(sorted(predicate.keys() ^ _PREDICATE_FIELDS))
        raise EnvelopeError("the test result has fields missing or unknown", value=odd, remedy=_SOURCE)
    if predicate["result"] not in ("PASSED", "WARNED", "FAILED"):
        raise EnvelopeError("the test result is none of its words", value=repr(predicate["result"]), remedy=_SOURCE)
    configuration, sealed_at = _configuration(predicate["configuration"])
    return SealedResult(
        subjects=statement.subjects,
        result=predicate["result"],
        passed=_names(predicate["passedTests"]),
        warned=_names(predicate["warnedTests"]),
        failed=_names(predicate["failedTests"]),
        configuration=configuration,
        sealed_at=sealed_at,
    )


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise EnvelopeError("a list of tests is not a list of names", value=repr(value), remedy=_SOURCE)
    return tuple(value)


def _configuration(value: object) -> tuple[dict[str, str], datetime]:
    found: dict[str, str] = {}
    sealed_at: datetime | None = None
    for item in value if isinstance(value, list) else [None]:
        extra = {"annotations"} if isinstance(item, dict) and item.get("name") == MANIFEST else set()
        if not isinstance(item, dict) or item.keys() != {"name", "digest"} | extra:
            raise EnvelopeError("an entry of the configuration is malformed", value=repr(item), remedy=_SOURCE)
        name, digest = item["name"], item["digest"]
        if not isinstance(digest, dict) or digest.keys() != {"sha256"} or not is_sha256_hex(digest["sha256"]):
            raise EnvelopeError("an entry of the configuration has no SHA-256", value=repr(name), remedy=_SOURCE)
        if not isinstance(name, str) or name in found:
            raise EnvelopeError("the configuration names a file twice", value=repr(name), remedy=_SOURCE)
        found[name] = digest["sha256"]
        if extra:
            sealed_at = _sealed_at(item["annotations"])
    if sealed_at is None:
        raise EnvelopeError(f"the configuration does not bind {MANIFEST}", remedy=_SOURCE)
    return found, sealed_at


def _sealed_at(annotations: object) -> datetime:
    if not isinstance(annotations, dict) or annotations.keys() != {"sealedAt"}:
        raise EnvelopeError(f"{MANIFEST} is not annotated with exactly sealedAt", remedy=_SOURCE)
    try:
        return parse_rfc3339(annotations["sealedAt"], "sealedAt")
    except EvidenceError as e:
        raise EnvelopeError(e.what, value=e.value, remedy=_SOURCE) from e
