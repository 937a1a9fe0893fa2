"""What the steps of a verification share: the bundle, what was read of it so far, and why a step did not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.evidence.keys import Trust, TrustedKey
from seatrial.evidence.manifest import Difference, FileEntry, Manifest
from seatrial.evidence.plan_seal import SignedSeal
from seatrial.evidence.statement import SealedResult
from seatrial.model.release import Release

__all__ = ["CannotRunError", "Check", "NotApplicableError", "Recompute", "listed", "statement_of"]

Recompute = Callable[[Path], bytes]


class CannotRunError(Exception):
    """A step lacks what an earlier step should have found; it has failed."""


class NotApplicableError(Exception):
    """There is nothing that a step could check, and nothing is wrong with that; the text says why."""


@dataclass
class Check:
    """A verification under way. What a step could not read stays None or empty.

    Attributes:
        directory: The opened bundle.
        trust: Who may sign.
        now: The time of verification.
        recompute: From the bundle's directory to the canonical bytes of its verdict; None where there is no way.
        manifest: The manifest.
        digest: The evidence digest.
        differences: Where the directory departs from the manifest.
        unpacked: What was digested while it was unpacked, by path; None for a directory that was given.
        found: What lies in the directory, by path, with the digests of the bytes that are there.
        raw: The bytes of the small documents, by name: those that were digested are those that are parsed.
        documents: The same, parsed.
        release: The release that was tried.
        test_result: The tester's statement, verified.
        test_result_digest: SHA-256 of its bytes.
        sealed_by: The testers' keys that sealed the bundle.
        plan_seal: The seal of the plan, verified, which binds what is here.
    """

    directory: Path
    trust: Trust
    now: datetime
    recompute: Recompute | None
    manifest: Manifest | None = None
    digest: str | None = None
    differences: tuple[Difference, ...] = ()
    unpacked: dict[str, FileEntry] | None = None
    found: dict[str, FileEntry] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    release: Release | None = None
    test_result: SealedResult | None = None
    test_result_digest: str | None = None
    sealed_by: tuple[TrustedKey, ...] = ()
    plan_seal: SignedSeal | None = None


def listed(check: Check) -> Manifest:
    """Return the manifest.

    Raises:
        CannotRunError: There is none that can be used.
    """
    if check.manifest is None:
        raise CannotRunError("there is no usable manifest")
    return check.manifest


def statement_of(check: Check) -> SealedResult:
    """Return the test result.

    Raises:
        CannotRunError: None has a good signature.
    """
    if check.test_result is None:
        raise CannotRunError("there is no test result with a good signature")
    return check.test_result
