"""What a gate remembers between two questions: the highest edition of the revocation list that it has seen.

    {"format": "seatrial-seen/1", "sequence": 7, "list": {"sha256": "..."}}

An older list, played again, would bring a revoked confirmation back to life until that list expires. A gate with a
memory refuses it, and refuses two different lists with one number. The memory is written whole or not at all, before
the gate answers; a memory that can't be read or written is a reason to DENY, because the next question could not rely
on it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from seatrial.confirmation import reading
from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import canonical_bytes, parse_json, read_document

__all__ = ["LOCK_WAIT_S", "MEMORY_FORMAT", "remember"]

MEMORY_FORMAT = "seatrial-seen/1"
_MAX_BYTES = 4096
LOCK_WAIT_S = 5.0
"""How long another gate is waited for, in seconds; a webhook's question has ten."""


def remember(path: Path, sequence: int, list_digest: str) -> tuple[str, ...]:
    """Compare an edition with the highest one seen so far, and remember it when it is newer.

    Args:
        path: The memory; a file that does not exist yet has seen nothing. Beside it lies a lock, ``path`` + ``.lock``.
        sequence: The number of the edition, verified.
        list_digest: SHA-256 of its payload.

    Returns:
        Sentences, each a reason to DENY; empty when the edition is the highest one seen, and is remembered.
    """
    try:
        # Two gates at once: the lower number must not be written last.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(path.with_name(path.name + ".lock"), flags, 0o644)
        try:
            _wait_for(lock)
            return _compare(path, sequence, list_digest)
        finally:
            os.close(lock)
    except (OSError, EvidenceError) as e:
        return (f"the memory of the revocation list can't be relied on: {e}",)


def _wait_for(lock: int) -> None:
    """Take the lock, or raise TimeoutError: whoever holds it for ever would keep the gate from saying DENY."""
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            if time.monotonic() >= until:
                raise TimeoutError(f"its lock is held by another process for more than {LOCK_WAIT_S:g} s") from e
            time.sleep(0.005)
        else:
            return


def _compare(path: Path, sequence: int, list_digest: str) -> tuple[str, ...]:
    if path.exists() or path.is_symlink():
        document = parse_json(read_document(path, _MAX_BYTES), path.name)
        found = reading.fields(document, {"format", "sequence", "list"}, path.name)
        if found["format"] != MEMORY_FORMAT or type(found["sequence"]) is not int or found["sequence"] < 1:
            return (f"the memory of the revocation list is not of format {MEMORY_FORMAT}",)
        seen, digest = found["sequence"], reading.digest(found["list"], "list")
        if sequence < seen:
            return (f"the revocation list is number {sequence}, and number {seen} was seen already",)
        if sequence == seen:
            same = digest == list_digest
            return () if same else (f"two different revocation lists have number {sequence}",)
    _write(path, {"format": MEMORY_FORMAT, "sequence": sequence, "list": {"sha256": list_digest}})
    return ()


def _write(path: Path, document: dict[str, object]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(canonical_bytes(document))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
