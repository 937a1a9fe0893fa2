"""The log of attempts on one seal: append-only, one JSON object a line, chained by hashes.

    {"at": "...", "attempt": 1, "bundle": "booking-1", "digest": "...", "event": "started", "previous": "...",
     "sequence": 1}
    {"at": "...", "attempt": 1, "bundle": "booking-1", "digest": "...", "ending": "completed", "event": "ended",
     "evidence": "...", "previous": "...", "sequence": 2, "verdict": "FAIL"}

``digest`` is the SHA-256 of the line without it, in canonical bytes; ``previous`` is the digest of the line before, and
on the first line that of the seal's payload. A run writes ``started`` before its first request and ``ended`` when its
bundle is sealed, so a run that was killed leaves a start without an end. A changed, removed, swapped or cut line is
found. Whole lines taken off the end are not found in the log itself, but by whoever holds a later bundle, which has the
log up to its own start.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError, EvidenceError, RecordingError, UsageError
from seatrial.evidence.bundle import ENVIRONMENT, read_part
from seatrial.evidence.canonical import canonical_bytes, is_sha256_hex, parse_json, parse_rfc3339, sha256_hex
from seatrial.evidence.plan_seal import SEAL, seal_payload
from seatrial.model.attempt import ENDINGS, Attempt, EarlierAttempt
from seatrial.model.verdict import Verdict

__all__ = [
    "ATTEMPTS",
    "AttemptsLog",
    "Line",
    "attempt_of",
    "attempts_in",
    "check_own_start",
    "parse_log",
    "read_attempt",
]

ATTEMPTS = "attempts.jsonl"
"""The log's name in a bundle, and beside a seal."""
MAX_LOG_BYTES = 4 * 1024 * 1024
STARTED, ENDED = "started", "ended"
_OF_START = {"sequence", "attempt", "previous", "event", "at", "bundle"}
_OF_END = _OF_START | {"evidence", "verdict", "ending"}
_REMEDY = "Take the log from whoever keeps it again; an attempt that can't be seen can't be counted."


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log.

    Attributes:
        sequence: From 1.
        attempt: The number of the attempt it speaks of, from 1.
        previous: The digest of the line before; of the seal's payload on the first.
        event: ``started`` or ``ended``.
        at: When, RFC 3339.
        bundle: The name of the bundle's folder.
        evidence: The evidence digest; None in a start, as the following.
        verdict: PASS, FAIL, INCONCLUSIVE or INVALID.
        ending: One of :data:`seatrial.model.attempt.ENDINGS`.
    """

    sequence: int
    attempt: int
    previous: str
    event: str
    at: str
    bundle: str
    evidence: str | None = None
    verdict: str | None = None
    ending: str | None = None

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (_OF_END if self.event == ENDED else _OF_START)}

    @property
    def digest(self) -> str:
        """SHA-256 of the line's fields, in canonical bytes."""
        return sha256_hex(canonical_bytes(self._fields()))

    def to_bytes(self) -> bytes:
        """Return the line as it stands in the log, with its end."""
        return canonical_bytes({**self._fields(), "digest": self.digest}) + b"\n"


def parse_log(data: bytes, seal_digest: str) -> tuple[Line, ...]:
    """Read a log, strictly.

    Args:
        data: The whole log; empty where nobody has tried yet.
        seal_digest: SHA-256 of the payload of the seal that it must belong to.

    Raises:
        EvidenceError: A line is cut, changed, missing, out of order or of another seal; the message says which.
    """
    if len(data) > MAX_LOG_BYTES:
        _refuse(f"it has more than {MAX_LOG_BYTES} bytes")
    if data and not data.endswith(b"\n"):
        _refuse("its last line is cut", data[data.rfind(b"\n") + 1 :][:80])
    lines: list[Line] = []
    open_attempts: dict[int, str] = {}
    started = 0
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        line = _line(raw, number)
        previous = lines[-1].digest if lines else seal_digest
        if line.sequence != number:
            _refuse(f"line {number} has the sequence number {line.sequence}")
        if line.previous != previous:
            _refuse(
                f"line {number} follows sha256:{line.previous}, but "
                + (f"line {number - 1} is sha256:{previous}" if lines else f"the seal is sha256:{previous}")
            )
        if line.event == STARTED:
            if line.attempt != started + 1:
                _refuse(f"line {number} starts attempt {line.attempt} after {started}")
            started, open_attempts[line.attempt] = line.attempt, line.bundle
        elif open_attempts.pop(line.attempt, None) != line.bundle:
            _refuse(f"line {number} ends attempt {line.attempt} of {line.bundle!a}, which was not under way")
        lines.append(line)
    return tuple(lines)


def _line(raw: bytes, number: int) -> Line:
    document = parse_json(raw, f"line {number} of the attempts log")
    event = document.get("event") if isinstance(document, dict) else None
    wanted = {STARTED: _OF_START, ENDED: _OF_END}.get(event if isinstance(event, str) else "", set())
    if not wanted or document.keys() != wanted | {"digest"}:
        _refuse(f"line {number} has fields missing or unknown")
    digest = document.pop("digest")
    whole = all(type(document[n]) is int for n in ("sequence", "attempt"))
    texts = all(isinstance(v, str) for k, v in document.items() if k not in {"sequence", "attempt"})
    if not whole or not texts or not all(is_sha256_hex(document.get(n, digest)) for n in ("previous", "evidence")):
        _refuse(f"a field of line {number} is malformed")
    if event == ENDED and (document["verdict"] not in list(Verdict) or document["ending"] not in ENDINGS):
        _refuse(f"line {number} ends in a way that there is not", f"{document['verdict']}, {document['ending']}")
    parse_rfc3339(document["at"], f"the time of line {number} of the attempts log")
    line = Line(**document)
    if line.digest != digest or line.to_bytes() != raw + b"\n":
        _refuse(f"line {number} was changed")
    return line


def _refuse(what: str, value: object = None) -> None:
    raise EvidenceError(f"the attempts log is not whole: {what}", value=value, remedy=_REMEDY)


def attempt_of(lines: Sequence[Line]) -> Attempt:
    """Return which attempt the last line starts, and what became of those before.

    Raises:
        EvidenceError: The last line is no start.
    """
    if not lines or lines[-1].event != STARTED:
        _refuse("its last line is not the start of this attempt")
    return Attempt(number=lines[-1].attempt, earlier=attempts_in(lines[:-1]))


def attempts_in(lines: Sequence[Line]) -> tuple[EarlierAttempt, ...]:
    """Return every attempt that stands in a log, the first first, and what became of it."""
    ends = {line.attempt: line for line in lines if line.event == ENDED}
    found = []
    for start in lines:
        if start.event == STARTED:
            end = ends.get(start.attempt)
            seen = (end.verdict, end.ending, end.evidence) if end else (None, None, None)
            found.append(
                EarlierAttempt(
                    number=start.attempt, bundle=start.bundle, verdict=seen[0], ending=seen[1], evidence=seen[2]
                )
            )
    return tuple(found)


def check_own_start(directory: Path, lines: Sequence[Line]) -> None:
    """Check that a bundle's log ends with the start that the bundle's environment names.

    Raises:
        BundleError: It does not: lines were taken off, or it is the log of another run.
    """
    environment = parse_json(read_part(directory, ENVIRONMENT), ENVIRONMENT)
    stated = environment.get("attempt") if isinstance(environment, dict) else None
    last = lines[-1].digest if lines else None
    if not isinstance(stated, dict) or stated.get("line") != last:
        raise BundleError(
            f"{ATTEMPTS} does not end with the start that {ENVIRONMENT} names",
            value=f"sha256:{last}, named {stated!r}",
            remedy="Take the bundle from its source again.",
        )


def read_attempt(directory: Path) -> Attempt | None:
    """Return which attempt on its seal an opened bundle is; None where its criteria were not sealed first.

    Nobody's signature is verified here: that is the verifier's.

    Raises:
        BundleError: Only one of seal and log is there, or the log is not whole or not this run's.
    """
    if not os.path.lexists(directory / SEAL) and not os.path.lexists(directory / ATTEMPTS):
        return None
    try:
        lines = parse_log(read_part(directory, ATTEMPTS), sha256_hex(seal_payload(read_part(directory, SEAL))))
        attempt = attempt_of(lines)
        check_own_start(directory, lines)
    except BundleError:
        raise
    except EvidenceError as error:
        raise BundleError(error.what, value=error.value, remedy=error.remedy) from error
    return attempt


class AttemptsLog:
    """The log on disk, held by one run from its start to its end.

    Attributes:
        path: Where it is.
        lines: What stands in it.

    Raises:
        UsageError: another attempt on the seal is under way, or the file can't be opened.
        EvidenceError: the log is broken, or belongs to another seal.
        RecordingError: from methods that write, when the disk refuses.
    """

    def __init__(self, path: Path, seal_digest: str, *, create: bool = True) -> None:
        self.path = path
        self._seal_digest = seal_digest
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise UsageError(
                f"the attempts log can't be opened ({error.strerror})", value=path, remedy="Name it with --attempts."
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.lines = parse_log(self._read(), seal_digest)
        except BlockingIOError as error:
            self.close()
            raise UsageError(
                "another attempt on this seal is under way", value=path, remedy="Wait for it, or stop it."
            ) from error
        except BaseException:
            self.close()
            raise

    def _read(self) -> bytes:
        return os.pread(self._fd, MAX_LOG_BYTES + 1, 0)

    def content(self) -> bytes:
        """Return the log's bytes."""
        return b"".join(line.to_bytes() for line in self.lines)

    def start(self, bundle: str, at: datetime) -> Line:
        """Append the start of a new attempt and return it; it is on the disk."""
        attempt = sum(line.event == STARTED for line in self.lines) + 1
        return self._append(attempt, STARTED, at, bundle)

    def end(self, start: Line, at: datetime, *, evidence: str, verdict: str, ending: str) -> Line:
        """Append the end of an attempt and return it.

        Raises:
            EvidenceError: the log has no such start, or has its end already.
        """
        if start not in self.lines or any(b.event == ENDED and b.attempt == start.attempt for b in self.lines):
            _refuse(f"attempt {start.attempt} of {start.bundle!a} is not under way in it")
        return self._append(start.attempt, ENDED, at, start.bundle, evidence, verdict, ending)

    def _append(self, attempt: int, event: str, at: datetime, bundle: str, *end: str) -> Line:
        previous = self.lines[-1].digest if self.lines else self._seal_digest
        line = Line(len(self.lines) + 1, attempt, previous, event, to_rfc3339(at), bundle, *end)
        data, before = line.to_bytes(), os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, data) != len(data):  # a full disk takes what still fits
                os.ftruncate(self._fd, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)
            if not self.lines:
                _sync_folder(self.path.parent)  # a new file's name must outlive a crash too
        except OSError as error:
            raise RecordingError(
                f"the attempts log can't be written ({error.strerror})", value=self.path, remedy="Free some space."
            ) from error
        self.lines = (*self.lines, line)
        return line

    def close(self) -> None:
        """Let go of the log; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
