"""What a run that was killed left behind, and how it becomes a bundle after all.

A run brings its workers' rows into the bundle at the end of every stage, so a kill leaves at most one stage's rows
in ``spool/``. The journal stops before the end, which makes the trial INVALID for ever: nothing here can turn what
a killed run showed into a PASS.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from seatrial.clock import Clock
from seatrial.errors import BundleError, EvidenceError, RecordingError, UsageError
from seatrial.evidence.bundle import JOURNAL, MAX_JOURNAL_BYTES, PLAN, read_part
from seatrial.evidence.canonical import parse_json
from seatrial.evidence.chain import ChainWriter
from seatrial.evidence.keys import Signer
from seatrial.evidence.manifest import MANIFEST
from seatrial.model.journal import EventKind, read_journal
from seatrial.model.plan import Plan, trial_slug
from seatrial.samples.codec import ROW_DTYPE, read_frames
from seatrial.samples.merge import merge_health, merge_stage
from seatrial.samples.telemetry import merge_telemetry, telemetry_file
from seatrial.trials.finish import RunResult, close_bundle
from seatrial.trials.sealed import end_of_killed

__all__ = ["recover", "rows_left"]

_STAGE = re.compile(r"stage-(\d{4,})-worker-\d{3,}\.rows")


def rows_left(folder: Path) -> int:
    """Return how many whole rows lie in a bundle's spools, not yet among its records; damaged ones don't count."""
    count = 0
    for path in (folder / "spool").glob("*/stage-*.rows"):
        with suppress(EvidenceError, OSError):
            for rows in read_frames(path, ROW_DTYPE):
                count += len(rows)
    return count


def recover(folder: Path, signers: Sequence[Signer], clock: Clock, attempts: Path | None = None) -> RunResult:
    """Finish the bundle of a killed run: merge what its workers wrote, judge, report, seal.

    Spools that are damaged stay where they are and are sealed as they are.

    Args:
        folder: The bundle's folder.
        signers: The tester's keys; none leaves the bundle unsigned.
        clock: Wall-clock time, for the seal.
        attempts: The log of attempts on its seal, which gets its end; None takes the one that the bundle names.

    Raises:
        UsageError: the bundle is finished, or its run is still under way.
        BundleError: plan or journal can't be read, or the journal does not say when the run began.
        RecordingError: the disk refuses.
    """
    if (folder / MANIFEST).exists():
        raise UsageError("the bundle is finished already", value=folder, remedy="Look at it with assess or verify.")
    read_part(folder, JOURNAL, MAX_JOURNAL_BYTES)  # a plain file, and not too large
    descriptor = os.open(folder / JOURNAL, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError("the run is still under way", value=folder, remedy="Wait for it, or stop it.") from error
    else:
        _merge_all(folder)
        result = close_bundle(folder, _chain_left(folder), None, signers, clock)
        return end_of_killed(result, attempts, clock.now())
    finally:
        os.close(descriptor)


def _merge_all(folder: Path) -> None:
    epoch_ns = _epoch_ns(folder)
    plan = Plan.model_validate(parse_json(read_part(folder, PLAN), PLAN))
    (folder / ".ballast").unlink(missing_ok=True)
    for index, name in enumerate(plan.trial_names()):
        slug = trial_slug(index, name)
        spool, records = folder / "spool" / slug, folder / "records" / slug
        stages: dict[str, list[Path]] = {}
        for path in sorted(spool.glob("stage-*.rows")):
            if found := _STAGE.fullmatch(path.name):
                stages.setdefault(found[1], []).append(path)
        health = sorted(spool.glob("health-worker-*.rows"))
        # What is damaged stays in the spool; the journal's silence says the rest.
        for files in stages.values():
            with suppress(EvidenceError):
                merge_stage(files, records, epoch_ns)
        if health:
            with suppress(EvidenceError):
                merge_health(health, folder / "health" / f"{slug}.parquet", epoch_ns)
        if telemetry_file(spool).exists():
            with suppress(EvidenceError):
                merge_telemetry(telemetry_file(spool), folder / "telemetry" / f"{slug}.parquet", epoch_ns)


def _chain_left(folder: Path) -> ChainWriter:
    """Return what goes on with the chain that the run left; its closing line will say that it was recovered."""
    try:
        return ChainWriter(folder, recovered=True)
    except OSError as error:
        raise RecordingError(
            f"the chain of parts can't be written ({error.strerror})", value=folder, remedy="Free some space."
        ) from error


def _epoch_ns(folder: Path) -> int:
    for event in read_journal(folder / JOURNAL):
        epoch_ns = event.data.get("epoch_ns")
        if event.event is EventKind.RUN_STARTED and isinstance(epoch_ns, int):
            return epoch_ns
    raise BundleError(
        "the journal does not say when the run began", value=folder / JOURNAL, remedy="There is nothing to recover."
    )
