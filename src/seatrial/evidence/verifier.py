"""Verify a bundle: integrity, seal, recomputation. No load engine is needed, and none is imported.

The steps are numbered as they stand in :data:`STEPS`, after the first, which opens the archive. Each is passed,
failed, or not applicable, with a sentence. A step that can't run has failed. Steps after a failure still run where
they can, so that everything wrong is listed; the bundle is good only when no step failed. Small documents are read
once: the bytes that are digested are the bytes that are parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.errors import SeatrialError
from seatrial.evidence.bundle import PLAN, POLICY, VERDICT, opened_bundle
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.checks.base import CannotRunError, Check, NotApplicableError, Recompute
from seatrial.evidence.checks.chain import parts_chain_is_whole
from seatrial.evidence.checks.documents import documents_parse
from seatrial.evidence.checks.integrity import digests_are_right, manifest_is_there, nothing_extra, nothing_missing
from seatrial.evidence.checks.order import load_was_authorised
from seatrial.evidence.checks.result import (
    agrees_with_verdict,
    binds_this_bundle,
    signed_by_tester,
    verdict_recomputed,
)
from seatrial.evidence.checks.sealed import attempts_log_is_whole, plan_was_sealed_first
from seatrial.evidence.keys import Trust
from seatrial.evidence.verification import Step, StepStatus, VerificationReport

__all__ = ["STEPS", "TITLES", "Recompute", "Step", "StepStatus", "VerificationReport", "verify_bundle"]

STEPS: tuple[tuple[str, Callable[[Check], str]], ...] = (
    ("manifest is present", manifest_is_there),
    ("no file is missing", nothing_missing),
    ("no file is extra", nothing_extra),
    ("every digest is right", digests_are_right),
    ("the parts' chain is whole", parts_chain_is_whole),
    ("documents parse", documents_parse),
    ("test result is signed by a trusted tester", signed_by_tester),
    ("test result binds manifest, plan, policy and release", binds_this_bundle),
    ("the load was authorised", load_was_authorised),
    ("test result agrees with the verdict", agrees_with_verdict),
    ("the plan was sealed before the trial", plan_was_sealed_first),
    ("the attempts log is whole", attempts_log_is_whole),
    ("verdict recomputed from the raw records is the sealed one", verdict_recomputed),
)
"""The steps after the first; each returns a sentence, or raises."""

TITLES = ("archive is well-formed", *(title for title, _ in STEPS))


def verify_bundle(
    source: Path | BinaryIO, trust: Trust, now: datetime, recompute: Recompute | None
) -> VerificationReport:
    """Run every step on a bundle directory or packed bundle.

    Args:
        source: The bundle in either form, or a stream to read a packed one from, such as a pipe.
        trust: Who may sign as tester.
        now: The time of verification, with a zone; a seal later than this has failed.
        recompute: From a bundle directory to the canonical bytes of its ``verdict.json``. None fails the last step.

    Returns:
        A report; hostile and broken bundles are reported, not raised.
    """
    steps: list[Step] = []

    def add(status: StepStatus, sentence: str) -> None:
        number = len(steps) + 1
        steps.append(Step(number, TITLES[number - 1], status, sentence))

    with ExitStack() as stack:
        try:
            opened = stack.enter_context(opened_bundle(source))
        except SeatrialError as e:
            add(StepStatus.FAILED, str(e))
            for _ in STEPS:
                add(StepStatus.FAILED, "this can't be checked without the bundle")
            return VerificationReport(tuple(steps))
        if opened.unpacked is None:
            add(StepStatus.NOT_APPLICABLE, "a directory was given, not an archive")
        else:
            add(StepStatus.PASSED, "the archive holds plain files only, in the form that pack writes")
        check = Check(opened.directory, trust, now, recompute, unpacked=opened.unpacked)
        for _, step in STEPS:
            add(*_run(step, check))
        return _report(tuple(steps), check)


def _run(step: Callable[[Check], str], check: Check) -> tuple[StepStatus, str]:
    try:
        return StepStatus.PASSED, step(check)
    except NotApplicableError as e:
        return StepStatus.NOT_APPLICABLE, str(e)
    except CannotRunError as e:
        return StepStatus.FAILED, f"this can't be checked: {e}"
    except SeatrialError as e:
        return StepStatus.FAILED, str(e)
    except Exception as e:  # a bundle that surprises the reader is not a good bundle
        return StepStatus.FAILED, f"the check itself broke on this bundle ({type(e).__name__}: {e})"


def _report(steps: tuple[Step, ...], check: Check) -> VerificationReport:
    read: dict[str, Any] = {k: v for k, v in check.documents.items() if isinstance(v, dict)}
    policy = check.raw.get(POLICY)
    return VerificationReport(
        steps=steps,
        complete=len(steps) == len(TITLES),
        digest=check.digest,
        verdict=read.get(VERDICT),
        plan=read.get(PLAN),
        policy=read.get(POLICY),
        policy_digest=None if policy is None else sha256_hex(policy),
        release=check.release,
        test_result=check.test_result,
        test_result_digest=check.test_result_digest,
        sealed_by=check.sealed_by,
        plan_seal=check.plan_seal,
    )
