"""What may be entered in the transparency log, and the proofs that something was.

A proof that an envelope stands in the log (``seatrial-log-proof/1``) is one JSON object:

    {"format": "seatrial-log-proof/1", "index": 7, "entry": "<the leaf>", "hashes": ["<hex>", ...],
     "checkpoint": "<the signed checkpoint>"}
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from seatrial.clock import to_rfc3339
from seatrial.confirmation.revocation import REVOCATIONS_TYPE, RevocationList, read_list
from seatrial.confirmation.statement import CONFIRMATION_TYPE, SIGNING_ROLES, parse_confirmation
from seatrial.errors import EnvelopeError, EvidenceError, SeatrialError
from seatrial.evidence.canonical import canonical_bytes, parse_json, read_document, sha256_hex
from seatrial.evidence.envelope import verify
from seatrial.evidence.keys import TESTER, Trust
from seatrial.evidence.log import (
    CHECKPOINT,
    ENVELOPES,
    Checkpoint,
    Entry,
    parse_entry,
    read_checkpoint,
    read_entries,
    tiles_of,
)
from seatrial.evidence.merkle import consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, root_of
from seatrial.evidence.statement import TEST_RESULT_TYPE, parse_test_result
from seatrial.evidence.verification import Step, StepStatus

__all__ = ["LOG_PROOF_FORMAT", "check_proof", "entry_of", "prove", "verify_log"]

LOG_PROOF_FORMAT = "seatrial-log-proof/1"
_SOURCE = "Ask the log's operator for a proof."


def entry_of(envelope: bytes, trust: Trust, at: datetime) -> Entry:
    """Return the entry of a properly signed confirmation, revocation list or test result.

    Args:
        envelope: The envelope.
        trust: Who may sign what.
        at: The time of entry.

    Raises:
        EvidenceError: Of another kind, malformed, or not properly signed; the message says what is wrong.
    """
    verified = verify(envelope, trust)
    document = parse_json(verified.payload, "the statement")
    kind = document.get("predicateType") if isinstance(document, dict) else None
    if kind == CONFIRMATION_TYPE:
        name, problems = (
            "confirmation",
            verified.problems(SIGNING_ROLES, parse_confirmation(verified.payload).issued_at),
        )
    elif kind == REVOCATIONS_TYPE:
        read_list(envelope, trust)
        name, problems = "revocations", ()
    elif kind == TEST_RESULT_TYPE:
        name, problems = "test-result", verified.problems({TESTER}, parse_test_result(verified.payload).sealed_at)
    else:
        raise EnvelopeError(
            "the log holds confirmations, revocation lists and test results", value=repr(kind), remedy="Enter those."
        )
    if problems:
        raise EnvelopeError(f"the {name} is not properly signed", value="; ".join(problems), remedy="Have it signed.")
    return Entry(name, sha256_hex(verified.payload), sha256_hex(envelope), at.replace(microsecond=0))


def _standing(folder: Path, trust: Trust) -> tuple[bytes, Checkpoint, list[bytes]]:
    signed = read_document(folder / CHECKPOINT)
    checkpoint, _ = read_checkpoint(signed, trust)
    return signed, checkpoint, read_entries(folder, checkpoint.size)


def prove(folder: Path, envelope: bytes, trust: Trust) -> bytes:
    """Return the proof that an envelope stands in a log.

    Raises:
        EvidenceError: It does not, or the log can't be read.
    """
    signed, checkpoint, leaves = _standing(folder, trust)
    wanted = sha256_hex(envelope)
    index = next((i for i, leaf in enumerate(leaves) if parse_entry(leaf).envelope == wanted), None)
    if index is None:
        raise EvidenceError("the log does not hold this envelope", value=wanted, remedy="Enter it first.")
    hashes = [leaf_hash(leaf) for leaf in leaves]
    if root_of(hashes) != checkpoint.root:
        raise EvidenceError("the log's entries are not those of its checkpoint", value=folder, remedy=_SOURCE)
    return canonical_bytes(
        {
            "format": LOG_PROOF_FORMAT,
            "index": index,
            "entry": leaves[index].decode(),
            "hashes": [item.hex() for item in inclusion_proof(hashes, index)],
            "checkpoint": signed.decode(),
        }
    )


def check_proof(proof: bytes, payload_digest: str, trust: Trust, now: datetime) -> str:
    """Check that a log holds a statement, and return a sentence that says where and since when.

    Args:
        proof: From :func:`prove`.
        payload_digest: SHA-256 of the statement that was signed.
        trust: Must hold the log operator's key.
        now: The current time; an entry from the future proves nothing.

    Raises:
        EvidenceError: The proof is malformed, speaks about another statement, does not lead to the checkpoint's root,
            or the checkpoint is signed by nobody trusted.
    """
    document = parse_json(proof, "the log's proof")
    if not isinstance(document, dict) or document.keys() != {"format", "index", "entry", "hashes", "checkpoint"}:
        raise EvidenceError("the log's proof has fields missing or unknown", remedy=_SOURCE)
    index, leaf, hashes, signed = (document[k] for k in ("index", "entry", "hashes", "checkpoint"))
    good = type(index) is int and isinstance(leaf, str) and isinstance(hashes, list) and isinstance(signed, str)
    if document["format"] != LOG_PROOF_FORMAT or not good or not all(isinstance(item, str) for item in hashes):
        raise EvidenceError(f"the log's proof is not of format {LOG_PROOF_FORMAT}", remedy=_SOURCE)
    checkpoint, operator = read_checkpoint(signed.encode(), trust)
    entry = parse_entry(leaf.encode())
    try:
        path = [bytes.fromhex(item) for item in hashes]
    except ValueError as e:
        raise EvidenceError("the log's proof holds no hashes", remedy=_SOURCE) from e
    if entry.payload != payload_digest:
        raise EvidenceError("the log's proof is that of another statement", value=entry.payload, remedy=_SOURCE)
    if not is_included(leaf_hash(leaf.encode()), index, checkpoint.size, path, checkpoint.root):
        raise EvidenceError("the log's proof does not lead to the checkpoint", value=checkpoint.origin, remedy=_SOURCE)
    if entry.at > now or not operator.valid_at(entry.at):
        raise EvidenceError(
            "the log's entry is from the future, or from when its operator's key was not valid",
            value=to_rfc3339(entry.at),
            remedy=_SOURCE,
        )
    return f"entry {index + 1} of {checkpoint.size} in {checkpoint.origin} since {to_rfc3339(entry.at)}"


def verify_log(folder: Path, trust: Trust, now: datetime, since: bytes | None = None) -> tuple[Step, ...]:
    """Verify a whole log, step by step; a step that can't run has failed.

    Args:
        folder: The log, or an exported copy of it.
        trust: Must hold the operator's key, and those of everyone who signed an entry.
        now: The current time.
        since: A checkpoint seen earlier; None compares with none.
    """
    reading = _Reading(folder, trust, now, since)
    steps: list[tuple[str, Callable[[], str | None]]] = [
        ("checkpoint is signed by a trusted log operator", reading.checkpoint_signed),
        ("tiles and entries lead to the checkpoint's root", reading.tiles_lead_to_root),
        ("entries are in the order of their time", reading.in_order),
        ("every envelope is there and properly signed", reading.envelopes_signed),
        ("no revocation list forgets an earlier one", reading.lists_grow),
        ("the log continues the earlier checkpoint", reading.continues),
    ]
    found = []
    for number, (title, step) in enumerate(steps, start=1):
        try:
            sentence = step()
            status = StepStatus.NOT_APPLICABLE if sentence is None else StepStatus.PASSED
        except Exception as e:  # a log that surprises the reader is not a good log
            status, sentence = StepStatus.FAILED, str(e) or type(e).__name__
        found.append(Step(number, title, status, sentence or "no earlier checkpoint was given (--since)"))
    return tuple(found)


class _Reading:
    """A log under verification."""

    def __init__(self, folder: Path, trust: Trust, now: datetime, since: bytes | None) -> None:
        self._folder, self._trust, self._now, self._since = folder, trust, now, since
        self._checkpoint: Checkpoint | None = None
        self._leaves: list[bytes] = []
        self._entries: list[Entry] = []

    def _known(self) -> Checkpoint:
        if self._checkpoint is None:
            raise EvidenceError("this can't be checked: there is no good checkpoint", remedy=_SOURCE)
        return self._checkpoint

    def checkpoint_signed(self) -> str:
        self._checkpoint, operator = read_checkpoint(read_document(self._folder / CHECKPOINT), self._trust)
        return f"{self._checkpoint.origin}, {self._checkpoint.size} entries, signed by {operator.name}"

    def tiles_lead_to_root(self) -> str:
        checkpoint = self._known()
        if not checkpoint.size:
            raise EvidenceError("the log is empty", remedy=_SOURCE)
        self._leaves = read_entries(self._folder, checkpoint.size)
        if root_of([leaf_hash(leaf) for leaf in self._leaves]) != checkpoint.root:
            self._leaves = []
            raise EvidenceError("the entries do not lead to the checkpoint's root", remedy=_SOURCE)
        for name, data in tiles_of(self._leaves):
            if read_document(self._folder / name) != data:
                raise EvidenceError(f"{name} is not the tile of these entries", remedy=_SOURCE)
        self._entries = [parse_entry(leaf) for leaf in self._leaves]
        return f"{len(self._leaves)} entries"

    def _listed(self) -> list[Entry]:
        if not self._entries:
            raise EvidenceError("this can't be checked: there are no good entries", remedy=_SOURCE)
        return self._entries

    def in_order(self) -> str:
        entries = self._listed()
        _, operator = read_checkpoint(read_document(self._folder / CHECKPOINT), self._trust)
        for number, (entry, after) in enumerate(zip(entries, [*entries[1:], None], strict=True), start=1):
            if after is not None and after.at < entry.at:
                raise EvidenceError(f"entry {number + 1} is dated before entry {number}", remedy=_SOURCE)
        if entries[-1].at > self._now or not operator.valid_at(entries[-1].at):
            raise EvidenceError(
                "the last entry is from the future, or from when its operator's key was not valid", remedy=_SOURCE
            )
        return f"from {to_rfc3339(entries[0].at)} to {to_rfc3339(entries[-1].at)}"

    def envelopes_signed(self) -> str:
        for number, entry in enumerate(self._listed(), start=1):
            envelope = read_document(self._folder / ENVELOPES / f"{entry.envelope}.json")
            try:
                made = entry_of(envelope, self._trust, entry.at)
            except SeatrialError as e:
                raise EvidenceError(f"entry {number} does not stand: {e}", remedy=_SOURCE) from e
            if made != entry:
                raise EvidenceError(f"entry {number} is not that of its envelope", remedy=_SOURCE)
        return f"{len(self._entries)} envelopes"

    def lists_grow(self) -> str:
        newest: RevocationList | None = None
        for number, entry in enumerate(self._listed(), start=1):
            if entry.kind != "revocations":
                continue
            listed = read_list(read_document(self._folder / ENVELOPES / f"{entry.envelope}.json"), self._trust)
            if newest is not None:
                forgotten = {e.confirmation_digest for e in newest.entries} - {
                    e.confirmation_digest for e in listed.entries
                }
                if listed.sequence <= newest.sequence or forgotten:
                    raise EvidenceError(
                        f"the revocation list of entry {number} goes back behind number {newest.sequence}, or drops "
                        f"{len(forgotten)} of its entries",
                        remedy=_SOURCE,
                    )
            newest = listed
        return "no list is there" if newest is None else f"the newest is number {newest.sequence}"

    def continues(self) -> str | None:
        if self._since is None:
            return None
        checkpoint, (earlier, _) = self._known(), read_checkpoint(self._since, self._trust)
        hashes = [leaf_hash(leaf) for leaf in self._leaves]
        good = earlier.origin == checkpoint.origin and 0 < earlier.size <= len(hashes)
        proof = consistency_proof(hashes, earlier.size) if good else []
        if not good or not is_consistent(earlier.size, len(hashes), proof, earlier.root, checkpoint.root):
            raise EvidenceError(
                f"the log does not begin with the {earlier.size} entries that {earlier.origin} once signed for: it was "
                "rewritten, cut, or is another log",
                remedy="Keep both checkpoints: together they prove it.",
            )
        return f"it begins with the {earlier.size} entries of the earlier checkpoint"
