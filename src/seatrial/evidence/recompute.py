"""The verdict, recomputed from a bundle's raw records: offline, without the load engine.

A part that says what was asked or what happened (plan, policy, environment, journal) must be there and read, or there
is no verdict: BundleError. Records or health rows that are missing or can't be read make their trial INVALID, with
the reason: the run took place, and its evidence is torn. So does a calibration that is there and can't be read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError

from seatrial.errors import BundleError, EvidenceError, SeatrialError
from seatrial.evidence.attempts import read_attempt
from seatrial.evidence.bundle import CALIBRATION, ENVIRONMENT, JOURNAL, MAX_JOURNAL_BYTES, PLAN, POLICY, read_part
from seatrial.evidence.canonical import canonical_bytes, is_sha256_hex, parse_json
from seatrial.model.journal import Event, TrialLog, read_journal, trial_log
from seatrial.model.plan import Plan, trial_slug
from seatrial.model.policy import Policy
from seatrial.model.verdict import Reason, RunVerdict
from seatrial.samples.merge import PART_ROWS
from seatrial.samples.telemetry import TELEMETRY_SCHEMA, empty_telemetry
from seatrial.verdict.calibration import Calibrated, read_calibration, unreadable
from seatrial.verdict.inputs import (
    HEALTH_SCHEMA,
    RECORD_SCHEMA,
    TrialData,
    empty_health,
    empty_records,
    guarded,
)
from seatrial.verdict.judge import judge

__all__ = ["Evidence", "check_file", "read_evidence", "read_trial", "recompute", "recompute_verdict"]

Document = TypeVar("Document", bound=BaseModel)

_AGAIN = "Take the bundle from its source again."
_MOST_ROWS = 4_000_000
"""Rows of a file of health or telemetry that are read: a hundred workers' for eleven hours of seconds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is computed from.

    Attributes:
        plan: The plan.
        plan_digest: Its SHA-256, hexadecimal.
        policy: The rules.
        trials: One for each trial of the plan, in its order.
        calibrated: The calibration that the run cites; None when it cites none.
    """

    plan: Plan
    plan_digest: str
    policy: Policy
    trials: tuple[TrialData, ...]
    calibrated: Calibrated | None


def recompute(bundle_dir: Path) -> RunVerdict:
    """Return the verdict that the bundle's records lead to; ``verdict.json`` is not read.

    Args:
        bundle_dir: An opened bundle: a directory laid out as in :mod:`seatrial.evidence.bundle`.

    Raises:
        BundleError: plan, policy, environment or journal is missing or malformed, or the log of attempts on its seal
            is not whole.
    """
    read = read_evidence(bundle_dir)
    verdict = judge(read.plan, read.plan_digest, read.policy, read.trials, read.calibrated)
    return verdict.model_copy(update={"attempt": read_attempt(bundle_dir)})


def read_evidence(bundle_dir: Path) -> Evidence:
    """Return what a verdict is computed from.

    Args:
        bundle_dir: An opened bundle.

    Raises:
        BundleError: plan, policy, environment or journal is missing or malformed.
    """
    plan = _document(bundle_dir, PLAN, Plan)
    policy = _document(bundle_dir, POLICY, Policy)
    digest = _plan_digest(bundle_dir)
    read_part(bundle_dir, JOURNAL, MAX_JOURNAL_BYTES)  # a plain file, and not too large
    events = read_journal(bundle_dir / JOURNAL)
    trials = tuple(
        read_trial(bundle_dir, trial_slug(index, name), _log(events, index))
        for index, name in enumerate(plan.trial_names())
    )
    return Evidence(plan, digest, policy, trials, _calibrated(bundle_dir))


def recompute_verdict(bundle_dir: Path) -> bytes:
    """Return the canonical bytes of the recomputed verdict: what ``verdict.json`` must be.

    Raises:
        BundleError: plan, policy, environment or journal is missing or malformed.
    """
    return canonical_bytes(recompute(bundle_dir).as_document())


def _document(bundle_dir: Path, path: str, kind: type[Document]) -> Document:
    try:
        return kind.model_validate(_json(bundle_dir, path))
    except (ValidationError, SeatrialError) as error:
        if isinstance(error, BundleError):
            raise
        first = str(error).split("\n")[0]
        raise BundleError(f"{path} is not a {kind.__name__.lower()}", value=first, remedy=_AGAIN) from error


def _json(bundle_dir: Path, path: str) -> Any:
    data = read_part(bundle_dir, path)
    try:
        return parse_json(data, path)
    except EvidenceError as error:
        raise BundleError(error.what, value=error.value, remedy=error.remedy) from error


def _plan_digest(bundle_dir: Path) -> str:
    environment = _json(bundle_dir, ENVIRONMENT)
    digest = environment.get("plan_digest") if isinstance(environment, dict) else None
    if not is_sha256_hex(digest):
        raise BundleError(f"{ENVIRONMENT} has no SHA-256 in plan_digest", value=repr(digest), remedy=_AGAIN)
    return str(digest)


def _calibrated(bundle_dir: Path) -> Calibrated | None:
    """Return the calibration that the run cites, None when it cites none."""
    if not os.path.lexists(bundle_dir / CALIBRATION):
        return None
    try:
        document = _json(bundle_dir, CALIBRATION)
    except BundleError:
        return unreadable(CALIBRATION)
    return read_calibration(document, _json(bundle_dir, ENVIRONMENT))


def _log(events: tuple[Event, ...], index: int) -> TrialLog:
    """Return the log of one trial; an event that lacks what its kind must have is a torn journal."""
    try:
        log = trial_log(events, index)
        for stage, following in log.decisions:
            if isinstance(following, bool) or not (following is None or isinstance(following, int)):
                raise TypeError(f"the decision after stage {stage} is {following!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"the journal does not tell the story of trial {index + 1}", value=repr(error), remedy=_AGAIN
        ) from error
    return log


def read_trial(bundle_dir: Path, slug: str, log: TrialLog) -> TrialData:
    """Return the evidence of one trial; what is missing is empty, what can't be read is a problem besides.

    Args:
        bundle_dir: An opened bundle.
        slug: The trial's folder name.
        log: What the journal says of it.
    """
    problems: list[Reason] = []
    records: pl.DataFrame | pl.LazyFrame = empty_records()
    health = empty_health()
    folder = bundle_dir / "records" / slug
    try:
        parts = sorted(folder.glob("part-*.parquet")) if folder.is_dir() else []
        if parts:
            for part in parts:
                check_file(part, RECORD_SCHEMA, PART_ROWS)
            records = pl.scan_parquet(parts, glob=False)
    except BundleError as error:
        problems.append(Reason(code="validity.records_unreadable", params={"detail": str(error.value)}))
    path = bundle_dir / "health" / f"{slug}.parquet"
    try:
        if path.exists():
            check_file(path, HEALTH_SCHEMA, _MOST_ROWS)
            health = guarded(path.name, lambda: pl.read_parquet(path, glob=False))
    except BundleError as error:
        problems.append(Reason(code="validity.health_unreadable", params={"detail": str(error.value)}))
    telemetry = empty_telemetry()
    path = bundle_dir / "telemetry" / f"{slug}.parquet"
    try:
        if path.exists():
            check_file(path, TELEMETRY_SCHEMA, _MOST_ROWS)
            telemetry = guarded(path.name, lambda: pl.read_parquet(path, glob=False))
    except BundleError as error:
        problems.append(Reason(code="validity.telemetry_unreadable", params={"detail": str(error.value)}))
    return TrialData(log, records, health, tuple(problems), telemetry)


def check_file(path: Path, wanted: pl.Schema, most_rows: int) -> None:
    """Check a Parquet file's own schema and count of rows, before anything in it is decompressed.

    A file of 50 kB can hold twenty million equal rows; what no run would have written is not expanded.

    Raises:
        BundleError: a link, not Parquet, other columns than wanted, or too many rows; the value names the file.
    """
    if path.is_symlink() or not path.is_file():
        raise BundleError("not a plain file", value=path.name, remedy=_AGAIN)
    try:
        found = guarded(path.name, lambda: pl.read_parquet_schema(path))
        rows = guarded(path.name, lambda: pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    except BundleError as error:
        raise BundleError("not a Parquet file", value=f"{path.name}: {error.value}", remedy=_AGAIN) from error
    if dict(found) != dict(wanted):
        wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        raise BundleError("other columns", value=f"{path.name}: {', '.join(wrong)}", remedy=_AGAIN)
    if rows > most_rows:
        raise BundleError("too many rows", value=f"{path.name}: {rows:,} rows, at most {most_rows:,}", remedy=_AGAIN)
