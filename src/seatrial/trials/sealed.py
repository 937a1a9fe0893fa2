"""Criteria that were sealed first: sealing them, refusing a run of anything else, and the attempt that a run is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.authoring.forecasts import forecast_of
from seatrial.authoring.policies import LoadedPolicy
from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError, EvidenceError, RecordingError, SeatrialError, UsageError
from seatrial.evidence.attempts import ATTEMPTS, AttemptsLog, Line, parse_log
from seatrial.evidence.bundle import (
    ENVIRONMENT,
    FORECAST,
    FORECAST_SOURCE,
    PLAN,
    PLAN_SOURCES,
    POLICY,
    RELEASE,
    read_part,
)
from seatrial.evidence.canonical import canonical_bytes, parse_json, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import Signer
from seatrial.evidence.plan_seal import SEAL, Criteria, PlanSeal, SignedSeal, new_seal_id, seal_payload, verify_seal
from seatrial.model.attempt import KILLED
from seatrial.model.forecast import forecast_document
from seatrial.model.plan import plan_document
from seatrial.model.release import Subject, parse_release
from seatrial.trials.documents import Feeds, code_of, feed_facts, upload_facts
from seatrial.trials.finish import RunResult
from seatrial.trials.options import RunOptions
from seatrial.trials.workspace import Workspace

__all__ = ["SealedRun", "criteria_of", "end_of_killed", "held_to_seal", "seal_plan"]


def criteria_of(loaded: LoadedPlan, policy: LoadedPolicy, release: bytes | None, feeds: Feeds) -> Criteria:
    """Return by digest what a run of a plan is judged on: what its bundle will hold, or say that it used.

    Raises:
        PlanError: a forecast or a file of Python changed since the plan was checked.
        EngineError: a file to upload can't be read any more.
    """
    forecast = forecast_of(loaded.plan.demand, loaded.base)
    documents = {
        PLAN_SOURCES[0]: loaded.digest,
        PLAN: _digest(plan_document(loaded.plan)),
        POLICY: _digest(policy.policy.as_document()),
        RELEASE: None if release is None else sha256_hex(release),
        FORECAST_SOURCE: None if forecast is None else sha256_hex(forecast.source),
        FORECAST: None if forecast is None else _digest(forecast_document(forecast.forecast)),
    }
    return Criteria(
        documents,
        feeds={name: fact["sha256"] for name, fact in feed_facts(loaded, feeds).items()},
        uploads={name: fact["sha256"] for name, fact in upload_facts(loaded).items()},
        code={name: sha256_hex(source) for name, (_, source) in code_of(loaded).items()},
    )


def _digest(document: object) -> str:
    return sha256_hex(canonical_bytes(document))


def seal_plan(
    loaded: LoadedPlan,
    policy: LoadedPolicy,
    release: bytes | None,
    feeds: Feeds,
    signers: Sequence[Signer],
    now: datetime,
) -> bytes:
    """Seal what a trial will be judged on, and return the signed envelope.

    Args:
        loaded: The plan.
        policy: The rules.
        release: The release manifest that will be put to trial; None binds none.
        feeds: Rows of the plan's feeds.
        signers: A tester's key, a test arranger's, or both.
        now: The time of sealing, with a zone.

    Raises:
        SignatureError: no signer, or one key twice.
    """
    criteria = criteria_of(loaded, policy, release, feeds)
    plan = Subject(PLAN_SOURCES[0], loaded.digest)
    subjects = (plan,) if release is None else parse_release(release).subjects
    return sign(PlanSeal(new_seal_id(), now, criteria, subjects).to_statement().to_bytes(), signers)


def held_to_seal(
    loaded: LoadedPlan, policy: LoadedPolicy, options: RunOptions, feeds: Feeds, now: datetime
) -> SealedRun:
    """Refuse a run of anything else than was sealed; where no seal is given, everything may be run.

    Args:
        loaded: The plan.
        policy: The rules.
        options: How to run, with the seal, the trust file and the place of the attempts log.
        feeds: Rows of the plan's feeds.
        now: The time of the run.

    Raises:
        UsageError: there is no trust file, the seal is not rightly signed, sealed later than now, or of something
            else; another attempt is under way; the attempts log is broken or belongs to another seal.
    """
    if options.seal is None:
        return SealedRun(None, b"", Path())
    if options.trust is None or options.attempts is None:
        raise UsageError("a seal says nothing without a trust file", remedy="Add --trust: who may seal plans.")
    try:
        signed = verify_seal(options.seal, options.trust)
    except EvidenceError as error:
        raise UsageError(error.what, value=error.value, remedy=error.remedy) from error
    if signed.seal.sealed_at > now:
        raise UsageError(
            "the plan is sealed in the future", value=to_rfc3339(signed.seal.sealed_at), remedy="Look at the clocks."
        )
    if found := signed.seal.criteria.differences(criteria_of(loaded, policy, options.release, feeds)):
        raise UsageError(
            "this is not what was sealed", value="; ".join(found), remedy="Run what was sealed, or seal this anew."
        )
    run = SealedRun(signed, options.seal, options.attempts)
    if options.attempts.exists():
        run.open(create=False)  # a log that can't be used is refused before anything is sent
        run.close()
    return run


class SealedRun:
    """The attempt on a seal that a run is; of a run without a seal, nothing.

    Between :meth:`start` and :meth:`close` no other run can begin an attempt on the same seal.
    """

    def __init__(self, signed: SignedSeal | None, envelope: bytes, path: Path) -> None:
        self._signed, self._envelope, self._path = signed, envelope, path.absolute()
        self._log: AttemptsLog | None = None
        self._line: Line | None = None

    def open(self, *, create: bool) -> AttemptsLog:
        """Open the attempts log and hold it.

        Raises:
            UsageError: another attempt is under way, or the log can't be opened, is broken or of another seal.
        """
        if self._signed is None:
            raise ValueError("a run without a seal has no attempts log")
        try:
            self._log = AttemptsLog(self._path, self._signed.digest, create=create)
        except EvidenceError as error:
            raise UsageError(error.what, value=error.value or self._path, remedy=error.remedy) from error
        return self._log

    def start(self, workspace: Workspace, now: datetime) -> None:
        """Write the start of this attempt into the log, and seal and log as they now are into the bundle.

        Raises:
            UsageError: another attempt began meanwhile.
            RecordingError: the disk refuses.
        """
        if self._signed is None:
            return
        log = self.open(create=True)
        self._line = log.start(workspace.folder.resolve().name, now)
        workspace.write(SEAL, self._envelope)
        workspace.write(ATTEMPTS, log.content())

    @property
    def facts(self) -> dict[str, Any] | None:
        """What the bundle's environment says of the attempt; None without a seal, or before its start."""
        if self._line is None:
            return None
        return {"number": self._line.attempt, "line": self._line.digest, "log": str(self._path)}

    def end(self, result: RunResult, ending: str, now: datetime) -> RunResult:
        """Write the end of this attempt into the log; the result says so where that fails.

        Args:
            result: The sealed bundle.
            ending: How the run ended, one of :data:`seatrial.model.attempt.ENDINGS`.
            now: The time.
        """
        if self._log is None or self._line is None:
            return result
        try:
            verdict = str(result.verdict.verdict)
            self._log.end(self._line, now, evidence=result.digest, verdict=verdict, ending=ending)
        except (EvidenceError, RecordingError) as error:
            return replace(result, unlogged=str(error))
        return result

    def close(self) -> None:
        """Let go of the log; a second call does nothing."""
        if self._log is not None:
            self._log.close()
            self._log = None


def end_of_killed(result: RunResult, attempts: Path | None, now: datetime) -> RunResult:
    """Write the end of a killed run's attempt into its log, now that its bundle is closed.

    Args:
        result: The bundle, recovered.
        attempts: The log; None takes the one that the bundle names.
        now: The time.

    Returns:
        The result; it says why where the end could not be written.
    """
    folder = result.bundle
    if not (folder / SEAL).exists():
        return result
    try:
        digest = sha256_hex(seal_payload(read_part(folder, SEAL)))
        start = parse_log(read_part(folder, ATTEMPTS), digest)[-1]
        log = AttemptsLog(attempts or _named_log(folder), digest, create=False)
        try:
            verdict = str(result.verdict.verdict)
            log.end(start, now, evidence=result.digest, verdict=verdict, ending=KILLED)
        finally:
            log.close()
    except (SeatrialError, IndexError) as error:
        return replace(result, unlogged=str(error))
    return result


def _named_log(folder: Path) -> Path:
    environment = parse_json(read_part(folder, ENVIRONMENT), ENVIRONMENT)
    with suppress(KeyError, TypeError):
        if isinstance(named := environment["attempt"]["log"], str):
            return Path(named)
    raise BundleError(f"{ENVIRONMENT} names no attempts log", value=folder, remedy="Name it with --attempts.")
