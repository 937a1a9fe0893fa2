"""The step on the documents: each is whole, and is what was digested."""

from __future__ import annotations

from pathlib import Path

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.bundle import (
    JOURNAL,
    MAX_JOURNAL_BYTES,
    RELEASE,
    REQUIRED_DOCUMENTS,
    plan_source,
    read_part,
)
from seatrial.evidence.canonical import MAX_DOCUMENT_BYTES, open_regular, parse_json, sha256_hex
from seatrial.evidence.checks.base import Check
from seatrial.model.release import parse_release

__all__ = ["documents_parse"]


def documents_parse(check: Check) -> str:
    """Parse the documents; all problems at once."""
    # all problems at once
    problems: list[str] = []
    names = [*REQUIRED_DOCUMENTS, *([RELEASE] if (check.directory / RELEASE).exists() else [])]
    for name in names:
        try:
            check.raw[name] = read_part(check.directory, name)
            _refuse_other_bytes(check, name)
            check.documents[name] = parse_json(check.raw[name], name)
            if name == RELEASE:
                check.release = parse_release(check.raw[name])
            elif not isinstance(check.documents[name], dict) or not check.documents[name]:
                problems.append(f"{name} is empty or no object")
        except EvidenceError as e:
            problems.append(str(e))
    for read in (lambda: plan_source(check.directory), lambda: _read_journal(check.directory / JOURNAL)):
        try:
            read()
        except EvidenceError as e:
            problems.append(str(e))
    if problems:
        raise BundleError("; ".join(problems), remedy="Take the bundle from its source again.")
    return ", ".join([*names, JOURNAL])


def _refuse_other_bytes(check: Check, name: str) -> None:
    """Refuse a document that is not what step 5 digested, unless step 5 has named it."""
    entry = check.manifest.entry(name) if check.manifest else None
    if entry is None or any(d.path == name for d in check.differences):
        return
    if entry.sha256 != sha256_hex(check.raw[name]):
        raise BundleError(f"{name} changed while it was verified", remedy="Verify a copy that nobody writes to.")


def _read_journal(path: Path) -> None:
    """Refuse a journal that is missing, empty, too large, or has a whole line that is no JSON object.

    A last line without its end is what a killed run leaves; it is sealed as it is, and not read.
    """
    lines = total = 0
    with open_regular(path) as file:
        while line := file.readline(MAX_DOCUMENT_BYTES + 1):
            lines += 1
            total += len(line)
            if total > MAX_JOURNAL_BYTES:
                raise BundleError(f"{JOURNAL} is larger than {MAX_JOURNAL_BYTES} bytes", remedy="Do not use it.")
            if line.endswith(b"\n") and not isinstance(parse_json(line, f"{JOURNAL} line {lines}"), dict):
                raise BundleError(f"{JOURNAL} line {lines} is no object", remedy="Take it from its source again.")
    if not lines:
        raise BundleError(f"{JOURNAL} is empty", remedy="A run writes down what happened: run the plan again.")
